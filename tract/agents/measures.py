"""The composition of a context: tokens by kind and by tool, its largest messages, and tool outputs that are no longer needed.

    rows of a snapshot ──▸ Measures.advance ──▸ figures

Measured rows stay the same, and a conversation mostly grows: measuring again costs only the messages added.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from tract.compile.snapshot import Columns, Snapshot
from tract.compile.supposed import Supposed
from tract.compile.workspace import Workspace
from tract.history.compression import is_summary
from tract.messages.kinds import MessageKind, kind_of
from tract.messages.message import Message
from tract.messages.pairing import NO_TOOLS, Pairing, Ref, Tools, chat_arguments, is_answer, says_more, tools_in
from tract.messages.parts import ToolCall
from tract.messages.turns import turn_of
from tract.named_tuple import NamedTuple
from tract.objects.codec import decode
from tract.objects.id import ObjectId

LARGEST = 10
"""The number of largest messages that are remembered."""

_TOGETHER = 4096
"""The number of objects read at once."""

_WITHOUT_TOOLS: frozenset[MessageKind] = frozenset({"user", "answer", "instruction", "summary"})
"""Kinds of a chat message, if it neither calls a tool nor answers a call."""

_OWN_KINDS = (b"artifact", b"session", b"reasoning")
"""The content types whose messages look like any other."""


class Share(NamedTuple):
    """A share of the context: so many *messages* with so many *tokens*."""

    name: str
    messages: int
    tokens: int


class CallKey(NamedTuple):
    """The part of a tool call that determines its output."""

    tool: str
    arguments: str


class Output:
    """A message with tool results: its row, the calls it answers and their rows, and how many of the results no later output repeats."""

    __slots__ = ("calls", "is_mixed", "refs", "row", "standing", "tokens")

    def __init__(self, row: int, tokens: int, *, is_mixed: bool) -> None:
        self.row = row
        self.tokens = tokens
        self.refs: list[Ref] = []
        self.calls: list[CallKey] = []
        self.is_mixed = is_mixed
        self.standing = 0

    @property
    def call_rows(self) -> set[int]:
        """The rows of its calls."""
        return {ref.row for ref in self.refs}

    @property
    def is_superseded(self) -> bool:
        """Whether later outputs repeat all of it."""
        return bool(self.calls) and not self.standing and not self.is_mixed


class Measures:
    """The figures of the first *rows* rows of *columns*.

    *outputs* are all messages with results, in order, and *output_tokens* the tokens of the first of them, by number; *repeated* has, for each repeated call, the number of its outputs except the last, and their tokens.
    *superseded* are the outputs that were given again, in that order, *standing* the others that are nothing but results, by their rows; *outputs_at* has all by the rows of their calls and results; *kinds* has each row's kind; *left_of_calls* is a cache for computing what a message is without hidden calls.
    *turns* are the rows with which the model's turns begin, *requests* the rows of the user's requests.
    The kinds of messages that *before*, the figures of other columns, has too are taken from there.
    """

    def __init__(self, columns: Columns, before: Measures | None = None) -> None:
        self.columns = columns
        self._known = {} if before is None else before.known_kinds()
        self.rows = 0
        self.pairing = Pairing()
        self.outputs: list[Output] = []
        self.outputs_at: dict[int, list[Output]] = {}
        self.repeated: dict[CallKey, tuple[int, int]] = {}
        self.output_tokens: list[int] = [0]
        self.superseded: list[Output] = []
        self.standing: dict[int, Output] = {}
        self.turns: list[int] = []
        self.requests: list[int] = []
        self.summaries: list[int] = []
        self.instructions: list[int] = []
        self.sessions: list[int] = []
        self.kinds: list[MessageKind] = []
        self.left_of_calls: dict[tuple[int, frozenset[int]], Supposed | None] = {}
        self._by_kind: dict[str, list[int]] = {}
        self._by_tool: dict[str, list[int]] = {}
        self._largest: list[tuple[int, int, MessageKind]] = []
        self._calls: dict[Ref, CallKey] = {}
        self._last: dict[CallKey, Output] = {}
        self._before_is_answer = False
        self._rows_of: Mapping[str, list[int]] = {
            "user": self.requests,
            "summary": self.summaries,
            "instruction": self.instructions,
            "session": self.sessions,
        }

    def advance(self, space: Workspace, snapshot: Snapshot) -> None:
        """Measure the rows added to *snapshot*."""
        columns = self.columns
        columns.total(snapshot.length, space)
        while self.rows < snapshot.length:
            start, stop = self.rows, min(snapshot.length, self.rows + _TOGETHER)
            messages = columns.messages[start:stop]
            kinds = self._kinds_of(space, start, messages)
            for row, message, kind in zip(range(start, stop), messages, kinds, strict=True):
                self._add(row, message, kind, columns.counts[row])
            self.rows = stop
        self._known = {}

    def known_kinds(self) -> dict[tuple[ObjectId, ObjectId], MessageKind]:
        """The kind of each message, by its commit and its blob."""
        rows = slice(self.rows)
        return dict(
            zip(zip(self.columns.commits[rows], self.columns.blobs[rows], strict=True), self.kinds, strict=True)
        )

    def _kinds_of(self, space: Workspace, start: int, messages: Sequence[Message]) -> list[MessageKind]:
        rows = range(start, start + len(messages))
        columns, known = self.columns, self._known
        if not known:
            return _kinds_of(space, columns, rows, messages)
        names = zip(columns.commits[rows.start : rows.stop], columns.blobs[rows.start : rows.stop], strict=True)
        found = [known.get(name) for name in names]
        new = [at for at, kind in enumerate(found) if kind is None]
        made = iter(_kinds_of(space, columns, [rows[at] for at in new], [messages[at] for at in new]))
        return [next(made) if kind is None else kind for kind in found]

    def _add(self, row: int, message: Message, kind: MessageKind, tokens: int) -> None:
        _count(self._by_kind, kind, tokens)
        self.kinds.append(kind)
        self._note_size(row, kind, tokens)
        self._note_place(row, message, kind)
        tools = NO_TOOLS if message.format == "openai" and kind in _WITHOUT_TOOLS else tools_in(message)
        pairs = self.pairing.add_tools(row, message, tools)
        if kind == "tool_call":
            for at, made in enumerate(_calls_in(message, tools)):
                self._calls[Ref(row, at)] = made
        if not pairs:
            return
        output = Output(row, tokens, is_mixed=says_more(message))
        for call, _ in pairs:
            self._answer(output, call, self._calls.pop(call, CallKey("", "")))
        self.outputs.append(output)
        if not output.is_mixed:
            self.standing[row] = output
        self.output_tokens.append(self.output_tokens[-1] + tokens)
        for at in {row, *output.call_rows}:
            self.outputs_at.setdefault(at, []).append(output)

    def _answer(self, output: Output, ref: Ref, call: CallKey) -> None:
        """Record that *output* has the result of *call*; it supersedes an earlier output of the same call."""
        output.refs.append(ref)
        output.calls.append(call)
        output.standing += 1
        earlier = self._last.get(call)
        if earlier is not None and call.tool and earlier is not output:
            earlier.standing -= 1
            times, tokens = self.repeated.get(call, (0, 0))
            self.repeated[call] = times + 1, tokens + earlier.tokens
            if earlier.is_superseded:
                self.superseded.append(earlier)
                self.standing.pop(earlier.row, None)
        self._last[call] = output
        _count(self._by_tool, call.tool or "(no name)", output.tokens if len(output.calls) == 1 else 0)

    def _note_size(self, row: int, kind: MessageKind, tokens: int) -> None:
        one = (tokens, -row, kind)
        if len(self._largest) < LARGEST:
            heapq.heappush(self._largest, one)
        elif one > self._largest[0]:
            heapq.heapreplace(self._largest, one)

    def _note_place(self, row: int, message: Message, kind: MessageKind) -> None:
        answers = is_answer(message) and kind != "summary"
        if answers and not self._before_is_answer:
            self.turns.append(row)
        self._before_is_answer = answers
        rows = self._rows_of.get(kind)
        if rows is not None:
            rows.append(row)

    # The results

    @property
    def by_kind(self) -> tuple[Share, ...]:
        """The messages and tokens of each kind, the largest first."""
        return _shares(self._by_kind)

    @property
    def by_tool(self) -> tuple[Share, ...]:
        """The outputs of each tool and their tokens, the largest first; an output of several calls counts for the first."""
        return _shares(self._by_tool)

    @property
    def largest(self) -> list[tuple[int, int, MessageKind]]:
        """The row, the tokens and the kind of the largest messages, the largest first."""
        return [(-row, tokens, kind) for tokens, row, kind in sorted(self._largest, reverse=True)]

    def outputs_before(self, row: int) -> Sequence[Output]:
        """The outputs before *row*."""
        return self.outputs[: bisect_left(self.outputs, row, key=lambda one: one.row)]

    def turn_before(self, count: int) -> int:
        """The row with which the model's last *count* turns begin; 0 if there are fewer."""
        return self.turns[-count] if 0 < count <= len(self.turns) else 0


