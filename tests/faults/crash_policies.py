"""Workloads in which a policy acts and proposals are decided: a firing is whole or has not happened, and a decision is made once.

What is looked at in every state: a compression that nobody is said to have made, or an entry about one that is not there, is torn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from tests.faults.crash_recording import Life, Shown
from tract import Action, PolicyLogEntry, Tract
from tract.agents.ledger import Ledger
from tract.agents.policies import register_policy_class
from tract.errors import TractError
from tract.history.notes import PROPOSALS
from tract.storage.store import Durability

_MOST = 5
"""So many messages stay; of more the two oldest are summed up."""


class TornError(TractError):
    """The half of something is in a store."""


@dataclass
class Tidy:
    """Hides what says so, and sums up the oldest two of many messages; only while a workload lives."""

    is_on: ClassVar[bool] = False

    name: str = "tidy"
    priority: int = 10
    trigger: str = "commit"

    def evaluate(self, tract: Tract) -> Action | None:
        if not self.is_on:
            return None
        shown = [one for one in tract.messages() if not one.is_hidden]
        for one in shown:
            if one.text.startswith("hide"):
                return Action("annotate", {"target": [one.commit_hash], "priority": "skip"}, "it says so")
        if len(shown) <= _MOST:
            return None
        oldest = [one.commit_hash for one in shown[:2]]
        return Action("compress", {"commits": oldest, "content": f"two of {shown[-1].number}"}, "they are many")


register_policy_class("Tidy", Tidy)


def shown_and_decided(tract: Tract) -> Shown:
    """The context at HEAD, what the policy log says and what became of proposals; TornError where they do not fit together."""
    said = tract.policy_log(limit=None)
    proposals = tract.proposals("all")
    _check_decisions(tract)
    made = [one.commit_hash for one in said if _is_done(one, "compress")]
    made += [one.result_commit for one in proposals if one.action.name == "compress"]
    _check_commits(tract, made)
    hidden = sum(note.origin == "tidy" for one in tract.skipped() for note in tract.get_annotations(one.commit_hash))
    told = sum(_is_done(one, "annotate") for one in said)
    told += sum(one.status == "executed" and one.action.name == "annotate" for one in proposals)
    if hidden != told:
        raise TornError(f"the policy hid {hidden} messages, and is said to have hidden {told}")
    if {one.proposal_id for one in said if one.outcome == "proposed"} != {one.id for one in proposals}:
        raise TornError("the log and the proposals differ")
    context = [str(message.content) for message in tract.compile(policies=False).messages]
    return (
        *context,
        *(f"{one.outcome} {one.action and one.action.name}" for one in said),
        *(f"{one.id} {one.status}" for one in proposals),
    )


def _is_done(entry: PolicyLogEntry, name: str) -> bool:
    return entry.outcome == "executed" and entry.action is not None and entry.action.name == name


def _check_commits(tract: Tract, said: list[str | None]) -> None:
    """Each compression in the history was made by one firing or one approval, and each of those has its compression."""
    made = sorted(one.commit_hash for one in tract.log(None) if one.operation.value == "compress")
    if made != sorted(one for one in said if one is not None):
        raise TornError(f"there are {len(made)} compressions, and others are said to have been made")


def _check_decisions(tract: Tract) -> None:
    ledger = Ledger(PROPOSALS)
    ledger.advance(tract.repository)
    decisions = Counter(one.key for one in ledger.entries if one.body.get("status") != "pending")
    twice = [id for id, number in decisions.items() if number > 1]
    if twice:
        raise TornError(f"proposal {twice[0]} is decided {decisions[twice[0]]} times")


def life_with_policies(life: Life, durability: Durability) -> None:
    """A policy acts by itself, then proposes; proposals are approved, changed, rejected and overtaken."""
    tract = life.open(durability)
    tract.configure_policies([Tidy()], autonomy="autonomous")
    life.done(tract, durability)
    Tidy.is_on = True
    try:
        for turn in range(8):
            tract.user(f"hide {turn}" if turn % 3 == 2 else life.text())
            life.done(tract, durability)
        tract.configure_policies(autonomy="manual")
        for turn, decide in enumerate((_approve, _reject, _change, _overtake, _approve)):
            tract.user(life.text())
            tract.user(f"hide {turn}" if turn % 2 else life.text())
            life.done(tract, durability)
            decide(tract)
            life.done(tract, durability)
    finally:
        Tidy.is_on = False
    life.close(tract)


def _approve(tract: Tract) -> None:
    for one in tract.proposals():
        tract.approve_proposal(one.id)


def _reject(tract: Tract) -> None:
    for one in tract.proposals():
        tract.reject_proposal(one.id, "not now")


def _change(tract: Tract) -> None:
    for one in tract.proposals():
        tract.approve_proposal(one.id, arguments={"content": "two"} if one.action.name == "compress" else None)


def _overtake(tract: Tract) -> None:
    tract.edit("HEAD:1", "said otherwise")
    _approve(tract)


def life_with_policies_that_ends_early(life: Life) -> None:
    """The same in short, to be killed in the middle of."""
    tract = life.open("full")
    tract.configure_policies([Tidy()], autonomy="autonomous")
    life.done(tract, "full")
    Tidy.is_on = True
    for turn in range(7):
        tract.user(f"hide {turn}" if turn == 3 else life.text())
        life.done(tract, "full")
    tract.configure_policies(autonomy="manual")
    tract.user(life.text())
    _approve(tract)
    life.done(tract, "full")


def life_after_policies(life: Life) -> None:
    """Another process decides what waits, whatever the dead one had decided."""
    tract = life.open("full")
    Tidy.is_on = True
    try:
        tract.configure_policies([Tidy()], autonomy="manual")
        tract.user("after the cut")
        _approve(tract)
        life.done(tract, "full")
    finally:
        Tidy.is_on = False


POLICY_WORKLOADS: dict[str, Callable[[Life], None]] = {
    "policies": lambda life: life_with_policies(life, "full"),
    "policies, not synced": lambda life: life_with_policies(life, "process"),
}
