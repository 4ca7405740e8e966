"""On a full disk gc and prune make room: what needs no copy goes first, the rest in pieces that fit."""

from __future__ import annotations

import errno
import os
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.making import assert_clean, reopen
from tract import Tract
from tract.errors import GCError, TractError
from tract.maintenance.gc.collect import prune
from tract.storage import files


class Disk:
    """Stands in for ``os`` where files are written: a disk of *size* bytes, on which each file takes whole blocks of 4 KiB."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self.size = size

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def free(self) -> int:
        found = (os.path.join(folder, name) for folder, _, names in os.walk(self._folder) for name in names)
        return self.size - sum(-(-os.stat(path).st_size // 4096) * 4096 for path in found)

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        left = os.fstat(fd).st_size + max(0, self.free()) - offset
        if left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.pwrite(fd, data[:left], offset)

    def statvfs(self, path: str) -> Any:
        free = max(0, self.free())
        return type("Found", (), {"f_bavail": free, "f_frsize": 1})()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk(tmp_path, 1 << 40)
    monkeypatch.setattr(files, "os", disk)
    return disk


def fill(t: Tract, chance: random.Random, length: int = 1500) -> int:
    """Say something that cannot be compressed, so many bytes at a time, until nothing more fits; how often that went well."""
    said = 0
    with suppress(TractError):
        while True:
            t.user(chance.randbytes(length).hex())
            said += 1
    return said


def assert_clean_after_a_commit(path: Path, disk: Disk) -> None:
    """With room again the next writer brings the journal's end in order."""
    disk.size = 1 << 40
    with reopen(path) as t:
        t.user("there is room")
    assert_clean(path)


@pytest.mark.parametrize("command", ["gc", "prune"])
@pytest.mark.parametrize("size", [300_000, 1_500_000, 4_500_000])
def test_there_is_room_again_once_most_is_garbage(tmp_path: Path, disk: Disk, size: int, command: str) -> None:
    disk.size = size
    t = reopen(tmp_path)
    said = fill(t, random.Random(1), max(1500, size // 1000))
    assert said > 20
    t.reset(f"HEAD~{said - 5}", mode="hard")
    t.reset("HEAD")  # or ORIG_HEAD names what was dropped
    before = t.compile().commit_hashes

    if command == "gc":
        assert t.gc(orphan_retention_days=0).dropped > said
    else:
        assert prune(t.repository, orphans=0)

    assert disk.free() > size * 0.5
    t.user("there is room again")
    t = reopen(tmp_path)
    assert before == t.compile().commit_hashes[:5]
    assert "there is room again" == t.compile().messages[-1].content
    t.reflog()
    assert_clean(tmp_path)
    t.gc()
    assert_clean(tmp_path)


def test_what_does_not_fit_is_said_with_how_much_is_missing(tmp_path: Path, disk: Disk) -> None:
    disk.size = 1_500_000
    t = reopen(tmp_path)
    said = fill(t, random.Random(2))
    before = t.compile().commit_hashes

    with pytest.raises(
        GCError,
        match=r"the disk is full: a copy of the objects that stay in the journal may take \d+ bytes, and \d+ are free",
    ):
        t.gc()

    assert said == len(before)
    assert before == reopen(tmp_path).compile().commit_hashes
    assert_clean_after_a_commit(tmp_path, disk)


def test_what_moves_only_refs_still_fits(tmp_path: Path, disk: Disk) -> None:
    disk.size = 1_000_000
    t = reopen(tmp_path)
    said = fill(t, random.Random(3))
    with pytest.raises(TractError):
        t.user("x" * 10_000 + random.Random(4).randbytes(1500).hex())

    t.tag("last")
    t.branch("other")
    t.reset("HEAD~3")

    assert said - 3 == len(reopen(tmp_path).compile().messages)
    assert_clean_after_a_commit(tmp_path, disk)


def test_packs_of_which_something_stays_are_copied_smallest_first(tmp_path: Path, disk: Disk, monkeypatch) -> None:
    monkeypatch.setattr("tract.storage.database.JOURNAL_LIMIT", 200_000)
    disk.size = 2_000_000
    t = reopen(tmp_path)
    chance = random.Random(5)
    said = fill(t, chance)
    t.tag("half", f"HEAD~{said // 2}")
    t.reset(f"HEAD~{said - 3}", mode="hard")
    t.reset("HEAD")
    packs = len(list((tmp_path / ".tract" / "objects" / "pack").glob("*.pack")))
    assert packs > 3

    result = t.gc(orphan_retention_days=0)

    assert result.dropped > said // 2
    assert disk.free() > 700_000
    t = reopen(tmp_path)
    assert said - said // 2 == len(t.compile(at_commit="half").messages)
    assert 3 == len(t.compile().messages)
    assert_clean(tmp_path)
