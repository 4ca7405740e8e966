"""The difference between recorded and sent messages in tokens: parts that are left out, and parts that are made up.

    recorded   call a   call b   result a   result a   result z   user      reasoning   user
    sent       call a   call b   result a   made up b             user                  user
    change                                  - all      - all      + made up   - all

Most messages are sent whatever their neighbours are; docs/sending.md has the rules for the others (1, 4, 5, 8 and 10).
A message changes only how it and earlier ones are sent, so the change of the first messages is known for every number of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence

from tract.messages.fit_responses import STAND_ONCE
from tract.messages.message import Message, message_from_raw
from tract.messages.pairing import TEXT_KINDS, Pairing, Ref, Tool, chat_calls, is_answer, is_reasoning, tools_in
from tract.messages.tool_edits import made_result, only_results
from tract.messages.values import items_of
from tract.named_tuple import NamedTuple

_THOUGHTS = frozenset({"thinking", "redacted_thinking"})


def depends_on_others(message: Message) -> bool:
    """Whether the sent form of *message* depends on its neighbours."""
    tools = tools_in(message)
    return bool(tools.calls or tools.results) or _stands_once(message) or _without_last_thoughts(message) is not message


def _stands_once(message: Message) -> bool:
    """Whether *message* is a Responses item that is not sent a second time: reasoning, or a call that the provider answered."""
    return message.format == "responses" and str(message.raw.get("type")) in STAND_ONCE


class Rows(NamedTuple):
    """The messages of a history, by their numbers.

    *tokens* are those of a message by itself; *follows* says whether the first message was recorded directly behind the second.
    """

    message: Callable[[int], Message]
    tokens: Callable[[int], int]
    follows: Callable[[int, int], bool]


_Change = tuple[int, int]
"""A message by its number, and the tokens sent for it beyond its own."""


class _Waiting(NamedTuple):
    """The *tokens* of message *row* that are sent only if the answer goes on; *is_item* if it must go on with the item recorded next."""

    row: int
    tokens: int
    is_item: bool


class Unsent:
    """The changes of a history, for the messages taken in so far; *count* gives the tokens of a message."""

    def __init__(self, count: Callable[[Message], int]) -> None:
        self._count = count
        self._pairing = Pairing()
        self._by: list[int] = []  # the message that made each change
        self._changes: list[_Change] = []
        self._sums: list[int] = []
        self._missed: dict[Ref, list[_Change]] = {}
        self._callers: dict[int, Message] = {}
        self._waiting: list[_Waiting] = []
        self._carried: dict[int, list[_Change]] = {}  # reasoning sent only because of a call, by the call's message
        self._ids: set[str] = set()  # ids of items that may be sent only once
        self.has_lost = False
        """Whether a result answered no call taken in."""
        self.has_far = False
        """Whether a message depends on an earlier answer: a result is late or answers no call, or an item came a second time."""
        self.rows = 0

    @property
    def is_waiting(self) -> bool:
        """Whether the next message matters, even if it does not itself depend on others."""
        return bool(self._pairing.open or self._waiting)

    def advance(self, rows: Rows, odd: Sequence[int], length: int) -> None:
        """Take in the messages up to *length*; *odd* are, in order, those that depend on others."""
        row = self.rows
        while row < length:
            if not self.is_waiting:
                at = bisect_left(odd, row)
                if at == len(odd) or odd[at] >= length:
                    break
                row = odd[at]
                behind = _behind_answered(rows, row, length)
                if behind is not None:
                    row = behind
                    continue
            self._take(rows, row)
            row += 1
        self.rows = max(self.rows, length)

    def change(self, length: int) -> int:
        """The tokens sent for the first *length* messages, minus the messages' own tokens."""
        at = bisect_left(self._by, length)
        return self._sums[at - 1] if at else 0

    def changes(self, length: int) -> Mapping[int, int]:
        """The same for each message; messages without a change are left out."""
        found: dict[int, int] = {}
        for row, tokens in self._changes[: bisect_left(self._by, length)]:
            found[row] = found.get(row, 0) + tokens
        return {row: tokens for row, tokens in found.items() if tokens}

    def _add(self, by: int, row: int, tokens: int) -> None:
        if tokens:
            self._by.append(by)
            self._changes.append((row, tokens))
            self._sums.append(tokens + (self._sums[-1] if self._sums else 0))

    def _take(self, rows: Rows, row: int) -> None:
        message = rows.message(row)
        tools = tools_in(message)
        before = self._pairing.open
        were_open = {**before} if before else {}
        pairs = self._pairing.add_tools(row, message, tools)
        if were_open or pairs:
            self._settle(rows, row, were_open, {call for call, _ in pairs})
        if tools.calls:
            self._callers[row] = message
        if len(pairs) < len(tools.results):
            self._lose(rows, row, message, len(tools.results))
        if is_answer(message):
            self._go_on(rows, row, message)
        elif self._waiting:
            self._waiting.clear()
        if not self._pairing.open:
            self._callers.clear()
            self._carried.clear()

    def _settle(self, rows: Rows, by: int, were_open: Mapping[Ref, Tool], answered: set[Ref]) -> None:
        """Handle the calls that stopped waiting, and late results for calls that had stopped waiting."""
        still_open = self._pairing.open
        for ref, tool in were_open.items():
            if ref not in still_open and ref not in answered:
                self._miss(rows, by, ref, tool)
        for ref in answered:
            for row, tokens in self._missed.pop(ref, ()):
                self.has_far = True
                self._add(by, row, -tokens)

    # Calls and results

    def _miss(self, rows: Rows, by: int, ref: Ref, tool: Tool) -> None:
        """The conversation went on without a result for the call: a result is made up, or the call is left out."""
        caller = self._callers[ref.row]
        if tool.kind in TEXT_KINDS:
            changes = [(ref.row, self._count(made_result(caller, tool, tool.id, "openai")))]
        else:
            changes = [(ref.row, -rows.tokens(ref.row)), *self._carried.get(ref.row, ())]
        self._missed[ref] = changes
        for row, tokens in changes:
            self._add(by, row, tokens)

    def _lose(self, rows: Rows, row: int, message: Message, results: int) -> None:
        """Subtract the results that answer no call, or a call that another result has answered."""
        self.has_lost = self.has_far = True
        kept = {at for at in range(results) if Ref(row, at) in self._pairing.calls}
        left = only_results(message, kept, rest=True)
        self._add(row, row, -rows.tokens(row) if left is None else self._less(rows, row, message, left))

    def _less(self, rows: Rows, row: int, message: Message, left: Message) -> int:
        return -min(rows.tokens(row), self._count(message) - self._count(left))

    # Thoughts, which may not be the end of an answer

    def _go_on(self, rows: Rows, row: int, message: Message) -> None:
        tokens = rows.tokens(row)
        if not tokens:
            return  # nothing is sent of it
        if _stands_once(message):
            id = str(message.raw.get("id"))
            if id in self._ids:
                self.has_far = True
                self._add(row, row, -tokens)
                return
            self._ids.add(id)
        if is_reasoning(message):
            self._wait(row, tokens, is_item=True)
            return
        left = _without_last_thoughts(message)
        if left is not None:
            self._end_waiting(rows, row, is_item=message.format == "responses")
        if left is not message:
            self._wait(row, tokens if left is None else -self._less(rows, row, message, left), is_item=False)

    def _wait(self, row: int, tokens: int, *, is_item: bool) -> None:
        self._waiting.append(_Waiting(row, tokens, is_item))
        self._add(row, row, -tokens)

    def _end_waiting(self, rows: Rows, row: int, *, is_item: bool) -> None:
        """The waiting thoughts are sent, because another part follows them; a reasoning item of Responses, only if its own item follows."""
        behind, carried = row, []
        for one in reversed(self._waiting):
            if one.is_item and is_item and not rows.follows(behind, one.row):
                continue
            self._add(row, one.row, one.tokens)
            if one.is_item:
                behind, is_item = one.row, True
                carried.append((one.row, -one.tokens))
        self._waiting.clear()
        if carried:
            self._carried[row] = carried


