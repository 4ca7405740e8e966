"""Messages as a summariser reads them: in OpenAI's chat form, in blocks that are never cut, without pictures and sounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tract.llm.types import ChatMessage
from tract.messages import chat_excerpt, compact_json, message_text, tool_units
from tract.messages.message import Message

Block = tuple[ChatMessage, ...]
"""Messages that stay together: one, or a tool's call and its results with what is between."""


def blocks_of(messages: Sequence[Message]) -> tuple[Block, ...]:
    """*messages* in blocks, in order."""
    ends = list(range(len(messages)))
    for at, unit in tool_units(messages).of.items():
        ends[at] = unit[-1]
    blocks: list[Block] = []
    start = end = 0
    for at, last in enumerate(ends):
        end = max(end, last)
        if at == end:
            blocks.append(chat_messages(messages[start : at + 1]))
            start = end = at + 1
    return tuple(blocks)


def chat_messages(messages: Sequence[Message]) -> Block:
    """*messages* in OpenAI's chat form."""
    rendered = chat_excerpt(messages)
    if rendered:
        return tuple(_readable(message) for message in rendered)
    return tuple({"role": message.role, "content": message_text(message)} for message in messages)


def _readable(message: dict[str, Any]) -> ChatMessage:
    """The message with its parts of text, and the names of its other parts."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": "\n".join(_part_text(part) for part in content)}


def _part_text(part: Any) -> str:
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return str(part["text"])
    kind = part.get("type", "part") if isinstance(part, dict) else "part"
    return f"[{kind} left out]"


def as_text(messages: Iterable[ChatMessage]) -> str:
    """*messages* as a model is given them: JSON, one message a line."""
    return "\n".join(compact_json(dict(message)) for message in messages)


def plain_text(messages: Iterable[ChatMessage]) -> str:
    """What *messages* say, and what they call, without the JSON around it."""
    texts: list[str] = []
    for message in messages:
        texts.append(str(message.get("content") or ""))
        for call in message.get("tool_calls") or ():
            function = call.get("function") if isinstance(call, dict) else None
            texts.append(str(function.get("arguments")) if isinstance(function, dict) else compact_json(call))
    return "\n".join(texts)


def slices_of(block: Block, parts: int) -> Iterator[Block]:
    """A block that is too long for a model, in *parts* slices of its text."""
    text = as_text(block)
    size = -(-len(text) // parts)
    for at in range(0, len(text), size):
        lead = f"[part {at // size + 1} of {parts} of one long message]\n"
        yield ({"role": str(block[0].get("role", "user")), "content": lead + text[at : at + size]},)
