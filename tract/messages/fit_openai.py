"""Chat completions messages, changed only where the API would refuse them; everything else stays as it was committed.

    assistant   role  content  name  refusal  tool_calls  function_call  audio {"id"}
    user        role  content  name                parts: text image_url input_audio file
    tool        role  content  tool_call_id        text only

docs/sending.md has the rules (11 to 17).
A message that needs no change is returned itself, not as a copy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tract.messages.openai import read_part
from tract.messages.parts import Notes, known_role, placeholder
from tract.messages.tool_names import fitting_name
from tract.messages.values import compact_json, items_of, json_or_text
from tract.objects.message_format import JSON

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})

# What answers have and requests have not.
_REFUSED_KEYS = frozenset({"annotations", "parsed", "id", "usage", "stop_reason", "finish_reason", "logprobs"})
_ASSISTANTS_KEYS = frozenset({"tool_calls", "function_call", "refusal", "audio"})
_USERS_PARTS = frozenset({"image_url", "input_audio", "file"})
MOST_CALLS = 128
"""So many calls a message takes."""
_FORBIDDEN_IN_NAMES = r"[\s<|\\/>]+"


def fit_openai(raw: Mapping[str, JSON], index: int, notes: Notes) -> Mapping[str, JSON] | None:
    """Message *index*, *raw*, in a form that the API takes; None if nothing in it can be sent."""
    role = raw.get("role")
    calls = items_of(raw.get("tool_calls"))
    known = role if isinstance(role, str) and role in ROLES else known_role(role, calls=bool(calls))
    fit: dict[str, JSON] = {}
    dropped: list[str] = []
    for key, value in raw.items():
        if (
            (value is None and key != "content")
            or key in _REFUSED_KEYS
            or (key in _ASSISTANTS_KEYS and known != "assistant")
            or (key == "tool_calls" and not calls)
        ):
            dropped.append(key)
        else:
            fit[key] = _fit_key(key, value, known, index, notes)
    if known != role:
        notes.add(index, "unknown_role", f"{role!r}, sent as {known!r}")
        fit["role"] = known
    for key in ("name", "tool_calls"):
        if key in fit and not fit[key]:
            del fit[key]
    if dropped:
        notes.add(index, "keys_left_out", ", ".join(dropped))
    return _with_content(raw, fit, known, index, notes)


def _fit_key(key: str, value: JSON, role: str, index: int, notes: Notes) -> JSON:
    match key:
        case "content":
            return _fit_content(value, role, index, notes)
        case "tool_calls":
            return _fit_calls(value, index, notes)
        case "name" if role != "tool":
            return _fit_name(value, role, index, notes)
        case "function_call" if isinstance(value, Mapping):
            return _fit_function(value, index, notes)
        case "audio" if isinstance(value, Mapping) and "id" in value and len(value) > 1:
            notes.add(index, "keys_left_out", ", ".join(f"audio.{name}" for name in value if name != "id"))
            return {"id": value["id"]}
    return value


def _with_content(
    raw: Mapping[str, JSON], fit: dict[str, JSON], role: str, index: int, notes: Notes
) -> Mapping[str, JSON] | None:
    """*fit*, if its role may have its content."""
    if fit.get("content") is None:
        if role in ("tool", "function"):
            fit["content"] = ""
            notes.add(index, "value_changed", "content None to ''")
        elif role != "assistant" or not any(fit.get(key) for key in _ASSISTANTS_KEYS):
            notes.add(index, "message_left_out", "it has no content")
            return None
    is_same = fit.keys() == raw.keys() and all(fit[key] is value for key, value in raw.items())
    return raw if is_same else fit


def _fit_name(value: JSON, role: str, index: int, notes: Notes) -> JSON:
    if role == "function":
        return fitting_name(str(value), "openai", index, notes)
    name = re.sub(_FORBIDDEN_IN_NAMES, "_", value) if isinstance(value, str) else str(value)
    if name == value:
        return value
    notes.add(index, "value_changed", f"name {value!r:.80} to {name!r:.80}")
    return name


def _fit_content(content: JSON, role: str, index: int, notes: Notes) -> JSON:
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list | tuple):
        notes.add(index, "value_changed", "content that is not text to JSON")
        return compact_json(content)
    parts = [_fit_part(part, role, index, notes) for part in content]
    kept = [part for part in parts if part is not None]
    if len(kept) == len(content) and all(new is old for new, old in zip(kept, content, strict=True)):
        return content if kept else None
    return kept or None


def _fit_part(part: JSON, role: str, index: int, notes: Notes) -> JSON:
    if isinstance(part, str):
        notes.add(index, "value_changed", "a bare text to a part of type 'text'")
        return {"type": "text", "text": part}
    if not isinstance(part, Mapping):
        notes.add(index, "part_left_out", f"a part that is not an object: {part!r:.40}")
        return None
    kind = str(part.get("type"))
    if kind == "text" and not isinstance(part.get("text"), str):
        notes.add(index, "part_left_out", "a text without text")
        return None
    if kind == "refusal" and role != "assistant":
        notes.add(index, "value_changed", "a refusal to a text")
        return {"type": "text", "text": str(part.get("refusal") or "")}
    if kind in _USERS_PARTS and role != "user":
        return _moved_part(part, role, index, notes)
    return part


def _moved_part(part: Mapping[str, JSON], role: str, index: int, notes: Notes) -> JSON:
    """The substitute for a picture, a sound or a file in a message of a role that may not send one."""
    if role not in ("tool", "function"):
        notes.add(index, "part_left_out", f"{part['type']} in a message of the {role}")
        return None
    text = placeholder(read_part(part, []))
    notes.add(index, "part_left_out", f"{part['type']} in a tool result, {text!r} stands for it")
    return {"type": "text", "text": text}


def _fit_calls(calls: JSON, index: int, notes: Notes) -> JSON:
    fit = [_fit_call(call, index, notes) for call in items_of(calls)]
    kept = [call for call in fit if call is not None]
    if len(kept) == len(fit) and all(new is old for new, old in zip(kept, calls, strict=True)):
        return calls
    return kept


def _fit_call(call: JSON, index: int, notes: Notes) -> JSON:
    custom = call.get("custom") if isinstance(call, Mapping) else None
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) and not isinstance(custom, Mapping):
        notes.add(index, "part_left_out", "a tool call that names no tool")
        return None
    fit: dict[str, Any] = {key: value for key, value in call.items() if value is not None and key != "index"}
    if isinstance(function, Mapping):
        fit["function"] = _fit_function(function, index, notes)
        fit.setdefault("type", "function")
    elif isinstance(custom, Mapping):
        name = fitting_name(str(custom.get("name") or ""), "openai", index, notes)
        if name != custom.get("name"):
            fit["custom"] = {**custom, "name": name}
        fit.setdefault("type", "custom")
    is_same = fit.keys() == call.keys() and all(fit[key] is value for key, value in call.items())
    return call if is_same else fit


def _fit_function(function: Mapping[str, JSON], index: int, notes: Notes) -> Mapping[str, JSON]:
    arguments = function.get("arguments")
    name = fitting_name(str(function.get("name") or ""), "openai", index, notes)
    if name == function.get("name") and isinstance(arguments, str) and "parsed_arguments" not in function:
        return function
    fit = {key: value for key, value in function.items() if key != "parsed_arguments"}
    if not isinstance(arguments, str):
        notes.add(index, "value_changed", "arguments to their JSON")
        arguments = "{}" if arguments is None else json_or_text(arguments)
    return {**fit, "name": name, "arguments": arguments}


def parted_answer(answer: Mapping[str, JSON], rest: Sequence[Mapping[str, JSON]]) -> list[Mapping[str, JSON]]:
    """An answer with more calls than one message may have, as several messages, each followed by its results; the other messages of *rest* come last."""
    calls = items_of(answer["tool_calls"])
    left = list(rest)
    parted: list[Mapping[str, JSON]] = []
    for at in range(0, len(calls), MOST_CALLS):
        some = calls[at : at + MOST_CALLS]
        ids = {call.get("id") for call in some}
        parted.append(
            {**answer, "tool_calls": some} if not at else {"role": "assistant", "content": None, "tool_calls": some}
        )
        parted += [one for one in left if one.get("role") == "tool" and one.get("tool_call_id") in ids]
        left = [one for one in left if one.get("role") != "tool" or one.get("tool_call_id") not in ids]
    return [*parted, *left]


def one_answer(messages: Sequence[Mapping[str, JSON]]) -> dict[str, JSON]:
    """One message made of several of an assistant's: its words in order, and then all its calls."""
    merged: dict[str, JSON] = {"role": "assistant", "content": None}
    parts: list[JSON] = []
    calls: list[JSON] = []
    for message in messages:
        for key, value in message.items():
            if key == "content":
                parts += _parts_of(value)
            elif key == "tool_calls":
                calls += items_of(value)
            elif isinstance(value, str) and isinstance(merged.get(key), str) and key not in ("role", "name"):
                merged[key] += f"\n{value}"
            else:
                merged.setdefault(key, value)
    texts = [part for part in parts if isinstance(part, Mapping) and set(part) == {"type", "text"}]
    merged["content"] = (parts[0]["text"] if len(texts) == len(parts) == 1 else parts) if parts else None
    return {**merged, "tool_calls": calls} if calls else merged


def _parts_of(content: JSON) -> list[JSON]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return list(items_of(content))
