"""The keys of the providers' request types, by message, item, part, block and call. For ``extras="drop"``.

The tables are as of the SDKs of November 2026 (openai 3.57, anthropic 2.14 with its beta types); a test compares them with the SDKs.
They go as deep as messages, items, parts, blocks and calls do; free JSON below that (a call's input, a tool's schema, an action) stays as it is.

    message or item ─▸ content, output, summary, tool_calls ─▸ part, block, call ─▸ function, image_url, source, citations
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import is_
from typing import TypeAlias

from tract.messages.parts import Notes, known_role
from tract.messages.tool_names import Target
from tract.messages.values import items_of
from tract.objects.message_format import JSON

_Kinds: TypeAlias = Mapping[str, frozenset[str]]
"""The keys of each ``type``; under "" those of what has none."""


def _kinds(**keys: str) -> _Kinds:
    return {kind: frozenset(names.split()) | {"type"} for kind, names in keys.items()}


def _untyped(keys: str) -> _Kinds:
    return {"": frozenset(keys.split())}


_MARK = _untyped("mode ttl")
_CHAT_ROLES = {
    "system": "role content name",
    "developer": "role content name",
    "user": "role content name",
    "assistant": "role content name refusal tool_calls function_call audio",
    "tool": "role content tool_call_id",
    "function": "role content name",
}
_CHAT_KINDS = _kinds(
    text="text prompt_cache_breakpoint",
    image_url="image_url prompt_cache_breakpoint",
    input_audio="input_audio prompt_cache_breakpoint",
    file="file prompt_cache_breakpoint",
    refusal="refusal",
    function="id function",
    custom="id custom",
)
_CHAT_INNER: Mapping[str, _Kinds] = {
    "content": _CHAT_KINDS,
    "tool_calls": _CHAT_KINDS,
    "function": _untyped("name arguments"),
    "function_call": _untyped("name arguments"),
    "custom": _untyped("name input"),
    "image_url": _untyped("url detail"),
    "input_audio": _untyped("data format"),
    "file": _untyped("file_data file_id filename"),
    "audio": _untyped("id"),
    "prompt_cache_breakpoint": _MARK,
}

_ITEMS = _kinds(
    message="content role phase status id",
    file_search_call="id queries status results",
    computer_call="id call_id pending_safety_checks status action actions",
    computer_call_output="call_id output id acknowledged_safety_checks status",
    web_search_call="id action status",
    function_call="async arguments call_id name id caller namespace status",
    function_call_output="output id call_id caller name namespace status",
    tool_search_call="arguments id call_id execution status",
    tool_search_output="tools id call_id execution status",
    additional_tools="role tools id",
    configuration_update="id reasoning text",
    reasoning="id summary content encrypted_content status",
    compaction="encrypted_content id",
    image_generation_call="id result status action background error output_format quality revised_prompt size svg_usage",
    code_interpreter_call="id code container_id outputs status",
    local_shell_call="id action call_id status",
    local_shell_call_output="id output status",
    shell_call="action call_id id caller environment status",
    shell_call_output="call_id output id caller max_output_length status",
    apply_patch_call="call_id operation status id caller",
    apply_patch_call_output="call_id status id caller output",
    mcp_list_tools="id server_label tools error",
    mcp_approval_request="id arguments name server_label",
    mcp_approval_response="approval_request_id approve id reason",
    mcp_call="id arguments name server_label approval_request_id error output status",
    custom_tool_call_output="call_id output id caller",
    custom_tool_call="async call_id input name id caller namespace",
    compaction_trigger="id",
    item_reference="id",
    program="id call_id code fingerprint",
    program_output="id call_id result status",
)
_PARTS = _kinds(
    input_text="text prompt_cache_breakpoint",
    input_image="detail file_id image_url prompt_cache_breakpoint",
    input_file="detail file_data file_id file_url filename prompt_cache_breakpoint",
    output_text="annotations text logprobs",
    refusal="refusal",
    summary_text="text",
    reasoning_text="text",
    computer_screenshot="file_id image_url",
    file_citation="file_id filename index",
    url_citation="end_index start_index title url",
    container_file_citation="container_id end_index file_id filename start_index",
    file_path="file_id index",
)
_ITEMS_INNER: Mapping[str, _Kinds] = {
    **dict.fromkeys(("content", "output", "summary", "annotations"), _PARTS),
    "prompt_cache_breakpoint": _MARK,
}

_SERVER_RESULTS = (
    *("web_search", "web_fetch", "advisor", "code_execution", "bash_code_execution"),
    *("text_editor_code_execution", "tool_search"),
)
_BLOCKS: _Kinds = {
    **_kinds(
        text="text cache_control citations",
        image="source cache_control transformations",
        document="source cache_control citations context title",
        search_result="content source title cache_control citations",
        thinking="signature thinking",
        redacted_thinking="data",
        tool_use="id input name cache_control caller toolset_name",
        tool_result="tool_use_id cache_control content is_error toolset_name",
        server_tool_use="id input name cache_control caller",
        mcp_tool_use="id input name server_name cache_control",
        mcp_tool_result="tool_use_id cache_control content is_error",
        container_upload="file_id cache_control",
        compaction="cache_control content encrypted_content signature tool_changes",
        tool_addition="tool cache_control",
        tool_removal="tool cache_control",
        tool_reference="tool_name cache_control",
        browser_state="tabs cache_control state_changes",
        mcp_tool_listing="mcp_server_name tools",
        fallback="from to trigger",
    ),
    **{
        f"{name}_tool_result": frozenset({"type", "content", "tool_use_id", "cache_control"})
        | ({"caller"} if name.startswith("web") else set())
        for name in _SERVER_RESULTS
    },
}
_SOURCES = _kinds(
    base64="data media_type", url="url", file="file_id", text="data media_type", content="content"
)  # fmt: skip
_CITATIONS: _Kinds = {
    **_untyped("enabled"),
    **_kinds(
        char_location="cited_text document_index document_title end_char_index start_char_index",
        page_location="cited_text document_index document_title end_page_number start_page_number",
        content_block_location="cited_text document_index document_title end_block_index start_block_index",
        web_search_result_location="cited_text encrypted_index title url",
        search_result_location="cited_text end_block_index search_result_index source start_block_index title",
    ),
}
_BLOCKS_INNER: Mapping[str, _Kinds] = {
    "content": _BLOCKS,
    "source": _SOURCES,
    "citations": _CITATIONS,
    "cache_control": _kinds(ephemeral="ttl"),
}

_INNER: Mapping[Target, Mapping[str, _Kinds]] = {
    "openai": _CHAT_INNER,
    "responses": _ITEMS_INNER,
    "anthropic": _BLOCKS_INNER,
}
_TEXT = {"openai": "text", "responses": "input_text", "anthropic": "text"}
"""What a part of a type that no request has becomes where it has a text."""


def only_request_types(raw: Mapping[str, JSON], target: Target, index: int, notes: Notes) -> Mapping[str, JSON] | None:
    """Message *index*, *raw*, in *target*'s format, with only the keys that the provider's request types have; None if they have no such item.

    A message without other keys is returned itself; the keys that are dropped are noted.
    """
    keys = _keys_of(raw, target)
    if keys is None:
        notes.add(index, "message_left_out", f"no request has an item of type {raw.get('type')!r}")
        return None
    return _Dropping(target, index, notes).only(raw, keys, "")


def _keys_of(raw: Mapping[str, JSON], target: Target) -> frozenset[str] | None:
    role = raw.get("role")
    match target:
        case "openai":
            known = role if role in _CHAT_ROLES else known_role(role, calls=bool(raw.get("tool_calls")))
            return frozenset(_CHAT_ROLES[str(known)].split())
        case "responses":
            keys = _ITEMS.get(str(raw.get("type", "message")))
            if keys != _ITEMS["message"]:
                return keys
            if isinstance(raw.get("content"), str):  # such a message is of the short kind
                return keys - {"id", "status"}
            if known_role(role) != "assistant":
                return keys - {"id", "phase"}
            return keys if _is_output(raw) else keys - {"id", "status"}
        case _:
            return frozenset({"role", "content"})


def _is_output(raw: Mapping[str, JSON]) -> bool:
    """Whether an assistant's message has everything an output message requires; if not, it is sent in the short form."""
    parts = [part for part in items_of(raw.get("content")) if isinstance(part, Mapping)]
    return bool(raw.get("id") and raw.get("status")) and all(
        part.get("type") == "refusal" or isinstance(part.get("annotations"), list | tuple) for part in parts
    )


