"""The format of a list of messages, and whether a value is a message."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from tract.adapters.transcripts.strictjson import describe_kind, flaw
from tract.annotations import TypeGuard
from tract.objects.message_format import JSON, MessageFormat

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})

_SAYING = frozenset({
    "content", "tool_calls", "function_call", "refusal", "audio", "reasoning_content", "reasoning",
})  # fmt: skip
"""A message's content is under one of these."""

_ANTHROPIC_BLOCKS = frozenset({
    "tool_use", "tool_result", "thinking", "redacted_thinking", "server_tool_use", "web_search_tool_result",
    "web_fetch_tool_result", "code_execution_tool_result", "mcp_tool_use", "mcp_tool_result", "search_result",
    "container_upload", "compaction",
})  # fmt: skip
_CHAT_PARTS = frozenset({"text", "image_url", "input_audio", "file", "refusal", "video_url", "image", "document"})
_RESPONSES_PARTS = frozenset({"input_text", "output_text", "input_image", "input_file"})
_RESPONSES_ITEMS = frozenset({"reasoning", "item_reference", "compaction"})
_RESPONSES_ENDINGS = ("_call", "_call_output", "_approval_request", "_approval_response", "_list_tools")
_ITEM_KEYS = frozenset({"id", "call_id", "summary", "encrypted_content", "approval_request_id", "server_label"})
_ANTHROPIC_ONLY = _ANTHROPIC_BLOCKS - {"compaction"}
_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
_KNOWN_PARTS = _ANTHROPIC_BLOCKS | _CHAT_PARTS | _RESPONSES_PARTS | {"summary_text", "reasoning_text"}


def among(value: JSON, names: Container[str]) -> TypeGuard[str]:
    """Whether *value* is a text, and one of *names*."""
    return isinstance(value, str) and value in names


def is_message(value: JSON) -> bool:
    """Whether *value* is a message of a provider's format; it may still be a broken one.

    A role alone is not enough: there must be content, or a key that only items of the Responses API have.
    """
    if not isinstance(value, dict):
        return False
    if among(value.get("role"), ROLES):
        return not _SAYING.isdisjoint(value)
    return "role" not in value and is_responses_item(value)


def is_responses_item(value: JSON) -> bool:
    """Whether *value* is an item that only the Responses API has."""
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str):
        return False
    if kind == "message":
        return among(value.get("role"), ROLES) and "content" in value
    return (kind in _RESPONSES_ITEMS or kind.endswith(_RESPONSES_ENDINGS)) and not _ITEM_KEYS.isdisjoint(value)


def decide_format(messages: Sequence[JSON]) -> MessageFormat:
    """The one format in which all of *messages* are read.

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


def own_format(message: JSON, format: MessageFormat) -> MessageFormat:
    """The format of *message* in a list that is of *format* as a whole: another one if only that has what the message says."""
    if type(message) is not dict or format == "openai":
        return format
    if message.get("tool_calls") or (
        among(message.get("role"), ("tool", "function")) and isinstance(message.get("content"), str)
    ):
        return "openai"
    is_other = format == "responses" and not _ANTHROPIC_ONLY.isdisjoint(_block_types([message]))
    return "anthropic" if is_other else format


def message_flaw(message: JSON, format: MessageFormat) -> str | None:
    """Why *message* is not a message of *format*, or None if it is."""
    if type(message) is not dict:
        return flaw(message) or f"a message must be an object, found {describe_kind(message)}"
    if (found := flaw(message)) is not None:
        return found
    if format == "responses" and ("role" not in message or message.get("type", "message") != "message"):
        kind = message.get("type")
        return None if isinstance(kind, str) and kind else f"'type' must be a text, found {describe_kind(kind)}"
    role = message.get("role")
    if not isinstance(role, str) or not role:
        return f"'role' must be a text, found {'nothing' if 'role' not in message else describe_kind(role)}"
    if role not in ROLES:
        return f"'role' is {role[:40]!a}, which is none of {', '.join(sorted(ROLES))}"
    if _SAYING.isdisjoint(message):
        return f"there is no content, tool call, refusal or audio in it (keys: {', '.join(map(ascii, message))[:80]})"
    content, calls = message.get("content"), message.get("tool_calls")
    if type(content) is str and calls is None:
        return None
    if not (content is None or isinstance(content, str) or _is_list_of_objects(content)):
        return f"'content' must be a text or a list of objects, found {describe_kind(content)}"
    if not (calls is None or _is_list_of_objects(calls)):
        return f"'tool_calls' must be a list of objects, found {describe_kind(calls)}"
    return _part_flaw(content) if isinstance(content, list) else None


def unknown_parts(message: Mapping[str, JSON]) -> Iterator[str]:
    """The types of parts of *message* that no format known to tract has; they are kept as they are."""
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(kind, str) and kind not in _KNOWN_PARTS:
            yield kind


def _part_flaw(parts: list[JSON]) -> str | None:
    for index, part in enumerate(parts):
        kind = part.get("type")
        if kind is None and isinstance(part.get("text"), str):
            continue
        if not isinstance(kind, str):
            return f"'content[{index}]' has no type (keys: {', '.join(map(ascii, part))[:80]})"
        if kind in _TEXT_PARTS and not isinstance(part.get("text"), str):
            return f"'content[{index}]' is of type {kind!a} and has no text (keys: {', '.join(map(ascii, part))[:80]})"
    return None


def _is_list_of_objects(value: JSON) -> bool:
    if not isinstance(value, list):
        return False
    for item in value:  # noqa: SIM110  # every message comes by
        if not isinstance(item, dict):
            return False
    return True


def _block_types(messages: Iterable[JSON]) -> Iterator[str]:
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if type(content) is not list:
            continue
        for block in content:
            kind = block.get("type") if isinstance(block, dict) else None
            if isinstance(kind, str):
                # Others have images and documents too, but only Anthropic's have a source.
                yield "tool_result" if kind in ("image", "document") and "source" in block else kind
