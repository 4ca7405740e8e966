"""The providers' own SDK types accept what tract renders, and find no key in it that they do not know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import pytest

from tract.messages import message_of, render_anthropic, render_openai, render_responses
from tract.messages.message import Message
from tract.objects.content import MessageContent

pydantic = pytest.importorskip("pydantic")
anthropic_params = pytest.importorskip("anthropic.types.message_create_params")
openai_chat = pytest.importorskip("openai.types.chat")
openai_responses = pytest.importorskip("openai.types.responses")

PNG = "iVBORw0KGgo="
PDF = "JVBERi0="


def forced(value: Any) -> Any:
    """*value* with every lazily validated part of it validated."""
    if isinstance(value, dict):
        return {key: forced(item) for key, item in value.items()}
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return value
    return [forced(item) for item in value]


def accepted(type_: Any, value: Any) -> Any:
    """*value* as *type_* has it: keys that it does not know are gone."""
    return forced(_adapter(type_).validate_python(value))


@cache
def _adapter(type_: Any) -> Any:
    return pydantic.TypeAdapter(type_)


def msgs(format: str, raws: Iterable[dict[str, Any]]) -> Iterator[Message]:
    return (message_of(MessageContent(raw, format)) for raw in raws)


CHAT = [
    {"role": "system", "content": "be kind"},
    {"role": "developer", "content": [{"type": "text", "text": "be brief"}]},
    {
        "role": "user",
        "name": "bo",
        "content": [
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
            {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"}},
            {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"q":1}'}},
            {"id": "b", "type": "custom", "custom": {"name": "sql", "input": "select 1"}},
        ],
    },
    {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]},
    {"role": "tool", "tool_call_id": "b", "content": ""},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}, {"type": "text", "text": "sorry"}]},
    {"role": "user", "content": "thanks"},
]

ITEMS = [
    {"role": "developer", "content": "be kind"},
    {
        "type": "message",
        "role": "user",
        "content": [
            {"type": "input_text", "text": "look"},
            {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{PNG}"},
            {"type": "input_file", "file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"},
            {"type": "input_file", "file_url": "https://example.org/a.pdf"},
        ],
    },
    {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "plan"}], "encrypted_content": "g"},
    {"type": "function_call", "id": "f", "call_id": "a", "name": "look", "arguments": "{}", "status": "completed"},
    {"type": "custom_tool_call", "call_id": "b", "name": "sql", "input": "select 1"},
    {
        "type": "function_call_output",
        "call_id": "a",
        "output": [{"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}],
    },
    {"type": "custom_tool_call_output", "call_id": "b", "output": "1"},
    {
        "type": "message",
        "id": "m",
        "role": "assistant",
        "status": "completed",
        "content": [
            {"type": "output_text", "text": "done", "annotations": []},
            {"type": "refusal", "refusal": "but no more"},
        ],
    },
    {"role": "user", "content": "thanks"},
]

BLOCKS = [
    {"role": "system", "content": [{"type": "text", "text": "be kind", "cache_control": {"type": "ephemeral"}}]},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "look"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}},
            {"type": "document", "title": "t", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
            {"type": "search_result", "title": "t", "source": "s", "content": [{"type": "text", "text": "found"}]},
        ],
    },
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "Eq=="},
            {"type": "redacted_thinking", "data": "Eq=="},
            {"type": "text", "text": "let me"},
            {"type": "tool_use", "id": "a", "name": "look", "input": {"q": [1, None]}},
            {"type": "tool_use", "id": "b", "name": "look", "input": {}},
        ],
    },
    {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": "a",
                "is_error": True,
                "content": [
                    {"type": "text", "text": "x"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                ],
            },
            {"type": "tool_result", "tool_use_id": "b"},
            {"type": "text", "text": "and?"},
        ],
    },
    {"role": "assistant", "content": "done"},
    {"role": "system", "content": "only now"},
]

SOURCES = {"openai": CHAT, "responses": ITEMS, "anthropic": BLOCKS}
ALL = pytest.mark.parametrize("source", SOURCES)


def test_the_types_do_judge():
    bad = [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "x", "input": "{}"}]}]

    with pytest.raises(pydantic.ValidationError):
        accepted(list[anthropic_params.MessageParam], bad)
    with pytest.raises(pydantic.ValidationError):
        accepted(list[openai_chat.ChatCompletionMessageParam], [{"role": "tool", "content": "x"}])


@ALL
def test_chat_completions_takes_what_any_format_becomes(source):
    value = render_openai(list(msgs(source, SOURCES[source]))).value

    assert value == accepted(list[openai_chat.ChatCompletionMessageParam], value)


@ALL
def test_the_responses_api_takes_what_any_format_becomes(source):
    value = render_responses(list(msgs(source, SOURCES[source]))).value

    assert value == accepted(list[openai_responses.ResponseInputItemParam], value)


@ALL
def test_anthropic_takes_what_any_format_becomes(source):
    value = render_anthropic(list(msgs(source, SOURCES[source]))).value

    assert value["messages"] == accepted(list[anthropic_params.MessageParam], value["messages"])
    system = value["system"]
    assert system == accepted(str | list[anthropic_params.TextBlockParam], system)


@ALL
def test_a_way_over_two_formats_stays_acceptable(source):
    there = render_anthropic(list(msgs(source, SOURCES[source]))).value["messages"]
    items = render_responses(list(msgs("anthropic", there))).value
    back = render_openai(list(msgs("responses", items))).value

    assert items == accepted(list[openai_responses.ResponseInputItemParam], items)
    assert back == accepted(list[openai_chat.ChatCompletionMessageParam], back)
