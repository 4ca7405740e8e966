"""Undoing: all refs of a tract go back to where they were before the last operation.

An undo is an operation as any other, so the next one undoes it: that is the redo.
What gc did to refs is nobody's to undo, and is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tract.errors import TractError
from tract.history.times import moment
from tract.objects.model import Operation, RefChange
from tract.reflog import REDONE, TAKEN, UNDONE, is_of_gc
from tract.refs.names import HEAD, HEADS, ORIG_HEAD, split_tract
from tract.refs.operations import shown
from tract.refs.store import ANY, Expected, RefEdit
from tract.repo import Repository
from tract.transaction import transaction


@dataclass(frozen=True, slots=True)
class UndoMove:
    """A ref that an undo moves: from *now* to *then*, hexadecimal ids or for HEAD on a branch that branch's ref; None is no such ref."""

    ref: str
    now: str | None
    then: str | None


@dataclass(frozen=True, slots=True, repr=False)
class UndoPlan:
    """What an undo moves, or moved: it takes back what *actor* did at *time* for *reason*; *is_redo* where that was an undo itself."""

    reason: str
    actor: str
    time: datetime
    moves: tuple[UndoMove, ...]
    _edits: tuple[RefEdit, ...] = field(compare=False)

    @property
    def is_redo(self) -> bool:
        """Whether it takes an undo back."""
        return self.reason.startswith(UNDONE)

    def __repr__(self) -> str:
        moves = ", ".join(f"{move.ref} {_short(move.now)} -> {_short(move.then)}" for move in self.moves)
        return f"UndoPlan({self.reason!r}: {moves})"


def undo(repo: Repository, *, dry_run: bool = False, expected: Expected = ANY) -> UndoPlan:
    """Take back the last operation on this tract, or with *dry_run* only say what that moves; see :func:`plan_undo` and :func:`run_undo`."""
    plan = plan_undo(repo)
    if not dry_run:
        run_undo(repo, plan, expected=expected)
    return plan


def plan_undo(repo: Repository) -> UndoPlan:
    """How to take back the last operation of a user's that moved refs of this tract; nothing is moved.

    TractError when there is none, when gc took the commits to go back to, and when it has written anew the notes that came with them.
    """
    by_gc: set[str] = set()
    for _, operation in repo.refs.history():
        changes = [change for change in operation.changes if split_tract(change.name)[0] == repo.prefix]
        if any(change.name == repo.prefix + HEAD and change.old is None for change in changes):
            break  # the making of the tract
        if is_of_gc(operation):
            by_gc.update(change.name for change in changes)
            continue
        changes = [change for change in changes if change.name not in by_gc or change.name != repo.prefix + ORIG_HEAD]
        if changes:
            _check_reachable(repo, operation, changes)
            if not by_gc.isdisjoint(change.name for change in changes):
                raise TractError(
                    f"'{operation.reason}' cannot be undone: gc has written anew the notes that came with it"
                )
            return _plan(repo, operation, changes)
    raise TractError(f"there is nothing to undo in tract '{repo.tract}'")


def run_undo(repo: Repository, plan: UndoPlan, *, expected: Expected = ANY) -> None:
    """Make the moves of *plan*, all or none, in one operation.

    RefMovedError when one of the refs was moved since it was planned, or HEAD's branch is not at *expected*.
    """
    lead, what = (
        (REDONE, plan.reason.removeprefix(UNDONE)) if plan.is_redo else (UNDONE, plan.reason.removeprefix(REDONE))
    )
    with transaction(repo, lead + what, moves="head", expected=expected) as tx:
        tx.edits += plan._edits


def _plan(repo: Repository, operation: Operation, changes: list[RefChange]) -> UndoPlan:
    cut = len(repo.prefix)
    return UndoPlan(
        operation.reason,
        operation.actor,
        moment(operation.time),
        tuple(UndoMove(change.name[cut:], shown(change.new), shown(change.old)) for change in changes),
        tuple(RefEdit(change.name, change.old, change.new) for change in changes),
    )


def _check_reachable(repo: Repository, operation: Operation, changes: list[RefChange]) -> None:
    """Raise when an undo would lead to a commit that is gone; gc says so in the reason of such an operation."""
    failed = f"'{operation.reason.removesuffix(TAKEN)}' cannot be undone"
    olds = [(change.name, change.old) for change in changes if isinstance(change.old, bytes)]
    if operation.reason.endswith(TAKEN) or not all(repo.objects.contains(old) for _, old in olds):
        raise TractError(f"{failed}: gc took the commits to go back to")
    for name, old in olds:
        if split_tract(name)[1].startswith((HEAD, HEADS)):
            repo.check_whole(old, failed)


def _short(value: str | None) -> str:
    return "none" if value is None else value[:16] if len(value) == 64 else value
