"""Edits of calls and results in messages of every format: change ids, keep only some results, make a missing result.

A message that needs no change is returned itself; no given message is ever changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tract.dataclass import replace
from tract.messages.message import Message, message_from_raw
from tract.messages.pairing import LEGACY, Tool, chat_calls
from tract.messages.tool_names import Target
from tract.messages.values import items_of
from tract.named_tuple import NamedTuple
from tract.objects.message_format import JSON

INTERRUPTED = "interrupted: no result was recorded"
"""The result of a call that has none."""


class Called(NamedTuple):
    """A call as a request names it: its id, its kind (its result must have the same), its tool's name, and its recorded id (None for a ``function_call``)."""

    id: str
    kind: str
    name: str
    own_id: str | None


# Calls


def with_call_ids(message: Message, ids: Mapping[int, str]) -> Message:
    """*message* with *ids* for its calls, by their places; a ``function_call`` that gets an id becomes an ordinary call."""
    if not ids:
        return message
    raw = message.raw
    if message.format == "responses":
        id = ids[0]
        return message if raw.get("call_id") == id else _made(message, {**raw, "call_id": id})
    if message.format == "anthropic":
        return _with_blocks(message, "tool_use", lambda block, at: _with_key(block, "id", ids.get(at)))
    calls = chat_calls(raw)
    changed = [_with_key(call, "id", ids.get(at)) for at, call in enumerate(calls)]
    legacy = raw.get("function_call")
    if isinstance(legacy, Mapping) and len(calls) in ids:
        changed.append({"id": ids[len(calls)], "type": "function", "function": dict(legacy)})
        raw = {key: value for key, value in raw.items() if key != "function_call"}
    if len(changed) == len(calls) and all(new is old for new, old in zip(changed, calls, strict=True)):
        return message
    return _made(message, {**raw, "tool_calls": changed})


# Results


def with_results_for(message: Message, called: Mapping[int, Called]) -> Message:
    """*message* with results that name the calls *called*, by their places, and have their kinds."""
    raw = message.raw
    if message.format == "anthropic":
        ids = {at: one.id for at, one in called.items()}
        return _with_blocks(message, "tool_result", lambda block, at: _with_key(block, "tool_use_id", ids.get(at)))
    [call] = called.values()
    if message.format == "responses":
        return _item_for(message, call)
    if raw.get("role") == "tool":
        changed = _with_key(raw, "tool_call_id", call.id)
        return message if changed is raw else _made(message, changed)
    if call.kind == LEGACY:
        changed = _with_key(raw, "name", call.name)
        return message if changed is raw else _made(message, changed)
    more = {key: value for key, value in raw.items() if key not in ("role", "name")}
    return _made(message, {"role": "tool", "tool_call_id": call.id, **more})


def _item_for(message: Message, call: Called) -> Message:
    raw = message.raw
    kind = raw.get("type")
    wanted = {"custom": "custom_tool", LEGACY: "function"}.get(call.kind, call.kind)
    if kind in _OUTPUTS.values() and wanted in _OUTPUTS:
        kind = _OUTPUTS[wanted]
    key = "id" if kind == "local_shell_call_output" and "call_id" not in raw else "call_id"
    if raw.get("type") == kind and raw.get(key) == call.id:
        return message
    return _made(message, {**raw, "type": kind, key: call.id})


_OUTPUTS = {"function": "function_call_output", "custom_tool": "custom_tool_call_output"}


def only_results(message: Message, kept: set[int], *, rest: bool) -> Message | None:
    """*message* with only the results at the places *kept*, and the rest of its content if *rest*; None if nothing is left."""
    if message.format != "anthropic":
        return message if 0 in kept else None
    content = items_of(message.raw.get("content"))
    left = []
    at = 0
    for block in content:
        if isinstance(block, Mapping) and block.get("type") == "tool_result":
            if at in kept:
                left.append(block)
            at += 1
        elif rest:
            left.append(block)
    if len(left) == len(content):
        return message
    return _made(message, {**message.raw, "content": left}) if left else None


def made_result(message: Message, tool: Tool, id: str, target: Target) -> Message:
    """A result that says that none was recorded, for a call in *message*; *id* is the call's."""
    is_error = target in ("anthropic", "gemini")  # the others have no word for it
    if message.format == "responses":
        kind = "custom_tool_call_output" if tool.kind == "custom_tool" else "function_call_output"
        made = message_from_raw({"type": kind, "call_id": id, "output": INTERRUPTED}, "responses")
        return replace(made, is_error=is_error)
    if message.format == "anthropic":
        block = {"type": "tool_result", "tool_use_id": id, "content": INTERRUPTED, "is_error": True}
        return message_from_raw({"role": "user", "content": [block]}, "anthropic")
    if tool.kind == LEGACY and not id:
        return message_from_raw({"role": "function", "name": tool.name, "content": INTERRUPTED}, "openai")
    made = message_from_raw({"role": "tool", "tool_call_id": id, "content": INTERRUPTED}, "openai")
    return replace(made, is_error=is_error)


def _with_blocks(
    message: Message, kind: str, change: Callable[[Mapping[str, JSON], int], Mapping[str, JSON]]
) -> Message:
    """*message* with its blocks of *kind* changed; *change* gets each block and its number among them."""
    content = items_of(message.raw.get("content"))
    blocks = []
    at = 0
    for block in content:
        if isinstance(block, Mapping) and block.get("type") == kind:
            blocks.append(change(block, at))
            at += 1
        else:
            blocks.append(block)
    if all(new is old for new, old in zip(blocks, content, strict=True)):
        return message
    return _made(message, {**message.raw, "content": blocks})


def _with_key(value: Mapping[str, JSON], key: str, item: str | None) -> Mapping[str, JSON]:
    return value if item is None or value.get(key) == item else {**value, key: item}


def _made(message: Message, raw: Mapping[str, JSON]) -> Message:
    made = message_from_raw(raw, message.format)
    return replace(made, is_error=True) if message.is_error else made
