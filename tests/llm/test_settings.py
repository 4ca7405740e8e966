"""Keys, addresses and limits, refused before anything is sent; and keys that nobody gets to see."""

from __future__ import annotations

import logging
import traceback

import pytest

from tests.llm.asking import KEY, ask, every_protocol, every_way, make_client
from tests.llm.server import fail
from tract.errors import LLMConfigError, LLMError, TractError
from tract.llm.client_settings import Limits, Secrets
from tract.llm.clients import AnthropicClient, OpenAIClient
from tract.llm.failure import read_retry_after, wait_before_repeating

CLIENTS = [(OpenAIClient, "OPENAI_API_KEY"), (AnthropicClient, "ANTHROPIC_API_KEY")]


@pytest.mark.parametrize(("client", "variable"), CLIENTS)
def test_a_missing_key_names_its_variable(client, variable, monkeypatch):
    monkeypatch.delenv(variable, raising=False)

    with pytest.raises(LLMConfigError, match=f"'{variable}' is not set"):
        client()


@pytest.mark.parametrize(("protocol", "variable"), [("openai", "OPENAI_API_KEY"), ("anthropic", "ANTHROPIC_API_KEY")])
def test_the_key_may_come_from_the_environment(protocol, variable, llm_server, monkeypatch):
    monkeypatch.setenv(variable, f"{KEY}\n")

    ask("chat", make_client(protocol, llm_server, api_key=None))

    headers = llm_server.requests()[0].headers
    assert KEY in (headers.get("authorization", "").removeprefix("Bearer "), headers.get("x-api-key"))


def test_the_address_may_come_from_the_environment(llm_server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", f"{llm_server.url}/?api-version=1")

    with OpenAIClient(KEY) as client:
        client.chat([{"role": "user", "content": "Well?"}])

    assert "/v1/chat/completions?api-version=1" == llm_server.requests()[0].path


@pytest.mark.parametrize("key", ["sk-a\nb", "sk-ü", "sk a", "sk-\x00"])
@pytest.mark.parametrize("client", [OpenAIClient, AnthropicClient])
def test_a_key_that_cannot_be_sent_is_refused_unseen(client, key):
    with pytest.raises(LLMConfigError, match="the api key has a character that cannot be sent, at place") as caught:
        client(key)

    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("ftp://example.org", "must begin with http:// or https://"),
        ("example.org/v1", "must begin with http:// or https://"),
        ("http://", "must begin with http:// or https://"),
        ("", "must begin with http:// or https://"),
        ("http://a\n.org", "base_url is not an address"),
        ("http://example.org:65536", "names a port that does not exist: 'http://example.org:65536'"),
        (f"http://{'a' * 64}.org", "base_url is not an address"),
        ("https://user:hunter22@example.org", "must not hold a user or a password: 'https://example.org'"),
        ("https://example.org/v1#x", "must not have a fragment"),
    ],
)
def test_an_address_that_is_none_is_refused(url, complaint):
    with pytest.raises(LLMConfigError, match=complaint) as caught:
        OpenAIClient(KEY, url)

    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"timeout": 0},
        {"timeout": "5"},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"read_timeout": -1},
        {"max_retries": -1},
        {"max_retries": 1.5},
        {"backoff": -1},
        {"max_wait": None},
        {"max_bytes": 0},
        {"headers": {"bad name": "x"}},
        {"headers": {"x": "a\r\nb: c"}},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(LLMConfigError):
        OpenAIClient(KEY, **settings)


@every_protocol
@every_way
@pytest.mark.parametrize("model", ["401", "429", "500", "cut-headers", "html", "hello"])
def test_the_key_is_never_shown(protocol, way, model, llm_server, caplog):
    caplog.set_level(logging.DEBUG)
    echo = fail(500, f'{{"error": {{"message": "you sent {KEY} and other-secret-1"}}}}')
    llm_server.script(echo)
    client = make_client(protocol, llm_server, headers={"x-also": "other-secret-1"})
    shown = [repr(client), str(client)]

    try:
        shown.append(repr(ask(way, client, model=model)))
    except TractError as exc:
        shown += ["".join(traceback.format_exception(exc)), repr(exc), repr(exc.args), repr(vars(exc))]

    assert 2 == len(llm_server.requests())
    for text in [*shown, caplog.text]:
        assert KEY not in text
        assert "other-secret-1" not in text


def test_a_key_that_a_provider_repeats_is_hidden():
    secrets = Secrets(['sk-"quoted"', ""])

    assert "you sent *** and ***" == secrets.excerpt('you sent sk-"quoted" and sk-\\"quoted\\"')
    assert "Secrets(…)" == repr(secrets)


def test_what_a_provider_says_is_shown_as_one_short_line():
    shown = Secrets([]).excerpt("\x1b[31mred\nand " + "long " * 100)

    assert shown.startswith("[31mred and long ")
    assert 200 == len(shown)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "Sun, 06 Nov 1994 08:50:37 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 60.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:00 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers, seconds):
    assert seconds == read_retry_after(headers)


def test_waits_double_at_most_and_are_never_over_the_longest():
    limits = Limits(timeout=600, read_timeout=60, max_retries=9, backoff=0.5, max_wait=4)

    for attempt, most in enumerate([0.5, 1, 2, 4, 4, 4], start=1):
        waits = [wait_before_repeating(LLMError("x"), attempt, limits) for _ in range(50)]
        assert 0 <= min(waits)
        assert max(waits) <= most
        assert len(set(waits)) > 1
