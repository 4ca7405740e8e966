"""Streams of stores whose notes are about commits that gc dropped."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.making import move_ref
from tract import Priority, Tract
from tract.errors import StreamError
from tract.history.notes import note_history
from tract.maintenance.fsck.check import check_repository
from tract.maintenance.stream.dump import ExportPlan, plan_revision_export, plan_store_export, write_stream
from tract.maintenance.stream.load import import_stream
from tract.objects.model import CommitOperation, new_commit
from tract.objects.strict_reader import read_commit
from tract.refs.store import ANY
from tract.repo import Repository

_GONE = 10
_NOTES = 41  # of so many, so few about what is gone are not pruned


def repo_of(tract: Tract) -> Repository:
    return tract.repository


def make_tract(folder: Path, said: Sequence[str] = ()) -> Tract:
    folder.mkdir(exist_ok=True)
    tract = Tract.open(folder, durability="process")
    for text in said:
        tract.user(text)
    return tract


def make_noted(folder: Path) -> tuple[Tract, list[str]]:
    """A tract with notes about commits that gc dropped, among others about a commit that is there; the commits that went."""
    tract = make_tract(folder, ["stays"])
    kept = tract.head or ""
    gone = [tract.user(f"goes {at}").commit_hash for at in range(_GONE)]
    for commit in gone:
        tract.annotate(commit, Priority.PINNED)
    for at in range(_NOTES - _GONE):
        tract.annotate(kept, Priority.SKIP, reason=f"not needed {at}")
    move_ref(repo_of(tract), "refs/heads/main", bytes.fromhex(kept), expected=ANY, reason="reset")
    tract.gc(orphan_retention_days=0)
    assert not repo_of(tract).objects.contains(bytes.fromhex(gone[0]))
    return tract, gone


def stream_of(tract: Tract, plan: ExportPlan) -> bytes:
    pieces: list[bytes] = []
    write_stream(repo_of(tract), plan, pieces.append)
    return b"".join(pieces)


def problems(folder: Path) -> list[str]:
    return [str(one) for one in check_repository(str(folder / ".tract")).problems if one.severity != "note"]


@pytest.mark.parametrize("operations", [False, True])
def test_a_store_whose_notes_outlived_their_commits_is_the_same_elsewhere(tmp_path, operations):
    tract, gone = make_noted(tmp_path / "here")
    stream = stream_of(tract, plan_store_export(repo_of(tract), operations=operations))
    copy = make_tract(tmp_path / "there")

    import_stream(repo_of(copy), io.BytesIO(stream))

    assert dict(repo_of(tract).refs.list()) == dict(repo_of(copy).refs.list())
    notes = list(note_history(repo_of(copy), "priority"))
    assert {bytes.fromhex(commit) for commit in gone} <= {note.target for note in notes}
    assert notes == list(note_history(repo_of(tract), "priority"))
    assert operations or stream == stream_of(copy, plan_store_export(repo_of(copy)))
    assert [] == problems(tmp_path / "there")


def test_the_notes_alone_can_be_brought_elsewhere(tmp_path):
    tract, _ = make_noted(tmp_path / "here")
    stream = stream_of(tract, plan_revision_export(repo_of(tract), ["refs/notes/priority"]))
    copy = make_tract(tmp_path / "there")

    import_stream(repo_of(copy), io.BytesIO(stream))

    assert _NOTES == len(list(note_history(repo_of(copy), "priority")))
    assert [] == problems(tmp_path / "there")


def test_later_notes_follow_those_that_were_brought_before(tmp_path):
    tract, _ = make_noted(tmp_path / "here")
    before = repo_of(tract).ref("refs/notes/priority").hex()
    whole = stream_of(tract, plan_store_export(repo_of(tract)))
    copy = make_tract(tmp_path / "there")
    import_stream(repo_of(copy), io.BytesIO(whole))
    for _ in range(20):
        tract.annotate("HEAD", Priority.PINNED)
    rest = stream_of(tract, plan_revision_export(repo_of(tract), [f"{before}..refs/notes/priority"]))

    import_stream(repo_of(copy), io.BytesIO(rest), force=True)

    assert repo_of(tract).ref("refs/notes/priority") == repo_of(copy).ref("refs/notes/priority")
    assert [] == problems(tmp_path / "there")


def test_a_commit_that_more_than_a_note_names_must_be_there(tmp_path):
    tract = make_tract(tmp_path / "here", ["a", "b"])
    edited = tract.head or ""
    tract.edit(edited, "B")
    tract.annotate(edited, Priority.PINNED)
    plan = plan_store_export(repo_of(tract))
    tip = repo_of(tract).commit(bytes.fromhex(tract.head or ""))
    alone = new_commit(tip._replace(parents=(), generation=1))
    objects = tuple(id for id in plan.objects if repo_of(tract).objects.read(id).kind == "blob")
    with repo_of(tract).objects.lock():
        repo_of(tract).objects.write_many([alone])
    notes = plan_revision_export(repo_of(tract), ["refs/notes/priority"]).objects
    stream = stream_of(tract, ExportPlan((*objects, alone.id, *(id for id in notes if is_note(tract, id))), ()))
    copy = make_tract(tmp_path / "there")

    with pytest.raises(StreamError, match=f"it names commit {edited}, which is neither in the stream nor in the store"):
        import_stream(repo_of(copy), io.BytesIO(stream))


def is_note(tract: Tract, id: bytes) -> bool:
    obj = repo_of(tract).objects.read(id)
    return obj.kind == "commit" and read_commit(id, obj).operation is CommitOperation.NOTE
