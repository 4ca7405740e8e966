"""Families where something is not as it should be: each its own error, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.making import Words, assert_whole, call, family, texts
from tract import (
    CommitNotFoundError,
    CompressionError,
    MergeError,
    RefMovedError,
    Session,
    SessionError,
    SpawnError,
    Tract,
    TractConfig,
    TractError,
)


def open_session(path: Path, **options: Any) -> Session:
    return Session.open(path, durability="process", tokenizer=Words(), **options)


def test_nothing_is_spawned_from_a_deleted_tract(tmp_path: Path) -> None:
    with open_session(tmp_path) as session:
        lead, child = family(session)
        with Tract.open(tmp_path, tract_id="x", tokenizer=Words()) as other:
            session.delete_tract("x")
            with pytest.raises(TractError):
                other.spawn("look", name="y")
        with pytest.raises(TractError):
            child.spawn("look", name="y")
        with pytest.raises(SessionError, match="no tract named 'x'"):
            session.spawn("x", purpose="look", name="y")
        assert ["lead", "root"] == sorted(one.tract_id for one in session.list_tracts())
        assert ["deleted"] == [one.status for one in lead.children()]
    assert_whole(tmp_path)


def test_a_name_that_was_a_deleted_child_s_is_another_child(tmp_path: Path) -> None:
    with open_session(tmp_path) as session:
        lead, child = family(session, "first")
        waiting = session.collapse(child, content="it", auto_commit=False)
        session.delete_tract("x")
        again = lead.spawn("look again", name="x")
        again.assistant("second")

        assert [("look", "deleted"), ("look again", "open")] == [(one.purpose, one.status) for one in lead.children()]
        with pytest.raises(SessionError, match="is stale: tract 'x' is a different one now"):
            lead.approve_collapse(waiting.proposal_id)
        done = session.collapse(again, content="the second")
        lead.expand(done)
        assert ["second"] == texts(lead)[3:]
        with pytest.raises(SessionError, match="exists already"):
            session.restore_tract("x")
    assert_whole(tmp_path)


def test_a_tract_that_takes_its_parent_s_name_is_not_its_own_parent(tmp_path: Path) -> None:
    with open_session(tmp_path) as session:
        family(session, "first")
        session.delete_tract("lead", force=True)
        child = session.rename_tract("x", "lead")

        (info,) = (one for one in session.list_tracts() if one.tract_id == "lead")
        assert info.is_orphan
        assert [] == child.children()
        with pytest.raises(SessionError, match="the parent of tract 'lead' was deleted"):
            session.collapse(child, content="it")
        with pytest.raises(
            SessionError, match="tract 'lead' is not a child of tract 'lead', and its parent was deleted"
        ):
            child.collapse("lead", content="it")
        other = session.create_tract("other")
        done = session.collapse(child, other, content="it", force=True)
        assert ("tract 'other' is not the parent of tract 'lead': that was deleted",) == done.warnings
    assert_whole(tmp_path)


def test_names_that_are_swapped_leave_parent_and_child_what_they_were(tmp_path: Path) -> None:
    with open_session(tmp_path) as session:
        family(session, "first")
        session.rename_tract("lead", "tmp")
        session.rename_tract("x", "lead")
        session.rename_tract("tmp", "x")

        infos = {one.tract_id: one for one in session.list_tracts()}
        assert ("x", None) == (infos["lead"].parent_tract_id, infos["x"].parent_tract_id)
        done = session.collapse("lead", content="it")
        assert "lead (look):\nit" == texts(session.get_tract("x"))[-1]
        assert "lead" == session.get_child_tract(done).tract_id
    assert_whole(tmp_path)


def test_a_parent_that_was_reset_to_before_the_spawn_takes_the_work_all_the_same(tmp_path: Path) -> None:
    with open_session(tmp_path) as session:
        lead, child = family(session, "first")
        lead.reset("HEAD~2", mode="hard")
        for _ in range(2):
            lead.gc(orphan_retention_days=0, archive_retention_days=0)
        done = session.collapse(child, content="it")
        assert ["one", "x (look):\nit"] == texts(lead)
        lead.expand(done)
        assert ["one", "first"] == texts(lead)
        info = child.parent()
        assert info is not None
        assert "three" == getattr(lead.get_content(info.parent_commit_hash or ""), "text", None)
    assert_whole(tmp_path)


def test_a_call_whose_message_was_reset_away_is_not_answered(tmp_path: Path) -> None:
    with open_session(tmp_path) as session:
        lead = session.create_tract("lead")
        lead.user("ask")
        lead.commit(call("a"))
        child = lead.spawn("look", name="x")
        child.assistant("first")
        lead.reset("HEAD~1", mode="hard")
        done = session.collapse(child, content="it")
        assert ("user", True) == (lead.compile().messages[-1].role, bool(done.warnings))
        assert () == lead.compile().warnings


@pytest.mark.parametrize("where", ["detached", "merging"])
def test_a_spawn_works_from_anywhere(tmp_path: Path, where: str) -> None:
    with open_session(tmp_path) as session:
        lead = session.create_tract("lead")
        lead.user("one")
        if where == "detached":
            lead.user("two")
            lead.checkout("HEAD~1")
        else:
            lead.branch("side")
            lead.edit("HEAD", "edited here")
            lead.switch("side")
            lead.edit("HEAD:1", "edited there")
            lead.switch("main")
            lead.merge("side", keep=True)
            assert lead.command_under_way() is not None
        child = lead.spawn("look", name="x", message="go on")
        assert [*texts(lead), "go on"] == texts(child)
        if where == "merging":
            with pytest.raises(MergeError, match="under way"):
                lead.collapse(child, content="it")
            lead.abort_command()
            lead.collapse(child, content="it")
        else:
            with pytest.raises(TractError, match="not on a branch"):
                lead.collapse(child, content="it")
        assert ["x"] == [one.child_tract_id for one in lead.children()]
    assert_whole(tmp_path)


def test_a_child_opened_by_two_tells_the_one_who_did_not_see(tmp_path: Path) -> None:
    with open_session(tmp_path) as session:
        lead, child = family(session, "first")
        with Tract.open(tmp_path, tract_id="x", tokenizer=Words(), durability="process") as other:
            other.compile()
            child.assistant("second")
            with pytest.raises(RefMovedError):
                other.assistant("what I never saw")
        lead.collapse(child, content="both")
        assert 2 == len(lead.blame()[-1].sources)
    assert_whole(tmp_path)


def test_a_parent_that_moved_since_it_was_seen_refuses_the_collapse(tmp_path: Path) -> None:
    with open_session(tmp_path) as session:
        lead, child = family(session, "first")
        with Tract.open(tmp_path, tract_id="lead", tokenizer=Words(), durability="process") as other:
            other.user("from another process")
        with pytest.raises(RefMovedError):
            lead.collapse(child, content="it")
        assert ["open"] == [one.status for one in lead.children()]
        lead.collapse(child, content="it")
        assert 5 == len(lead.compile())


_COLLAPSE = """
import sys
from tests.making import Words
from tract import Tract, TractError
with Tract.open(sys.argv[1], tract_id="lead", tokenizer=Words(), durability="process", on_moved="append") as lead:
    def slow(request):
        print("asked", flush=True)  # all have planned by then
        sys.stdin.readline()
        return sys.argv[2]
    try:
        lead.collapse("x", summariser=slow, auto_commit=True)
        print("won", flush=True)
    except TractError as exc:
        print(f"{type(exc).__name__}: {exc}", flush=True)
