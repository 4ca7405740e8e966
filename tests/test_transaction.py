"""Transactions: all of it lands as one operation, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.making import make_tract, move_ref
from tract.config import TractConfig
from tract.errors import DetachedHeadError, MergeError, RefMovedError, StorageError
from tract.history.branch import create_branch
from tract.history.checkout import detach_head
from tract.history.commit import Draft, write_commits
from tract.history.context import context_at
from tract.history.notes import note_history, note_tip
from tract.history.reset import reset
from tract.history.state import write_state
from tract.history.tags import create_tag
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation, new_commit
from tract.opening import create_repository, memory_repository, open_repository
from tract.refs.names import HEAD, ORIG_HEAD
from tract.repo import Repository
from tract.transaction import Transaction, transaction
from tract.tree import EMPTY

MAIN = "refs/heads/main"


def make_repo(*texts: str) -> tuple[Repository, list[ObjectId]]:
    repo = memory_repository()
    return repo, write_commits(repo, [message(text) for text in texts])


def message(text: str) -> Draft:
    return Draft({"content_type": "dialogue", "role": "user", "text": text})


def operations(repo: Repository) -> int:
    return len(list(repo.refs.history()))


def commit(tx: Transaction, text: str) -> ObjectId:
    blob = tx.blob(message(text).value)
    return tx.commit(CommitOperation.APPEND, EMPTY, content=blob)


def test_commits_notes_and_moves_land_as_one_operation():
    repo, (a,) = make_repo("a")
    before = operations(repo)

    with transaction(repo, "try: it") as tx:
        id = commit(tx, "b")
        tx.note("usage", id, {"n": 1})
        tx.note("usage", a, {"n": 2})
        tx.move_branch(id, orig_head=True)
        assert (MAIN, a, a) == (tx.branch, tx.tip, tx.ref(MAIN))

    assert (id, a) == (repo.ref(MAIN), repo.ref(ORIG_HEAD))
    assert [(a, {"n": 2}), (id, {"n": 1})] == [(note.target, note.body) for note in note_history(repo, "usage")]
    assert before + 1 == operations(repo)
    assert "try: it" == next(repo.refs.history())[1].reason
    assert 2 == repo.commit(id).generation


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, GeneratorExit])
def test_nothing_lands_after_an_exception_and_the_lock_is_free(error, tmp_path: Path):
    create_repository(str(tmp_path / ".tract"), TractConfig())
    repo, other = (open_repository(str(tmp_path / ".tract")) for _ in range(2))
    before = operations(repo)

    with pytest.raises(error), transaction(repo, "try") as tx:  # noqa: PT012  # the transaction is what fails
        id = commit(tx, "b")
        tx.note("usage", id, {})
        tx.move_branch(id)
        raise error

    assert (None, None, before) == (repo.ref(MAIN), note_tip(repo, "usage"), operations(repo))
    assert not repo.objects.contains(id)
    write_commits(other, [message("c")])
    repo.close()
    other.close()


def test_objects_without_a_move_are_not_written():
    repo, _ = make_repo("a")
    before = operations(repo)

    with transaction(repo, "try") as tx:
        id = commit(tx, "b")

    assert (before, False) == (operations(repo), repo.objects.contains(id))


def test_a_head_on_no_branch_is_refused_by_the_name_of_the_command():
    repo, (a,) = make_repo("a")
    detach_head(repo, a, named="HEAD")

    refused = pytest.raises(DetachedHeadError, match=f"cannot compress: HEAD is at commit {a.hex()[:16]}")
    with refused, transaction(repo, "compress: 3 messages"):
        pass
    with transaction(repo, "reset: moving", moves="head") as tx:
        assert (None, a) == (tx.branch, tx.tip)
        id = commit(tx, "b")
        tx.move_branch(id)

    assert id == repo.ref(HEAD)


@pytest.mark.parametrize("moves", ["branch", "head", "refs"])
def test_a_branch_that_is_not_where_it_is_expected_is_refused(moves):
    repo, (a, b) = make_repo("a", "b")

    with pytest.raises(RefMovedError) as caught, transaction(repo, "try", moves=moves, expected=lambda *_: a):
        pass

    assert (MAIN, a.hex(), b.hex()) == (caught.value.ref, caught.value.expected, caught.value.actual)


def test_a_command_under_way_refuses_what_moves_head():
    repo, _ = make_repo("a")
    write_state(repo, "merge", {})

    for moves in ("branch", "head"):
        with pytest.raises(MergeError, match="a merge is under way"), transaction(repo, "try", moves=moves):
            pass
    with transaction(repo, "tag: x", moves="refs") as tx:
        tx.move("refs/tags/x", tx.tip, None)

    assert repo.ref("refs/tags/x") is not None


def test_a_ref_that_moved_since_it_was_read_takes_the_whole_transaction_with_it():
    repo, (a, b) = make_repo("a", "b")

    with pytest.raises(RefMovedError), transaction(repo, "try") as tx:  # noqa: PT012  # as above
        tx.move("refs/tags/x", a, None)
        tx.move("refs/heads/other", b, a)

    assert repo.ref("refs/tags/x") is None


class Closed:
    """A gate that lets through what comes the second time."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.left = 0

    def wants(self, reason: str) -> bool:
        return reason == "try"

    def begin(self, tx: Transaction) -> bool:
        return False

    def end(self, tx: Transaction, *, lands: bool) -> Callable[[], None] | None:
        if not lands:
            return None
        self.asked.append([new.kind for new in tx.objects])
        if len(self.asked) == 1:
            raise ConnectionError
        return tx.land

    def leave(self, tx: Transaction) -> None:
        self.left += 1


