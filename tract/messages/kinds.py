"""The kind of a message, whatever its provider's format."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from tract.messages.message import Message
from tract.messages.pairing import tools_in
from tract.messages.parts import SYSTEM_ROLES, Reasoning
from tract.messages.turns import turn_of

MessageKind: TypeAlias = Literal[
    "instruction", "user", "answer", "tool_call", "tool_result", "reasoning", "artifact", "session", "summary"
]
KINDS: tuple[MessageKind, ...] = get_args(MessageKind)

_BY_CONTENT: dict[str, MessageKind] = {"session": "session", "artifact": "artifact", "reasoning": "reasoning"}

_BY_ROLE: dict[str, MessageKind] = {"user": "user", "tool": "tool_result", "assistant": "answer"}


def kind_of(message: Message, content_type: str = "message") -> MessageKind:
    """The kind of *message*; *content_type* is the type of the content it was committed as.

    An answer that calls a tool is a ``tool_call``, and a message with a tool's result is a ``tool_result``, whatever else they contain.
    A summary looks like any other message: only its commit tells (:func:`tract.history.compression.is_summary`).
    """
    if content_type in _BY_CONTENT:
        return _BY_CONTENT[content_type]
    role = message.role
    if role in SYSTEM_ROLES:
        return "instruction"
    if message.format == "openai" and role in _BY_ROLE and _is_plain(message):
        return _BY_ROLE[role]  # most messages are; the rest is looked at closer
    tools = tools_in(message)
    if tools.results:
        return "tool_result"
    if tools.calls:
        return "tool_call"
    if role in ("user", "tool", "function"):
        return "user" if role == "user" else "tool_result"
    parts = turn_of(message).parts
    return "reasoning" if parts and all(isinstance(part, Reasoning) for part in parts) else "answer"


def _is_plain(message: Message) -> bool:
    """Whether a message in OpenAI's format has text and calls no tool."""
    content, raw = message.content, message.raw
    return isinstance(content, str) and content != "" and not raw.get("tool_calls") and not raw.get("function_call")
