"""Wrapped clients where answers are odd: none, several, in halves, never looked at, or still under way when the program ends."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.llm.asking import KEY
from tests.llm.server import CLIENTS, LLMServer, body, fail, llm_process, llm_server, named, text  # noqa: F401  # fixtures
from tests.making import make_tract, roles_and_texts
from tract import RecordWarning, Tract, TractConfig, wrap

openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")

QUESTION = [{"role": "user", "content": "How hot is tea?"}]
ASKED = ("user", "How hot is tea?")


def client_of(server: LLMServer, t: Tract) -> Any:
    CLIENTS.append(openai.OpenAI(api_key=KEY, base_url=server.url, max_retries=0))
    return wrap(CLIENTS[-1], t)


def ask(client: Any, **options: Any) -> Any:
    return client.chat.completions.create(model="m", messages=QUESTION, **options)


def completion(*said: str) -> dict[str, Any]:
    choices = [{"index": n, "message": {"role": "assistant", "content": one}, "finish_reason": "stop"} for n, one in enumerate(said)]  # fmt: skip
    return body({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": choices})


def chunks(*pieces: tuple[int, dict[str, Any]]) -> dict[str, Any]:
    """A stream of such pieces, each of a choice."""
    common = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    made = [{**common, "choices": [{"index": n, "delta": delta, "finish_reason": None}]} for n, delta in pieces]
    made += [{**common, "choices": [{"index": n, "delta": {}, "finish_reason": "stop"}]} for n in dict(pieces)]
    lines = "".join(f"data: {json.dumps(one)}\n\n" for one in made)
    return {"status": 200, "headers": {"content-type": "text/event-stream"}, "body": f"{lines}data: [DONE]\n\n"}


def response(**more: Any) -> dict[str, Any]:
    usual = {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True, "created_at": 1}
    return body({"id": "r1", "object": "response", "model": "m", "status": "completed", **usual, **more})


def item(id: str, words: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": words, "annotations": []}
    return {"type": "message", "id": id, "role": "assistant", "status": "completed", "content": [part]}


@pytest.mark.parametrize("reply", [completion(), named("html"), named("error-in-200")], ids=["none", "html", "error"])
def test_what_is_no_answer_leaves_the_question_and_says_so(llm_server, reply):  # noqa: F811
    llm_server.script(reply)
    t = make_tract()

    with pytest.warns(RecordWarning, match="the question was recorded"):
        ask(client_of(llm_server, t))

    assert [ASKED] == roles_and_texts(t)


@pytest.mark.parametrize("status", ["queued", "failed"])
def test_a_response_without_output_leaves_the_question(llm_server, status):  # noqa: F811
    llm_server.script(response(status=status, output=[]))
    t = make_tract()

    with pytest.warns(RecordWarning, match="no output; the question was recorded"):
        made = client_of(llm_server, t).responses.create(model="m", input="How hot is tea?", background=True)

    assert status == made.status
    assert [ASKED] == roles_and_texts(t)


def test_a_call_that_has_no_messages_leaves_the_context_as_it_is(llm_server):  # noqa: F811
    t = make_tract()
    t.record([*QUESTION, {"role": "assistant", "content": "Hot."}])

    with pytest.raises(TypeError):
        client_of(llm_server, t).chat.completions.create(model="m")

    assert [ASKED, ("assistant", "Hot.")] == roles_and_texts(t)
    assert "TypeError" == t.get_content(t.records("llm_error")[0]).payload["error"]


def test_an_answer_to_a_prompt_that_the_provider_keeps_goes_behind_the_context(llm_server):  # noqa: F811
    llm_server.script(response(output=[item("m1", "Hot.")]), response(output=[item("m2", "Very.")]))
    t = make_tract()

    with client_of(llm_server, t) as client:
        client.responses.create(model="m", input="How hot is tea?")
        client.responses.create(model="m", prompt={"id": "p"})

    assert ["How hot is tea?", "Hot.", "Very."] == [
        content if isinstance(content, str) else content[0]["text"] for _, content in roles_and_texts(t)
    ]


def test_a_sign_of_which_halves_came_in_two_pieces_is_whole(llm_server):  # noqa: F811
    llm_server.script(chunks((0, {"role": "assistant", "content": "hot \ud83d"}), (0, {"content": "\ude00!"})))
    t = make_tract()

    list(ask(client_of(llm_server, t), stream=True))

    assert [ASKED, ("assistant", "hot \U0001f600!")] == roles_and_texts(t)


@pytest.mark.parametrize("way", ["create", "stream", "helper"])
def test_other_choices_are_kept_beside_the_first(llm_server, way):  # noqa: F811
    pieces = [(0, {"role": "assistant", "content": "Hot"}), (1, {"role": "assistant", "content": "Very"})]
    streamed = chunks(*pieces, (0, {"content": "."}), (1, {"content": "!"}))
    llm_server.script(completion("Hot.", "Very!") if way == "create" else streamed)
    t = make_tract()
    client = client_of(llm_server, t)

    if way == "helper":
        with client.chat.completions.stream(model="m", messages=QUESTION, n=2) as stream:
            stream.until_done()
    else:
        made = ask(client, n=2, stream=way == "stream")
        assert way == "create" or list(made)

    assert [ASKED, ("assistant", "Hot.")] == roles_and_texts(t)
    (other,) = t.log(limit=1)[0].metadata["other_choices"]
    assert {"role": "assistant", "content": "Very!"} == {key: one for key, one in other.items() if one is not None}


def test_a_secret_in_another_choice_is_replaced_where_that_is_asked(llm_server):  # noqa: F811
    llm_server.script(completion("Hot.", "My key is AKIAIOSFODNN7EXAMPL2."))
    t = make_tract(config=TractConfig(record_scan="replace"))

    ask(client_of(llm_server, t), n=2)

    assert "My key is [secret: AWS access key id]." == t.log(limit=1)[0].metadata["other_choices"][0]["content"]


def test_a_raw_stream_that_nobody_parses_keeps_the_question_and_says_so(llm_server):  # noqa: F811
    llm_server.script("Hot.")
    t = make_tract()

    methods = client_of(llm_server, t).chat.completions
    made = methods.with_raw_response.create(model="m", messages=QUESTION, stream=True)
    assert b"Hot" in b"".join(made.http_response.iter_bytes())
    with pytest.warns(RecordWarning, match="read as bytes"):
        del made

    assert [ASKED] == roles_and_texts(t)


ENDS = """
import os, sys
sys.path[:0] = [{root!r}]
import openai
from tract import Tract, wrap
t = Tract.open({folder!r})
client = wrap(openai.OpenAI(api_key="k", base_url={url!r}, max_retries=0), t)
stream = client.chat.completions.create(model="m", messages=[{{"role": "user", "content": "How hot is tea?"}}], stream=True)
next(stream), next(stream)
{end}
"""


@pytest.mark.parametrize(
    "end",
    [
        "",
        "sys.exit(3)",
        "1 / 0",
        "child = os.fork()\nif not child: sys.exit(0)\nos.waitpid(child, 0)\nassert t.head is None",
    ],
    ids=["ends", "exits", "fails", "forked"],
)
def test_a_stream_that_is_open_when_the_program_ends_is_kept_as_far_as_it_came(llm_server, tmp_path, end):  # noqa: F811
    llm_server.script(text("one two three", pieces=["one ", "two ", "three"]))
    program = ENDS.format(root=str(Path(__file__).parents[2]), folder=str(tmp_path), url=llm_server.url, end=end)

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)

    assert "RecordWarning" not in done.stderr
    assert "AssertionError" not in done.stderr
    with Tract.open(tmp_path) as t:
        assert [ASKED, ("assistant", "one ")] == roles_and_texts(t)
        assert 2 == t.status().commit_count


def test_a_call_that_is_closed_by_somebody_else_ends_quietly(llm_server):  # noqa: F811
    llm_server.script(text("late", delay=5))
    t = make_tract()
    unraisable: list[Any] = []

    async def begin() -> Any:
        async with wrap(openai.AsyncOpenAI(api_key=KEY, base_url=llm_server.url, max_retries=0), t) as client:
            call = contextvars.copy_context().run(ask, client)
            contextvars.copy_context().run(call.send, None)
            call.close()

    before, sys.unraisablehook = sys.unraisablehook, unraisable.append
    try:
        asyncio.run(begin())
    finally:
        sys.unraisablehook = before

    assert [] == unraisable


def test_a_copy_of_a_wrapped_client_records(llm_server):  # noqa: F811
    llm_server.script("Hot.")
    t = make_tract()

    copied = copy.copy(client_of(llm_server, t))
    ask(copied)

    assert isinstance(copied, openai.OpenAI)
    assert [ASKED, ("assistant", "Hot.")] == roles_and_texts(t)


def test_an_answer_that_was_cut_and_cannot_be_parsed_is_kept(llm_server):  # noqa: F811
    pydantic = pytest.importorskip("pydantic")
    heat = pydantic.create_model("Heat", degrees=(int, ...))
    llm_server.script(text('{"deg', finish_reason="length"))
    t = make_tract()

    with pytest.raises(openai.LengthFinishReasonError):
        client_of(llm_server, t).chat.completions.parse(model="m", messages=QUESTION, response_format=heat)

    assert [ASKED, ("assistant", '{"deg')] == roles_and_texts(t)
    (answer,) = [info for info in t.log(limit=None) if info.metadata]
    assert ({"partial": True}, 7) == (answer.metadata, answer.usage.input_tokens)
    assert "LengthFinishReasonError" == t.get_content(t.records("llm_error")[0]).payload["error"]


# What cannot be recorded


FAILING: dict[str, Any] = {
    "call": lambda client: ask(client),
    "stream": lambda client: list(ask(client, stream=True)),
    "program": lambda client: stopped_by_the_program(ask(client, stream=True)),
    "helper": lambda client: stopped_by_the_program(client.chat.completions.stream(model="m", messages=QUESTION)),
}


def stopped_by_the_program(stream: Any) -> None:
    with stream:
        raise KeyError("mine")


@pytest.mark.parametrize("on_failure", ["raise", "warn"])
@pytest.mark.parametrize("way", FAILING)
def test_an_error_comes_through_where_it_cannot_be_recorded_either(llm_server, way, on_failure):  # noqa: F811
    llm_server.script({"call": fail(429), "stream": named("cut-stream-reset")}.get(way, "one two three"))
    t = make_tract()
    client = wrap(openai.OpenAI(api_key=KEY, base_url=llm_server.url, max_retries=0), t, on_failure=on_failure)
    t.close()

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a program may have it so
        with pytest.raises((openai.APIError, KeyError)) as caught:
            FAILING[way](client)
    client.close()

    assert any("was closed" in note for note in caught.value.__notes__)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"content": "b"}, "a message needs a role"),
        ({"role": "user"}, "a message of role 'user' needs content"),
        ({"role": 5, "content": "b"}, "a message's role must be text, not int"),
        ({}, "a message must not be empty"),
    ],
)
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_message_that_cannot_be_read_is_told_and_costs_itself_only(llm_server, provider, bad, why):  # noqa: F811
    llm_server.script("Hot.", "Very.")
    t = make_tract()
    messages = [QUESTION[0], bad, {"role": "user", "content": "c"}]
    client = client_of(llm_server, t)
    if provider == "anthropic":
        CLIENTS.append(anthropic.Anthropic(api_key=KEY, base_url=llm_server.address, max_retries=0))
        client = wrap(CLIENTS[-1], t)

    with pytest.warns(RecordWarning, match=f"message 2 was left out: {why}") as told:
        ask_with(client, messages)

    assert ["How hot is tea?", "c"] == [content for role, content in roles_and_texts(t) if role == "user"]
    assert ["user", "user", "assistant"] == [role for role, _ in roles_and_texts(t)][-3:]
    assert 7 == t.log(limit=1)[0].usage.input_tokens
    assert [__file__] == [one.filename for one in told]


def ask_with(client: Any, messages: list[Any]) -> Any:
    if isinstance(client, anthropic.Anthropic):
        return client.messages.create(model="m", max_tokens=9, system="Be brief.", messages=messages)
    return client.chat.completions.create(model="m", messages=messages)


def test_an_error_is_recorded_where_a_message_cannot_be_read(llm_server):  # noqa: F811
    llm_server.script(fail(400))
    t = make_tract()

    with pytest.warns(RecordWarning, match="message 2 was left out"), pytest.raises(openai.BadRequestError):
        ask_with(client_of(llm_server, t), [QUESTION[0], {"content": "b"}])

    assert [ASKED] == roles_and_texts(t)
    assert 400 == t.get_content(t.records("llm_error")[0]).payload["status"]


def test_an_answer_that_does_not_say_whose_it_is_is_the_models(llm_server):  # noqa: F811
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": "Hot."}}
    llm_server.script(body({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}))
    t = make_tract()

    ask(client_of(llm_server, t))

    assert [ASKED, ("assistant", "Hot.")] == roles_and_texts(t)


@pytest.mark.parametrize("way", ["left", "left the helper", "failed"])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_stream_that_ends_before_a_word_of_the_answer_leaves_the_question_alone(llm_server, provider, way):  # noqa: F811
    llm_server.script(named("early-error-in-stream") if way == "failed" else "one two three")
    t = make_tract()
    client = client_of(llm_server, t).chat.completions
    if provider == "anthropic":
        CLIENTS.append(anthropic.Anthropic(api_key=KEY, base_url=llm_server.address, max_retries=0))
        client = wrap(CLIENTS[-1], t).messages
    options = {"model": "m", "max_tokens": 9, "messages": QUESTION}

    if way == "failed":
        with pytest.raises((openai.APIError, anthropic.APIError)):
            list(client.create(stream=True, **options))
    else:
        with client.create(stream=True, **options) if way == "left" else client.stream(**options) as stream:
            next(iter(stream))

    assert [ASKED] == roles_and_texts(t)
    assert (way == "failed") == bool(t.records("llm_error"))


@pytest.mark.parametrize("said", ["text", "calls", "calls and no word of a refusal"])
def test_what_was_sent_is_rebuilt_where_answers_go_back_as_the_sdks_objects(llm_server, said):  # noqa: F811
    calls = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"b": 1, "a": 2}'}}]
    if said == "calls and no word of a refusal":
        common = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
        messages = ({"content": None, "tool_calls": calls}, {"content": "Very."}, {"content": "Yes."})
        choices = [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **one}} for one in messages]
        llm_server.script(*(body({**common, "choices": [choice]}) for choice in choices))
    else:
        llm_server.script("Hot." if said == "text" else text(None, tool_calls=calls), "Very.", "Yes.")
    t = make_tract()
    client = client_of(llm_server, t)

    answer = ask(client).choices[0].message
    result = [{"role": "tool", "tool_call_id": "c1", "content": "seen"}] if answer.tool_calls else []
    more = [*QUESTION, answer, *result, {"role": "user", "content": "Sure?"}]
    again = ask_with(client, more).choices[0].message
    ask_with(client, [*more, again, {"role": "user", "content": "Really?"}])

    answers = [info.commit_hash for info in t.log() if info.generation_config]
    assert [True] * 3 == [t.verify_sent(commit) for commit in answers]
    assert llm_server.requests()[2].body == t.sent("HEAD").request("openai")
