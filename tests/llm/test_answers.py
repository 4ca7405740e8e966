"""Answers of the providers' own clients, committed as they are, whole or from their streams."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.llm.asking import KEY, QUESTION, make_client
from tests.llm.server import text
from tests.llm.test_asking import CALLS
from tract import ContentValidationError, LLMResponse, MessageContent, Tract

REPLY = text("Let me look, Grüße 👋", tool_calls=CALLS, finish_reason="tool_calls")
CALLED = [(call["id"], call["function"]["name"]) for call in CALLS]


class Sdk:
    """An object of an SDK that is not installed here."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def model_dump(self, **_: Any) -> dict[str, Any]:
        return self.fields


def asked(folder: Any = ":memory:") -> Tract:
    t = Tract.open(folder)
    t.user("2 and 2?")
    return t


def last(t: Tract) -> dict[str, Any]:
    return t.compile().to_openai()[-1]


def calls_of(message: dict[str, Any]) -> list[tuple[str, str]]:
    return [(call["id"], call["function"]["name"]) for call in message["tool_calls"]]


def test_an_openai_completion_brings_message_usage_and_model(llm_server) -> None:
    openai = pytest.importorskip("openai")
    llm_server.script(REPLY)
    with openai.OpenAI(api_key=KEY, base_url=llm_server.url, max_retries=0) as client:
        answer = client.chat.completions.create(model="m", messages=QUESTION)
    t = asked()

    info = t.commit(answer)

    assert ("Let me look, Grüße 👋", CALLED) == (last(t)["content"], calls_of(last(t)))
    assert None not in last(t).values()
    assert answer.usage.prompt_tokens == info.usage.input_tokens
    assert {"model": answer.model} == info.generation_config
    assert t.compile().token_source.startswith("api:")


def test_an_openai_message_alone_is_a_message() -> None:
    types = pytest.importorskip("openai.types.chat")
    t = asked()

    t.commit(types.ChatCompletionMessage(role="assistant", content="Four."), usage={"prompt_tokens": 9})

    assert {"role": "assistant", "content": "Four."} == last(t)
    assert 9 == t.log()[0].usage.input_tokens


def test_an_anthropic_message_brings_its_blocks_usage_and_model(llm_server) -> None:
    anthropic = pytest.importorskip("anthropic")
    llm_server.script(REPLY)
    with anthropic.Anthropic(api_key=KEY, base_url=llm_server.address, max_retries=0) as client:
        answer = client.messages.create(model="m", messages=QUESTION, max_tokens=50)
    t = asked()

    info = t.commit(answer, generation_config={"max_tokens": 50})

    sent = t.compile().to_anthropic()["messages"][-1]
    assert [block.type for block in answer.content] == [block["type"] for block in sent["content"]]
    assert {"role", "content"} == set(sent)
    assert {"model": answer.model, "max_tokens": 50} == info.generation_config
    assert answer.usage.input_tokens == info.usage.input_tokens


def test_what_the_caller_says_comes_before_what_the_answer_says() -> None:
    t = asked()
    answer = Sdk(
        choices=[{"message": {"role": "assistant", "content": "4"}}], usage={"prompt_tokens": 1}, model="m-2026"
    )

    info = t.commit(
        answer, usage={"prompt_tokens": 7}, generation_config={"model": "m"}, message="first", metadata={"a": 1}
    )

    assert (7, {"model": "m"}, "first", {"a": 1}) == (
        info.usage.input_tokens, info.generation_config, info.message, info.metadata,
    )  # fmt: skip


RESPONSE = {
    "object": "response",
    "model": "m",
    "temperature": 0.5,
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": None},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "4", "annotations": []}]},
    ],
    "usage": {"input_tokens": 8, "output_tokens": 2},
}  # fmt: skip


def test_each_item_of_a_response_is_a_commit_and_the_last_is_given_back() -> None:
    t = asked()

    info = t.commit(Sdk(**RESPONSE))

    assert ["reasoning", "message"] == [item["type"] for item in t.compile().to_openai_responses()[1:]]
    assert info == t.log()[0]
    assert ({"model": "m", "temperature": 0.5}, 8) == (info.generation_config, info.usage.input_tokens)
    assert None is t.log()[1].usage
    assert {"type": "reasoning", "id": "rs_1", "summary": []} == t.get_content("HEAD~1").message


