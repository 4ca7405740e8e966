"""Wrapped clients where it gets hard: retries, cut and abandoned streams, cancelled tasks, threads, raw responses; and the hash of what was sent."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.llm.asking import KEY
from tests.llm.server import CLIENTS, body, fail, llm_process, llm_server, text  # noqa: F401  # fixtures
from tests.making import make_tract, roles_and_texts
from tract import ConfigError, RecordWarning, Tract, wrap

openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")

QUESTION = [{"role": "user", "content": "How hot is tea?"}]
TOOLS = [{"type": "function", "function": {"name": "look", "description": "é", "parameters": {"type": "object", "properties": {}}}}]  # fmt: skip


def roles(t: Tract) -> list[str]:
    return [message.role for message in t.compile().messages]


def openai_client(server: Any, t: Tract, *, retries: int = 0, **options: Any) -> Any:
    client = openai.OpenAI(api_key=KEY, base_url=server.url, max_retries=retries)
    CLIENTS.append(client)
    return wrap(client, t, **options)


def anthropic_client(server: Any, t: Tract, *, retries: int = 0) -> Any:
    client = anthropic.Anthropic(api_key=KEY, base_url=server.address, max_retries=retries)
    CLIENTS.append(client)
    return wrap(client, t)


def failures(t: Tract) -> list[Any]:
    return [t.get_content(record).payload for record in t.records("llm_error")]


# The hash of what was sent


def ask_openai(client: Any, way: str) -> None:
    options = {"model": "m", "messages": QUESTION, "temperature": 0.5, "tools": TOOLS, "extra_body": {"more": [1, 2.5]}}
    if way == "create":
        client.chat.completions.create(**options)
    elif way == "stream":
        list(client.chat.completions.create(stream=True, **options))
    elif way == "helper":
        with client.chat.completions.stream(**{**options, "tools": openai.NOT_GIVEN}) as stream:
            stream.until_done()
    elif way == "raw":
        assert client.chat.completions.with_raw_response.create(**options).parse().choices
    else:
        with client.chat.completions.with_streaming_response.create(**options) as response:
            assert response.parse().choices


@pytest.mark.parametrize("way", ["create", "stream", "helper", "raw", "streaming response"])
def test_the_hash_is_that_of_the_bytes_that_openai_was_sent(llm_server, way):  # noqa: F811
    llm_server.script("Hot.", "Very.")
    t = make_tract()

    with openai_client(llm_server, t) as client:
        ask_openai(client, way)

    assert [("user", "How hot is tea?"), ("assistant", "Hot.")] == roles_and_texts(t)
    assert t.verify_sent("HEAD")
    request = t.sent("HEAD").request("openai")
    (asked,) = llm_server.requests()
    assert asked.body == request
    assert [*asked.body] == [*request]


@pytest.mark.parametrize("way", ["create", "stream", "helper", "raw", "streaming response"])
def test_the_hash_is_that_of_the_bytes_that_anthropic_was_sent(llm_server, way):  # noqa: F811
    llm_server.script("Hot.")
    t = make_tract()
    options = {"model": "m", "max_tokens": 9, "system": "Be brief.", "messages": QUESTION}

    with anthropic_client(llm_server, t) as client:
        if way == "create":
            client.messages.create(**options)
        elif way == "stream":
            list(client.messages.create(stream=True, **options))
        elif way == "helper":
            with client.messages.stream(**options) as stream:
                stream.until_done()
        elif way == "raw":
            assert client.messages.with_raw_response.create(**options).parse().content
        else:
            with client.messages.with_streaming_response.create(**options) as response:
                assert response.parse().content

    assert ["system", "user", "assistant"] == roles(t)
    assert t.verify_sent("HEAD")
    assert llm_server.requests()[0].body == t.sent("HEAD").request("anthropic")


def test_the_command_line_verifies_what_was_sent(llm_server, tmp_path):  # noqa: F811
    llm_server.script("Hot.", "Very.")
    with Tract.open(tmp_path) as t, openai_client(llm_server, t) as client:
        client.chat.completions.create(model="m", messages=QUESTION)
        more = [*QUESTION, {"role": "assistant", "content": "Hot."}, {"role": "user", "content": "Sure?"}]
        client.chat.completions.create(model="m", messages=more)

    done = subprocess.run([sys.executable, "-m", "tract", "-C", str(tmp_path), "verify", "--sent", "HEAD"], capture_output=True, text=True, check=False)  # fmt: skip

    assert 0 == done.returncode, done.stderr


def test_what_was_parsed_is_recorded_as_it_was_sent(llm_server):  # noqa: F811
    pydantic = pytest.importorskip("pydantic")

    class Heat(pydantic.BaseModel):
        degrees: int

    llm_server.script('{"degrees": 90}')
    t = make_tract()

    with openai_client(llm_server, t) as client:
        parsed = client.chat.completions.parse(model="m", messages=QUESTION, response_format=Heat)

    assert 90 == parsed.choices[0].message.parsed.degrees
    assert "json_schema" == t.sent("HEAD").request("openai")["response_format"]["type"]
    assert t.verify_sent("HEAD")


# Retries and failures


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_call_that_was_tried_again_is_recorded_once(llm_server, provider):  # noqa: F811
    llm_server.script(fail(429, retry_after="0"), fail(500, retry_after="0"), "Hot.")
    t = make_tract()

    if provider == "openai":
        openai_client(llm_server, t, retries=3).chat.completions.create(model="m", messages=QUESTION)
    else:
        anthropic_client(llm_server, t, retries=3).messages.create(model="m", max_tokens=9, messages=QUESTION)

    assert 3 == len(llm_server.requests())
    assert ["user", "assistant"] == roles(t)
    assert 2 == t.status().commit_count
    assert [] == failures(t)
    assert t.verify_sent("HEAD")


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_server_that_fails_is_the_callers_and_a_record(llm_server, provider):  # noqa: F811
    llm_server.script(fail(500, '{"error": {"message": "broken"}}'))
    t = make_tract()
    sdk = openai if provider == "openai" else anthropic

    methods = (
        openai_client(llm_server, t).chat.completions if sdk is openai else anthropic_client(llm_server, t).messages
    )
    with pytest.raises(sdk.InternalServerError):
        methods.create(model="m", max_tokens=9, messages=QUESTION)

    assert ["user"] == roles(t)
    assert (500, "InternalServerError") == (failures(t)[0]["status"], failures(t)[0]["error"])


def test_nobody_there_is_the_callers_and_a_record():
    t = make_tract()
    client = wrap(openai.OpenAI(api_key=KEY, base_url="http://127.0.0.1:9/v1", max_retries=0), t)

    with pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(model="m", messages=QUESTION)

    assert ["user"] == roles(t)
    assert "APIConnectionError" == failures(t)[0]["error"]


def test_arguments_that_make_no_call_are_the_callers(llm_server):  # noqa: F811
    t = make_tract()

    with pytest.raises(TypeError):
        openai_client(llm_server, t).chat.completions.create(messages=QUESTION)

    assert [] == llm_server.requests()


CUT = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "one "}}], "model": "m", "id": "x", "object": "chat.completion.chunk", "created": 1},
    {"choices": [{"index": 0, "delta": {"content": "two"}}], "model": "m", "id": "x", "object": "chat.completion.chunk", "created": 1},
]  # fmt: skip


def cut_stream(end: str = "reset") -> dict[str, Any]:
    """Two pieces of a stream, and then the connection breaks."""
    lines = "".join(f"data: {json.dumps(one)}\n\n" for one in CUT)
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return {"chunks": [head + f"{len(lines):x}\r\n{lines}\r\n"], "pause": 0.0, "end": end}


def test_a_stream_that_breaks_is_kept_as_far_as_it_came_and_says_why(llm_server):  # noqa: F811
    llm_server.script(cut_stream())
    t = make_tract()
    said = []

    def listen() -> None:
        for chunk in openai_client(llm_server, t).chat.completions.create(model="m", messages=QUESTION, stream=True):
            said.append(chunk.choices[0].delta.content)

    with pytest.raises(Exception) as caught:
        listen()

    assert ["one ", "two"] == said
    assert [("user", "How hot is tea?"), ("assistant", "one two")] == roles_and_texts(t)
    assert type(caught.value).__name__ == failures(t)[0]["error"]
    (answer,) = [info for info in t.log(limit=None) if info.metadata]
    assert {"partial": True} == answer.metadata


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # who drops a stream leaves its socket open
@pytest.mark.parametrize("how", ["dropped", "in a circle"])
def test_a_stream_that_is_dropped_half_way_is_kept_as_far_as_it_came(llm_server, how):  # noqa: F811
    llm_server.script(text("one two three", pieces=["one ", "two ", "three"]))
    t = make_tract()

    def look() -> None:
        stream = openai_client(llm_server, t).chat.completions.create(model="m", messages=QUESTION, stream=True)
        if how == "in a circle":
            circle: dict[str, Any] = {"stream": stream}
            circle["self"] = circle
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                return

    look()
    gc.collect()
    for thread in threading.enumerate():
        if thread.name.startswith("tract:"):
            thread.join(10)

    assert [("user", "How hot is tea?"), ("assistant", "one ")] == roles_and_texts(t)


def test_calls_side_by_side_are_kept(llm_server):  # noqa: F811
    calls = [{"id": f"c{n}", "type": "function", "function": {"name": "look", "arguments": f'{{"at": {n}}}'}} for n in range(3)]  # fmt: skip
    llm_server.script(text(None, tool_calls=calls), "Seen.")
    t = make_tract()

    with openai_client(llm_server, t) as client:
        first = client.chat.completions.create(model="m", messages=QUESTION, tools=TOOLS)
        results = [{"role": "tool", "tool_call_id": f"c{n}", "content": "seen"} for n in range(3)]
        client.chat.completions.create(model="m", messages=[*QUESTION, first.choices[0].message, *results], tools=TOOLS)

    assert ["user", "assistant", "tool", "tool", "tool", "assistant"] == roles(t)
    assert ["c0", "c1", "c2"] == [call["id"] for call in t.compile().messages[1].raw["tool_calls"]]
    assert 6 == t.status().commit_count


# Clients


def test_clients_of_other_kinds_of_the_sdks_are_wrapped(llm_server):  # noqa: F811
    class Mine(openai.OpenAI):
        """A user's own."""

        def _prepare_request(self, request: Any) -> None:
            request.headers["x-mine"] = "1"

    llm_server.script("Hot.", "Very.", "Yes.")
    t = make_tract()
    mine = wrap(Mine(api_key=KEY, base_url=llm_server.url, max_retries=0), t)
    azure = wrap(openai.AzureOpenAI(api_key=KEY, azure_endpoint=llm_server.address, api_version="1", max_retries=0), t)

    mine.chat.completions.create(model="m", messages=QUESTION)
    assert t.verify_sent("HEAD")
    mine.with_options(timeout=5).copy().chat.completions.create(model="m", messages=QUESTION)
    assert t.verify_sent("HEAD")
    try:
        azure.chat.completions.create(model="m", messages=QUESTION)
    except openai.NotFoundError:  # the server knows no such path
        assert 1 == len(failures(t))
    else:
        assert t.verify_sent("HEAD")

    assert isinstance(mine, Mine)
    assert isinstance(azure, openai.AzureOpenAI)
    assert "1" == llm_server.requests()[0].headers["x-mine"]


