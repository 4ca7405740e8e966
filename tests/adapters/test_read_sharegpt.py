"""ShareGPT's from and value become messages, and stay readable as they were."""

from __future__ import annotations

import json
from pathlib import Path

from tract.adapters.transcripts import Turn, read_transcript

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"


def read_items(tmp_path: Path, *items: dict[str, str], **beside: object) -> tuple[Turn, ...]:
    path = tmp_path / "set.json"
    path.write_text(json.dumps([{"conversations": items, **beside}]))
    reading = read_transcript(path)
    assert reading.problems == ()
    assert reading.format == "sharegpt"
    return reading.conversations[0].branches[0].turns


def item(speaker: str, value: str) -> dict[str, str]:
    return {"from": speaker, "value": value}


def test_people_and_models_become_users_and_assistants(tmp_path):
    turns = read_items(tmp_path, item("system", "s"), item("human", "q"), item("gpt", "a"))

    assert [turn.message for turn in turns] == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a"},
    ]


def test_a_call_and_its_observation_share_an_id(tmp_path):
    call = item("function_call", '{"name": "tide", "arguments": {"at": "Büsum"}}')

    turns = read_items(tmp_path, item("human", "q"), call, item("observation", "08:52"))

    assert turns[1].message == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1_0", "type": "function", "function": {"name": "tide", "arguments": '{"at": "Büsum"}'}}
        ],
    }
    assert turns[2].message == {"role": "tool", "tool_call_id": "call_1_0", "content": "08:52"}


def test_a_list_of_calls_is_answered_in_order(tmp_path):
    one = {"name": "tide", "arguments": {}}
    call = item("function_call", json.dumps([one, one]))

    turns = read_items(tmp_path, call, item("observation", "a"), item("observation", "b"))

    assert [c["id"] for c in turns[0].message["tool_calls"]] == ["call_0_0", "call_0_1"]
    assert [turn.message["tool_call_id"] for turn in turns[1:]] == ["call_0_0", "call_0_1"]


def test_a_call_that_is_no_json_is_kept_as_text_and_so_is_its_observation(tmp_path):
    turns = read_items(tmp_path, item("function_call", '{"name": tide}'), item("observation", "08:52"))

    assert turns[0].message == {"role": "assistant", "content": '{"name": tide}'}
    assert turns[1].message == {"role": "user", "content": "08:52"}


def test_a_call_with_more_than_name_and_arguments_is_kept_as_text(tmp_path):
    value = '{"name": "tide", "arguments": {}, "why": "asked"}'

    (turn,) = read_items(tmp_path, item("function_call", value))

    assert turn.message == {"role": "assistant", "content": value}


def test_system_and_tools_beside_the_items_are_kept(tmp_path):
    path = tmp_path / "set.json"
    path.write_text(json.dumps([{"conversations": [item("human", "q")], "system": "s", "tools": "[]"}]))

    (conversation,) = read_transcript(path).conversations

    assert [turn.message["role"] for turn in conversation.branches[0].turns] == ["system", "user"]
    assert conversation.metadata == {"tools": "[]"}


def test_a_line_of_jsonl_is_a_conversation(tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_text("".join(json.dumps({"conversations": [item("human", str(n))]}) + "\n" for n in range(3)))

    reading = read_transcript(path)

    assert [c.branches[0].turns[0].line for c in reading.conversations] == [1, 2, 3]


def test_an_unknown_speaker_is_a_problem_and_the_rest_is_read(tmp_path):
    path = tmp_path / "set.json"
    path.write_text(json.dumps([{"conversations": [item("human", "q"), item("critic", "no"), item("gpt", "a")]}]))

    reading = read_transcript(path)

    assert len(reading.conversations[0].branches[0].turns) == 2
    assert reading.problems[0].detail.startswith("[0].conversations[1]: 'from' is 'critic'")


def test_the_sample_gives_back_every_item_as_it_was():
    path = SAMPLES / "sharegpt.json"

    reading = read_transcript(path)

    items = [
        [t.metadata["sharegpt"] for t in c.branches[0].turns if "sharegpt" in t.metadata] for c in reading.conversations
    ]
    assert items == [c["conversations"] for c in json.loads(path.read_text(encoding="utf-8"))]
