"""SIGKILL at any moment: nothing acknowledged is lost, the store opens, and no lock stays."""

from __future__ import annotations

import os
import random
import select
import signal
import time
from pathlib import Path

import pytest

import tract.storage.database
from tract.config import TractConfig
from tract.history.commit import Draft, write_commits
from tract.history.notes import PRIORITY, NewNote, note_history, write_note
from tract.history.walk import first_parents
from tract.opening import create_repository, open_repository
from tract.repo import Repository
from tract.storage.store import Durability

ID_SIZE = 32


@pytest.fixture
def store(tmp_path: Path) -> str:
    path = str(tmp_path / ".tract")
    create_repository(path, TractConfig(author="tester"))
    return path


def work(store: str, durability: Durability, acknowledged: int) -> None:
    """Commit, annotate and say so, until killed; each id is written to the pipe once its commit was acknowledged."""
    repo = open_repository(store, durability=durability)
    while True:
        text = "x" * random.randrange(3000)
        drafts = [Draft({"text": text}, config={"n": 1}) for _ in range(random.choice([1, 1, 1, 20]))]
        ids = write_commits(repo, drafts)
        os.write(acknowledged, b"".join(ids))
        note = NewNote(ids[-1], {"priority": "skip"}, 0)
        write_note(repo, PRIORITY, note, reason="annotate")


def killed_worker(store: str, durability: Durability, delay: float) -> list[bytes]:
    """The ids that a worker acknowledged before it was killed, *delay* seconds after its first."""
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(readable)
            work(store, durability, writable)
        finally:
            os._exit(1)
    os.close(writable)
    select.select([readable], [], [], 10)
    end = time.monotonic() + delay
    data = b""
    while (left := end - time.monotonic()) > 0:
        if select.select([readable], [], [], left)[0]:
            data += os.read(readable, 65536)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert signal.SIGKILL == os.waitstatus_to_exitcode(status) * -1
    while part := os.read(readable, 65536):
        data += part
    os.close(readable)
    return [data[at : at + ID_SIZE] for at in range(0, len(data) - len(data) % ID_SIZE, ID_SIZE)]


def check(store: str, acknowledged: list[bytes]) -> None:
    repo = open_repository(store, durability="process")
    try:
        _check_history(repo, set(acknowledged))
    finally:
        repo.close()


def _check_history(repo: Repository, acknowledged: set[bytes]) -> None:
    tip = repo.head()[1]
    ids = [id for id, _ in first_parents(repo, tip)]
    assert acknowledged <= set(ids)
    for id in ids[:50]:
        content = repo.commit(id).content
        assert content is not None
        assert "text" in repo.blob(content)
    # What came with a commit is there with it, and the notes of their own name only commits that are there.
    assert set(ids) == {note.target for note in note_history(repo, "config")}
    assert {note.target for note in note_history(repo, PRIORITY)} <= set(ids)
    start = time.monotonic()
    write_commits(repo, [Draft({"text": "after"}, config={})])
    assert time.monotonic() - start < 5


def kill_many(store: str, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    acknowledged: list[bytes] = []
    for number in range(kills):
        durability: Durability = chance.choice(["full", "process"])
        acknowledged += killed_worker(store, durability, chance.uniform(0, 0.02))
        if number % 10 == 9 or kills - number < 3:
            check(store, acknowledged)
    check(store, acknowledged)
    assert len(acknowledged) > kills


@pytest.mark.parametrize("limit", [4 * 1024 * 1024, 20_000])
def test_killed_writers_lose_nothing_they_acknowledged(store: str, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(tract.storage.database, "JOURNAL_LIMIT", limit)

    kill_many(store, 100, seed=limit)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [4 * 1024 * 1024, 20_000])
def test_a_thousand_killed_writers_lose_nothing_they_acknowledged(
    store: str, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(tract.storage.database, "JOURNAL_LIMIT", limit)

    for seed in range(10):
        kill_many(store, 100, seed)


def test_a_killed_holder_of_the_lock_blocks_nobody(store: str) -> None:
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        repo = open_repository(store)
        with repo.objects.lock():
            os.write(writable, b"x")
            time.sleep(60)
    os.read(readable, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for fd in (readable, writable):
        os.close(fd)

    start = time.monotonic()
    check(store, [])
    assert time.monotonic() - start < 1
