"""Faults that are real: a disk that is full, no more files to open, a storm of signals."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.acts import Stage
from tests.faults.scene import Scene, command, impatient, open_handle, opened, small_journals
from tract import Priority
from tract.errors import DurabilityError, TractError

__all__ = ["impatient"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 KB, mounted on a folder."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        pytest.skip(f"a file system cannot be mounted here: {exc}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("durability", ["full", "process"])
def test_a_full_disk_is_a_clear_error_until_there_is_room(small_disk: Path, durability: str) -> None:
    store = small_disk / "store"
    store.mkdir()
    scene = Scene(store, [], [], durability=durability)
    stage = object.__new__(Stage)
    open_handle(scene)
    scene.say("before")
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 1024):
            pass
    refused: list[DurabilityError] = []
    for number in range(400):
        try:
            scene.say(f"{number} " + os.urandom(300).hex())
        except DurabilityError as exc:
            refused.append(exc)
        if len(refused) == 5:
            break
    assert 5 == len(refused)
    assert all("No space left on device" in str(exc) and not exc.visible for exc in refused)
    long = "no room " * 2000
    scene.unsure.add(long)  # gc may make some
    for act in (
        lambda: scene.handle.annotate("HEAD", "pinned"),
        lambda: scene.handle.tag("v1"),
        lambda: scene.handle.gc(orphan_retention_days=0),
        lambda: command(store, "commit", "--role", "user", long),
        lambda: command(store, "update-ref", "refs/heads/idea", "HEAD"),
        lambda: command(store, "log"),
        lambda: opened(small_disk / "another"),
    ):
        with suppress(TractError):
            act()
    assert "before" in [message.content for message in scene.handle.compile().messages]

    ballast.unlink()

    stage.check(scene)


@contextmanager
def files_left(room: int) -> Iterator[None]:
    """Let this process open *room* files more than it has open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_already = max(map(int, os.listdir("/proc/self/fd")))  # by other tests of this process
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256 + open_already, hard), hard))
    held: list[int] = []
    try:
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(room):
            os.close(held.pop())
        yield
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_process_that_may_open_no_more_files_is_told_so(tmp_path: Path) -> None:
    scene = Scene(tmp_path, [], [])
    open_handle(scene)
    scene.say("before")
    errors: list[str] = []
    for room in range(8):
        with files_left(room):
            for act in (
                lambda: scene.say(f"with {room} more files"),  # noqa: B023  # it is called before the next round
                lambda: scene.handle.gc(),
                lambda: opened(tmp_path).close(),
                lambda: command(tmp_path, "log"),
                lambda: command(tmp_path, "fsck"),
            ):
                try:
                    act()
                except TractError as exc:
                    errors.append(str(exc))
    assert any("Too many open files" in text for text in errors)
    assert not any("internal error" in text for text in errors)

    object.__new__(Stage).check(scene)


@pytest.mark.parametrize("durability", ["full", "process"])
def test_a_storm_of_signals_disturbs_nothing(tmp_path: Path, durability: str) -> None:
    scene = Scene(tmp_path, [], [], durability=durability)
    storm = 0

    def heard(*_: object) -> None:
        nonlocal storm
        storm += 1

    before = signal.signal(signal.SIGALRM, heard)
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    try:
        with small_journals(20_000):
            open_handle(scene)
            for number in range(60):
                scene.say(f"{number} " + "x" * 500)
                if number % 10 == 9:
                    scene.handle.annotate("HEAD", Priority.SKIP)
                    scene.handle.compile()
                if number % 30 == 29:
                    scene.handle.gc(orphan_retention_days=0)
            command(tmp_path, "fsck")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert storm > 50
    object.__new__(Stage).check(scene)
