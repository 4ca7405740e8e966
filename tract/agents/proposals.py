"""Proposals: actions that wait for somebody's approval.

    pending ──▸ executed                 as it was, or with changed arguments
            ──▸ rejected
            ──▸ failed                   it was approved, and its execution ended in an error
            ──▸ stale                    what it was about has changed
            ──▸ expired
            ──▸ approved, modified       only where what was approved has to be done outside of a transaction

A proposal is about the messages it concerns, as they are on a branch when it is made.
It is decided once: the decision lands in the transaction that carries it out, or in one of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from tract.agents.actions import Action
from tract.agents.ledger import Entry, Ledger, write_entry
from tract.dataclass import dataclass, field, replace
from tract.errors import ProposalError
from tract.events import began, emit
from tract.history.context import context_at, entries
from tract.history.notes import PRIORITY, PROPOSALS, NoteTable, note_tip
from tract.history.priority import priority_of
from tract.history.times import moment
from tract.history.walk import is_ancestor
from tract.objects.id import ObjectId
from tract.reflog import undone_by
from tract.refs.names import HEADS
from tract.repo import Repository
from tract.report.text import Shown, excerpt, short
from tract.transaction import Transaction, transaction

Status: TypeAlias = Literal["pending", "approved", "rejected", "modified", "executed", "failed", "stale", "expired"]
STATUSES: tuple[Status, ...] = get_args(Status)

PERSON = "user"
"""The origin of what somebody proposes through the API."""

_DONE = ("executed", "failed")


class Subject(NamedTuple):
    """A message that a proposal is about, as it was: its commit, its blob and its priority; *place* is where it stood in the context, from 0."""

    commit: str
    blob: str
    priority: str
    place: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Proposal(Shown):
    """An action that waits for approval, or what became of it.

    *origin* is who wants it: a policy by its name, ``orchestrator``, ``tool``. *reasoning* is in its words, *context_summary* what the action would do when it was proposed.
    *about* are the messages it concerns, on *branch*. *executed_action* is what was done, which may differ from *action*.
    """

    id: str
    origin: str
    action: Action
    reasoning: str = ""
    alternatives: tuple[str, ...] = ()
    context_summary: str = ""
    branch: str | None = None
    head_hash: str | None = None
    about: tuple[Subject, ...] = field(default=(), repr=False)
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
    """An action, who wants it and why, for ``act``."""

    action: Action
    origin: str
    reasoning: str = ""
    alternatives: tuple[str, ...] = ()
    expires_in: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decides about a proposal; *arguments* are for ``modify``: those that change, by name."""

    action: Literal["approve", "reject", "modify"]
    arguments: Mapping[str, Any] | None = None
    reason: str = ""


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
    """How many proposals wait."""
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
    # Of two clones that decided, the one that executed counts, else the earlier.
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
        about=tuple(Subject(*one) for one in body.get("about", ())),
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
    tx: Transaction, wish: Wish, branch: str | None, *, about: Sequence[Subject], summary: str, store: str
) -> str:
    """Keep a proposal about those messages of the context at *branch* as part of *tx*; its id."""
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
    """A decision to be written down."""

    status: Status
    reason: str = ""
    by: str | None = None
    arguments: Mapping[str, Any] | None = None
    result: str | None = None


def decide(repo: Repository, id: str, verdict: Verdict) -> None:
    """Write a decision down, in a transaction of its own; ProposalError where somebody else decided first."""
    with transaction(repo, f"{verdict.status}: proposal {id}", moves="refs") as tx:
        add_decision(tx, id, verdict)


def add_decision(tx: Transaction, id: str, verdict: Verdict) -> None:
    """Write a decision down as part of *tx*; ProposalError where the proposal is decided already."""
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
    """The error of who decides again."""
    when = "" if one.decided_at is None else f" at {one.decided_at:%Y-%m-%d %H:%M} UTC"
    return ProposalError(f"proposal '{one.id}' is decided: {one.status} by {one.decided_by}{when}")