def test_messages_that_can_be_read_once_are_read_once(llm_server):  # noqa: F811
    llm_server.script("Hot.")
    t = make_tract()

    openai_client(llm_server, t).chat.completions.create(model="m", messages=(dict(one) for one in QUESTION))

    assert QUESTION == llm_server.requests()[0].messages
    assert [("user", "How hot is tea?"), ("assistant", "Hot.")] == roles_and_texts(t)


def test_a_list_that_changes_while_a_stream_runs_is_recorded_as_it_was_sent(llm_server):  # noqa: F811
    llm_server.script("Hot.")
    t = make_tract()
    messages = [dict(one) for one in QUESTION]

    for _ in openai_client(llm_server, t).chat.completions.create(model="m", messages=messages, stream=True):
        messages[0]["content"] = "other"

    assert [("user", "How hot is tea?"), ("assistant", "Hot.")] == roles_and_texts(t)


def test_two_clients_with_one_tract_take_turns(llm_server):  # noqa: F811
    llm_server.script("Hot.", "Very.")
    t = make_tract()

    openai_client(llm_server, t).chat.completions.create(model="m", messages=QUESTION)
    more = [*QUESTION, {"role": "assistant", "content": "Hot."}, {"role": "user", "content": "Sure?"}]
    anthropic_client(llm_server, t).messages.create(model="m", max_tokens=9, messages=more)

    assert ["user", "assistant", "user", "assistant"] == roles(t)
    assert 4 == t.status().commit_count


