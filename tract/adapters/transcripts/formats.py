"""Whose format a list of messages has, and whether a message is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tract.adapters.transcripts.strictjson import describe_kind, flaw
from tract.objects.message_format import JSON, MessageFormat

_ANTHROPIC_BLOCKS = frozenset({
    "tool_use", "tool_result", "thinking", "redacted_thinking", "server_tool_use", "web_search_tool_result",
    "web_fetch_tool_result", "code_execution_tool_result", "mcp_tool_use", "mcp_tool_result", "search_result",
    "container_upload", "compaction",
})  # fmt: skip
_RESPONSES_PARTS = frozenset({"input_text", "output_text", "input_image", "input_file"})
_RESPONSES_ITEMS = frozenset({"message", "reasoning", "item_reference", "compaction"})
_RESPONSES_ENDINGS = ("_call", "_call_output", "_approval_request", "_approval_response", "_list_tools")


def is_message(value: JSON) -> bool:
    """Whether *value* means to be a message of some format; it may still be a broken one."""
    return isinstance(value, dict) and ("role" in value or is_sharegpt_item(value) or is_responses_item(value))


def is_sharegpt_item(value: JSON) -> bool:
    return isinstance(value, dict) and "from" in value and "value" in value


def is_responses_item(value: JSON) -> bool:
    """Whether *value* has a type that only an item of the Responses API has; a message with a role is one too."""
    kind = value.get("type") if isinstance(value, dict) else None
    return isinstance(kind, str) and (kind in _RESPONSES_ITEMS or kind.endswith(_RESPONSES_ENDINGS))


def decide_format(messages: Sequence[JSON]) -> MessageFormat:
    """The one format that all of *messages* are to be read as.

    One message that can only be Anthropic's, or only the Responses API's, decides for the whole conversation.
    """
    blocks = set(_block_types(messages))
    items = [item for item in messages if isinstance(item, dict)]
    if blocks & _RESPONSES_PARTS or any("role" not in item and is_responses_item(item) for item in items):
        return "responses"
    if blocks & _ANTHROPIC_BLOCKS or any(item.get("type") == "message" and "stop_reason" in item for item in items):
        return "anthropic"
    if items and all(item.get("type") == "message" for item in items):
        return "responses"
    return "openai"


def message_flaw(message: JSON, format: MessageFormat) -> str | None:
    """Why *message* is none of *format*, or None when it is one."""
    if not isinstance(message, dict):
        return flaw(message) or f"a message must be an object, found {describe_kind(message)}"
    if (found := flaw(message)) is not None:
        return found
    if format == "responses" and "role" not in message:
        kind = message.get("type")
        return None if isinstance(kind, str) and kind else f"'type' must be a text, found {describe_kind(kind)}"
    role = message.get("role")
    if not isinstance(role, str) or not role:
        return f"'role' must be a text, found {'nothing' if 'role' not in message else describe_kind(role)}"
    content = message.get("content")
    if not (content is None or isinstance(content, str) or _is_list_of_objects(content)):
        return f"'content' must be a text or a list of objects, found {describe_kind(content)}"
    calls = message.get("tool_calls")
    if not (calls is None or _is_list_of_objects(calls)):
        return f"'tool_calls' must be a list of objects, found {describe_kind(calls)}"
    return None


def _is_list_of_objects(value: JSON) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _block_types(messages: Iterable[JSON]) -> Iterator[str]:
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        for block in content if isinstance(content, list) else ():
            kind = block.get("type") if isinstance(block, dict) else None
            if isinstance(kind, str):
                # Others have images and documents too, but only Anthropic's have a source.
                yield "tool_result" if kind in ("image", "document") and "source" in block else kind
