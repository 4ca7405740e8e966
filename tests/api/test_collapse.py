"""What a child did, as one message of its parent: where it lands, what it stands for, and the way back."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.making import Words, call, family, texts
from tract import CompressionError, LLMConfigError, MessageContent, Priority, Session, SessionError, Tract, TractError
from tract.maintenance.fsck.check import check_repository


@pytest.fixture(params=["memory", "disk"])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    place = ":memory:" if request.param == "memory" else tmp_path
    with Session.open(place, durability="process", tokenizer=Words()) as found:
        yield found
        if request.param == "disk":
            assert () == tuple(check_repository(str(tmp_path / ".tract")).problems)


# Expanding


def test_an_expanded_collapse_is_the_child_s_work_under_its_ids(session: Session) -> None:
    lead, child = family(session, "first", "second")
    child.edit("HEAD", "second, better")
    child.annotate("HEAD~2", Priority.SKIP)
    done = session.collapse(child, content="both")
    lead.user("after")

    back = lead.expand(done.parent_commit_hash or "")

    own = [info.commit_hash for info in child.log(None) if info.operation == "append"][::-1]
    assert ["one", "two", "three", "second, better", "after"] == texts(lead)
    assert tuple(own) == back.message_hashes
    assert [own[0]] == [info.commit_hash for info in lead.skipped()]


def test_to_collapse_again_expands_to_what_the_child_had_done_then(session: Session) -> None:
    lead, child = family(session, "first")
    done = session.collapse(child, content="one thing")
    child.assistant("second")
    again = session.collapse(child, content="two things")
    child.assistant("third, after it")

    lead.expand(done.parent_commit_hash or "", branch="early")
    assert ["first", "second"] == texts(lead.compile(at_commit="early"))[3:]
    lead.expand(again.parent_commit_hash or "")
    assert ["one", "two", "three", "first", "second"] == texts(lead)


def test_a_compressed_collapse_is_expanded_after_the_compression_is(session: Session) -> None:
    lead, child = family(session, "first", "second")
    done = session.collapse(child, content="both")
    compressed = lead.compress(from_commit="HEAD~1", content="all of it")

    with pytest.raises(CompressionError, match=f"summary {compressed.summary_hashes[0][:16]} stands for it"):
        lead.expand(done.parent_commit_hash or "")
    lead.expand(compressed.summary_hashes[0])
    lead.expand(done.parent_commit_hash or "")

    assert ["one", "two", "three", "first", "second"] == texts(lead)


def test_a_child_s_own_compressions_expand_in_the_parent_too(session: Session) -> None:
    lead, child = family(session, "first", "second")
    inner = child.compress(from_commit="HEAD~1", content="in short")
    done = session.collapse(child, content="both")
    lead.expand(done.parent_commit_hash or "")

    assert ["one", "two", "three", "in short"] == texts(lead)
    lead.expand(inner.summary_hashes[0])
    assert ["one", "two", "three", "first", "second"] == texts(lead)


def test_what_is_there_already_is_not_put_there_twice(session: Session) -> None:
    lead = session.create_tract("lead")
    lead.user("one")
    child = lead.spawn("look", name="x", inheritance="full_clone")
    child.assistant("first")
    child.assistant("second")
    done = session.collapse(child, content="both")
    lead.merge("x::HEAD")

    lead.expand(done.parent_commit_hash or "")

    assert ["one", "first", "second"] == sorted(texts(lead), key=["one", "first", "second"].index)


def test_a_deleted_child_s_work_stays_as_long_as_its_parent_says_what_it_was(tmp_path: Path) -> None:
    with Session.open(tmp_path, durability="process", tokenizer=Words()) as session:
        lead, child = family(session, "first", "second")
        child.annotate("HEAD~1", Priority.SKIP)
        done = session.collapse(child, content="both")
        session.delete_tract("x")
        lead.gc(orphan_retention_days=0, archive_retention_days=0)
        lead.gc(orphan_retention_days=0, archive_retention_days=0)

        with pytest.raises(SessionError, match="deleted"):
            session.get_child_tract(done.parent_commit_hash or "")
        assert 2 == len(lead.blame()[-1].sources)
        lead.expand(done.parent_commit_hash or "")
        assert ["one", "two", "three", "second"] == texts(lead)
    assert () == tuple(check_repository(str(tmp_path / ".tract")).problems)


def test_the_work_stays_where_the_parent_s_archives_go(tmp_path: Path) -> None:
    with Session.open(tmp_path, durability="process", tokenizer=Words()) as session:
        lead, child = family(session, "first", "second")
        done = session.collapse(child, content="both")
        again = lead.user("after")
        lead.compress(commits=["HEAD:1", "HEAD:2", "HEAD:3"], content="before it")
        session.delete_tract("x")
        lead.gc(orphan_retention_days=0, archive_retention_days=0)
        lead.gc(orphan_retention_days=0, archive_retention_days=0)

        assert ["before it", "x (look):\nboth", "after"] == texts(lead)
        lead.expand(done.parent_commit_hash or "")
        assert ["before it", "first", "second", "after"] == texts(lead)
        assert again.commit_hash == lead.compile().commit_hashes[-1]
    assert () == tuple(check_repository(str(tmp_path / ".tract")).problems)


# Looking through it


def test_blame_names_the_child_and_its_messages(session: Session) -> None:
    lead, child = family(session, "first", "second")
    session.collapse(child, content="both")

    last = lead.blame()[-1]

    own = tuple(child.compile().commit_hashes[-2:])
    assert ("x", own) == (last.child, last.sources)
    assert [None] * 3 == [entry.child for entry in lead.blame()[:-1]]


def test_bisect_goes_on_in_the_child_that_brought_what_is_wrong(session: Session) -> None:
    lead, child = family(session, "fine", "a BUG", "fine again", "more")
    session.collapse(child, content="there is a BUG somewhere")
    lead.user("and on")

    found = lead.bisect("HEAD~2", "HEAD", lambda context: "BUG" not in str(texts(context)))

    assert child.log(None)[2].commit_hash == found.commit_hash


def test_bisect_sees_what_the_child_saw_and_names_its_commit(session: Session) -> None:
    lead, child = family(session, "fine")
    hidden = child.user("an old BUG")
    child.annotate("HEAD", Priority.SKIP)
    child.assistant("a BUG")
    session.collapse(child, content="a BUG")
    lead.user("and on")

    found = lead.bisect("HEAD~2", "HEAD", lambda context: "BUG" not in str(texts(context)))

    assert ("x", "a BUG") == (found.tract_id, getattr(child.get_content(found), "text", None))
    assert hidden.commit_hash != found.commit_hash


def test_bisect_goes_down_through_a_family(session: Session) -> None:
    lead, child = family(session, "fine")
    grandchild = child.spawn("deeper", name="xx")
    bad = grandchild.assistant("a BUG")
    grandchild.assistant("more")
    child.collapse(grandchild, content="it has a BUG")
    child.assistant("so it is")
    lead.collapse(child, content="BUG")

    found = lead.bisect("HEAD~1", "HEAD", lambda context: "BUG" not in str(texts(context)))

    assert ("xx", bad.commit_hash) == (found.tract_id, found.commit_hash)


def test_bisect_stays_at_a_collapse_whose_own_words_are_wrong(session: Session) -> None:
    lead, child = family(session, "fine", "fine too")
    done = session.collapse(child, content="a BUG")
    lead.user("and on")

    assert done.parent_commit_hash == lead.bisect("HEAD~2", "HEAD", lambda c: "BUG" not in str(texts(c))).commit_hash


def test_the_child_of_a_collapse_is_found_whatever_it_is_called(session: Session) -> None:
    lead, child = family(session, "first")
    done = session.collapse(child, content="it")
    session.rename_tract("x", "y")

    assert "y" == session.get_child_tract(done.parent_commit_hash or "").tract_id
    with pytest.raises(SessionError, match="stands for no tract's work"):
        session.get_child_tract(lead.compile().commit_hashes[0])


# Where it lands


def test_a_stranger_gets_it_only_by_force_and_is_told(session: Session) -> None:
    lead, child = family(session, "first")
    other = session.create_tract("other")
    other.user("hello")

    with pytest.raises(SessionError, match="tract 'x' is not a child of tract 'other' but of 'lead'"):
        session.collapse(child, other, content="it")
    first = session.collapse(child, other, content="it", force=True)
    again = session.collapse(child, other, content="it, again", force=True)

    assert ("tract 'other' is not the parent of tract 'x': that is 'lead'",) == first.warnings == again.warnings
    assert ["hello", "x (look):\nit, again"] == texts(other)
    assert ([], ["open"]) == (other.children(), [one.status for one in lead.children()])
    parent = child.parent()
    assert parent is not None
    assert "lead" == parent.parent_tract_id
    with pytest.raises(SessionError, match="is not a child"):
        other.collapse("x", content="it")
    assert "x" == session.get_child_tract(again.parent_commit_hash or "").tract_id


@pytest.mark.parametrize("how", ["edited", "compressed", "expanded", "skipped"])
def test_where_the_message_is_not_as_it_was_a_new_one_comes_with_a_warning(session: Session, how: str) -> None:
    lead, child = family(session, "first")
    first = session.collapse(child, content="it")
    message = first.parent_commit_hash or ""
    match how:
        case "edited":
            lead.edit(message, "in a person's words")
        case "compressed":
            lead.compress(from_commit=message, content="short")
        case "expanded":
            lead.expand(message)
        case _:
            lead.annotate(message, Priority.SKIP)
    child.assistant("second")

    again = session.collapse(child, content="more")

    is_new = how != "skipped"
    assert is_new == bool(again.warnings)
    assert ("x (look):\nmore" == texts(lead)[-1]) is is_new
    (info,) = lead.children()
    assert (again.parent_commit_hash if is_new else message) == info.collapse_commit


def test_neither_itself_nor_a_copy_of_its_parent_takes_a_child_s_work_as_its_own(session: Session) -> None:
    lead, child = family(session, "first")
    session.collapse(child, content="it")
    child.assistant("second")
    copy = session.copy_tract("lead", "copy")

    with pytest.raises(SessionError, match="tract 'x' is not a child of tract 'copy' but of 'lead'"):
        session.collapse(child, copy, content="more")
    done = session.collapse(child, copy, content="more", force=True)
    assert ("tract 'copy' is not the parent of tract 'x': that is 'lead'",) == done.warnings
    assert ("x (look):\nit", "x (look):\nmore") == (texts(lead)[-1], texts(copy)[-1])
    with pytest.raises(SessionError, match="tract 'x' cannot be collapsed into itself"):
        session.collapse(child, child, content="more", force=True)
    assert ["first", "second"] == texts(child)[3:]


def test_three_parallel_calls_get_three_answers_in_any_order(session: Session) -> None:
    lead = session.create_tract("lead")
    lead.user("ask three")
    lead.commit(call("a", "b", "c"))
    children = {id: lead.spawn(f"do {id}", name=id) for id in "abc"}
    for id, child in children.items():
        child.assistant(f"{id} is done")
    for id in "cab":
        lead.collapse(id, call_id=id, content=f"answer {id}")
    lead.collapse("a", content="answer a, again")

    assert () == lead.compile().warnings
    sent = lead.compile().to_openai()
    assert {"a": "answer a, again", "b": "answer b", "c": "answer c"} == {
        one["tool_call_id"]: one["content"] for one in sent if one["role"] == "tool"
    }
    for id, problem in (("a", "has its result already"), ("z", "is not in the context")):
        other = lead.spawn("more", name=f"more {id}")
        other.assistant("x")
        with pytest.raises(SessionError, match=problem):
            lead.collapse(other, call_id=id, content="x")


def test_a_call_is_answered_though_its_id_was_another_call_s_before(session: Session) -> None:
    lead = session.create_tract("lead")
    lead.user("ask")
    for at in range(2):
        lead.commit(call("call_0"))
        child = lead.spawn("do it", name=f"x{at}")
        child.assistant("done")
        assert () == session.collapse(child, content=f"answer {at}").warnings
        lead.assistant("thanks")

    sent = lead.compile().to_openai()
    assert ["answer 0", "answer 1"] == [one["content"] for one in sent if one["role"] == "tool"]
    assert () == lead.status().open_calls


def test_an_expanded_result_leaves_its_call_waiting_and_says_so(session: Session) -> None:
    lead = session.create_tract("lead")
    lead.user("ask")
    lead.commit(call("a"))
    child = lead.spawn("do it", name="x")
    child.assistant("done")
    done = session.collapse(child, content="it")

    assert ("tool call 'a' waits for its result again",) == lead.expand(done).warnings
    assert ["a"] == [one.call_id for one in lead.status().open_calls]
    lead.undo()
    assert ((), ["tool"]) == (lead.status().open_calls, [one.role for one in lead.compile().messages[2:]])
    lead.compress(from_commit="HEAD:1", content="short")
    assert () == lead.expand("HEAD").warnings


ANTHROPIC = {
    "role": "assistant",
    "content": [{"type": "tool_use", "id": one, "name": "f", "input": {}} for one in "ab"],
}


@pytest.mark.parametrize("format", ["anthropic", "responses"])
def test_calls_of_any_provider_are_answered_as_it_wants_them_sent(session: Session, format: str) -> None:
    lead = session.create_tract("lead")
    lead.user("ask")
    if format == "anthropic":
        lead.commit(MessageContent(ANTHROPIC, format="anthropic"))
    else:
        item = {"type": "function_call", "name": "f", "arguments": "{}"}
        lead.extend([{**item, "call_id": one} for one in "ab"], format="responses")
    for id in "ba":
        child = lead.spawn("do it", name=id)
        child.assistant("done")
        lead.collapse(child, call_id=id, content=f"answer {id}")
    child.assistant("more")
    lead.collapse(child, content="answer a, again")

    expected = {"a": "answer a, again", "b": "answer b"}
    if format == "anthropic":
        sent = lead.compile().to_anthropic()["messages"][-1]["content"]
        assert expected == {one["tool_use_id"]: one["content"] for one in sent}
    else:
        items = lead.compile().to_openai_responses()[-2:]
        assert expected == {one["call_id"]: one["output"] for one in items}
    assert () == lead.compile().warnings


def test_a_collapse_that_leaves_calls_waiting_says_so(session: Session) -> None:
    lead = session.create_tract("lead")
    lead.user("ask two")
    lead.commit(call("a", "b"))
    for id in "ab":
        lead.spawn(f"do {id}", name=id).assistant("done")

    assert ("it answers none of the tool calls that wait: 'a', 'b'",) == session.collapse("a", content="x").warnings
    assert ("user", ()) == (lead.compile().messages[-1].role, session.collapse("a", content="y").warnings)
    for id in "ba":
        assert () == session.collapse(id, call_id=id, content=f"answer {id}").warnings
    assert () == session.collapse("b", content="answer b, again").warnings


def test_a_call_that_was_answered_otherwise_is_not_answered_twice(session: Session) -> None:
    lead = session.create_tract("lead")
    lead.user("ask")
    lead.commit(call("a"))
    child = lead.spawn("do it", name="x")
    child.assistant("done")
    lead.tool_result("a", "never mind")

    done = session.collapse(child, content="done")

    assert ("user", True) == (lead.compile().messages[-1].role, bool(done.warnings))


def test_a_child_s_branch_is_collapsed_into_a_parent_s_branch(session: Session) -> None:
    lead, child = family(session, "on main")
    lead.branch("side")
    child.branch("other", source="HEAD~1")
    there = session.get_tract("x", branch="other")
    there.assistant("on the other")

    session.collapse(there, session.get_tract("lead", branch="side"), content="it")

    assert 3 == len(lead.compile())
    side = session.get_tract("lead", branch="side")
    assert "x (look):\nit" == texts(side)[-1]
    side.expand("HEAD")
    assert "on the other" == texts(side)[-1]
    grand = session.spawn(side, purpose="more", name="y")
    assert texts(side) == texts(grand)


def test_a_tract_of_another_store_is_no_child_whatever_its_name(session: Session) -> None:
    lead, child = family(session, "first")
    with Session.open(":memory:", tokenizer=Words()) as other:
        stranger, same = family(other, "not this")
        for act in (
            lambda: lead.collapse(same, content="it"),
            lambda: session.collapse(same, content="it"),
            lambda: session.collapse(child, stranger, content="it", force=True),
            lambda: session.spawn(stranger, purpose="look"),
        ):
            with pytest.raises(SessionError, match="is of another store"):
                act()
    assert ["open"] == [one.status for one in lead.children()]


# Waiting for a review


def test_a_model_s_summary_waits_and_is_approved_in_other_words(session: Session) -> None:
    lead, child = family(session, "first", "second")
    before = texts(lead)
    waiting = lead.collapse(child, summariser=lambda _: "a model's words")

    assert (None, before) == (waiting.parent_commit_hash, texts(lead))
    assert [waiting.proposal_id] == [one.id for one in lead.pending_collapses()]
    child.assistant("third, which it is not about")
    done = lead.approve_collapse(content="better words")

    assert "x (look):\nbetter words" == texts(lead)[-1]
    assert ([], waiting.child_head_hash) == (lead.pending_collapses(), done.child_head_hash)
    lead.expand(done.parent_commit_hash or "")
    assert ["first", "second"] == texts(lead)[3:]
    with pytest.raises(SessionError, match="none waits"):
        lead.approve_collapse()


def test_what_waits_is_among_the_proposals_and_is_approved_or_rejected_there(session: Session) -> None:
    lead, child = family(session, "first")
    waiting = lead.collapse(child, summariser=lambda _: "a model's words")
    (one,) = lead.proposals()
    assert (waiting.proposal_id, "collapse", "x") == (one.id, one.action.name, one.action.arguments["child"])

    lead.reject_proposal(one.id, "no")
    assert ([], 3) == (lead.proposals(), len(lead.compile()))
    lead.collapse(child, summariser=lambda _: "a model's words")
    decided = lead.approve_proposal(lead.proposals()[0].id, arguments={"content": "mine"})

    assert ("executed", "x (look):\nmine", []) == (decided.status, texts(lead)[-1], lead.proposals())


def test_what_waits_is_approved_whatever_the_child_is_called_by_then(session: Session) -> None:
    lead, child = family(session, "first")
    session.collapse(child, content="it", auto_commit=False)
    child = session.rename_tract("x", "y")
    session.create_tract("x").user("another")
    lead.approve_proposal()
    assert "y (look):\nit" == texts(lead)[-1]
    child.assistant("second")
    waiting = [session.collapse(child, content=text, auto_commit=False).proposal_id for text in ("more", "much")]
    with pytest.raises(TractError, match="no proposal was named, and 2 wait"):
        lead.approve_proposal()
    lead.reject_proposal(waiting[0])
    session.delete_tract("y")
    with pytest.raises(SessionError, match="there is no tract named 'y'"):
        lead.approve_proposal()
    session.restore_tract("y")
    lead.approve_proposal()
    assert ("y (look):\nmuch", []) == (texts(lead)[-1], lead.proposals())


def test_a_model_s_nonsense_about_little_work_waits_too(session: Session) -> None:
    lead, child = family(
        session,
        "The appointment with Doctor Weber was moved; Friday 14:30, reception confirmed. Parking behind the building.",
    )
    lead.configure_policies(autonomy="autonomous")
    lead.configure_llm(lambda *_, **__: "I'm happy to answer any question.")

    waits = lead.collapse(child)

    assert waits.parent_commit_hash is None
    assert waits.warnings == ("the summary is unfit: it has nothing of the messages it replaces",)


@pytest.mark.parametrize("auto_commit", [None, True])
@pytest.mark.parametrize(
    ("said", "doubt"),
    [
        ("I'm happy to answer any question about travellers.", "it has nothing of the messages it replaces"),
        (
            "HAT136 to Boston and Denver: $650 at 21:15, in QX77Z",
            "it states 4 numbers, paths and ids, and 3 of them are in no message: QX77Z, $650, 21:15",
        ),
    ],
)
def test_what_a_model_says_that_has_nothing_of_the_work_or_is_mostly_invented_waits_whatever_it_may_do(
    session: Session, said: str, doubt: str, auto_commit: bool | None
) -> None:
    work = (
        "passenger rebooked economy flight Boston Denver insurance covers cancellation medical reasons weather delays"
    )
    lead, child = family(
        session,
        f"{work} until the airline confirms its departure for both travellers; luggage, seats and meals follow tonight HAT136",
    )
    lead.configure_policies(autonomy="autonomous")
    lead.configure_llm(lambda *_, **__: said)

    waits = lead.collapse(child, auto_commit=auto_commit)

    assert waits.parent_commit_hash is None
    assert waits.warnings == (f"the summary is unfit: {doubt}",)
    assert waits.summary_text in [one.text for one in lead.pending_collapses()]
    assert len(texts(lead)) == 3
    done = lead.approve_collapse(waits.proposal_id)
    assert done.parent_commit_hash is not None


def test_what_waits_is_refused_when_the_child_was_collapsed_since(session: Session) -> None:
    lead, child = family(session, "first")
    waiting = lead.collapse(child, content="it", auto_commit=False)
    lead.collapse(child, content="faster")

    with pytest.raises(SessionError, match="stale"):
        lead.approve_collapse(waiting.proposal_id)
    stale = lead.approve_proposal()
    assert ("stale", "tract 'x' was collapsed since", []) == (stale.status, stale.decision_reason, lead.proposals())
    assert "x (look):\nfaster" == texts(lead)[-1]


_WAITING_AND_KILLED = """
import os, signal, sys
from tract import Session
session = Session.open(sys.argv[1])
lead = session.create_tract("lead")
lead.user("one")
child = lead.spawn("look", name="x")
child.assistant("first")
print(lead.collapse(child, content="it", auto_commit=False).proposal_id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_collapse_that_waits_outlives_the_process_that_asked_for_it(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", _WAITING_AND_KILLED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert -signal.SIGKILL == killed.returncode

    with Session.open(tmp_path) as session:
        lead = session.get_tract("lead")
        [one] = lead.proposals()
        assert (killed.stdout.strip(), "collapse") == (one.id, one.action.name)
        assert "executed" == lead.approve_proposal().status
        assert "x (look):\nit" == texts(lead)[-1]
        assert "collapsed" == lead.children()[0].status


def test_an_autonomous_session_lets_a_model_s_summary_land() -> None:
    with Session.open(":memory:", autonomy="autonomous", tokenizer=Words()) as session:
        lead, child = family(session, "first")
        done = lead.collapse(child, summariser=lambda _: "it")

        assert done.parent_commit_hash is not None
        assert "x (look):\nit" == texts(lead)[-1]


def test_a_child_has_its_parent_s_autonomy_and_a_session_may_only_lower_it(session: Session) -> None:
    lead, child = family(session, "first")
    lead.configure_policies(autonomy="autonomous")
    later = lead.spawn("look", name="later")
    assert ("collaborative", "autonomous") == (child.autonomy_in_force(), later.autonomy_in_force())
    assert lead.collapse(child, summariser=lambda _: "it").parent_commit_hash is not None
    session.autonomy = "manual"
    session.release_tract("lead")
    again = session.get_tract("lead")
    assert "manual" == again.autonomy_in_force()
    assert again.collapse("x", summariser=lambda _: "it").parent_commit_hash is None


def test_a_collapse_is_a_commit_for_policies_and_a_child_has_its_parent_s(session: Session) -> None:
    class CountingFamilies:
        name, priority, trigger = "counting", 100, "commit"
        seen: ClassVar[list[str]] = []

        def evaluate(self, tract: Any) -> None:
            self.seen.append(tract.tract_id)

    lead = session.create_tract("lead")
    lead.configure_policies([CountingFamilies()])
    lead.user("one")
    child = lead.spawn("look", name="x")
    child.assistant("first")
    lead.collapse(child, content="it")
    assert ["counting"] == [one.name for one in child.policies()]
    assert ["lead", "x", "lead"] == CountingFamilies.seen


def test_what_a_model_says_of_itself_is_kept_with_the_message(session: Session) -> None:
    from tract.llm.types import Summary

    lead, child = family(session, "first")
    lead.collapse(child, summariser=lambda _: Summary("it", {"model": "m"}, {"output_tokens": 3}))
    lead.approve_collapse()

    last = lead.blame()[-1]
    assert "m" == last.model
    assert "m" == (last.introduced.metadata or {})["collapse"]["summarised_by"]["model"]


def test_a_reopened_store_still_has_what_waits(tmp_path: Path) -> None:
    with Session.open(tmp_path, tokenizer=Words()) as session:
        _, child = family(session, "first")
        waiting = session.collapse(child, content="it", auto_commit=False)
        session.get_tract("lead").gc(orphan_retention_days=0)
    with Session.open(tmp_path, tokenizer=Words()) as session:
        lead = session.get_tract("lead")
        assert [waiting.proposal_id] == [one.id for one in lead.pending_collapses()]
        lead.approve_collapse()
        assert "x (look):\nit" == texts(lead)[-1]


# What cannot be


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda _: 1 / 0, CompressionError),
        (lambda _: "", CompressionError),
        (lambda _: "   ", CompressionError),
        (lambda _: "too much " * 200, CompressionError),
        (lambda _: None, CompressionError),
    ],
)
def test_a_model_that_fails_says_nothing_or_too_much_leaves_nothing(
    session: Session, answer: Any, error: type[Exception]
) -> None:
    lead, child = family(session, "first")
    before = lead.head
    with pytest.raises(error):
        lead.collapse(child, summariser=answer)
    assert (before, []) == (lead.head, lead.pending_collapses())
    assert ["open"] == [one.status for one in lead.children()]


