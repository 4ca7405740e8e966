"""The way of an action to its result: it is run at once, or proposed and decided later.

    Action ──▸ act ──▸ risk and autonomy ──▸ carry_out ──▸ ActionResult
                              └──▸ propose ──▸ Proposal ──▸ approve ──▸ carry_out
                                                        └──▸ reject

A record about an action (a decision, an entry of the policy log) lands in the action's own transaction: both are stored, or neither.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeAlias

from tract.agents.actions import Action, ActionResult, Autonomy, least_autonomy, needs_approval
from tract.agents.asking import wrong_with
from tract.agents.builtin.selection import note_of_range
from tract.agents.operation_table import checked, execute, risk_of, settled
from tract.agents.policy_settings import store_id
from tract.agents.preview import concerned, preview
from tract.agents.proposals import (
    Proposal,
    ProposalTable,
    Verdict,
    Wish,
    add_decision,
    add_proposal,
    already_decided,
    decide,
    proposal_named,
)
from tract.agents.stale import first_difference, overtaken, subjects_at, tell_of, tell_stale
from tract.agents.target import TractLike
from tract.dataclass import replace
from tract.errors import ActionError, ProposalError, TractError
from tract.events import began
from tract.history.times import moment
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.refs.names import HEADS
from tract.repo import Repository
from tract.transaction import Transaction, transaction

Rider: TypeAlias = Callable[[Transaction, str | None], None]
"""Writes a record in the transaction of an action; the second argument is the proposal it makes, None if it is carried out."""

_WITHOUT_RIDER = frozenset({"gc"})
"""The operations whose transactions take no other records."""


def check_wish(wish: Wish) -> None:
    """ActionError for an invalid action, and ProposalError for a reason that is not a text, or a time that is not one."""
    wrong = wrong_with(wish.action)
    if wrong is not None:
        raise ActionError(wrong)
    alternatives = wish.alternatives if isinstance(wish.alternatives, (list, tuple)) else (wish.alternatives,)
    for name, value in (
        ("origin", wish.origin),
        ("reasoning", wish.reasoning),
        *(("alternatives", one) for one in alternatives),
    ):
        if not isinstance(value, str):
            raise ProposalError(f"{name} of a proposal must be text, not {value!r:.40}")
    if wish.expires_in is not None and not isinstance(wish.expires_in, timedelta):
        raise ProposalError(f"expires_in must be a timedelta, not {wish.expires_in!r:.40}")


class Acted(NamedTuple):
    """The outcome of an action: its *result*, or the *proposal* that waits instead; *landed* says whether the rider's notes are in the store."""

    result: ActionResult
    proposal: Proposal | None = None
    landed: bool = False


def act(tract: TractLike, wish: Wish, autonomy: Autonomy, *, rider: Rider | None = None) -> Acted:
    """Run the action if *autonomy*, and the action's own, allow that for its risk; otherwise propose it.

    An action that is invalid is an error in the result, and is not proposed.
    """
    action = wish.action
    try:
        call = checked(action)
        risk = risk_of(tract, call, wish.origin)
        if needs_approval(risk, least_autonomy(autonomy, action.autonomy)):
            made = propose(tract, wish, rider)
            return Acted(ActionResult(text=f"waits as proposal '{made.id}'", proposal_id=made.id), made)
    except TractError as exc:
        return Acted(ActionResult(error=str(exc)))
    result, landed = carry_out(tract, action, rider, origin=wish.origin)
    return Acted(result, None, landed)


def propose(tract: TractLike, wish: Wish, rider: Rider | None = None) -> Proposal:
    """Store the action as a proposal about its messages in their present state; *rider* may write into the same transaction."""
    repo = tract.repository
    action = pinned_down(tract, wish.action)
    tip = None if tract.head is None else bytes.fromhex(tract.head)
    wish, branch = wish._replace(action=action), tract.current_branch
    about, summary = subjects_at(repo, tip, concerned(action)), preview(tract, action)
    since = began()
    with transaction(repo, f"propose: {action.name}", moves="refs") as tx:
        id = add_proposal(tx, wish, branch, about=about, summary=summary, store=store_id(repo))
        replaced = overtaken(ProposalTable().read(tx.repo).values(), wish, branch, about)
        for one in replaced:
            add_decision(tx, one.id, Verdict("stale", f"proposal '{id}' takes its place", wish.origin))
        if rider is not None:
            rider(tx, id)
    made = ProposalTable().read(repo)[id]
    tell_of(repo, made, "pending", since)
    for one in replaced:
        tell_of(repo, one, "stale", since)
    return made


def pinned_down(tract: TractLike, action: Action) -> Action:
    """*action* with the ids of the messages it means now: a compression of everything but the newest means the messages that are older now."""
    action = settled(tract, action)
    if action.name != "compress":
        return action
    planned = tract.compress(dry_run=True, **action.arguments)
    ranges = ("commits", "from_commit", "to_commit", "keep_recent")
    rest = {name: value for name, value in action.arguments.items() if name not in ranges}
    sources = [commit.hex() for part in planned.parts for commit, _ in part.sources]
    return replace(action, arguments={"commits": sources, **rest})


# Carrying out


def branch_commit(tx: Transaction) -> str | None:
    """The commit to which *tx* moves a branch of its tract; None if it moves none. A spawned child's branch belongs to another tract."""
    made = [edit.new for edit in tx.edits if edit.name.startswith(tx.repo.prefix + HEADS)]
    return next((new.hex() for new in made if isinstance(new, bytes)), None)