@pytest.mark.parametrize("way", ["commit", "extend"])
def test_an_item_of_a_response_alone_is_an_item(way: str) -> None:
    t = asked()
    items = [Sdk(**item) for item in RESPONSE["output"]]

    infos = [t.commit(item) for item in items] if way == "commit" else t.extend(items)

    assert ["responses"] * 2 == [t.get_content(info).format for info in infos]
    assert {"role": "assistant", "content": "4"} == last(t)
    assert {"role": "assistant", "content": "4"} == t.compile().to_anthropic()["messages"][-1]


def test_a_list_takes_no_whole_answer_for_its_usage_would_be_lost() -> None:
    t = asked()

    with pytest.raises(ContentValidationError, match="message 2: a Sdk is not a single message; commit takes a whole"):
        t.extend([{"role": "user", "content": "more"}, Sdk(**RESPONSE)])
    assert 1 == len(t.log())


@pytest.mark.parametrize("way", ["commit", "extend", "record"])
def test_the_parts_of_a_message_may_be_an_sdks_objects(way: str) -> None:
    blocks = [
        {"type": "text", "text": "Let me add.", "citations": None},
        {"type": "tool_use", "id": "c", "name": "add", "input": {"a": None}},
    ]
    t = asked()
    message = {"role": "assistant", "content": [Sdk(**block) for block in blocks]}

    if way == "commit":
        t.commit(message)
    elif way == "extend":
        t.extend([message])
    else:
        given = [{"role": "user", "content": "2 and 2?"}, message]
        assert ["appended", "unchanged"] == [t.record(given, format="anthropic").kind for _ in range(2)]

    kept = [{"type": "text", "text": "Let me add."}, blocks[1]]
    assert MessageContent({"role": "assistant", "content": kept}, "anthropic") == t.get_content("HEAD")


def test_an_anthropic_message_that_was_dumped_brings_usage_and_model_and_stays_as_it_is() -> None:
    t = asked()
    answer = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "4"}], "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 4}}  # fmt: skip

    info = t.commit(answer)

    assert MessageContent(answer, "anthropic") == t.get_content(info)
    assert ({"model": "m"}, 9) == (info.generation_config, info.usage.input_tokens)


def test_a_response_of_several_items_corrects_no_message() -> None:
    t = asked()

    with pytest.raises(ContentValidationError, match="an answer of 2 items"):
        t.edit("HEAD", Sdk(**RESPONSE))


GEMINI = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "They ask for a sum.", "thought": True},
                    {"text": "Let me add."},
                    {"function_call": {"id": None, "name": "add", "args": {"a": 2, "b": None}}, "thought_signature": "c2ln"},
                ],
            },
            "finish_reason": "STOP",
        }
    ],
    "usage_metadata": {"prompt_token_count": 9, "candidates_token_count": 4},
    "model_version": "gemini-x",
}  # fmt: skip


def test_a_gemini_response_becomes_a_message_with_calls() -> None:
    t = asked()

    info = t.commit(Sdk(**GEMINI))

    message = t.get_content("HEAD").message
    assert ("Let me add.", "They ask for a sum.") == (message["content"], message["reasoning_content"])
    (call,) = message["tool_calls"]
    assert ("add", '{"a": 2, "b": null}') == (call["function"]["name"], call["function"]["arguments"])
    assert "c2ln" == call["extra_content"]["google"]["thought_signature"]
    assert (9, {"model": "gemini-x"}) == (info.usage.input_tokens, info.generation_config)


def test_an_answer_of_tracts_own_clients_brings_all_it_has() -> None:
    t = asked()
    answer = LLMResponse(
        "4",
        {"role": "assistant", "content": "4"},
        usage={"prompt_tokens": 3},
        generation_config={"model": "m", "seed": 1},
    )

    info = t.commit(answer)

    assert (3, {"model": "m", "seed": 1}) == (info.usage.input_tokens, info.generation_config)
    assert MessageContent({"role": "assistant", "content": "4"}) == t.get_content(info)


def test_nulls_that_the_model_wrote_itself_stay() -> None:
    t = asked()
    block = {"type": "tool_use", "id": "c", "name": "add", "input": {"a": None}, "caller": None}

    t.commit(Sdk(type="message", role="assistant", content=[block], model="m", stop_reason="tool_use", usage=None))

    assert [{"type": "tool_use", "id": "c", "name": "add", "input": {"a": None}}] == t.get_content("HEAD").message[
        "content"
    ]


@pytest.mark.parametrize("wrong", [Sdk(id="x"), Sdk(choices=[]), Sdk(object="response", output=[])])
def test_an_object_that_is_no_answer_is_refused(wrong: Sdk) -> None:
    with pytest.raises(ContentValidationError):
        asked().commit(wrong)