@pytest.mark.parametrize("stream", [False, True])
def test_threads_that_ask_at_once_lose_nothing(llm_server, stream):  # noqa: F811
    llm_server.script(*[f"answer {n}" for n in range(24)])
    t = make_tract()
    client = openai_client(llm_server, t)
    told: list[Any] = []

    def ask(thread: int) -> None:
        for turn in range(6):
            made = client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": f"{thread}.{turn}"}], stream=stream
            )
            told.append("".join(c.choices[0].delta.content or "" for c in made if c.choices) if stream else made.choices[0].message.content)  # fmt: skip

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

    assert sorted(told) == sorted(f"answer {n}" for n in range(24))
    kept = [t.get_content(info).message for info in t.log(limit=None) if info.operation in ("append", "edit")]
    assert {f"answer {n}" for n in range(24)} <= {one.get("content") for one in kept}
    assert {f"{thread}.{turn}" for thread in range(4) for turn in range(6)} <= {one.get("content") for one in kept}
    assert 2 == len(roles_and_texts(t))  # the list that was recorded last is the context


def test_tasks_that_ask_at_once_lose_nothing_and_each_has_its_own_hash(llm_server):  # noqa: F811
    llm_server.script(*[text(f"answer {n}", delay=0.02 * (n % 3)) for n in range(9)])
    t = make_tract()

    async def ask() -> None:
        async with wrap(openai.AsyncOpenAI(api_key=KEY, base_url=llm_server.url, max_retries=0), t) as client:
            await asyncio.gather(
                *[
                    client.chat.completions.create(model="m", messages=[{"role": "user", "content": f"q{n}"}])
                    for n in range(9)
                ]
            )

    asyncio.run(ask())

    answers = [info for info in t.log(limit=None) if info.usage is not None]
    assert 9 == len(answers)
    assert all(t.verify_sent(info.commit_hash) for info in answers)


