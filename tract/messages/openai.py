"""OpenAI chat completions: reading its messages into neutral turns, and writing turns as its messages.

These have no counterpart in the format: reasoning, cache breakpoints, an error flag on a tool's result, pictures and files in a tool's result (a placeholder says they were there), files by URL, server-side tools.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    only_texts,
    placeholder,
    read_content,
    runs,
    split_results,
)
from tract.messages.tool_names import fitting_name, legacy_call_id
from tract.messages.values import (
    compact_json,
    data_url,
    extra_keys,
    items_of,
    json_or_text,
    split_data_url,
    str_or_none,
)
from tract.objects.message_format import JSON

_MESSAGE_KEYS = frozenset(
    {"role", "content", "name", "refusal", "tool_calls", "tool_call_id", "function_call"}
    | {"reasoning_content", "reasoning"}  # where servers that speak this format put a thought
)
_PART_KEYS = frozenset({"type", "text", "refusal", "image_url", "file", "input_audio"})
_CALL_KEYS = frozenset({"id", "type", "index", "function", "custom"})


def read_openai(raw: Mapping[str, JSON], index: int) -> Turn:
    """The neutral turn of a chat completions message."""
    role = raw.get("role")
    losses = extra_keys(raw, _MESSAGE_KEYS)
    if role in ("tool", "function"):
        result = ToolResult(_result_id(raw), _read_result(raw.get("content"), losses))
        return Turn(index, "user", (result,), tuple(losses))
    if raw.get("name"):
        losses.append(f"name {raw['name']!r}")
    parts: list[Part] = [Reasoning(raw[key]) for key in ("reasoning_content", "reasoning") if _is_text(raw.get(key))]
    content = raw.get("content")
    texts = read_content(content, read_part, losses)
    parts += texts
    if _is_text(raw.get("refusal")):
        parts.append(Refusal(raw["refusal"]))
    calls = _read_calls(raw, losses)
    parts += calls
    known = known_role(role, calls=bool(calls))
    return Turn(index, known, tuple(parts), tuple(losses), only_texts(content, texts))


def _result_id(raw: Mapping[str, JSON]) -> str:
    return str(raw.get("tool_call_id") or legacy_call_id(raw.get("name")))


def _is_text(value: JSON) -> bool:
    return isinstance(value, str) and value != ""


def read_part(part: JSON, losses: list[str]) -> Part:
    if isinstance(part, str):
        return Text(part)
    if not isinstance(part, Mapping):
        return Unknown(f"content part {compact_json(part)}")
    losses += extra_keys(part, _PART_KEYS)
    kind = part.get("type")
    if kind == "text" and isinstance(part.get("text"), str):
        return Text(part["text"])
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return Refusal(part["refusal"])
    if kind == "image_url":
        return _read_image(part.get("image_url"))
    if kind == "file" and isinstance(part.get("file"), Mapping):
        return read_file(part["file"])
    return Unknown(str(kind))


def _read_image(value: JSON) -> Part:
    fields = value if isinstance(value, Mapping) else {"url": value}
    return read_image(fields.get("url"), fields.get("detail"))


def read_image(url: JSON, detail: JSON) -> Part:
    """The picture at *url*, which may be a data URL."""
    if not isinstance(url, str) or not url:
        return Unknown("image")
    data = split_data_url(url)
    if data is None:
        return Image(url=url, detail=str_or_none(detail))
    media_type = "image/jpeg" if data[0] == "image/jpg" else data[0]
    return Image(media_type=media_type, data=data[1], detail=str_or_none(detail))


def read_file(fields: Mapping[str, JSON]) -> Part:
    """The file that OpenAI's *fields* (``file_data``, ``file_id``, ``file_url``, ``filename``) describe."""
    name, data, url, id = (str_or_none(fields.get(key)) for key in ("filename", "file_data", "file_url", "file_id"))
    media_type, base64 = split_data_url(data or "") or (None, data)
    file = File(name, media_type, base64, url, None, id)
    return file if file.data or file.url or file.file_id else Unknown("file")


def write_file(file: File) -> dict[str, JSON]:
    """OpenAI's fields for *file*, as far as it has them; data needs a name there, so it gets one."""
    data = data_url(file.media_type, file.data) if file.data and file.media_type else file.data
    name = file.name or ("document.pdf" if data else None)
    fields = {"file_data": data, "file_id": file.file_id, "file_url": file.url, "filename": name}
    return {key: value for key, value in fields.items() if value}


def _read_calls(raw: Mapping[str, JSON], losses: list[str]) -> list[Part]:
    parts = [_read_call(call, losses) for call in items_of(raw.get("tool_calls"))]
    legacy = raw.get("function_call")
    if isinstance(legacy, Mapping):
        name = legacy.get("name")
        parts.append(ToolCall(legacy_call_id(name), str(name), json_or_text(legacy.get("arguments", ""))))
    return parts


