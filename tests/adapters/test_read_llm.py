"""The database of the command llm, as its versions wrote it: responses, and since 0.36 threads in a tree of messages."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tract.adapters.transcripts import Reading, read_transcript

CALL = {"id": "c", "type": "function", "function": {"name": "thermo", "arguments": '{"cup":1}'}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}


def read(tmp_path: Path, *tables: tuple[str, str, list[tuple[Any, ...]]]) -> Reading:
    """A database with *tables*: the name, the columns, the rows of each."""
    database = sqlite3.connect(tmp_path / "logs.db")
    for name, columns, rows in tables:
        database.execute(f"create table {name} ({columns})")
        marks = ", ".join("?" * len(columns.split(",")))
        database.executemany(f"insert into {name} values ({marks})", rows)
    database.commit()
    database.close()
    return read_transcript(tmp_path / "logs.db")


def messages(reading: Reading) -> list[list[dict[str, Any]]]:
    return [[turn.message for turn in line.turns] for each in reading.conversations for line in each.branches]


RESPONSES = ("responses", "id, conversation_id, prompt, system, response, model, datetime_utc, reasoning")
FRAGMENTS = ("fragments", "id, content", [(1, "A leaf is told by its edge."), (2, "Be brief.")])
ATTACHMENTS = ("attachments", "id, type, path, url, content", [("a", "image/png", None, None, b"hi"), ("b", "audio/wav", "/x.wav", None, None)])  # fmt: skip


def test_what_went_with_a_prompt_in_fragments_and_attachments_is_in_the_message(tmp_path: Path):
    reading = read(
        tmp_path,
        (*RESPONSES, [("r", "k", "Which tree?", "In Latin.", "Quercus.", "m", "2026-01-01T00:00:00", "Lobes.")]),
        FRAGMENTS, ATTACHMENTS,
        ("prompt_fragments", "response_id, fragment_id", [("r", 1)]),
        ("system_fragments", "response_id, fragment_id", [("r", 2)]),
        ("prompt_attachments", 'response_id, attachment_id, "order"', [("r", "b", 1), ("r", "a", 0)]),
    )  # fmt: skip

    text = {"type": "text", "text": "A leaf is told by its edge.\nWhich tree?"}
    assert messages(reading) == [[
        {"role": "system", "content": "Be brief.\nIn Latin."},
        {"role": "user", "content": [text, PICTURE, {"type": "text", "text": "[attachment: /x.wav]"}]},
        {"role": "assistant", "content": "Quercus.", "reasoning_content": "Lobes."},
    ]]  # fmt: skip


def part(message: str, kind: str, text: str | None = None, position: int = 0, **payload: Any) -> tuple[Any, ...]:
    return (message, position, kind, text, json.dumps(payload) if payload else None)


THREADS = [
    (*RESPONSES, []),
    FRAGMENTS,
    ATTACHMENTS,
    ("threads", "id, name, tip_message_hash", [("t", "Tea", "m5"), ("empty", None, None)]),
    (
        "turns",
        "id, thread_id, tip_message_hash, model, input_tokens, output_tokens, datetime_utc",
        [("1", "t", "m3", "m", 3, 4, "2026-01-01T00:00:00+00:00"), ("2", "t", "m6", "m", 3, 4, None), ("3", "t", "m5", "m", 5, 6, None)],
    ),
    (
        "messages",
        "hash, parent_hash, role",
        [("m1", None, "system"), ("m2", "m1", "user"), ("m3", "m2", "assistant"), ("m4", "m3", "tool"), ("m5", "m4", "assistant"), ("m6", "m3", "assistant")],
    ),
    (
        "parts",
        "message_hash, position, type, text, payload",
        [
            part("m1", "text", text_ref=[{"fragment": 2}, {"literal": " Always."}]),
            part("m2", "text", "How hot?"),
            part("m2", "attachment", position=1, attachment={"id": "a"}),
            part("m3", "tool_call", position=2, name="thermo", arguments={"cup": 1}, tool_call_id="c"),
            part("m3", "text", "I look.", position=1),
            part("m3", "reasoning", "A cup."),
            part("m4", "tool_result", name="thermo", output="90", tool_call_id="c"),
            part("m5", "text", "90 degrees."),
            part("m6", "text", "Never mind."),
            part("m6", "hologram", position=1),
        ],
    ),
]  # fmt: skip


def test_a_thread_is_a_conversation_and_a_turn_that_its_tip_does_not_come_from_is_a_branch(tmp_path: Path):
    reading = read(tmp_path, *THREADS)

    beginning = [
        {"role": "system", "content": "Be brief. Always."},
        {"role": "user", "content": [{"type": "text", "text": "How hot?"}, PICTURE]},
        {"role": "assistant", "content": "I look.", "reasoning_content": "A cup.", "tool_calls": [CALL]},
    ]
    result = {"role": "tool", "tool_call_id": "c", "content": "90", "name": "thermo"}
    assert messages(reading) == [
        [*beginning, result, {"role": "assistant", "content": "90 degrees."}],
        [*beginning, {"role": "assistant", "content": "Never mind."}],
    ]
    assert [(one.title, one.id) for one in reading.conversations] == [("Tea", "t")]
    (main, other) = reading.conversations[0].branches
    assert (3, 0) == (other.shared, other.parent)
    assert main.turns[-1].usage == {"input_tokens": 5, "output_tokens": 6}
    assert main.turns[1].time == main.turns[2].time is not None
    assert main.turns[2].config == {"model": "m"}
    assert ["a part of type 'hologram', which tract does not know, is left out"] == [
        one.detail for one in reading.notes
    ]
    assert () == reading.problems


def test_threads_come_behind_what_an_older_version_logged(tmp_path: Path):
    old = (*RESPONSES, [("r", "k", "Which tree?", None, "An oak.", "m", "2025-01-01T00:00:00", None)])

    reading = read(tmp_path, old, *THREADS[1:])

    assert ["logs", "logs-2"] == [one.name for one in reading.conversations]


def test_a_message_that_is_not_there_is_told(tmp_path: Path):
    tables = [(name, columns, [row for row in rows if row[0] != "m2"] if name == "messages" else rows) for name, columns, rows in THREADS]  # fmt: skip

    reading = read(tmp_path, *tables)

    assert ["a message that is not there: 'm2'"] == [one.detail for one in reading.problems]
    assert "90 degrees." == messages(reading)[0][-1]["content"]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_database_is_read_packed_and_through_a_pipe_and_its_latest_changes_are_in_it(tmp_path: Path, pack: Any):
    database = sqlite3.connect(tmp_path / "logs.db")
    database.execute("create table responses (id, prompt, response, datetime_utc, model)")
    database.execute("insert into responses values ('r', 'Tea?', 'Hot.', '2026-01-01T00:00:00', 'm')")
    database.commit()
    data = (tmp_path / "logs.db").read_bytes()
    (tmp_path / "logs.db.packed").write_bytes(pack(data))
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,), daemon=True)
    writer.start()

    packed, piped = (read_transcript(tmp_path / name) for name in ("logs.db.packed", "pipe"))
    database.execute("pragma journal_mode = wal")
    database.execute("insert into responses values ('s', 'Milk?', 'No.', '2026-01-02T00:00:00', 'm')")
    database.commit()
    latest = read_transcript(tmp_path / "logs.db")
    writer.join()
    database.close()

    assert (["Tea?", "Hot."], ["Tea?", "Hot."]) == tuple(contents(each) for each in (packed, piped))
    assert ["Tea?", "Hot.", "Milk?", "No."] == contents(latest)


def contents(reading: Reading) -> list[str]:
    assert () == reading.problems
    return [message["content"] for line in messages(reading) for message in line]
