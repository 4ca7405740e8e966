"""Parquet files, as Hugging Face keeps sets of messages; without pyarrow only the refusal is tried."""

from __future__ import annotations

import datetime
import gzip
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tract import ImportFormatError
from tract.adapters.transcripts import Reading, read_transcript


def written(path: Path, *rows: dict[str, Any]) -> Path:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: Parquet files are not read here")
    from pyarrow.parquet import write_table

    write_table(pyarrow.Table.from_pylist(list(rows)), path)
    return path


def messages(reading: Reading) -> list[list[dict[str, Any]]]:
    return [[turn.message for turn in one.branches[0].turns] for one in reading.conversations]


def test_without_pyarrow_the_refusal_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "set.parquet"
    path.write_bytes(b"PAR1 and more PAR1")

    with pytest.raises(ImportFormatError, match=r"pyarrow, which is in the extra 'tract-ai\[parquet\]'"):
        read_transcript(path)


def test_rows_of_messages_are_conversations_and_keys_without_a_value_are_none(tmp_path: Path):
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    talk = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "I look", "tool_calls": [call]}]
    path = written(tmp_path / "set.parquet", {"messages": talk, "score": 1}, {"messages": talk[:1], "score": 2})

    reading = read_transcript(path)

    assert ("openai", ()) == (reading.format, reading.problems)
    assert [talk, talk[:1]] == messages(reading)
    assert [{"score": 1}, {"score": 2}] == [one.metadata for one in reading.conversations]


def test_other_formats_are_told_by_their_columns_and_it_may_be_compressed(tmp_path: Path):
    path = written(tmp_path / "set.parquet", {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]})  # fmt: skip
    packed = tmp_path / "set.parquet.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))

    assert "sharegpt" == read_transcript(path).format
    assert messages(read_transcript(path)) == messages(read_transcript(packed)) != []


def test_what_json_has_no_word_for_is_told_or_becomes_text(tmp_path: Path):
    row = {
        "messages": [{"role": "user", "content": "hi"}],
        "when": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        "cost": Decimal("1.10"),
        "score": float("nan"),
        "picture": b"\x89PNG",
    }
    reading = read_transcript(written(tmp_path / "set.parquet", row))

    assert {"when": "2026-01-02T00:00:00+00:00", "cost": "1.10", "score": "nan"} == reading.conversations[0].metadata
    told = " ".join(problem.detail for problem in reading.problems)
    assert "[0].picture: 4 bytes" in told
    assert "[0].score: a number that cannot be kept" in told


def test_rows_without_a_conversation_and_damage_are_refused(tmp_path: Path):
    path = written(tmp_path / "numbers.parquet", {"x": 1}, {"x": 2})
    with pytest.raises(ImportFormatError, match="a list of 2, first an object with the keys 'x'"):
        read_transcript(path)

    data = path.read_bytes()
    for end in (5, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:end])
        with pytest.raises(ImportFormatError, match="a damaged Parquet file"):
            read_transcript(path)
