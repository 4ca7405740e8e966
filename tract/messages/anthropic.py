"""Anthropic messages: reading them into neutral turns, and writing turns as Anthropic messages.

These have no counterpart in Anthropic's format: reasoning (the API refuses a thought without a signature of its own), a name, audio, files by id, and pictures in other formats than the four it takes.
The API also refuses text without a visible character; such text is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tract.messages.parts import (
    File,
    Image,
    Notes,
    Part,
    Reasoning,
    Refusal,
    Summary,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
    known_role,
    object_arguments,
    only_texts,
    placeholder,
    read_content,
)
from tract.messages.tool_names import fitting_name
from tract.messages.values import compact_json, extra_keys, str_or_none
from tract.objects.message_format import JSON

# What the API puts beside a message of its own; it says nothing to the model.
MESSAGE_KEYS = frozenset(
    {"role", "content", "type", "id", "model", "usage", "container", "stop_reason", "stop_sequence", "stop_details"}
)
_BLOCK_KEYS = frozenset(
    {"type", "text", "thinking", "signature", "data", "source", "title", "content"}
    | {"id", "name", "input", "caller", "tool_use_id", "is_error"}
)
ERROR = "the tool failed without a word"
"""The text of a failed tool's result that has none."""
IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})


def read_anthropic(raw: Mapping[str, JSON], index: int) -> Turn:
    """The neutral turn of an Anthropic message."""
    losses = extra_keys(raw, MESSAGE_KEYS)
    content = raw.get("content")
    parts = read_content(content, read_block, losses)
    role = known_role(raw.get("role"))
    parts = [
        Unknown("tool_use")
        if isinstance(part, ToolCall) and role != "assistant"
        else Unknown("tool_result")
        if isinstance(part, ToolResult) and role != "user"
        else part
        for part in parts
    ]
    return Turn(index, role, tuple(parts), tuple(losses), only_texts(content, parts))


def read_block(block: JSON, losses: list[str]) -> Part:
    if not isinstance(block, Mapping):
        return Unknown(f"content block {compact_json(block)}")
    kind = block.get("type")
    losses += extra_keys(block, _BLOCK_KEYS)
    match kind:
        case "text":
            return Text(str(block.get("text", "")))
        case "thinking":
            return Reasoning(str(block.get("thinking", "")))
        case "tool_use":
            return ToolCall(str(block.get("id")), str(block.get("name")), compact_json(block.get("input", {})))
        case "tool_result":
            inner = read_content(block.get("content"), read_block, losses)
            parts = tuple(part for part in inner if isinstance(part, Text | Image | File | Unknown))
            return ToolResult(str(block.get("tool_use_id")), parts, block.get("is_error") is True)
        case "image" if isinstance(block.get("source"), Mapping):
            return _read_image(block["source"])
        case "document" if isinstance(block.get("source"), Mapping):
            return _read_document(block, block["source"])
        case "compaction" if isinstance(block.get("content"), str) and block["content"]:
            return Summary(block["content"])
        case "search_result":
            return Text(_search_result_text(block))
        case _:
            return Unknown(str(kind))


def _read_image(source: Mapping[str, JSON]) -> Part:
    if source.get("type") == "base64":
        return Image(media_type=str(source.get("media_type")), data=str(source.get("data", "")))
    if source.get("type") == "url":
        return Image(url=str(source.get("url")))
    return Unknown("image by file id")


def _read_document(block: Mapping[str, JSON], source: Mapping[str, JSON]) -> Part:
    title = str_or_none(block.get("title"))
    match source.get("type"):
        case "base64":
            return File(title, str(source.get("media_type")), str(source.get("data", "")))
        case "url":
            return File(title, url=str(source.get("url")))
        case "text":
            return File(title, "text/plain", text=str(source.get("data", "")))
        case "content":
            parts = read_content(source.get("content"), read_block, [])
            if all(isinstance(part, Text) for part in parts):
                return File(title, "text/plain", text="\n".join(part.text for part in parts if isinstance(part, Text)))
    return Unknown("document")


