"""Proposals: actions that wait for approval.

    pending ──▸ executed                 unchanged, or with changed arguments
            ──▸ rejected
            ──▸ failed                   it was approved, and its execution ended in an error
            ──▸ stale                    its subject has changed
            ──▸ expired
            ──▸ approved, modified       only if the approved action must run outside of a transaction

A proposal is about the messages it concerns, in their state on a branch when it is made.
It is decided once: the decision lands in the transaction that carries it out, or in one of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, get_args

from tract.agents.actions import Action
from tract.agents.ledger import Entry, Ledger, write_entry
from tract.dataclass import dataclass, field, replace
from tract.errors import PolicyExecutionError, ProposalError
from tract.history.notes import PROPOSALS, note_tip
from tract.history.times import moment
from tract.history.walk import is_ancestor
from tract.named_tuple import NamedTuple
from tract.reflog import undone_by
from tract.refs.names import HEADS
from tract.repo import Repository
from tract.report.text import Shown, excerpt
from tract.transaction import Transaction, transaction

Status: TypeAlias = Literal["pending", "approved", "rejected", "modified", "executed", "failed", "stale", "expired"]
STATUSES: tuple[Status, ...] = get_args(Status)

PERSON = "user"
"""The origin of proposals made through the API."""

_DONE = ("executed", "failed")


class Concerned(NamedTuple):
    """A message that a proposal is about, as it was then: its commit, its blob and its priority; *place* is its place in the context, from 0."""

    commit: str
    blob: str
    priority: str
    place: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Proposal(Shown):
    """An action that waits for approval, or that was decided.

    *origin* is the name of the policy that wants it, ``orchestrator``, or ``tool``. *reasoning* is in its words; *context_summary* says what the action would have done when it was proposed.
    *about* are the messages it concerns, on *branch*. *executed_action* is the action carried out, which may differ from *action*.
    """

    id: str
    origin: str
    action: Action
    reasoning: str = ""
    alternatives: tuple[str, ...] = ()
    context_summary: str = ""
    branch: str | None = None
    head_hash: str | None = None
    about: tuple[Concerned, ...] = field(default=(), repr=False)
    created_at: datetime
    expires_at: datetime | None = None
    status: Status = "pending"
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str = ""
    executed_action: Action | None = None
    result_commit: str | None = None
    undone_by: str | None = None
    store: str = field(default="", repr=False)

    def __repr__(self) -> str:
        return f"Proposal({self.id} {self.status}: {self.action.name} by {self.origin})"

    def __str__(self) -> str:
        why = f": {excerpt(self.reasoning)}" if self.reasoning else ""
        return f"{self.id} {self.status} {self.action.name} by {self.origin}{why}"


class Wish(NamedTuple):
    """A wanted action, with its origin and its reason, for ``act``."""

    action: Action
    origin: str
    reasoning: str = ""
    alternatives: tuple[str, ...] = ()
    expires_in: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision about a proposal; for ``modify``, *arguments* are the changed arguments by name."""

    action: Literal["approve", "reject", "modify"]
    arguments: Mapping[str, Any] | None = None
    reason: str = ""


def check_decision(decision: object) -> None:
    """PolicyExecutionError for an invalid decision, or arguments that do not go with it."""
    if not isinstance(decision, Decision) or decision.action not in ("approve", "reject", "modify"):
        raise PolicyExecutionError(f"a decision is a Decision or None, not {decision!r:.60}")
    if (decision.action == "modify") != (decision.arguments is not None):
        what = "takes no arguments" if decision.arguments is not None else "names the arguments that change"
        raise PolicyExecutionError(f"a decision to {decision.action} {what}")


OnProposal: TypeAlias = Callable[[Proposal], Decision | None]


class ProposalTable:
    """The proposals of a tract, as far as they were read."""

    def __init__(self) -> None:
        self._ledger = Ledger(PROPOSALS)
        self._by_id: dict[str, Proposal] | None = None

    def read(self, repo: Repository) -> dict[str, Proposal]:
        """All proposals by id, the oldest first."""
        if self._ledger.advance(repo) or self._by_id is None:
            groups: dict[str, list[Entry]] = {}
            for entry in self._ledger.entries:
                groups.setdefault(entry.key, []).append(entry)
            found = [one for group in groups.values() if (one := _proposal_of(group)) is not None]
            self._by_id = {one.id: one for one in found}
        return self._by_id


def count_pending(repo: Repository) -> int:
    """The number of waiting proposals."""
    if note_tip(repo, PROPOSALS) is None:
        return 0
    now = moment(repo.clock())
    waiting = (one for one in ProposalTable().read(repo).values() if one.status == "pending")
    return sum(one.expires_at is None or one.expires_at > now for one in waiting)


def _proposal_of(group: Sequence[Entry]) -> Proposal | None:
    first = next((one for one in group if one.body.get("status") == "pending"), None)
    if first is None:
        return None
    made = _made(first)
    replaced = {id for one in group for id in one.event.replaces}
    standing = [one for one in group if one.id not in replaced and one is not first]
    if not standing:
        return made
    # If two clones decided, the decision that was executed counts, else the earlier one.
    counts = min(standing, key=lambda one: (one.body.get("status") not in _DONE, one.event.time, one.id))
    return _decided(made, counts)


