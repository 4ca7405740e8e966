"""A small conversation in every format, as values of JSON."""

from __future__ import annotations

from typing import Any

_CALL = {"id": "c1", "type": "function", "function": {"name": "ls", "arguments": '{"a": 1}'}}

CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": "be brief"},
    {
        "role": "user",
        "name": "ada",
        "content": [
            {"type": "text", "text": "see"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [_CALL, {"id": "c2", "type": "custom", "custom": {"name": "sh", "input": "ls"}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "a.txt"},
    {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "b"}]},
    {"role": "assistant", "content": "done", "refusal": None, "reasoning_content": "hm"},
]
ANTHROPIC: list[dict[str, Any]] = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "see", "cache_control": {"type": "ephemeral"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        ],
    },
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "tool_use", "id": "t1", "name": "ls", "input": {"a": 1}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "b"}], "is_error": True}
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}, "title": "t"}
        ],
    },
]
RESPONSES: list[dict[str, Any]] = [
    {
        "role": "user",
        "content": [{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": "https://x/y.png"}],
    },
    {"type": "reasoning", "id": "rs1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "e"},
    {"type": "function_call", "call_id": "c1", "name": "ls", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "a"},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ok", "annotations": []}]},
]
SHAREGPT = [
    {"from": "system", "value": "be brief"},
    {"from": "human", "value": "list"},
    {"from": "function_call", "value": '{"name": "ls", "arguments": {"a": 1}}'},
    {"from": "observation", "value": "a.txt"},
    {"from": "gpt", "value": "done"},
]
USAGE = {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
CLAUDE_CODE: list[dict[str, Any]] = [
    {
        "type": "user",
        "uuid": "u1",
        "parentUuid": None,
        "timestamp": "2026-01-01T00:00:00Z",
        "message": {"role": "user", "content": "hi"},
    },
    {
        "type": "assistant",
        "uuid": "u2",
        "parentUuid": "u1",
        "requestId": "r",
        "message": {
            "id": "m1",
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "ls", "input": {}}],
            "usage": USAGE,
        },
    },
    {
        "type": "user",
        "uuid": "u3",
        "parentUuid": "u2",
        "message": {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "a"}]},
    },
    {
        "type": "system",
        "subtype": "compact_boundary",
        "uuid": "u4",
        "parentUuid": None,
        "logicalParentUuid": "u3",
        "compactMetadata": {"trigger": "auto"},
    },
    {
        "type": "user",
        "uuid": "u5",
        "parentUuid": "u4",
        "isCompactSummary": True,
        "message": {"role": "user", "content": "so far"},
    },
    {
        "type": "user",
        "uuid": "u6",
        "parentUuid": "u1",
        "isSidechain": True,
        "message": {"role": "user", "content": "else"},
    },
]
