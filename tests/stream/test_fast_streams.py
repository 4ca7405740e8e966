"""Streams of text: a store written out, read into another, and the same there, id for id."""

from __future__ import annotations

import io
import json
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from tract import DialogueContent, Tract
from tract.errors import GCError, RefNameError, StorageError, StreamError
from tract.maintenance.fsck.check import check_repository
from tract.maintenance.stream.dump import plan_revision_export, plan_store_export, write_stream
from tract.maintenance.stream.load import ImportResult, import_stream
from tract.objects.document import document_of
from tract.objects.id import Kind, ObjectId
from tract.objects.json import ascii_json
from tract.objects.model import Commit, CommitOperation, NewObject, Node, Object, new_blob, new_commit, new_node
from tract.opening import memory_repository, open_repository
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.storage import quarantine

KNOWN = """\
{"stream":"tract 2","objects":2,"refs":2,"cuts":0}
{"type":"blob","id":"2d058e5500f58dba0718cecd91489e6c2d41114e4a5be32ea896ce4685156aec","value":{"content_type":"dialogue","role":"user","text":"hello"}}
{"type":"commit","id":"c3182fcabb306145f1a59938ae44c22d07956cbb782904dbed99abf6ebfc7e43","operation":"append","parents":[],"content":"2d058e5500f58dba0718cecd91489e6c2d41114e4a5be32ea896ce4685156aec","target":null,"tree":null,"open":[],"generation":1,"time":1700000000000000,"author":"Ada","message":null,"metadata":null,"refs":null}
{"ref":"HEAD","value":"refs/heads/main"}
{"ref":"refs/heads/main","value":"c3182fcabb306145f1a59938ae44c22d07956cbb782904dbed99abf6ebfc7e43"}
{"end":"?"}
"""
KNOWN = KNOWN.replace("?", blake3(KNOWN[: KNOWN.index('{"end"')].encode()).hexdigest()[:32])


@contextmanager
def opened(folder: Path) -> Iterator[Repository]:
    repo = open_repository(str(folder / ".tract"))
    try:
        yield repo
    finally:
        repo.close()


def make_store(folder: Path, count: int = 0) -> Path:
    """A store with *count* messages on main, an edit, a tag, notes and another tract."""
    with Tract.open(folder) as t:
        for n in range(count):
            t.commit(
                DialogueContent("user", f"message {n}"),
                message=f"about\n{n}\x1b[2J" if n % 3 else None,
                metadata={"n": n} if n % 5 else None,
            )
        if count:
            t.edit(f"HEAD~{count // 2}", "edited")
            t.tag("v1", "HEAD~1")
            t.annotate("HEAD~1", "pinned")
    if count:
        with Tract.open(folder, tract_id="helper") as t:
            t.user("another tract")
    return folder


def exported(folder: Path, *revisions: str, operations: bool = False) -> bytes:
    with opened(folder) as repo:
        out = io.BytesIO()
        plan = plan_revision_export(repo, revisions) if revisions else plan_store_export(repo, operations=operations)
        write_stream(repo, plan, out.write)
        return out.getvalue()


def imported(folder: Path, stream: bytes, *, force: bool = False) -> ImportResult:
    with opened(folder) as repo:
        return import_stream(repo, io.BytesIO(stream), force=force)


def contents(folder: Path) -> tuple[dict[ObjectId, Kind], dict[str, object]]:
    """Every object but the operations, and every ref."""
    with opened(folder) as repo:
        objects = {id: kind for id, kind in repo.objects.ids() if kind != "operation"}
        assert all(repo.objects.read(id).kind == kind for id, kind in objects.items())
        return objects, dict(repo.refs.list())


def problems(folder: Path) -> list[object]:
    return [one for one in check_repository(str(folder / ".tract")).problems if one.severity != "note"]


def leftovers(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder / ".tract" / "objects") if name.startswith(quarantine.PREFIX)]


def ref_line(name: str, value: str) -> str:
    return ascii_json({"ref": name, "value": value})


