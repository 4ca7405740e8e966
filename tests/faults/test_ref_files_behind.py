"""Processes that die after their operation and before the ref files: the next writer shows what all of them left."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.making import Words
from tract import Tract, TractConfig
from tract.maintenance.fsck.check import check_repository
from tract.opening import open_repository
from tract.refs.ref_files import RefFiles


def opened(folder: Path) -> Tract:
    return Tract.open(folder, tokenizer=Words(), config=TractConfig(author="tester"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a store of one commit."""
    with opened(tmp_path) as t:
        t.user("first")
    return tmp_path


def killed_before_its_ref_files(folder: Path, work: Callable[[Tract], object]) -> None:
    """Do *work* in a process that is killed when it first writes to any file but the journal."""
    child = os.fork()
    if child:
        assert signal.SIGKILL == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) * -1
        return
    with suppress(BaseException), opened(folder) as t:
        t.head  # noqa: B018  # what opening writes is written
        write = os.pwrite

        def dying(fd: int, *args: Any) -> int:
            if not os.readlink(f"/proc/self/fd/{fd}").endswith("/journal"):
                os.kill(os.getpid(), signal.SIGKILL)
            return write(fd, *args)

        os.pwrite = dying
        work(t)
    os._exit(1)


def problems(folder: Path) -> list[tuple[str, str | None]]:
    """What fsck finds, but for half-written files: those are never taken for anything."""
    found = check_repository(str(folder / ".tract")).problems
    return sorted((problem.kind, problem.path) for problem in found if problem.kind != "leftover")


def leave_three_behind(folder: Path) -> None:
    for name in ("one", "two", "three"):
        killed_before_its_ref_files(folder, lambda t, name=name: t.tag(name))


def test_a_ref_file_that_several_dead_processes_left_behind_is_written_by_the_next_writer(folder: Path) -> None:
    leave_three_behind(folder)
    assert [("ref-file-missing", f"refs/tags/{name}") for name in ("one", "three", "two")] == problems(folder)

    with opened(folder) as t:
        t.user("next")

    assert [] == problems(folder)


def test_a_handle_that_was_open_all_the_time_does_so_too(folder: Path) -> None:
    with opened(folder) as t:
        for name in ("one", "two"):
            killed_before_its_ref_files(folder, lambda dying, name=name: dying.tag(name))
            assert name in t.tags()
        killed_before_its_ref_files(folder, lambda dying: dying.user("unshown"))
        t.tag("last")

    assert [] == problems(folder)


def test_gc_leaves_no_ref_file_behind(folder: Path) -> None:
    leave_three_behind(folder)

    with opened(folder) as t:
        t.gc()

    assert [] == problems(folder)


def test_what_was_behind_a_keyframe_is_found_as_well(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tract.refs.operations._KEYFRAME_EVERY", 1)
    leave_three_behind(folder)

    with opened(folder) as t:
        t.user("next")

    assert [] == problems(folder)


def test_opening_looks_at_one_more_file_however_many_refs_there_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_at() -> int:
        seen: list[str] = []
        open_ = os.open
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", lambda path, *args: seen.append(path) or open_(path, *args))
            open_repository(str(folder / ".tract")).close()
        return sum("/refs/" in path or path.endswith("/HEAD") for path in seen)

    few = looked_at()
    with opened(folder) as t:
        for number in range(40):
            t.tag(f"v{number}")

    assert few == looked_at() == 3


def test_a_ref_file_that_proves_a_loss_is_not_written_over(folder: Path) -> None:
    killed_before_its_ref_files(folder, lambda t: t.tag("v1"))
    lost = bytes([7]) * 32
    repo = open_repository(str(folder / ".tract"))
    RefFiles(str(folder / ".tract"), "full").write_first([("refs/tags/v1", lost)])
    repo.close()

    with opened(folder) as t:
        t.user("next")

    assert (lost, True) == RefFiles(str(folder / ".tract"), "full").read("refs/tags/v1")


def test_gc_brings_old_ref_files_up_to_date_before_it_forgets_what_they_hold(folder: Path) -> None:
    """As after a power cut, which brings back the file of a tag that was deleted, and an old line of a branch."""
    store = folder / ".tract"
    with opened(folder) as t:
        t.extend([{"role": "user", "content": f"message {at} of several"} for at in range(4)])
        t.tag("v1", "HEAD~1")
        tag, branch = ((store / "refs" / name).read_bytes() for name in ("tags/v1", "heads/main"))
        t.compress(content="short", keep_recent=0)
        t.delete_tag("v1")
    (store / "refs" / "tags" / "v1").write_bytes(tag)
    (store / "refs" / "heads" / "main").write_bytes(branch)

    with opened(folder) as t:
        t.gc(orphan_retention_days=0, archive_retention_days=0)

    assert not (store / "refs" / "tags" / "v1").exists()
    with opened(folder) as t:
        assert ["short"] == [message.content for message in t.compile().messages]
        t.user("next")
    assert () == tuple(check_repository(str(store)).problems)


def test_gc_takes_the_file_of_a_tag_that_a_power_cut_brought_back_when_more_was_written_since(folder: Path) -> None:
    """The file of what was written last is right, so nobody else looks at the others."""
    file = folder / ".tract" / "refs" / "tags" / "v1"
    with opened(folder) as t:
        t.user("second")
        t.tag("v1", "HEAD~1")
        line = file.read_bytes()
        t.delete_tag("v1")
        t.user("third")
    file.write_bytes(line)

    with opened(folder) as t:
        t.gc(orphan_retention_days=0)

    assert not file.exists()
    assert [] == problems(folder)


@pytest.mark.parametrize("more", [0, 100])
def test_gc_syncs_every_ref_file_and_its_folder_before_anything_goes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    store = folder / ".tract"
    many = [f"many{at}/x" for at in range(more)]
    with opened(folder) as t:
        t.branch("a/b")
        with t.batch():
            for name in many:
                t.branch(name)
        with Tract.open(folder, tract_id="helper", tokenizer=Words()) as helper:
            helper.user("of its own")
        synced: list[str] = []
        for name, call in (("fsync", os.fsync), ("fdatasync", os.fdatasync)):

            def sync(fd: int, call: Callable[[int], None] = call) -> None:
                synced.append(os.path.relpath(os.readlink(f"/proc/self/fd/{fd}"), store))
                call(fd)

            monkeypatch.setattr(os, name, sync)
        t.gc()

    shown = {"HEAD", "refs/heads/main", "refs/heads/a/b", "tracts/helper/HEAD", "tracts/helper/refs/heads/main"}
    shown |= {f"refs/heads/{name}" for name in many}
    folders = {".", "refs/heads", "refs/heads/a", "tracts/helper", "tracts/helper/refs/heads"}
    folders |= {f"refs/heads/{os.path.dirname(name)}" for name in many}
    last_journal = max(at for at, name in enumerate(synced) if name.endswith("-journal"))
    assert shown | folders <= set(synced[:last_journal])