def _calls_in(message: Message, tools: Tools) -> list[CallKey]:
    if message.format == "openai":  # most are, and need not be read as a whole
        given = chat_arguments(message.raw)
        return [CallKey(tool.name, one.strip()) for tool, one in zip(tools.calls, given, strict=True)]
    return [CallKey(part.name, part.arguments.strip()) for part in turn_of(message).parts if isinstance(part, ToolCall)]


def _count(figures: dict[str, list[int]], name: str, tokens: int) -> None:
    figure = figures.setdefault(name, [0, 0])
    figure[0] += 1
    figure[1] += tokens


def _shares(figures: dict[str, list[int]]) -> tuple[Share, ...]:
    shares = (Share(name, messages, tokens) for name, (messages, tokens) in figures.items())
    return tuple(sorted(shares, key=lambda one: (-one.tokens, one.name)))


def _kinds_of(
    space: Workspace, columns: Columns, rows: Sequence[int], messages: Sequence[Message]
) -> list[MessageKind]:
    """The kinds of *messages*, which are in those *rows*."""
    kinds = [kind_of(message) for message in messages]
    is_chat = columns.messages.is_chat
    plain = [at for at, message in enumerate(messages) if _may_be_own(message) and not is_chat(rows[at])]
    for at, type in zip(plain, _content_types(space, [columns.blobs[rows[at]] for at in plain]), strict=True):
        kinds[at] = kind_of(messages[at], type)
    said = [at for at, kind in enumerate(kinds) if kind in ("user", "answer", "instruction")]
    summaries = _summaries(space, [columns.commits[rows[at]] for at in said])
    for at in said:
        if columns.commits[rows[at]] in summaries:
            kinds[at] = "summary"
    return kinds


def _may_be_own(message: Message) -> bool:
    """Whether the message may have a content type of tract's own that the message alone does not show."""
    return message.format == "openai" and message.role in ("assistant", "system") and len(message.raw) == 2


def _content_types(space: Workspace, blobs: Sequence[ObjectId]) -> Iterable[str]:
    for payload in space.repo.objects.payloads(blobs, "blob"):
        is_own = any(name in payload[:64] for name in _OWN_KINDS)
        value = decode(payload) if is_own else None
        yield str(value.get("content_type")) if isinstance(value, dict) else "message"


def _summaries(space: Workspace, commits: Sequence[ObjectId]) -> set[ObjectId]:
    """Those of *commits* that introduced a summary."""
    repo = space.repo
    return {commit for commit in commits if not repo.outline(commit).parents and is_summary(repo, commit)}
