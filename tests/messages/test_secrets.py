"""What looks like a key, a token or a password."""

from __future__ import annotations

import random
import string
import time

import pytest

from tract.messages.secrets import find_secrets, secrets_in

WORD = "".join(random.Random(7).choices(string.ascii_letters + string.digits, k=48))
HEX = "3fa9c1d2e4b5a6978899aabbccddeeff"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("AWS access key id", "AKIAIOSFODNN7QWERTYU"),
        ("Anthropic key", f"sk-ant-api03-{WORD}"),
        ("OpenAI key", f"sk-proj-{WORD}"),
        ("OpenAI key", f"sk-{WORD}"),
        ("GitHub token", f"ghp_{WORD[:36]}"),
        ("Google API key", f"AIza{WORD[:35]}"),
        ("Slack token", f"xoxb-{WORD[:30]}"),
        ("private key", "-----BEGIN RSA PRIVATE KEY-----"),
        ("private key", "-----BEGIN PRIVATE KEY-----"),
        ("JSON web token", f"eyJ{WORD[:20]}.eyJ{WORD[:30]}.{WORD[:20]}"),
        ("private key", "-----BEGIN PGP PRIVATE KEY BLOCK-----"),
        ("Google OAuth client secret", f"GOCSPX-{WORD[:28]}"),
        ("Groq key", f"gsk_{WORD}"),
        ("xAI key", f"xai-{WORD}{WORD[:32]}"),
        ("Replicate token", f"r8_{WORD[:37]}"),
        ("Perplexity key", f"pplx-{WORD}"),
        ("DigitalOcean token", f"dop_v1_{HEX}{HEX}"),
        ("Databricks token", f"dapi{HEX}"),
        ("Shopify token", f"shpat_{HEX}"),
        ("Linear key", f"lin_api_{WORD[:40]}"),
        ("Notion token", f"ntn_{WORD[:46]}"),
        ("Grafana token", f"glsa_{WORD[:32]}_{HEX[:8]}"),
        ("Postman key", f"PMAK-{HEX[:24]}-{HEX}{HEX[:2]}"),
        ("Vault token", f"hvs.{WORD}"),
        ("Docker token", f"dckr_pat_{WORD[:27]}"),
        ("New Relic key", f"NRAK-{WORD[:27].upper()}"),
        ("Telegram bot token", f"7392645178:AA{WORD[:33]}"),
        ("Twilio key", f"SK{HEX}"),
        ("Mailgun key", f"key-{HEX}"),
        ("Slack app token", f"xapp-1-A0B1C2D3E4F-7392645178204-{HEX}{HEX}"),
        ("password in an address", "postgres://ann:hunter22!x@db.internal/prod"),
        ("password in an address", "redis://:hunter22!x@cache:6379/0"),
        ("named secret", f'AWS_SECRET_ACCESS_KEY="{WORD[:40]}"'),
        ("named secret", f"password: {WORD[:20]}"),
        ("authorization", f"Authorization: Bearer {WORD}"),
    ],
)
def test_a_secret_is_found_wherever_it_stands(kind: str, text: str) -> None:
    found = find_secrets(f"some words before, {text} and after")

    assert [kind] == [one.kind for one in found]


@pytest.mark.parametrize(
    "text",
    [
        "the token count is 1234567890123456789",
        "sk-your-key-goes-here-please",
        "sk-learn-compatible-estimator-pipeline",
        "AKIAIOSFODNN7EXAMPLE",
        "password: ****************",
        "api_key = os.environ['OPENAI_API_KEY']",
        "token: the_name_of_a_long_variable",
        "commit 3fa9c1d2e4b5a6978899aabbccddeeff00112233",
        "secret sauce of a good recipe",
        "postgres://localhost/db",
        "https://example.com:8080/path",
    ],
)
def test_what_only_looks_like_one_is_not(text: str) -> None:
    assert [] == find_secrets(text)


def test_values_are_looked_through_and_nothing_of_a_secret_but_its_beginning_is_shown() -> None:
    value = {"message": {"content": [{"text": "hello"}, {"text": f"it is ghp_{WORD[:36]}"}], "api_key": WORD[:30]}}

    found = list(secrets_in(value))

    assert {("GitHub token", "message.content.1.text"), ("named secret", "message.api_key")} == {
        (one.kind, one.path) for one in found
    }
    assert all(WORD[5:20] not in one.shown for one in found)


KEY_BODY = f"{WORD}AAAAAAxxx0123456\n{WORD}\nabc=\n"


@pytest.mark.parametrize(
    "key",
    [
        f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AB\n\n{KEY_BODY}-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nComment: (Ann) <ann@a>\n\n{KEY_BODY}-----END PGP PRIVATE KEY BLOCK-----",
        f"-----BEGIN PRIVATE KEY-----\n{WORD}\n{WORD}",
    ],
    ids=["whole", "block", "cut off"],
)
def test_a_private_key_is_found_to_its_end(key: str) -> None:
    for text in (key, key.replace("\n", "\\n")):
        (found,) = find_secrets(f"before {text}, and after")

        assert ("private key", text) == (found.kind, f"before {text}, and after"[found.start : found.end])


def test_words_behind_the_first_line_of_a_private_key_are_none() -> None:
    (found,) = find_secrets("-----BEGIN PRIVATE KEY----- is how it begins.")

    assert 27 == found.end


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300_000,
        "secret=" * 40_000,
        "eyJ" * 100_000,
        "x://" * 70_000,
        "token " * 50_000,
        "-----BEGIN PRIVATE KEY-----a-" * 10_000,
    ],
)
def test_a_long_text_takes_time_in_proportion(text: str) -> None:
    began = time.process_time()
    find_secrets(text)

    assert time.process_time() - began < 3
