"""What a later tract may write, and this one does not know: kept and shown, never compiled, and no error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.making import texts
from tract import Tract
from tract.cli.main import main
from tract.history.context import context_of
from tract.maintenance.fsck.check import check_repository
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, new_blob, new_commit
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.transaction import transaction

FUTURE: Any = "weigh-anew"


def weigh(repo: Repository, content: Any = None) -> ObjectId:
    """A commit on main of an operation that this tract does not know, whose content is a map, or *content*."""
    tip = repo.head()[1]
    assert tip is not None
    before = repo.commit(tip)
    context = context_of(tip, before)
    blob = new_blob(content or {"content_type": "weighing", "grams": 3})
    made = new_commit(Commit(FUTURE, (tip,), blob.id, None, *context, before.generation + 1, before.time + 1, "me"))
    repo.refs.update([RefEdit("refs/heads/main", made.id, tip)], reason="weigh", objects=[blob, made])
    return made.id


def make_store(folder: Path) -> ObjectId:
    with Tract.open(folder) as t:
        t.user("a")
        id = weigh(t.repository)
    with Tract.open(folder) as t:
        t.user("b")
    return id


def test_an_operation_that_nobody_knows_is_shown_and_never_compiled(tmp_path: Path) -> None:
    id = make_store(tmp_path).hex()

    with Tract.open(tmp_path) as t:
        assert ["a", "b"] == texts(t)
        assert ["append", "weigh-anew", "append"] == [str(info.operation) for info in t.log()]
        assert ("weighing", {"grams": 3}) == (t.show(id).commit.content_type, t.show(id).content.payload)
        assert not t.show(id).changes
    assert check_repository(str(tmp_path / ".tract")).is_clean


def test_one_that_brings_bytes_stops_nobody_who_looks(tmp_path: Path) -> None:
    with Tract.open(tmp_path) as t:
        t.user("find a")
        id = weigh(t.repository, b"raw").hex()
        t.user("find b")

        assert ["append", "weigh-anew", "append"] == [str(info.operation) for info in t.log()]
        assert ["find b", "find a"] == [info.excerpt for info in t.log(grep="find")]
        assert (b"raw", "weigh-anew", 0) == (t.get_content(id), t.get_commit(id).role, t.get_commit(id).token_count)
        assert b"raw" == t.show(id).content
        assert ["find a", "find b"] == texts(t)
    for command in (
        ["log"],
        ["show", id],
        ["log", "-S", "find"],
        ["for-each-ref", "--format=%(subject)"],
        ["blame"],
        ["search", "find"],
    ):
        assert 0 == main(["-C", str(tmp_path), *command]), command
    assert check_repository(str(tmp_path / ".tract")).is_clean


def test_it_survives_gc_and_is_merged_as_any_other(tmp_path: Path) -> None:
    id = make_store(tmp_path)

    with Tract.open(tmp_path) as t:
        t.branch("side", source="HEAD~2", switch=True)
        t.gc(orphan_retention_days=0)
        t.switch("side")
        t.user("c")
        t.merge("main")
        assert ["a", "c", "b"] == texts(t)
        assert id.hex() in [info.commit_hash for info in t.log()]
    assert check_repository(str(tmp_path / ".tract")).is_clean


def test_a_namespace_of_notes_that_nobody_knows_is_kept(tmp_path: Path) -> None:
    with Tract.open(tmp_path) as t:
        id = bytes.fromhex(t.user("a").commit_hash)
        with transaction(t.repository, "weigh", moves="refs") as tx:
            tx.note("weights", id, {"grams": 3})
        t.gc(orphan_retention_days=0)
        tip = t.repository.refs.read("refs/notes/weights")
        assert isinstance(tip, bytes)
        assert CommitOperation.NOTE is t.repository.commit(tip).operation
        assert ["a"] == texts(t)
    assert check_repository(str(tmp_path / ".tract")).is_clean