def _made(entry: Entry) -> Proposal:
    body, texts = entry.body, entry.texts
    expires = body.get("expires")
    return Proposal(
        id=entry.key,
        origin=str(body.get("origin")),
        action=Action(
            str(body.get("operation")),
            dict(texts.get("arguments", {})),
            str(texts.get("reason", "")),
            body.get("autonomy"),
            "rule" if body.get("content_by") == "rule" else None,
        ),
        reasoning=str(texts.get("reasoning", "")),
        alternatives=tuple(texts.get("alternatives", ())),
        context_summary=str(texts.get("summary", "")),
        branch=body.get("branch"),
        head_hash=body.get("head"),
        about=tuple(Concerned(*one) for one in body.get("about", ())),
        created_at=moment(entry.event.time),
        expires_at=None if expires is None else moment(expires),
        store=str(body.get("store", "")),
    )


def _decided(made: Proposal, entry: Entry) -> Proposal:
    body, texts = entry.body, entry.texts
    status: Status = body["status"] if body.get("status") in STATUSES else "failed"
    done = None
    if status in ("approved", "modified", "executed", "failed"):
        done = made.action
        if "arguments" in texts:
            done = replace(done, arguments=dict(texts["arguments"]), autonomy=None, content_by=None)
    return replace(
        made,
        status=status,
        decided_by=entry.event.author if body.get("by") is None else body["by"],
        decided_at=moment(entry.event.time),
        decision_reason=str(texts.get("reason", "")),
        executed_action=done,
        result_commit=body.get("result"),
    )


def add_proposal(
    tx: Transaction, wish: Wish, branch: str | None, *, about: Sequence[Concerned], summary: str, store: str
) -> str:
    """Store a proposal about those messages of the context at *branch* as part of *tx*; return its id."""
    id = os.urandom(5).hex()
    expires = None if wish.expires_in is None else tx.repo.clock() + int(wish.expires_in.total_seconds() * 1_000_000)
    fields = {
        "status": "pending",
        "origin": wish.origin,
        "operation": wish.action.name,
        "autonomy": wish.action.autonomy,
        "content_by": wish.action.content_by,
        "branch": branch,
        "head": None if tx.tip is None else tx.tip.hex(),
        "store": store,
        "expires": expires,
        "about": [list(one) for one in about],
    }
    texts = {
        "arguments": dict(wish.action.arguments),
        "reason": wish.action.reason,
        "reasoning": wish.reasoning or wish.action.reason,
        "alternatives": list(wish.alternatives),
        "summary": summary,
    }
    write_entry(tx, PROPOSALS, id, fields, texts)
    return id


class Verdict(NamedTuple):
    """A decision to be stored."""

    status: Status
    reason: str = ""
    by: str | None = None
    arguments: Mapping[str, Any] | None = None
    result: str | None = None


def decide(repo: Repository, id: str, verdict: Verdict) -> None:
    """Store a decision, in a transaction of its own; ProposalError if another decision came first."""
    with transaction(repo, f"{verdict.status}: proposal {id}", moves="refs") as tx:
        add_decision(tx, id, verdict)


def add_decision(tx: Transaction, id: str, verdict: Verdict) -> None:
    """Store a decision as part of *tx*; ProposalError if the proposal is decided already."""
    ledger = Ledger(PROPOSALS)
    ledger.advance(tx.repo)
    group = [one for one in ledger.entries if one.key == id]
    found = _proposal_of(group)
    if found is None:
        raise ProposalError(f"there is no proposal '{id}'")
    is_claimed = found.status in ("approved", "modified") and verdict.status in _DONE
    if found.status != "pending" and not is_claimed:
        raise already_decided(found)
    fields = {"status": verdict.status, "by": verdict.by, "result": verdict.result}
    texts: dict[str, Any] = {}
    if verdict.reason:
        texts["reason"] = verdict.reason
    if verdict.arguments is not None:
        texts["arguments"] = dict(verdict.arguments)
    write_entry(tx, PROPOSALS, id, fields, texts, replaces=(group[-1].id,))


def already_decided(one: Proposal) -> ProposalError:
    """The error for a second decision about the same proposal."""
    when = "" if one.decided_at is None else f" at {one.decided_at:%Y-%m-%d %H:%M} UTC"
    return ProposalError(f"proposal '{one.id}' is decided: {one.status} by {one.decided_by}{when}")


def proposal_named(found: Mapping[str, Proposal], id: str | None) -> Proposal:
    """The proposal with this *id* or a prefix of it; None means the only one that waits."""
    if id is None:
        waiting = [one for one in found.values() if one.status == "pending"]
        if len(waiting) != 1:
            many = f"{len(waiting)} wait: {', '.join(one.id for one in waiting)}" if waiting else "none waits"
            raise ProposalError(f"no proposal was named, and {many}")
        return waiting[0]
    if not isinstance(id, str) or not id:
        raise ProposalError(f"a proposal is named by its id, not {id!r:.40}")
    matching = [one for key, one in found.items() if key.startswith(id)]
    if len(matching) != 1:
        raise ProposalError(f"'{id:.40}' {'names several proposals' if matching else 'is no proposal'}")
    return matching[0]


def with_undo(repo: Repository, one: Proposal) -> Proposal:
    """*one*, with the operation that undid its action, unless that was redone."""
    if one.result_commit is None or one.branch is None or one.decided_at is None:
        return one
    made, ref = bytes.fromhex(one.result_commit), HEADS + one.branch
    tip = repo.ref(ref)
    if not repo.objects.contains(made) or (isinstance(tip, bytes) and is_ancestor(repo, made, tip)):
        return one
    for _, operation in repo.refs.history():
        if moment(operation.time) < one.decided_at:
            break
        left = [change.old for change in operation.changes if change.name == repo.prefix + ref]
        if undone_by(operation) > 0 and any(isinstance(old, bytes) and is_ancestor(repo, made, old) for old in left):
            return replace(one, undone_by=operation.actor)
    return one
