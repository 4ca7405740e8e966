"""Ref files: plain lines that show what the operations say, and bear witness when operations are lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.making import say
from tract.config import TractConfig
from tract.errors import ObjectCorruptError
from tract.objects.id import ObjectId
from tract.refs.files import RefFiles, format_line, parse_line
from tract.refs.store import RefEdit
from tract.repo import Repository, create_repository, open_repository
from tract.storage.store import Durability

MAIN = "refs/heads/main"
ID = bytes(range(32))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of a new store."""
    path = tmp_path / ".tract"
    create_repository(str(path), TractConfig(author="tester"))
    return path


@pytest.fixture
def repo(store: Path) -> Iterator[Repository]:
    repo = open_repository(str(store))
    yield repo
    repo.close()


def reopened(store: Path, durability: Durability = "full") -> ObjectId | None:
    """Where the branch is for who opens the store now."""
    repo = open_repository(str(store), durability=durability)
    tip = repo.head()[1]
    repo.close()
    return tip


def line_of(store: Path, name: str = MAIN) -> bytes:
    return (store / name).read_bytes()


def test_a_line_is_value_durability_and_check() -> None:
    # Hard-coded on purpose: other lines would be another format.
    assert b"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f synced 2c661131\n" == format_line(
        MAIN, ID, "full"
    )
    assert b"ref:refs/heads/main cached 177fda30\n" == format_line("HEAD", MAIN, "process")


