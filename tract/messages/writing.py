"""Writing steps for each provider: what is its own is fitted to what it takes back, what is another's converted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tract.messages.anthropic import write_blocks
from tract.messages.anthropic_body import write_request
from tract.messages.fit_anthropic import Said, fit_anthropic, fit_turn
from tract.messages.fit_openai import ROLES as _CHAT_ROLES
from tract.messages.fit_openai import fit_openai, one_answer
from tract.messages.fit_responses import ROLES as _ITEM_ROLES
from tract.messages.fit_responses import Answers, Item, fit_answer, fit_responses
from tract.messages.gemini import join_contents, write_gemini, write_system_parts
from tract.messages.mending import Piece, Step
from tract.messages.names import Target
from tract.messages.openai import write_openai
from tract.messages.parts import SYSTEM_ROLES, Notes, Summary, Text, Turn
from tract.messages.reading import turn_of
from tract.messages.responses import write_responses
from tract.objects.message_format import JSON, MessageFormat

_ROLES: Mapping[MessageFormat, frozenset[str]] = {
    "openai": _CHAT_ROLES,
    "responses": _ITEM_ROLES | {"tool"},
    "anthropic": frozenset({"system", "user", "assistant"}),
}

COMPACTED = "[summary of the conversation so far]\n"
"""What stands before the summary that another provider made."""


class Writer:
    """What is written for *target*: ``items``, and a ``state`` that says what the next step must know of the last."""

    state: Any = None

    def __init__(self, target: Target) -> None:
        self.target = target
        self.items: list[Any] = []

    def take_back(self, items: int, state: Any) -> None:
        """Keep only the first *items*; the state was *state* then."""
        del self.items[items:]
        self.state = state

    def write_plain(self, values: Sequence[Mapping[str, JSON]], row: int) -> None:
        """Write messages of a known role and a visible text from message *row* on."""
        raise NotImplementedError

    def write(self, step: Step, notes: Notes, *, is_last: bool) -> None:
        """Write a step; *is_last* when nothing stands behind it."""
        raise NotImplementedError

    def request(self, notes: Notes) -> Any:
        """The request of all that was written."""
        raise NotImplementedError

    def _turns(self, piece: Piece, notes: Notes) -> list[Turn]:
        """A message of another format as a turn; none where only its own provider can read it."""
        message = piece.message
        turn = turn_of(message, piece.row)
        if message.role not in _ROLES[message.format]:
            notes.add(piece.row, "unknown_role", f"{message.role!r}, sent as {turn.role!r}")
        if _is_compaction(message.raw):
            notes.add(piece.row, "compaction_lost", "")
        parts = tuple(part for part in turn.parts if not isinstance(part, Summary))
        return [turn] if len(parts) == len(turn.parts) else [replace(turn, parts=parts)] if parts else []

    def _summaries(self, step: Step, notes: Notes) -> list[Turn]:
        """What other providers' summaries of the conversation say, as the user's turns, which stand before an answer with one."""
        found: list[Turn] = []
        for piece in (*step.answer, *step.rest):
            if piece.message.format == self.target or not _may_be_compacted(piece.message.raw):
                continue
            parts = turn_of(piece.message, piece.row).parts
            texts = tuple(Text(COMPACTED + part.text) for part in parts if isinstance(part, Summary))
            if texts:
                notes.add(piece.row, "compaction_as_text", "")
                found.append(Turn(piece.row, "user", texts))
        return found


def _is_compaction(raw: Mapping[str, JSON]) -> bool:
    """Whether a provider put the whole conversation so far into something that only it can read."""
    if raw.get("type") == "compaction" and "role" not in raw:
        return True
    content = raw.get("content")
    blocks = [block for block in content if isinstance(block, Mapping)] if isinstance(content, list | tuple) else []
    return any(block.get("type") == "compaction" and not block.get("content") for block in blocks)


def _may_be_compacted(raw: Mapping[str, JSON]) -> bool:
    content = raw.get("content")
    return isinstance(content, list | tuple) and any(
        isinstance(block, Mapping) and block.get("type") == "compaction" for block in content
    )


def _note_losses(turns: Iterable[Turn], notes: Notes) -> None:
    for turn in turns:
        for loss in turn.losses:
            notes.lost(turn.index, loss)
        if not turn.parts and not notes.has_lost(turn.index):
            notes.lost(turn.index, "a message without content")


class _ListWriter(Writer):
    """What the two formats of OpenAI's have in common: a list, in which an own message stands for itself."""

    format: MessageFormat

    def write_plain(self, values: Sequence[Mapping[str, JSON]], row: int) -> None:
        self.items += values

    def request(self, notes: Notes) -> Any:
        return self.items

    def _runs(self, pieces: Sequence[Piece], notes: Notes) -> Iterable[Piece | list[Turn]]:
        """Own messages one by one, and between them the turns of others."""
        turns: list[Turn] = []
        for piece in pieces:
            if piece.message.format != self.format:
                turns += self._turns(piece, notes)
                continue
            if turns:
                yield turns
                turns = []
            yield piece
        if turns:
            yield turns


