"""What looks like a key is found by its name or its form, and what a model's settings are full of is not."""

from __future__ import annotations

from typing import Any

import pytest

from tract.writing.credentials import find_credential

KEY = "sk-" + "4" * 24


@pytest.mark.parametrize(
    "name",
    [
        *("api_key", "apiKey", "apikey", "OPENAI_API_KEY", "openaiApiKey", "x-goog-api-key", "aws_secret_access_key"),
        *("Authorization", "auth", "bearer", "token", "azure_ad_token", "accessToken", "client_secret", "db_password"),
        *("Set-Cookie", "credentials"),
    ],
)
def test_a_name_tells_a_credential(name: str) -> None:
    assert name == find_credential({"model": "m", "extra": [{"headers": {name: "k"}}]})


@pytest.mark.parametrize(
    "value",
    [
        *(KEY, f"key={KEY}", "Bearer 12345678", "Basic dXNlcjpwYXNz", "https://user:password@example.org/v1"),
        *("AIza" + "x" * 35, "gsk_" + "x" * 40, "ghp_" + "x" * 36, "AKIA" + "X" * 16),
    ],
)
def test_a_form_tells_a_credential_under_any_name(value: str) -> None:
    assert "what" == find_credential({"what": ["a", value]})


def test_headers_may_be_a_list_of_pairs() -> None:
    assert "Authorization" == find_credential({"default_headers": [["Accept", "*/*"], ["Authorization", "k"]]})


@pytest.mark.parametrize(
    "config",
    [
        {"max_tokens": 5, "max_completion_tokens": 5, "eos_token": "</s>", "pad_token": "<pad>", "token_type": "a"},
        {"stop": ["password", "token:"], "prompt_cache_key": "k", "seed_key": "s", "author": "me", "authority": "x"},
        {"base_url": "https://example.org:8080/v1?a=b@c", "model": "sk-small", "system": "never ask for a password"},
        {"api_key": None, "token": 5, "auth": False, "secret": ""},
        {"logit_bias": {"50256": -100}, "tools": [{"type": "function", "function": {"name": "get_auth"}}]},
        {},
        None,
    ],
)
def test_settings_are_no_credentials(config: Any) -> None:
    assert find_credential(config) is None
