"""Messages that OpenTelemetry's GenAI conventions up to 1.36 log as an event each, in place of today's lists.

    "gen_ai.system.message", "gen_ai.user.message"    {"content", "role"?}
    "gen_ai.assistant.message"                        {"content", "tool_calls": [{"id", "type", "function": {"name", "arguments"}}]}
    "gen_ai.tool.message"                             {"content", "id"}
    "gen_ai.choice"                                   {"index", "finish_reason", "message": the same as an assistant's}

The fields are the body of a log record, or the attributes of a span's event.
The events with one ``spanId`` are one request and its answer.
Source: semantic-conventions v1.36.0, ``gen-ai-events.md``.
"""

from __future__ import annotations

from collections.abc import Sequence

from tract.adapters.transcripts.readers.building import objects_in
from tract.objects.json import compact_json
from tract.objects.message_format import JSON

_ROLES = {
    "gen_ai.system.message": "system", "gen_ai.user.message": "user", "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool", "gen_ai.choice": "assistant",
}  # fmt: skip

Event = tuple[str, dict[str, JSON]]
"""The name of an event and its fields."""


def event_of(name: JSON, fields: JSON) -> Event | None:
    """The event, if it is a message."""
    return (name, fields) if isinstance(name, str) and name in _ROLES and isinstance(fields, dict) else None


def gather_events(events: Sequence[Event]) -> dict[str, JSON]:
    """The messages of *events* as today's attributes."""
    asked = [_message(name, fields) for name, fields in events if name != "gen_ai.choice"]
    answered = [_message(name, fields) for name, fields in events if name == "gen_ai.choice"]
    return {"gen_ai.input.messages": asked, "gen_ai.output.messages": answered}


def _message(name: str, fields: dict[str, JSON]) -> dict[str, JSON]:
    """A message with its parts; without the key for them if its content was not logged."""
    inner = fields.get("message")
    said = inner if isinstance(inner, dict) else {**fields, "content": inner} if "message" in fields else fields
    role = _ROLES[name]
    content = said.get("content")
    if name == "gen_ai.tool.message":
        return {"role": role, "parts": [{"type": "tool_call_response", "id": said.get("id"), "response": "" if content is None else content}]}  # fmt: skip
    parts = [_part(one) for one in (content if isinstance(content, list) else [content]) if one is not None]
    parts += [_call(call) for call in objects_in(said.get("tool_calls"))]
    return {"role": role, "parts": parts} if parts else {"role": role}


def _part(part: JSON) -> JSON:
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return {"type": "text", "content": part["text"]}
    image = part.get("image_url") if isinstance(part, dict) else None
    if isinstance(image, dict):
        return {"type": "uri", "modality": "image", "uri": image.get("url")}
    return {"type": "text", "content": part if isinstance(part, str) else compact_json(part)}


def _call(call: dict[str, JSON]) -> JSON:
    function = call["function"] if isinstance(call.get("function"), dict) else {}
    return {"type": "tool_call", "id": call.get("id"), **function}