def stream_of(objects: list[NewObject], *refs: str, head: str | None = None) -> bytes:
    """A stream with those objects and lines of refs, and the check it should have."""
    first = ascii_json({"stream": "tract 2", "objects": len(objects), "refs": len(refs), "cuts": 0})
    lines = [ascii_json(document_of(new.id, Object(new.kind, new.payload))) for new in objects]
    text = "".join(f"{line}\n" for line in [first if head is None else head, *lines, *refs])
    return f'{text}{{"end":"{blake3(text.encode()).hexdigest()[:32]}"}}\n'.encode()


def make_commit(*parents: NewObject, generation: int = 1, **fields: object) -> NewObject:
    commit = Commit(CommitOperation.MERGE, tuple(p.id for p in parents), None, None, None, (), generation, 1, "a")
    return new_commit(commit._replace(**fields))


# There and back


def test_an_imported_store_has_every_object_and_ref_with_its_id(tmp_path: Path) -> None:
    source, target = make_store(tmp_path / "a", 70), make_store(tmp_path / "b")
    with opened(source) as repo:
        repo.objects.write_many([new_blob({"nobody": "holds this"}), make_commit()])

    result = imported(target, exported(source))

    assert contents(source) == contents(target)
    assert (len(contents(source)[0]), 0) == (result.new, result.operations)
    assert [] == problems(target)
    assert [] == leftovers(target)
    with Tract.open(source) as a, Tract.open(target) as b:
        assert a.compile().messages == b.compile().messages
    with Tract.open(target, tract_id="helper") as t:
        assert ["another tract"] == [message["content"] for message in t.compile().to_openai()]


def test_two_exports_are_the_same_bytes_wherever_the_objects_lie(tmp_path: Path) -> None:
    source, target = make_store(tmp_path / "a", 40), make_store(tmp_path / "b")
    stream = exported(source)
    imported(target, stream)

    assert stream == exported(source) == exported(target)
    assert stream.isascii()


def test_the_bytes_of_a_stream_are_known(tmp_path: Path) -> None:
    target = make_store(tmp_path)

    result = imported(target, KNOWN.encode())

    assert ImportResult(2, 2, 2, 0, 0) == result
    assert KNOWN.encode() == exported(target)


def test_importing_again_brings_nothing_new(tmp_path: Path) -> None:
    source = make_store(tmp_path / "a", 10)
    target = make_store(tmp_path / "b")
    stream = exported(source)
    imported(target, stream)
    before = contents(target)

    assert 0 == imported(target, stream).new
    assert 0 == imported(source, stream).new
    assert before == contents(target)


def test_objects_of_any_size_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "_PACK_LIMIT", 3000)
    source, target = make_store(tmp_path / "a", 20), make_store(tmp_path / "b")
    with Tract.open(source) as t:
        t.user("large " * 300_000)
        t.user("\x00\u2028\ud7ff\U0010ffff")

    imported(target, exported(source))

    assert contents(source) == contents(target)
    assert [] == problems(target)


def test_the_operations_bring_the_reflog_to_a_new_store(tmp_path: Path) -> None:
    source, target = make_store(tmp_path / "a", 5), make_store(tmp_path / "b")

    result = imported(target, exported(source, operations=True))

    assert 0 < result.taken == result.operations
    assert [] == problems(target)
    with opened(source) as a, opened(target) as b:
        assert [op for op in a.refs.history() if op[1].changes] == [op for op in b.refs.history() if op[1].changes]
        assert a.refs.list() == b.refs.list()
    with Tract.open(target) as t:
        t.user("goes on")
    assert [] == problems(target)


def test_a_store_with_a_history_keeps_its_own(tmp_path: Path) -> None:
    source, target = make_store(tmp_path / "a", 3), make_store(tmp_path / "b")
    with Tract.open(target, tract_id="mine") as t:
        t.user("mine")

    result = imported(target, exported(source, operations=True))

    assert (0, True) == (result.taken, result.operations > 0)
    assert [] == problems(target)


def test_a_revision_brings_what_it_reaches_and_its_ref(tmp_path: Path) -> None:
    source, target = make_store(tmp_path / "a", 30), make_store(tmp_path / "b")

    imported(target, exported(source, "v1"))

    objects, refs = contents(target)
    assert {"HEAD", "refs/tags/v1"} == refs.keys()
    assert objects.keys() < contents(source)[0].keys()
    assert [] == problems(target)


