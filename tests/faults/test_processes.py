"""Several processes, one store: what is acknowledged is in the history, and who loses a race is told."""

from __future__ import annotations

import os
import select
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import tract.storage.database
from tests.making import Words
from tract import Priority, RefMovedError, Tract, TractConfig
from tract.history.branch import create_branch, switch_branch
from tract.history.commit import Draft, write_commits
from tract.history.walk import first_parents
from tract.objects.id import ObjectId
from tract.opening import open_repository
from tract.refs.store import RefEdit


@contextmanager
def opened(folder: Path, **options: Any) -> Iterator[Tract]:
    with Tract.open(folder, tokenizer=Words(), **{"durability": "process", **options}) as tract:
        yield tract


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a store of one commit."""
    with opened(tmp_path, config=TractConfig(author="tester")) as tract:
        tract.user("first")
    return tmp_path


def in_processes(number: int, work: Callable[[int], list[str]]) -> list[list[str]]:
    """What *work* gives back in each of *number* processes that run at once."""
    pipes = []
    for name in range(number):
        readable, writable = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.write(writable, "\n".join([*work(name), "done"]).encode())
            except BaseException:  # noqa: BLE001  # what this process is told by its own, which has no other way to say it
                os.write(writable, traceback.format_exc().encode())
            finally:
                os._exit(0)
        os.close(writable)
        pipes.append((child, readable))
    told = []
    for child, readable in pipes:
        with os.fdopen(readable) as pipe:
            told.append(pipe.read())
        os.waitpid(child, 0)
    results = [each.split("\n") for each in told]
    assert ["done"] * number == [lines.pop() for lines in results], "\n".join(told)
    return results


def history(folder: Path, ref: str = "refs/heads/main") -> list[tuple[ObjectId, str]]:
    """Commits and their texts, oldest first."""
    repo = open_repository(str(folder / ".tract"), durability="process")
    tip = repo.ref(ref)
    assert isinstance(tip, bytes)
    found = [(id, repo.blob(commit.content)["text"]) for id, commit in first_parents(repo, tip) if commit.content]
    repo.close()
    return found[::-1]


def test_the_loser_of_a_race_is_told_and_nothing_is_changed(folder: Path) -> None:
    with opened(folder) as winner, opened(folder) as loser:
        assert winner.head == loser.head
        won = winner.user("won")

        with pytest.raises(RefMovedError) as caught:
            loser.user("lost")

        assert ("refs/heads/main", won.commit_hash) == (caught.value.ref, caught.value.actual)
        assert won.commit_hash == loser.head
        loser.user("now it has seen")
    assert ["first", "won", "now it has seen"] == [text for _, text in history(folder)]


@pytest.mark.parametrize("turns", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_an_agent_commits_beside_a_process_that_compresses(folder: Path, turns: int) -> None:
    told, telling = os.pipe()

    def agent(tract: Tract) -> list[str]:
        ids = []
        for number in range(turns):
            ids += [tract.user(f"question {number}").commit_hash, tract.assistant(f"answer {number}").commit_hash]
            if number % 20 == 19 and number < turns - 1:
                # At least one compression for every 20 turns; the handle itself never looks. None comes after the last answer.
                assert select.select([told], [], [], 60)[0], "no compression came"
                os.read(told, 1)
        return ids

    def sidecar(tract: Tract) -> list[str]:
        compressed = []
        while (context := tract.compile()).messages[-1].content != f"answer {turns - 1}":
            if len(context) > 20:
                with suppress(RefMovedError):  # the agent was quicker: look again
                    compressed.append(tract.compress(keep_recent=4, content="what was said").commit_hash)
                    os.write(telling, b".")
        return compressed

    def work(name: int) -> list[str]:
        with opened(folder) as tract:
            return (agent, sidecar)[name](tract)

    ids, compressed = in_processes(2, work)

    repo = open_repository(str(folder / ".tract"))
    history = [id.hex() for id, _ in first_parents(repo, repo.head()[1])][::-1]
    assert 2 * turns == len(ids)  # none was refused
    assert ids == [id for id in history if id in set(ids)]
    assert compressed == [id for id in history if id in set(compressed)]
    assert len(compressed) >= turns // 20 - 1
    repo.close()


@pytest.mark.parametrize("limit", [4 * 1024 * 1024, 15_000])
def test_appending_processes_lose_nothing_they_acknowledged(
    folder: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(tract.storage.database, "JOURNAL_LIMIT", limit)

    def work(name: int) -> list[str]:
        with opened(folder, on_moved="append") as tract:
            return [tract.user(f"{name} {number}").commit_hash for number in range(100)]

    acknowledged = in_processes(5, work)

    found = history(folder)
    assert 501 == len(found)
    for name, ids in enumerate(acknowledged):
        assert [(id, f"{name} {number}") for number, id in enumerate(ids)] == [
            (id.hex(), text) for id, text in found if text.startswith(f"{name} ")
        ]


def test_careful_processes_acknowledge_only_what_is_in_the_history(folder: Path) -> None:
    def work(name: int) -> list[str]:
        acknowledged = []
        with opened(folder) as tract:
            for number in range(60):
                seen = tract.head
                try:
                    info = tract.user(f"{name} {number}")
                except RefMovedError:
                    continue
                assert seen == info.parent_hash
                acknowledged.append(info.commit_hash)
        return acknowledged

    acknowledged = in_processes(4, work)

    found = [id.hex() for id, _ in history(folder)][1:]
    assert sorted(found) == sorted(id for ids in acknowledged for id in ids)


def test_branches_of_their_own_never_collide(folder: Path) -> None:
    with opened(folder) as tract:
        start = bytes.fromhex(str(tract.head))

    def work(name: int) -> list[str]:
        repo = open_repository(str(folder / ".tract"), tract=f"agent-{name}", durability="process")
        create_branch(repo, f"b{name}", start)
        switch_branch(repo, f"b{name}")
        tip: ObjectId = start
        ids = []
        for number in range(100):
            (tip,) = write_commits(repo, [Draft({"text": f"{name} {number}"})], expected=tip)
            ids.append(tip.hex())
        repo.close()
        return ids

    for name, ids in enumerate(in_processes(4, work)):
        assert ids == [id.hex() for id, _ in history(folder, f"tracts/agent-{name}/refs/heads/b{name}")][1:]


def test_notes_of_several_processes_all_survive(folder: Path) -> None:
    with opened(folder) as tract:
        first = str(tract.head)

    def work(name: int) -> list[str]:
        with opened(folder) as tract:
            for number in range(50):
                tract.annotate(first, Priority.NORMAL, reason=f"{name} {number}")
        return []

    in_processes(4, work)

    with opened(folder) as tract:
        reasons = [str(note.reason) for note in tract.get_annotations(first)]
    assert sorted(f"{name} {number}" for name in range(4) for number in range(50)) == sorted(reasons)
    for name in range(4):
        assert [f"{name} {number}" for number in range(50)] == [r for r in reasons if r.startswith(f"{name} ")]


def test_a_batch_keeps_the_notes_that_others_write_meanwhile(folder: Path) -> None:
    with opened(folder) as tract, opened(folder) as other:
        first = str(tract.head)
        tract.annotate(first, "pinned", reason="before")
        with tract.batch():
            info = tract.commit({"role": "user", "content": "in"}, generation_config={"model": "m"})
            tract.annotate(first, "skip", reason="batch")
            tract.annotate(info.commit_hash, "pinned", reason="batch")
            other.annotate(first, "normal", reason="other")
            other.record_usage({"input_tokens": 1, "output_tokens": 2})

        for handle in (tract, other):
            assert ["before", "other", "batch"] == [note.reason for note in handle.get_annotations(first)]
            assert ["batch"] == [note.reason for note in handle.get_annotations(info.commit_hash)]
            assert {"model": "m"} == handle.get_commit("HEAD").generation_config
            assert [first] == [one.commit_hash for one in handle.skipped()]


def test_a_batch_whose_branch_moved_leaves_nothing(folder: Path) -> None:
    with opened(folder) as tract, opened(folder) as other:
        first = str(tract.head)
        with pytest.raises(RefMovedError), tract.batch():  # noqa: PT012  # the end of the batch is what raises
            tract.user("in")
            tract.annotate(first, "skip")
            other.user("other")

        assert ["first", "other"] == [text for _, text in history(folder)]
        assert [] == tract.get_annotations(first)
        tract.user("next")
    assert ["first", "other", "next"] == [text for _, text in history(folder)]


def test_one_process_sees_what_another_tagged_and_deleted(folder: Path) -> None:
    with opened(folder) as one, opened(folder) as two:
        id = one.tag("v1")
        assert {"v1": id} == two.tags()
        repo = open_repository(str(folder / ".tract"))
        repo.refs.update([RefEdit("refs/tags/v1", None)], reason="delete")
        repo.close()
        assert {} == one.tags() == two.tags()


def test_a_store_opened_by_several_processes_at_once_is_made_once(tmp_path: Path) -> None:
    def work(name: int) -> list[str]:
        with opened(tmp_path, on_moved="append", config=TractConfig(author="tester")) as tract:
            return [tract.user(f"{name}").commit_hash]

    acknowledged = in_processes(6, work)

    assert {ids[0] for ids in acknowledged} == {id.hex() for id, _ in history(tmp_path)}
    assert [".tract"] == os.listdir(tmp_path)