def test_a_collapse_without_words_is_refused(session: Session) -> None:
    lead, child = family(session, "first")
    before = lead.head
    with pytest.raises(LLMConfigError, match="a collapse without content needs a model"):
        lead.collapse(child)
    for content in ("", " \n"):
        with pytest.raises(CompressionError, match="empty"):
            lead.collapse(child, content=content)
    with lead.batch(), pytest.raises(SessionError, match="inside a batch"):
        lead.collapse(child, content="it")
    assert before == lead.head


def test_to_delete_what_others_came_from_is_refused_without_force(session: Session) -> None:
    lead, child = family(session, "first")
    done = session.collapse(child, content="it")

    with pytest.raises(SessionError, match=r"tract 'lead' has children: 'x'$"):
        session.delete_tract("lead")
    session.delete_tract("x")
    assert ["deleted"] == [one.status for one in lead.children()]
    lead.expand(done.parent_commit_hash or "")
    assert "first" == texts(lead)[-1]


def test_the_root_tract_is_not_deleted_whatever_came_from_it(session: Session) -> None:
    root = session.get_tract("root")
    root.user("one")
    root.spawn("look")
    for force in (False, True):
        with pytest.raises(SessionError, match="the root tract cannot be deleted"):
            session.delete_tract("root", force=force)


