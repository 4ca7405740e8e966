"""Token counts of messages: which parts of a message count, and how many tokens they are.

A message counts as OpenAI's cookbook does it for its chat models ("How to count tokens with tiktoken"):

      TOKENS_PER_MESSAGE
    + tokens of the role
    + tokens of each text of the content
    + tokens of the name + TOKENS_PER_NAME       if it has a name
    + tokens of each picture and PDF             by their provider's published rules (media.py)

and a context is the sum of its messages + REPLY_PRIMING, once.

The texts of a message, in all three formats, are: text, refusals, thinking and its summaries; a tool call's name and its arguments (as they stand, or a map as compact JSON with sorted keys); all the text of a tool's result.
These do not count, because they are not sent or the model does not read them: ids, signatures, encrypted content, cache marks, thinking without a signature, and a thought that was committed as ``ReasoningContent``.
Parts that a format's rules always leave out of its own messages do not count either: a picture of the assistant's or one that is larger than Anthropic takes, a message without content (docs/sending.md, rules 8, 11 and 14). Parts that depend on neighbouring messages are the subject of unsent.py.
Audio and files that lie elsewhere count only the text beside or in them (a transcript, a plain-text document, a title).
A block of an unknown type counts every string in it, except base64 of over 1 KB.

Only the provider knows what it counts for its own messages; recorded usage takes precedence over these figures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from tract.messages.message import Message
from tract.messages.values import json_or_text
from tract.objects.message_format import JSON
from tract.tokens.counter import TokenCounter, checked_count
from tract.tokens.media import anthropic_image_tokens, file_tokens, openai_image_tokens

TOKENS_PER_MESSAGE = 3
TOKENS_PER_NAME = 1
REPLY_PRIMING = 3
"""The tokens that begin the model's answer; once for a context."""


def count_message(counter: TokenCounter, message: Message) -> int:
    """The tokens of *message* in a context, its framing included (the formula is at the top of this module)."""
    if message.is_thought:
        return 0
    total = TOKENS_PER_MESSAGE + checked_count(counter, message.role)
    # On a function call, ``name`` is the function's name, which is among its texts.
    if message.name and message.raw.get("type", "message") == "message":
        total += TOKENS_PER_NAME + checked_count(counter, message.name)
    pieces = _sent_pieces(message)
    if pieces is None:
        return 0
    for piece in pieces:
        total += piece if isinstance(piece, int) else checked_count(counter, piece)
    return total


def count_media(message: Message) -> int:
    """The number of pictures, files and sounds of *message* that are sent: their tokens are estimates with every counter."""
    return sum(isinstance(piece, int) for piece in _sent_pieces(message) or ())


def _sent_pieces(message: Message) -> list[_Piece] | None:
    """The counted pieces of *message* as sent, whatever its neighbours are; None if nothing of it is sent."""
    pieces = [*_message_pieces(message.raw)]
    is_text = any(isinstance(piece, str) and piece.strip() for piece in pieces) and all(
        isinstance(piece, str) for piece in pieces
    )
    if is_text and message.raw.get("type") != "reasoning" and not _has_foreign_blocks(message):
        return pieces
    sent = _fitted(message)
    if sent is None or sent is message.raw:
        return None if sent is None else pieces
    return [*_message_pieces(sent)]


def _has_foreign_blocks(message: Message) -> bool:
    """Whether *message* is an Anthropic message with blocks that belong to another role."""
    content = message.raw.get("content")
    if message.format != "anthropic" or not isinstance(content, list | tuple):
        return False
    kinds = {str(block.get("type")) for block in content if isinstance(block, Mapping)}
    if message.role == "assistant":
        return "tool_result" in kinds
    return not kinds.isdisjoint(_ASSISTANTS) or (message.role != "user" and kinds != {"text"})


def _fitted(message: Message) -> Mapping[str, JSON] | None:
    """*message* after its own format's rules, applied to it alone."""
    # Few messages need it.
    from tract.messages.fit_anthropic import fit_anthropic
    from tract.messages.fit_openai import fit_openai
    from tract.messages.fit_pictures import without_large
    from tract.messages.fit_responses import fit_responses
    from tract.messages.parts import Notes

    notes = Notes()
    if message.format == "openai":
        return fit_openai(message.raw, 0, notes)
    if message.format == "responses":
        return fit_responses(message.raw, 0, notes)
    said = fit_anthropic(message.raw, 0, notes)
    return None if said is None else without_large(said.message())


