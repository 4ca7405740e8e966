"""A problem in a JSON document names its line, and costs no more than its message."""

from __future__ import annotations

from pathlib import Path

import pytest

from tract.adapters.transcripts import read_transcript
from tract.adapters.transcripts.places import line_of

TEXT = '[\n {"traj": [\n  {"role": "user", "content": "a, [b] {\\"c"},\n  7\n ]},\n {"x.y": 1,\n  "messages": [true]}\n]'


@pytest.mark.parametrize(
    ("place", "line"),
    [("[0]", 2), ("[0].traj", 2), ("[0].traj[0]", 3), ("[0].traj[1]", 4), ("[1]", 6), ("[1].messages[0]", 7)],
)
def test_a_place_is_found_on_its_line(place: str, line: int) -> None:
    assert line == line_of(TEXT, place)


@pytest.mark.parametrize("place", ["[2]", "[0].nope", "[0][0]", "[0].traj[9]", "x"])
def test_a_place_that_is_not_there_has_no_line(place: str) -> None:
    assert line_of(TEXT, place) is None


@pytest.mark.parametrize("bad", ['{"role": "user", "content": NaN}', "7", '{"role": 5, "content": "x"}'])
def test_a_bad_message_in_a_document_is_named_with_its_line(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "chat.json"
    path.write_text('{"messages": [\n{"role": "user", "content": "a"},\n' + bad + "\n]}")

    reading = read_transcript(str(path))

    assert [3] == [problem.line for problem in reading.problems]
    assert ["a"] == [turn.message["content"] for turn in reading.conversations[0].branches[0].turns]


def test_a_message_nested_too_deeply_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    deep = "[" * 100_000 + "]" * 100_000
    path.write_text('[{"role": "user", "content": "a"},\n{"role": "user", "content": ' + deep + "},\n" '{"role": "user", "content": "b"}]')

    reading = read_transcript(str(path))

    assert [2] == [problem.line for problem in reading.problems]
    assert "nested more than" in reading.problems[0].detail
    assert ["a", "b"] == [turn.message["content"] for turn in reading.conversations[0].branches[0].turns]