# Taking it back


def test_an_undone_collapse_leaves_the_link_open_and_can_be_made_anew(session: Session) -> None:
    lead, child = family(session, "first")
    done = session.collapse(child, content="it")
    lead.undo()
    assert (["one", "two", "three"], "open", None) == (
        texts(lead), lead.children()[0].status, lead.children()[0].collapse_commit,
    )  # fmt: skip
    lead.redo()
    assert ("x (look):\nit", "collapsed") == (texts(lead)[-1], lead.children()[0].status)
    lead.expand(done)
    lead.undo()
    assert "x (look):\nit" == texts(lead)[-1]
    lead.undo()
    again = session.collapse(child, content="it, better")
    assert (["one", "two", "three", "x (look):\nit, better"], ()) == (texts(lead), again.warnings)


def test_an_undone_second_collapse_goes_back_to_the_first(session: Session) -> None:
    lead, child = family(session, "first")
    first = session.collapse(child, content="it")
    child.assistant("second")
    session.collapse(child, content="more")
    lead.undo()
    assert "x (look):\nit" == texts(lead)[-1]
    lead.expand(first)
    assert ["first"] == texts(lead)[3:]


def test_an_undone_spawn_takes_its_child_along_unless_that_did_something(session: Session) -> None:
    lead, child = family(session)
    lead.undo()
    assert ([], ["lead", "root"]) == (lead.children(), sorted(one.tract_id for one in session.list_tracts()))
    lead.redo()
    assert ["x"] == [one.child_tract_id for one in lead.children()]
    child = session.get_tract("x")
    assert texts(lead) == texts(child)
    child.assistant("something")
    with pytest.raises(TractError, match="has done something since"):
        lead.undo()
    assert ["x"] == [one.child_tract_id for one in lead.children()]