def test_a_gate_sees_all_objects_and_can_prevent_it():
    repo, (a,) = make_repo("a")
    gate = Closed()
    repo.gates.append(gate)

    def attempt() -> ObjectId:
        with transaction(repo, "try") as tx:
            id = commit(tx, "b")
            tx.note("usage", id, {})
            tx.move_branch(id)
        return id

    with pytest.raises(ConnectionError):
        attempt()
    assert a == repo.ref(MAIN)
    assert 1 == gate.left
    id = attempt()

    assert 1 == gate.left
    assert [["blob", "commit", "blob", "commit"]] * 2 == gate.asked
    assert id == repo.ref(MAIN)


def test_a_transaction_can_read_what_it_made():
    repo, (a,) = make_repo("a")

    with transaction(repo, "try") as tx:
        tx.read_own()
        blob = tx.blob({"content_type": "freeform", "payload": {}})
        id = tx.commit(CommitOperation.MERGE, context_at(repo, a), parents=(a,))
        assert ({"content_type": "freeform", "payload": {}}, True) == (tx.repo.blob(blob), tx.repo.objects.contains(id))

    assert not repo.objects.contains(id)


def incomplete(repo: Repository, whole: ObjectId, **parts: object) -> ObjectId:
    """A commit that is in the store though something it names is not: no command writes one."""
    made = new_commit(repo.commit(whole)._replace(**parts))
    repo.objects.write_many([made])
    return made.id


NOWHERE = b"\x11" * 32


@pytest.mark.parametrize(
    ("parts", "lacks"),
    [
        ({"content": NOWHERE}, "its content 1111111111111111 is not there"),
        ({"parents": (NOWHERE,)}, "its parent 1111111111111111 is not there"),
        ({"tree": NOWHERE}, "its tree 1111111111111111 is not there"),
        ({"open": (NOWHERE, NOWHERE)}, "its entry 1111111111111111 is not there"),
    ],
)
def test_no_ref_comes_to_a_commit_that_lacks_a_part(parts, lacks):
    repo, (_a, b) = make_repo("a", "b")
    bad = incomplete(repo, b, **parts)

    for act in (
        lambda: create_branch(repo, "x", bad),
        lambda: create_tag(repo, "x", bad),
        lambda: move_ref(repo, MAIN, bad, expected=b, reason="update-ref"),
        lambda: reset(repo, bad, mode="hard", named="x"),
        lambda: detach_head(repo, bad, named="x"),
    ):
        with pytest.raises(StorageError, match=lacks):
            act()

    assert {MAIN: b, HEAD: MAIN} == dict(repo.local_refs())


def test_a_part_of_another_kind_is_a_part_that_lacks():
    repo, (a, b) = make_repo("a", "b")

    with pytest.raises(StorageError, match=f"its content {a.hex()[:16]} is not a blob"):
        create_branch(repo, "x", incomplete(repo, b, content=a))


def test_many_large_transactions_make_few_packs(tmp_path: Path) -> None:
    with make_tract(path=tmp_path) as t:
        for number in range(30):
            t.extend([{"role": "user", "content": f"{number} {at} " + "x" * 600} for at in range(70)])

        assert 5 < len(list((tmp_path / ".tract/objects/pack").glob("*.pack"))) < 20
        assert 2100 == len(t.compile())
