"""Whether a proposal already stands for an action that a policy wants again and again.

proposed    1 2 3 4 5 6            a compression of these waits
again       1 2 3 4 5 6 7          more than half of it waits already: nothing new is proposed
again       1 2 3 4 5 6 … 13       the new one is proposed, and replaces the one that waits

A model's text that waits for a review stands as well: the model is not asked again while it waits and its subject is unchanged.
"""

from __future__ import annotations

from contextlib import suppress

from tract.agents.acting import pinned_down
from tract.agents.actions import Action
from tract.agents.preview import concerned
from tract.agents.proposals import Proposal, ProposalTable
from tract.agents.reviews import reviews
from tract.agents.stale import decide_stale, first_difference, subjects_at
from tract.agents.target import TractLike
from tract.errors import ProposalError, TractError
from tract.repo import Repository


def is_standing(tract: TractLike, table: ProposalTable, policy: str, action: Action) -> bool:
    """Whether the policy's proposal of the same waits already, or was rejected; a stale one is first decided as such."""
    repo = tract.repository
    known = [
        one
        for one in table.read(repo).values()
        if one.origin == policy and one.action.name == action.name and one.status in ("pending", "rejected")
    ]
    kept = [one for one in reviews(repo) if one.action.name == action.name and one.branch == tract.current_branch]
    if not known and not kept:
        return False
    try:
        settled = pinned_down(tract, action)
        about = set(concerned(settled))
    except TractError:
        return False  # what is wrong with it is told when it is tried
    for one in known:
        if not _is_same(one, settled, about, tract.current_branch):
            continue
        if one.status == "pending" and (problem := first_difference(repo, one)) is not None:
            with suppress(ProposalError):  # another decision came first
                decide_stale(repo, one, problem, policy)
            continue
        return True
    return any(_is_same(one, settled, about, one.branch) and _is_as_it_was(repo, one) for one in kept)


def _is_as_it_was(repo: Repository, review: Proposal) -> bool:
    """Whether all messages that *review* is about are in the context, unchanged."""
    now = subjects_at(repo, repo.head()[1], [subject.commit for subject in review.about])
    there = {(subject.commit, subject.blob, subject.priority) for subject in now}
    return all((subject.commit, subject.blob, subject.priority) in there for subject in review.about)


def _is_same(one: Proposal, action: Action, about: set[str], branch: str | None) -> bool:
    """Whether *one* is about most of the messages that *action* is about, on the same *branch*."""
    was = {subject.commit for subject in one.about}
    if not was or not about:
        return action.arguments == one.action.arguments
    return one.branch == branch and len(was & about) * 2 > len(about)
