"""Reading what providers say a call cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from tract.errors import ContentValidationError
from tract.tokens.usage import TokenUsage, counted_tokens, read_usage, usage_body, usage_of

OPENAI = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920},
}
RESPONSES = {
    "input_tokens": 328,
    "input_tokens_details": {"cached_tokens": 28},
    "output_tokens": 52,
    "output_tokens_details": {"reasoning_tokens": 0},
}
ANTHROPIC = {
    "input_tokens": 50,
    "cache_read_input_tokens": 1000,
    "cache_creation_input_tokens": 248,
    "output_tokens": 503,
}
GEMINI = {
    "prompt_token_count": 1000,
    "cached_content_token_count": 800,
    "candidates_token_count": 40,
    "thoughts_token_count": 60,
    "total_token_count": 1100,
}
GEMINI_REST = {
    "promptTokenCount": 1000,
    "cachedContentTokenCount": 800,
    "candidatesTokenCount": 40,
    "thoughtsTokenCount": 60,
    "toolUsePromptTokenCount": 7,
}
LANGCHAIN = {
    "input_tokens": 350,
    "output_tokens": 240,
    "total_tokens": 590,
    "input_token_details": {"audio": 10, "cache_creation": 200, "cache_read": 100},
    "output_token_details": {"audio": 10, "reasoning": 200},
}
PYDANTIC_AI = {
    "input_tokens": 500,
    "cache_write_tokens": 20,
    "cache_read_tokens": 400,
    "output_tokens": 30,
    "input_audio_tokens": 0,
    "details": {"reasoning_tokens": 5},
}
OTEL = {
    "gen_ai.usage.input_tokens": 9,
    "gen_ai.usage.output_tokens": 2,
    "gen_ai.usage.cache_read.input_tokens": 4,
    "gen_ai.usage.cache_creation.input_tokens": 1,
}


@pytest.mark.parametrize(
    ("given", "figures"),
    [
        (OPENAI, (2006, 300, 1920, 0)),
        (RESPONSES, (328, 52, 28, 0)),
        (ANTHROPIC, (1298, 503, 1000, 248)),
        (OTEL, (9, 2, 4, 1)),
        (GEMINI, (1000, 100, 800, 0)),
        (GEMINI_REST, (1007, 100, 800, 0)),
        ({"prompt_token_count": 5, "candidates_token_count": None, "promptTokenCount": None}, (5, 0, 0, 0)),
        (LANGCHAIN, (350, 240, 100, 200)),
        ({**LANGCHAIN, "input_token_details": {}}, (350, 240, 0, 0)),
        (PYDANTIC_AI, (500, 30, 400, 20)),
        ({"input_tokens": 5, "output_tokens": 2}, (5, 2, 0, 0)),
        ({"prompt_tokens": 5, "completion_tokens": None, "prompt_tokens_details": None}, (5, 0, 0, 0)),
        ({"input_tokens": 5, "cache_read_input_tokens": None}, (5, 0, 0, 0)),
    ],
)
def test_every_providers_usage_is_read_and_kept(given, figures):
    usage = read_usage(given)

    assert figures == (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_creation_tokens)
    assert given == usage.original


def test_an_sdks_own_object_is_read():
    assert 2006 == read_usage(SimpleNamespace(model_dump=lambda **_: OPENAI)).input_tokens


def test_a_dataclass_is_read():
    @dataclass
    class RequestUsage:
        input_tokens: int = 500
        cache_write_tokens: int = 20
        cache_read_tokens: int = 400
        output_tokens: int = 30
        details: dict[str, int] = field(default_factory=dict)

    usage = read_usage(RequestUsage())

    assert (500, 30, 400, 20) == (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_creation_tokens,
    )


def test_a_note_gives_the_usage_back_under_the_standards_names():
    usage = read_usage(ANTHROPIC)

    body = usage_body(usage, answer=True, counter="words", estimate=7)

    assert usage == usage_of(body)
    assert set(OTEL) <= set(body)
    assert (1298 + 503, 1298) == (counted_tokens(body), counted_tokens({**body, "answer": False}))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "unknown shape \\(keys: none\\)"),
        ({"tokens": 1, "cost": 2}, "unknown shape \\(keys: (tokens, cost|cost, tokens)\\)"),
        ([], "not list"),
        ({"cache_read_input_tokens": 5}, "input_tokens is missing"),
        ({"prompt_tokens": None}, "prompt_tokens is missing"),
        ({"prompt_tokens": -1}, "prompt_tokens must be a number of tokens, not -1"),
        ({"prompt_tokens": 1.0}, "not 1.0"),
        ({"prompt_token_count": None}, "prompt_token_count is missing"),
        ({**GEMINI, "thoughts_token_count": -1}, "thoughts_token_count must be a number of tokens, not -1"),
        ({**GEMINI_REST, "candidatesTokenCount": "40"}, "candidatesTokenCount must be"),
        ({**LANGCHAIN, "input_tokens": None}, "input_tokens is missing"),
        ({**LANGCHAIN, "input_token_details": {"cache_read": -5}}, "cache_read must be"),
        ({**LANGCHAIN, "input_token_details": [1]}, "input_token_details must be a dict"),
        ({"cache_read_tokens": 5}, "input_tokens is missing"),
        ({**PYDANTIC_AI, "cache_write_tokens": -1}, "cache_write_tokens must be"),
        ({**PYDANTIC_AI, "input_tokens": True}, "input_tokens must be"),
        ({"prompt_tokens": 2**60}, "prompt_tokens"),
        ({"prompt_tokens": 1, "more": float("nan")}, "usage: .* at more: nan"),
    ],
)
def test_usage_that_makes_no_sense_is_refused(given, problem):
    with pytest.raises(ContentValidationError, match=problem):
        read_usage(given)


def test_a_usage_made_by_hand_is_checked():
    with pytest.raises(ContentValidationError, match="output_tokens"):
        TokenUsage(1, -1)
