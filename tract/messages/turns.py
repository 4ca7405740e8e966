"""Reading a message of any format into its neutral turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from tract.messages.anthropic import read_anthropic
from tract.messages.message import Message
from tract.messages.openai import read_openai
from tract.messages.parts import ToolResult, Turn
from tract.messages.responses import read_responses
from tract.objects.message_format import JSON, MessageFormat

_READERS: dict[MessageFormat, Callable[[Mapping[str, JSON], int], Turn]] = {
    "openai": read_openai,
    "responses": read_responses,
    "anthropic": read_anthropic,
}


def turn_of(message: Message, index: int = 0) -> Turn:
    """The neutral turn of *message*, which is message *index* of its context."""
    turn = _READERS[message.format](message.raw, index)
    if not message.is_error:
        return turn
    failed = tuple(part._replace(is_error=True) if isinstance(part, ToolResult) else part for part in turn.parts)
    return replace(turn, parts=failed)
