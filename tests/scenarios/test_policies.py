"""Tier 6: policies, autonomy, and a policy of one's own (scenarios 6.1 to 6.3)."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.making import call, make_tract
from tract import (
    Action,
    ArchivePolicy,
    BranchPolicy,
    CompressPolicy,
    Decision,
    PinPolicy,
    Proposal,
    Tract,
    TractConfig,
    auto_approve,
)
from tract.adapters.importing import import_conversation
from tract.adapters.transcripts import read_transcript

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"
AIRLINE = CORPUS / "sierra-research+tau-bench" / "historical_trajectories"
SESSION = CORPUS / "entireio+cli" / "72" / "0c20f08988" / "0" / "full.jsonl"
LASTS = 25
"""So many turns after it was found, somebody brings a tangent back to main."""
INSTRUCTION = "You serve customers of an airline. Be brief."
BUDGET = 4_000

pytestmark = pytest.mark.filterwarnings("ignore::tract.errors.BudgetWarning")


def talk(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Real conversations of customers of an airline one after the other, or made ones where there is no corpus."""
    path = AIRLINE / "gpt-4o-airline.json"
    if path.exists():
        talks = [one["traj"][1:] for one in json.loads(path.read_text())]
        messages = [{**m, "content": (m.get("content") or "")[:600]} for one in talks for m in one]
        said = [m for m in messages if m["role"] in ("user", "assistant") and not m.get("tool_calls") and m["content"]]
        return (said * (1 + count // len(said)))[:count]
    chance = random.Random(seed)
    words = [
        "flight",
        "reservation",
        "passenger",
        "economy",
        "ticket",
        "cabin",
        "baggage",
        "airport",
        "refund",
        "insurance",
        "gold",
        "seat",
    ]
    return [
        {"role": ("user", "assistant")[n % 2], "content": " ".join(chance.choices(words, k=30))} for n in range(count)
    ]


class Days:
    """A clock by which each turn takes an hour."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self.hours = 0

    def __call__(self) -> int:
        return self._clock() + self.hours * 3_600_000_000


def service(path: Any, autonomy: Any, **options: Any) -> Tract:
    """The agent of 6.1, with its four policies."""
    t = make_tract(path=path, config=TractConfig(author="tester", token_budget=BUDGET), verify_cache=False)
    t.configure_policies(
        [CompressPolicy(0.8), PinPolicy(patterns=[{"text": "PRIORITY"}]), BranchPolicy(), ArchivePolicy()],
        autonomy=autonomy,
        **options,
    )
    t.system(INSTRUCTION)
    return t


def tangent(count: int = 24) -> list[dict[str, Any]]:
    """What a session of an agent that programs says, or made words about something else."""
    path = SESSION
    if not path.exists():
        return other_talk(count)
    other = Tract.open(":memory:")
    import_conversation(other.repository, next(iter(read_transcript(str(path)).conversations)), place="here")
    said = [one for one in other.messages() if one.kind in ("user", "answer") and one.text.strip()]
    return [{"role": one.role, "content": one.text[:600]} for one in said[:count]]


def other_talk(count: int) -> list[dict[str, Any]]:
    """Made words about something else than flights."""
    chance = random.Random(2)
    words = (
        "variable naming camel snake convention identifier module prefix suffix linter style plural acronym constant"
    )
    return [
        {"role": ("user", "assistant")[n % 2], "content": " ".join(chance.choices(words.split(), k=30))}
        for n in range(count)
    ]


def attend(t: Tract) -> None:
    """What a person does who approves whatever waits."""
    while waiting := t.proposals():
        done = t.approve_proposal(waiting[-1].id)
        assert done.status in ("executed", "stale"), done.decision_reason


class Shift:
    """A long run: what was said, what was pinned, and where a drift was."""

    def __init__(self, t: Tract, days: Days, *, is_attended: bool) -> None:
        self.t, self.days, self.is_attended = t, days, is_attended
        self.pins: list[str] = []
        self.heads: list[str | None] = []
        self.tangents: dict[str, int] = {}
        """The branches that were made for a drift, and how many turns there were then."""

    def say(self, message: dict[str, Any]) -> None:
        t = self.t
        self.days.hours += 1
        self.heads.append(t.head)
        t.commit(message)
        if self.is_attended:
            attend(t)
        assert t.status().token_count <= BUDGET, t.policy_log(limit=3)
        branch, turn = str(t.current_branch), len(self.heads)
        if branch != "main" and branch not in self.tangents:
            self.tangents[branch] = turn
            assert branch.startswith("tangent/")
            assert t.get_commit("main").commit_hash in self.heads  # main is as it was before one of the turns
        elif branch != "main" and turn > self.tangents[branch] + LASTS:
            self.go_back()

    def go_back(self) -> None:
        """What somebody does for whom a tangent is over."""
        branch = str(self.t.current_branch)
        if branch != "main":
            self.t.switch("main")
            self.t.merge(branch)

    def work(self, messages: list[dict[str, Any]]) -> None:
        for number, message in enumerate(messages):
            if number % 200 == 100:
                self.pins.append(f"PRIORITY case {number}: call the customer back")
                self.say({"role": "user", "content": self.pins[-1]})
            self.say(message)


@pytest.mark.parametrize("autonomy", ["autonomous", "collaborative", "manual"])
@pytest.mark.parametrize("size", [pytest.param(220, id="sample"), pytest.param(5_000, marks=pytest.mark.slow)])
def test_an_agent_s_long_run_at_each_autonomy(tmp_path: Path, size: int, autonomy: str) -> None:
    made = service(tmp_path, autonomy)
    days = Days(made.repository.clock)
    with Tract(replace(made.repository, clock=days), tokenizer=made._own.blobs.counter) as t:
        t.branch("dead-end")
        shift = Shift(t, days, is_attended=autonomy != "autonomous")

        shift.work(talk(size))
        shift.go_back()
        began = len(shift.heads)
        shift.work(tangent())

        assert any(began < turn <= began + 15 for turn in shift.tangents.values()), shift.tangents
        for revision in ("HEAD", "main"):
            pinned = [one.text for one in t.messages(revision) if one.priority == "pinned"]
            assert pinned == [INSTRUCTION, *shift.pins]

        # Stale branches; the log; what waits.
        assert {one.name for one in t.archived_branches()} - set(shift.tangents) == {"dead-end"}
        check_log(t, len(shift.tangents))
        assert t.proposals() == []


def check_log(t: Tract, tangents: int) -> None:
    """Everything that was done is in the log, or was approved; nothing failed."""
    entries, decided = t.policy_log(limit=None), t.proposals("executed")
    assert {one.outcome for one in entries} <= {"executed", "proposed", "skipped"}, entries
    assert {one.policy for one in entries} == {"compress", "pin", "branch", "archive"}
    acted = [one.action.name for one in entries if one.outcome == "executed" and one.action]
    acted += [one.action.name for one in decided]
    made = [one for one in t.log(None, start=["main", "HEAD"]) if one.operation.value == "compress"]
    assert acted.count("compress") == len(made) > 0
    assert acted.count("divert") == tangents
    assert acted.count("archive") == len(t.archived_branches())


def test_in_development_everything_is_proposed_and_nothing_happens_by_itself(tmp_path: Path) -> None:
    with service(tmp_path, "manual") as t:
        t.user("PRIORITY: call back")
        assert [one.origin for one in t.proposals()] == ["pin"]
        assert [one for one in t.pinned() if one.commit_hash == t.head] == []
        t.approve_proposal()
        assert t.messages()[-1].priority == "pinned"


def test_in_staging_low_risks_run_and_high_ones_wait(tmp_path: Path) -> None:
    with service(tmp_path, "collaborative") as t:
        t.user("PRIORITY: call back")
        t.extend(talk(300)[:110])
        assert t.messages()[1].priority == "pinned"
        (one,) = [one for one in t.proposals() if one.origin == "compress"]
        before = t.status().token_count
        assert t.approve_proposal(one.id).status == "executed"
        assert t.status().token_count < before


def test_staging_may_approve_by_itself_what_one_names(tmp_path: Path) -> None:
    def only_compressions(one: Proposal) -> Decision | None:
        return auto_approve(one) if one.action.name == "compress" else None

    with service(tmp_path, "collaborative", on_proposal=only_compressions) as t:
        for message in talk(150):
            t.commit(message)
        assert {one.action.name for one in t.proposals("executed")} == {"compress"}


def test_the_same_policies_at_another_autonomy_by_one_call(tmp_path: Path) -> None:
    with service(tmp_path, "manual") as t:
        t.user("PRIORITY 1")
        t.configure_policies(autonomy="autonomous")
        t.user("PRIORITY 2")
        assert [one.outcome for one in t.policy_log(limit=2)] == ["executed", "proposed"]
        assert len(t.policies()) == 4


# 6.3


@dataclass
class NoEmailAddress:
    """Hides what has personal data in it."""

    name: str = "no-personal-data"
    priority: int = 10
    trigger: str = "commit"

    def evaluate(self, tract: Tract) -> Action | None:
        found = [
            one.commit_hash
            for one in tract.new_messages()
            if not one.is_hidden and re.search(r"\b\d{3}-\d{2}-\d{4}\b", one.text)
        ]
        return Action("annotate", {"target": found, "priority": "skip"}, "personal data") if found else None


@dataclass
class FreshToolOutput:
    """Hides tool calls and results that are older than so many turns."""

    turns: int = 10
    name: str = "no-old-tool-output"
    priority: int = 20
    trigger: str = "compile"

    def evaluate(self, tract: Tract) -> Action | None:
        messages = tract.messages()
        answers = [one.number for one in messages if one.kind in ("answer", "tool_call")]
        oldest = answers[-self.turns] if len(answers) > self.turns else 0
        old = [one for one in messages if one.kind in ("tool_call", "tool_result") and one.number < oldest]
        hidden = [one.commit_hash for one in old if not one.is_hidden]
        return Action("annotate", {"target": hidden, "priority": "skip"}, "old") if hidden else None


ANTHROPIC = [
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "slots", "input": {"day": "monday"}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "8:00, SSN 123-45-6789"}]},
]


@pytest.mark.parametrize("format", ["openai", "anthropic"])
def test_personal_data_never_reaches_a_model_and_old_tool_output_goes(format: Any) -> None:
    t = make_tract()
    t.configure_policies([NoEmailAddress(), FreshToolOutput(3)])
    t.system("You help the staff of a clinic.")
    t.user("Mia Wilson, 123-45-6789, needs an appointment.")
    t.user("Which slots are free?")
    if format == "openai":
        t.commit(call("c1"))
        t.tool_result("c1", "8:00, 9:30")
    else:
        t.extend(ANTHROPIC, format="anthropic")
    for number in range(5):
        t.user(f"week {number}?")
        t.assistant("the same")

    seen = t.compile()

    assert "123-45-6789" not in json.dumps(seen.to_openai())
    assert "slots" not in json.dumps(seen.to_anthropic()).replace("Which slots", "")
    assert len(seen) == 12
    assert {one.policy for one in t.policy_log()} >= {"no-personal-data"}


def test_a_day_s_worth_of_stale_branches_is_put_aside(tmp_path: Path) -> None:
    with service(tmp_path, "autonomous") as t:
        t.branch("old-idea")
        t.configure_policies([ArchivePolicy(stale_days=timedelta(0).total_seconds())])
        t.user("go on")
        assert [one.name for one in t.archived_branches()] == ["old-idea"]