class _Ride:
    """Runs *rider* in the first transaction that this thread lands in the tract."""

    def __init__(self, repo: Repository, rider: Rider) -> None:
        self._repo = repo
        self._rider = rider
        self._thread = threading.get_ident()
        self._made: ObjectId | None = None

    def __call__(self, tx: Transaction) -> None:
        if self._made is None and threading.get_ident() == self._thread and tx.repo.prefix == self._repo.prefix:
            self._rider(tx, None)
            self._made = tx.objects[-1].id

    @property
    def has_landed(self) -> bool:
        """Whether the transaction is in the store."""
        return self._made is not None and self._repo.objects.contains(self._made)


@contextmanager
def _riding(repo: Repository, ride: _Ride) -> Iterator[None]:
    repo.riders.append(ride)
    try:
        yield
    finally:
        repo.riders.remove(ride)


def carry_out(
    tract: TractLike, action: Action, rider: Rider | None = None, *, origin: str | None = None
) -> tuple[ActionResult, bool]:
    """Run *action*, with *rider* writing into the transaction in which it lands; the second result says whether the rider's part landed."""
    if rider is None or action.name in _WITHOUT_RIDER:
        return execute(tract, action, origin=origin), False
    ride = _Ride(tract.repository, rider)
    with _riding(tract.repository, ride):
        result = execute(tract, action, origin=origin)
    return result, ride.has_landed


# Deciding


class _StaleError(ProposalError):
    """The subject of the proposal has changed; the message is the first difference."""


def approve(tract: TractLike, id: str, changes: Mapping[str, Any] | None, reason: str) -> Proposal:
    """Carry out a proposal, unchanged or with *changes* of its arguments, on *tract*, which is on the proposal's branch; return the decided proposal.

    If its subject has changed, it becomes ``stale`` and nothing happens. ProposalError if it is decided already, even by another process at this moment.
    """
    repo = tract.repository
    one = waiting(repo, id)
    if one.store != store_id(repo):
        raise ProposalError(f"proposal '{one.id}' was made in another store, and is executed only there")
    is_changed = changes is not None
    action = one.action if changes is None else _changed(tract, one.action, changes)
    arguments = action.arguments if is_changed else None
    problem = None if is_changed else first_difference(repo, one)
    if problem is not None:
        return _write(repo, one, Verdict("stale", problem))
    stale: list[str] = []

    def decide(tx: Transaction, _: str | None) -> None:
        changed = None if is_changed else first_difference(tx.repo, one)
        if changed is not None:
            stale.append(changed)
            raise _StaleError(changed)
        add_decision(tx, one.id, Verdict("executed", reason, None, arguments, branch_commit(tx)))

    result, landed = carry_out(tract, action, decide, origin=one.origin)
    if landed:
        tell_stale(repo, ProposalTable(), one.branch, None)
        return _now(repo, one.id)
    if stale:
        return _write(repo, one, Verdict("stale", stale[0]))
    failure = result.error if result.proposal_id is None else result.text  # a model's text waits for a review
    if failure is not None:
        reason = f"{reason}; {failure}" if reason else failure
        return _write(repo, one, Verdict("failed", reason, None, arguments))
    return _write(repo, one, Verdict("executed", reason, None, arguments, result.commit_hash))


def preview_now(tract: TractLike, one: Proposal, arguments: Mapping[str, Any] | None) -> Proposal:
    """*one*, with the effect that it would have on the present context."""
    if arguments is None:
        problem = first_difference(tract.repository, one)
        return replace(one, context_summary=f"it is stale: {problem}" if problem else preview(tract, one.action))
    action = _changed(tract, one.action, arguments)
    return replace(one, action=action, context_summary=preview(tract, action))


def _changed(tract: TractLike, action: Action, arguments: Mapping[str, Any]) -> Action:
    """*action* with other arguments; None removes one. ActionError for an argument that the operation does not take."""
    if not isinstance(arguments, Mapping):
        raise ActionError(f"the changed arguments must be a map, not {type(arguments).__name__}")
    merged = {**action.arguments, **arguments}
    if action.name == "compress" and not {"from_commit", "to_commit", "keep_recent"}.isdisjoint(arguments):
        merged.pop("commits", None)  # a range takes the place of the list
        if "commits" not in arguments and "from_commit" not in arguments and "to_commit" in arguments:
            merged["from_commit"] = action.arguments.get("commits", [None])[0]
    changed = settled(tract, replace(action, arguments={k: v for k, v in merged.items() if v is not None}))
    if "content" in arguments:
        return replace(changed, content_by=None)
    if changed.content_by == "rule":
        note = note_of_range(tract.messages(), changed.arguments)
        changed = replace(changed, arguments={**changed.arguments, "content": note})
    return changed


def reject(repo: Repository, id: str, reason: str) -> Proposal:
    """Reject a proposal; ProposalError if it is decided already."""
    return _write(repo, waiting(repo, id), Verdict("rejected", reason))


def waiting(repo: Repository, id: str | None) -> Proposal:
    """The waiting proposal that *id* names. One whose time is over is thereby expired, and is a ProposalError like a decided one."""
    one = proposal_named(ProposalTable().read(repo), id)
    if one.status != "pending":
        raise already_decided(one)
    if one.expires_at is not None and one.expires_at <= moment(repo.clock()):
        _write(repo, one, Verdict("expired", "nobody decided in time"))
        raise ProposalError(f"proposal '{one.id}' expired at {one.expires_at:%Y-%m-%d %H:%M} UTC")
    return one


def _write(repo: Repository, one: Proposal, verdict: Verdict) -> Proposal:
    decide(repo, one.id, verdict)
    return _now(repo, one.id)


def _now(repo: Repository, id: str) -> Proposal:
    return ProposalTable().read(repo)[id]
