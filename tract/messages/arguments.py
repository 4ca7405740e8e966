"""A tool call's arguments as the object that Anthropic and Gemini want."""

from __future__ import annotations

from tract.messages.parts import Notes, ToolCall
from tract.messages.values import parse_json
from tract.objects.message_format import JSON


def object_arguments(index: int, call: ToolCall, notes: Notes) -> dict[str, JSON]:
    """The arguments of *call*, which is in message *index*, as an object.

    Arguments that are no JSON object go, as text, under the one key ``arguments``, with a warning; empty ones are an empty object; a custom tool's text goes under ``input``.
    """
    if call.custom:
        return {"input": call.arguments}
    if not call.arguments.strip():
        return {}
    try:
        arguments = parse_json(call.arguments)
    except ValueError:
        arguments = None
    if isinstance(arguments, dict):
        return arguments
    notes.add(index, "invalid_arguments", repr(call.id))
    return {"arguments": call.arguments}