def test_a_range_brings_what_the_other_store_lacks(tmp_path: Path) -> None:
    source, target = make_store(tmp_path / "a", 30), make_store(tmp_path / "b")
    imported(target, exported(source))
    with Tract.open(source) as t:
        t.tag("v2")
        t.user("later")

    delta = exported(source, "v2..main")

    assert delta.count(b'\n{"type":"commit",') == 1
    with pytest.raises(StorageError, match="ref 'refs/heads/main' is at"):
        imported(target, delta)
    imported(target, delta, force=True)
    with Tract.open(source) as a, Tract.open(target) as b:
        assert a.head == b.head
    with pytest.raises(StreamError, match="nor in the store"):
        imported(make_store(tmp_path / "c"), delta)


# Refs


def test_a_ref_that_is_elsewhere_stays_and_nothing_is_brought(tmp_path: Path) -> None:
    source, target = make_store(tmp_path / "a", 3), make_store(tmp_path / "b")
    with Tract.open(target) as t:
        t.user("mine")
    before = contents(target)

    with pytest.raises(StorageError, match=r"ref 'refs/heads/main' is at .*; nothing was changed"):
        imported(target, exported(source))

    assert before == contents(target)
    assert [] == leftovers(target)
    imported(target, exported(source), force=True)
    with Tract.open(source) as a, Tract.open(target) as b:
        assert a.head == b.head


def test_names_that_cannot_stand_beside_each_other_are_refused(tmp_path: Path) -> None:
    commit = make_commit()
    id = commit.id.hex()
    target = make_store(tmp_path / "b")
    before = contents(target)

    for names in (["x", "x/y"], ["x", "X"], ["a/b", "A"]):
        with pytest.raises(RefNameError):
            imported(target, stream_of([commit], *(ref_line(f"refs/heads/{name}", id) for name in names)))

    assert before == contents(target)


@pytest.mark.parametrize(
    ("name", "value", "detail"),
    [
        ("refs/heads/../../x", "ID", "not a ref name"),
        ("../HEAD", "ID", "not a ref name"),
        ("refs/heads/\x1b[2J", "ID", "not a ref name"),
        ("refs/heads/a b", "ID", "not a ref name"),
        ("tracts/../HEAD", "ID", "name"),
        ("refs/notes/priority", "ID", "it is not a note"),
        ("tracts/t/refs/notes/priority", "ID", "it is not a note"),
        ("refs/heads/x", "BLOB", "which is not a commit"),
        ("refs/heads/x", "0" * 64, "which is not a commit"),
        ("refs/heads/x", "refs/heads/main", "cannot be symbolic"),
        ("HEAD", "refs/tags/v1", "cannot be symbolic"),
        ("HEAD", "refs/heads/../x", "not a ref name"),
        ("refs/heads/x", "xyz", "cannot be symbolic"),
        ("refs/heads/x", None, "is not a value of a ref"),
        (7, "ID", "must be a text"),
    ],
)
def test_a_ref_that_no_store_can_have_is_refused_with_its_line(
    tmp_path: Path, name: Any, value: Any, detail: str
) -> None:
    commit, blob = make_commit(), new_blob({"a": 1})
    target = make_store(tmp_path)
    before = contents(target)
    text = {"ID": commit.id.hex(), "BLOB": blob.id.hex()}.get(value, value)

    with pytest.raises(StreamError, match=detail) as caught:
        imported(target, stream_of([commit, blob], ref_line(name, text)))

    assert 4 == caught.value.line
    assert before == contents(target)


# Damage


def test_no_flipped_byte_goes_unseen_and_the_line_is_named(tmp_path: Path) -> None:
    stream = exported(make_store(tmp_path / "a", 4))
    target = make_store(tmp_path / "b")
    before = contents(target)
    chance = random.Random(7)

    with opened(target) as repo:
        for at in sorted(chance.sample(range(len(stream)), 150)):
            damaged = bytearray(stream)
            damaged[at] ^= 1 << chance.randrange(8)
            with pytest.raises(StreamError) as caught:
                import_stream(repo, io.BytesIO(bytes(damaged)))
            assert stream[:at].count(b"\n") // 30 <= caught.value.line <= stream.count(b"\n") + 2

    assert before == contents(target)
    assert [] == leftovers(target)


