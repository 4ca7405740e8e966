"""A gc that takes archives, killed at any call that changes the disk: the store works, and the next one makes it good."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from tests.faults.dying import killed_at
from tests.making import Letters, texts
from tract import Priority, Tract
from tract.maintenance.fsck.check import check_repository

# What may be left behind without harm: the next writer or gc sees to it.
_LEFT_BEHIND = {
    "leftover",
    "torn-end",
    "mark-damaged",
    "ref-file-behind",
    "ref-file-missing",
    "index-missing",
    "kept-aside",
}
_LEFT_BEHIND |= {"shallow-stale"}  # killed after the packs went, before their commits went from the file


def opened(folder: Path) -> Tract:
    return Tract.open(folder, tokenizer=Letters(), on_moved="append")


def collect(folder: Path) -> None:
    with opened(folder) as t:
        t.gc(orphan_retention_days=0, archive_retention_days=0)


def make_store(folder: Path) -> list[str]:
    """Two compressions, of which the first was collected already and the second was not; the pinned messages."""
    pins = []
    for part in range(2):
        with opened(folder) as t:
            for at in range(5):
                t.user(f"message {part} {at}")
            pins += [t.compile().commit_hashes[-3], t.compile().commit_hashes[-4]]
            t.annotate(pins[-2], Priority.PINNED)
            t.compress(content=f"summary {part}", keep_recent=1)
            t.annotate(pins[-1], Priority.PINNED)  # when it was summed up already
        if not part:
            collect(folder)
    return pins


def test_killed_at_any_change_a_gc_of_archives_loses_nothing(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    pins = make_store(whole)
    with opened(whole) as t:
        expected, ids = texts(t), t.compile().commit_hashes
        said = [t.get_content(pin).text for pin in pins]
    number = 0
    folder = tmp_path / "killed"
    is_killed = True
    while is_killed:
        shutil.copytree(whole, folder)
        is_killed = killed_at(number, partial(collect, folder))
        problems = {problem.kind for problem in check_repository(str(folder / ".tract")).problems}
        assert problems <= _LEFT_BEHIND, number
        with opened(folder) as t:
            assert (expected, ids) == (texts(t), t.compile().commit_hashes), number
            assert said == [t.get_content(pin).text for pin in pins], number
            t.log(None)
            t.user("after")
        collect(folder)
        left = {
            problem.path.split("/")[0]
            for problem in check_repository(str(folder / ".tract")).problems
            if problem.kind != "kept-aside"
        }
        assert left <= {"cache"}, number  # half-written counts
        with opened(folder) as t:
            assert [*expected, "after"] == texts(t), number
            assert 2 == len(t.log(None)), number
        shutil.rmtree(folder)
        number += 1
    assert number > 20
