"""A spawn on the disk: what it costs, what it borrows, and what keeps that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.format_reader import Store
from tests.making import Words, assert_whole, call, make_repo, texts
from tests.stream.test_fast_streams import exported, imported
from tract import ObjectCorruptError, Session, Tract
from tract.history.context import context_at, count_entries
from tract.objects.model import Commit, CommitOperation, new_commit


def open_session(path: Path) -> Session:
    return Session.open(path, durability="process", tokenizer=Words())


def written(path: Path) -> int:
    return len((path / ".tract" / "objects" / "journal").read_bytes().rstrip(b"\0"))


@pytest.mark.parametrize("inheritance", ["head_snapshot", "full_clone"])
def test_a_spawn_takes_under_a_kilobyte_whatever_its_parent_has(tmp_path: Path, inheritance: Any) -> None:
    with open_session(tmp_path) as session:
        lead = session.create_tract("lead")
        costs = []
        for at in range(40):
            lead.user(f"message {at}")
            before = written(tmp_path)
            child = lead.spawn("look for hotels near the station", name=f"child {at}", inheritance=inheritance)
            costs.append(written(tmp_path) - before)
            assert texts(lead) == texts(child)
        assert max(costs) < 1024
        assert max(costs) - min(costs) < 50
        assert 40 == len(lead.children())
    assert_whole(tmp_path)


def test_a_child_of_a_waiting_call_costs_as_little(tmp_path: Path) -> None:
    with open_session(tmp_path) as session:
        lead = session.create_tract("lead")
        lead.extend([{"role": "user", "content": f"message {at}"} for at in range(300)])
        lead.commit(call("a", "b"))
        lead.tool_result("a", "done")
        before = written(tmp_path)
        child = lead.spawn("look", name="x")
        assert written(tmp_path) - before < 1024
        assert texts(lead)[:300] == texts(child)
        info = child.parent()
        assert info is not None
        assert lead.head == info.parent_commit_hash
    assert_whole(tmp_path)


@pytest.mark.parametrize("length", [1, 7, 8, 16, 31, 32, 33, 70])
def test_what_a_child_adds_makes_the_tree_that_its_parent_would_have(tmp_path: Path, length: int) -> None:
    with open_session(tmp_path) as session:
        lead = session.create_tract("lead")
        for at in range(length):
            lead.user(f"message {at}")
        child = lead.spawn("look", name="x")
        child.extend([{"role": "user", "content": f"more {at}"} for at in range(length)])
        child.edit("HEAD:1", "edited")
        child.compress(from_commit=f"HEAD:{length}", content="short")
        assert [] == session.copy_tract("lead", "copy").children()
    assert_whole(tmp_path)


@pytest.mark.parametrize("how", ["reset", "deleted", "compressed", "cleared"])
def test_gc_keeps_what_a_child_borrowed(tmp_path: Path, how: str) -> None:
    with open_session(tmp_path) as session:
        lead = session.create_tract("lead")
        for at in range(20):
            lead.user(f"message {at}")
        lead.compress(commits=["HEAD:3", "HEAD:4"], content="early")
        lead.user("last")
        child = lead.spawn("look", name="x")
        expected = texts(child)
        match how:
            case "reset":
                lead.reset("HEAD~15", mode="hard")
            case "deleted":
                session.delete_tract("lead", force=True)
            case "compressed":
                lead.compress(content="all")
            case _:
                lead.clear()
        root = session.get_tract("root")
        for _ in range(2):
            root.gc(orphan_retention_days=0, archive_retention_days=0)
            assert expected == texts(child)
        child.user("more")
        info = child.parent()
        assert info is not None
        assert "lead" == info.parent_tract_id
    assert_whole(tmp_path)
    with open_session(tmp_path) as session:
        assert [*expected, "more"] == texts(session.get_tract("x"))


def test_children_of_children_that_did_nothing_borrow_from_the_first(tmp_path: Path) -> None:
    with open_session(tmp_path) as session:
        tract = session.create_tract("0")
        tract.user("hello")
        first = tract.head
        for at in range(1, 60):
            tract = tract.spawn("go on", name=str(at))
        assert ["hello"] == texts(tract)
        spawn = tract.repository.commit(bytes.fromhex(tract.head or ""))
        assert first == (spawn.target or b"").hex()
    assert_whole(tmp_path)


def test_a_spawn_that_borrows_from_a_note_is_damage(tmp_path: Path) -> None:
    with open_session(tmp_path) as session:
        lead = session.create_tract("lead")
        lead.user("hello")
        lead.annotate("HEAD", "pinned")
        repo = lead.repository
        note = repo.ref("refs/notes/priority")
        assert isinstance(note, bytes)
        made = new_commit(Commit(CommitOperation.SPAWN, (), None, note, None, (), 1, 0, "x"))
        repo.objects.write_many([made])
        with pytest.raises(ObjectCorruptError, match="it is a note"):
            repo.commit(made.id)


def test_a_long_line_of_spawns_that_borrow_from_each_other_is_read() -> None:
    repo, (at,) = make_repo("hello")
    made = []
    for _ in range(3000):
        made.append(new_commit(Commit(CommitOperation.SPAWN, (), None, at, None, (), 1, 0, "x")))
        at = made[-1].id
    repo.objects.write_many(made)
    assert 1 == count_entries(repo, context_at(repo, at))


def test_a_reader_written_from_the_format_page_finds_the_same(tmp_path: Path) -> None:
    with open_session(tmp_path) as session:
        lead = session.create_tract("lead")
        for at in range(30):
            lead.user(f"message {at}")
        child = lead.spawn("look", name="x")
        child.user("mine")
        expected = child.compile().commit_hashes
    store = Store(tmp_path / ".tract")
    tip = store.refs["tracts/x/refs/heads/main"]
    assert list(expected) == [commit.hex() for commit, _ in store.context(tip)]


def test_a_family_comes_back_from_a_stream(tmp_path: Path) -> None:
    with open_session(tmp_path / "a") as session:
        lead = session.create_tract("lead")
        for at in range(30):
            lead.user(f"message {at}")
        child = lead.spawn("look", name="x")
        child.assistant("found")
        session.collapse(child, content="it")
        expected = {name: texts(session.get_tract(name)) for name in ("lead", "x")}
    stream = exported(tmp_path / "a")
    with Tract.open(tmp_path / "b"):
        pass
    imported(tmp_path / "b", stream)
    assert_whole(tmp_path / "b")
    with open_session(tmp_path / "b") as session:
        assert expected == {name: texts(session.get_tract(name)) for name in ("lead", "x")}
        lead = session.get_tract("lead")
        assert ["collapsed"] == [one.status for one in lead.children()]
        lead.expand("HEAD")
        assert "found" == texts(lead)[-1]
