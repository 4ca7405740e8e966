"""A call and its result are one unit: if one is hidden, the other is not sent either.

    shown     user  assistant(text, call a, call b)   result a   result b
    skipped                                           result a
    repaired  user  assistant(text,         call b)              result b

Only the half whose other half is hidden is left out: the call is taken out of its message, and the message too if nothing else was in it.
A call whose result was not committed yet is not a torn pair, nor is a pair that was already torn when it was recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tract.messages.message import CompileWarning, Message, message_from_raw
from tract.messages.pairing import Ref, chat_calls, tools_in
from tract.messages.values import items_of
from tract.named_tuple import NamedTuple

_THOUGHTS = ("thinking", "redacted_thinking")


class Pair(NamedTuple):
    """A call and the result that answers it; the row of a hidden message is below 0."""

    call: Ref
    result: Ref


class Lost(NamedTuple):
    """The calls and results of one message whose other half is hidden, by their places in it."""

    calls: set[int]
    results: set[int]

    def is_all_of(self, message: Message) -> bool:
        """Whether *message* has no other calls or results."""
        calls, results = tools_in(message)
        return len(calls) == len(self.calls) and len(results) == len(self.results)


def lost_halves(messages: Sequence[Message], pairs: Sequence[Pair]) -> dict[int, Lost]:
    """The calls and results, by row, whose other half is hidden."""
    lost: dict[int, Lost] = {}
    of_row: dict[int, list[Pair]] = {}
    for pair in pairs:
        for ref in pair:
            of_row.setdefault(ref.row, []).append(pair)
    work = [pair for pair in pairs if (pair.call.row < 0) != (pair.result.row < 0)]
    gone: set[int] = set()
    while work:
        pair = work.pop()
        for at, ref in enumerate(pair):
            if ref.row < 0 or ref.row in gone:
                continue
            found = lost.setdefault(ref.row, Lost(set(), set()))
            if ref.at in found[at]:
                continue
            found[at].add(ref.at)
            if without_tools(messages[ref.row], found) is None:
                gone.add(ref.row)  # and with it everything else in it
                work += of_row[ref.row]
    return lost


def without_tools(message: Message, lost: Lost) -> Message | None:
    """*message* without those calls and results; None if nothing worth sending is left."""
    if message.format == "openai":
        raw = _without_chat_calls(message.raw, lost.calls)
    elif message.format == "anthropic":
        raw = _without_blocks(message.raw, lost)
    else:
        raw = None  # a message of its own, as in Responses
    return None if raw is None else message_from_raw(raw, message.format)


def _without_chat_calls(raw: Mapping[str, Any], lost: set[int]) -> dict[str, Any] | None:
    if raw.get("role") in ("tool", "function"):
        return None
    found = chat_calls(raw)
    calls = [call for at, call in enumerate(found) if at not in lost]
    left = {**raw, "tool_calls": calls} if calls else {key: raw[key] for key in raw if key != "tool_calls"}
    if len(found) in lost:
        left.pop("function_call", None)
    says = calls or any(left.get(key) for key in ("content", "function_call", "refusal", "audio"))
    return left if says else None


def _without_blocks(raw: Mapping[str, Any], lost: Lost) -> dict[str, Any] | None:
    seen = {"tool_use": 0, "tool_result": 0}
    kept = []
    for block in items_of(raw.get("content")):
        kind = str(block.get("type")) if isinstance(block, Mapping) else ""
        if kind in seen:
            seen[kind] += 1
            if seen[kind] - 1 in (lost.calls if kind == "tool_use" else lost.results):
                continue
        kept.append(block)
    says = any(not isinstance(block, Mapping) or block.get("type") not in _THOUGHTS for block in kept)
    return {**raw, "content": kept} if says else None


def left_out_warnings(message: Message, lost: Lost, index: int | None, commit: str) -> Iterator[CompileWarning]:
    """The warnings for *message*, now number *index*, from which those calls and results were removed."""
    calls, results = tools_in(message)
    for kind, tools, gone, why in (("call", calls, lost.calls, "result"), ("result", results, lost.results, "call")):
        names = ", ".join(dict.fromkeys(repr(tools[at].label) for at in sorted(gone)))
        if names:
            detail = f"the tool {kind} {names} is left out: its {why} is hidden"
            yield CompileWarning(f"tool_{kind}_left_out", detail, index=index, commit=commit)