def _behind_answered(rows: Rows, row: int, length: int) -> int | None:
    """The row behind the chat answer *row* and its results, if each call has one and nothing else is between: all of these are sent.

    Otherwise None. Most calls are answered like this, and need no pairing.
    """
    waiting = _named_calls(rows.message(row))
    for at in range(row + 1, min(length, row + 1 + len(waiting))):
        result = rows.message(at)
        id = result.raw.get("tool_call_id")
        if result.format != "openai" or result.role != "tool" or not isinstance(id, str) or id not in waiting:
            return None
        waiting.remove(id)
        if not waiting:
            return at + 1
    return None


def _named_calls(message: Message) -> set[str]:
    """The ids of the calls of a chat answer; empty if it may be unclear which result belongs to which call."""
    calls = message.raw.get("tool_calls")
    if message.format != "openai" or message.role != "assistant" or not calls or "function_call" in message.raw:
        return set()
    found = [call.get("id") for call in chat_calls(message.raw) if "function" in call]
    ids = {id for id in found if isinstance(id, str) and id}
    return ids if len(ids) == len(items_of(calls)) else set()


def _without_last_thoughts(message: Message) -> Message | None:
    """*message* without Anthropic's thoughts at its end; None if it has nothing else."""
    if message.format != "anthropic" or message.is_thought:
        return message
    blocks = [*items_of(message.raw.get("content"))]
    length = len(blocks)
    while blocks and isinstance(blocks[-1], Mapping) and str(blocks[-1].get("type")) in _THOUGHTS:
        blocks.pop()
    if len(blocks) == length:
        return message
    return message_from_raw({**message.raw, "content": blocks}, message.format) if blocks else None