def test_no_cut_off_stream_is_taken(tmp_path: Path) -> None:
    stream = exported(make_store(tmp_path / "a", 4), operations=True)
    target = make_store(tmp_path / "b")
    before = contents(target)

    with opened(target) as repo:
        for at in [*range(0, len(stream), 97), len(stream) - 1]:
            with pytest.raises(StreamError):
                import_stream(repo, io.BytesIO(stream[:at]))

    assert before == contents(target)


def test_a_line_that_was_left_out_or_added_is_found(tmp_path: Path) -> None:
    stream = exported(make_store(tmp_path / "a", 2))
    target = make_store(tmp_path / "b")
    lines = stream.splitlines(keepends=True)

    with opened(target) as repo:
        for at in range(len(lines)):
            for changed in (
                [*lines[:at], *lines[at + 1 :]],
                [*lines[: at + 1], *lines[at:]],
                [*lines[:at], b"x\n", *lines[at:]],
            ):
                with pytest.raises(StreamError):
                    import_stream(repo, io.BytesIO(b"".join(changed)))
        with pytest.raises(StreamError, match="more after it"):
            import_stream(repo, io.BytesIO(stream + b"\n"))


BLOB = new_blob({"a": 1})
RAW = new_blob(b"raw")
KEPT = new_blob({"content_type": "record", "kind": "k", "payload": None})
APPEND = CommitOperation.APPEND
PARENT = make_commit()

REFUSED = [
    ([make_commit(PARENT, generation=2)], 2, "its parent .* is neither before it"),
    ([make_commit(PARENT, generation=2), PARENT], 2, "its parent .* is neither before it"),
    ([PARENT, make_commit(PARENT, generation=1)], 3, "generation is not above"),
    ([make_commit(content=BLOB.id)], 2, "names blob .* neither in the stream nor in the store"),
    ([BLOB, make_commit(target=BLOB.id)], 3, "as a commit, which is a blob"),
    ([make_commit(target=BLOB.id), BLOB], 3, "as a commit, which is a blob"),
    ([PARENT, make_commit(tree=PARENT.id)], 3, "as a tree, which is a commit"),
    ([PARENT, BLOB, make_commit(open=(BLOB.id, PARENT.id))], 4, "as a commit, which is a blob"),
    ([new_node(Node(1, (PARENT.id, 1)))], 2, "names tree"),
    ([new_node(Node(0, (PARENT.id, BLOB.id)))], 2, "names commit"),
    ([new_node(Node(0, (PARENT.id, BLOB.id), "notes"))], 2, "names blob"),
    ([RAW, make_commit(content=RAW.id, operation=APPEND)], 3, "is raw bytes"),
    ([make_commit(content=RAW.id, operation=APPEND), RAW], 2, "is raw bytes"),
    ([KEPT, make_commit(content=KEPT.id, operation=APPEND)], 3, "is a record"),
    ([KEPT, make_commit(content=KEPT.id, operation=CommitOperation.EDIT)], 3, "is a record"),
    ([BLOB, make_commit(content=BLOB.id, operation=CommitOperation.RECORD)], 3, "is not a record"),
]  # fmt: skip


@pytest.mark.parametrize(("objects", "line", "detail"), REFUSED, ids=range(len(REFUSED)))
def test_an_object_that_holds_what_is_nowhere_or_something_else_is_refused(
    tmp_path: Path, objects: list[NewObject], line: int, detail: str
) -> None:
    target = make_store(tmp_path)
    before = contents(target)

    with pytest.raises(StreamError, match=detail) as caught:
        imported(target, stream_of(objects))

    assert line == caught.value.line
    assert before == contents(target)


