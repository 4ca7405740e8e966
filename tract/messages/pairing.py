"""Checking that every tool call has its result and every result its call, whatever the messages' formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tract.messages.message import CompileWarning, Message
from tract.messages.openai import legacy_call_id
from tract.messages.parts import Notes
from tract.messages.values import items_of
from tract.objects.message_format import JSON

_SENTENCES = {
    "unpaired_tool_call": "no result follows the tool call {}",
    "unpaired_tool_result": "no call comes before the tool result {}",
    "misplaced_tool_result": "the result {} does not directly follow its tool call",
}


def tool_ids(message: Message) -> tuple[list[str], list[str]]:
    """The ids of the calls in *message*, and of the calls it answers, in order.

    Tools that the provider runs by itself do not count: their results are part of the same answer.
    """
    raw = message.raw
    if message.format == "openai":
        return _chat_calls(raw), _chat_results(raw)
    if message.format == "responses":
        return _item_ids(raw)
    return _block_ids(raw, "tool_use", "id"), _block_ids(raw, "tool_result", "tool_use_id")


def _chat_calls(raw: Mapping[str, JSON]) -> list[str]:
    if "tool_calls" not in raw and "function_call" not in raw:
        return []
    ids = [_chat_call_id(call) for call in items_of(raw.get("tool_calls")) if isinstance(call, Mapping)]
    legacy = raw.get("function_call")
    return [*ids, legacy_call_id(legacy.get("name"))] if isinstance(legacy, Mapping) else ids


def _chat_call_id(call: Mapping[str, JSON]) -> str:
    tool = call.get("function") or call.get("custom")
    return str(call.get("id") or legacy_call_id(tool.get("name") if isinstance(tool, Mapping) else None))


def _chat_results(raw: Mapping[str, JSON]) -> list[str]:
    if raw.get("role") not in ("tool", "function"):
        return []
    return [str(raw.get("tool_call_id") or legacy_call_id(raw.get("name")))]


def _item_ids(raw: Mapping[str, JSON]) -> tuple[list[str], list[str]]:
    call_id, kind = raw.get("call_id"), str(raw.get("type"))
    if not isinstance(call_id, str):
        return [], []
    if kind.endswith("_output"):
        return [], [call_id]
    return ([call_id], []) if kind.endswith("_call") or kind == "program" else ([], [])


def _block_ids(raw: Mapping[str, JSON], kind: str, key: str) -> list[str]:
    blocks = (block for block in items_of(raw.get("content")) if isinstance(block, Mapping))
    return [str(block.get(key)) for block in blocks if block.get("type") == kind]


def pairing_warnings(messages: Sequence[Message]) -> tuple[CompileWarning, ...]:
    """What is wrong with the tool calls and results of *messages*, by message.

    ``unpaired_tool_call`` and ``unpaired_tool_result`` lack their other half; a call at the very end still waits for its result and is fine.
    ``misplaced_tool_result`` has its call, but something else came between, which chat completions and Anthropic refuse.
    """
    pairing = Pairing()
    for index, message in enumerate(messages):
        pairing.add(index, message)
    return pairing.warnings()


class ToolUnits(NamedTuple):
    """Messages that belong together: *of* has for each that calls a tool and was answered, or answers, all of its unit, in order.

    *waiting* are those with a call that still waits for its result.
    """

    of: dict[int, tuple[int, ...]]
    waiting: tuple[int, ...]


def tool_units(messages: Sequence[Message]) -> ToolUnits:
    """The units that the tool calls and results of *messages* form, by their places."""
    units: dict[int, list[int]] = {}
    pairing = Pairing()
    for row, message in enumerate(messages):
        for call, _ in pairing.add(row, message):
            unit = units.setdefault(call, [call])
            for member in units.get(row, [row]):
                if member not in unit:
                    unit.append(member)
                units[member] = unit
    return ToolUnits({row: tuple(sorted(unit)) for row, unit in units.items()}, pairing.waiting())


class Pairing:
    """Which result answers which call, as far as messages were added, and what is wrong with them so far."""

    def __init__(self) -> None:
        self._notes = Notes()
        self._waiting: dict[str, list[int]] = {}  # calls of the turn under way, by id
        self._missed: dict[str, list[int]] = {}  # calls of turns that are over
        self._answered = False

    def add(self, index: int, message: Message) -> list[tuple[int, str]]:
        """Take in the next message, known as *index* (rising); the calls that it answers, as (the call's index, id)."""
        calls, results = tool_ids(message)
        if self._waiting and _ends_turn(message, results, self._answered):
            for id, places in self._waiting.items():
                self._missed.setdefault(id, []).extend(places)
            self._waiting = {}
        self._answered = bool(results) or (self._answered and message.role != "assistant")
        pairs = []
        for id in results:
            place = self._match_result(id, index, message)
            if place is not None:
                pairs.append((place, id))
        for id in calls:
            self._waiting.setdefault(id, []).append(index)
        return pairs

    def _match_result(self, id: str, index: int, message: Message) -> int | None:
        if id in self._waiting:
            return _take_first(self._waiting, id)
        if id not in self._missed:
            self._notes.add(index, "unpaired_tool_result", repr(id))
            return None
        if message.format != "responses":
            self._notes.add(index, "misplaced_tool_result", repr(id))
        return _take_first(self._missed, id)

    def waiting(self) -> tuple[int, ...]:
        """The messages with a call of the turn under way that no result answered yet."""
        return tuple(sorted({place for places in self._waiting.values() for place in places}))

    def warnings(self) -> tuple[CompileWarning, ...]:
        """What is wrong, by message; calls of the turn under way still wait for their results."""
        unanswered = Notes()
        for id, places in self._missed.items():
            for place in places:
                unanswered.add(place, "unpaired_tool_call", repr(id))
        found = (*self._notes.warnings(_SENTENCES), *unanswered.warnings(_SENTENCES))
        return tuple(sorted(found, key=lambda warning: (warning.index or 0, warning.kind)))


def _ends_turn(message: Message, results: Sequence[str], answered: bool) -> bool:
    """Whether calls before *message* can no longer get their results in place.

    One answer of a model may be spread over several messages of Anthropic's or Responses' format, never of chat completions.
    """
    if results:
        return False
    return message.role != "assistant" or message.format == "openai" or answered


def _take_first(calls: dict[str, list[int]], id: str) -> int:
    place = calls[id].pop(0)
    if not calls[id]:
        del calls[id]
    return place
