"""Wrapped clients where the SDK asks by itself, or goes on from what the provider keeps: tool runners, threads, earlier responses."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from tests.llm.asking import KEY
from tests.llm.server import CLIENTS, body, llm_process, llm_server, text  # noqa: F401  # fixtures
from tests.making import make_tract
from tract import RecordWarning, Tract, TractError, wrap

openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")

QUESTION = [{"role": "user", "content": "How hot is tea?"}]
LIKE = {"model": "m", "max_tokens": 9, "system": "Be brief."}
USE = {"id": "u1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}


def openai_client(server: Any, t: Tract, **options: Any) -> Any:
    client = openai.OpenAI(api_key=KEY, base_url=server.url, max_retries=0)
    CLIENTS.append(client)
    return wrap(client, t, **options)


def anthropic_client(server: Any, t: Tract) -> Any:
    client = anthropic.Anthropic(api_key=KEY, base_url=server.address, max_retries=0)
    CLIENTS.append(client)
    return wrap(client, t)


def said(t: Tract) -> list[tuple[str, str]]:
    """Who says what: of a call its tool's name, of a result what it brought."""
    return [(message.role, words(message.raw)) for message in t.compile().messages]


def words(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return " ".join(part.get("text") or part.get("name") or part["content"] for part in content or ())


def message(id: str, *blocks: dict[str, Any], reason: str = "end_turn") -> dict[str, Any]:
    usage = {"input_tokens": 5, "output_tokens": 2}
    more = {"type": "message", "role": "assistant", "model": "m", "stop_sequence": None, "usage": usage}
    return body({"id": id, **more, "stop_reason": reason, "content": [*blocks]})


def word(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def tool_use(id: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": "look", "input": {"at": 1}}


TURN = [
    ("system", "Be brief."),
    ("user", "How hot is tea?"),
    ("assistant", "look"),
    ("user", "seen 1"),
    ("assistant", "Hot."),
]


def look(at: int) -> str:
    """Look."""
    return f"seen {at}"


@pytest.mark.parametrize("more", [{}, {"thread": False}], ids=["thread", "lists"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_each_turn_of_a_tool_runner_is_recorded(llm_server, stream, more):  # noqa: F811
    tool = anthropic.beta_tool(look)
    if stream:
        llm_server.script(text(None, tool_calls=[USE], finish_reason="tool_calls"), "Hot.")
    else:
        llm_server.script(message("m1", tool_use("u1"), reason="tool_use"), message("m2", word("Hot.")))
    t = make_tract()

    with anthropic_client(llm_server, t) as client, warnings.catch_warnings():
        warnings.simplefilter("error")
        runner = client.beta.messages.tool_runner(tools=[tool], messages=QUESTION, stream=stream, **LIKE, **more)
        last = runner.until_done()

    assert "Hot." == last.content[0].text
    assert TURN == said(t)
    assert ["m", "m"] == [info.generation_config["model"] for info in t.log() if info.generation_config]
    assert 5 == t.status().commit_count


def test_each_turn_of_an_async_tool_runner_is_recorded(llm_server):  # noqa: F811
    @anthropic.beta_async_tool
    async def look(at: int) -> str:
        """Look."""
        return f"seen {at}"

    llm_server.script(message("m1", tool_use("u1"), reason="tool_use"), message("m2", word("Hot.")))
    t = make_tract()

    async def run() -> None:
        real = anthropic.AsyncAnthropic(api_key=KEY, base_url=llm_server.address, max_retries=0)
        async with wrap(real, t) as client:
            runner = client.beta.messages.tool_runner(tools=[look], messages=QUESTION, **LIKE)
            assert "Hot." == (await runner.until_done()).content[0].text

    asyncio.run(run())

    assert TURN == said(t)


def test_a_thread_of_messages_is_recorded_though_only_what_is_new_is_sent(llm_server):  # noqa: F811
    llm_server.script(message("m1", word("Hot.")), message("m2", word("Very.")), "Yes.")
    t = make_tract()

    with anthropic_client(llm_server, t) as client:
        thread = client.beta.messages.thread(messages=QUESTION, **LIKE)
        thread.send()
        thread.send({"role": "user", "content": "Sure?"})
        with thread.stream({"role": "user", "content": "Really?"}) as stream:
            assert "Yes." == stream.get_final_text()

    assert ["Be brief.", "How hot is tea?", "Hot.", "Sure?", "Very.", "Really?", "Yes."] == [one for _, one in said(t)]
    assert [1, 1, 1] == [len(asked.messages) for asked in llm_server.requests()]


BETA: dict[str, Callable[[Any], Any]] = {
    "create": lambda beta: beta.messages.create(messages=QUESTION, **LIKE),
    "parse": lambda beta: beta.messages.parse(messages=QUESTION, **LIKE),
    "streamed": lambda beta: list(beta.messages.create(messages=QUESTION, stream=True, **LIKE)),
    "raw": lambda beta: beta.messages.with_raw_response.create(messages=QUESTION, **LIKE).parse(),
    "raw first": lambda beta: beta.with_raw_response.messages.create(messages=QUESTION, **LIKE).parse(),
}


@pytest.mark.parametrize("way", BETA)
def test_anthropics_beta_messages_are_recorded_in_every_way(llm_server, way):  # noqa: F811
    llm_server.script("Hot.")
    t = make_tract()

    with anthropic_client(llm_server, t) as client:
        assert BETA[way](client.beta)

    assert [TURN[0], TURN[1], TURN[4]] == said(t)
    assert t.verify_sent("HEAD")


COPIES: dict[str, Callable[[Any], Any]] = {
    "with_options": lambda client: client.with_options(timeout=5),
    "copy": lambda client: client.copy(),
    "with_middleware": lambda client: client.with_middleware(lambda request, call_next: call_next(request)),
}


@pytest.mark.parametrize("way", COPIES)
def test_every_copy_that_a_client_makes_of_itself_records(llm_server, way):  # noqa: F811
    llm_server.script("Hot.")
    t = make_tract()
    client = anthropic_client(llm_server, t)
    if not hasattr(client, way):
        pytest.skip("this version of the SDK has no such method")

    with COPIES[way](client) as copied:
        copied.messages.create(messages=QUESTION, **LIKE)

    assert [TURN[0], TURN[1], TURN[4]] == said(t)


@pytest.mark.parametrize("on_failure", ["warn", "raise"])
def test_what_is_not_recorded_says_so(llm_server, on_failure):  # noqa: F811
    answer = {"id": "c", "object": "text_completion", "created": 1, "model": "m"}
    llm_server.script(body({**answer, "choices": [{"index": 0, "text": "Hot.", "finish_reason": "stop"}]}))
    client = openai_client(llm_server, make_tract(), on_failure=on_failure)

    def ask() -> Any:
        return client.completions.create(model="m", prompt="How hot is tea?")

    if on_failure == "raise":
        with pytest.raises(TractError, match=r"completions\.create are not recorded"):
            ask()
    else:
        with pytest.warns(RecordWarning, match=r"completions\.create are not recorded"):
            assert "Hot." == ask().choices[0].text


# Responses that go on from another one


def response(id: str, said: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": said, "annotations": []}
    item = {"type": "message", "id": f"msg_{id}", "role": "assistant", "status": "completed", "content": [part]}
    more = {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True, "created_at": 1}
    return body({"id": id, "object": "response", "model": "m", "output": [item], **more})


def ask(client: Any, asked: str, behind: str | None = None, **more: Any) -> Any:
    more |= {} if behind is None else {"previous_response_id": behind}
    return client.responses.create(model="m", input=asked, **more)


def talked(server: Any, t: Tract) -> Any:
    """A client that was answered r1, r2 and r3, each behind the one before."""
    server.script(*(response(f"r{n}", f"a{n}") for n in range(1, 6)))
    client = openai_client(server, t)
    for n in range(1, 4):
        ask(client, f"q{n}", None if n == 1 else f"r{n - 1}")
    return client


def texts(t: Tract) -> list[str]:
    return [one for _, one in said(t)]


def test_an_answer_to_an_earlier_response_stands_behind_that_one(llm_server):  # noqa: F811
    t = make_tract()
    client = talked(llm_server, t)

    ask(client, "other", "r1")
    assert ["q1", "a1", "other", "a4"] == texts(t)
    ask(client, "and", "r4")
    assert ["q1", "a1", "other", "a4", "and", "a5"] == texts(t)

    t.undo()
    t.undo()
    assert ["q1", "a1", "q2", "a2", "q3", "a3"] == texts(t)


def test_what_was_edited_before_an_earlier_response_stays_edited(llm_server):  # noqa: F811
    t = make_tract()
    client = talked(llm_server, t)
    t.edit("HEAD:1", "question 1")

    ask(client, "other", "r2", instructions="Be brief.")

    assert ["Be brief.", "question 1", "a1", "q2", "a2", "other", "a4"] == texts(t)


def test_what_was_committed_beside_is_not_before_the_answer_to_a_response(llm_server):  # noqa: F811
    t = make_tract()
    client = talked(llm_server, t)
    t.user("other")

    ask(client, "other", "r3")

    assert ["q1", "a1", "q2", "a2", "q3", "a3", "other", "a4"] == texts(t)


def test_a_response_of_another_branch_is_found_there(llm_server):  # noqa: F811
    t = make_tract()
    client = talked(llm_server, t)
    t.switch("aside", create="orphan")
    t.user("aside")

    ask(client, "other", "r2")

    assert ["q1", "a1", "q2", "a2", "other", "a4"] == texts(t)
    t.switch("main")
    assert ["q1", "a1", "q2", "a2", "q3", "a3"] == texts(t)


def test_a_summary_stands_for_the_last_response_and_not_for_an_earlier_one(llm_server):  # noqa: F811
    t = make_tract()
    client = talked(llm_server, t)
    t.compress(content="short", keep_recent=0, force=True)

    ask(client, "other", "r3")
    assert ["short", "other", "a4"] == texts(t)

    ask(client, "earlier", "r1")
    assert ["q1", "a1", "earlier", "a5"] == texts(t)


def test_a_response_that_nobody_knows_is_told_and_stands_behind_all(llm_server):  # noqa: F811
    t = make_tract()
    client = talked(llm_server, t)

    with pytest.warns(RecordWarning, match="the response 'r9', which this call continues, is not recorded"):
        ask(client, "other", "r9")

    assert ["q1", "a1", "q2", "a2", "q3", "a3", "other", "a4"] == texts(t)