def message_texts(message: Message) -> list[str]:
    """The texts of *message* that a model reads, in order, without role and name."""
    return _only_texts(_message_pieces(message.raw))


def content_text(content: Any) -> str:
    """The plain text of *content*, of a built-in or a registered type; ``CommitInfo.token_count`` counts this text.

    If a content has several texts, each stands on a line of its own; images are not included.
    """
    return "\n".join(_content_texts(content))


def _content_texts(content: Any) -> Iterable[str]:
    # A caller with a content has loaded its class; other callers need not load the classes.
    from tract.objects.content import (
        ArtifactContent,
        FreeformContent,
        MessageContent,
        SessionContent,
        ToolIOContent,
        to_value,
    )

    match content:
        case MessageContent():
            return _only_texts(_message_pieces(content.message))
        case ToolIOContent(direction="call"):
            return (content.tool_name, json_or_text(content.payload))
        case ToolIOContent():
            return (json_or_text(content.payload),)
        case ArtifactContent():
            return (content.content,)
        case FreeformContent():
            return (json_or_text(content.payload),)
        case SessionContent():
            return (content.summary, *content.decisions, *content.failed_approaches, *content.next_steps)
    text = getattr(content, "text", None)
    if isinstance(text, str):
        return (text,)
    value = to_value(content, {content.content_type: type(content)})
    del value["content_type"]
    return _only_texts(_all_strings(value))


_Piece: TypeAlias = str | int
"""A text, or the tokens of a piece that is not a text."""


def _only_texts(pieces: Iterable[_Piece]) -> list[str]:
    return [piece for piece in pieces if isinstance(piece, str)]


def _message_pieces(raw: Mapping[str, JSON]) -> Iterator[_Piece]:
    """The counted pieces of a message or item of any of the three formats."""
    if raw.get("type", "message") != "message":  # an item of the Responses API that is no message
        yield from _block_pieces(raw)
        return
    for key in ("reasoning_content", "reasoning"):  # what hosts of open models add to a chat message
        if isinstance(raw.get(key), str):
            yield raw[key]
    yield from _pieces(raw.get("content"))
    yield from _pieces(raw.get("refusal"))
    audio = raw.get("audio")
    if isinstance(audio, Mapping):
        yield from _pieces(audio.get("transcript"))
    calls = raw.get("tool_calls")
    for call in calls if isinstance(calls, list | tuple) else ():
        yield from _chat_call_pieces(call)
    if isinstance(raw.get("function_call"), Mapping):
        yield from _call_pieces(raw["function_call"])


def _chat_call_pieces(call: JSON) -> Iterator[_Piece]:
    inner = (call.get("function") or call.get("custom")) if isinstance(call, Mapping) else None
    if isinstance(inner, Mapping):
        yield from _call_pieces(inner)
    else:
        yield from _all_strings(call)


