"""Summaries from models and functions: what is asked, what is accepted, and what happens when nothing useful comes."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.curation.talking import make_long as make_tract
from tests.curation.talking import words
from tests.llm.server import LLMServer, fail, text
from tests.making import Words, texts
from tract import AnthropicClient, CompressResult, OpenAIClient, SummaryRequest, Tract, llm_summariser
from tract.curation.compress.result import Requirements
from tract.curation.compress.summariser import ATTEMPTS, PROMPT, checked_summary
from tract.errors import (
    CompressionError,
    ContentValidationError,
    LLMAuthError,
    LLMConfigError,
    LLMError,
    LLMRateLimitError,
    LLMResponseError,
)
from tract.llm.prompts import load_prompt
from tract.llm.types import Summary

KEY = "sk-test-0123456789abcdef"


def make_client(server: LLMServer, **options: Any) -> OpenAIClient:
    settings: dict[str, Any] = {"timeout": 5.0, "read_timeout": 2.0, "max_retries": 0, "backoff": 0.0}
    return OpenAIClient(KEY, server.url, "gpt-test", **{**settings, **options})


def request(*texts: str, **options: Any) -> SummaryRequest:
    return SummaryRequest(tuple({"role": "user", "content": text} for text in texts), **options)


def answers(*texts: str) -> tuple[Any, list[SummaryRequest]]:
    """A summariser that gives these answers, and what it is asked."""
    asked: list[SummaryRequest] = []
    left = iter(texts)
    return lambda request: asked.append(request) or next(left), asked


# A model, over a real connection


def test_the_configured_model_sums_up_and_the_commit_says_which_it_was(llm_server: LLMServer) -> None:
    t = make_tract()
    llm_server.script(text("Four facts.", usage={"prompt_tokens": 70, "completion_tokens": 5}))

    with make_client(llm_server) as client:
        t.configure_llm(client)
        done = t.compress(target_tokens=20, instructions="Numbers first.", must_keep=["facts"])

    assert isinstance(done, CompressResult)
    assert ["Four facts.", *texts(t)[1:]] == texts(t)
    about = (t.log(1)[0].metadata or {})["compressed"][0]["summarised_by"]
    assert ("gpt-test", PROMPT, "1", 70) == (
        about["model"],
        about["prompt"],
        about["prompt_version"],
        about["usage"]["prompt_tokens"],
    )
    assert "gpt-test" == (t.get_commit(done.summary_hashes[0]).generation_config or {})["model"]
    (question,) = llm_server.requests()
    system, user = question.messages
    assert load_prompt(PROMPT).text == system["content"]
    for shown in (
        "fact 0",
        "fact 3",
        "after:",
        "fact 4",
        "at most 20 tokens",
        "Numbers first.",
        "word for word:\n- facts",
    ):
        assert shown in user["content"]
    assert KEY not in str(t.log())


def test_the_other_protocol_an_own_system_prompt_and_an_own_prompt_file(llm_server: LLMServer, tmp_path: Path) -> None:
    (tmp_path / f"{PROMPT}.txt").write_text("# version: 7\nBe brief.\n")
    llm_server.script("one", "two")

    with AnthropicClient(KEY, llm_server.address, max_retries=0) as client:
        t = make_tract(4)
        t.compress(summariser=llm_summariser(client, prompts=tmp_path))
        t = make_tract(4)
        t.compress(summariser=llm_summariser(client, prompts=tmp_path), system_prompt="You are a clerk.")

    first, second = llm_server.requests()
    assert ("Be brief.", "You are a clerk.") == (first.body["system"], second.body["system"])


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (fail(401), LLMAuthError),
        (fail(429, retry_after="7"), LLMRateLimitError),
        (fail(500), LLMResponseError),
        (text("late", delay=3), LLMResponseError),
    ],
)
def test_a_provider_that_does_not_answer_is_told_as_such_and_changes_nothing(
    llm_server: LLMServer, reply: dict, error: type[Exception]
) -> None:
    t = make_tract()
    head, before = t.head, texts(t)
    llm_server.script(reply)

    with make_client(llm_server, read_timeout=0.3) as client, pytest.raises(error):
        t.compress(summariser=llm_summariser(client))

    assert (head, before, []) == (t.head, texts(t), t.pending_compressions())
    assert 1 == len(llm_server.requests())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (text(""), "no summary after 3 attempts: .*a text with something in it"),
        (
            text("half of", finish_reason="length"),
            "no summary after 3 attempts: the model's answer was cut off: 'half of'",
        ),
        (text("I cannot", finish_reason="content_filter"), "no summary after 3 attempts: the model declined"),
        (text("word " * 500), "the summary is refused: it has 500 tokens, more than"),
    ],
)
def test_nonsense_is_asked_for_again_and_then_refused(llm_server: LLMServer, answer: dict, words: str) -> None:
    t = make_tract()
    head = t.head
    llm_server.script(*[answer] * ATTEMPTS)

    with make_client(llm_server) as client, pytest.raises(CompressionError, match=words):
        t.compress(summariser=llm_summariser(client))

    assert head == t.head
    assert ATTEMPTS == len(llm_server.requests())


def test_the_model_is_told_what_was_wrong_and_may_do_better(llm_server: LLMServer) -> None:
    t = make_tract()
    llm_server.script("Something of facts that is far too long for it.", "Facts: 0, 1.")

    with make_client(llm_server) as client:
        done = t.compress(summariser=llm_summariser(client), target_tokens=4, must_keep=["1."])

    assert isinstance(done, CompressResult)
    assert ("Facts: 0, 1.", ()) == (done.text, done.warnings)
    _, _, previous, problem = llm_server.requests()[1].messages
    assert "Something of facts that is far too long for it." == previous["content"]
    assert "it does not contain '1.'; it has 10 tokens, and 4 were asked for" in problem["content"]


def test_others_may_commit_while_a_model_thinks(llm_server: LLMServer) -> None:
    t = make_tract()
    llm_server.script(text("Σ", delay=0.6))
    found: list[Any] = []

    with make_client(llm_server) as client:
        thread = threading.Thread(target=lambda: found.append(t.compress(summariser=llm_summariser(client))))
        thread.start()
        time.sleep(0.2)
        started = time.monotonic()
        t.user("meanwhile")
        assert time.monotonic() - started < 0.3
        thread.join()

    assert isinstance(found[0], CompressResult)
    assert ["Σ", "meanwhile"] == [texts(t)[0], texts(t)[-1]]
    assert 4 == len(t.compile())


def test_another_process_may_commit_while_a_model_thinks(tmp_path: Path) -> None:
    with make_tract(path=tmp_path) as t:

        def answer(_: SummaryRequest) -> str:
            with Tract.open(tmp_path, tokenizer=Words(), durability="process") as other:
                other.user("meanwhile")
            return "Σ"

        t.compress(summariser=answer)

        assert ["Σ", "meanwhile"] == [texts(t)[0], texts(t)[-1]]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"generation_config": {"x": object()}}, "is not JSON"),
        ({"generation_config": {"temperature": float("nan")}}, "nan is not a number"),
        ({"generation_config": {"seed": 10**40}}, "64 bits"),
        ({"generation_config": {"api_key": "x"}}, "secret"),
        ({"generation_config": 5}, "not iterable"),
        ({"prompt": "\ud800"}, "surrogate"),
        ({"usage": 5}, "not iterable"),
    ],
)
def test_what_a_summariser_says_of_itself_and_cannot_be_kept_is_refused_and_forgotten(said: Any, problem: str) -> None:
    t = make_tract()
    answers = [
        Summary("Σ", **said),
        Summary("Σ", {"model": "m"}, {"input_tokens": 3, "output_tokens": 10**30, "cost": None}),
    ]

    with pytest.raises(CompressionError, match=problem):
        t.compress(summariser=lambda _: answers.pop(0))
    done = t.compress(summariser=lambda _: answers.pop(0))

    assert isinstance(done, CompressResult)
    assert ({"model": "m"}, {"input_tokens": 3}) == (done.parts[0].generation_config, done.parts[0].usage)


def test_a_text_that_cannot_be_kept_is_asked_for_again() -> None:
    t = make_tract()
    answers = ["\ud800", "Σ"]

    done = t.compress(summariser=lambda _: answers.pop(0))

    assert "Σ" == done.text


def test_another_model_does_not_go_on_with_the_pieces_of_the_last(llm_server: LLMServer) -> None:
    t = make_tract(200)
    llm_server.script("one", fail(400), "two", "three", "four")

    with make_client(llm_server) as client:
        with pytest.raises(LLMError):
            t.compress(summariser=llm_summariser(client, model="small"), window=500)
        asked = len(llm_server.requests())
        t.compress(summariser=llm_summariser(client, model="large"), window=500, force=True)

    assert {"large"} == {question.body["model"] for question in llm_server.requests()[asked:]}
    assert "two" not in texts(t)


def test_nobody_to_ask_is_an_error_of_the_configuration() -> None:
    t = make_tract()
    with pytest.raises(LLMConfigError, match="needs a model"):
        t.compress()
    with pytest.raises(ContentValidationError, match="summariser must be a function"):
        t.compress(summariser="gpt")  # type: ignore[arg-type]


# Checks and attempts


def test_a_missed_target_gives_the_shortest_and_says_so() -> None:
    summariser, asked = answers("a b c d e", "a b c", "a b c d")

    required = Requirements(words, target_tokens=2)
    found = checked_summary(summariser, request("x"), required)

    assert ("a b c", ()) == (found.text, required.errors(found.text))
    assert ("it has 3 tokens, and 2 were asked for",) == required.misses(found.text)
    assert [None, "a b c d e", "a b c"] == [one.previous for one in asked]


def test_what_lacks_a_fact_is_worse_than_what_is_too_long() -> None:
    summariser, _ = answers("short", "30 days and more words", "short")

    required = Requirements(words, target_tokens=1, must_keep=("30 days",))
    found = checked_summary(summariser, request("x"), required)

    assert ("30 days and more words", ()) == (found.text, required.errors(found.text))


def test_a_pattern_is_told_to_the_model_as_what_it_matches() -> None:
    summariser, asked = answers("within 30 days")

    checked_summary(
        summariser,
        request("you have 30 days"),
        Requirements(words, must_keep=(re.compile(r"\d+ days"), re.compile("zzz|days"))),
    )

    assert ("30 days", "days") == asked[0].must_keep


def test_usage_adds_up_over_the_attempts() -> None:
    left = iter([Summary("a b", usage={"input_tokens": 3, "model": "m"}), Summary("a", usage={"input_tokens": 4})])

    found = checked_summary(lambda _: next(left), request("x"), Requirements(words, target_tokens=1))

    assert ("a", {"input_tokens": 7}) == (found.text, found.usage)


def test_a_function_that_fails_is_named() -> None:
    def broken(_: SummaryRequest) -> str:
        raise KeyError("x")

    with pytest.raises(CompressionError, match="the summariser failed: KeyError: 'x'"):
        checked_summary(broken, request("x"), Requirements(words))
    with pytest.raises(CompressionError, match="no summary after 3 attempts: a summariser must answer"):
        checked_summary(lambda _: 3, request("x"), Requirements(words))  # type: ignore[arg-type,return-value]


def test_a_summariser_is_shown_three_messages_before_and_three_after() -> None:
    summariser, asked = answers("Σ")
    t = make_tract(12)

    t.compress(commits=[info.commit_hash for info in reversed(t.log(12))][5:7], summariser=summariser)

    before, after = ([str(one["content"]).split()[1] for one in side] for side in (asked[0].before, asked[0].after))
    assert (["2", "3", "4"], ["7", "8", "9"]) == (before, after)
