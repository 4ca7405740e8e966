from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.making import make_tract, texts
from tract import Tract
from tract.agents.acting import act
from tract.agents.actions import Action
from tract.agents.proposals import Proposal, Verdict, Wish, decide
from tract.errors import ActionError, MergeConflictError, MergeError, ProposalError
from tract.history.state import write_state

COMPRESS = Action("compress", {"content": "s", "keep_recent": 2}, "too long")


def skip(*messages: str) -> Action:
    return Action("annotate", {"target": list(messages), "priority": "skip"})


def make(*, path: Any = ":memory:", **options: Any) -> Tract:
    return make_tract(*(f"word {n}" for n in range(6)), path=path, **options)


def test_a_proposal_says_what_it_is_about_and_what_it_would_do() -> None:
    t = make()

    one = t.propose(COMPRESS, origin="me", alternatives=("wait",))

    assert (one.origin, one.status, one.branch, one.reasoning, one.alternatives) == (
        "me",
        "pending",
        "main",
        "too long",
        ("wait",),
    )
    assert [subject.place for subject in one.about] == [0, 1, 2, 3]
    assert one.context_summary == "4 messages, 24 tokens to 5; 0 of 36 tokens stay in the prompt cache"


def test_an_approved_proposal_touches_nothing_that_came_since() -> None:
    t = make()
    t.propose(COMPRESS)
    t.user("word 6")

    done = t.approve_proposal()

    assert texts(t) == ["s", "word 4", "word 5", "word 6"]
    assert (done.status, done.result_commit) == ("executed", t.head)


def test_a_proposal_survives_reopening_and_is_decided_once(tmp_path: Path) -> None:
    with make(path=tmp_path) as t:
        id = t.propose(COMPRESS).id
    with make_tract(path=tmp_path) as t:
        assert [one.id for one in t.proposals()] == [id]
        t.reject_proposal(id[:4], "the prices are needed")
    with make_tract(path=tmp_path) as t:
        assert t.proposals() == []
        (one,) = t.proposals("rejected")
        assert (one.decided_by, one.decision_reason) == ("tester", "the prices are needed")
        with pytest.raises(ProposalError, match=f"proposal '{id}' is decided: rejected by tester at "):
            t.approve_proposal(id)


def edit(t: Tract) -> None:
    t.edit("HEAD:2", "other")


def pin(t: Tract) -> None:
    t.annotate("HEAD:3", "pinned")


def drop(t: Tract) -> None:
    t.compress(commits=["HEAD:4", "HEAD:5"], content="x")


def insert(t: Tract) -> None:
    t.reorder(["HEAD:6"], before="HEAD:2")


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (edit, "was edited"),
        (pin, "is pinned, and was normal"),
        (drop, "is not in the context of 'main' any more"),
        (insert, "does not follow message"),
    ],
)
def test_what_has_changed_makes_a_proposal_stale_and_is_named(change: Any, difference: str) -> None:
    t = make()
    t.propose(COMPRESS)
    change(t)
    before = texts(t)

    done = t.approve_proposal()

    assert done.status == "stale"
    assert difference in done.decision_reason
    assert texts(t) == before


def test_a_proposal_is_carried_out_on_its_branch_wherever_head_is() -> None:
    t = make()
    t.propose(COMPRESS)
    t.switch("other", create=True)
    t.user("elsewhere")

    t.approve_proposal()

    assert t.current_branch == "other"
    assert texts(t)[-1] == "elsewhere"
    assert len(texts(t)) == 7
    t.switch("main")
    assert texts(t) == ["s", "word 4", "word 5"]


def test_changed_arguments_are_a_new_action_that_is_kept() -> None:
    t = make()
    one = t.propose(COMPRESS)

    shown = t.preview_proposal(one.id, arguments={"to_commit": "HEAD:2"})
    done = t.approve_proposal(one.id, arguments={"to_commit": "HEAD:2"}, reason="keep the rest")

    assert shown.context_summary.startswith("2 messages")
    assert texts(t) == ["s", "word 2", "word 3", "word 4", "word 5"]
    assert done.executed_action is not None
    assert "to_commit" in done.executed_action.arguments
    assert one.action.arguments == done.action.arguments


def test_arguments_that_the_operation_does_not_take_are_refused_and_the_proposal_waits() -> None:
    t = make()
    t.propose(COMPRESS)

    with pytest.raises(ActionError, match="there is no argument 'to'"):
        t.approve_proposal(arguments={"to": 3})

    assert len(t.proposals()) == 1


def test_what_fails_is_failed_with_its_error() -> None:
    t = make()
    one = t.propose(Action("branch", {"name": "b"}))
    t.branch("b")

    done = t.approve_proposal(one.id)

    assert (done.status, done.decision_reason) == ("failed", "branch: branch 'b' exists already")


def test_an_expired_proposal_is_not_carried_out() -> None:
    t = make()
    one = t.propose(COMPRESS, expires_in=timedelta(seconds=-1))

    with pytest.raises(ProposalError, match="expired"):
        t.approve_proposal(one.id)

    assert [p.status for p in t.proposals("all")] == ["expired"]


