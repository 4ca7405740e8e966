"""Calls and results in the order a provider requires: every call has one result, directly behind it, and there are no other results.

    recorded   user   call a, call b   result a   user   result b   result z   call c   user
    sent       user   call a, call b   result a   result b   user              call c   result c: interrupted   user

docs/sending.md has the rules (1 to 7).
A history is arranged answer by answer, so that a new message costs no more than arranging the answer it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from tract.messages.message import Message
from tract.messages.pairing import LEGACY, TEXT_KINDS, Pairing, Ref, Tool, is_answer, says_more, tools_in
from tract.messages.parts import Notes
from tract.messages.tool_edits import (
    Called,
    made_result,
    only_results,
    with_call_ids,
    with_results_for,
)
from tract.messages.tool_names import CallIds, Target
from tract.named_tuple import NamedTuple


class Messages(Protocol):
    """The messages of a history, by their numbers."""

    def __getitem__(self, at: int, /) -> Message: ...


class Piece(NamedTuple):
    """A message on its way to a provider, made of message *row* of the context."""

    row: int
    message: Message


class Step(NamedTuple):
    """Messages *row* to *stop* of the context, which are written together: an answer and the messages behind it, or a single message.

    *is_one* if the messages of the answer must become one.
    """

    row: int
    stop: int
    answer: Sequence[Piece]
    rest: Sequence[Piece]
    is_one: bool = False


class Arrangement:
    """The steps of a history for one receiver; *pairing* has taken in all messages that exist so far."""

    def __init__(self, target: Target, pairing: Pairing) -> None:
        self._target = target
        self._pairing = pairing
        self._called: dict[Ref, Called] = {}
        self.ids = CallIds(target)

    def begins_answer(self, message: Message) -> bool:
        """Whether *message* begins a step that continues as long as the assistant speaks.

        When sent as chat completions, a chat completions message without calls is a step by itself.
        """
        if self._target == "openai" and message.format == "openai":
            return is_answer(message) and bool(tools_in(message).calls)
        return is_answer(message)

    def step(self, rows: Messages, row: int, length: int, notes: Notes) -> Step:
        """The step that begins at *row* of the first *length* of *rows*; *notes* records what is mended."""
        if not self.begins_answer(rows[row]):
            return Step(row, row + 1, (), self._alone(rows, row, notes))
        stop = row + 1
        while stop < length and is_answer(rows[stop]):
            stop += 1
        calls = {Ref(at, n): tool for at in range(row, stop) for n, tool in enumerate(tools_in(rows[at]).calls)}
        if not calls:
            return Step(row, stop, [Piece(at, rows[at]) for at in range(row, stop)], ())
        left_out = {ref for ref, tool in calls.items() if self._is_lost(ref, tool)}
        self._name(rows, {ref: tool for ref, tool in calls.items() if ref not in left_out}, notes)
        for ref in left_out:
            notes.add(ref.row, "unpaired_tool_call", f"{calls[ref].label!r} is left out")
        gone = {ref.row for ref in left_out}  # such a call is a message of its own
        answer = [Piece(at, self._with_ids(rows[at], at)) for at in range(row, stop) if at not in gone]
        parted = self._target == "openai" and any(ref.row < stop - 1 for ref in calls)
        end, rest = self._results(rows, stop, length, calls.keys() - left_out, notes)
        missing = [ref for ref in calls if ref not in left_out and self._is_unanswered(ref)]
        made = [
            Piece(ref.row, made_result(rows[ref.row], calls[ref], self._called[ref].id, self._target))
            for ref in missing
        ]
        for ref in missing:
            notes.add(ref.row, "unpaired_tool_call", f"{calls[ref].label!r} gets a result that says so")
        for ref in calls:
            if ref in self._pairing.open:
                notes.add(ref.row, "open_tool_call", repr(calls[ref].label))
        results, others = self._parted(rest) if made else (rest, [])
        return Step(row, end, answer, [*results, *made, *others], parted)

    def _is_unanswered(self, ref: Ref) -> bool:
        return ref not in self._pairing.answers and ref not in self._pairing.open

    def _is_lost(self, ref: Ref, tool: Tool) -> bool:
        return self._is_unanswered(ref) and tool.kind not in TEXT_KINDS

    # The answer

    def _name(self, rows: Messages, calls: Mapping[Ref, Tool], notes: Notes) -> None:
        """Give every call its id for this request."""
        self.ids.begin_answer()
        for ref, tool in calls.items():
            if tool.kind == LEGACY and len(calls) == 1 and self._keeps_legacy(rows, ref):
                self._called[ref] = Called("", LEGACY, tool.name, None)
                continue
            id = self.ids.give(tool.id, tool.name)
            self._called[ref] = Called(id, "function" if tool.kind == LEGACY else tool.kind, tool.name, tool.id)
            if id != tool.id:
                notes.add(ref.row, "tool_id_changed", f"{tool.id!r} as {id!r}")

    def _keeps_legacy(self, rows: Messages, ref: Ref) -> bool:
        """Whether a ``function_call`` stays one: in chat completions, if its result is of that kind too."""
        answer = self._pairing.answers.get(ref)
        return self._target == "openai" and (answer is None or rows[answer.row].raw.get("role") == "function")

    def _with_ids(self, message: Message, row: int) -> Message:
        found = {n: self._called[Ref(row, n)] for n in range(len(tools_in(message).calls))}
        return with_call_ids(message, {n: called.id for n, called in found.items() if called.kind != LEGACY})

    # The results

    def _results(
        self, rows: Messages, stop: int, length: int, calls: Iterable[Ref], notes: Notes
    ) -> tuple[int, list[Piece]]:
        """The row behind the messages that directly answer *calls*, and the pieces of all results for them."""
        answers = sorted(answer for ref in calls if (answer := self._pairing.answers.get(ref)) is not None)
        end = self._end_of_results(rows, stop, length, set(answers), notes)
        pieces: list[Piece] = []
        for at in dict.fromkeys(answer.row for answer in answers):
            ours = {answer.at for answer in answers if answer.row == at}
            is_late = at >= end
            if is_late and self._stays(rows, Ref(at, min(ours))):
                continue
            message = only_results(self._answering(rows[at], at, notes), ours, rest=not is_late)
            assert message is not None
            pieces.append(Piece(at, message))
            if is_late:
                names = [repr(tools_in(rows[at]).results[n].label) for n in sorted(ours)]
                notes.add(at, "tool_result_moved", ", ".join(names))
        return end, pieces

    def _end_of_results(self, rows: Messages, stop: int, length: int, answers: set[Ref], notes: Notes) -> int:
        """One past the last message directly behind the calls whose results all answer these calls, or no call at all."""
        at = stop
        while at < length:
            message = rows[at]
            results = tools_in(message).results
            more = says_more(message)
            refs = [Ref(at, n) for n in range(len(results))]
            if not refs or any(ref in self._pairing.calls and ref not in answers for ref in refs):
                break
            if more and answers.isdisjoint(refs):
                break
            self._note_lost(message, at, notes)
            at += 1
            if more:
                break
        return at

    def _note_lost(self, message: Message, row: int, notes: Notes) -> None:
        """Note that the results in *message* that answer no call are left out."""
        for n, result in enumerate(tools_in(message).results):
            ref = Ref(row, n)
            if ref not in self._pairing.calls:
                kind = "repeated_tool_result" if ref in self._pairing.again else "unpaired_tool_result"
                notes.add(row, kind, repr(result.label))

    def _answering(self, message: Message, row: int, notes: Notes) -> Message:
        """*message*, with its results naming their calls by the calls' present ids."""
        results = tools_in(message).results
        refs = {n: self._pairing.calls.get(Ref(row, n)) for n in range(len(results))}
        called = {n: self._called[ref] for n, ref in refs.items() if ref is not None and ref in self._called}
        for n, call in called.items():
            if results[n].id != call.id == call.own_id:
                notes.add(row, "tool_id_changed", f"{results[n].id!r} as {call.id!r}")
        return with_results_for(message, called) if called else message

    def _stays(self, rows: Messages, result: Ref) -> bool:
        """Whether a late result stays where it is: in Responses, if call and result are both Responses items."""
        call = self._pairing.calls[result]
        return self._target == "responses" and {rows[call.row].format, rows[result.row].format} == {"responses"}

    def _parted(self, pieces: Iterable[Piece]) -> tuple[list[Piece], list[Piece]]:
        """The results in the pieces, and everything else in them."""
        results: list[Piece] = []
        others: list[Piece] = []
        for piece in pieces:
            if not says_more(piece.message):
                results.append(piece)
                continue
            every = set(range(len(tools_in(piece.message).results)))
            for found, into in (
                (only_results(piece.message, every, rest=False), results),
                (only_results(piece.message, set(), rest=True), others),
            ):
                if found is not None:
                    into.append(Piece(piece.row, found))
        return results, others

    # Other messages

    def _alone(self, rows: Messages, row: int, notes: Notes) -> list[Piece]:
        """A message behind no call, without results that were moved behind their calls and results that answer no call."""
        message = rows[row]
        results = tools_in(message).results
        if not results:
            return [Piece(row, message)]
        self._note_lost(message, row, notes)
        staying = {
            n for n in range(len(results)) if Ref(row, n) in self._pairing.calls and self._stays(rows, Ref(row, n))
        }
        left = only_results(self._answering(message, row, notes), staying, rest=True)
        return [] if left is None else [Piece(row, left)]
