"""Trying a policy out: the actions it would have wanted, commit by commit, in a copy that is thrown away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tract.agents.actions import Action
from tract.agents.asking import evaluated
from tract.agents.operation_table import execute
from tract.agents.policies import Policy
from tract.agents.policy_log import PolicyLogEntry
from tract.compile.workspace import Workspace
from tract.errors import TractError
from tract.history.batch import Batch
from tract.history.times import moment
from tract.history.walk import first_parents
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.refs.names import HEAD, branch_ref
from tract.repo import Repository
from tract.revision import Revision, resolve_revision
from tract.transaction import transaction

_BRANCH = branch_ref("policy-trial")
_MOST = 20
"""The most actions that a policy may want at one commit."""

_KEPT = ("annotate",)
"""The actions that are carried out in the copy, because they affect the commits after."""


def try_policy(
    space: Workspace, policy: Policy, at: Revision, since: Revision | None, handle_on: Callable[[Repository], Any]
) -> list[PolicyLogEntry]:
    """The actions that *policy* would have wanted at each commit after *since* up to *at*, the oldest first; without *since*, at *at* alone."""
    repo = space.repo
    last = resolve_revision(repo, at)
    steps = [last] if since is None else _steps(repo, resolve_revision(repo, since), last)
    batch = Batch(repo)
    tract = handle_on(batch.repo)
    found: list[PolicyLogEntry] = []
    for id in steps:
        with transaction(batch.repo, "checkout: to try a policy", moves="refs") as tx:
            tx.move(_BRANCH, id)
            tx.move(HEAD, _BRANCH)
        found += _wanted_at(tract, policy, id)
    return found


def _steps(repo: Repository, first: ObjectId, last: ObjectId) -> list[ObjectId]:
    steps: list[ObjectId] = []
    for id, commit in first_parents(repo, last):
        if id == first:
            return steps[::-1]
        if commit.operation is not CommitOperation.RECORD:
            steps.append(id)
    raise TractError(f"commit {first.hex()[:16]} is not in the history of {last.hex()[:16]}")


def _wanted_at(tract: Any, policy: Policy, id: ObjectId) -> list[PolicyLogEntry]:
    found: list[PolicyLogEntry] = []
    for _ in range(_MOST):
        action, error = evaluated(policy, tract)
        if action is None and error is None:
            break
        found.append(
            PolicyLogEntry(
                policy=policy.name,
                trigger="compile" if policy.trigger == "compile" else "commit",
                action=action,
                outcome="error" if error is not None else "proposed",
                reason="" if action is None else action.reason,
                error=error,
                commit_hash=id.hex(),
                created_at=moment(tract.repository.clock()),
            )
        )
        if action is None or not _is_kept(action) or execute(tract, action).error is not None:
            break
    return found


def _is_kept(action: Action) -> bool:
    return action.name in _KEPT
