"""Writing steps for each provider: its own messages are fitted to its rules, messages of other formats are converted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tract.dataclass import replace
from tract.messages.caching import has_breakpoint
from tract.messages.fit_openai import MOST_CALLS, fit_openai, one_answer, parted_answer
from tract.messages.fit_openai import ROLES as _CHAT_ROLES
from tract.messages.form import Form
from tract.messages.mending import Piece, Step
from tract.messages.openai import write_openai
from tract.messages.parts import ITEM_ROLES, Notes, Summary, Text, Turn
from tract.messages.tool_names import Target
from tract.messages.turns import turn_of
from tract.messages.values import items_of
from tract.objects.message_format import JSON, MessageFormat

if TYPE_CHECKING:
    from tract.messages.fit_responses import Answers

_ROLES: Mapping[MessageFormat, frozenset[str]] = {
    "openai": _CHAT_ROLES,
    "responses": ITEM_ROLES | {"tool"},
    "anthropic": frozenset({"system", "user", "assistant"}),
}

COMPACTED = "[summary of the conversation so far]\n"
"""What stands before the summary that another provider made."""


class Writer:
    """The items written for *target*, and a ``state`` with what the next step must know of the last."""

    state: Any = None

    def __init__(self, form: Form) -> None:
        self.form = form
        self.target: Target = form.target
        self.items: list[Any] = []
        self.marked: list[int] = []
        """The messages with cache marks, by their numbers in the request."""

    def take_back(self, items: int, state: Any) -> None:
        """Keep only the first *items*; *state* is the state after them."""
        del self.items[items:]
        self.state = state

    def write_plain(self, values: Sequence[Mapping[str, JSON]], row: int) -> None:
        """Write messages with a known role and visible text, from message *row* on."""
        raise NotImplementedError

    def write(self, step: Step, notes: Notes, *, is_last: bool) -> None:
        """Write a step; *is_last* if nothing follows it."""
        raise NotImplementedError

    def request(self, notes: Notes) -> Any:
        """The request made of all the items."""
        raise NotImplementedError

    def own(self, piece: Piece, notes: Notes) -> Mapping[str, JSON] | None:
        """A message in the receiver's own format, before fitting; None if no request can have it."""
        if self.form.extras == "keep":
            return piece.message.raw
        from tract.messages.request_types import only_request_types  # few ask for it

        return only_request_types(piece.message.raw, self.target, piece.row, notes)

    def turns(self, piece: Piece, notes: Notes) -> list[Turn]:
        """A message of another format as a turn; an empty list if only its own provider can read it."""
        message = piece.message
        turn = turn_of(message, piece.row)
        if message.role not in _ROLES[message.format]:
            notes.add(piece.row, "unknown_role", f"{message.role!r}, sent as {turn.role!r}")
        if _is_compaction(message.raw):
            notes.add(piece.row, "compaction_lost", "")
        parts = tuple(part for part in turn.parts if not isinstance(part, Summary))
        return [turn] if len(parts) == len(turn.parts) else [replace(turn, parts=parts)] if parts else []

    def summaries(self, step: Step, notes: Notes) -> list[Turn]:
        """Other providers' summaries of the conversation, as user turns before the answer that has them."""
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
    """Whether a provider put the whole conversation so far into a form that only it can read."""
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


def note_losses(turns: Iterable[Turn], notes: Notes) -> None:
    """Note the parts of *turns* that have no neutral form."""
    for turn in turns:
        for loss in turn.losses:
            notes.lost(turn.index, loss)
        if not turn.parts and not notes.has_lost(turn.index):
            notes.lost(turn.index, "a message without content")


class ListWriter(Writer):
    """The common part of OpenAI's two formats: the request is a list, in which an own message stands for itself."""

    format: MessageFormat

    def write_plain(self, values: Sequence[Mapping[str, JSON]], row: int) -> None:
        self.items += values

    def request(self, notes: Notes) -> Any:
        return self.items

    def take_back(self, items: int, state: Any) -> None:
        super().take_back(items, state)
        while self.marked and self.marked[-1] >= items:
            self.marked.pop()

    def extend(self, written: Iterable[Mapping[str, JSON]]) -> None:
        """Append the *written* messages to the items."""
        for raw in written:
            if has_breakpoint(raw):
                self.marked.append(len(self.items))
            self.items.append(raw)

    def runs(self, pieces: Sequence[Piece], notes: Notes) -> Iterable[Piece | list[Turn]]:
        """Own messages one by one, and between them the runs of turns of other formats."""
        turns: list[Turn] = []
        for piece in pieces:
            if piece.message.format != self.format:
                turns += self.turns(piece, notes)
                continue
            if turns:
                yield turns
                turns = []
            yield piece
        if turns:
            yield turns


class _ChatWriter(ListWriter):
    format: MessageFormat = "openai"

    def write(self, step: Step, notes: Notes, *, is_last: bool) -> None:
        self.extend(write_openai(self.summaries(step, notes), notes))
        answer, rest = self._written(step.answer, notes), self._written(step.rest, notes)
        # If all calls were left out, nothing has to be one message.
        if step.is_one and len(answer) > 1 and (self.form.rules < 3 or any("tool_calls" in raw for raw in answer)):
            notes.add(step.row, "messages_joined", "calls of one answer")
            answer = [one_answer(answer)]
        if answer and self.form.rules > 1 and len(items_of(answer[-1].get("tool_calls"))) > MOST_CALLS:
            notes.add(
                step.row, "calls_parted", f"{len(answer[-1]['tool_calls'])}, of which a message takes {MOST_CALLS}"
            )
            *answer, last = answer
            answer, rest = [*answer, *parted_answer(last, rest)], []
        self.extend([*answer, *rest])

    def _written(self, pieces: Sequence[Piece], notes: Notes) -> list[Mapping[str, JSON]]:
        written: list[Mapping[str, JSON]] = []
        for run in self.runs(pieces, notes):
            if isinstance(run, Piece):
                if run.message.is_error:
                    notes.lost(run.row, "is_error of a tool result")
                raw = self.own(run, notes)
                fit = None if raw is None else fit_openai(raw, run.row, notes)
                written += [] if fit is None else [fit]
            else:
                written += write_openai(run, notes)
                note_losses(run, notes)
        return written


def writer_for(form: Form, answers: Answers | None) -> Writer:
    """A new writer for *form*. Most programs send to one provider, so the other writers are not loaded."""
    match form.target:
        case "openai":
            return _ChatWriter(form)
        case "responses":
            from tract.messages.responses_body import ItemWriter

            return ItemWriter(form, answers)
        case "anthropic":
            from tract.messages.anthropic_body import AnthropicWriter

            return AnthropicWriter(form)
        case "gemini":
            from tract.messages.gemini import GeminiWriter

            return GeminiWriter(form)
