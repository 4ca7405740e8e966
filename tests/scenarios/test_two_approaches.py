"""Scenarios 3.1 and 5.2: two approaches of which one wins, and three branches that a supervisor brings together."""

from __future__ import annotations

import json

import pytest

from tests.making import texts
from tract import DialogueContent, ResolveRequest, Tract, UnmergedBranchError

ASKED = "Draft a mail that declines the offer."
FORMAL = "Dear Ms Weber, we regret that we cannot accept."
CASUAL = "Hi Anna, thanks, but we'll pass!"


def test_3_1_the_winner_is_moved_to_and_the_experiments_are_gone(tmp_path):
    with Tract.open(tmp_path) as t:
        t.system("You write mails.")
        t.user(ASKED)
        t.branch("casual", switch=True)
        t.assistant(CASUAL)
        t.branch("formal", source="main", switch=True)
        t.assistant(FORMAL)

        found = t.diff("casual", "formal")
        assert (1, 1, 0) == (found.stat.added, found.stat.removed, found.stat.changed)
        assert 2 == t.compile(at_commit="formal").prefix_change(t.compile(at_commit="casual")).common_messages

        t.switch("main")
        won = t.merge("formal", delete_branch=True)
        with pytest.raises(UnmergedBranchError):
            t.delete_branch("casual")
        dropped = t.delete_branch("casual", force=True)

    with Tract.open(tmp_path) as t:
        assert ("fast-forward", won.source_hash) == (won.kind, t.head)
        assert ["main"] == [branch.name for branch in t.list_branches()]
        assert ["You write mails.", ASKED, FORMAL] == texts(t)
        assert CASUAL == t.get_content(dropped).text  # until gc: a branch is only a name


def test_3_1_a_draft_on_main_stays_where_the_other_is_merged_beside_it(tmp_path):
    with Tract.open(tmp_path) as t:
        t.user(ASKED)
        t.branch("casual")
        t.assistant(FORMAL)
        t.switch("casual")
        t.assistant(CASUAL)
        t.switch("main")

        result = t.merge("casual", delete_branch=True)

        assert "merge" == result.kind
        assert [ASKED, FORMAL, CASUAL] == texts(t)


def test_3_1_on_the_command_line(tract):
    tract("init")
    tract("commit", ASKED)
    tract("switch", "-c", "casual")
    tract("commit", "-r", "assistant", CASUAL)
    tract("switch", "-c", "formal", "main")
    tract("commit", "-r", "assistant", FORMAL)
    tract("switch", "main")

    done = tract("merge", "formal", "--delete-branch")

    assert "Fast-forward" in done.out
    assert 0 == tract("branch", "-D", "casual").status
    assert ["* main"] == tract("branch").out.splitlines()
    assert [ASKED, FORMAL] == [m["content"] for m in json.loads(tract("compile", "--format", "openai").out)]


FINDINGS = {
    "competitor-research": "Two rivals: Alpha and Beta. The market is 2 bn.",
    "market-size": "The market is 2.1 bn, growing 8 %.",
    "tech-feasibility": "Feasible with what we have.",
}


def test_5_2_a_supervisor_brings_three_branches_together(tmp_path):
    with Tract.open(tmp_path) as t:
        t.system("Plan the project.")
        start = t.user("Go or no go?")
    for name, finding in FINDINGS.items():
        with Tract.open(tmp_path) as agent:  # each in a process of its own, as far as the store can tell
            agent.branch(name, source=start.commit_hash, switch=True)
            agent.assistant(finding)
            agent.edit(start.commit_hash, "Go or no go? (decided on Friday)")

    def supervisor(request: ResolveRequest) -> str | None:
        assert "overlapping" == request.kind  # the same edit on every branch is no conflict
        ours, theirs = str(request.ours), str(request.theirs)
        return "Alpha and Beta share 2.1 bn, growing 8 %." if "bn" in ours and "bn" in theirs else None

    with Tract.open(tmp_path) as t:
        t.switch("main")
        kinds = [t.merge(name, strategy="semantic", resolver=supervisor, auto_commit=True).kind for name in FINDINGS]

        assert ["fast-forward", "merge", "merge"] == kinds
        assert [
            "Plan the project.",
            "Go or no go? (decided on Friday)",
            "Alpha and Beta share 2.1 bn, growing 8 %.",
            "Feasible with what we have.",
        ] == texts(t)
        assert all(
            DialogueContent("assistant", finding) in branch_contents(t, name) for name, finding in FINDINGS.items()
        )
        merges = t.log(None, op_filter="merge", first_parent=True)
        assert ["Merge branch 'tech-feasibility' into main", "Merge branch 'market-size' into main"] == [
            info.message for info in merges
        ]


def branch_contents(t: Tract, name: str) -> list[object]:
    return [t.get_content(hash) for hash in t.compile(at_commit=name).commit_hashes]
