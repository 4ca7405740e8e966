"""Reading a message of any format: as a neutral turn, and as plain text for people.

Control characters in the text are kept: a caller that prints it to a terminal escapes it first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from tract.dataclass import replace
from tract.messages.message import Message
from tract.messages.parts import Part, Reasoning, Refusal, Summary, Text, ToolCall, ToolResult, Turn, placeholder
from tract.objects.message_format import JSON, MessageFormat

_SAYS_ONLY = frozenset(("role", "content", "name"))
"""The keys of a message in OpenAI's format that is its content and nothing else."""

_Reader: TypeAlias = Callable[[Mapping[str, JSON], int], Turn]

_readers: dict[MessageFormat, _Reader] = {}


def _load_reader(format: MessageFormat) -> _Reader:
    """The function that reads messages of *format*; loaded at the first such message, as most contexts have one format."""
    if format == "openai":
        from tract.messages.openai import read_openai as read
    elif format == "responses":
        from tract.messages.responses import read_responses as read
    else:
        from tract.messages.anthropic import read_anthropic as read
    _readers[format] = read
    return read


def turn_of(message: Message, index: int = 0) -> Turn:
    """The neutral turn of *message*, which is message *index* of its context."""
    read = _readers.get(message.format) or _load_reader(message.format)
    turn = read(message.raw, index)
    if not message.is_error:
        return turn
    failed = tuple(part._replace(is_error=True) if isinstance(part, ToolResult) else part for part in turn.parts)
    return replace(turn, parts=failed)


def message_text(message: Message) -> str:
    """The readable text of *message*: texts a line each, calls as ``name(arguments)``, pictures by their size."""
    if (
        message.format == "openai"
        and isinstance(message.content, str)
        and _SAYS_ONLY.issuperset(message.raw)
        and not message.is_error
    ):
        return message.content  # most messages are; the rest is looked at closer
    return "\n".join(_part_text(part) for part in turn_of(message).parts)


def _part_text(part: Part) -> str:
    match part:
        case Text(text) | Refusal(text) | Summary(text):
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


def render_text(messages: Sequence[Message], numbers: Sequence[int] = ()) -> str:
    """*messages* one below the other, each under a line with its number (by default counted from 1), role and name; "" if there are none."""
    numbered = zip(numbers or range(1, len(messages) + 1), messages, strict=True)
    return "\n".join(f"{_header(number, message)}\n{_body(message)}" for number, message in numbered)


def _header(number: int, message: Message) -> str:
    name = "" if message.name is None else f" ({message.name})"
    return f"--- {number} {message.role}{name}"


def _body(message: Message) -> str:
    text = message_text(message)
    return text if text.endswith("\n") or not text else f"{text}\n"
