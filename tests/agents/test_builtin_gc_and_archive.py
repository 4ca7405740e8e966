from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.making import make_tract
from tract import Action, ArchivePolicy, GCPolicy, Tract
from tract.errors import PolicyConfigError


def wait(t: Tract) -> None:
    """Wait for what is done apart."""
    assert t._apart is not None
    t._apart.join(20)


@pytest.mark.parametrize("place", ["disk", "memory"])
def test_after_a_compression_the_store_is_collected_apart(tmp_path: Path, place: str) -> None:
    with make_tract("a", "b", "c", path=tmp_path if place == "disk" else ":memory:") as t:
        first = t.log(None)[-1].commit_hash
        t.configure_policies(
            [GCPolicy(min_garbage=0, orphan_retention_days=0, archive_retention_days="0h")], autonomy="autonomous"
        )
        t.user("d")
        assert t._apart is None
        t.compress(content="s", keep_recent=1)
        t.user("e")
        wait(t)

        assert [(one.policy, one.outcome) for one in t.policy_log()] == [("gc", "executed")]
        assert "left its originals behind" in t.policy_log()[0].reason
        t.user("f")
        t.user("g")
        assert len(t.policy_log()) == 1
        assert [m.content for m in t.compile()] == ["s", "d", "e", "f", "g"]
        assert not t.repository.objects.contains(bytes.fromhex(first))


def test_it_is_collected_from_time_to_time(tmp_path: Path) -> None:
    with make_tract("a", path=tmp_path) as t:
        t.configure_policies([GCPolicy(timedelta(days=1), min_garbage=0)], autonomy="autonomous")
        t.user("b")
        wait(t)
        t.user("c")
        assert [one.outcome for one in t.policy_log()] == ["executed"]
        assert t.policies()[0].parameters["after"] == 86400.0


def test_collaboratively_a_gc_is_proposed_and_a_small_store_is_left_alone(tmp_path: Path) -> None:
    with make_tract("a", path=tmp_path) as t:
        t.configure_policies([GCPolicy(timedelta(days=1))])
        t.user("b")
        assert t.proposals() == []
        t.configure_policies([GCPolicy(timedelta(days=1), min_garbage=0)])
        t.user("c")
        (one,) = t.proposals()
        assert one.action.name == "gc"
        assert t.approve_proposal().status == "executed"


def later(t: Tract, days: float) -> Tract:
    """The tract as it is some days later."""
    clock = t.repository.clock
    repo = replace(t.repository, clock=lambda: clock() + int(days * 86_400_000_000))
    return Tract(repo, tokenizer=t._own.blobs.counter, lock=t._lock)


def test_branches_without_a_commit_for_a_week_are_archived() -> None:
    t = make_tract("a")
    t.switch("idea", create=True)
    t.user("b")
    t.tag("v1")
    t.branch("merged", source="main")
    t.switch("main")
    t.configure_policies([ArchivePolicy()], autonomy="autonomous")
    t.user("c")
    assert t.archived_branches() == []

    week = later(t, 8)
    week.user("d")

    assert [one.name for one in week.archived_branches()] == ["idea", "merged"]
    reasons = [one.reason for one in week.policy_log()]
    assert "it has work that HEAD does not have; tagged v1" in reasons[1]
    assert [one.name for one in week.list_branches()] == ["main"]


def test_the_branch_head_is_on_and_the_default_one_stay() -> None:
    t = make_tract("a")
    t.switch("work", create=True)
    t.configure_policies([ArchivePolicy(stale_days=0)], autonomy="autonomous")
    t.user("b")
    assert t.archived_branches() == []


def test_a_branch_about_which_something_waits_for_approval_stays() -> None:
    t = make_tract("a", "b", "c")
    t.switch("idea", create=True)
    one = t.propose(Action("compress", {"content": "s", "keep_recent": 1}))
    t.switch("main")
    t.configure_policies([ArchivePolicy()], autonomy="autonomous")
    week = later(t, 8)
    week.user("d")
    assert week.archived_branches() == []

    t.reject_proposal(one.id)
    later(t, 9).user("e")

    assert [one.name for one in t.archived_branches()] == ["idea"]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: GCPolicy("sometimes"), "after must be 'compress' or a timedelta"),
        (lambda: GCPolicy(min_garbage="much"), "min_garbage must be"),
        (lambda: GCPolicy(orphan_retention_days="x"), "orphan_retention_days must be"),
        (lambda: ArchivePolicy(-1), "stale_days must be a number of days"),
        (lambda: ArchivePolicy(prefix="old/"), "prefix must be 'archive/'"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, error: str) -> None:
    with pytest.raises(PolicyConfigError, match=error):
        make()