@pytest.mark.parametrize("durability", ["full", "process"])
@pytest.mark.parametrize("value", [ID, MAIN])
def test_a_line_reads_back_and_any_flipped_bit_or_cut_is_seen(value: ObjectId | str, durability: Durability) -> None:
    line = format_line(MAIN, value, durability)

    assert (value, durability == "full") == parse_line(MAIN, line)
    for at in range(len(line) * 8):
        damaged = bytearray(line)
        damaged[at // 8] ^= 1 << at % 8
        with pytest.raises(ValueError):
            parse_line(MAIN, bytes(damaged))
    for cut in range(len(line)):
        with pytest.raises(ValueError):
            parse_line(MAIN, line[:cut])
    with pytest.raises(ValueError):
        parse_line("refs/heads/other", line)


@pytest.mark.parametrize("durability", ["full", "process"])
def test_a_commit_shows_in_the_ref_file_with_how_durable_it_is(store: Path, durability: Durability) -> None:
    repo = open_repository(str(store), durability=durability)
    for text in "ab":
        tip = say(repo, text)
        assert format_line(MAIN, tip, durability) == line_of(store)
    repo.close()

    assert MAIN == parse_line("HEAD", line_of(store, "HEAD"))[0]


def test_a_ref_file_is_written_over_in_place(store: Path, repo: Repository) -> None:
    say(repo, "a")
    before = (store / MAIN).stat().st_ino
    say(repo, "b")

    assert before == (store / MAIN).stat().st_ino


@pytest.mark.parametrize("damage", [b"", b"garbage\n", b"\xff" * 90, b"\0" * 83, "flip", "gone", "behind"])
def test_a_wrong_ref_file_is_written_anew_by_who_opens_the_store(
    store: Path, repo: Repository, damage: bytes | str
) -> None:
    say(repo, "a")
    old = line_of(store)
    tip = say(repo, "b")
    new = line_of(store)
    if damage == "gone":
        (store / MAIN).unlink()
    else:
        flipped = new[:20] + bytes([new[20] ^ 1]) + new[21:]
        (store / MAIN).write_bytes({"flip": flipped, "behind": old}.get(str(damage), damage))  # type: ignore[arg-type]

    assert tip == reopened(store)
    assert (tip, False) == parse_line(MAIN, line_of(store))


def test_a_repaired_line_claims_no_sync_of_its_own(store: Path, repo: Repository) -> None:
    # Who wrote the operation may have died before its sync: a power cut may still take it.
    tip = say(repo, "a")
    (store / MAIN).unlink()
    reopened(store, "full")

    assert format_line(MAIN, tip, "process") == line_of(store)


def test_a_damaged_head_file_is_written_anew(store: Path, repo: Repository) -> None:
    tip = say(repo, "a")
    (store / "HEAD").write_bytes(b"ref: refs/heads/other\n")

    assert tip == reopened(store)
    assert (MAIN, False) == parse_line("HEAD", line_of(store, "HEAD"))


def test_a_missing_folder_of_refs_is_made_anew(store: Path, repo: Repository) -> None:
    tip = say(repo, "a")
    (store / MAIN).unlink()
    for name in ("refs/heads", "refs/tags", "refs/notes", "refs"):
        (store / name).rmdir()

    assert tip == reopened(store)
    assert line_of(store)


@pytest.mark.parametrize("lost", ["torn", "cut off whole"])
def test_a_synced_line_naming_a_commit_that_is_gone_is_damage(store: Path, repo: Repository, lost: str) -> None:
    say(repo, "a")
    size = repo.objects.stats().journal_size
    say(repo, "b")
    journal = store / "objects" / "journal"
    data = journal.read_bytes()
    left = data[: size + (40 if lost == "torn" else 0)].ljust(len(data), b"\0")
    journal.write_bytes(left)

    with pytest.raises(ObjectCorruptError) as caught:
        reopened(store)

    assert str(store / MAIN) == caught.value.subject
    assert left == journal.read_bytes()


def test_a_cached_line_naming_a_commit_that_is_gone_is_written_anew(store: Path) -> None:
    repo = open_repository(str(store), durability="process")
    tip = say(repo, "a")
    size = repo.objects.stats().journal_size
    say(repo, "b")
    repo.close()
    journal = store / "objects" / "journal"
    journal.write_bytes(journal.read_bytes()[:size])

    assert tip == reopened(store)
    assert (tip, False) == parse_line(MAIN, line_of(store))


class Death(BaseException):
    """A process that dies between the operation and the ref files."""


class DyingFiles(RefFiles):
    def write(self, changes: object) -> None:
        raise Death


def dying_repository(store: Path) -> Repository:
    from tract.refs.operations import OperationRefs

    repo = open_repository(str(store))
    object.__setattr__(repo, "refs", OperationRefs(repo.objects, actor="tester", mirror=DyingFiles(str(store), "full")))
    return repo


def test_what_a_dying_process_did_not_show_is_shown_by_the_next_opener(store: Path) -> None:
    repo = dying_repository(store)
    with pytest.raises(Death):
        say(repo, "a")
    repo.close()
    assert not (store / MAIN).exists()

    tip = reopened(store)

    assert tip is not None
    assert (tip, False) == parse_line(MAIN, line_of(store))


def test_what_a_dying_process_did_not_show_is_shown_by_the_next_writer(store: Path, repo: Repository) -> None:
    tip = say(repo, "a")
    dying = dying_repository(store)
    tag, note = "refs/tags/t", "refs/notes/x"
    repo.refs.update([RefEdit(note, tip)], reason="note")
    with pytest.raises(Death):
        dying.refs.update([RefEdit(tag, tip), RefEdit(note, None)], reason="tag")
    dying.close()
    assert [False, True] == [(store / name).exists() for name in (tag, note)]

    say(repo, "b")

    assert [True, False] == [(store / name).exists() for name in (tag, note)]
    assert (tip, True) == parse_line(tag, line_of(store, tag))


def test_a_ref_file_that_cannot_be_written_does_not_undo_the_commit(store: Path, repo: Repository) -> None:
    tip = say(repo, "a")
    (store / "refs" / "tags").rmdir()
    (store / "refs" / "tags").write_bytes(b"in the way")

    repo.refs.update([RefEdit("refs/tags/t", tip)], reason="tag")
    assert tip == repo.ref("refs/tags/t")
    (store / "refs" / "tags").unlink()
    say(repo, "b")

    assert (tip, True) == parse_line("refs/tags/t", line_of(store, "refs/tags/t"))


def test_names_that_take_each_others_place_take_each_others_files(store: Path, repo: Repository) -> None:
    tip = say(repo, "a")
    for name, other in (("refs/heads/x", "refs/heads/x/y/z"), ("refs/heads/x/y/z", "refs/heads/x")):
        repo.refs.update([RefEdit(name, tip)], reason="make")
        repo.refs.update([RefEdit(other, tip, None), RefEdit(name, None)], reason="swap")
        assert format_line(other, tip, "full") == line_of(store, other)
        repo.refs.update([RefEdit(other, None)], reason="delete")
        assert not (store / other).exists()


def test_no_ref_file_is_written_through_a_symbolic_link(store: Path, repo: Repository, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    tip = say(repo, "a")
    (store / MAIN).unlink()
    (store / MAIN).symlink_to(victim)

    say(repo, "b")

    assert b"untouched" == victim.read_bytes()
    assert tip != repo.head()[1]


def test_no_ref_file_is_written_through_a_folder_that_is_a_symbolic_link(
    store: Path, repo: Repository, tmp_path: Path
) -> None:
    repo.refs.update([RefEdit("refs/heads/a/b", say(repo, "a"))], reason="make")
    (store / "refs" / "heads" / "a").rename(tmp_path / "victim")
    (store / "refs" / "heads" / "a").symlink_to(tmp_path / "victim")
    before = (tmp_path / "victim" / "b").read_bytes()

    with closing(open_repository(str(store))) as other:
        other.refs.update([RefEdit("refs/heads/a/b", say(other, "b"))], reason="move")

    assert before == (tmp_path / "victim" / "b").read_bytes()


def test_ref_files_are_private(store: Path, repo: Repository) -> None:
    before = os.umask(0)
    try:
        repo.refs.update([RefEdit("refs/heads/a/b", say(repo, "a"))], reason="make")
    finally:
        os.umask(before)

    assert [0o700, 0o600] == [(store / name).stat().st_mode & 0o777 for name in ("refs/heads/a", "refs/heads/a/b")]
