"""A provider's own message, as a message."""

from __future__ import annotations

from collections.abc import Mapping

from tract.messages.message import Message
from tract.messages.responses import item_role
from tract.objects.message_format import JSON, MessageFormat


def message_from_raw(raw: Mapping[str, JSON], format: MessageFormat) -> Message:
    """The message that a provider's own *raw* message in *format* is."""
    if format == "responses":
        return Message(item_role(raw), _item_content(raw), None, format, raw)
    name = raw.get("name")
    return Message(str(raw.get("role", "")), raw.get("content"), None if name is None else str(name), format, raw)


def _item_content(raw: Mapping[str, JSON]) -> JSON:
    """What a reader looks at first in a Responses item."""
    for key in ("content", "output", "arguments", "input", "summary"):
        if raw.get(key) is not None:
            return raw[key]
    return None
