"""The names of providers' message formats, and telling them apart by a message's shape."""

from __future__ import annotations

from collections.abc import Mapping

from tract.annotations import Any, Literal, TypeAlias
from tract.errors import ContentValidationError

JSON: TypeAlias = Any
"""A value of JSON: None, bool, int, float, str, list or dict with str keys."""

MessageFormat: TypeAlias = Literal["openai", "responses", "anthropic"]
MESSAGE_FORMATS: tuple[MessageFormat, ...] = ("openai", "responses", "anthropic")

_FORMAT_ALIASES: dict[str, MessageFormat] = {
    "openai": "openai",
    "openai-chat": "openai",
    "responses": "responses",
    "openai_responses": "responses",
    "openai-responses": "responses",
    "anthropic": "anthropic",
}


def message_format(name: str) -> MessageFormat:
    """The format that has this *name* or alias; ContentValidationError if it is unknown."""
    try:
        return _FORMAT_ALIASES[name]
    except (KeyError, TypeError):
        raise ContentValidationError(
            f"unknown message format {name!r}; known are {', '.join(MESSAGE_FORMATS)}"
        ) from None


ITEM_TYPES = frozenset(
    {"function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning", "compaction"}
    | {"compaction_trigger", "item_reference", "web_search_call", "file_search_call", "code_interpreter_call"}
    | {"image_generation_call", "computer_call", "computer_call_output", "local_shell_call", "local_shell_call_output"}
    | {"shell_call", "shell_call_output", "apply_patch_call", "apply_patch_call_output", "tool_search_call"}
    | {"tool_search_output", "program", "program_output", "additional_tools", "configuration_update"}
    | {"mcp_call", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response"}
)
_CHAT_KEYS = frozenset({"tool_calls", "tool_call_id", "function_call"})
_CHAT_PARTS = frozenset({"image_url", "input_audio", "file"})
_RESPONSES_PARTS = frozenset({"input_text", "output_text", "input_image", "input_file", "summary_text"})
_ANTHROPIC_BLOCKS = frozenset(
    {"tool_use", "tool_result", "thinking", "redacted_thinking", "server_tool_use", "document", "search_result"}
    | {"container_upload", "mcp_tool_use", "mcp_tool_result", "compaction"}
)


def detect_format(message: Mapping[str, JSON]) -> MessageFormat | None:
    """Return the format of *message*; None if it is not a provider's message.

    A message that fits several formats (a role and a str) counts as ``openai``: name the format if you know better.
    """
    role = message.get("role")
    if not isinstance(role, str):
        return "responses" if str(message.get("type")) in ITEM_TYPES else None
    if role in ("tool", "function") or not _CHAT_KEYS.isdisjoint(message):
        return "openai"
    if isinstance(message.get("content"), str) and "type" not in message:
        return "openai"  # as most are
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
    return [block for block in content if isinstance(block, Mapping)] if isinstance(content, list) else []


def _is_anthropic_block(block: Mapping[str, JSON]) -> bool:
    kind = str(block.get("type"))
    if kind in _ANTHROPIC_BLOCKS or kind.endswith("_tool_result"):
        return True
    return (
        "cache_control" in block
        or (kind == "text" and "citations" in block)
        or (kind == "image" and isinstance(block.get("source"), Mapping))
    )
