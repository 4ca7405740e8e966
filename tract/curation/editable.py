"""A message as a text that a person or a model can edit, and back.

A message that is only a role and a text becomes that text, and an edit changes nothing else; a message with more (tool calls, parts) becomes its JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from tract.errors import ContentValidationError
from tract.objects.content import BUILTIN, MessageContent, to_value
from tract.objects.json import parse_json
from tract.objects.kept import plain_json

TextFormat = Literal["text", "json"]


def text_format(value: Mapping[str, Any]) -> TextFormat:
    """The form of a message's text: its own words, or all of it as JSON."""
    return "json" if _text_place(value) is None else "text"


def text_of_value(value: Mapping[str, Any], format: TextFormat = "text") -> str:
    """The text of a blob's value; with *format* ``json``, always the whole of it."""
    place = _text_place(value)
    if place is not None and format == "text":
        holder, key = place
        return str(holder[key])
    import json  # most messages are a text

    shown = value["message"] if value.get("content_type") == "message" else value
    return json.dumps(shown, ensure_ascii=False, indent=2)


def value_with_text(value: Mapping[str, Any], text: str, format: TextFormat) -> dict[str, Any]:
    """*value* with *text* in place of its own; everything else of a plain message stays.

    ContentValidationError if the text must be JSON and is not, or is not a message.
    """
    if format == "json":
        return _value_of_json(value, text)
    plain_json("the text", text)
    place = _text_place(value)
    if place is None:
        raise ContentValidationError("the message is more than a text; give the whole of it")
    holder, key = place
    if holder is value:
        return {**value, key: text}
    return {**value, "message": {**holder, key: text}}


def _text_place(value: Mapping[str, Any]) -> tuple[Mapping[str, Any], str] | None:
    """The map that holds the text, and its key in it; None for a message with more than a text."""
    kind = value.get("content_type")
    if kind != "message":
        key = "content" if kind == "artifact" else "text"
        return (value, key) if isinstance(value.get(key), str) else None
    raw = value["message"]
    key = "output" if raw.get("type") == "function_call_output" else "content"
    if isinstance(raw.get(key), str) and not raw.get("tool_calls") and not raw.get("function_call"):
        return raw, key
    return None


def _value_of_json(value: Mapping[str, Any], text: str) -> dict[str, Any]:
    try:
        parsed = parse_json(text)
    except ValueError as exc:
        raise ContentValidationError(f"it is not JSON: {exc}") from exc
    if not isinstance(parsed, dict):
        raise ContentValidationError(f"it must be a JSON object, not {type(parsed).__name__}")
    if value.get("content_type") == "message":
        return to_value(MessageContent(parsed, format=value["format"]))
    if parsed.get("content_type") != value.get("content_type"):
        raise ContentValidationError(f"its content_type must stay {value.get('content_type')!r}")
    if parsed["content_type"] in BUILTIN:
        return to_value(parsed)
    plain: dict[str, Any] = plain_json("it", parsed)  # a program's own type, which may not be known here
    return plain
