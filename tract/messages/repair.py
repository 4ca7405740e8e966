"""Tool pairs are one unit: where a call or its result is hidden, the other half is not sent either.

    shown     user  assistant(text, call a, call b)   result a   result b
    skipped                                           result a
    repaired  user  assistant(text,         call b)              result b

Only the half that has lost its other half is left out: the call out of its message, the message when nothing else was in it.
A call whose result nobody committed yet is no torn pair, nor is what was torn when it was recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from tract.messages.message import CompileWarning, Message, message_from_raw
from tract.messages.pairing import tool_ids
from tract.messages.values import items_of

_THOUGHTS = ("thinking", "redacted_thinking")


class Pair(NamedTuple):
    """A call and the result that answers it, each by its place in the context: below 0 where it is hidden."""

    call: int
    result: int
    id: str


def ids_in(message: Message) -> list[str]:
    """The ids of all calls and results in *message*."""
    calls, results = tool_ids(message)
    return [*calls, *results]


def lost_halves(messages: Sequence[Message], pairs: Sequence[Pair]) -> dict[int, set[str]]:
    """The ids, by row, of the calls and results whose other half is not shown."""
    lost: dict[int, set[str]] = {}
    of_row: dict[int, list[Pair]] = {}
    for pair in pairs:
        for place in (pair.call, pair.result):
            of_row.setdefault(place, []).append(pair)
    work = [pair for pair in pairs if (pair.call < 0) != (pair.result < 0)]
    gone: set[int] = set()
    while work:
        pair = work.pop()
        for row in (pair.call, pair.result):
            if row < 0 or row in gone or pair.id in lost.get(row, ()):
                continue
            lost.setdefault(row, set()).add(pair.id)
            if without_tools(messages[row], lost[row]) is None:
                gone.add(row)  # and with it everything else in it
                work += of_row[row]
    return lost


def without_tools(message: Message, ids: set[str]) -> Message | None:
    """*message* without the calls and results of these ids; None when nothing worth sending is left."""
    if message.format == "openai":
        raw = _without_chat_calls(message, ids)
    elif message.format == "anthropic":
        raw = _without_blocks(message.raw, ids)
    else:
        raw = None  # a message of its own, as in Responses
    return None if raw is None else message_from_raw(raw, message.format)


def _without_chat_calls(message: Message, ids: set[str]) -> dict[str, Any] | None:
    raw = dict(message.raw)
    if raw.get("role") in ("tool", "function"):
        return None
    calls = [
        call
        for call in items_of(raw.pop("tool_calls", None))
        if ids.isdisjoint(_call_ids(message, "tool_calls", [call]))
    ]
    if "function_call" in raw and not ids.isdisjoint(_call_ids(message, "function_call", raw["function_call"])):
        del raw["function_call"]
    if calls:
        raw["tool_calls"] = calls
    says = calls or any(raw.get(key) for key in ("content", "function_call", "refusal", "audio"))
    return raw if says else None


def _call_ids(message: Message, key: str, value: Any) -> list[str]:
    return tool_ids(replace(message, raw={"role": "assistant", key: value}))[0]


def _without_blocks(raw: Mapping[str, Any], ids: set[str]) -> dict[str, Any] | None:
    kept = [
        block for block in items_of(raw.get("content")) if not (isinstance(block, Mapping) and _block_id(block) in ids)
    ]
    says = any(not isinstance(block, Mapping) or block.get("type") not in _THOUGHTS for block in kept)
    return {**raw, "content": kept} if says else None


def _block_id(block: Mapping[str, Any]) -> str | None:
    key = {"tool_use": "id", "tool_result": "tool_use_id"}.get(str(block.get("type")))
    return None if key is None else str(block.get(key))


def left_out_warnings(message: Message, ids: set[str], index: int | None, commit: str) -> Iterator[CompileWarning]:
    """What is said of *message*, now number *index*, from which the calls and results of these ids were taken."""
    calls, results = tool_ids(message)
    for kind, found, why in (("call", calls, "result"), ("result", results, "call")):
        gone = ", ".join(repr(id) for id in dict.fromkeys(found) if id in ids)
        if gone:
            detail = f"the tool {kind} {gone} is left out: its {why} is hidden"
            yield CompileWarning(f"tool_{kind}_left_out", detail, index, commit)