def _read_call(call: JSON, losses: list[str]) -> Part:
    if not isinstance(call, Mapping):
        return Unknown("tool call")
    signature = _signature(call)
    losses += extra_keys(call, _CALL_KEYS if signature is None else _CALL_KEYS | {"extra_content"})
    custom = call.get("custom")
    if call.get("type") == "custom" and isinstance(custom, Mapping):
        name = str(custom.get("name"))
        return ToolCall(str(call.get("id") or legacy_call_id(name)), name, str(custom.get("input", "")), custom=True)
    function = call.get("function")
    if not isinstance(function, Mapping):
        return Unknown(f"tool call of type {call.get('type')!r}")
    name = str(function.get("name"))
    arguments = function.get("arguments")
    text = "" if arguments is None else json_or_text(arguments)
    return ToolCall(str(call.get("id") or legacy_call_id(name)), name, text, signature=signature)


def _signature(call: Mapping[str, JSON]) -> str | None:
    """Gemini's signature, from the place where Gemini servers that speak this format put it: ``extra_content.google.thought_signature``."""
    at: JSON = call
    for key in ("extra_content", "google", "thought_signature"):
        at = at.get(key) if isinstance(at, Mapping) else None
    return str_or_none(at)


def _read_result(content: JSON, losses: list[str]) -> tuple[Text | Image | File | Unknown, ...]:
    parts = read_content(content, read_part, losses)
    return tuple(part for part in parts if isinstance(part, Text | Image | File | Unknown))


def write_openai(turns: Sequence[Turn], notes: Notes) -> list[dict[str, JSON]]:
    """Neighbouring *turns* as chat completions messages.

    Neighbouring turns of an assistant become one message if one of them calls a tool, because results must follow directly behind all the calls of their batch.
    """
    messages: list[dict[str, JSON]] = []
    for side, run in runs(turns):
        if side == "assistant":
            calling = any(isinstance(part, ToolCall) for turn in run for part in turn.parts)
            for group in [run] if calling else [[turn] for turn in run]:
                messages += _write_assistant(group, notes)
            continue
        results, rest = split_results(run, notes) if side == "user" else ([], run)
        messages += [_write_result(index, result, notes) for index, result in results]
        for turn in rest:
            messages += _write_plain(turn, notes)
    return messages


def _write_assistant(turns: Sequence[Turn], notes: Notes) -> list[dict[str, JSON]]:
    words: list[dict[str, JSON]] = []
    calls: list[dict[str, JSON]] = []
    for turn in turns:
        for part in turn.parts:
            match part:
                case Text(text):
                    words.append({"type": "text", "text": text})
                case Refusal(text):
                    words.append({"type": "refusal", "refusal": text})
                case ToolCall():
                    calls.append(_write_call(turn.index, part, notes))
                case _:
                    notes.lost(turn.index, placeholder(part))
    if calls:
        words = [word for word in words if word.get("text") != ""]
    if not words and not calls:
        return []
    listed = not calls and all(turn.listed for turn in turns)
    message: dict[str, JSON] = {"role": "assistant", "content": words if listed else _plain_or_parts(words)}
    if calls:
        message["tool_calls"] = calls
    return [message]


def _plain_or_parts(parts: list[dict[str, JSON]]) -> JSON:
    """The content for *parts*: None if there are none, a str for a single text, else the list."""
    if not parts:
        return None
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _write_call(index: int, call: ToolCall, notes: Notes) -> dict[str, JSON]:
    name = fitting_name(call.name, "openai", index, notes)
    if call.custom:
        return {"id": call.id, "type": "custom", "custom": {"name": name, "input": call.arguments}}
    return {"id": call.id, "type": "function", "function": {"name": name, "arguments": call.arguments}}


def _write_result(index: int, result: ToolResult, notes: Notes) -> dict[str, JSON]:
    texts: list[dict[str, JSON]] = []
    for part in result.parts:
        if not isinstance(part, Text):
            notes.lost(index, f"{placeholder(part)} in a tool result")
        texts.append({"type": "text", "text": part.text if isinstance(part, Text) else placeholder(part)})
    if result.is_error:
        notes.lost(index, "is_error of a tool result")
    return {"role": "tool", "tool_call_id": result.id, "content": _plain_or_parts(texts) or ""}


def _write_plain(turn: Turn, notes: Notes) -> list[dict[str, JSON]]:
    """A message of a system, developer or user; only a user's message may hold more than text."""
    parts = []
    for part in turn.parts:
        written = _write_part(part)
        if written is None or (turn.role != "user" and written["type"] != "text"):
            notes.lost(turn.index, placeholder(part))
        else:
            parts.append(written)
    if not parts:
        return []
    return [{"role": turn.role, "content": parts if turn.listed else _plain_or_parts(parts)}]


def _write_part(part: Part) -> dict[str, JSON] | None:
    match part:
        case Text(text) | Refusal(text):
            return {"type": "text", "text": text}
        case File(text=str()):
            return {"type": "text", "text": part.titled_text()}
        case Image():
            return {"type": "image_url", "image_url": _write_image(part)}
        case File() if part.data or part.file_id:
            return {"type": "file", "file": write_file(part)}
        case _:
            return None


def _write_image(image: Image) -> dict[str, JSON]:
    url = {"url": image_url(image)}
    return {**url, "detail": image.detail} if image.detail else url


def image_url(image: Image) -> str:
    """The URL of *image*; a data URL if the image holds its bytes."""
    if image.data is not None:
        return data_url(image.media_type or "image/png", image.data)
    return image.url or ""
