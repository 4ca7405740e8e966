"""Ref files: plain lines that show what the operations say, and bear witness when operations are lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.making import say
from tract.config import TractConfig
from tract.errors import DamageWarning, ObjectCorruptError
from tract.maintenance.fsck.check import check_repository
from tract.maintenance.fsck.repair import run_repair
from tract.maintenance.fsck.repair_plan import plan_repair
from tract.objects.id import ObjectId
from tract.opening import create_repository, open_repository
from tract.refs.ref_files import RefFiles, format_line, parse_line
from tract.refs.store import RefEdit
from tract.repo import Repository
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


def written_by_another(store: Path) -> ObjectId:
    """The commit that somebody else makes."""
    with closing(open_repository(str(store))) as other:
        return say(other, "next")


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


@pytest.mark.parametrize("name", [MAIN, "refs/tags/t", "HEAD"])
@pytest.mark.parametrize("damage", [b"", b"garbage\n", b"\xff" * 90, b"\0" * 83, "flip", "gone"])
def test_a_wrong_ref_file_is_left_by_readers_and_written_anew_by_the_next_writer(
    store: Path, repo: Repository, name: str, damage: bytes | str
) -> None:
    tip = say(repo, "a")
    repo.refs.update([RefEdit("refs/tags/t", tip)], reason="tag")
    line = line_of(store, name)
    if damage == "gone":
        (store / name).unlink()
    else:
        flipped = line[:20] + bytes([line[20] ^ 1]) + line[21:]
        (store / name).write_bytes(flipped if isinstance(damage, str) else damage)
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}

    assert tip == reopened(store)
    assert before == {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    new = written_by_another(store)

    assert (repo.refs.read(name) if name != MAIN else new, True) == parse_line(name, line_of(store, name))


def test_a_ref_file_with_an_earlier_value_is_written_anew_by_the_next_writer(store: Path, repo: Repository) -> None:
    tag = "refs/tags/t"
    tips = [say(repo, text) for text in "ab"]
    repo.refs.update([RefEdit(tag, tips[0])], reason="tag")
    old = line_of(store, tag)
    repo.refs.update([RefEdit(tag, tips[1])], reason="tag")
    (store / tag).write_bytes(old)

    written_by_another(store)

    assert (tips[1], True) == parse_line(tag, line_of(store, tag))


def test_the_file_of_a_ref_that_is_gone_is_removed_by_the_next_writer(store: Path, repo: Repository) -> None:
    tag = "refs/tags/t"
    tip = say(repo, "a")
    repo.refs.update([RefEdit(tag, tip)], reason="tag")
    line = line_of(store, tag)
    repo.refs.update([RefEdit(tag, None)], reason="tag")
    (store / tag).write_bytes(line)

    written_by_another(store)

    assert not (store / tag).exists()


def test_a_missing_folder_of_refs_is_made_anew_by_the_next_writer(store: Path, repo: Repository) -> None:
    say(repo, "a")
    (store / MAIN).unlink()
    for name in ("refs/heads", "refs/tags", "refs/notes", "refs"):
        (store / name).rmdir()

    tip = written_by_another(store)

    assert (tip, True) == parse_line(MAIN, line_of(store))


@pytest.mark.parametrize("lost", ["torn", "cut off whole"])
@pytest.mark.parametrize("mark", ["of the last writer", "of the one before"])
def test_a_journal_without_its_acknowledged_end_is_damage(store: Path, repo: Repository, lost: str, mark: str) -> None:
    say(repo, "a")
    size = repo.objects.stats().journal_size
    before = (store / "locks/journal").read_bytes()
    say(repo, "b")
    if mark == "of the one before":
        (store / "locks/journal").write_bytes(before)
    journal = store / "objects" / "journal"
    data = journal.read_bytes()
    left = data[: size + (40 if lost == "torn" else 0)].ljust(len(data), b"\0")
    journal.write_bytes(left)

    with pytest.raises(ObjectCorruptError) as caught:
        reopened(store)

    assert str(store / MAIN if mark == "of the one before" else journal) == caught.value.subject
    assert left == journal.read_bytes()


def test_a_last_operation_that_only_deleted_a_branch_is_missed_although_no_ref_file_tells(
    store: Path, repo: Repository
) -> None:
    tip = say(repo, "a")
    repo.refs.update([RefEdit("refs/heads/side", tip)], reason="branch")
    size = repo.objects.stats().journal_size
    repo.refs.update([RefEdit("refs/heads/side", None)], reason="branch")
    journal = store / "objects" / "journal"
    data = bytearray(journal.read_bytes())
    data[size + 90] ^= 1
    journal.write_bytes(data)

    with pytest.raises(ObjectCorruptError):
        reopened(store)
    assert run_repair(plan_repair(check_repository(str(store)))).is_clean

    with closing(open_repository(str(store))) as again:
        assert again.ref("refs/heads/side") is None
        assert tip == again.head()[1]


def test_commits_that_were_never_synced_and_are_gone_are_told_of_until_they_are_repaired(store: Path) -> None:
    repo = open_repository(str(store), durability="process")
    tip = say(repo, "a")
    size = repo.objects.stats().journal_size
    say(repo, "b")
    repo.close()
    journal = store / "objects" / "journal"
    journal.write_bytes(journal.read_bytes()[: size + 60])
    left = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}

    with pytest.warns(DamageWarning, match="1 transaction"):
        assert tip == reopened(store)
    assert left == {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    with pytest.warns(DamageWarning):
        written_by_another(store)
    with pytest.warns(DamageWarning, match="set aside"):
        reopened(store)

    assert "journal-evidence" in {problem.kind for problem in check_repository(str(store)).warnings}
    run_repair(plan_repair(check_repository(str(store))))
    assert check_repository(str(store)).is_clean
    reopened(store)


class Death(BaseException):
    """A process that dies between the operation and the ref files."""


class DyingFiles(RefFiles):
    def write(self, changes: object, *, sure: bool = True) -> None:
        raise Death


def dying_repository(store: Path) -> Repository:
    from tract.refs.operations import OperationRefs

    repo = open_repository(str(store))
    object.__setattr__(repo, "refs", OperationRefs(repo.objects, actor="tester", mirror=DyingFiles(str(store), "full")))
    return repo


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
