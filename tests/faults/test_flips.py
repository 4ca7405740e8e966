"""Single flipped bits anywhere in a store: what is read is right, or an error of tract's."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

import tract.storage.database
from tract.config import TractConfig
from tract.errors import TractError
from tract.history.commit import Draft, write_commits
from tract.history.notes import note_history
from tract.history.walk import first_parents
from tract.opening import create_repository, open_repository


def fill(store: Path) -> None:
    """A store with a journal, packs, a loose object, notes and a tag."""
    create_repository(str(store), TractConfig(author="tester"))
    repo = open_repository(str(store))
    for number in range(30):
        text = f"message {number} " + "word " * (number * 7 % 40) + ("x" * 1_100_000 if number == 5 else "")
        write_commits(repo, [Draft({"text": text}, config={"n": number})])
    repo.close()


def read_everything(store: Path) -> list[object]:
    """All there is to read: refs, history, contents, notes, operations."""
    repo = open_repository(str(store), durability="process")
    try:
        history = list(first_parents(repo, repo.head()[1]))
        contents = [repo.blob(commit.content or b"") for _, commit in history]
        return [
            repo.refs.list(),
            history,
            contents,
            list(note_history(repo, "config")),
            list(repo.refs.history()),
            sorted(repo.objects.ids()),
        ]
    finally:
        repo.close()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tract.storage.database, "JOURNAL_LIMIT", 8000)
    fill(tmp_path / "whole")
    return tmp_path / "whole"


def is_wrong(store: Path, right: list[object]) -> bool:
    """Whether the store reads as something else without an error."""
    try:
        return right != read_everything(store)
    except TractError:
        return False


# A cache is thrown away when it is wrong, and a last transaction that is not whole was never acknowledged
# as far as the journal can tell; the ref files bear witness that it was.
def check_flips(store: Path, flips: int, seed: int) -> None:
    right = read_everything(store)
    files = [path for path in sorted(store.rglob("*")) if path.is_file() and path.stat().st_size]
    chance = random.Random(seed)
    for _ in range(flips):
        path = chance.choice(files)
        data = path.read_bytes()
        used = len(data.rstrip(b"\0")) if path.name == "journal" else min(len(data), 5000)
        at = chance.randrange(used)
        kept = store.with_name("kept")
        shutil.copytree(store, kept)
        with path.open("r+b") as file:
            file.seek(at)
            file.write(bytes([data[at] ^ 1 << chance.randrange(8)]))
        assert not is_wrong(store, right), (path, at)
        shutil.rmtree(store)
        kept.rename(store)


def test_flipped_bits_are_never_read_as_content(store: Path) -> None:
    check_flips(store, 60, seed=1)


@pytest.mark.slow
def test_many_flipped_bits_are_never_read_as_content(store: Path) -> None:
    check_flips(store, 10_000, seed=2)


def test_deleted_files_are_never_read_as_a_shorter_history(store: Path) -> None:
    right = read_everything(store)
    for path in sorted(store.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        path.unlink()
        assert not is_wrong(store, right), path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)


def test_a_pack_or_index_that_is_gone_is_an_error_and_no_shorter_history(store: Path) -> None:
    for suffix in ("*.pack", "*.idx"):
        (path, *_) = sorted(store.rglob(suffix))
        data = path.read_bytes()
        path.unlink()
        with pytest.raises(TractError):
            read_everything(store)
        path.write_bytes(data)
    read_everything(store)
