"""The figures of families: a sample of each, counted, not timed."""

from __future__ import annotations

from benchmarks.tracts import run_writers


def test_nothing_is_lost_where_several_processes_commit_at_once() -> None:
    for is_shared in (False, True):
        found = run_writers(2, 5, is_shared=is_shared, durability="process")
        assert (0, 0) == (found["lost"], found["problems"])
