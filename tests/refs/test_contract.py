"""What every ref store must do, whether its operations are in memory, on disk or held back by a batch."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tract.errors import CommitNotFoundError, RefMovedError, RefNameError
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, NewObject, Operation, new_blob, new_commit, new_operation
from tract.opening import first_operation
from tract.refs.buffered import BufferedObjects, BufferedRefs
from tract.refs.operations import OperationRefs
from tract.refs.ref_files import RefFiles
from tract.refs.store import RefEdit, RefStore
from tract.storage.database import Database, create_database
from tract.storage.memory import MemoryStore
from tract.storage.store import ObjectStore

MAIN, DRAFT = "refs/heads/main", "refs/heads/draft"


def commit(number: int) -> NewObject:
    return new_commit(Commit(CommitOperation.APPEND, (), None, None, None, (), 1, number, "tester"))


ONE, TWO, THREE = (commit(number) for number in (1, 2, 3))
HEAD = (("HEAD", MAIN),)


def memory_store() -> ObjectStore:
    store = MemoryStore()
    store.append((), first_operation(HEAD, actor="tester"), keyframe=True)
    return store


def disk_store(folder: Path) -> Database:
    if not (folder / "objects").exists():
        (folder / "locks").mkdir()
        create_database(str(folder / "objects"), first_operation(HEAD, actor="tester"))
    return Database(str(folder / "objects"), str(folder / "locks"), "process")


@pytest.fixture(params=["memory", "disk"])
def landed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OperationRefs]:
    """Refs with a HEAD on main, in a store that has the commits ONE, TWO and THREE; every update is an operation."""
    on_disk = request.param == "disk"
    store = disk_store(tmp_path) if on_disk else memory_store()
    store.write_many([ONE, TWO, THREE])
    refs = OperationRefs(store, actor="tester", mirror=RefFiles(str(tmp_path), "process") if on_disk else None)
    yield refs
    refs.close()
    store.close()


@pytest.fixture(params=["direct", "batch"])
def refs(request: pytest.FixtureRequest, landed: OperationRefs) -> RefStore:
    """The same, or a batch over it."""
    return landed if request.param == "direct" else BufferedRefs(landed, BufferedObjects(memory_store()))


def move(refs: RefStore, *edits: RefEdit) -> None:
    refs.update(edits, reason="test")


def test_a_ref_is_made_moved_and_deleted(refs: RefStore) -> None:
    assert refs.read(MAIN) is None

    move(refs, RefEdit(MAIN, ONE.id, None))
    assert ONE.id == refs.read(MAIN)
    move(refs, RefEdit(MAIN, TWO.id, ONE.id))
    assert TWO.id == refs.read(MAIN)
    move(refs, RefEdit(MAIN, None, TWO.id))
    assert refs.read(MAIN) is None


@pytest.mark.parametrize("expected", [None, TWO.id, "refs/heads/x"])
def test_a_ref_that_is_elsewhere_is_not_moved(refs: RefStore, expected: ObjectId | str | None) -> None:
    move(refs, RefEdit(MAIN, ONE.id))

    with pytest.raises(RefMovedError) as caught:
        move(refs, RefEdit(MAIN, THREE.id, expected))

    assert (MAIN, ONE.id.hex()) == (caught.value.ref, caught.value.actual)
    assert ONE.id == refs.read(MAIN)


def test_a_ref_that_is_not_there_is_not_moved(refs: RefStore) -> None:
    with pytest.raises(RefMovedError) as caught:
        move(refs, RefEdit(MAIN, TWO.id, ONE.id))

    assert (ONE.id.hex(), None) == (caught.value.expected, caught.value.actual)


def test_several_edits_are_all_made_or_none(refs: RefStore) -> None:
    move(refs, RefEdit(MAIN, ONE.id), RefEdit(DRAFT, ONE.id))

    with pytest.raises(RefMovedError):
        move(refs, RefEdit(DRAFT, TWO.id, ONE.id), RefEdit("refs/tags/t", ONE.id), RefEdit(MAIN, TWO.id, THREE.id))
    assert (("HEAD", MAIN), (DRAFT, ONE.id), (MAIN, ONE.id)) == refs.list()

    move(refs, RefEdit(DRAFT, None, ONE.id), RefEdit("refs/tags/t", ONE.id, None), RefEdit(MAIN, TWO.id, ONE.id))
    assert (("HEAD", MAIN), (MAIN, TWO.id), ("refs/tags/t", ONE.id)) == refs.list()


def test_a_prefix_lists_what_begins_with_it(refs: RefStore) -> None:
    move(refs, RefEdit(MAIN, ONE.id), RefEdit("refs/tags/t", TWO.id), RefEdit(DRAFT, TWO.id))

    assert ((DRAFT, TWO.id), (MAIN, ONE.id)) == refs.list("refs/heads/")
    assert () == refs.list("refs/notes/")


def test_a_symbolic_ref_holds_a_name_and_can_become_an_id(refs: RefStore) -> None:
    assert MAIN == refs.read("HEAD")
    move(refs, RefEdit("HEAD", DRAFT, MAIN))
    assert DRAFT == refs.read("HEAD")
    move(refs, RefEdit("HEAD", ONE.id, DRAFT))
    assert ONE.id == refs.read("HEAD")
    with pytest.raises(RefMovedError):
        move(refs, RefEdit("HEAD", MAIN, DRAFT))


def test_objects_and_refs_come_together(refs: RefStore) -> None:
    new = commit(4)

    refs.update([RefEdit(MAIN, new.id)], reason="test", objects=[new])

    assert new.id == refs.read(MAIN)


def test_a_ref_cannot_name_what_is_not_there_or_no_commit(landed: RefStore) -> None:
    blob = new_blob({"a": 1})
    for objects in ((), (blob,)):
        for id in (commit(9).id, blob.id):
            with pytest.raises(CommitNotFoundError):
                landed.update([RefEdit(DRAFT, ONE.id), RefEdit(MAIN, id)], reason="test", objects=objects)

    assert HEAD == landed.list()


@pytest.mark.parametrize(
    "names",
    [
        ("refs/heads/a", "refs/heads/a/b"),
        ("refs/heads/a/b", "refs/heads/a"),
        ("refs/heads/a/b/c", "refs/heads/a"),
        ("refs/heads/Main", "refs/heads/main"),
        ("refs/heads/straße", "refs/heads/STRASSE"),
        ("refs/heads/A", "refs/heads/a/b"),
    ],
)
def test_names_that_cannot_stand_beside_each_other_are_refused(landed: RefStore, names: tuple[str, str]) -> None:
    with pytest.raises(RefNameError):
        move(landed, *[RefEdit(name, ONE.id) for name in names])
    assert HEAD == landed.list()

    move(landed, RefEdit(names[0], ONE.id))
    with pytest.raises(RefNameError):
        move(landed, RefEdit(names[1], ONE.id))

    move(landed, RefEdit(names[0], None), RefEdit(names[1], ONE.id))
    assert {*HEAD, (names[1], ONE.id)} == set(landed.list())
    move(landed, RefEdit(names[1], None))
    move(landed, RefEdit(names[0], TWO.id))
    assert TWO.id == landed.read(names[0])


@pytest.mark.parametrize(
    "name", ["main", "refs/main", "refs/heads/", "refs/heads/a..b", "../x", "config.toml", "objects/x"]
)
def test_only_whole_good_names_become_refs(landed: RefStore, name: str) -> None:
    with pytest.raises(RefNameError):
        move(landed, RefEdit(name, ONE.id))
    with pytest.raises(RefNameError):
        move(landed, RefEdit("HEAD", name))
    move(landed, RefEdit(name, None))

    assert HEAD == landed.list()


def test_one_ref_is_not_moved_twice_at_once(landed: RefStore) -> None:
    with pytest.raises(RefNameError):
        move(landed, RefEdit(MAIN, ONE.id, None), RefEdit(MAIN, TWO.id, None))

    assert HEAD == landed.list()


def test_an_update_that_changes_nothing_is_no_operation(landed: RefStore) -> None:
    move(landed, RefEdit(MAIN, ONE.id))
    before = list(landed.history())

    move(landed, RefEdit(MAIN, ONE.id), RefEdit(DRAFT, None), RefEdit("HEAD", MAIN))

    assert before == list(landed.history())


def test_the_history_tells_every_move_newest_first(landed: RefStore) -> None:
    landed.update([RefEdit(MAIN, ONE.id)], reason="first")
    landed.update([RefEdit(MAIN, TWO.id), RefEdit("HEAD", DRAFT)], reason="second")

    operations = [operation for _, operation in landed.history()]

    assert ["second", "first", "init"] == [operation.reason for operation in operations]
    assert ((MAIN, ONE.id, TWO.id), ("HEAD", MAIN, DRAFT)) == operations[0].changes
    assert ((MAIN, None, ONE.id),) == operations[1].changes
    assert "tester" == operations[0].actor


def test_the_history_is_whole_over_many_keyframes(landed: RefStore) -> None:
    for number in range(600):
        move(landed, RefEdit(MAIN, (ONE, TWO)[number % 2].id))

    moves = [operation.changes[0].new for _, operation in landed.history()]

    assert [(ONE, TWO)[number % 2].id for number in reversed(range(600))] == moves[:-1]


def test_threads_that_compare_and_swap_lose_no_move(landed: RefStore) -> None:
    move(landed, RefEdit(MAIN, ONE.id))
    wins: list[int] = []

    def work(number: int) -> None:
        for turn in range(40):
            before = landed.read(MAIN)
            new = commit(1000 * number + turn)
            try:
                landed.update([RefEdit(MAIN, new.id, before)], reason="test", objects=[new])
            except RefMovedError:
                continue
            wins.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    chain = [operation.changes[0] for _, operation in landed.history()][:-1]
    assert len(wins) + 1 == len(chain)
    assert all(newer.old == older.new for newer, older in pairwise(chain))


def test_two_handles_see_each_other_and_only_one_of_two_wins(tmp_path: Path) -> None:
    stores = [disk_store(tmp_path), disk_store(tmp_path)]
    first, second = (OperationRefs(store, actor="tester") for store in stores)
    first.update([RefEdit(MAIN, ONE.id, None)], reason="first", objects=[ONE, TWO, THREE])

    with pytest.raises(RefMovedError):
        second.update([RefEdit(MAIN, TWO.id, None)], reason="second")
    second.update([RefEdit(MAIN, TWO.id, ONE.id)], reason="second")
    with stores[1].lock():
        stores[1].seal(*second.keyframe(second.last, "seal"))
    first.refresh()

    assert TWO.id == first.read(MAIN)
    assert ["seal", "second", "first", "init"] == [operation.reason for _, operation in first.history()]
    for store in stores:
        store.close()


def test_a_batch_sees_its_own_edits_and_the_base_does_not() -> None:
    store = memory_store()
    base = OperationRefs(store, actor="tester")
    objects = BufferedObjects(store)
    base.update([RefEdit(MAIN, ONE.id)], reason="before", objects=[ONE])
    batch = BufferedRefs(base, objects)

    batch.update([RefEdit(MAIN, TWO.id, ONE.id)], reason="in", objects=[TWO])
    batch.update([RefEdit(MAIN, THREE.id, TWO.id), RefEdit(DRAFT, TWO.id, None)], reason="in", objects=[THREE])
    batch.update([RefEdit(DRAFT, None, TWO.id)], reason="in")

    assert (THREE.id, ONE.id) == (batch.read(MAIN), base.read(MAIN))
    assert (*HEAD, (MAIN, THREE.id)) == batch.list()
    assert (RefEdit(MAIN, THREE.id, ONE.id), RefEdit(DRAFT, None, None)) == batch.edits()
    assert objects.contains(TWO.id)
    assert not store.contains(TWO.id)
    assert objects.read(TWO.id) == (TWO.kind, TWO.payload)
    assert (TWO.id,) == objects.find(TWO.id.hex()[:8])
    assert {ONE.id, TWO.id, THREE.id} <= {id for id, _ in objects.ids()}


def test_the_first_operation_says_where_head_is() -> None:
    made = first_operation(HEAD, actor="ada")

    assert made == new_operation(Operation(None, *_time_and(made), "init", (("HEAD", None, MAIN),), HEAD))  # type: ignore[arg-type]


def _time_and(made: NewObject) -> tuple[int, str]:
    from tract.objects.model import Object
    from tract.objects.strict_reader import read_operation

    operation = read_operation(made.id, Object(made.kind, made.payload))
    return operation.time, operation.actor
