"""The policy log: the actions of policies, their reasons, and their outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias

from tract.agents.actions import Action, without_name
from tract.agents.ledger import Entry, Ledger, write_entry
from tract.dataclass import dataclass
from tract.errors import PolicyConfigError
from tract.history.notes import POLICY_LOG
from tract.history.times import moment
from tract.named_tuple import NamedTuple
from tract.refs.names import HEADS
from tract.repo import Repository
from tract.report.text import Shown, excerpt
from tract.transaction import Transaction, transaction

Trigger: TypeAlias = Literal["commit", "compile"]
Outcome: TypeAlias = Literal["executed", "proposed", "skipped", "error"]


_MOST_LISTED = 20
"""The number of items kept of a list among the arguments: a policy that acts every hour for years must not fill the disk."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PolicyLogEntry(Shown):
    """The action that a policy wanted, and its *outcome*, with the *error* if there was one.

    A long list among the *action*'s arguments is cut to its first 20 items, with the number of the rest.
    *commit_hash* is the commit that was made, or else HEAD's. *proposal_id* is the proposal that was made instead, and *proposal_status* its state; *branch* is the branch that HEAD was on.
    """

    policy: str
    trigger: Trigger
    action: Action | None
    outcome: Outcome
    reason: str = ""
    error: str | None = None
    commit_hash: str | None = None
    proposal_id: str | None = None
    proposal_status: str | None = None
    branch: str | None = None
    created_at: datetime

    def __repr__(self) -> str:
        return f"PolicyLogEntry({self})"

    def __str__(self) -> str:
        what = "" if self.action is None else f" {self.action.name}"
        since = "" if self.proposal_status in (None, "pending") else f", {self.proposal_status}"
        why = self.error or self.reason
        why = why if self.action is None else without_name(self.action, why)
        return f"{self.policy} {self.outcome}{what}{since}" + (f": {excerpt(why)}" if why else "")


class Want(NamedTuple):
    """The action that the named policy wants, and its trigger; no *action* if the policy failed before it had one."""

    policy: str
    trigger: Trigger
    action: Action | None


class PolicyLog:
    """The log of a tract, as far as it was read."""

    def __init__(self) -> None:
        self._ledger = Ledger(POLICY_LOG)

    def read(self, repo: Repository, limit: int | None = None) -> list[PolicyLogEntry]:
        """The entries, the newest first; all of them without a *limit*."""
        if limit is not None and (type(limit) is not int or limit < 0):
            raise PolicyConfigError(f"limit must be a number of entries, not {limit!r:.40}")
        self._ledger.advance(repo)
        found = self._ledger.entries[::-1]
        return [_entry_of(one) for one in (found if limit is None else found[:limit])]

    def last_of(self, repo: Repository, policy: str) -> PolicyLogEntry | None:
        """The newest entry about *policy*."""
        self._ledger.advance(repo)
        for one in reversed(self._ledger.entries):
            if one.key == policy:
                return _entry_of(one)
        return None


def _entry_of(entry: Entry) -> PolicyLogEntry:
    body, texts = entry.body, entry.texts
    name = body.get("operation")
    action = None if name is None else Action(str(name), _arguments(texts), str(texts.get("reason", "")))
    error = texts.get("error")
    return PolicyLogEntry(
        policy=entry.key,
        trigger=body.get("trigger", "commit"),
        action=action,
        outcome=body.get("outcome", "error"),
        reason=str(texts.get("reason", "")),
        error=None if error is None else str(error),
        commit_hash=body.get("commit"),
        proposal_id=body.get("proposal"),
        branch=body.get("branch"),
        created_at=moment(entry.event.time),
    )


def _arguments(texts: Mapping[str, Any]) -> Mapping[str, Any]:
    found = texts.get("arguments")
    return dict(found) if isinstance(found, dict) else {}


def add_log_entry(
    tx: Transaction,
    want: Want,
    outcome: Outcome,
    reason: str = "",
    *,
    error: str | None = None,
    commit: str | None = None,
    proposal: str | None = None,
) -> None:
    """Log the outcome of *want* as part of *tx*; without a *reason*, it is the action's."""
    action = want.action
    reason = reason or ("" if action is None else action.reason)
    tip = None if tx.tip is None else tx.tip.hex()
    fields = {
        "trigger": want.trigger,
        "operation": None if action is None else action.name,
        "outcome": outcome,
        "branch": None if tx.branch is None else tx.branch.removeprefix(HEADS),
        "commit": commit or tip,
        "proposal": proposal,
    }
    texts: dict[str, Any] = {}
    if reason:
        texts["reason"] = reason
    if error is not None:
        texts["error"] = error
    if action is not None and action.arguments:
        texts["arguments"] = {name: _shortened(value) for name, value in action.arguments.items()}
    write_entry(tx, POLICY_LOG, want.policy, fields, texts)


def _shortened(value: Any) -> Any:
    """*value* for the log: a list of thousands of messages is cut to its beginning, because the commit that was made has them all."""
    if not isinstance(value, (list, tuple)) or len(value) <= _MOST_LISTED:
        return value
    return [*value[:_MOST_LISTED], f"… {len(value) - _MOST_LISTED:,} more"]


def write_log_entry(repo: Repository, want: Want, outcome: Outcome, reason: str = "", **told: str | None) -> None:
    """The same, in a transaction of its own; *told* are the ``error``, the ``commit`` and the ``proposal``, if there are any."""
    with transaction(repo, f"policy: {want.policy} {outcome}", moves="refs") as tx:
        add_log_entry(tx, want, outcome, reason, **told)