def proposal_named(found: Mapping[str, Proposal], id: str | None) -> Proposal:
    """The proposal that *id*, or a beginning of it, names; None means the only one that waits."""
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
    """*one* with who took back what it did, where somebody has, and it was not done again."""
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


# Which proposals still stand


def overtaken(known: Iterable[Proposal], wish: Wish, branch: str | None, about: Sequence[Subject]) -> list[Proposal]:
    """Those of *known* that wait and in whose place *wish* comes: of the same origin, operation and branch, and about some of the messages it is *about*; of compressions any of them, for one takes the others' messages away.

    What a person proposes stands beside what it proposed before, to choose from.
    """
    if wish.origin == PERSON:
        return []
    commits = {subject.commit for subject in about}
    found = []
    for one in known:
        was = {subject.commit for subject in one.about}
        is_other = (one.origin, one.action.name, one.branch) != (wish.origin, wish.action.name, branch)
        if one.status != "pending" or is_other or not was:
            continue
        if was <= commits or (wish.action.name == "compress" and not was.isdisjoint(commits)):
            found.append(one)
    return found


def tell_stale(repo: Repository, table: ProposalTable, branch: str | None, by: str | None) -> None:
    """Decide those of *table* about *branch* that wait for messages which are not as they were: they are stale."""
    for one in tuple(table.read(repo).values()):
        if one.status == "pending" and one.branch == branch and (problem := first_difference(repo, one)) is not None:
            with suppress(ProposalError):  # somebody else has decided meanwhile
                decide_stale(repo, one, problem, by)


def decide_stale(repo: Repository, one: Proposal, problem: str, by: str | None) -> None:
    """Decide that *one* is stale, and tell of it; ProposalError where somebody else decided first."""
    since = began()
    decide(repo, one.id, Verdict("stale", problem, by))
    tell_of(repo, one, "stale", since)


def tell_of(repo: Repository, one: Proposal, status: Status, since: float) -> None:
    """Tell whoever listens what became of *one*, which began at *since*."""
    emit("proposal", repo.place, since, id=one.id, status=status, origin=one.origin, operation=one.action.name)


# What a proposal is about


def subjects_at(repo: Repository, tip: ObjectId | None, commits: Sequence[str]) -> tuple[Subject, ...]:
    """The messages *commits* as they are in the context at *tip*, in its order; those that are not in it are left out."""
    wanted = {bytes.fromhex(one) for one in commits}
    if tip is None or not wanted:
        return ()
    notes = _priorities(repo)
    found = []
    for place, (commit, blob) in enumerate(entries(repo, context_at(repo, tip))):
        if commit in wanted:
            priority = priority_of(notes.get(repo, commit), repo.blob(blob))
            found.append(Subject(commit.hex(), blob.hex(), priority.value, place))
    return tuple(found)


def _priorities(repo: Repository) -> NoteTable:
    notes = NoteTable()
    notes.advance(repo, note_tip(repo, PRIORITY))
    return notes


def first_difference(repo: Repository, one: Proposal) -> str | None:
    """The first thing that is not as it was when *one* was proposed, None where all it is about is.

    Messages that came since are no difference, but between two that were neighbours.
    """
    if one.branch is None:
        return None
    tip = repo.ref(HEADS + one.branch)
    if not isinstance(tip, bytes):
        return None if one.head_hash is None else f"branch '{one.branch}' is gone"
    if not one.about:
        return None
    now = {subject.commit: subject for subject in subjects_at(repo, tip, [subject.commit for subject in one.about])}
    before: tuple[Subject, Subject] | None = None
    for was in one.about:
        found = now.get(was.commit)
        name = f"message {short(was.commit)}"
        if found is None:
            return f"{name} is not in the context of '{one.branch}' any more"
        if found.blob != was.blob:
            return f"{name} was edited"
        if found.priority != was.priority:
            return f"{name} is {found.priority}, and was {was.priority}"
        if before is not None:
            gap, gap_now = was.place - before[0].place, found.place - before[1].place
            if gap_now < 1 or (gap == 1 and gap_now != 1):
                return f"{name} does not follow message {short(before[0].commit)} as it did"
        before = was, found
    return None