def _pieces(content: JSON) -> Iterator[_Piece]:
    """The counted pieces of a message's content: a string, a block, or a list of either."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list | tuple):
        for part in content:
            yield from _pieces(part)
    elif isinstance(content, Mapping):
        yield from _block_pieces(content)
    elif content is not None:
        yield json_or_text(content)


def _block_pieces(block: Mapping[str, JSON]) -> Iterator[_Piece]:
    kind = block.get("type")
    return _READERS.get(kind if isinstance(kind, str) else "", _all_strings)(block)


def _call_pieces(call: Mapping[str, JSON]) -> Iterator[_Piece]:
    """The pieces of a tool's call: its name, and its arguments under any of the formats' keys."""
    yield from _pieces(call.get("name"))
    for key in ("arguments", "input"):
        if key in call:
            yield json_or_text(call[key])


def _reasoning_pieces(item: Mapping[str, JSON]) -> Iterator[_Piece]:
    yield from _pieces(item.get("summary"))
    yield from _pieces(item.get("content"))


def _document_pieces(block: Mapping[str, JSON]) -> Iterator[_Piece]:
    yield from _pieces(block.get("title"))
    yield from _pieces(block.get("context"))
    source = block.get("source")
    if isinstance(source, Mapping) and source.get("type") == "text":
        yield from _pieces(source.get("data"))
    elif isinstance(source, Mapping) and source.get("type") == "content":
        yield from _pieces(source.get("content"))
    elif isinstance(source, Mapping):
        yield file_tokens(source.get("data"), source.get("media_type"))


def _image_pieces(block: Mapping[str, JSON]) -> Iterator[_Piece]:
    """The pieces of an OpenAI picture, in either of its formats."""
    image = block.get("image_url")
    inner = image if isinstance(image, Mapping) else {"url": image, "detail": block.get("detail")}
    yield openai_image_tokens(inner.get("url"), inner.get("detail"))


def _anthropic_image_pieces(block: Mapping[str, JSON]) -> Iterator[_Piece]:
    yield anthropic_image_tokens(block.get("source"))


def _file_pieces(block: Mapping[str, JSON]) -> Iterator[_Piece]:
    """The pieces of an OpenAI file, in either of its formats."""
    inner = block.get("file")
    yield file_tokens((inner if isinstance(inner, Mapping) else block).get("file_data"))


def _unseen(_block: Mapping[str, JSON]) -> Iterator[_Piece]:
    yield 0  # it is media, and its tokens cannot be known


def _thinking_pieces(block: Mapping[str, JSON]) -> Iterator[_Piece]:
    if block.get("signature"):  # without one it is not sent
        yield from _pieces(block.get("thinking"))


def _nothing(_block: Mapping[str, JSON]) -> Iterator[_Piece]:
    return iter(())


def _at(key: str) -> Callable[[Mapping[str, JSON]], Iterator[_Piece]]:
    """A reader of the blocks whose text stands under *key*."""
    return lambda block: _pieces(block.get(key))


_READERS: dict[str, Callable[[Mapping[str, JSON]], Iterator[_Piece]]] = {
    **dict.fromkeys(("text", "input_text", "output_text", "summary_text", "reasoning_text"), _at("text")),
    **dict.fromkeys(("tool_use", "server_tool_use", "mcp_tool_use", "function_call", "custom_tool_call"), _call_pieces),
    **dict.fromkeys(("tool_result", "mcp_tool_result"), _at("content")),
    **dict.fromkeys(("function_call_output", "custom_tool_call_output", "computer_call_output"), _at("output")),
    **dict.fromkeys(("image_url", "input_image", "computer_screenshot"), _image_pieces),
    "image": _anthropic_image_pieces,
    **dict.fromkeys(("file", "input_file"), _file_pieces),
    **dict.fromkeys(("input_audio", "audio"), _unseen),
    **dict.fromkeys(("redacted_thinking", "item_reference"), _nothing),
    "refusal": _at("refusal"),
    "thinking": _thinking_pieces,
    "reasoning": _reasoning_pieces,
    "document": _document_pieces,
    "message": _at("content"),
}

_ASSISTANTS = frozenset({"thinking", "redacted_thinking", "tool_use", "server_tool_use", "mcp_tool_use"})

_NO_TEXT = frozenset(
    (
        *("type", "id", "call_id", "tool_use_id", "tool_call_id", "item_id", "file_id", "container_id"),
        *("signature", "encrypted_content", "encrypted_index", "cache_control", "status"),
    )
)
"""Keys of a block whose values no model reads as text."""

_BASE64 = r"(?:data:[^,]{0,200},)?[A-Za-z0-9+/_\-\s]+={0,2}\s*"
_BASE64_FROM = 1024


def _all_strings(value: JSON) -> Iterator[_Piece]:
    """Every string in *value* except ids, signatures and long base64; a block of a known type is read by that type's rules."""
    if isinstance(value, str):
        if not _is_base64(value):
            yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key not in _NO_TEXT:
                yield from _inner_strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _inner_strings(item)


def _inner_strings(value: JSON) -> Iterator[_Piece]:
    known = isinstance(value, Mapping) and isinstance(value.get("type"), str) and value["type"] in _READERS
    yield from _block_pieces(value) if known else _all_strings(value)


def _is_base64(text: str) -> bool:
    """Whether *text* looks like data: over 1 KB of base64 characters in lines, not words."""
    if len(text) <= _BASE64_FROM or not re.fullmatch(_BASE64, text):
        return False
    head = text[:_BASE64_FROM]
    return len(head.split()) <= _BASE64_FROM // 60 + 1
