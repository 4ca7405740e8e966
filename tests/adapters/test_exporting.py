"""Exports: what another program reads is what the context is, in a new file of its own."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.making import make_tract
from tract import ContentValidationError, ExportError, Tract
from tract.adapters.exporting import EXPORT_FORMATS, session_place
from tract.adapters.exporting.sessions import project_key
from tract.adapters.importing import import_conversation
from tract.adapters.transcripts import read_transcript
from tract.objects.json import parse_json

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at":1}'}}
TALK: list[dict[str, Any]] = [
    {"role": "user", "content": "How hot is tea?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "90"},
    {"role": "assistant", "content": "Hot."},
    {"role": "user", "content": "Sure?"},
]
BACK = ("openai", "responses", "anthropic", "gemini", "claude-code", "codex", "gemini-cli", "jsonl", "sharegpt")


def talk(*more: dict[str, Any]) -> Tract:
    t = make_tract()
    t.extend([*more, *TALK])
    return t


def said(t: Tract) -> list[Any]:
    """Role and text of each message, calls and results by name: what is the same in every format."""
    found: list[Any] = []
    for message in t.compile().to_openai():
        content = message.get("content")
        text = content if isinstance(content, str) or content is None else "".join(part["text"] for part in content)
        role = "system" if message["role"] == "developer" else message["role"]
        if text:
            found.append((role, text))
        found += [("call", c["function"]["name"], json.loads(c["function"]["arguments"])) for c in message.get("tool_calls") or ()]  # fmt: skip
    return found


def imported(path: Path) -> Tract:
    t = make_tract()
    reading = read_transcript(path)
    assert reading.problems == ()
    import_conversation(t.repository, reading.conversations[0], place="here")
    return t


@pytest.mark.parametrize("arguments", ["[" * 100_000, '{"at": NaN}', "9" * 5000], ids=["deep", "no number", "long"])
@pytest.mark.parametrize("format", BACK)
def test_arguments_that_are_no_json_are_exported_as_a_text(format, arguments):
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": arguments}}
    t = make_tract("hi")
    t.extend([{"role": "assistant", "content": None, "tool_calls": [call]}])

    text = t.export(format=format).text

    lines = text.splitlines() if format in ("jsonl", "claude-code", "codex") else [text]
    items = [item for line in lines for item in _strings(parse_json(line))]
    assert any(arguments in item for item in [*items, *(str(parse_json(item)) for item in items if '"name"' in item)])


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        return [text for one in (value.values() if isinstance(value, dict) else value) for text in _strings(one)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("format", BACK)
def test_an_import_of_an_export_is_the_same_context(tmp_path, format):
    t = talk()
    name = f"out.{'jsonl' if format in ('jsonl', 'claude-code', 'codex') else 'json'}"

    exported = t.export(tmp_path / name, format=format)

    assert said(t) == said(imported(tmp_path / name))
    assert exported.messages == len(TALK)
    assert exported.text == (tmp_path / name).read_text()


def test_what_was_curated_is_what_is_exported(tmp_path):
    t = talk()
    t.edit("HEAD:4", {"role": "assistant", "content": "Lukewarm."})
    t.annotate("HEAD:5", "skip")

    t.export(tmp_path / "out.jsonl", format="claude-code")

    assert ("assistant", "Lukewarm.") == said(imported(tmp_path / "out.jsonl"))[-1]


def test_instructions_go_where_the_format_has_them_or_are_told(tmp_path):
    t = talk({"role": "system", "content": "Be brief."})

    losses = {format: t.export(format=format).losses for format in EXPORT_FORMATS}

    assert {format for format, told in losses.items() if any("instructions" in one for one in told)} == {
        "claude-code",
        "codex",
        "gemini-cli",
    }
    t.export(tmp_path / "out.jsonl", format="codex")
    assert ("system", "Be brief.") == said(imported(tmp_path / "out.jsonl"))[0]


def test_a_file_is_new_and_its_owners_alone(tmp_path):
    t = talk()
    path = tmp_path / "deep" / "out.json"

    t.export(path, format="openai")

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    with pytest.raises(ExportError, match="exists already, and is never overwritten"):
        t.export(path, format="openai")


def test_each_session_is_a_new_one():
    t = talk()

    one, other = (t.export(format="claude-code") for _ in range(2))

    assert one.session_id != other.session_id
    records = [json.loads(line) for line in one.text.splitlines()]
    assert {one.session_id} == {record["sessionId"] for record in records}
    assert [None, *(record["uuid"] for record in records[:-1])] == [record["parentUuid"] for record in records]
    answers = [record["message"] for record in records if record["type"] == "assistant"]
    assert len(answers) == len({message["id"] for message in answers})
    assert all(message["model"] and isinstance(message["content"], list) for message in answers)
    assert sorted(record["timestamp"] for record in records) == [record["timestamp"] for record in records]


def test_a_rollout_begins_with_its_session():
    first, *items = [json.loads(line) for line in talk().export(format="codex").text.splitlines()]

    assert {"id", "timestamp", "cwd", "originator", "cli_version"} == first["payload"].keys()
    assert ["message", "function_call", "function_call_output", "message", "message"] == [
        item["payload"]["type"] for item in items
    ]


def test_markdown_has_every_message_under_its_number():
    text = talk().export(format="markdown").text

    assert "## 1 user\n\nHow hot is tea?\n" in text
    assert "## 4 assistant\n\nHot.\n" in text


def test_an_unknown_format_is_refused():
    with pytest.raises(ContentValidationError, match="unknown format 'word'; known are openai"):
        talk().export(format="word")


def test_a_session_goes_where_its_program_looks():
    assert "/c/projects/-w-my-app/id.jsonl" == session_place("claude-code", "id", "/w/my.app", "/h", {"CLAUDE_CONFIG_DIR": "/c"})  # fmt: skip
    assert session_place("codex", "id", "/w", "/h", {}).startswith("/h/.codex/sessions/")
    assert "/w/gemini-session-id.json" == session_place("gemini-cli", "id", "/w", "/h", {})
    long = project_key("/" + "x" * 300)
    assert long.startswith("-" + "x" * 199 + "-")
    assert len(long) < 215


def test_a_session_that_went_on_in_its_program_comes_back_behind_what_was_exported(tmp_path):
    t = talk()
    t.edit("HEAD:4", {"role": "assistant", "content": "Lukewarm."})
    path = tmp_path / "session.jsonl"
    t.export(path, format="claude-code")
    last = json.loads(path.read_text().splitlines()[-1])
    more = {"type": "assistant", "uuid": "new-1", "parentUuid": last["uuid"], "sessionId": last["sessionId"]}
    message = {"id": "m", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "Quite."}]}
    path.write_text(path.read_text() + json.dumps({**more, "message": message}) + "\n")

    first = t.import_transcript(path)
    again = t.import_transcript(path)

    assert [("main", 1), ("main", 0)] == [(b.name, b.messages) for r in (first, again) for b in r.branches]
    assert [("assistant", "Lukewarm."), ("user", "Sure?"), ("assistant", "Quite.")] == said(t)[-3:]
    assert 6 == len(t.compile())


def named_call(id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize("format", ["gemini-cli", "sharegpt"])
def test_what_a_format_of_texts_has_no_place_for_is_a_loss_and_refusals_stay(format):
    t = make_tract()
    t.extend([
        {"role": "user", "name": "Ann", "content": "How hot?"},
        {"role": "assistant", "content": "90.", "reasoning_content": "boil"},
        {"role": "user", "content": "And milk?"},
        {"role": "assistant", "content": None, "refusal": "Never."},
    ])  # fmt: skip

    exported = t.export(format=format)

    assert "Never." in exported.text
    assert {"the 'name' of a message", "the 'reasoning_content' of a message", "that an answer is a refusal"} <= set(exported.losses)  # fmt: skip


@pytest.mark.parametrize("format", ["gemini-cli", "sharegpt"])
def test_calls_of_every_kind_and_their_results_come_back(format, tmp_path):
    t = make_tract()
    custom = {"id": "c", "type": "custom", "custom": {"name": "draw", "input": "a cup"}}
    t.extend([
        {"role": "user", "content": "How hot?"},
        {"role": "assistant", "content": None, "function_call": {"name": "thermo", "arguments": '{"cup":1}'}},
        {"role": "function", "name": "thermo", "content": "90"},
        {"role": "assistant", "content": None, "tool_calls": [named_call("a", "look", "[1]"), named_call("b", "taste", "{}"), custom]},
        {"role": "tool", "tool_call_id": "b", "content": "sweet"},
        {"role": "tool", "tool_call_id": "c", "content": "drawn"},
        {"role": "tool", "tool_call_id": "a", "content": "red"},
    ])  # fmt: skip

    t.export(str(tmp_path / "file.json"), format=format)

    listed = imported(tmp_path / "file.json").compile().to_openai()
    calls = [call for one in listed for call in one.get("tool_calls") or ()]
    made = {call["id"]: (call["function"]["name"], call["function"]["arguments"].replace(" ", "")) for call in calls}
    answered = [(*made[one["tool_call_id"]], one["content"]) for one in listed if one["role"] == "tool"]
    look, draw = ('{"input":"[1]"}', '{"input":"acup"}') if format == "gemini-cli" else ("[1]", "acup")
    assert [("thermo", '{"cup":1}', "90"), ("look", look, "red"), ("taste", "{}", "sweet"), ("draw", draw, "drawn")] == answered  # fmt: skip


def test_that_a_call_has_no_result_yet_is_a_loss_of_gemini_s_session():
    t = make_tract()
    t.extend(TALK[:2])

    assert "that a call has no result yet: it has an empty one" in t.export(format="gemini-cli").losses


def test_pictures_are_a_loss_of_markdown():
    t = make_tract()
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    t.extend([{"role": "user", "content": [{"type": "text", "text": "Like this?"}, picture]}])

    assert ("a part of type 'image_url'",) == t.export(format="markdown").losses