def test_a_spawn_whose_child_was_renamed_is_not_undone_by_half(session: Session) -> None:
    lead, _ = family(session)
    session.rename_tract("x", "y")
    with pytest.raises(TractError, match="its tract is called 'y' now"):
        lead.undo()
    assert ["y"] == [one.child_tract_id for one in lead.children()]
    session.rename_tract("y", "x")
    lead.undo()
    assert ([], ["lead", "root"]) == (lead.children(), sorted(one.tract_id for one in session.list_tracts()))


# On another machine


@pytest.mark.parametrize("tracts", [None, ["lead"]], ids=["all", "the parent alone"])
def test_a_family_travels_by_a_remote(tmp_path: Path, tracts: list[str] | None) -> None:
    bucket = f"file://{tmp_path / 'bucket'}"
    with Session.open(tmp_path / "a", durability="process", tokenizer=Words()) as session:
        lead, child = family(session, "found", "hidden")
        child.annotate("HEAD", Priority.SKIP)
        done = session.collapse(child, content="it")
        child.spawn("deeper", name="xx")
    with Tract.open(tmp_path / "a") as root:
        root.user("something")
        root.add_remote("origin", bucket)
        root.push(all_tracts=True)
    Tract.clone(bucket, tmp_path / "b", tracts=tracts).close()

    with Session.open(tmp_path / "b", tokenizer=Words()) as session:
        lead = session.get_tract("lead")
        if tracts is None:
            assert ["x"] == [one.parent_tract_id for one in session.list_tracts() if one.tract_id == "xx"]
            assert ["collapsed"] == [one.status for one in lead.children()]
            assert ["one", "two", "three", "found"] == texts(session.get_tract("xx"))
        lead.expand(done)
        assert ["one", "two", "three", "found"] == texts(lead)
    assert () == tuple(check_repository(str(tmp_path / "b" / ".tract")).problems)
