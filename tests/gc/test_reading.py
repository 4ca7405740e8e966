"""Reading without a lock beside writers and gc."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tract import Tract
from tract.errors import ObjectCorruptError
from tract.storage import files
from tract.storage.database import Database


class HalfWritten:
    """Stands in for ``os`` where files are read: a range of the journal is zeros still, for so many reads."""

    def __init__(self, start: int, end: int, reads: int) -> None:
        self._start, self._end, self._left = start, end, reads

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        data = os.pread(fd, size, offset)
        if len(data) <= 64 or not self._left or not offset <= self._start < offset + len(data):
            return data
        self._left -= 1
        first, last = self._start - offset, self._end - offset
        return data[:first] + bytes(last - first) + data[last:]


def make_tract(path: Path, *said: str) -> Tract:
    tract = Tract.open(path, on_moved="append")
    for text in said:
        tract.user(text)
    return tract


def journal_size(tract: Tract) -> int:
    store = tract.repository.objects
    assert isinstance(store, Database)
    return store._journal.size


@pytest.mark.parametrize("reads", [1, 100])
def test_a_transaction_caught_half_written_before_a_whole_one_is_looked_at_again(tmp_path, monkeypatch, reads):
    t = make_tract(tmp_path, "a")
    start = journal_size(t)
    t.user("b")
    end = journal_size(t)
    t.user("c")
    monkeypatch.setattr(files, "os", HalfWritten(start + 20, end, reads))

    if reads > 1:
        with pytest.raises(ObjectCorruptError, match="a transaction is not whole, but a later one"):
            make_tract(tmp_path)
    else:
        assert ["a", "b", "c"] == [message.content for message in make_tract(tmp_path).compile().messages]


def test_a_pack_that_goes_between_listing_and_opening_is_no_gap(tmp_path, monkeypatch):
    t, other = make_tract(tmp_path, *"abc"), make_tract(tmp_path)
    t.gc()
    listed = files.list_directory
    collected = []

    def collect_after(path: str) -> list[str]:
        names = listed(path)
        if path.endswith("pack") and not collected:
            collected.append(t.user("d"))
            monkeypatch.setattr(files, "list_directory", listed)
            t.gc(orphan_retention_days=0)
        return names

    monkeypatch.setattr(files, "list_directory", collect_after)

    assert [*"abcd"] == [message.content for message in make_tract(tmp_path).compile().messages]
    assert [*"abcd"] == [message.content for message in other.compile().messages]
    assert collected
