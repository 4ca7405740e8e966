"""Children of a tract: what they begin with, how they are linked, and how their work comes back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.making import Words, call, texts
from tract import Priority, Session, SessionContent, SessionError, SpawnError, Tract, TractConfig
from tract.maintenance.fsck.check import check_repository
from tract.messages.message import Message


@pytest.fixture(params=["memory", "disk"])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    place = ":memory:" if request.param == "memory" else tmp_path
    with Session.open(place, durability="process", tokenizer=Words()) as found:
        yield found
        if request.param == "disk":
            assert () == tuple(check_repository(str(tmp_path / ".tract")).problems)


def talk(session: Session, count: int = 4) -> Tract:
    t = session.create_tract("lead")
    t.system("be brief")
    for at in range(count):
        (t.assistant if at % 2 else t.user)(f"message {at}")
    return t


def test_a_child_begins_with_its_parent_s_messages_and_no_history(session: Session) -> None:
    lead = talk(session)
    lead.annotate("HEAD~1", Priority.SKIP)
    before, commits = lead.compile(), len(lead.log(None))

    child = lead.spawn("look for hotels", name="hotels", message="Find three.")

    assert before.commit_hashes == child.compile().commit_hashes[:-1]
    assert [*texts(lead), "Find three."] == texts(child)
    assert [info.commit_hash for info in lead.skipped()] == [info.commit_hash for info in child.skipped()]
    assert [info.commit_hash for info in lead.pinned()] == [info.commit_hash for info in child.pinned()]
    assert ["append", "spawn"] == [info.operation for info in child.log(None)]
    assert commits == len(lead.log(None))
    child.annotate(lead.head or "", Priority.PINNED)
    assert 1 == len(lead.pinned())


def test_a_full_clone_has_the_history_too_and_can_be_merged(session: Session) -> None:
    lead = talk(session)
    child = lead.spawn("more", name="more", inheritance="full_clone")
    child.user("in the child")
    child.edit(lead.log(1)[0].commit_hash, "edited there")

    assert len(lead.log(None)) + 3 == len(child.log(None))
    lead.merge("more::HEAD")

    assert "in the child" == texts(lead)[-1]
    assert "edited there" in texts(lead)


@pytest.mark.parametrize("kind", ["callable", "revisions", "priority"])
def test_a_selective_child_begins_with_what_is_chosen_and_pairs_whole(session: Session, kind: str) -> None:
    lead = talk(session, 2)
    lead.commit(call("a"))
    answer = lead.tool_result("a", "the result")
    lead.assistant("done")
    select: Any = {
        "callable": lambda message: message.role == "tool",
        "revisions": [answer.commit_hash],
        "priority": Priority.PINNED,
    }[kind]

    child = lead.spawn("look", name="x", inheritance="selective", select=select)

    found = [message.role for message in child.compile().messages]
    assert (["system"] if kind == "priority" else ["assistant", "tool"]) == found


def test_what_is_too_long_is_cut_to_the_newest_that_fit_beside_the_instructions(session: Session) -> None:
    lead = talk(session, 6)
    total = lead.compile().token_count

    child = lead.spawn("look", name="x", max_tokens=total - 4)

    assert "be brief" == texts(child)[0]
    assert texts(lead)[-1] == texts(child)[-1]
    assert 2 < len(texts(child)) < len(texts(lead))
    with pytest.raises(SpawnError, match="nothing fits"):
        lead.spawn("look", name="y", max_tokens=1)


def test_a_child_of_open_calls_begins_before_them_and_answers_its_own(session: Session) -> None:
    lead = talk(session)
    lead.commit(call("one"))
    child = lead.spawn("look", name="x")

    assert texts(child)[-1] == "message 3"
    child.user("found it")
    result = lead.collapse(child, content="It is in Bern.")

    assert "tool" == lead.compile().messages[-1].role
    assert () == lead.compile().warnings
    assert ("x", "It is in Bern.") == (result.child_tract_id, result.summary_text)


def test_the_link_is_known_from_both_ends_and_survives_rename(session: Session) -> None:
    lead = talk(session)
    head = lead.head
    child = session.spawn(lead, purpose="look", name="x", display_name="Scout")

    info = child.parent()
    assert info is not None
    assert ("lead", head, "x", "look", "head_snapshot", "open") == (
        info.parent_tract_id, info.parent_commit_hash, info.child_tract_id, info.purpose, info.inheritance, info.status,
    )  # fmt: skip
    assert [info] == lead.children()
    assert ("lead", "look") == next(
        (one.parent_tract_id, one.purpose) for one in session.list_tracts() if one.tract_id == "x"
    )
    session.rename_tract("x", "scout")
    lead = session.rename_tract("lead", "chief")
    assert ["chief"] == [one.parent_tract_id for one in session.list_tracts() if one.tract_id == "scout"]

    (renamed,) = lead.children()
    assert ("chief", "scout", "Scout") == (renamed.parent_tract_id, renamed.child_tract_id, renamed.display_name)
    again = session.get_tract("scout").parent()
    assert again is not None
    assert "chief" == again.parent_tract_id
    session.delete_tract("scout")
    assert ["deleted"] == [one.status for one in lead.children()]
    session.restore_tract("scout")
    assert ["open"] == [one.status for one in lead.children()]


def test_a_collapse_is_one_message_and_another_edits_it(session: Session) -> None:
    lead = talk(session)
    child = lead.spawn("look for hotels", name="x")
    child.assistant("I found three hotels.")

    first = session.collapse(child, content="Three hotels.")
    child.assistant("And a fourth.")
    second = lead.collapse("x", summariser=lambda request: f"{len(request.messages)} messages", auto_commit=True)

    assert "x (look for hotels):\n2 messages" == texts(lead)[-1]
    assert 6 == len(lead.compile())
    assert (8, "2 messages", 2) == (first.source_tokens, second.summary_text, second.summary_tokens)
    (info,) = lead.children()
    assert ("collapsed", first.parent_commit_hash) == (info.status, info.collapse_commit)


def test_what_cannot_be_spawned_or_collapsed_leaves_nothing(session: Session) -> None:
    empty = session.create_tract("empty")
    lead = talk(session)
    stranger = session.create_tract("stranger")
    idle = lead.spawn("wait", name="idle")
    tracts, head = len(session.list_tracts()), lead.head

    for act, error in (
        (lambda: empty.spawn("x"), SpawnError),
        (lambda: lead.spawn(""), SpawnError),
        (lambda: lead.spawn("x", inheritance="all"), SpawnError),  # type: ignore[arg-type]
        (lambda: lead.spawn("x", inheritance="selective"), SpawnError),
        (lambda: lead.spawn("x", inheritance="selective", select=lambda _: False), SpawnError),
        (lambda: lead.spawn("x", max_tokens=0), SpawnError),
        (lambda: lead.spawn("x", name="idle"), SessionError),
        (lambda: lead.collapse(stranger, content="x"), SessionError),
        (lambda: lead.collapse(idle, content="x"), SessionError),
        (lambda: session.collapse(stranger, content="x"), SessionError),
        (lambda: session.delete_tract("lead"), SessionError),
    ):
        with pytest.raises(error):
            act()
    assert (tracts, head) == (len(session.list_tracts()), lead.head)


def test_settings_are_inherited_unless_they_are_given(session: Session) -> None:
    lead = session.create_tract("lead", config=TractConfig(token_budget=500, author="chief"))
    lead.user("hello")

    child, other = lead.spawn("a", name="a"), lead.spawn("b", name="b", config=TractConfig(author="b"))

    assert ("chief", 500) == (child.config.author, child.config.budget.max_tokens if child.config.budget else 0)
    assert ("b", None) == (other.config.author, other.config.budget)


def test_a_child_survives_gc_of_what_its_parent_reset(tmp_path: Path) -> None:
    with Session.open(tmp_path, durability="process", tokenizer=Words()) as session:
        lead = talk(session)
        child = lead.spawn("look", name="x")
        expected = texts(child)
        lead.reset("HEAD~3", mode="hard")
        lead.gc(orphan_retention_days=0)

        assert expected == texts(child)
        assert child.parent() is not None
    assert () == tuple(check_repository(str(tmp_path / ".tract")).problems)


def test_nothing_is_spawned_inside_a_batch(session: Session) -> None:
    lead = talk(session)
    with lead.batch():
        lead.user("in the batch")
        with pytest.raises(SpawnError):
            lead.spawn("look", name="looker")

    assert "in the batch" == texts(lead)[-1]
    assert [] == lead.children()
    assert {"root", "lead"} == {info.tract_id for info in session.list_tracts()}


def test_agents_commit_under_the_names_of_their_settings(session: Session) -> None:
    lead = session.create_tract("lead", config=TractConfig(author="chief"))
    lead.user("go")
    child = lead.spawn("look", name="x", config=TractConfig(author="scout"), message="Find three.")
    child.assistant("found")
    same = lead.spawn("look", name="y")
    same.assistant("found")

    assert ["chief", "chief", "scout"] == [entry.author for entry in child.blame()]
    assert "chief" == same.blame()[-1].author
    assert "scout" == session.get_tract("x").user("more").author


def test_usage_is_counted_where_it_was_spent(session: Session) -> None:
    spent = {"input_tokens": 10, "output_tokens": 1}
    lead = session.create_tract("lead")
    lead.user("go")
    lead.assistant("yes", usage=spent)
    for name, inheritance in (("x", "head_snapshot"), ("y", "full_clone")):
        child = lead.spawn("look", name=name, inheritance=inheritance)  # type: ignore[arg-type]
        child.assistant("found", usage=spent)
        child.spawn("more", name=f"{name}{name}").assistant("deeper", usage=spent)
    session.copy_tract("lead", "copy")

    report = session.usage(by="tract")
    assert {"lead": 1, "x": 1, "xx": 1, "y": 1, "yy": 1} == {row.tract: row.calls for row in report.rows}
    assert 5 == report.total.calls
    assert ["y", "yy"] == [row.tract for row in session.usage(family="y").rows]
    assert 1 == child.usage().total.calls
    session.delete_tract("lead", force=True)
    assert 1 == child.usage().total.calls
    assert 15.0 == report.rows[0].cost(child.config)


def test_what_is_picked_from_another_tract_comes_with_what_is_said_of_it(session: Session) -> None:
    lead = talk(session)
    other = session.create_tract("other")
    said = other.assistant("found", generation_config={"model": "m"}, key="k")
    other.annotate("HEAD", Priority.PINNED)

    picked = lead.cherry_pick("other::HEAD")

    made = picked.replayed[0].commit_hash or ""
    info = lead.get_commit(made)
    assert ({"model": "m"}, Priority.PINNED) == (info.generation_config, info.priority)
    found = lead.commit_for_key("k")
    assert found is not None
    assert (made, True) == (found.commit_hash, made != said.commit_hash)


def test_an_expanded_child_keeps_its_models(session: Session) -> None:
    lead = talk(session)
    child = lead.spawn("look", name="x")
    said = child.assistant("found", generation_config={"model": "m"}, usage={"input_tokens": 3, "output_tokens": 1})
    lead.expand(lead.collapse(child, content="it"))

    assert {"model": "m"} == lead.get_commit(said.commit_hash).generation_config
    assert {"x": 1} == {row.tract: row.calls for row in session.usage(by="tract").rows}


def test_merged_usage_stays_the_child_s(session: Session) -> None:
    lead = talk(session)
    child = lead.spawn("look", name="x", inheritance="full_clone")
    child.assistant("found", usage={"input_tokens": 3, "output_tokens": 1})
    lead.merge("x::HEAD")

    assert {"x": 1} == {row.tract: row.calls for row in session.usage(by="tract").rows}
    assert 1 == child.usage().total.calls


def test_a_line_of_children_gets_names_however_deep_it_is(session: Session) -> None:
    at = talk(session)
    for _ in range(40):
        at = at.spawn("deeper")
    assert texts(session.get_tract("lead")) == texts(at)
    assert at.tract_id.startswith("spawned/") or len(at.tract_id.encode()) <= 255


def test_a_child_is_compiled_and_counted_as_its_parent_is() -> None:
    class Loud:
        def compile(self, entries: Any) -> Any:
            said = [entry.content.text.upper() for entry in entries]
            return [
                Message("user", text, None, format="openai", raw={"role": "user", "content": text}) for text in said
            ]

    with Tract.open(":memory:", tokenizer=Words(), compiler=Loud()) as lead:
        lead.user("hello")
        child = lead.spawn("look")
        child.user("quiet")
        assert (["HELLO", "QUIET"], "words") == (texts(child), child.compile().token_source.partition(":")[0])
        other = lead.spawn("look", config=TractConfig(tokenizer_encoding="cl100k_base"))
        assert "cl100k_base" in other.compile().token_source


def test_resume_looks_past_records_and_takes_what_lost_its_parent(session: Session) -> None:
    lead = talk(session)
    child = lead.spawn("look", name="x")
    child.user("later")
    lead.commit(SessionContent("end", "done", [], [], []))
    lead.commit({"content_type": "record", "kind": "run", "payload": 1})
    assert session.resume() is None
    session.delete_tract("lead", force=True)
    found = session.resume()
    assert found is not None
    assert "x" == found.tract_id


def test_what_a_child_began_with_is_found_also_when_its_parent_is_gone(session: Session) -> None:
    lead = session.create_tract("lead")
    for at in range(40):
        lead.user(f"needle {at}")
    child = lead.spawn("look", name="a child")
    child.user("a needle of its own")

    found = session.search("needle")
    assert (41, 40) == (len(found), [hit.tract_id for hit in found].count("lead"))
    assert 41 == len(session.search("needle", tract="a child"))
    session.delete_tract("lead", force=True)
    assert ["a child"] * 41 == [hit.tract_id for hit in session.search("needle")]


def test_a_timeline_and_a_moment_tell_what_each_knew(session: Session) -> None:
    def at(minute: int) -> datetime:
        return datetime(2026, 1, 1, 12, minute, tzinfo=UTC)

    lead = session.create_tract("lead")
    lead.user("one", timestamp=at(1))
    child = lead.spawn("look", name="x")
    child.user("two", timestamp=at(2))
    lead.user("three", timestamp=at(3))
    child.user("four", timestamp=at(4))

    said = [info for info in session.timeline() if info.operation != "spawn"]
    assert [("lead", 1), ("x", 2), ("lead", 3), ("x", 4)] == [(one.tract_id, one.created_at.minute) for one in said]
    assert 2 == len(session.timeline(limit=2))
    assert (["one", "three"], ["one", "two"]) == (
        texts(session.compile_at("lead", at_time=at(3))), texts(session.compile_at("x", at_commit="HEAD~1")),
    )  # fmt: skip


def test_what_a_full_clone_shares_is_its_parent_s_in_the_timeline_whenever_that_got_its_name(session: Session) -> None:
    lead = session.create_tract("lead")
    lead.user("one")
    lead.spawn("look", name="x", inheritance="full_clone").user("two")

    assert ["lead", "x", "x"] == [info.tract_id for info in session.timeline()]
    session.rename_tract("lead", "boss")
    assert ["boss", "x", "x"] == [info.tract_id for info in session.timeline()]