"""


def test_of_two_processes_that_collapse_one_child_at_once_one_wins(tmp_path: Path) -> None:
    with open_session(tmp_path) as session:
        family(session, "first")
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _COLLAPSE, str(tmp_path), word],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
        )
        for word in ("mine", "yours", "ours")
    ]  # fmt: skip
    assert ["asked\n"] * 3 == [one.stdout.readline() for one in workers if one.stdout]
    outs = []
    for one in workers:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in workers:
        out, _ = one.communicate(timeout=60)
        outs.append(out.strip())
    assert 1 == outs.count("won"), outs
    assert 2 == sum("was collapsed meanwhile" in out for out in outs), outs
    with open_session(tmp_path) as session:
        assert 4 == len(session.get_tract("lead").compile())
    assert_whole(tmp_path)


def test_a_spawn_that_fails_leaves_no_folder_and_no_settings(tmp_path: Path) -> None:
    with open_session(tmp_path) as session:
        lead, _ = family(session)
        before = sorted(str(path) for path in (tmp_path / ".tract").rglob("*") if "cache" not in path.parts)
        for options in (
            {"name": "x"},
            {"name": ""},
            {"name": "a" * 300},
            {"inheritance": "everything"},
            {"inheritance": "selective", "select": ["nothing"]},
            {"inheritance": "selective", "select": lambda _: 1 / 0},
            {"max_tokens": 1},
            {"display_name": 5},
            {"message": 5},
            {"config": 5},
            {"inheritance": "selective", "select": "HEAD"},
            {"inheritance": "selective", "select": 5},
        ):
            with pytest.raises((TractError, ZeroDivisionError, TypeError, ValueError)):
                lead.spawn("look", **options)  # type: ignore[arg-type]
            assert ["root", "lead", "x"] == [one.tract_id for one in session.list_tracts()], options
        with pytest.raises(SpawnError, match="nothing fits into 1 tokens beside the instructions"):
            lead.spawn("look", max_tokens=1)
        after = sorted(str(path) for path in (tmp_path / ".tract").rglob("*") if "cache" not in path.parts)
        assert before == after
    assert_whole(tmp_path)


def test_a_message_that_stands_for_no_child_is_not_expanded(tmp_path: Path) -> None:
    with open_session(tmp_path) as session:
        lead, child = family(session, "first")
        session.collapse(child, content="it")
        with pytest.raises(CompressionError, match="is not a summary"):
            lead.expand("HEAD~1")
        lead.edit("HEAD", "by hand")
        lead.expand("HEAD:4")
        assert "first" == texts(lead)[-1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"role": "tool"}, "role of a collapse must be user, assistant or system, not 'tool'"),
        ({"target_tokens": 0}, "target_tokens must be a positive whole number, not 0"),
        ({"auto_commit": "no"}, "auto_commit must be True or False, not 'no'"),
        ({"content": 5}, "content of a collapse must be text, not int"),
        ({"instructions": 5}, "instructions of a collapse must be text, not int"),
        ({"call_id": "z"}, "tool call 'z' of tract 'lead' is not in the context"),
        ({"child": None}, "a child is a tract or its name, not NoneType"),
        ({"child": "nobody"}, "there is no tract named 'nobody'"),
        ({"child": "lead"}, "tract 'lead' was not spawned"),
    ],
)
def test_a_collapse_that_makes_no_sense_says_what_of_it(options: dict[str, Any], said: str) -> None:
    with Session.open(":memory:", tokenizer=Words()) as session:
        lead, child = family(session, "first")
        given: dict[str, Any] = {"child": child, "content": "it", **options}
        with pytest.raises(TractError, match=said):
            lead.collapse(given.pop("child"), **given)
        assert ["open"] == [one.status for one in lead.children()]


def test_a_priority_is_set_in_the_tract_that_has_the_message(tmp_path: Path) -> None:
    with open_session(tmp_path) as session:
        lead, child = family(session, "first", "second")
        for target in ("x::HEAD", child.head):
            with pytest.raises(CommitNotFoundError, match="it is a message of tract 'x', not of 'lead'"):
                lead.annotate(target, "pinned")
        child.annotate("HEAD", "pinned")
        child.annotate("HEAD:1", "skip")  # what it began with is its own
        lead.annotate("x::HEAD:2", "skip")  # and its parent's
        assert ["one", "three"] == texts(lead)
    assert_whole(tmp_path)


def test_an_author_who_is_named_is_that_also_where_the_root_tract_has_the_same(tmp_path: Path) -> None:
    with Session.open(tmp_path, config=TractConfig(author="ada")) as session:
        session.create_tract("x", config=TractConfig(author="bo")).user("a")
    with Session.open(tmp_path, author="ada") as session:
        assert "ada" == session.get_tract("x").user("b").author
    with Session.open(tmp_path) as session:
        assert "bo" == session.get_tract("x").user("c").author
