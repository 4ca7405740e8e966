"""Writes and syncs that fail: nothing is acknowledged that is not there, and the next commit works."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.making import say
from tests.storage.without_linux import names_descriptors
from tract.config import TractConfig
from tract.errors import DurabilityError, StorageError
from tract.history.commit import Draft, write_commits
from tract.opening import create_repository, open_repository
from tract.repo import Repository
from tract.storage.files import NewFile
from tract.storage.store import Durability

SYNC = "fdatasync" if hasattr(os, "fdatasync") else "fsync"
"""The call that brings a file's bytes to the disk."""


@pytest.fixture
def open_one(tmp_path: Path) -> Iterator[Callable[..., Repository]]:
    """Opens handles on one store, and closes them at the end."""
    path = str(tmp_path / ".tract")
    create_repository(path, TractConfig(author="tester"))
    opened: list[Repository] = []

    def open_again(durability: Durability = "full") -> Repository:
        opened.append(open_repository(path, durability=durability))
        return opened[-1]

    yield open_again
    for repo in opened:
        repo.close()


def generation(repo: Repository) -> int:
    """How many commits the branch has."""
    repo.refs.refresh()
    tip = repo.head()[1]
    return 0 if tip is None else repo.commit(tip).generation


class Failing:
    """Makes a system call fail, as the disk would: the calls, counted from 0, that are in *which*."""

    def __init__(self, call: Callable[..., Any], which: range, code: int) -> None:
        self.call, self.which, self.code = call, which, code
        self.calls = -1

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        if self.calls in self.which:
            raise OSError(self.code, os.strerror(self.code))
        return self.call(*args)


class Short:
    """A ``pwrite`` that writes at most *length* bytes a call."""

    def __init__(self, length: int) -> None:
        self.call, self.length = os.pwrite, length

    def __call__(self, fd: int, data: bytes, offset: int) -> int:
        return self.call(fd, data[: self.length], offset)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("durability", ["full", "process"])
def test_a_failed_write_is_a_durability_error_that_changed_nothing(
    open_one: Callable[..., Repository], monkeypatch: pytest.MonkeyPatch, durability: Durability, code: int
) -> None:
    repo = open_one(durability)
    tip = say(repo, "a")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", Failing(os.pwrite, range(1), code))
        with pytest.raises(DurabilityError) as caught:
            say(repo, "b")
    assert not caught.value.visible
    repo.refs.refresh()
    assert tip == repo.head()[1] == open_one().head()[1]

    say(repo, "c")

    assert 2 == generation(repo) == generation(open_one())


@pytest.mark.parametrize("length", [1, 27, 28, 100, 200])
@pytest.mark.parametrize("failures", [range(1, 2), range(1, 9)], ids=["once", "on and on"])
def test_a_write_that_stops_half_way_is_taken_back_now_or_by_the_next_writer(
    open_one: Callable[..., Repository], monkeypatch: pytest.MonkeyPatch, length: int, failures: range
) -> None:
    repo, other = open_one(), open_one()
    say(repo, "a")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", Failing(Short(length), failures, errno.ENOSPC))
        with pytest.raises(DurabilityError):
            say(repo, "lost")

    say(other, "other")
    say(repo, "b")

    assert 3 == generation(repo) == generation(other) == generation(open_one())


def test_short_writes_are_continued(open_one: Callable[..., Repository], monkeypatch: pytest.MonkeyPatch) -> None:
    repo = open_one()
    monkeypatch.setattr(os, "pwrite", Short(7))
    for text in ("a", "b" * 3000):
        say(repo, text)

    assert 2 == generation(open_one())


@pytest.mark.parametrize("size", [2000, 200_000])
def test_a_file_size_limit_is_a_failed_write(open_one: Callable[..., Repository], size: int) -> None:
    repo = open_one("process")
    while repo.objects.stats().journal_size < 63_000:
        say(repo, os.urandom(1000).hex())
    before = generation(repo)
    with file_size_limit(64 * 1024 + 10), pytest.raises(DurabilityError) as caught:
        say(repo, os.urandom(size).hex())

    assert not caught.value.visible
    say(repo, "after")
    assert before + 1 == generation(repo) == generation(open_one())