class _Dropping:
    """Removes from a message the keys that the request types of *target* do not have."""

    def __init__(self, target: Target, index: int, notes: Notes) -> None:
        self._inner = _INNER[target]
        self._text = _TEXT[target]
        self._index = index
        self._notes = notes

    def only(self, value: Mapping[str, JSON], keys: frozenset[str], path: str) -> Mapping[str, JSON]:
        """*value* with only *keys*, and the same for the values in it."""
        kept = {key: self._inside(key, item, f"{path}{key}") for key, item in value.items() if key in keys}
        dropped = [f"{path}{key}" for key in value if key not in kept]
        if dropped:
            self._notes.add(self._index, "keys_left_out", ", ".join(dropped))
        return value if not dropped and all(kept[key] is item for key, item in value.items()) else kept

    def _inside(self, key: str, value: JSON, path: str) -> JSON:
        kinds = self._inner.get(key)
        if kinds is None:
            return value
        if isinstance(value, Mapping):
            found = self._part(value, kinds, path)
            return value if found is None else found
        if not isinstance(value, list | tuple):
            return value
        parts = [self._part(part, kinds, path) if isinstance(part, Mapping) else part for part in value]
        kept = [part for part in parts if part is not None]
        return value if len(kept) == len(value) and all(map(is_, kept, value)) else kept

    def _part(self, part: Mapping[str, JSON], kinds: _Kinds, path: str) -> Mapping[str, JSON] | None:
        kind = _kind_of(part, kinds)
        if kind.removesuffix("_tool_result") in _SERVER_RESULTS and kinds is _BLOCKS:
            return self._whole(part, kinds[kind], path)
        keys = kinds.get(kind, kinds.get(""))
        if keys is not None:
            return self.only(part, keys, f"{path}.")
        if isinstance(part.get("text"), str):
            self._notes.add(self._index, "value_changed", f"a part of type {kind!r} to a text")
            return {"type": self._text, "text": part["text"]}
        self._notes.add(self._index, "part_left_out", f"a part of type {kind!r}, which no request has,")
        return None

    def _whole(self, part: Mapping[str, JSON], keys: frozenset[str], path: str) -> Mapping[str, JSON]:
        """A server tool's result, whose content is sent back unchanged."""
        dropped = [f"{path}.{key}" for key in part if key not in keys]
        if not dropped:
            return part
        self._notes.add(self._index, "keys_left_out", ", ".join(dropped))
        return {key: item for key, item in part.items() if key in keys}


def _kind_of(part: Mapping[str, JSON], kinds: _Kinds) -> str:
    """The type of *part*; a call of chat completions may have none."""
    if kinds is _CHAT_KINDS and "type" not in part:
        return next((name for name in ("function", "custom") if name in part), "")
    return str(part.get("type", ""))
