"""Providers that fail, in every way there is to ask."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.llm.asking import QUESTION, ask, every_protocol, every_stream, every_way, make_client
from tests.llm.server import body, fail, named, raw
from tract.errors import ClosedError, LLMAuthError, LLMRateLimitError, LLMResponseError
from tract.events import listen


@every_protocol
@every_way
@pytest.mark.parametrize("model", ["401", "403"])
def test_a_refused_key_is_told_at_once(protocol, way, model, llm_server):
    with pytest.raises(LLMAuthError, match=f"^the provider refuses the key \\({model}\\): "):
        ask(way, make_client(protocol, llm_server), model=model)

    assert 1 == len(llm_server.requests())


@every_protocol
@every_way
@pytest.mark.parametrize("failure", ["429", "500", "cut-headers", "nothing", "cut-body", "error-in-200"])
def test_what_passes_is_asked_again(protocol, way, failure, llm_server):
    # A cut body of a stream may have given out its text already: then it must not be repeated.
    if failure == "cut-body" and way.endswith("stream"):
        failure = "early-error-in-stream"
    llm_server.script(named(failure), named(failure), "fine")

    answer = ask(way, make_client(protocol, llm_server, max_retries=2))

    assert "fine" == answer.text
    assert 3 == len(llm_server.requests())


@every_protocol
@every_way
def test_what_does_not_pass_is_told_in_the_end(protocol, way, llm_server):
    with pytest.raises(LLMResponseError) as caught:
        ask(way, make_client(protocol, llm_server, max_retries=2), model="500")

    assert "the provider answered with an error (500): it broke [31m here" == str(caught.value)
    assert (500, "", True) == (caught.value.status, caught.value.text, caught.value.is_transient)
    assert 3 == len(llm_server.requests())


@every_way
def test_a_client_without_retries_asks_once(way, llm_server):
    with pytest.raises(LLMRateLimitError, match="asks us to wait \\(429\\): slow down") as caught:
        ask(way, make_client("openai", llm_server, max_retries=0), model="429")

    assert caught.value.retry_after is None
    assert 1 == len(llm_server.requests())


@every_way
def test_retry_after_is_waited_for(way, llm_server):
    llm_server.script(fail(429, retry_after="0.2"), "fine")

    assert "fine" == ask(way, make_client("openai", llm_server)).text

    first, second = llm_server.requests()
    assert 0.19 < second.at - first.at < 2


@every_way
def test_who_listens_is_told_of_what_is_asked_again(way, llm_server):
    llm_server.script(fail(429, retry_after="0.1"), "fine")
    told = []
    end = listen(None, told.append)

    ask(way, make_client("openai", llm_server))
    end()

    assert [("retry", {"of": "model"})] == [(one.kind, one.details) for one in told]
    assert 0.09 < told[0].seconds < 2


def test_retry_after_may_be_a_date_on_the_servers_clock(llm_server):
    dates = {"date": "Sun, 06 Nov 1994 08:49:37 GMT", "retry_after": "Sun, 06 Nov 1994 08:49:38 GMT"}
    llm_server.script(fail(503, **dates), "fine")

    assert "fine" == ask("chat", make_client("openai", llm_server)).text

    first, second = llm_server.requests()
    assert 0.99 < second.at - first.at < 3


@every_way
def test_a_long_retry_after_is_the_callers_to_wait_for(way, llm_server):
    with pytest.raises(LLMRateLimitError) as caught:
        ask(way, make_client("openai", llm_server, max_retries=5), model="429-later")

    assert 7200 == caught.value.retry_after
    assert 1 == len(llm_server.requests())


def test_a_retry_after_over_the_longest_wait_is_not_waited_for(llm_server):
    llm_server.script(fail(429, retry_after="0.2"), "fine")

    with pytest.raises(LLMRateLimitError):
        ask("chat", make_client("openai", llm_server, max_wait=0.1))


def test_a_retry_after_that_leaves_no_time_is_not_waited_for(llm_server):
    llm_server.script(fail(429, retry_after="10"), "fine")

    with pytest.raises(LLMRateLimitError):
        ask("chat", make_client("openai", llm_server, timeout=3.0))


def test_a_quota_that_is_used_up_is_not_asked_again(llm_server):
    with pytest.raises(LLMRateLimitError, match="pay first") as caught:
        ask("chat", make_client("openai", llm_server), model="429-quota")

    assert not caught.value.is_transient
    assert 1 == len(llm_server.requests())


@pytest.mark.parametrize(("status", "said", "times"), [(500, "false", 1), (400, "true", 2), (429, "false", 1)])
def test_a_provider_may_say_whether_to_ask_again(status, said, times, llm_server):
    llm_server.script(*[fail(status, x_should_retry=said)] * 2)

    with pytest.raises((LLMResponseError, LLMRateLimitError)):
        ask("chat", make_client("openai", llm_server))

    assert times == len(llm_server.requests())


@pytest.mark.parametrize(("status", "times"), [(400, 1), (404, 1), (408, 2), (409, 2), (422, 1), (502, 2), (529, 2)])
def test_only_what_may_pass_is_asked_again(status, times, llm_server):
    llm_server.script(*[fail(status, "why")] * 2)

    with pytest.raises(LLMResponseError, match=f"\\({status}\\): why") as caught:
        ask("chat", make_client("openai", llm_server))

    assert status == caught.value.status
    assert times == len(llm_server.requests())


@every_way
def test_a_redirect_is_not_followed(way, llm_server):
    with pytest.raises(LLMResponseError, match="redirects \\(307\\), which is not followed"):
        ask(way, make_client("openai", llm_server), model="redirect")

    assert ["/v1/chat/completions"] == [asked.path for asked in llm_server.requests()]


@every_protocol
@every_stream
@pytest.mark.parametrize("model", ["cut-stream", "cut-stream-quietly", "cut-stream-reset", "error-in-stream"])
def test_a_broken_stream_is_an_error_with_what_had_come(protocol, way, model, llm_server):
    with pytest.raises(LLMResponseError, match=" characters of the answer had come") as caught:
        ask(way, make_client(protocol, llm_server), model=model)

    assert "one two three".startswith(caught.value.text)
    assert len(caught.value.text) >= 4
    assert caught.value.is_transient
    assert 1 == len(llm_server.requests())


@every_protocol
@every_stream
def test_a_stream_that_falls_silent_is_an_error(protocol, way, llm_server):
    with pytest.raises(LLMResponseError, match="no answer in time \\(read timeout\\)") as caught:
        ask(way, make_client(protocol, llm_server, read_timeout=0.1), model="hanging-stream")

    assert caught.value.text.startswith("one ")


@every_way
def test_a_silent_server_is_given_up(way, llm_server):
    with pytest.raises(LLMResponseError, match="no answer in time \\(read timeout\\)"):
        ask(way, make_client("openai", llm_server, read_timeout=0.1, max_retries=1), model="silent")

    assert 2 == len(llm_server.requests())


@every_way
def test_a_body_that_drips_is_given_up(way, llm_server):
    began = time.monotonic()

    with pytest.raises(LLMResponseError, match="no whole answer within 0\\.3 s") as caught:
        ask(way, make_client("openai", llm_server, timeout=0.3), model="drip")

    assert caught.value.is_transient
    assert time.monotonic() - began < 2
    assert 1 == len(llm_server.requests())


@every_way
@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        ("not-json", 'not JSON \\(application/json\\): {"choices": \\[{"mess'),
        ("html", "not JSON \\(text/html\\): <html>Please log in</html>"),
        ("not-utf8", "not JSON"),
        ("nan", "not JSON"),
        ("deep", "not JSON"),
        ("empty", "not JSON \\(application/json\\): nothing"),
        ("huge", "larger than 1000000 bytes"),
    ],
)
def test_an_answer_that_is_none_is_told_and_not_asked_again(way, model, complaint, llm_server):
    with pytest.raises(LLMResponseError, match=complaint):
        ask(way, make_client("openai", llm_server, max_bytes=1_000_000), model=model)

    assert 1 == len(llm_server.requests())


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ([], "the answer must be an object, not a list of 0"),
        ({"id": "x", "object": "y"}, "the answer has no 'choices': it is an object of 2"),
        ({"choices": None}, "the answer's 'choices' must be a list, not null"),
        ({"choices": []}, "the answer has no choice in it"),
        ({"choices": ["a"]}, "the answer's choice must be an object, not a text"),
        ({"choices": [{"text": "a"}]}, "the answer's 'message' must be an object, not null"),
        ({"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]}, "content is null \\(finish_reason 'content_filter'\\)"),
        ({"choices": [{"message": {"content": 5}}]}, "the answer's content must be a text, not a number"),
        ({"choices": [{"message": {"content": "a"}}], "usage": 5}, "the answer's 'usage' must be an object, not a number"),
        ({"error": "model not loaded"}, "the provider answered with an error: model not loaded"),
    ],
)  # fmt: skip
def test_a_wrong_answer_of_openai_is_named(answer, complaint, llm_server):
    llm_server.script(body(answer))

    with pytest.raises(LLMResponseError, match=complaint):
        ask("chat", make_client("openai", llm_server))


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"id": "x"}, "the answer has no 'content': it is an object of 1"),
        ({"content": None}, "the answer's content must be a list, not null"),
        ({"content": "a"}, "the answer's content must be a list, not a text"),
        ({"content": [{"type": "text", "text": None}]}, "a block's text must be a text, not null"),
        ({"content": [], "stop_reason": 3}, "the answer's 'stop_reason' must be a text, not a number"),
    ],
)
def test_a_wrong_answer_of_anthropic_is_named(answer, complaint, llm_server):
    llm_server.script(body(answer))

    with pytest.raises(LLMResponseError, match=complaint):
        ask("chat", make_client("anthropic", llm_server))


STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"


@every_stream
@pytest.mark.parametrize(
    ("protocol", "events", "complaint"),
    [
        ("openai", b"data: {\n\n", "an event of the stream is not JSON"),
        ("openai", b"data: []\n\n", "an event of the stream must be an object, not a list of 0"),
        ("openai", b"data: [DONE]\n\n", "the stream has no choice in it"),
        ("openai", b"data: {\"choices\": [{\"delta\": 1}]}\n\n", "an event's 'delta' must be an object, not a number"),
        ("openai", b"data: \xff\n\n", "an event of the stream is not UTF-8"),
        ("openai", b"", "the stream ended before the answer did"),
        ("anthropic", b"data: {\"type\": \"message_stop\"}\n\n", "the stream has no message in it"),
        ("anthropic", b"data: {\"type\": \"content_block_delta\", \"index\": 0, \"delta\": {}}\n\n", "goes on with a block that it has not begun"),
        ("anthropic", b"data: {\"type\": \"content_block_start\", \"content_block\": {}}\n\n", "an event's 'index' must be a number, not null"),
    ],
)  # fmt: skip
def test_a_wrong_stream_is_named(way, protocol, events, complaint, llm_server):
    llm_server.script(raw(STREAM + events))

    with pytest.raises(LLMResponseError, match=complaint):
        ask(way, make_client(protocol, llm_server, max_retries=0))


def test_a_stream_may_end_without_done_once_its_answer_has(llm_server):
    event = b'data: {"choices": [{"delta": {"content": "all"}, "finish_reason": "stop"}]}\n\n'
    llm_server.script(raw(STREAM + event))

    assert "all" == ask("stream", make_client("openai", llm_server)).text


@every_way
def test_nobody_there_is_told(way, llm_server):
    client = make_client("openai", type(llm_server)(1))

    with pytest.raises(LLMResponseError, match="no whole answer \\(connect\\)") as caught:
        ask(way, client)

    assert caught.value.is_transient


def test_a_tool_call_cut_short_is_told(llm_server):
    events = [
        '{"type": "message_start", "message": {"role": "assistant", "content": []}}',
        '{"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "a", "name": "b", "input": {}}}',
        '{"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{\\"a"}}',
        '{"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {}}',
        '{"type": "message_stop"}',
    ]
    llm_server.script(raw(STREAM + "".join(f"data: {event}\n\n" for event in events).encode()))

    with pytest.raises(LLMResponseError, match="a tool call's input is not JSON"):
        ask("stream", make_client("anthropic", llm_server))


def test_anthropics_thinking_keeps_its_signature(llm_server):
    events = [
        '{"type": "message_start", "message": {"role": "assistant", "content": [], "usage": {"input_tokens": 5, "output_tokens": 1}}}',
        '{"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}',
        '{"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}',
        '{"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "mm"}}',
        '{"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}}',
        '{"type": "content_block_stop", "index": 0}',
        '{"type": "something_new"}',
        '{"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "Y"}}',
        '{"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "es."}}',
        '{"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": {"cited_text": "x"}}}',
        '{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9, "input_tokens": null}}',
        '{"type": "message_stop"}',
    ]
    llm_server.script(raw(STREAM + "".join(f"data: {event}\n\n" for event in events).encode()))

    answer = ask("stream", make_client("anthropic", llm_server))

    thought = {"type": "thinking", "thinking": "hmmm", "signature": "c2ln"}
    said = {"type": "text", "text": "Yes.", "citations": [{"cited_text": "x"}]}
    assert [thought, said] == answer.message["content"]
    assert {"input_tokens": 5, "output_tokens": 9} == answer.usage


def test_the_user_of_a_stream_may_take_as_long_as_they_like(llm_server):
    events = [f'data: {{"choices": [{{"delta": {{"content": "{text}"}}}}]}}\n\n'.encode() for text in "ab"]
    llm_server.script(raw(STREAM + events[0], events[1] + b"data: [DONE]\n\n", pause=0.02))
    with make_client("openai", llm_server, timeout=0.3) as client, client.stream(QUESTION) as stream:
        assert "a" == next(stream)
        time.sleep(0.4)

        assert ["b"] == list(stream)


@every_way
def test_an_errors_body_that_is_cut_does_not_hide_the_error(way, llm_server):
    llm_server.script(raw(b"HTTP/1.1 400 No\r\ncontent-length: 99\r\n\r\nbecause"))

    with pytest.raises(LLMResponseError, match="error \\(400\\): because"):
        ask(way, make_client("openai", llm_server))


def test_a_stream_that_broke_is_closed(llm_server):
    with make_client("openai", llm_server) as client:
        stream = client.stream(QUESTION, model="cut-stream")
        with pytest.raises(LLMResponseError):
            list(stream)

        with pytest.raises(ClosedError):
            next(stream)


def test_an_async_stream_that_broke_is_closed(llm_server):
    async def use() -> None:
        async with make_client("openai", llm_server) as client:
            stream = client.astream(QUESTION, model="cut-stream")
            with pytest.raises(LLMResponseError):
                [piece async for piece in stream]

            with pytest.raises(ClosedError):
                await anext(stream)

    asyncio.run(use())


def test_a_call_that_is_cancelled_lets_go_of_its_connection(llm_server):
    async def use() -> str:
        async with make_client("openai", llm_server) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.achat(QUESTION, model="silent"), 0.1)
            return (await client.achat(QUESTION)).text

    assert "Well?" == asyncio.run(use())