def test_a_large_transaction_that_fails_at_its_index_leaves_no_pack(
    open_one: Callable[..., Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = open_one("process")
    say(repo, "a")
    drafts = [Draft({"content_type": "dialogue", "role": "user", "text": f"{n} " + "x" * 900}) for n in range(90)]
    publish = NewFile.publish

    def full(self: NewFile, name: str) -> str:
        if name.endswith(".idx"):
            raise OSError(errno.ENOSPC, "No space left on device", name)
        return publish(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(NewFile, "publish", full)
        with pytest.raises((OSError, StorageError)):
            write_commits(repo, drafts)

    assert [] == list(Path(str(repo.path)).glob("objects/pack/*"))
    write_commits(repo, drafts)
    assert 2 == len(list(Path(str(repo.path)).glob("objects/pack/*")))
    assert 91 == generation(open_one())


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_failed_sync_says_that_the_change_is_visible_and_is_not_believed_again(
    open_one: Callable[..., Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = open_one("full")
    say(repo, "a")
    start = repo.objects.stats().journal_size
    with monkeypatch.context() as patch:
        patch.setattr(os, SYNC, Failing(getattr(os, SYNC), range(1), errno.EIO))
        with pytest.raises(DurabilityError) as caught:
            say(repo, "b")
    assert caught.value.visible
    assert 2 == generation(repo) == generation(open_one())
    end = repo.objects.stats().journal_size

    written: list[tuple[int, int]] = []
    real = os.pwrite

    def recorded(fd: int, data: bytes, offset: int) -> int:
        written.append((offset, offset + len(data)))
        return real(fd, data, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", recorded)
        say(repo, "c")
    # The bytes whose sync failed are clean to the kernel: only written anew do they come to the disk.
    assert any(first <= start and end <= last for first, last in written)
    written.clear()
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", recorded)
        say(repo, "d")
    assert not any(first <= start and end <= last for first, last in written)
    assert 4 == generation(open_one())


def test_syncs_that_fail_in_a_row_are_made_good_together(
    open_one: Callable[..., Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = open_one("full")
    say(repo, "first")
    with monkeypatch.context() as patch:
        patch.setattr(os, SYNC, Failing(getattr(os, SYNC), range(3), errno.EIO))
        for visible, text in ((True, "a"), (False, "b"), (False, "c")):
            with pytest.raises(DurabilityError) as caught:
                say(repo, text)
            # Nothing goes on top of what may not be on the disk.
            assert visible is caught.value.visible
    say(repo, "d")

    assert 3 == generation(repo) == generation(open_one())


@pytest.mark.parametrize("call", ["open", "pwrite", "replace", SYNC])
@pytest.mark.parametrize("at", range(12))
def test_an_error_at_any_call_of_a_sealing_commit_loses_nothing(
    open_one: Callable[..., Repository], monkeypatch: pytest.MonkeyPatch, call: str, at: int
) -> None:
    monkeypatch.setattr("tract.storage.database.JOURNAL_LIMIT", 3000)
    repo = open_one("full")
    done = 0
    while repo.objects.stats().journal_size < 2900:
        say(repo, f"{done}")
        done += 1
    with monkeypatch.context() as patch:
        patch.setattr(os, call, Failing(getattr(os, call), range(at, at + 1), errno.ENOSPC))
        for _ in range(2):
            try:
                say(repo, "x" * 20)
                done += 1
            except DurabilityError as exc:
                done += exc.visible
    for text in "abc":
        say(repo, text)
        done += 1

    assert done == generation(repo) == generation(open_one())


@names_descriptors
@pytest.mark.parametrize("sealed", [False, True])
def test_an_object_that_cannot_be_read_is_an_error_of_the_store_that_names_the_file(
    open_one: Callable[..., Repository], monkeypatch: pytest.MonkeyPatch, sealed: bool
) -> None:
    repo = open_one("process")
    # Smaller ones that were just written are still in memory.
    ids = [repo.commit(say(repo, f"message {n} " + "x" * 20_000)).content for n in range(3)]
    if sealed:
        with repo.objects.lock():
            repo.objects.seal(*repo.refs.keyframe(repo.refs.last, "seal"))
        repo.objects.read(ids[0])
        repo = open_one("process")
    monkeypatch.setattr(os, "pread", Failing(os.pread, range(10**9), errno.EIO))

    for read in (lambda: repo.objects.read(ids[1]), lambda: repo.objects.payloads(ids, "blob")):
        with pytest.raises(
            StorageError, match=r"^the store cannot be used: '.*/objects/(journal|pack/.*)' Input/output"
        ):
            read()


def test_a_disk_with_no_room_for_a_pack_still_takes_commits(
    open_one: Callable[..., Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tract.storage.database.JOURNAL_LIMIT", 1000)
    repo = open_one("full")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", Failing(os.replace, range(1, 10**9), errno.ENOSPC))
        for number in range(20):
            say(repo, f"{number}")
    assert 0 == repo.objects.stats().packs

    say(repo, "now")

    assert 1 == repo.objects.stats().packs
    assert 21 == generation(open_one())


@names_descriptors
def test_a_large_object_that_another_wrote_without_a_sync_is_synced_before_a_commit_names_it(
    open_one: Callable[..., Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick, careful = open_one("process"), open_one("full")
    say(quick, "x" * 1_200_000)
    (loose,) = Path(str(quick.path)).glob("objects/??/*")
    synced: list[str] = []
    for call in {"fsync", SYNC}:
        real = getattr(os, call)
        monkeypatch.setattr(
            os, call, lambda fd, real=real: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), real(fd))
        )

    say(careful, "x" * 1_200_000)

    assert {str(loose), str(loose.parent), str(loose.parent.parent)} <= set(synced)


def test_a_large_object_that_cannot_be_written_is_a_durability_error(
    open_one: Callable[..., Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = open_one()
    say(repo, "a")
    for call in ("open", "replace", SYNC):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, Failing(getattr(os, call), range(1), errno.ENOSPC))
            with pytest.raises(DurabilityError) as caught:
                say(repo, call + "x" * 1_200_000)
        assert not caught.value.visible
    assert 1 == generation(open_one())
    assert not list(Path(str(repo.path)).rglob(".tmp-*"))
