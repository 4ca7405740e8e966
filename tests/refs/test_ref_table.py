"""The refs of a store by tract: read from chunks when asked for, and as they would be without chunks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.making import texts
from tract import Session, Tract
from tract.errors import ObjectCorruptError, RefNameError
from tract.history.tracts import tract_times
from tract.maintenance.fsck.check import check_repository
from tract.maintenance.fsck.refs import replay
from tract.maintenance.stream.dump import plan_store_export, write_stream
from tract.objects.id import ObjectId
from tract.objects.model import Object, Operation, RefChange, RefValue, TractRefs, new_operation, new_ref_chunk
from tract.objects.strict_reader import read_operation, read_ref_chunk
from tract.opening import open_repository
from tract.refs.names import tract_prefix
from tract.refs.ref_table import RefTable, refs_in

MAIN = "refs/heads/main"


class Chunks:
    """A store of chunks that says which were read."""

    def __init__(self) -> None:
        self.kept: dict[ObjectId, Object] = {}
        self.read: list[ObjectId] = []

    def load(self, id: ObjectId) -> tuple[TractRefs, ...]:
        self.read.append(id)
        return read_ref_chunk(id, self.kept[id])

    def again(self, table: RefTable, *, whole: bool = False) -> RefTable:
        """The table as another process reads it from a keyframe."""
        found = table.checkpoint(whole=whole)
        self.kept.update((new.id, Object(new.kind, new.payload)) for new in found.new)
        table.saved(found.chunks)
        return RefTable(self.load, found.refs, found.chunks)


def id_of(number: int) -> ObjectId:
    return number.to_bytes(32, "big")


def change(name: str, new: RefValue | None, old: RefValue | None = None) -> RefChange:
    return RefChange(name, old, new)


def make_table(chunks: Chunks, count: int) -> RefTable:
    """A table with *count* tracts, each with a HEAD and a branch."""
    table = RefTable(chunks.load)
    table.move([change("HEAD", MAIN)], 1)
    for number in range(count):
        prefix = tract_prefix(f"user/{number}")
        table.move([change(f"{prefix}HEAD", MAIN), change(prefix + MAIN, id_of(number))], number)
    return table


STEPS = st.lists(
    st.tuples(st.integers(0, 90), st.sampled_from(["HEAD", MAIN, "refs/tags/v"]), st.none() | st.integers(1, 9)),
    max_size=120,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sets(st.integers(0, 120), max_size=6), st.booleans())
def test_any_changes_leave_what_they_leave_without_chunks(
    steps: list[tuple[int, str, int | None]], saves: set[int], whole: bool
) -> None:
    chunks = Chunks()
    table, other = RefTable(chunks.load), RefTable(chunks.load)
    expected: dict[str, RefValue] = {}
    for number, (tract, local, value) in enumerate(steps):
        name = (tract_prefix(f"t{tract}") if tract else "") + local
        new = None if value is None else id_of(value)
        moved = change(name, new, expected.get(name))
        table.move([moved], number)
        other.move([moved], number)  # as a reader that catches up, and reads no chunk
        if new is None:
            expected.pop(name, None)
        else:
            expected[name] = new
        if number in saves:
            snapshot, before = table.copy(), dict(expected)
            table = chunks.again(table, whole=whole)
            other = chunks.again(other)
            assert before == dict(snapshot.list())
    assert expected == dict(table.list()) == dict(other.list())
    assert sorted(table.tracts()) == sorted(other.tracts())
    for name in expected:
        assert expected[name] == table.read(name)


def test_to_read_one_tract_among_many_reads_one_chunk() -> None:
    chunks = Chunks()
    table = chunks.again(make_table(chunks, 2000))

    assert id_of(77) == table.read(tract_prefix("user/77") + MAIN)
    assert 2 == len(table.list(tract_prefix("user/77")))
    assert MAIN == table.read("HEAD")
    table.move([change(tract_prefix("user/5") + MAIN, id_of(1), id_of(5))], 9999)
    assert 1 == len(chunks.read)
    assert 64 <= table.chunk_count <= 256


def test_to_list_refs_of_the_root_tract_reads_no_chunk() -> None:
    chunks = Chunks()
    table = make_table(chunks, 40)
    table.move([change("refs/tags/v1", id_of(1)), change("refs/tags/w", id_of(2))], 1)
    table = chunks.again(table)

    assert (("refs/tags/v1", id_of(1)),) == table.list("refs/tags/v")
    assert (("HEAD", MAIN),) == table.list("HEAD")
    assert 0 == len(chunks.read)
    assert 80 == len(table.list("t")) == len(table.list("tracts/user"))
    assert 83 == len(table.list())


def test_a_keyframe_writes_the_chunks_that_changed_and_no_others() -> None:
    chunks = Chunks()
    table = chunks.again(make_table(chunks, 2000))

    table.move([change(tract_prefix("user/5") + MAIN, id_of(1), id_of(5))], 9999)
    table.move([change(tract_prefix("another") + "HEAD", MAIN)], 9999)

    found = table.checkpoint()
    assert len(found.new) <= 2
    assert table.chunk_count == len(found.chunks)
    assert () == make_table(chunks, 0).checkpoint().chunks


def test_times_of_tracts_are_kept() -> None:
    chunks = Chunks()
    table = chunks.again(make_table(chunks, 100))
    table.move([change(tract_prefix("user/5") + MAIN, id_of(1), id_of(5))], 9999)

    times = {prefix: (created, changed) for prefix, created, changed in chunks.again(table).tracts()}

    assert ((5, 9999), (7, 7)) == (times[tract_prefix("user/5")], times[tract_prefix("user/7")])


def test_names_are_compared_with_those_of_their_tract_alone() -> None:
    chunks = Chunks()
    table = chunks.again(make_table(chunks, 40))
    a, b = tract_prefix("user/1"), tract_prefix("user/2")

    table.check_new_names([change(a + "refs/heads/x", id_of(1)), change(b + "refs/heads/x/y", id_of(1))])
    for name in ("refs/heads/MAIN", "refs/heads/main/x"):
        with pytest.raises(RefNameError):
            table.check_new_names([change(a + name, id_of(1))])
    table.check_new_names([change(a + MAIN, None, id_of(1)), change(a + "refs/heads/main/x", id_of(1))])
    assert id_of(1) == table.read(a + MAIN)
    assert 81 == len(table.list())


def test_a_keyframe_and_its_chunks_come_back_as_they_were() -> None:
    chunk = new_ref_chunk([TractRefs("x", 1, None, (("HEAD", MAIN), (MAIN, id_of(3))))])
    keyframe = Operation(None, 1, "a", "b", (), (("HEAD", MAIN),), None, (chunk.id,))
    new = new_operation(keyframe)

    assert keyframe == read_operation(new.id, Object(new.kind, new.payload))
    found = refs_in(read_ref_chunk(chunk.id, Object(chunk.kind, chunk.payload)))
    assert {"tracts/x/HEAD": MAIN, f"tracts/x/{MAIN}": id_of(3)} == dict(found)
    for read, obj in ((read_operation, chunk), (read_ref_chunk, new)):
        with pytest.raises(ObjectCorruptError):
            read(obj.id, Object(obj.kind, obj.payload))


@pytest.mark.parametrize("chunks", [(id_of(1), id_of(2), id_of(3)), (b"x",)])
def test_a_keyframe_whose_chunks_cannot_be_is_refused(chunks: Sequence[ObjectId]) -> None:
    new = new_operation(Operation(None, 1, "a", "b", (), (), None, tuple(chunks)))

    with pytest.raises(ObjectCorruptError):
        read_operation(new.id, Object(new.kind, new.payload))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with 400 tracts, several keyframes and a message in every tenth."""
    with Session.open(tmp_path, durability="process") as session:
        for number in range(400):
            t = session.create_tract(f"user/{number}")
            if number % 10 == 0:
                t.user(f"message {number}")
            session.release_tract(f"user/{number}")
    return tmp_path