class _ChatWriter(_ListWriter):
    format: MessageFormat = "openai"

    def write(self, step: Step, notes: Notes, *, is_last: bool) -> None:
        self.items += write_openai(self._summaries(step, notes), notes)
        if not step.is_one:
            self.items += self._written([*step.answer, *step.rest], notes)
            return
        answer = self._written(step.answer, notes)
        if len(answer) > 1:
            notes.add(step.row, "messages_joined", "calls of one answer")
            answer = [one_answer(answer)]
        self.items += [*answer, *self._written(step.rest, notes)]

    def _written(self, pieces: Sequence[Piece], notes: Notes) -> list[Mapping[str, JSON]]:
        written: list[Mapping[str, JSON]] = []
        for run in self._runs(pieces, notes):
            if isinstance(run, Piece):
                if run.message.is_error:
                    notes.lost(run.row, "is_error of a tool result")
                fit = fit_openai(run.message.raw, run.row, notes)
                written += [] if fit is None else [fit]
            else:
                written += write_openai(run, notes)
                _note_losses(run, notes)
        return written


class _ItemWriter(_ListWriter):
    format: MessageFormat = "responses"

    def __init__(self, target: Target, answers: Answers | None) -> None:
        super().__init__(target)
        self._answers = answers
        self._ids: dict[str, None] = {}  # of the items so far, in order
        self.state = (0, False)  # how many those are, and whether a reasoning item was left out at the end

    def take_back(self, items: int, state: Any) -> None:
        super().take_back(items, state)
        while len(self._ids) > state[0]:
            self._ids.popitem()

    def write(self, step: Step, notes: Notes, *, is_last: bool) -> None:
        self.items += write_responses(self._summaries(step, notes), set(), notes)
        custom = {
            str(piece.message.raw.get("call_id"))
            for piece in step.answer
            if piece.message.raw.get("type") == "custom_tool_call"
        }
        answer, has_lost = self._without_doubles(self._written(step.answer, custom, notes), notes)
        kept = fit_answer(answer, self._answers, notes, has_lost=has_lost or self.state[1])
        rest, _ = self._without_doubles(self._written(step.rest, custom, notes), notes)
        self.items += [raw for item in (*kept, *rest) for raw in item.written(notes)]
        is_torn = self.state[1] if not answer else bool(answer) and len(kept) < len(answer) and answer[-1].is_reasoning
        self.state = (len(self._ids), is_torn)

    def _written(self, pieces: Sequence[Piece], custom: set[str], notes: Notes) -> list[Item]:
        written: list[Item] = []
        for run in self._runs(pieces, notes):
            if isinstance(run, Piece):
                if run.message.is_error:
                    notes.lost(run.row, "is_error of a tool result")
                fit = fit_responses(run.message.raw, run.row, notes)
                had_id = run.message.raw.get("id") is not None
                written += [] if fit is None else [Item(run.row, fit, own=True, had_id=had_id)]
            else:
                items = write_responses(run, custom, notes)
                written += [Item(run[0].index, item, own=False) for item in items]
                _note_losses(run, notes)
        return written

    def _without_doubles(self, items: Sequence[Item], notes: Notes) -> tuple[list[Item], bool]:
        """The items with ids that stand nowhere else, and whether a reasoning item was there already."""
        kept: list[Item] = []
        has_lost = False
        for item in items:
            id = item.raw.get("id")
            if not item.own or not isinstance(id, str):
                kept.append(item)
            elif id not in self._ids:
                self._ids[id] = None
                kept.append(item)
            elif item.is_reasoning:
                notes.add(item.index, "reasoning_left_out", f"{id!r}, which is there already")
                has_lost = True
            elif item.is_hosted:
                notes.add(item.index, "part_left_out", f"{item.kind} {id!r}, which is there already,")
            else:
                notes.add(item.index, "item_id_left_out", f"{id!r}, which is there already")
                item.drop_id()
                kept.append(item)
        return kept, has_lost


