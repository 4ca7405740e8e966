"""Messages as plain text for people.

Text comes out as it is, control characters included: whoever prints it to a terminal escapes it first.
"""

from __future__ import annotations

from collections.abc import Sequence

from tract.messages.message import Message
from tract.messages.parts import Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from tract.messages.placeholder import placeholder
from tract.messages.turns import turn_of


def message_text(message: Message) -> str:
    """What there is to read in *message*: texts a line each, calls as ``name(arguments)``, pictures by their size."""
    return "\n".join(_part_text(part) for part in turn_of(message).parts)


def _part_text(part: Part) -> str:
    match part:
        case Text(text) | Refusal(text):
            return text
        case Reasoning(text):
            return f"[thinking] {text}"
        case ToolCall():
            return f"{part.name}({part.arguments})"
        case ToolResult():
            text = "\n".join(_part_text(inner) for inner in part.parts)
            return f"[error] {text}" if part.is_error else text
        case _:
            return placeholder(part)


def render_text(messages: Sequence[Message]) -> str:
    """*messages* one below the other, each under a line with its index, role and name; "" for none."""
    return "\n".join(f"{_header(index, message)}\n{_body(message)}" for index, message in enumerate(messages))


def _header(index: int, message: Message) -> str:
    name = "" if message.name is None else f" ({message.name})"
    return f"--- {index} {message.role}{name}"


def _body(message: Message) -> str:
    text = message_text(message)
    return text if text.endswith("\n") or not text else f"{text}\n"
