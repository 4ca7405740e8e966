"""OpenAI, Responses and Anthropic conversations, in every shape a file may have them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tract.adapters.transcripts import Conversation, read_transcript

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
USER = {"role": "user", "content": "what is 2+2?"}
ANSWER = {"role": "assistant", "content": "4"}
TOOL_USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 2}}]}
TOOL_RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "4"}]}
CALL = {"type": "function_call", "call_id": "c1", "name": "add", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "4"}


@pytest.fixture
def write(tmp_path: Path):
    def write_file(name: str, value: object) -> Path:
        path = tmp_path / name
        lines = value if name.endswith(".jsonl") else [value]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return path

    return write_file


def messages_of(conversation: Conversation) -> list[dict]:
    (branch,) = conversation.branches
    return [turn.message for turn in branch.turns]


def formats_of(conversation: Conversation) -> set[str]:
    return {turn.format for turn in conversation.branches[0].turns}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bare.json", [USER, ANSWER]),
        ("messages.json", {"messages": [USER, ANSWER]}),
        ("traj.json", {"traj": [USER, ANSWER]}),
        ("run.traj", {"history": [USER, ANSWER], "trajectory": [{"action": "ls"}]}),
        ("wrapped.json", [[USER, ANSWER]]),
        ("listed.json", [{"messages": [USER, ANSWER]}]),
        ("kept.json", {"conversations": [{"messages": [USER, ANSWER]}]}),
        ("a_message_a_line.jsonl", [USER, ANSWER]),
        ("a_list_a_line.jsonl", [[USER, ANSWER]]),
        ("an_object_a_line.jsonl", [{"messages": [USER, ANSWER]}]),
    ],
)
def test_every_shape_gives_the_same_conversation(write, name, value):
    reading = read_transcript(write(name, value))

    assert reading.problems == ()
    assert reading.format == "openai"
    (conversation,) = reading.conversations
    assert messages_of(conversation) == [USER, ANSWER]
    assert conversation.name == name.rsplit(".", 1)[0]


def test_a_pretty_printed_document_is_read_whatever_its_name(tmp_path):
    path = tmp_path / "pretty.jsonl"
    path.write_text(json.dumps({"messages": [USER, ANSWER]}, indent=2))

    assert messages_of(read_transcript(path).conversations[0]) == [USER, ANSWER]


def test_several_conversations_are_numbered(write):
    reading = read_transcript(write("logs.jsonl", [[USER], {"messages": [USER, ANSWER]}]))

    assert [c.name for c in reading.conversations] == ["logs-1", "logs-2"]
    assert [len(messages_of(c)) for c in reading.conversations] == [1, 2]


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("a.json", {"request": {"body": [USER, ANSWER]}}, "request.body"),
        ("b.json", [{"turns": [USER, ANSWER]}], "turns"),
        ("c.json", {"data": [{"messages": [USER, ANSWER]}]}, "data"),
        ("d.jsonl", [{"request": {"body": [USER, ANSWER]}}], "request.body"),
        ("e.jsonl", [{"entry": USER}, {"entry": ANSWER}], "entry"),
    ],
)
def test_a_key_names_where_the_messages_are(write, name, value, key):
    reading = read_transcript(write(name, value), key=key)

    assert reading.problems == ()
    assert messages_of(reading.conversations[0]) == [USER, ANSWER]


def test_what_stands_beside_the_messages_is_kept_if_it_is_small(write):
    tools = [{"type": "function", "function": {"name": "add", "description": "x" * 5000}}]
    path = write("a.json", {"messages": [USER], "tools": tools, "id": "c7", "dump": "y" * 50_000})

    assert read_transcript(path).conversations[0].metadata == {"tools": tools, "id": "c7"}


def test_a_message_keeps_every_key_and_gives_its_time_and_usage(write):
    message = {**ANSWER, "usage": {"prompt_tokens": 3}, "timestamp": "2026-03-09T10:00:00+02:00", "agent": "main"}

    (turn,) = read_transcript(write("a.json", [message])).conversations[0].branches[0].turns

    assert turn.message == message
    assert turn.usage == {"prompt_tokens": 3}
    assert turn.time == datetime(2026, 3, 9, 8, tzinfo=UTC)


def test_a_time_without_a_zone_is_no_time(write):
    path = write("a.json", [{**USER, "timestamp": "2026-03-09T10:00:00"}])

    assert read_transcript(path).conversations[0].branches[0].turns[0].time is None


def test_one_tool_use_makes_the_whole_conversation_anthropic(write):
    (conversation,) = read_transcript(write("a.json", [USER, TOOL_USE, TOOL_RESULT])).conversations

    assert formats_of(conversation) == {"anthropic"}
    assert messages_of(conversation) == [USER, TOOL_USE, TOOL_RESULT]


@pytest.mark.parametrize("system", ["Be brief.", [{"type": "text", "text": "Be brief."}]])
def test_anthropics_system_becomes_the_first_turn(write, system):
    reading = read_transcript(write("a.json", {"model": "m", "system": system, "messages": [USER, ANSWER]}))

    (conversation,) = reading.conversations
    assert reading.format == "anthropic"
    assert messages_of(conversation) == [{"role": "system", "content": system}, USER, ANSWER]
    assert formats_of(conversation) == {"anthropic"}
    assert conversation.metadata == {"model": "m"}


def test_text_parts_and_cache_marks_alone_stay_openai(write):
    message = {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]}

    assert read_transcript(write("a.json", [message])).format == "openai"


def test_a_forced_format_is_taken_at_its_word(write):
    reading = read_transcript(write("a.json", [USER, ANSWER]), format="anthropic")

    assert reading.format == "anthropic"
    assert formats_of(reading.conversations[0]) == {"anthropic"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a.json", [USER, CALL, OUTPUT]),
        ("b.json", {"input": [USER, CALL, OUTPUT]}),
        ("c.json", {"items": [USER, CALL, OUTPUT]}),
        ("d.json", {"input": "what is 2+2?", "output": [CALL, OUTPUT]}),
        ("e.jsonl", [USER, CALL, OUTPUT]),
    ],
)
def test_items_of_the_responses_api_stay_items(write, name, value):
    reading = read_transcript(write(name, value))

    assert reading.problems == ()
    assert reading.format == "responses"
    assert messages_of(reading.conversations[0]) == [USER, CALL, OUTPUT]


def test_a_response_gives_its_instructions_usage_and_time(write):
    value = {"instructions": "Be brief.", "output": [CALL], "usage": {"input_tokens": 3}, "created_at": 1772000000}

    first, last = read_transcript(write("a.json", value)).conversations[0].branches[0].turns

    assert first.message == {"role": "system", "content": "Be brief."}
    assert (first.usage, first.time) == (None, None)
    assert last.usage == {"input_tokens": 3}
    assert last.time == datetime.fromtimestamp(1772000000, UTC)


def test_progress_ends_with_all_bytes(write):
    path = write("a.jsonl", [USER] * 50_000)
    seen: list[tuple[int, int]] = []

    read_transcript(path, on_progress=lambda done, total: seen.append((done, total)))

    size = path.stat().st_size
    assert seen[-1] == (size, size)
    assert len(seen) > 2
    assert seen == sorted(seen)


def test_the_support_sample_is_a_conversation_whose_every_call_is_answered():
    reading = read_transcript(SAMPLES / "support.json")

    assert reading.problems == ()
    messages = messages_of(reading.conversations[0])
    calls = [call["id"] for message in messages for call in message.get("tool_calls") or ()]
    assert len(messages) == 18
    assert calls == [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert "within 60 days" in messages[4]["content"]
    assert len(messages[7]["content"]) > 3000


def test_the_answer_of_a_logged_request_is_the_last_turn(write):
    completion = {"choices": [{"message": ANSWER}], "usage": {"prompt_tokens": 12}, "model": "gpt-4o-mini"}
    path = write("a.jsonl", [{"messages": [USER], "temperature": 0.5, "model": "gpt-4o", "response": completion}])

    reading = read_transcript(path)

    assert messages_of(reading.conversations[0]) == [USER, ANSWER]
    last = reading.conversations[0].branches[0].turns[-1]
    assert last.usage == {"prompt_tokens": 12}
    assert last.config == {"model": "gpt-4o-mini", "temperature": 0.5}


def test_what_is_too_large_to_keep_beside_the_messages_is_told(write):
    reading = read_transcript(write("a.json", {"messages": [USER], "dump": "y" * 50_000}))

    assert [note.detail for note in reading.notes] == [
        "messages: 'dump' beside the messages is left out: 50002 characters"
    ]


def test_calls_of_inspect_ai_have_their_name_and_arguments(write):
    call = {"id": "c1", "function": "open", "arguments": {"what": "door"}}
    messages = [
        USER,
        {
            "role": "assistant",
            "content": [{"type": "reasoning", "reasoning": "hm"}],
            "tool_calls": [call],
            "model": "m",
        },
        {"role": "tool", "tool_call_id": "c1", "function": "open", "content": "", "error": {"message": "stuck"}},
    ]

    reading = read_transcript(write("a.json", {"samples": [{"id": 1, "messages": messages}]}))

    _, answer, result = reading.conversations[0].branches[0].turns
    assert reading.format == "inspect-ai"
    function = {"name": "open", "arguments": '{"what":"door"}'}
    assert answer.message == {
        "role": "assistant",
        "content": [],
        "reasoning_content": "hm",
        "tool_calls": [{"id": "c1", "type": "function", "function": function}],
    }
    assert answer.config == {"model": "m"}
    assert result.message == {"role": "tool", "tool_call_id": "c1", "name": "open", "content": "stuck"}