@pytest.mark.parametrize("where", ["before the answer", "in the stream"])
def test_a_task_that_is_cancelled_keeps_what_there_is(llm_server, where):  # noqa: F811
    llm_server.script(text("late", delay=5) if where == "before the answer" else cut_stream("hang"))
    t = make_tract()

    async def ask(client: Any, begun: asyncio.Event) -> None:
        stream = await client.chat.completions.create(model="m", messages=QUESTION, stream=True)
        async for _ in stream:
            begun.set()

    async def cancel() -> None:
        begun = asyncio.Event()
        async with wrap(openai.AsyncOpenAI(api_key=KEY, base_url=llm_server.url, max_retries=0), t) as client:
            task = asyncio.create_task(ask(client, begun))
            await (asyncio.sleep(0.5) if where == "before the answer" else begun.wait())
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancel())

    assert ["user"] == roles(t)[:1]
    assert "CancelledError" == failures(t)[0]["error"]
    if where == "in the stream":
        assert roles_and_texts(t)[1][1].startswith("one")


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("way", ["raw", "streaming response", "raw stream"])
def test_raw_responses_of_async_clients_are_recorded(llm_server, provider, way):  # noqa: F811
    llm_server.script("Hot.")
    t = make_tract()

    async def ask() -> None:
        url = llm_server.url if provider == "openai" else llm_server.address
        kind = openai.AsyncOpenAI if provider == "openai" else anthropic.AsyncAnthropic
        async with wrap(kind(api_key=KEY, base_url=url, max_retries=0), t) as client:
            await use(client.chat.completions if provider == "openai" else client.messages)

    async def use(methods: Any) -> None:
        options = {"model": "m", "messages": QUESTION, "max_tokens": 9}
        if way == "streaming response":
            async with methods.with_streaming_response.create(**options) as response:
                assert "Hot." in json.dumps(await response.json())
            return
        made = await methods.with_raw_response.create(**options, stream=way == "raw stream")
        if way == "raw stream":
            stream = made.parse()
            stream = await stream if asyncio.iscoroutine(stream) else stream
            assert [one async for one in stream]

    asyncio.run(ask())

    assert ["user", "assistant"] == roles(t)
    assert "Hot." in t.compile().to_text()
    assert t.verify_sent("HEAD")