def check(folder: Path, count: int = 400) -> None:
    """Everything of every tract is there, and nothing is wrong."""
    report = check_repository(str(folder / ".tract"))
    assert () == tuple(report.problems)
    repo = open_repository(str(folder / ".tract"))
    try:
        assert count + 1 == len(tract_times(repo))
        last = read_operation(repo.objects.operations()[0], repo.objects.read(repo.objects.operations()[0]))  # type: ignore[attr-defined]
        assert len(last.chunks) > 1
    finally:
        repo.close()
    for number in (0, 7, 390):
        with Tract.open(folder, tract_id=f"user/{number}", durability="process") as t:
            assert ([] if number % 10 else [f"message {number}"]) == texts(t)


def test_a_store_of_many_tracts_survives_gc_and_sealing(folder: Path) -> None:
    check(folder)
    for _ in range(2):
        with Tract.open(folder, durability="process") as t:
            t.gc(orphan_retention_days=0)
        check(folder)
        repo = open_repository(str(folder / ".tract"))
        with repo.refs.lock():
            repo.objects.seal(*repo.refs.keyframe(repo.refs.last, "seal"))  # type: ignore[attr-defined]
        repo.close()
        check(folder)
    with Session.open(folder, durability="process") as session:
        for number in range(400, 900):
            session.create_tract(f"user/{number}")
            session.release_tract(f"user/{number}")
    check(folder, 900)


def test_a_chunk_that_is_gone_is_said_and_the_rest_is_known() -> None:
    chunks = [new_ref_chunk([TractRefs(part, 1, 1, (("HEAD", MAIN),))]) for part in ("x", "y")]
    ids = tuple(chunk.id for chunk in chunks)
    keyframe = new_operation(Operation(None, 1, "a", "b", (), (("HEAD", MAIN),), None, ids))
    operation = read_operation(keyframe.id, Object(keyframe.kind, keyframe.payload))
    kept = {chunk.id: Object(chunk.kind, chunk.payload) for chunk in chunks}

    whole = replay([(keyframe.id, operation)], kept.get)
    del kept[ids[0]]
    record = replay([(keyframe.id, operation)], kept.get)

    assert ((), {"HEAD": MAIN, "tracts/x/HEAD": MAIN, "tracts/y/HEAD": MAIN}) == (tuple(whole.problems), whole.refs)
    assert not record.is_whole
    assert {"HEAD": MAIN, "tracts/y/HEAD": MAIN} == record.refs
    assert "it is missing" in record.problems[0].detail


def test_a_stream_of_many_tracts_has_their_operations(folder: Path) -> None:
    repo = open_repository(str(folder / ".tract"))
    lines: list[bytes] = []
    write_stream(repo, plan_store_export(repo, operations=True), lines.append)
    repo.close()

    assert b'"chunks":["' in b"".join(lines).replace(b" ", b"")
