"""LiteLLM itself, against a server on loopback: each call is recorded once, whichever way it was made, and its key never."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.llm.asking import KEY
from tests.llm.server import fail, llm_process, llm_server, text  # noqa: F401  # fixtures
from tests.making import make_tract
from tract import Tract
from tract.adapters.litellm import TractLogger

pytestmark = [
    pytest.mark.slow,  # LiteLLM takes seconds to load
    pytest.mark.filterwarnings("ignore"),  # and warns of itself
]

QUESTION = [{"role": "user", "content": "How hot is tea?"}]


@pytest.fixture(scope="module")
def litellm() -> Iterator[Any]:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    yield pytest.importorskip("litellm")
    gc.collect()  # the event loops and sockets that it leaves are not to fail the tests that follow


@pytest.fixture
def t(litellm: Any) -> Any:
    made = make_tract()
    litellm.callbacks = [TractLogger(made)]
    yield made
    for name in (
        "callbacks",
        *(f"{start}{what}_callback" for start in ("", "_async_") for what in ("input", "success", "failure")),
    ):
        setattr(litellm, name, [])  # it remembers loggers in each of them


def options(server: Any, model: str = "openai/m") -> dict[str, Any]:
    url = server.url if model.startswith("openai") else server.address
    return {"model": model, "messages": QUESTION, "api_key": KEY, "api_base": url, "max_retries": 0, "temperature": 0.5}


def roles(t: Tract) -> list[str]:
    return [message.role for message in t.compile().messages]


def wait(done: Callable[[], Any]) -> None:
    """LiteLLM logs in a thread of its own."""
    for _ in range(200):
        if done():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within 10 s")


def check_key_is_nowhere(t: Tract) -> None:
    objects = t.repository.objects
    assert not [id for id, _ in objects.ids() if KEY.encode() in objects.read(id).payload]


@pytest.mark.parametrize("model", ["openai/m", "anthropic/claude-x"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_recorded_once(litellm, llm_server, t, model, stream):  # noqa: F811
    llm_server.script("Hot.")

    made = litellm.completion(**options(llm_server, model), stream=stream)
    if stream:
        list(made)

    wait(lambda: len(roles(t)) == 2)
    time.sleep(0.3)
    assert 2 == t.status().commit_count
    assert "Hot." in t.compile().to_text()
    assert t.log(limit=1)[0].usage is not None
    assert 0.5 == t.log(limit=1)[0].generation_config["temperature"]
    check_key_is_nowhere(t)


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_of_asyncios_is_recorded_once(litellm, llm_server, t, stream):  # noqa: F811
    llm_server.script("Hot.")

    async def ask() -> None:
        made = await litellm.acompletion(**options(llm_server), stream=stream)
        if stream:
            assert [chunk async for chunk in made]
        for _ in range(100):
            if len(roles(t)) == 2:
                return
            await asyncio.sleep(0.05)

    asyncio.run(ask())

    time.sleep(0.3)
    assert ["user", "assistant"] == roles(t)
    assert 2 == t.status().commit_count
    check_key_is_nowhere(t)


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_call_that_fails_is_a_record(litellm, llm_server, t, way):  # noqa: F811
    llm_server.script(fail(429, '{"error": {"message": "slow down"}}'))

    async def ask() -> None:
        await litellm.acompletion(**options(llm_server))
        await asyncio.sleep(0.5)

    with pytest.raises(litellm.RateLimitError):
        litellm.completion(**options(llm_server)) if way == "sync" else asyncio.run(ask())

    wait(lambda: t.records("llm_error"))
    time.sleep(0.3)
    assert ["user"] == roles(t)
    (record,) = t.records("llm_error")
    assert "RateLimitError" == t.get_content(record).payload["error_class"]
    check_key_is_nowhere(t)


def test_where_another_model_answers_instead_both_are_told(litellm, llm_server, t):  # noqa: F811
    llm_server.script(fail(500, '{"error": {"message": "broken"}}'), "Hot.")
    models = [
        {"model_name": name, "litellm_params": {"model": f"openai/{name}", "api_key": KEY, "api_base": llm_server.url, "max_retries": 0}}
        for name in ("first", "second")
    ]  # fmt: skip
    router = litellm.Router(model_list=models, fallbacks=[{"first": ["second"]}], num_retries=0)

    made = router.completion(model="first", messages=QUESTION)

    assert "Hot." == made.choices[0].message.content
    wait(lambda: len(roles(t)) == 2)
    wait(lambda: t.records("llm_error"))
    assert "second" in t.log(limit=1)[0].generation_config["model"]
    check_key_is_nowhere(t)


def test_a_tool_call_and_its_result_are_kept(litellm, llm_server, t):  # noqa: F811
    calls = [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    llm_server.script(text(None, tool_calls=calls), "Seen.")
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]

    first = litellm.completion(**options(llm_server), tools=tools)
    wait(lambda: len(roles(t)) == 2)
    more = [*QUESTION, first.choices[0].message, {"role": "tool", "tool_call_id": "c", "content": "seen"}]
    litellm.completion(**{**options(llm_server), "messages": more}, tools=tools)

    wait(lambda: len(roles(t)) == 4)
    assert ["user", "assistant", "tool", "assistant"] == roles(t)
    assert "look" == t.sent("HEAD").request("openai")["tools"][0]["function"]["name"]
    check_key_is_nowhere(t)
