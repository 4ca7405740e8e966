"""Bodies and streams, without a server: whatever comes, it is read or it is an error of ours."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.errors import LLMResponseError
from tract.llm.anthropic_format import AnthropicAssembler, anthropic_body, read_anthropic_answer
from tract.llm.clients import limit_name
from tract.llm.openai_format import OpenAIAssembler, openai_body, read_openai_answer
from tract.llm.parsing import Refused
from tract.llm.sse import Event
from tract.llm.types import LLMRequest

KEYS = st.sampled_from(
    [
        "choices",
        "message",
        "delta",
        "content",
        "text",
        "type",
        "role",
        "tool_calls",
        "function",
        "arguments",
        "index",
        "finish_reason",
        "stop_reason",
        "usage",
        "error",
        "code",
        "id",
        "content_block",
        "partial_json",
        "citation",
    ]
)
WORDS = st.sampled_from(
    [
        "text",
        "message",
        "message_start",
        "content_block_start",
        "content_block_delta",
        "message_delta",
        "message_stop",
        "text_delta",
        "input_json_delta",
        "citations_delta",
        "tool_use",
        "assistant",
        "stop",
        "{",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
CHOICES = st.fixed_dictionaries({"choices": st.lists(st.dictionaries(KEYS, VALUES, max_size=4), max_size=2)})


@given(VALUES | CHOICES)
@pytest.mark.parametrize("read", [read_openai_answer, read_anthropic_answer])
def test_any_answer_is_read_or_an_error_of_ours(read, answer):
    with suppress(LLMResponseError, Refused):
        assert isinstance(read(answer).text, str)


@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=5) | CHOICES, max_size=6))
@pytest.mark.parametrize("assembler", [OpenAIAssembler, AnthropicAssembler])
def test_any_stream_is_read_or_an_error_of_ours(assembler, events):
    assembled = assembler()

    with suppress(LLMResponseError, Refused):
        for event in events:
            assert isinstance(assembled.take(Event("", json.dumps(event))), str)
        assert isinstance(assembled.answer().text, str)


def streamed(*deltas: dict) -> dict:
    assembler = OpenAIAssembler()
    for delta in deltas:
        assembler.take(Event("", json.dumps({"choices": [{"index": 0, "delta": delta}]})))
    return dict(assembler.answer().message)


def test_what_a_server_adds_of_its_own_grows_too():
    message = streamed({"role": "assistant", "content": "", "reasoning_content": "h"}, {"reasoning_content": "m"})

    assert {"role": "assistant", "content": "", "reasoning_content": "hm"} == message


def test_parallel_tool_calls_keep_apart():
    def call(index: int, arguments: str, **more: str) -> dict:
        return {"tool_calls": [{"index": index, **more, "function": {"arguments": arguments}}]}

    message = streamed(call(0, "{", id="a"), call(1, "[", id="b"), call(0, "}"), call(1, "]", id=""))

    assert [("a", "{}"), ("b", "[]")] == [(c["id"], c["function"]["arguments"]) for c in message["tool_calls"]]


def test_whole_tool_calls_need_no_index():
    calls = [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]

    assert calls == streamed({"content": "x"}, {"tool_calls": calls})["tool_calls"]


def test_a_name_sent_again_is_not_doubled():
    piece = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "1"}}]}

    assert [{"id": "a", "function": {"name": "f", "arguments": "11"}}] == streamed(piece, piece)["tool_calls"]


def test_other_choices_are_passed_over():
    assembler = OpenAIAssembler()
    for index, text in enumerate("ab"):
        choice = {"index": index, "delta": {"content": text}, "finish_reason": "stop"}
        assert text.replace("b", "") == assembler.take(Event("", json.dumps({"choices": [choice]})))

    assert "a" == assembler.answer().text


def test_a_stream_nested_too_deeply_is_an_error():
    deep = '{"choices": [{"delta": ' + '{"a": ' * 100_000 + "1" + "}" * 100_000 + "}]}"

    with pytest.raises(LLMResponseError, match="not JSON"):
        OpenAIAssembler().take(Event("", deep))


def test_a_refusal_is_an_answer():
    answer = read_openai_answer({"choices": [{"message": {"content": None, "refusal": "No."}}]})

    assert answer.is_refusal
    assert "" == answer.text


def test_content_may_be_in_parts():
    parts = [{"type": "text", "text": "a"}, {"type": "thinking", "thinking": []}, {"type": "text", "text": "b"}]

    assert "ab" == read_openai_answer({"choices": [{"message": {"content": parts}}]}).text


def test_the_limit_has_the_name_its_server_knows():
    request = LLMRequest(({"role": "user", "content": "a"},), "m", max_tokens=5)

    body = openai_body(request, stream=False, limit_name=limit_name("api.openai.com"))

    assert {"model": "m", "messages": [{"role": "user", "content": "a"}], "max_completion_tokens": 5} == body
    assert "max_tokens" == limit_name("localhost")


def test_settings_are_kept_and_texts_and_tools_are_not():
    options = {"top_p": 0.5, "tools": [{"name": "f"}], "system": "secret", "reasoning_effort": "low"}
    request = LLMRequest(({"role": "user", "content": "a"},), "m", temperature=0.0, options=options)

    assert {"model": "m", "temperature": 0.0, "top_p": 0.5, "reasoning_effort": "low"} == request.generation_config


def asked_of_anthropic(*messages: dict, **options: object) -> dict:
    return anthropic_body(LLMRequest(messages, "m", options=options), stream=False, default_max_tokens=9)


def test_a_system_prompt_in_blocks_stays_in_blocks():
    blocks = [{"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}]

    body = asked_of_anthropic({"role": "system", "content": blocks}, {"role": "user", "content": "c"}, system="a")

    assert [{"type": "text", "text": "a"}, *blocks] == body["system"]


def test_arguments_that_are_no_json_go_as_text():
    calls = [{"id": "a", "function": {"name": "f", "arguments": "{"}}]

    body = asked_of_anthropic({"role": "assistant", "content": "x", "tool_calls": calls})

    assert {"arguments": "{"} == body["messages"][0]["content"][1]["input"]


def test_tool_results_never_grow_a_users_own_list():
    blocks = [{"type": "text", "text": "a"}]
    tool = {"role": "tool", "tool_call_id": "t", "content": "r"}

    asked_of_anthropic({"role": "user", "content": blocks}, tool)

    assert [{"type": "text", "text": "a"}] == blocks


def test_a_block_whose_citations_are_no_list_is_refused():
    stream = AnthropicAssembler()
    block = {"type": "text", "text": "", "citations": 5}
    stream.take(Event("", json.dumps({"type": "content_block_start", "index": 0, "content_block": block})))
    delta = {"type": "citations_delta", "citation": {}}

    with pytest.raises(LLMResponseError, match="a block's citations must be a list, not a number"):
        stream.take(Event("", json.dumps({"type": "content_block_delta", "index": 0, "delta": delta})))
