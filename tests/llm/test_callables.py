from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.llm.asking import QUESTION, make_client
from tract.errors import LLMConfigError, LLMResponseError
from tract.llm.callables import as_client, read_resolution, read_summary
from tract.llm.types import LLMResponse, Resolution, ResolveRequest, Summary, SummaryRequest

OPENAI = {"model": "m", "choices": [{"message": {"role": "assistant", "content": "hi"}}], "usage": {"prompt_tokens": 1}}
ANTHROPIC = {"type": "message", "content": [{"type": "text", "text": "hi"}], "usage": {"input_tokens": 1}}


class Sdk:
    """An answer as the SDKs have it."""

    def model_dump(self, mode: str) -> dict:
        assert "json" == mode
        return OPENAI


@pytest.mark.parametrize(
    "answer", ["hi", LLMResponse("hi", {"role": "assistant", "content": "hi"}), OPENAI, ANTHROPIC, Sdk()]
)
def test_a_function_may_answer_in_any_known_shape(answer):
    assert "hi" == as_client(lambda _: answer).chat(QUESTION).text


@pytest.mark.parametrize("answer", [None, 5, b"hi", ["hi"], {}, {"choices": []}])
def test_an_answer_of_no_known_shape_is_an_error(answer):
    with pytest.raises(LLMResponseError):
        as_client(lambda _: answer).chat(QUESTION)


def test_a_function_gets_the_messages_and_the_options_it_knows():
    asked = []

    def answer(messages, temperature=None, *, seed=None):
        asked.append((messages, temperature, seed))
        return "hi"

    response = as_client(answer).chat(QUESTION, model="m", temperature=0.5, seed=7, top_p=1)

    assert [(QUESTION, 0.5, 7)] == asked
    assert {"temperature": 0.5, "seed": 7} == response.generation_config


def test_a_function_of_any_options_gets_them_all():
    client = as_client(lambda _, **options: repr(sorted(options)))

    assert "['model', 'top_p']" == client.chat(QUESTION, model="m", top_p=1).text


def test_an_object_with_chat_is_a_client():
    assert "hi" == as_client(SimpleNamespace(chat=lambda _: OPENAI)).chat(QUESTION).text


def test_a_client_stays_what_it_is(llm_server):
    with make_client("openai", llm_server) as client:
        assert client is as_client(client)
    wrapped = as_client(lambda _: "hi")
    assert wrapped is as_client(wrapped)


async def answer_later(_):
    return "hi"


@pytest.mark.parametrize("answerer", [None, "gpt", 5, answer_later])
def test_what_cannot_answer_is_refused(answerer):
    with pytest.raises(LLMConfigError):
        as_client(answerer)


def test_an_error_of_the_function_is_its_callers():
    with pytest.raises(ZeroDivisionError):
        as_client(lambda _: 1 / 0).chat(QUESTION)


def test_a_resolver_may_answer_with_a_text():
    request = ResolveRequest(
        kind="both_edited", target="ab" * 32, base=None, ours={"role": "user", "content": "a"}, theirs=None
    )

    assert Resolution("resolved", "A") == read_resolution((lambda request: request.ours["content"].upper())(request))
    assert Resolution("abort", reasoning="no") == read_resolution(Resolution("abort", reasoning="no"))


@pytest.mark.parametrize("answer", [None, 5, {"action": "resolved"}, True])
def test_a_resolver_that_answers_with_something_else_is_an_error(answer):
    with pytest.raises(LLMResponseError, match="a resolver must answer with a Resolution or a text"):
        read_resolution(answer)


@pytest.mark.parametrize(("action", "text"), [("resolved", None), ("resolved", 5), ("abort", "x"), ("skip", None)])
def test_a_resolution_must_make_sense(action, text):
    with pytest.raises(LLMResponseError):
        Resolution(action, text)


def test_a_summariser_may_answer_with_a_text():
    assert 10 == SummaryRequest(tuple(QUESTION), 10).target_tokens
    assert Summary("short") == read_summary("short") == read_summary(Summary("short"))


@pytest.mark.parametrize("answer", ["", " \n", None, 5])
def test_a_summary_must_say_something(answer):
    with pytest.raises(LLMResponseError):
        read_summary(answer)


def test_protocols_and_values_load_nothing_heavy():
    program = "import sys, tract; tract.as_client, tract.LLMClient, tract.load_prompt; print(*[m for m in ('httpx', 'asyncio') if m in sys.modules])"  # fmt: skip

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)})  # fmt: skip

    assert "\n" == done.stdout
