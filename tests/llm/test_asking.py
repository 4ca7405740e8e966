"""Questions and good answers, in every way and protocol."""

from __future__ import annotations

import asyncio
import json
import threading
from types import MappingProxyType

import pytest

from tests.llm.asking import KEY, QUESTION, ask, every_protocol, every_stream, every_way, make_client
from tests.llm.server import fail, text
from tract.errors import ClosedError, LLMConfigError, LLMResponseError

CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "Zürich"}'}},
    {"id": "call_2", "type": "function", "function": {"name": "wait", "arguments": "{}"}},
]
USAGE = {"openai": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}
USAGE["anthropic"] = {"input_tokens": 7, "output_tokens": 3}


@every_protocol
@every_way
def test_an_answer_has_its_text_message_usage_and_settings(protocol, way, llm_server):
    answer = ask(way, make_client(protocol, llm_server), model="hello", temperature=0.5, max_tokens=50)

    assert "Grüße, 世界 👋" == answer.text
    assert ("hello", "req-1", protocol) == (answer.model, answer.request_id, answer.format)
    assert USAGE[protocol] == answer.usage
    assert {"model": "hello", "temperature": 0.5, "max_tokens": 50} == answer.generation_config
    assert "assistant" == answer.message["role"]
    assert {"openai": "stop", "anthropic": "end_turn"}[protocol] == answer.finish_reason
    assert not answer.is_cut


@every_protocol
@every_way
@pytest.mark.parametrize("model", ["in-bytes", "in-sevens"])
def test_an_answer_may_come_in_any_pieces(protocol, way, model, llm_server):
    assert "Grüße, 世界 👋" == ask(way, make_client(protocol, llm_server), model=model).text


@every_protocol
@every_stream
def test_a_stream_may_have_comments_and_other_line_ends(protocol, way, llm_server):
    assert "Grüße, 世界 👋" == ask(way, make_client(protocol, llm_server), model="crlf").text


@every_protocol
def test_a_streamed_answer_is_the_same_as_a_whole_one(protocol, llm_server):
    llm_server.script(*[text("Let me look.", tool_calls=CALLS, finish_reason="tool_calls")] * 4)

    answers = [ask(way, make_client(protocol, llm_server)) for way in ("chat", "achat", "stream", "astream")]

    assert [answers[0]] * 4 == answers
    assert "Let me look." == answers[0].text


@every_way
def test_an_answer_of_tool_calls_alone_has_an_empty_text(way, llm_server):
    llm_server.script(text(None, tool_calls=CALLS, finish_reason="tool_calls"))

    answer = ask(way, make_client("openai", llm_server))

    assert "" == answer.text
    assert CALLS == answer.message["tool_calls"]
    assert answer.message["content"] is None


@every_way
def test_anthropics_tool_calls_have_their_input_as_an_object(way, llm_server):
    llm_server.script(text(None, tool_calls=CALLS, finish_reason="tool_calls"))

    answer = ask(way, make_client("anthropic", llm_server))

    first = {"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": "Zürich"}}
    second = {"type": "tool_use", "id": "call_2", "name": "wait", "input": {}}
    assert {"role": "assistant", "content": [first, second]} == answer.message


@every_protocol
@every_way
def test_an_answer_that_ran_out_of_tokens_says_so(protocol, way, llm_server):
    llm_server.script(text("It all be", finish_reason="length"))

    answer = ask(way, make_client(protocol, llm_server))

    assert answer.is_cut
    assert {"openai": "length", "anthropic": "max_tokens"}[protocol] == answer.finish_reason


def test_openai_is_asked_as_it_wants_to_be(llm_server):
    ask("chat", make_client("openai", llm_server), model="m", temperature=0.0, max_tokens=9, top_p=0.5)

    [asked] = llm_server.requests()
    assert "/v1/chat/completions" == asked.path
    assert f"Bearer {KEY}" == asked.headers["authorization"]
    assert {"model": "m", "messages": QUESTION, "temperature": 0.0, "max_tokens": 9, "top_p": 0.5} == asked.body


def test_openais_stream_is_asked_for_its_usage(llm_server):
    ask("stream", make_client("openai", llm_server))

    [asked] = llm_server.requests()
    assert asked.body["stream"] is True
    assert {"include_usage": True} == asked.body["stream_options"]


def test_anthropic_gets_the_system_prompt_apart_and_a_limit(llm_server):
    messages = [{"role": "system", "content": "Be terse."}, *QUESTION, {"role": "developer", "content": "Be kind."}]

    ask("chat", make_client("anthropic", llm_server, default_max_tokens=77), messages, model="m")

    [asked] = llm_server.requests()
    assert "/v1/messages" == asked.path
    assert (KEY, "2023-06-01") == (asked.headers["x-api-key"], asked.headers["anthropic-version"])
    system = [{"type": "text", "text": text} for text in ("Be terse.", "Be kind.")]
    assert {"model": "m", "messages": QUESTION, "max_tokens": 77, "system": system} == asked.body