def test_of_two_handles_that_decide_at_once_one_wins_and_the_other_is_told(tmp_path: Path) -> None:
    with make(path=tmp_path) as t, make_tract(path=tmp_path) as other:
        id = t.propose(COMPRESS).id
        # The other process decides after this one looked, and before it has the lock.
        original = t.compress

        def late(**options: Any) -> Any:
            if not options.get("dry_run"):
                other.reject_proposal(id, "no")
            return original(**options)

        t.compress = late  # type: ignore[method-assign]
        with pytest.raises(ProposalError, match="is decided: rejected"):
            t.approve_proposal(id)

        assert len(texts(t)) == 6
        assert [p.status for p in t.proposals("all")] == ["rejected"]


def test_undo_takes_back_what_was_done_and_not_the_decision() -> None:
    t = make()
    t.propose(COMPRESS)
    t.approve_proposal()

    t.undo()

    assert len(texts(t)) == 6
    assert [(p.status, p.undone_by) for p in t.proposals("all")] == [("executed", "tester")]
    t.redo()
    assert [(p.status, p.undone_by) for p in t.proposals("all")] == [("executed", None)]


def test_an_action_runs_or_waits_by_its_risk_and_the_autonomy() -> None:
    t = make()

    low = act(t, Wish(skip("HEAD:1"), "me"), "collaborative")  # type: ignore[arg-type]
    high = act(t, Wish(COMPRESS, "me"), "collaborative")  # type: ignore[arg-type]
    manual = act(t, Wish(skip("HEAD:2"), "me"), "manual")  # type: ignore[arg-type]
    least = act(
        t, Wish(Action("annotate", {"target": ["HEAD:3"], "priority": "skip"}, "", "manual"), "me"), "autonomous"
    )  # type: ignore[arg-type]
    free = act(t, Wish(Action("annotate", {"target": ["HEAD:4"], "priority": "skip"}), "me"), "autonomous")  # type: ignore[arg-type]
    wrong = act(t, Wish(Action("fly"), "me"), "manual")  # type: ignore[arg-type]

    assert [low.proposal is None, free.proposal is None] == [True, True]
    assert [high.proposal is None, manual.proposal is None, least.proposal is None] == [False, False, False]
    assert wrong.result.error is not None
    assert len(t.proposals()) == 3
    assert texts(t) == ["word 1", "word 2", "word 4", "word 5"]


def test_a_message_s_words_are_in_no_entry_but_in_blobs_of_their_own() -> None:
    t = make()
    one = t.propose(Action("edit", {"target": "HEAD:2", "content": "SECRET"}, "it says SECRET"))
    t.approve_proposal(one.id, reason="SECRET too")

    repo = t.repository
    from tract.history.notes import PROPOSALS, note_tip, noted_entries

    bodies = [repo.blob(blob)["body"] for _, blob in noted_entries(repo, note_tip(repo, PROPOSALS))]
    assert any("SECRET" in repr(body) for body in bodies)
    assert not any("SECRET" in repr(body) for body in bodies if not isinstance(body.get("texts"), dict))


def test_a_decision_that_was_made_is_not_made_again() -> None:
    t = make()
    id = t.propose(COMPRESS).id
    decide(t.repository, id, Verdict("rejected"))

    with pytest.raises(ProposalError, match="is decided"):
        decide(t.repository, id, Verdict("executed"))


def test_a_compression_that_waits_for_its_review_is_in_the_list() -> None:
    t = make()
    pending = t.compress(content="s", keep_recent=2, auto_commit=False)

    (one,) = t.proposals()
    assert (one.id, one.origin, one.context_summary) == (pending.id, "compress", pending.gist)
    done = t.approve_proposal(one.id, arguments={"content": "t"})

    assert isinstance(done, Proposal)
    assert (done.status, texts(t)) == ("executed", ["t", "word 4", "word 5"])
    assert t.proposals() == []


@pytest.mark.parametrize(
    ("id", "error"),
    [(None, "no proposal was named, and none waits"), ("abc", "'abc' is no proposal"), ("", "not ''")],
)
def test_a_proposal_that_is_not_there_is_named(id: str | None, error: str) -> None:
    with pytest.raises(ProposalError, match=error):
        make().approve_proposal(id)


def test_a_merge_that_waits_is_in_the_list_and_is_given_up_or_gone_on_with() -> None:
    t = make_tract("a")
    t.branch("side")
    t.edit("HEAD:1", "main's")
    t.switch("side")
    t.edit("HEAD:1", "side's")
    t.merge("main", keep=True)

    (one,) = t.proposals()
    assert (one.origin, one.context_summary) == ("merge", "open conflicts: 1")
    with pytest.raises(MergeConflictError):
        t.approve_proposal(one.id)
    assert t.reject_proposal(one.id, "later").status == "rejected"
    assert t.proposals() == []


def test_inside_a_batch_and_during_a_merge_nothing_is_approved_and_it_waits_on() -> None:
    t = make()
    t.propose(COMPRESS)

    with t.batch(), pytest.raises(ProposalError, match="cannot be approved inside a batch"):
        t.approve_proposal()
    write_state(t.repository, "merge", {"source": "x", "conflicts": []})
    with pytest.raises(MergeError, match="a merge is under way"):
        t.approve_proposal()

    assert [one.status for one in t.proposals("all") if one.origin == "user"] == ["pending"]


def test_with_a_detached_head_a_proposal_is_carried_out_on_its_branch() -> None:
    t = make()
    t.propose(COMPRESS)
    t.checkout("HEAD~1")

    assert t.approve_proposal().status == "executed"
    assert t.is_detached
    t.switch("main")
    assert texts(t) == ["s", "word 4", "word 5"]