def _search_result_text(block: Mapping[str, JSON]) -> str:
    texts = [part.text for part in read_content(block.get("content"), read_block, []) if isinstance(part, Text)]
    return "\n".join([str(block.get("title", "")), str(block.get("source", "")), *texts])


def join_system(contents: Sequence[JSON]) -> JSON:
    """One system prompt made of several: a single one as it is, more of them as a list of blocks, and None if there are none."""
    if len(contents) == 1:
        return contents[0]
    blocks: list[JSON] = []
    for content in contents:
        if isinstance(content, list):
            blocks += content
        elif isinstance(content, str) and content.strip():
            blocks.append({"type": "text", "text": content})
    return blocks or None


def plain_or_blocks(blocks: list[dict[str, JSON]]) -> JSON:
    """The content for *blocks*: a str if they are a single text, else the list."""
    return blocks[0]["text"] if len(blocks) == 1 and blocks[0]["type"] == "text" else blocks


def write_blocks(turn: Turn, notes: Notes) -> list[dict[str, JSON]]:
    """The content blocks for *turn*."""
    blocks = []
    for part in turn.parts:
        if isinstance(part, Text | Refusal) and not part.text.strip():
            continue
        block = _write_block(turn, part, notes)
        if block is None or (turn.role != "user" and block["type"] in ("image", "document")):
            notes.lost(turn.index, placeholder(part))
            continue
        if isinstance(part, Image) and part.detail not in (None, "auto"):
            notes.lost(turn.index, f"image detail '{part.detail}'")
        blocks.append(block)
    if not blocks and not turn.losses and not notes.has_lost(turn.index):
        notes.lost(turn.index, "a message without visible text")
    return blocks


def _write_block(turn: Turn, part: Part, notes: Notes) -> dict[str, JSON] | None:
    if isinstance(part, ToolCall):
        return _write_call(turn.index, part, notes)
    if isinstance(part, ToolResult) and turn.role == "user":
        return _write_result(turn.index, part, notes)
    return _write_part(part)


def _write_part(part: Part) -> dict[str, JSON] | None:
    match part:
        case Text(text) | Refusal(text):
            return {"type": "text", "text": text}
        case Image():
            return _write_image(part)
        case File():
            return _write_document(part)
        case _:
            return None


def _write_image(image: Image) -> dict[str, JSON] | None:
    if image.data is not None and image.media_type in IMAGE_TYPES:
        return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": image.data}}
    if image.url is not None and image.url.lower().startswith(("http://", "https://")):
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    return None


def _write_document(file: File) -> dict[str, JSON] | None:
    source: dict[str, JSON]
    if file.text is not None:
        source = {"type": "text", "media_type": "text/plain", "data": file.text}
    elif file.data is not None and file.media_type == "application/pdf":
        source = {"type": "base64", "media_type": file.media_type, "data": file.data}
    elif file.url is not None:
        source = {"type": "url", "url": file.url}
    else:
        return None
    block = {"type": "document", "source": source}
    return {**block, "title": file.name} if file.name else block


def _write_call(index: int, call: ToolCall, notes: Notes) -> dict[str, JSON]:
    name = fitting_name(call.name, "anthropic", index, notes)
    arguments = object_arguments(index, call, notes)
    if call.signature is not None:
        notes.lost(index, "Gemini's thought signature")
    return {"type": "tool_use", "id": call.id, "name": name, "input": arguments}


def _write_result(index: int, result: ToolResult, notes: Notes) -> dict[str, JSON]:
    blocks: list[dict[str, JSON]] = []
    for part in result.parts:
        block = _write_part(part)
        if block is None:
            notes.lost(index, f"{placeholder(part)} in a tool result")
            block = {"type": "text", "text": placeholder(part)}
        if block["type"] != "text" or block["text"].strip() or len(result.parts) == 1:
            blocks.append(block)
    content = plain_or_blocks(blocks) if blocks else ""
    message = {"type": "tool_result", "tool_use_id": result.id, "content": content}
    return {**message, "content": content or ERROR, "is_error": True} if result.is_error else message