def test_anthropic_gets_tool_calls_and_results_as_its_own_blocks(llm_server):
    messages = [
        *QUESTION,
        {"role": "assistant", "content": "", "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_2", "content": "done"},
    ]

    ask("chat", make_client("anthropic", llm_server), messages)

    [asked] = llm_server.requests()
    _, calls, results = asked.messages
    assert ["tool_use", "tool_use"] == [block["type"] for block in calls["content"]]
    assert {"at": "Zürich"} == calls["content"][0]["input"]
    assert ["call_1", "call_2"] == [block["tool_use_id"] for block in results["content"]]
    assert "user" == results["role"]


def test_anthropics_own_messages_go_as_they_are(llm_server):
    system = [{"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}]
    messages = [{"role": "user", "content": [{"type": "text", "text": "Well?"}]}]

    ask("chat", make_client("anthropic", llm_server), messages, system=system)

    [asked] = llm_server.requests()
    assert (system, messages) == (asked.body["system"], asked.messages)


def test_a_server_of_ones_own_may_want_no_key(llm_server):
    ask("chat", make_client("openai", llm_server, api_key=""))

    assert "authorization" not in llm_server.requests()[0].headers


def test_further_headers_are_sent(llm_server):
    ask("chat", make_client("openai", llm_server, headers={"X-Title": "my app"}))

    assert "my app" == llm_server.requests()[0].headers["x-title"]


def test_messages_may_be_any_mappings(llm_server):
    answer = ask("chat", make_client("openai", llm_server), (MappingProxyType(message) for message in QUESTION))

    assert "Well?" == answer.text


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ("Well?", "messages must be a list of dicts, not a text"),
        ([], "there is no message to answer"),
        (["Well?"], "message 0 must be a dict, not a text"),
        ([{"content": "Well?"}], "message 0 has no role"),
        ([{"role": "user", "content": {1, 2}}], "the question cannot be sent as JSON: set is not JSON"),
        ([{"role": "user", "content": float("nan")}], "the question cannot be sent as JSON"),
        ([{"role": "user", "content": "\ud800"}], "half of a surrogate pair"),
    ],
)
def test_a_question_that_is_none_is_refused_unsent(messages, complaint, llm_server):
    with pytest.raises(LLMConfigError, match=complaint):
        ask("chat", make_client("openai", llm_server), messages)

    assert [] == llm_server.requests()


def test_options_cannot_take_the_place_of_the_question(llm_server):
    with pytest.raises(LLMConfigError, match="'stream' is not an option"):
        ask("chat", make_client("openai", llm_server), stream=True)


def test_a_client_without_a_model_asks_nobody(llm_server):
    with pytest.raises(LLMConfigError, match="no model to ask"):
        ask("chat", make_client("openai", llm_server, default_model=""))


@every_protocol
@every_stream
def test_a_server_that_cannot_stream_gives_the_answer_in_one_piece(protocol, way, llm_server):
    answer = {"choices": [{"message": {"role": "assistant", "content": "whole"}, "finish_reason": "stop"}]}
    if protocol == "anthropic":
        answer = {"content": [{"type": "text", "text": "whole"}], "stop_reason": "end_turn"}
    headers = {"content-type": "application/json"}
    llm_server.script({"status": 200, "headers": headers, "body": json.dumps(answer)})

    assert "whole" == ask(way, make_client(protocol, llm_server)).text


def test_a_stream_has_its_answer_only_at_its_end(llm_server):
    llm_server.script(text("one two three"))
    with make_client("openai", llm_server) as client, client.stream(QUESTION) as stream:
        assert "one " == next(stream)
        with pytest.raises(LLMResponseError, match="not read to its end"):
            stream.response  # noqa: B018
        assert ["two ", "thre", "e"] == list(stream)
        assert "one two three" == stream.response.text
        assert [] == list(stream)


def test_a_stream_left_early_is_over(llm_server):
    with make_client("openai", llm_server) as client:
        with client.stream(QUESTION, model="hanging-stream") as stream:
            assert "one " == next(stream)

        with pytest.raises(ClosedError):
            next(stream)
        assert "Well?" == client.chat(QUESTION).text


def test_a_closed_client_asks_nobody(llm_server):
    client = make_client("openai", llm_server)
    client.close()
    client.close()

    with pytest.raises(ClosedError, match="client is closed"):
        client.chat(QUESTION)


def test_a_stream_of_a_client_closed_since_asks_nobody(llm_server):
    client = make_client("openai", llm_server)
    stream = client.stream(QUESTION)
    client.chat(QUESTION)
    client.close()

    with pytest.raises(ClosedError, match="client is closed"):
        next(stream)


def test_a_client_serves_several_threads(llm_server):
    answers: list[str] = []
    with make_client("openai", llm_server) as client:

        def work(name: str) -> None:
            for turn in range(5):
                answers.append(client.chat([{"role": "user", "content": f"{name}{turn}"}]).text)

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(f"{name}{turn}" for name in "abcd" for turn in range(5)) == sorted(answers)


def test_a_client_serves_one_event_loop_after_another(llm_server):
    client = make_client("openai", llm_server)
    answer = json.dumps({"choices": [{"message": {"role": "assistant", "content": "hi"}}]})
    llm_server.script(*[fail(200, answer, connection="close")] * 3)

    assert ["hi"] * 3 == [asyncio.run(client.achat(QUESTION)).text for _ in range(3)]
    client.close()


def test_an_async_client_needs_a_loop(llm_server):
    with make_client("openai", llm_server) as client, pytest.raises(LLMConfigError, match="event loop"):
        client.astream(QUESTION)
