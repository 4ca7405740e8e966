"""Tier 6, policies: a context that looks after itself, as far as it may, and a rule of one's own.

Prints:
    120 messages later: under 1600 tokens: True, compressed: True
    the instructions stayed: You serve customers of an airline.
    proposed: annotate, because kept for good: user
    approved, and pinned: pinned
    the model sees: ['When may I come?']
    done by: no-personal-data, executed
"""

from __future__ import annotations

import re
import tempfile

from tract import Action, ArchivePolicy, BranchPolicy, CompressPolicy, PinPolicy, Proposal, Tract, TractConfig


def main(folder: str) -> None:
    with Tract.open(f"{folder}/service", config=TractConfig(token_budget=2_000)) as t:
        unattended(t)
    with Tract.open(f"{folder}/review") as t:
        approved(t)
    with Tract.open(f"{folder}/clinic") as t:
        own(t)


def unattended(t: Tract) -> None:
    """The four built-in policies at once, and nobody who watches."""
    t.configure_policies([CompressPolicy(0.8), PinPolicy(), BranchPolicy(), ArchivePolicy()], autonomy="autonomous")
    t.system("You serve customers of an airline.")
    for number in range(60):
        t.user(f"Question {number}: is flight {100 + number} on time, and which gate does it leave from?")
        t.assistant(f"Flight {100 + number} is on time, and leaves from gate {number}.")
    compressions = [entry for entry in t.policy_log(limit=None) if entry.action and entry.action.name == "compress"]
    print(f"120 messages later: under 1600 tokens: {t.status().token_count < 1_600}, compressed: {bool(compressions)}")
    print(f"the instructions stayed: {t.compile()[0].content}")


def approved(t: Tract) -> None:
    """The same policies, and a person who decides: in a program of yours ``cli_prompt``, or anything that asks somebody."""
    t.configure_policies([PinPolicy(patterns=[{"text": "allerg"}])], autonomy="manual")
    t.user("The patient is allergic to penicillin.")
    (waiting,) = t.proposals()
    print(f"proposed: {describe(waiting)}")
    t.approve_proposal(waiting.id, reason="it must never be forgotten")
    print(f"approved, and pinned: {t.get_commit('HEAD').priority.value}")


def describe(proposal: Proposal) -> str:
    return f"{proposal.action.name}, because {proposal.reasoning}"


class NoPersonalData:
    """Hides what has personal data in it, before a model is sent it."""

    name, priority, trigger = "no-personal-data", 10, "commit"

    def evaluate(self, tract: Tract) -> Action | None:
        new = tract.new_messages()
        found = [one.commit_hash for one in new if not one.is_hidden and re.search(r"\b\d{3}-\d{2}-\d{4}\b", one.text)]
        return Action("annotate", {"target": found, "priority": "skip"}, "personal data") if found else None


def own(t: Tract) -> None:
    t.configure_policies([NoPersonalData()])
    t.user("My number is 078-05-1120.")
    t.user("When may I come?")
    print(f"the model sees: {[message.content for message in t.compile()]}")
    print(f"done by: {t.policy_log()[0].policy}, {t.policy_log()[0].outcome}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        main(empty)