class _AnthropicWriter(Writer):
    def write_plain(self, values: Sequence[Mapping[str, JSON]], row: int) -> None:
        self.items += [
            Said(at, "system" if value["role"] == "developer" else value["role"], value["content"], None, True)
            for at, value in enumerate(values, row)
        ]

    def write(self, step: Step, notes: Notes, *, is_last: bool) -> None:
        self.items += fit_turn(self._said(step.answer, notes), notes, is_last=is_last)
        self.items += self._said(step.rest, notes)

    def _said(self, pieces: Sequence[Piece], notes: Notes) -> list[Said]:
        said: list[Said] = []
        for piece in pieces:
            if piece.message.format == "anthropic":
                own = fit_anthropic(piece.message.raw, piece.row, notes)
                said += [] if own is None else [own]
                continue
            turns = self._turns(piece, notes)
            for turn in turns:
                blocks = write_blocks(turn, notes)
                is_plain = len(blocks) == 1 and blocks[0]["type"] == "text" and not turn.listed
                content = blocks[0]["text"] if is_plain else blocks
                role = "system" if turn.role in SYSTEM_ROLES else turn.role
                said += [Said(turn.index, role, content, None, True)] if blocks else []
            _note_losses(turns, notes)
        return said

    def request(self, notes: Notes) -> Any:
        return write_request(self.items, notes)


class _GeminiWriter(Writer):
    """Its items are a role, ``system`` for the instructions, and parts."""

    def write_plain(self, values: Sequence[Mapping[str, JSON]], row: int) -> None:
        names = {"assistant": "model", "developer": "system"}
        self.items += [
            (at, names.get(value["role"], value["role"]), [{"text": value["content"]}])
            for at, value in enumerate(values, row)
        ]

    def write(self, step: Step, notes: Notes, *, is_last: bool) -> None:
        turns = [turn for piece in (*step.answer, *step.rest) for turn in self._turns(piece, notes)]
        turns = [*self._summaries(step, notes), *turns]
        for turn in turns:
            if turn.role in SYSTEM_ROLES:
                parts = write_system_parts(turn, notes)
                self.items += [(turn.index, "system", parts)] if parts else []
        said = [turn for turn in turns if turn.role not in SYSTEM_ROLES]
        self.items += [(step.row, one["role"], one["parts"]) for one in write_gemini(said, notes)]
        _note_losses(turns, notes)

    def request(self, notes: Notes) -> Any:
        return join_contents(self.items, notes)


def writer_for(target: Target, answers: Answers | None) -> Writer:
    """A writer that has written nothing yet."""
    makers: Mapping[Target, Callable[[], Writer]] = {
        "openai": lambda: _ChatWriter("openai"),
        "responses": lambda: _ItemWriter("responses", answers),
        "anthropic": lambda: _AnthropicWriter("anthropic"),
        "gemini": lambda: _GeminiWriter("gemini"),
    }
    return makers[target]()
