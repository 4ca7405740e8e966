"""Telling which provider's format a message is in by its shape."""

from __future__ import annotations

from collections.abc import Mapping

from tract.compile.formats.responses import ITEM_TYPES
from tract.compile.formats.values import items_of
from tract.objects.content import JSON, MessageFormat

_CHAT_KEYS = frozenset({"tool_calls", "tool_call_id", "function_call"})
_CHAT_PARTS = frozenset({"image_url", "input_audio", "file"})
_RESPONSES_PARTS = frozenset({"input_text", "output_text", "input_image", "input_file", "summary_text"})
_ANTHROPIC_BLOCKS = frozenset(
    {"tool_use", "tool_result", "thinking", "redacted_thinking", "server_tool_use", "document", "search_result"}
    | {"container_upload", "mcp_tool_use", "mcp_tool_result", "compaction"}
)


def detect_format(message: Mapping[str, JSON]) -> MessageFormat | None:
    """The format *message* is in; None when it is no provider's message at all.

    A message that several formats have (a role and a str) is ``openai``: say the format if you know better.
    """
    role = message.get("role")
    if not isinstance(role, str):
        return "responses" if str(message.get("type")) in ITEM_TYPES else None
    if role in ("tool", "function") or not _CHAT_KEYS.isdisjoint(message):
        return "openai"
    blocks = _blocks(message.get("content"))
    kinds = {str(block.get("type")) for block in blocks}
    if kinds & _RESPONSES_PARTS or str(message.get("type")) in ITEM_TYPES:
        return "responses"
    if kinds & _CHAT_PARTS:
        return "openai"
    if message.get("type") == "message":
        # An answer of Anthropic's API also says that it is a message; only it says why it stopped.
        return "anthropic" if "stop_reason" in message else "responses"
    return "anthropic" if any(_is_anthropic_block(block) for block in blocks) else "openai"


def _blocks(content: JSON) -> list[Mapping[str, JSON]]:
    return [block for block in items_of(content) if isinstance(block, Mapping)]


def _is_anthropic_block(block: Mapping[str, JSON]) -> bool:
    kind = str(block.get("type"))
    if kind in _ANTHROPIC_BLOCKS or kind.endswith("_tool_result"):
        return True
    return "cache_control" in block or (kind == "image" and isinstance(block.get("source"), Mapping))
