"""Items of OpenAI's Responses API: reading them into neutral turns, and writing turns as items.

These have no counterpart in the format: reasoning, a name, audio, other providers' cache breakpoints, an error flag on a tool's result, other providers' server-side tools.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tract.messages.message import item_role
from tract.messages.openai import image_url, read_file, read_image, write_file
from tract.messages.parts import (
    File,
    Image,
    Notes,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
    known_role,
    placeholder,
    read_content,
)
from tract.messages.tool_names import fitting_name
from tract.messages.values import compact_json, extra_keys, items_of, json_or_text
from tract.objects.message_format import JSON

_MESSAGE_KEYS = frozenset({"type", "role", "content", "id", "status", "phase"})
_CALL_KEYS = frozenset({"type", "id", "status", "call_id", "name", "arguments", "input", "output"})
_REASONING_KEYS = frozenset({"type", "id", "status", "summary", "content"})
_PART_KEYS = frozenset({"type", "text", "refusal", "logprobs", "image_url", "detail", "file_id"}) | frozenset(
    {"file_data", "file_url", "filename"}
)


def read_responses(raw: Mapping[str, JSON], index: int) -> Turn:
    """The neutral turn of a Responses item."""
    losses: list[str] = []
    part: Part
    match raw.get("type"):
        case None | "message":
            losses += extra_keys(raw, _MESSAGE_KEYS)
            parts = read_content(raw.get("content"), _read_part, losses)
            return Turn(index, known_role(raw.get("role")), tuple(parts), tuple(losses))
        case "reasoning":
            return _read_reasoning(raw, index)
        case "function_call":
            losses += extra_keys(raw, _CALL_KEYS)
            part = ToolCall(str(raw.get("call_id")), str(raw.get("name")), json_or_text(raw.get("arguments", "")))
        case "custom_tool_call":
            losses += extra_keys(raw, _CALL_KEYS)
            part = ToolCall(str(raw.get("call_id")), str(raw.get("name")), json_or_text(raw.get("input", "")), True)
        case "function_call_output" | "custom_tool_call_output":
            losses += extra_keys(raw, _CALL_KEYS)
            inner = read_content(raw.get("output"), _read_part, losses)
            found = tuple(part for part in inner if isinstance(part, Text | Image | File | Unknown))
            part = ToolResult(str(raw.get("call_id")), found)
        case kind:
            part = Unknown(str(kind))
    role = item_role(raw)
    return Turn(index, "user" if role == "tool" else known_role(role), (part,), tuple(losses))


def _read_reasoning(raw: Mapping[str, JSON], index: int) -> Turn:
    parts: list[Part] = []
    for key, summary in (("summary", True), ("content", False)):
        for item in items_of(raw.get(key)):
            if isinstance(item, Mapping) and item.get("text"):
                parts.append(Reasoning(str(item["text"]), summary))
    return Turn(index, "assistant", tuple(parts), ("reasoning item", *extra_keys(raw, _REASONING_KEYS)))


def _read_part(part: JSON, losses: list[str]) -> Part:
    if not isinstance(part, Mapping):
        return Unknown(f"content part {compact_json(part)}")
    losses += extra_keys(part, _PART_KEYS)
    match part.get("type"):
        case "input_text" | "output_text" | "text" | "summary_text":
            return Text(str(part.get("text", "")))
        case "refusal":
            return Refusal(str(part.get("refusal", "")))
        case "input_image" if part.get("image_url"):
            return read_image(part["image_url"], part.get("detail"))
        case "input_file":
            return read_file(part)
        case kind:
            return Unknown(str(kind))


def write_responses(turns: Sequence[Turn], custom_calls: set[str], notes: Notes) -> list[dict[str, JSON]]:
    """*turns* as Responses items; *custom_calls* has the ids of the custom tools' calls seen so far, and grows."""
    items: list[dict[str, JSON]] = []
    for turn in turns:
        written = _write_assistant if turn.role == "assistant" else _write_input
        items += written(turn, custom_calls, notes)
    return items


def _write_assistant(turn: Turn, custom_calls: set[str], notes: Notes) -> list[dict[str, JSON]]:
    """One item for each text: only an item with an id of OpenAI's may have several texts of a model."""
    items: list[dict[str, JSON]] = []
    calling = any(isinstance(part, ToolCall) for part in turn.parts)
    for part in turn.parts:
        match part:
            case Text("") if calling:
                continue
            case Text(text) | Refusal(text):
                items.append({"role": "assistant", "content": text})
            case ToolCall():
                items.append(_write_call(turn.index, part, custom_calls, notes))
            case _:
                notes.lost(turn.index, placeholder(part))
    return items


def _write_call(index: int, call: ToolCall, custom_calls: set[str], notes: Notes) -> dict[str, JSON]:
    if call.signature is not None:
        notes.lost(index, "Gemini's thought signature")
    name = fitting_name(call.name, "responses", index, notes)
    if call.custom:
        custom_calls.add(call.id)
        return {"type": "custom_tool_call", "call_id": call.id, "name": name, "input": call.arguments}
    return {"type": "function_call", "call_id": call.id, "name": name, "arguments": call.arguments}


def _write_input(turn: Turn, custom_calls: set[str], notes: Notes) -> list[dict[str, JSON]]:
    results = [part for part in turn.parts if isinstance(part, ToolResult)]
    items = [_write_result(turn.index, result, custom_calls, notes) for result in results]
    content = []
    for part in turn.parts:
        written = _write_part(part)
        if written is not None:
            content.append(written)
        elif not isinstance(part, ToolResult):
            notes.lost(turn.index, placeholder(part))
    if content:
        items.append({"role": turn.role, "content": _plain_or_parts(content)})
    return items


def _plain_or_parts(parts: list[dict[str, JSON]]) -> JSON:
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "input_text" else parts


def _write_result(index: int, result: ToolResult, custom_calls: set[str], notes: Notes) -> dict[str, JSON]:
    output = []
    for part in result.parts:
        written = _write_part(part)
        if written is None:
            notes.lost(index, f"{placeholder(part)} in a tool result")
            written = {"type": "input_text", "text": placeholder(part)}
        output.append(written)
    if result.is_error:
        notes.lost(index, "is_error of a tool result")
    kind = "custom_tool_call_output" if result.id in custom_calls else "function_call_output"
    return {"type": kind, "call_id": result.id, "output": _plain_or_parts(output) if output else ""}


def _write_part(part: Part) -> dict[str, JSON] | None:
    match part:
        case Text(text) | Refusal(text):
            return {"type": "input_text", "text": text}
        case File(text=str()):
            return {"type": "input_text", "text": part.titled_text()}
        case Image():
            return {"type": "input_image", "detail": part.detail or "auto", "image_url": image_url(part)}
        case File():
            return {"type": "input_file", **write_file(part)}
        case _:
            return None