@pytest.mark.parametrize(
    "head",
    ["", "{}", '{"stream":"tract 1","objects":0,"refs":0,"cuts":0}', '{"stream":"tract 2","objects":-1,"refs":0,"cuts":0}',
     '{"stream":"tract 2","objects":9999999999999,"refs":0,"cuts":0}', '{"stream":"tract 2","objects":true,"refs":0,"cuts":0}',
     '{"stream":"tract 2","objects":0,"refs":0}', '{"stream":"tract 2","objects":1,"refs":0,"cuts":0}',
     '{"stream":"tract 2","objects":0,"refs":1,"cuts":0}', '{"stream":"tract 2","objects":0,"refs":0,"cuts":1}',
     '{"stream":"tract 2","objects":0,"objects":0,"refs":0,"cuts":0}', "\x00" * 5000, "[" * 100_000],
)  # fmt: skip
def test_a_head_that_is_none_is_refused(tmp_path: Path, head: str) -> None:
    with pytest.raises(StreamError):
        imported(make_store(tmp_path), stream_of([], head=head or "\n"))


def test_operations_that_lead_elsewhere_are_refused(tmp_path: Path) -> None:
    stream = exported(make_store(tmp_path / "a", 2), operations=True).decode()
    lines = stream.splitlines(keepends=True)[:-1]
    tag = next(line for line in lines if line.startswith('{"ref":"refs/tags/v1"'))
    head = json.loads(lines[0])
    lines[0] = ascii_json({**head, "refs": head["refs"] - 1}) + "\n"
    text = "".join(line for line in lines if line != tag)

    with pytest.raises(StreamError, match="lead to other refs"):
        imported(make_store(tmp_path / "b"), f'{text}{{"end":"{blake3(text.encode()).hexdigest()[:32]}"}}\n'.encode())


def test_what_a_killed_import_left_is_removed_by_the_next(tmp_path: Path) -> None:
    target = make_store(tmp_path)
    left = tmp_path / ".tract" / "objects" / f"{quarantine.PREFIX}0123"
    left.mkdir()
    (left / "pack-x.pack").write_bytes(b"half")

    imported(target, KNOWN.encode())

    assert not left.exists()


def test_no_gc_runs_while_a_stream_is_read(tmp_path: Path) -> None:
    target = make_store(tmp_path)

    class Stream(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            with opened(target) as other, pytest.raises(GCError), other.objects.maintenance():  # type: ignore[attr-defined]
                pass
            return super().readline(size)

    with opened(target) as repo:
        import_stream(repo, Stream(KNOWN.encode()))


def test_a_store_in_memory_takes_no_stream() -> None:
    with pytest.raises(StorageError):
        import_stream(memory_repository(), io.BytesIO())


def test_a_damaged_object_ends_the_export_before_its_end(tmp_path: Path) -> None:
    source = make_store(tmp_path, 3)
    missing = make_commit(content=BLOB.id)
    with opened(source) as repo:
        repo.objects.write_many([missing])
        repo.refs.update([RefEdit("refs/heads/broken", missing.id)], reason="test")
        out = io.BytesIO()
        with pytest.raises(Exception, match="not found"):
            write_stream(repo, plan_store_export(repo), out.write)

    assert b'{"end"' not in out.getvalue()


def test_what_is_garbage_and_not_whole_is_left_out(tmp_path: Path) -> None:
    source, target = make_store(tmp_path / "a", 3), make_store(tmp_path / "b")
    with opened(source) as repo:
        repo.objects.write_many([make_commit(content=BLOB.id), new_node(Node(0, (PARENT.id, BLOB.id)))])
    before = len(contents(source)[0])

    imported(target, exported(source))

    assert before - 2 == len(contents(target)[0])
    assert [] == problems(target)


def test_a_note_about_what_gc_took_comes_along(tmp_path: Path) -> None:
    source, target = tmp_path / "source", make_store(tmp_path / "target")
    with Tract.open(source) as t:
        first = t.user("kept").commit_hash
        t.annotate(t.user("dropped").commit_hash, "skip")
        t.repository.refs.update([RefEdit("refs/heads/main", bytes.fromhex(first))], reason="reset")
        t.gc(orphan_retention_days=0)

    with opened(target) as repo:
        import_stream(repo, io.BytesIO(exported(source)), force=True)

    assert exported(source) == exported(target)
    assert check_repository(str(target / ".tract")).is_clean