# Streams


def streamed(t: Tract, events: Any, **options: Any) -> str:
    with t.stream(**options) as s:
        return "".join(s.read(events))


@pytest.mark.parametrize("way", ["create", "helper"])
def test_a_stream_of_openais_client_is_committed_whole(llm_server, way: str) -> None:
    openai = pytest.importorskip("openai")
    llm_server.script(REPLY)
    t = asked()

    with openai.OpenAI(api_key=KEY, base_url=llm_server.url, max_retries=0) as client:
        options = {"model": "m", "messages": QUESTION, "stream_options": {"include_usage": True}}
        if way == "create":
            said = streamed(t, client.chat.completions.create(stream=True, **options))
        else:
            with client.chat.completions.stream(**options) as events:
                said = streamed(t, events)

    assert "Let me look, Grüße 👋" == said == last(t)["content"]
    assert CALLED == calls_of(last(t))
    assert t.log()[0].usage is not None
    assert "model" in (t.log()[0].generation_config or {})


@pytest.mark.parametrize("way", ["create", "helper"])
def test_a_stream_of_anthropics_client_is_committed_whole(llm_server, way: str) -> None:
    anthropic = pytest.importorskip("anthropic")
    llm_server.script(REPLY)
    t = asked()

    with anthropic.Anthropic(api_key=KEY, base_url=llm_server.address, max_retries=0) as client:
        options = {"model": "m", "messages": QUESTION, "max_tokens": 50}
        if way == "create":
            said = streamed(t, client.messages.create(stream=True, **options))
        else:
            with client.messages.stream(**options) as events:
                said = streamed(t, events)

    assert "Let me look, Grüße 👋" == said
    content = t.get_content("HEAD")
    assert "anthropic" == content.format
    assert ["text", *["tool_use"] * len(CALLS)] == [block["type"] for block in content.message["content"]]
    assert t.log()[0].usage is not None


def test_a_stream_of_tracts_own_client_is_committed_whole(llm_server) -> None:
    llm_server.script(REPLY)
    t = asked()

    said = streamed(t, make_client("openai", llm_server).stream(QUESTION, model="m"))

    assert said == last(t)["content"]
    assert CALLED == calls_of(last(t))
    assert "m" == (t.log()[0].generation_config or {})["model"]


def test_events_of_a_response_are_committed_as_its_items() -> None:
    t = asked()
    events = [
        {"type": "response.created", "response": {}},
        {"type": "response.output_text.delta", "delta": "4"},
        {"type": "response.completed", "response": RESPONSE},
    ]

    assert "4" == streamed(t, events)
    assert 2 == len(t.compile().to_openai_responses()[1:])
    assert 8 == t.log()[0].usage.input_tokens


def test_chunks_of_gemini_are_put_together() -> None:
    t = asked()
    parts = GEMINI["candidates"][0]["content"]["parts"]
    chunks = [Sdk(candidates=[{"content": {"parts": [part]}}], usage_metadata=None) for part in parts]

    said = streamed(t, [*chunks, Sdk(**{**GEMINI, "candidates": None})])

    assert "Let me add." == said == last(t)["content"]
    assert ["add"] == [name for _, name in calls_of(last(t))]
    assert 9 == t.log()[0].usage.input_tokens


def test_texts_are_a_stream_too() -> None:
    t = asked()

    assert "four" == streamed(t, iter(["fo", "ur"]), generation_config={"model": "m"})
    assert {"model": "m"} == t.log()[0].generation_config


def test_a_stream_that_breaks_off_leaves_what_came_marked_as_partial() -> None:
    t = asked()

    def broken():
        yield {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "fo"}}]}
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        streamed(t, broken())

    assert ("fo", {"partial": True}) == (last(t)["content"], t.log()[0].metadata)


def test_a_stream_of_asyncio_is_read_where_it_is() -> None:
    t = asked()

    async def events():
        yield {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "fo"}}]}
        yield {"choices": [{"index": 0, "delta": {"content": "ur"}, "finish_reason": "stop"}], "model": "m"}

    async def run() -> list[str]:
        with t.stream() as s:
            return [text async for text in s.aread(events())]

    assert ["fo", "ur"] == asyncio.run(run())
    assert "four" == last(t)["content"]


def test_settings_that_only_the_answer_tells_can_be_set() -> None:
    t = asked()

    with t.stream() as s:
        s.write("4")
        s.generation_config = {"model": "m"}

    assert {"model": "m"} == s.commit.generation_config
    assert s.commit == t.log()[0]
