"""A sample of the power cuts that scripts/crash-states tries out, and proof that the harness bites."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.crash_disk import ALL, Disk, Fate
from tests.faults.crash_mutants import mutants
from tests.faults.crash_recorder import Change, Recorder, watched
from tests.faults.crash_states import (
    all_recordings,
    explore,
    recordings_of_killed_archives,
    recordings_of_killed_lives,
    recordings_of_whole_lives,
    recordings_with_archives,
    recordings_with_failing_syncs,
    recordings_with_policies,
    summary,
)

SEED = 20261121


def disk_after(*changes: Change) -> Disk:
    """A disk with the file 1, named ``f`` for certain, after *changes*."""
    disk = Disk()
    for change in (Change("create", 0, "f", 1), Change("names", 0), *changes):
        disk.advance(change)
    return disk


def contents(disk: Disk, folder: Path, fates: dict[tuple[int, int], Fate]) -> dict[str, bytes]:
    path = folder / "state"
    disk.write(str(path), fates)
    return {name: (path / name).read_bytes() for name in os.listdir(path)}


def write(data: bytes, offset: int = 0) -> Change:
    return Change("write", 1, offset=offset, data=data)


def test_no_power_cut_of_the_sample_loses_what_was_acknowledged():
    result = explore(all_recordings(SEED, every_kill=23), states=450, seed=SEED)

    assert [] == summary(result.failures)
    assert 400 <= result.states


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("commit: no sync of the journal", recordings_of_whole_lives),
        ("commit: unsynced ref lines say synced", recordings_of_whole_lives),
        ("seal: new journal before the pack", recordings_of_whole_lives),
        ("write_file: no sync of the folder", recordings_of_whole_lives),
        ("loose: no sync of the names", recordings_of_whole_lives),
        ("failed sync: bytes not written anew", recordings_with_failing_syncs),
        ("commit: operation in a write before its objects", lambda seed: recordings_of_killed_lives(seed, every=6)),
        ("policies: what an action did, and what is said of it, land one after the other", recordings_with_policies),
        ("archives: shallow written after the packs went", recordings_with_archives),
        ("archives: name of shallow not synced", recordings_with_archives),
        (
            "archives: ref files not synced before what they held is forgotten",
            lambda seed: recordings_of_killed_archives(seed, every=6),
        ),
    ],
)
def test_a_protocol_without_one_of_its_steps_is_caught(name, record):
    [mutant] = [mutant for mutant in mutants() if mutant.name == name]

    with mutant.apply():
        result = explore(record(SEED), states=1000, seed=SEED, stop_at=1)

    assert result.failures


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_the_step_that_a_mutant_leaves_out_is_there(mutant):
    with mutant.apply():
        pass


@pytest.mark.slow
@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_every_step_of_the_protocol_is_needed_or_defence_behind_another(mutant):
    with mutant.apply():
        recordings = all_recordings(SEED, only=mutant.only, archives=bool(mutant.only))
        result = explore(recordings, states=4000 if mutant.redundant else 16_000, seed=SEED, stop_at=1)

    assert bool(result.failures) is not bool(mutant.redundant)


def test_what_was_not_synced_may_be_missing_torn_zeros_or_garbage(tmp_path):
    disk = disk_after(write(b"old"), Change("sync", 1), write(b"newer"))

    def content(fate: Fate) -> bytes:
        folder = tmp_path / fate.how
        folder.mkdir()
        return contents(disk, folder, {(1, 0): fate})["f"]

    assert b"newer" == content(ALL)
    assert b"old" == content(Fate("none"))
    assert b"ned" == content(Fate("cut", 2))
    assert b"old\0\0" == content(Fate("zeros"))
    garbage = content(Fate("garbage", 0, 1))
    assert b"old" == garbage[:3]
    assert 5 == len(garbage)
    assert garbage[3:] not in (b"er", b"\0\0")


def test_a_synced_file_may_still_have_no_name(tmp_path):
    disk = disk_after(Change("create", 0, "g", 2), Change("write", 2, data=b"x"), Change("sync", 2))

    assert {"f": b""} == contents(disk, tmp_path, {})
    assert [Change("create", 0, "g", 2)] == [change._replace(number=0) for change in disk.pending().values()]


def test_bytes_of_a_failed_sync_are_certain_only_when_they_were_written_anew(tmp_path):
    disk = disk_after(write(b"abcd"), Change("failed", 1), write(b"CD", 2), Change("sync", 1))

    assert {"f": b"\0\0CD"} == contents(disk, tmp_path, {})
    assert [b"ab"] == [change.data for change in disk.pending().values()]


def test_a_write_around_the_recorder_is_found_out(tmp_path):
    with watched(Recorder(tmp_path)) as recorder:
        (tmp_path / "x").write_bytes(b"")

    assert [f"open {tmp_path}/x"] == recorder.around
