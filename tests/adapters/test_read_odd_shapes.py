"""Files as programs write them that differ in one respect from the usual: what they say is read, or told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tract.adapters.transcripts import Reading, read_transcript

JSON = Any


@pytest.fixture
def read(tmp_path: Path):
    """Reads a value, or several as lines."""

    def read_values(*values: JSON, format: str | None = None) -> Reading:
        path = tmp_path / "file.json"
        path.write_text("".join(f"{json.dumps(value)}\n" for value in values))
        return read_transcript(path, format=format)

    return read_values


def messages(reading: Reading) -> list[JSON]:
    """Roles and contents of the first line."""
    said = [turn.message for turn in reading.conversations[0].branches[0].turns]
    return [(message.get("role"), message.get("content")) for message in said]


def told(reading: Reading) -> list[tuple[int | None, str]]:
    return [(problem.line, problem.detail) for problem in reading.problems]


def notes(reading: Reading) -> list[str]:
    return [note.detail for note in reading.notes]


def picture(url: str) -> JSON:
    return {"type": "image_url", "image_url": {"url": url}}


# Claude Code


def record(uuid: str, parent: str | None, role: str, content: JSON) -> JSON:
    return {"uuid": uuid, "parentUuid": parent, "type": role, "message": {"role": role, "content": content}, "sessionId": "s"}  # fmt: skip


def test_pictures_that_were_pasted_while_claude_code_worked_are_said(read):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
    words = {"type": "text", "text": "Like this?"}
    shown = [
        {"uuid": uuid, "parentUuid": parent, "type": "attachment", "attachment": {"type": "queued_command", "prompt": prompt}, "sessionId": "s", "timestamp": time}
        for uuid, parent, prompt, time in (("q", "b", [words, image], "2026-01-01T00:00:01Z"), ("r", "q", [image], "2026-01-01T00:00:02Z"))
    ]  # fmt: skip

    reading = read(
        record("a", None, "user", "Draw tea."), record("b", "a", "assistant", "A cup."), *shown,
        {"type": "queue-operation", "operation": "enqueue", "content": [words], "sessionId": "s"},
        {"type": "queue-operation", "operation": "enqueue", "content": {"a": 1}, "sessionId": "s"},
        record("c", "r", "assistant", "Yes."),
    )  # fmt: skip

    assert [("user", "Draw tea."), ("assistant", "A cup."), ("user", [words, image]), ("user", [image]), ("assistant", "Yes.")] == messages(reading)  # fmt: skip
    assert ["typed while the model worked, and never handed to it: 'Like this?'"] == notes(reading)
    assert [6] == [line for line, _ in told(reading)]


# Codex

BEGINNING = {"timestamp": "2026-01-01T00:00:00Z", "type": "session_meta", "payload": {"id": "u", "cwd": "/"}}


def said(text: str, role: str = "user") -> JSON:
    kind = "input_text" if role == "user" else "output_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def of_type(type: str, payload: JSON) -> JSON:
    return {"timestamp": "2026-01-01T00:00:00Z", "type": type, "payload": payload}


def test_messages_of_another_program_in_a_rollout_are_each_told(read):
    reading = read(BEGINNING, of_type("response_item", said("Tea?")), {"role": "user", "content": "a"}, {"messages": [{"role": "user", "content": "b"}]})  # fmt: skip

    assert 1 == len(messages(reading))
    assert [(3, "no record of a rollout: an object with the keys 'role', 'content'"), (4, "no record of a rollout: an object with the keys 'messages'")] == told(reading)  # fmt: skip


def test_the_first_line_of_an_old_rollout_says_what_it_is_and_its_instructions_are_read(read):
    first = {"id": "u", "timestamp": "2025-06-01T00:00:00Z", "instructions": "Be brief."}

    reading = read(first, said("Tea?"), {"record_type": "state"}, said("Hot.", "assistant"))

    assert ("codex", [], ["system", "user", "assistant"]) == (reading.format, told(reading), [role for role, _ in messages(reading)])  # fmt: skip


def test_what_a_rollout_showed_or_summed_up_and_has_in_no_item_is_told(read):
    compacted = {"message": "It was hot.", "replacement_history": [said("Tea?"), "lost"]}
    thought, error = ({"type": "agent_reasoning_raw_content", "text": "Boil."}, {"type": "error", "message": "No quota."})  # fmt: skip

    reading = read(BEGINNING, of_type("response_item", said("Tea?")), of_type("compacted", compacted), of_type("event_msg", thought), of_type("event_msg", error))  # fmt: skip

    assert [(3, "payload.replacement_history: 1 of it are no objects")] == told(reading)
    assert ["It was hot.", "Boil.", "No quota."] == [note.rpartition(": ")[2].strip("'") for note in notes(reading)]


# The Gemini command line


def test_thoughts_of_a_gemini_session_are_whole_and_a_picture_that_a_tool_gave_is_told(read):
    response = {"functionResponse": {"id": "c", "name": "look", "response": {"output": "a cup"}}}
    image = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    call = {"id": "c", "name": "look", "args": {}, "status": "success", "result": [response, image]}
    nested = {"functionResponse": {**response["functionResponse"], "parts": [image]}}
    session = {"sessionId": "s", "projectHash": "h", "messages": [
        {"id": "1", "type": "user", "content": "Tea?"},
        {"id": "2", "type": "gemini", "content": "Hot.", "thoughts": "boil it"},
        {"id": "3", "type": "gemini", "content": "Yes.", "thoughts": [{"text": "surely"}]},
        {"id": "4", "type": "gemini", "content": "", "toolCalls": [call]},
    ]}  # fmt: skip

    reading = read(session)
    other = read({**session, "messages": [{"id": "4", "type": "gemini", "content": "", "toolCalls": [{**call, "result": [nested]}]}]})  # fmt: skip

    turns = reading.conversations[0].branches[0].turns
    assert ["boil it", "surely"] == [turn.message["reasoning_content"] for turn in turns[1:3]]
    for each in (reading, other):
        assert ["message '4': what a tool gave beside its text is only in the metadata"] == notes(each)


# OpenHands


def test_pictures_of_openhands_are_said_a_rejection_is_a_result_and_what_was_recalled_is_told(read):
    events = [
        {"id": 0, "source": "user", "action": "message", "args": {"content": "Tea?", "image_urls": ["data:,a"]}},
        {"id": 1, "source": "environment", "observation": "recall", "content": "added", "extras": {}},
        {"id": 2, "source": "agent", "action": "run", "args": {"command": "boil", "thought": ""}},
        {"id": 3, "source": "user", "observation": "user_rejected", "content": "No.", "cause": 2},
    ]

    reading = read(events)

    assert [("user", [{"type": "text", "text": "Tea?"}, picture("data:,a")]), ("assistant", None), ("tool", "No.")] == messages(reading)  # fmt: skip
    assert ["what the program recalled for the model is left out"] == notes(reading)


# aider


def test_a_byte_order_mark_does_not_hide_the_first_chat_of_aiders(tmp_path: Path):
    path = tmp_path / ".aider.chat.history.md"
    chat = "# aider chat started at 2026-01-01 00:00:00\n\n#### Tea?  \n\nHot.\n"
    path.write_bytes(b"\xef\xbb\xbf" + chat.encode() + chat.replace("Hot", "Cold").encode())

    reading = read_transcript(path)

    assert ["Hot.", "Cold."] == [one.branches[0].turns[1].message["content"] for one in reading.conversations]