def test_a_stream_that_is_read_as_bytes_keeps_the_question_and_says_so(llm_server):  # noqa: F811
    llm_server.script("Hot.")
    t = make_tract()
    methods = openai_client(llm_server, t).chat.completions

    with (
        pytest.warns(RecordWarning, match="read as bytes"),
        methods.with_streaming_response.create(model="m", messages=QUESTION, stream=True) as response,
    ):
        assert b"Hot" in b"".join(response.iter_bytes())

    assert ["user"] == roles(t)


RESPONSE = {
    "id": "r1", "object": "response", "model": "m", "status": "completed", "created_at": 1, "tools": [], "tool_choice": "auto",
    "parallel_tool_calls": True, "usage": {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11},
    "output": [{"type": "message", "id": "msg_r1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "Hot.", "annotations": []}]}],
}  # fmt: skip


def response_stream(*, cut: bool = False) -> dict[str, Any]:
    """A stream of the Responses API."""
    empty = {**RESPONSE, "status": "in_progress", "output": [], "usage": None}
    item = {**RESPONSE["output"][0], "content": []}  # type: ignore[dict-item, index]
    part = {"type": "output_text", "text": "", "annotations": []}
    place = {"item_id": "msg_r1", "output_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": empty},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "content_index": 0, "part": part},
        {"type": "response.output_text.delta", **place, "content_index": 0, "delta": "Hot.", "logprobs": []},
        {"type": "response.output_item.done", "output_index": 0, "item": RESPONSE["output"][0]},  # type: ignore[index]
        {"type": "response.completed", "response": RESPONSE},
    ]
    lines = "".join(f"event: {one['type']}\ndata: {json.dumps({**one, 'sequence_number': n})}\n\n" for n, one in enumerate(events[: 4 if cut else 6]))  # fmt: skip
    return {"status": 200, "headers": {"content-type": "text/event-stream"}, "body": lines}


@pytest.mark.parametrize("way", ["create", "stream", "helper", "parse"])
def test_responses_are_recorded_in_every_way(llm_server, way):  # noqa: F811
    llm_server.script(body(RESPONSE) if way in ("create", "parse") else response_stream())
    t = make_tract()
    options: dict[str, Any] = {"model": "m", "instructions": "Be brief.", "input": "How hot is tea?"}

    with openai_client(llm_server, t) as client:
        if way == "create":
            client.responses.create(**options)
        elif way == "parse":
            client.responses.parse(**options)
        elif way == "stream":
            list(client.responses.create(stream=True, **options))
        else:
            with client.responses.stream(**options) as stream:
                stream.until_done()

    assert ["system", "user", "assistant"] == roles(t)
    assert "Hot." in t.compile().to_text()
    assert 9 == t.log(limit=1)[0].usage.input_tokens
    assert t.commit_for_key("msg_r1").commit_hash == t.head


def test_a_stream_of_responses_that_ends_too_soon_is_kept_as_far_as_it_came(llm_server):  # noqa: F811
    llm_server.script(response_stream(cut=True))
    t = make_tract()

    with openai_client(llm_server, t) as client:
        list(client.responses.create(model="m", input="How hot is tea?", stream=True))

    assert ["user", "assistant"] == roles(t)
    assert "Hot." in t.compile().to_text()
    assert {"partial": True, "response_id": "r1"} == t.log(limit=1)[0].metadata


