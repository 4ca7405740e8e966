"""Secrets on the way in: listed with where they are, replaced or refused, in what is recorded live; nothing is changed unless asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.llm.asking import KEY
from tests.llm.server import llm_process, llm_server  # noqa: F401  # fixtures
from tests.making import make_tract
from tract import ConfigError, ContentValidationError, RecordWarning, Tract, TractConfig, wrap
from tract.adapters.hooks.running import last_failure, record_event
from tract.adapters.hooks.sessions import HookEvent, record_session
from tract.adapters.scanning import find_in_conversation, without_secrets
from tract.adapters.transcripts import Branch, Child, Conversation, Turn

SECRET = "AKIAIOSFODNN7EXAMPL2"
MESSAGES = [{"role": "user", "content": f"Use {SECRET}."}, {"role": "assistant", "content": "I will."}]
MARK = "Use [secret: AWS access key id]."


def scanning(scan: Any) -> Tract:
    return make_tract(config=TractConfig(record_scan=scan))


def holds(t: Tract, text: str = SECRET) -> bool:
    objects = t.repository.objects
    return any(text.encode() in objects.read(id).payload for id, _ in objects.ids())


def test_nothing_is_looked_for_unless_asked():
    t = make_tract()

    assert () == t.record(MESSAGES).warnings
    assert MESSAGES == t.compile().to_openai()


def test_what_is_listed_is_recorded_as_it_is():
    t = scanning("list")

    (told,) = t.record(MESSAGES).warnings

    assert "message 1, content: what looks like a secret (AWS access key id: AKIA… (20 characters))" == told
    assert SECRET not in told
    assert MESSAGES == t.compile().to_openai()


@pytest.mark.parametrize("format", ["openai", "anthropic"])
def test_what_is_replaced_is_nowhere_in_the_store_and_is_known_again(format):
    t = scanning("replace")

    first = t.record(MESSAGES, format=format, request={"model": "m", "tools": [{"description": SECRET}]})
    again = t.record([*MESSAGES, {"role": "user", "content": "more"}], format=format)

    assert ("appended", "appended", 1) == (first.kind, again.kind, len(again.commits))
    assert MARK == t.compile().messages[0].content
    assert not holds(t)


def test_what_is_refused_leaves_nothing():
    t = scanning("refuse")

    with pytest.raises(
        ContentValidationError, match=r"nothing is recorded: message 1, content: .*AWS access key id"
    ) as caught:
        t.record(MESSAGES)

    assert SECRET not in str(caught.value)
    assert t.head is None
    assert "appended" == t.record(MESSAGES[1:]).kind


def test_a_setting_that_makes_no_sense_is_refused():
    with pytest.raises(ConfigError, match="record_scan must be one of list, replace, refuse, not 'hide'"):
        TractConfig(record_scan="hide")


@pytest.mark.parametrize("scan", ["replace", "refuse"])
def test_a_wrapped_client_is_scanned_and_its_caller_never_disturbed(llm_server, scan):  # noqa: F811
    openai = pytest.importorskip("openai")
    llm_server.script("Hot.")
    t = scanning(scan)
    client = wrap(openai.OpenAI(api_key=KEY, base_url=llm_server.url, max_retries=0), t)

    def ask() -> Any:
        return client.chat.completions.create(model="m", messages=MESSAGES[:1])

    if scan == "refuse":
        with pytest.warns(RecordWarning, match="nothing is recorded"):
            made = ask()
    else:
        made = ask()

    assert "Hot." == made.choices[0].message.content
    assert SECRET in llm_server.requests()[0].messages[0]["content"]
    assert (2 if scan == "replace" else 0) == len(t.compile().messages)
    assert not holds(t)


def session(path: Path, count: int) -> None:
    lines = []
    for n in range(count):
        message = {"role": "user", "content": f"{n} {SECRET}" if n == 2 else f"{n}"}
        lines.append({"type": "user", "uuid": f"u{n}", "parentUuid": f"u{n - 1}" if n else None, "sessionId": "s", "timestamp": "2026-01-01T00:00:00Z", "message": message})  # fmt: skip
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))


@pytest.mark.parametrize(("scan", "count"), [("list", 4), ("replace", 4), ("refuse", 2)])
def test_hooks_do_as_the_settings_say(tmp_path, scan, count):
    Tract.open(tmp_path, config=TractConfig(record_scan=scan)).close()
    path, store = tmp_path / "s.jsonl", str(tmp_path / ".tract")
    event = json.dumps({"session_id": "live", "transcript_path": str(path), "hook_event_name": "Stop"})

    for end in (2, 3, 4):
        session(path, end)
        record_event(store, "claude-code", event, {})

    with Tract.open(tmp_path, tract_id="live") as t:
        assert count == len(t.compile().messages)
        assert (scan == "list") == holds(t)
    told = last_failure(store)
    assert told is not None
    assert "line 3" in told
    assert SECRET not in told


def test_what_a_call_of_a_hook_asks_goes_before_the_settings(tmp_path):
    path = tmp_path / "s.jsonl"
    session(path, 3)

    with Tract.open(tmp_path, config=TractConfig(record_scan="list")) as t:
        done = record_session(t.repository, HookEvent("live", str(path), "Stop"), "claude-code", scan="replace")
        assert not holds(t)

    assert 1 == len(done.secrets)


def test_a_secret_in_a_name_a_purpose_a_setting_or_a_usage_is_found_and_replaced():
    turn = Turn({"role": "assistant", "content": "Hot."}, "openai", config={"model": SECRET}, usage={"input_tokens": 1, "note": SECRET})  # fmt: skip
    child = Child(Conversation("agent", ()), f"use {SECRET}", None)
    conversation = Conversation(f"chat {SECRET}", (Branch("main", (turn,)),), title=f"my {SECRET}", children=(child,))

    found = [problem.detail.partition(":")[0] for problem in find_in_conversation(conversation)]
    clean = without_secrets(conversation)

    assert ["title of the conversation", "name of the conversation", "purpose of a sub-agent"] == found
    assert SECRET not in str(clean)
    assert ("chat [secret: AWS access key id]", 1) == (clean.name, clean.branches[0].turns[0].usage["input_tokens"])


def test_secrets_that_are_keys_of_an_object_are_told_and_replaced():
    other = "AKIAIOSFODNN7EXAMPL3"
    message = {"role": "user", "content": [{"type": "text", "text": "a", "limits": {SECRET: 1, other: 2}}]}
    t = scanning("replace")

    warnings = t.record([message]).warnings

    assert ["message 1, a key of content.0.limits: what looks like a secret (AWS access key id: AKIA… (20 characters))"] * 2 == list(warnings)  # fmt: skip
    mark = "[secret: AWS access key id]"
    assert [{mark: 1, f"{mark} 2": 2}] == [one["limits"] for one in t.compile().messages[0].raw["content"]]
    assert not holds(t)
    assert not holds(t, other)
