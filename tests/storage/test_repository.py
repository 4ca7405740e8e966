"""Opening a store: what is none, what is another version's, what is not safe, and how private a new one is."""

from __future__ import annotations

import os
import shutil
import threading
import time
from itertools import count
from pathlib import Path

import pytest
from blake3 import blake3

from tests.making import say
from tract.config import TractConfig
from tract.errors import (
    ConfigError,
    FormatVersionError,
    NotARepositoryError,
    ObjectCorruptError,
    StorageError,
    TractError,
    UnsafeRepositoryError,
)
from tract.opening import create_repository, find_repository, open_repository, read_format, store_path
from tract.storage import files

CONFIG = TractConfig(author="tester")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of a new store."""
    path = tmp_path / ".tract"
    create_repository(str(path), CONFIG)
    return path


def open_and_close(store: Path) -> None:
    open_repository(str(store)).close()


def names_and_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("version", ["0", "1", "10", "2.1"])
def test_another_version_is_refused_by_name_and_untouched(store: Path, version: str) -> None:
    line = f"tract {version}\n{'0' * 32}\n"
    (store / "format").write_text(f"{line}{blake3(line.encode()).hexdigest()[:16]}\n")
    before = names_and_bytes(store)

    with pytest.raises(FormatVersionError, match=f"'{version}'") as caught:
        open_and_close(store)

    assert version == caught.value.found
    assert before == names_and_bytes(store)


def test_a_newer_version_may_have_other_lines(store: Path) -> None:
    (store / "format").write_text("tract 3\nwhatever\nthere is\nnow\n")

    with pytest.raises(FormatVersionError):
        open_and_close(store)


def test_every_flipped_bit_and_every_cut_of_the_format_file_is_seen(store: Path) -> None:
    data = (store / "format").read_bytes()

    for at in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[at // 8] ^= 1 << at % 8
        (store / "format").write_bytes(damaged)
        with pytest.raises((ObjectCorruptError, FormatVersionError)):
            read_format(str(store))
    for cut in range(len(data)):
        (store / "format").write_bytes(data[:cut])
        with pytest.raises((ObjectCorruptError, FormatVersionError)):
            read_format(str(store))


def test_a_folder_that_is_no_store_says_so(tmp_path: Path, store: Path) -> None:
    (tmp_path / "empty" / ".tract").mkdir(parents=True)
    (store / "format").unlink()

    for path in (tmp_path / "empty" / ".tract", tmp_path / "nowhere", store):
        with pytest.raises(NotARepositoryError, match=f"'{path}'"):
            open_and_close(path)


@pytest.mark.parametrize(
    "name",
    [
        *("", "objects", "objects/pack", "locks", "refs", "refs/heads", "cache"),
        *("format", "config.toml", "objects/journal", "locks/journal"),
    ],
)
def test_a_symbolic_link_in_a_store_is_refused(store: Path, tmp_path: Path, name: str) -> None:
    open_and_close(store)
    path = store / name
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")

    with pytest.raises(UnsafeRepositoryError):
        open_and_close(store)


@pytest.mark.parametrize("name", ["", "objects", "objects/pack", "locks", "refs"])
def test_a_file_in_the_place_of_a_folder_is_refused(store: Path, name: str) -> None:
    path = store / name
    shutil.rmtree(path)
    path.write_bytes(b"")

    with pytest.raises(UnsafeRepositoryError):
        open_and_close(store)


@pytest.mark.parametrize("name", ["format", "objects/journal", "locks/journal", "HEAD", "config.toml"])
@pytest.mark.parametrize("make", ["mkfifo", "mkdir"])
def test_what_is_no_regular_file_is_refused_and_blocks_nobody(store: Path, name: str, make: str) -> None:
    (store / name).unlink()
    getattr(os, make)(store / name)

    with pytest.raises((TractError, IsADirectoryError)):
        open_and_close(store)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_store_of_another_user_is_refused(store: Path) -> None:
    os.chown(store, 12345, 12345)

    with pytest.raises(UnsafeRepositoryError, match="owned by user 12345"):
        open_and_close(store)


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_everything_is_private_whatever_the_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int) -> None:
    monkeypatch.setattr("tract.storage.database.JOURNAL_LIMIT", 3000)
    path = tmp_path / "deep" / ".tract"
    path.parent.mkdir()
    before = os.umask(umask)
    try:
        create_repository(str(path), CONFIG)
        repo = open_repository(str(path), tract="other", config=TractConfig(author="x"))
        for text in ("a", "b" * 1_200_000, *map(str, range(20))):
            say(repo, text)
        repo.close()
    finally:
        os.umask(before)

    modes = {stat.st_mode & 0o777 for p in path.rglob("*") if (stat := p.stat()) and p.is_dir()}
    assert {0o700} == modes | {path.stat().st_mode & 0o777}
    assert {0o600} == {p.stat().st_mode & 0o777 for p in path.rglob("*") if p.is_file()}
    assert list(path.rglob("*.pack"))


@pytest.mark.parametrize("umask", [0, 0o277, 0o777])
def test_a_file_that_is_made_by_opening_it_has_its_mode_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        for number, make in enumerate((files.open_append, files.open_write)):
            files.close(make(str(tmp_path / str(number))))
    finally:
        os.umask(before)

    assert [0o600] * 2 == [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()]


@pytest.mark.parametrize("at", range(7))
def test_a_store_that_cannot_be_finished_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    real, calls = os.replace, count()

    def failing(source: str, target: str) -> None:
        if next(calls) == at:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(TractError):
        create_repository(str(tmp_path / ".tract"), CONFIG)

    assert [] == os.listdir(tmp_path)


def test_the_nearest_store_above_is_found(store: Path, tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)

    assert str(store) == find_repository(str(deep)) == store_path(str(tmp_path)) == store_path(str(store))


@pytest.mark.parametrize(
    "text", ["x = [", "author = 3\n", "unknown = 1\n", "a = " + "[" * 5000 + "\n", "\xff = 1\n", "token_budget = 'x'\n"]
)
def test_settings_that_make_no_sense_are_refused_with_their_file(store: Path, text: str) -> None:
    (store / "config.toml").write_bytes(text.encode("latin-1"))

    with pytest.raises(ConfigError, match=r"config\.toml"):
        open_and_close(store)


def test_a_failed_opening_leaves_no_descriptor_open(store: Path) -> None:
    (store / "objects" / "pack" / "pack-0.idx").write_bytes(b"junk")
    (store / "objects" / "pack" / "pack-0.pack").write_bytes(b"junk")
    before = len(os.listdir("/proc/self/fd"))

    for _ in range(3):
        with pytest.raises(ObjectCorruptError):
            open_and_close(store)

    assert before == len(os.listdir("/proc/self/fd"))


def test_opening_and_closing_leaves_no_descriptor_open(store: Path) -> None:
    open_and_close(store)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(5):
        repo = open_repository(str(store))
        say(repo, f"{number}")
        repo.close()

    assert before == len(os.listdir("/proc/self/fd"))


def test_a_tract_that_another_opened_first_has_the_head_it_made(store: Path) -> None:
    barrier = threading.Barrier(6)
    failures: list[BaseException] = []

    def work() -> None:
        for number in range(20):
            barrier.wait()
            try:
                open_repository(str(store), tract=f"t{number}", durability="process").close()
            except TractError as exc:
                failures.append(exc)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == failures


def test_two_that_create_one_store_share_it(tmp_path: Path) -> None:
    path = str(tmp_path / ".tract")
    create_repository(path, CONFIG)
    repo = open_repository(path)
    tip = say(repo, "a")

    create_repository(path, CONFIG)

    again = open_repository(path)
    assert tip == again.head()[1]
    assert [".tract"] == os.listdir(tmp_path)
    repo.close()
    again.close()


def test_a_store_that_cannot_be_made_leaves_no_folder_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tract.opening.create_database", full)

    with pytest.raises(StorageError, match="No space left on device"):
        create_repository(str(tmp_path / "new" / ".tract"), TractConfig())

    assert [] == list(tmp_path.iterdir())


def test_what_a_killed_maker_left_is_removed_by_the_next_an_hour_later(tmp_path: Path) -> None:
    old, young, file, other = (
        tmp_path / name for name in (".tract.new-0a", ".tract.new-0b", ".tract.new-0c", ".tract.old")
    )
    for folder in (old, young, other):
        (folder / "objects").mkdir(parents=True)
        (folder / "objects" / "journal").touch()
    file.touch()
    link = tmp_path / ".tract.new-0d"
    link.symlink_to(other)
    for path in (old, file, other):
        os.utime(path, (0, time.time() - 3700))
    os.utime(young, (0, time.time() - 3500))

    create_repository(str(tmp_path / ".tract"), TractConfig())

    assert {".tract", young.name, file.name, other.name, link.name} == set(os.listdir(tmp_path))


def test_a_maker_that_slept_too_long_is_told_and_puts_no_part_of_a_store_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def replace_late(source: str, target: str) -> None:
        if target.endswith(".tract"):
            os.utime(source, (0, 0))
            files.remove_abandoned(str(tmp_path), ".tract.new-", 3600)
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_late)
    with pytest.raises(StorageError, match="cannot create"):
        create_repository(str(tmp_path / ".tract"), TractConfig())

    assert [] == os.listdir(tmp_path)