def test_a_stream_that_brings_nothing_keeps_the_question(llm_server):  # noqa: F811
    llm_server.script({"status": 200, "headers": {"content-type": "text/event-stream"}, "body": "data: [DONE]\n\n"})
    t = make_tract()

    assert [] == list(openai_client(llm_server, t).chat.completions.create(model="m", messages=QUESTION, stream=True))

    assert ["user"] == roles(t)


def test_one_call_is_one_operation(llm_server, tmp_path):  # noqa: F811
    llm_server.script("Hot.", "Very.", "Yes.")
    more = [*QUESTION, {"role": "assistant", "content": "Hot."}, {"role": "user", "content": "Sure?"}]

    with Tract.open(tmp_path) as t, openai_client(llm_server, t) as client:
        for messages in (QUESTION, more, [{"role": "system", "content": "Be brief."}, *more[:2]]):
            before = sum(1 for _ in t.repository.refs.history())
            client.chat.completions.create(model="m", messages=messages, temperature=1)
            assert 1 == sum(1 for _ in t.repository.refs.history()) - before


INTERRUPTED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests run in the background, it is ignored
sys.path[:0] = [{root!r}]
import openai
from tract import Tract, wrap
t = Tract.open({folder!r})
client = wrap(openai.OpenAI(api_key="k", base_url={url!r}, max_retries=0), t)
print("ready", flush=True)
client.chat.completions.create(model="m", messages=[{{"role": "user", "content": "How hot is tea?"}}])
"""


def test_an_interrupt_is_the_programs_and_the_question_is_kept(llm_server, tmp_path):  # noqa: F811
    llm_server.script(text("late", delay=20))
    program = INTERRUPTED.format(root=str(Path(__file__).parents[2]), folder=str(tmp_path), url=llm_server.url)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )

    assert process.stdout.readline().startswith("ready")
    while not llm_server.requests():
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)

    assert "KeyboardInterrupt" in err
    with Tract.open(tmp_path) as t:
        assert [("user", "How hot is tea?")] == roles_and_texts(t)
        assert "KeyboardInterrupt" == failures(t)[0]["error"]


FORKED = """
import os, sys
import openai
from tract import Tract, wrap
t = Tract.open({folder!r}, tract_id="one", on_moved="append")
client = wrap(openai.OpenAI(api_key="k", base_url={url!r}, max_retries=0), t)
client.chat.completions.create(model="m", messages=[{{"role": "user", "content": "before"}}])
child = os.fork()
mine = Tract.open({folder!r}, tract_id="child" if not child else "parent")
for n in range(3):
    wrap(openai.OpenAI(api_key="k", base_url={url!r}, max_retries=0), mine).chat.completions.create(model="m", messages=[{{"role": "user", "content": str(n)}}])
if child:  # two processes must not share the connections of one client
    client.chat.completions.create(model="m", messages=[{{"role": "user", "content": "parent"}}])
sys.exit(os.waitpid(child, 0)[1] if child else 0)
"""


def test_a_process_that_forks_records_in_both(llm_server, tmp_path):  # noqa: F811
    program = FORKED.format(folder=str(tmp_path), url=llm_server.url)

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60, env={"PYTHONPATH": ":".join(sys.path)})  # fmt: skip

    assert 0 == done.returncode, done.stderr
    for name in ("child", "parent"):
        with Tract.open(tmp_path, tract_id=name) as t:
            assert 2 == len(roles_and_texts(t))
            assert t.verify_sent("HEAD")


def test_a_notebook_sees_the_real_client():
    real = openai.AsyncOpenAI(api_key=KEY, base_url="http://127.0.0.1:9")
    client = wrap(real, make_tract())

    assert dir(real) == dir(client)
    assert repr(real) == repr(client)
    assert inspect.signature(real.chat.completions.create) == inspect.signature(client.chat.completions.create)
    assert real.chat.completions.create.__doc__ == client.chat.completions.create.__doc__
    kinds = [inspect.iscoroutinefunction(one.responses.create) for one in (real, client)]
    assert kinds[0] == kinds[1]


def test_a_client_is_wrapped_once():
    client = wrap(openai.OpenAI(api_key=KEY), make_tract())

    with pytest.raises(ConfigError, match="wrapped already"):
        wrap(client, make_tract())
