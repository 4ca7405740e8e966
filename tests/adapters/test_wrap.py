"""Wrapped clients: the providers' own, against a server on loopback; they behave as before, and what they are asked and answer is recorded."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.llm.asking import KEY
from tests.llm.server import CLIENTS, llm_process, llm_server, text  # noqa: F401  # fixtures
from tests.making import make_tract, roles_and_texts
from tract import ConfigError, RecordWarning, Tract, wrap
from tract.adapters.litellm import TractLogger

openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")

QUESTION = [{"role": "user", "content": "How hot is tea?"}]


def openai_client(server: Any, t: Tract, **options: Any) -> Any:
    client = openai.OpenAI(api_key=KEY, base_url=server.url, max_retries=0)
    CLIENTS.append(client)
    return wrap(client, t, **options)


def anthropic_client(server: Any, t: Tract, **options: Any) -> Any:
    client = anthropic.Anthropic(api_key=KEY, base_url=server.address, max_retries=0)
    CLIENTS.append(client)
    return wrap(client, t, **options)


def test_a_chat_is_recorded_turn_by_turn(llm_server):  # noqa: F811
    llm_server.script("Hot.", "Very.")
    t = make_tract()

    with openai_client(llm_server, t) as client:
        first = client.chat.completions.create(model="m", messages=QUESTION, temperature=0.5)
        more = [*QUESTION, first.choices[0].message, {"role": "user", "content": "Sure?"}]
        client.chat.completions.create(model="m", messages=more)

    assert "Hot." == first.choices[0].message.content
    assert [
        ("user", "How hot is tea?"),
        ("assistant", "Hot."),
        ("user", "Sure?"),
        ("assistant", "Very."),
    ] == roles_and_texts(t)
    assert 4 == t.status().commit_count
    answer = t.get_commit("HEAD~2")
    assert 0.5 == answer.generation_config["temperature"]
    assert answer.usage is not None
    assert QUESTION == t.sent("HEAD~2").request("openai")["messages"]


def test_the_wrapped_client_is_of_its_class_and_so_are_its_options(llm_server):  # noqa: F811
    t = make_tract()
    client = openai_client(llm_server, t)

    assert isinstance(client, openai.OpenAI)
    assert KEY == client.api_key
    llm_server.script("Hot.")
    client.with_options(timeout=5).chat.completions.create(model="m", messages=QUESTION)
    assert 2 == len(roles_and_texts(t))


def test_a_message_of_anthropics_is_recorded_with_its_system(llm_server):  # noqa: F811
    llm_server.script("Hot.")
    t = make_tract()

    with anthropic_client(llm_server, t) as client:
        client.messages.create(model="m", max_tokens=9, system="Be brief.", messages=QUESTION)

    assert ["system", "user", "assistant"] == [role for role, _ in roles_and_texts(t)]
    assert 9 == t.log(limit=1)[0].generation_config["max_tokens"]
    assert t.log(limit=1)[0].usage is not None


@pytest.mark.parametrize("way", ["create", "helper"])
def test_a_stream_of_openais_is_recorded_when_it_ends(llm_server, way):  # noqa: F811
    llm_server.script("Hot, hot, hot.")
    t = make_tract()
    options = {"model": "m", "messages": QUESTION, "stream_options": {"include_usage": True}}

    with openai_client(llm_server, t) as client:
        if way == "create":
            stream = client.chat.completions.create(stream=True, **options)
            said = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        else:
            with client.chat.completions.stream(**options) as events:
                said = "".join(event.delta for event in events if event.type == "content.delta")

    assert "Hot, hot, hot." == said
    assert [("user", "How hot is tea?"), ("assistant", "Hot, hot, hot.")] == roles_and_texts(t)
    assert t.log(limit=1)[0].usage is not None
    assert t.log(limit=1)[0].metadata is None


@pytest.mark.parametrize("way", ["create", "helper"])
def test_a_stream_of_anthropics_is_recorded_when_it_ends(llm_server, way):  # noqa: F811
    llm_server.script("Hot, hot.")
    t = make_tract()
    options = {"model": "m", "messages": QUESTION, "max_tokens": 9}

    with anthropic_client(llm_server, t) as client:
        if way == "create":
            for _ in client.messages.create(stream=True, **options):
                pass
        else:
            with client.messages.stream(**options) as stream:
                assert "Hot, hot." == "".join(stream.text_stream)

    assert ["user", "assistant"] == [role for role, _ in roles_and_texts(t)]
    assert "Hot, hot." in t.compile().to_text()
    assert t.log(limit=1)[0].usage is not None


def test_a_stream_that_is_left_is_kept_as_far_as_it_came(llm_server):  # noqa: F811
    llm_server.script("one two three four five")
    t = make_tract()

    with openai_client(llm_server, t) as client, client.chat.completions.create(model="m", messages=QUESTION, stream=True) as stream:  # fmt: skip
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                break

    assert ["user", "assistant"] == [role for role, _ in roles_and_texts(t)]
    assert {"partial": True} == t.log(limit=1)[0].metadata


def test_an_error_is_the_callers_and_leaves_a_record(llm_server):  # noqa: F811
    llm_server.script({"status": 429, "body": '{"error": {"message": "slow down"}}'})
    t = make_tract()

    with openai_client(llm_server, t) as client, pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="m", messages=QUESTION)

    assert [("user", "How hot is tea?")] == roles_and_texts(t)
    (record,) = t.records("llm_error")
    assert (429, "RateLimitError") == (t.get_content(record).payload["status"], t.get_content(record).payload["error"])


def test_the_same_question_again_is_recorded_once(llm_server):  # noqa: F811
    llm_server.script("Hot.", "Very hot.")
    t = make_tract()

    with openai_client(llm_server, t) as client:
        for _ in range(2):
            client.chat.completions.create(model="m", messages=QUESTION)

    assert [("user", "How hot is tea?"), ("assistant", "Very hot.")] == roles_and_texts(t)


def test_what_cannot_be_recorded_is_a_warning_or_an_error_if_asked(llm_server):  # noqa: F811
    llm_server.script("Hot.", "Hot.")
    t = make_tract()
    t.close()

    with openai_client(llm_server, t) as client, pytest.warns(RecordWarning, match="was closed"):
        assert "Hot." == client.chat.completions.create(model="m", messages=QUESTION).choices[0].message.content
    with openai_client(llm_server, t, on_failure="raise") as client, pytest.raises(Exception, match="was closed"):
        client.chat.completions.create(model="m", messages=QUESTION)


def test_a_secret_in_the_settings_is_never_kept(llm_server):  # noqa: F811
    llm_server.script("Hot.")
    t = make_tract()

    with openai_client(llm_server, t) as client, pytest.warns(RecordWarning, match="left out"):
        client.chat.completions.create(model="m", messages=QUESTION, extra_body={"api_key": "sk-" + "x" * 40})

    assert ["user", "assistant"] == [role for role, _ in roles_and_texts(t)]


@pytest.mark.parametrize("way", ["plain", "stream"])
def test_async_clients_are_recorded_too(llm_server, way):  # noqa: F811
    llm_server.script("Hot.", "Hot.")
    t = make_tract()

    async def ask() -> None:
        async with wrap(openai.AsyncOpenAI(api_key=KEY, base_url=llm_server.url, max_retries=0), t) as client:
            made = await client.chat.completions.create(model="m", messages=QUESTION, stream=way == "stream")
            if way == "stream":
                assert [chunk async for chunk in made]
        more = [*QUESTION, {"role": "assistant", "content": "Hot."}, {"role": "user", "content": "Sure?"}]
        other = wrap(anthropic.AsyncAnthropic(api_key=KEY, base_url=llm_server.address, max_retries=0), t)
        async with other as client, client.messages.stream(model="m", max_tokens=9, messages=more) as stream:
            assert "Hot." == await stream.get_final_text()

    asyncio.run(ask())

    assert ["user", "assistant", "user", "assistant"] == [role for role, _ in roles_and_texts(t)]


def test_a_client_of_another_kind_is_refused():
    with pytest.raises(ConfigError, match="wrap takes a client of openai, anthropic, not of 'builtins'"):
        wrap(object(), make_tract())


def test_items_of_the_responses_api_go_on_from_the_response_before(llm_server):  # noqa: F811
    def response(id: str, words: str) -> dict[str, Any]:
        part = {"type": "output_text", "text": words, "annotations": []}
        item = {"type": "message", "id": f"msg_{id}", "role": "assistant", "status": "completed", "content": [part]}
        usage = {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11}
        more = {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True, "created_at": 1}
        body = {"id": id, "object": "response", "model": "m", "output": [item], "usage": usage, **more}
        return {"status": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}

    llm_server.script(response("r1", "Hot."), response("r2", "Very."))
    t = make_tract()

    with openai_client(llm_server, t) as client:
        client.responses.create(model="m", instructions="Be brief.", input="How hot is tea?")
        client.responses.create(model="m", instructions="Be brief.", input="Sure?", previous_response_id="r1")

    said = [content if isinstance(content, str) else content[0]["text"] for _, content in roles_and_texts(t)]
    assert ["Be brief.", "How hot is tea?", "Hot.", "Sure?", "Very."] == said
    assert t.commit_for_key("msg_r2").commit_hash == t.head
    assert 9 == t.log(limit=1)[0].usage.input_tokens


def logged(**more: Any) -> dict[str, Any]:
    """What LiteLLM hands its loggers; the key stands at the top of it."""
    completion = {"id": "r", "choices": [{"message": {"role": "assistant", "content": "Hot."}}], "model": "gpt-x"}
    usage = {"prompt_tokens": 12, "completion_tokens": 2}
    about = {"messages": QUESTION, "response": {**completion, "usage": usage}, "model": "gpt-x"}
    settings = {"model_parameters": {"temperature": 0.5, "stream": False}}
    return {"api_key": "sk-" + "a1" * 20, "standard_logging_object": {**about, **settings, **more}}


def test_a_call_of_litellms_is_recorded_and_its_key_is_not():
    t = make_tract()
    logger = TractLogger(t)

    logger.log_success_event(logged(), None, None, None)
    asyncio.run(logger.async_log_success_event(logged(), None, None, None))

    assert [("user", "How hot is tea?"), ("assistant", "Hot.")] == roles_and_texts(t)
    assert {"model": "gpt-x", "temperature": 0.5} == t.log(limit=1)[0].generation_config
    assert 12 == t.log(limit=1)[0].usage.input_tokens
    blobs = [t.repository.objects.read(id).payload for id, kind in t.repository.objects.ids() if kind == "blob"]
    assert not any(b"a1a1a1a1" in payload for payload in blobs)


def test_a_call_of_litellms_that_failed_leaves_a_record():
    t = make_tract()

    TractLogger(t).log_failure_event(logged(error_information={"error_class": "RateLimitError", "error_code": "429"}), None, None, None)  # fmt: skip

    (record,) = t.records("llm_error")
    assert {"error_class": "RateLimitError", "error_code": "429"} == t.get_content(record).payload
    assert [("user", "How hot is tea?")] == roles_and_texts(t)
