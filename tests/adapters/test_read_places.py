"""A problem in a JSON document names its line, and costs no more than its message."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tract.adapters.transcripts import read_transcript
from tract.adapters.transcripts.places import Places
from tract.errors import ImportFormatError

TEXT = (
    '[\n {"traj": [\n  {"role": "user", "content": "a, [b] {\\"c"},\n  7\n ]},\n {"x.y": 1,\n  "messages": [true]}\n]'
)


@pytest.mark.parametrize(
    ("place", "line"),
    [("[0]", 2), ("[0].traj", 2), ("[0].traj[0]", 3), ("[0].traj[1]", 4), ("[1]", 6), ("[1].messages[0]", 7)],
)
def test_a_place_is_found_on_its_line(place: str, line: int) -> None:
    assert line == Places(TEXT).line_of(place)


@pytest.mark.parametrize("place", ["[2]", "[0].nope", "[0][0]", "[0].traj[9]", "x"])
def test_a_place_that_is_not_there_has_no_line(place: str) -> None:
    assert Places(TEXT).line_of(place) is None


@pytest.mark.parametrize("bad", ["7", '{"role": 5, "content": "x"}'])
def test_a_bad_message_in_a_document_is_named_with_its_line(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "chat.json"
    path.write_text('{"messages": [\n{"role": "user", "content": "a"},\n' + bad + "\n]}")

    reading = read_transcript(str(path))

    assert [3] == [problem.line for problem in reading.problems]
    assert ["a"] == [turn.message["content"] for turn in reading.conversations[0].branches[0].turns]


def test_a_message_nested_too_deeply_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    deep = "[" * 100_000 + "]" * 100_000
    path.write_text(
        '[{"role": "user", "content": "a"},\n{"role": "user", "content": ' + deep + "},\n"
        '{"role": "user", "content": "b"}]'
    )

    reading = read_transcript(str(path))

    assert [2] == [problem.line for problem in reading.problems]
    assert "nested more than" in reading.problems[0].detail
    assert ["a", "b"] == [turn.message["content"] for turn in reading.conversations[0].branches[0].turns]


def test_places_are_found_in_any_order() -> None:
    places = Places("[" + ",\n".join("[1,\n2]" for _ in range(9)) + "]")

    for index in (8, 0, 5, 5, 2, 9, 7):
        assert (2 * index + 2 if index < 9 else None) == places.line_of(f"[{index}][1]")


def test_many_bad_messages_in_a_document_cost_no_more_than_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    path.write_text('[{"role": "user", "content": "x"}' + ",\n1" * 20_000 + "]")
    began = time.process_time()

    reading = read_transcript(str(path))

    *told, others = reading.problems
    assert list(range(2, 1_002)) == [problem.line for problem in told]
    assert "19,000 more like this" in others.detail
    assert time.process_time() - began < 2  # 0.2 s; it was two minutes when each was looked for from the beginning


def test_a_type_that_is_no_text_is_no_type(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    path.write_text('[{"role": "user", "content": "x", "type": []}, {"type": {}}]')

    assert 1 == len(read_transcript(str(path)).conversations)
    path.write_text('{"type": {}}')
    with pytest.raises(ImportFormatError):
        read_transcript(str(path))
