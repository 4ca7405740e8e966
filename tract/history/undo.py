"""Undoing: the refs of a tract go back to where they were before its last operations, or forward again.

    operations    A   B   usage   C   undo C   undo B   redo B
    undone after                  0      1        2        1       how far the tract is back
    steps         A   B           C                                what can be undone, or redone

An undo is an operation too. After another operation, what was undone before it can no longer be redone.
Moves of refs by gc and fetches cannot be undone. They are passed over, and so is bookkeeping: operations that change neither what a model sees nor the branches and tags.
A record of an orchestrator's run is bookkeeping too: if the branch goes back behind it, it is put on the branch again.
A spawn belongs to the parent: when it is undone, the child is removed, if it has done nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Literal, TypeAlias

from tract.dataclass import dataclass, field
from tract.errors import ContentValidationError, TractError
from tract.history.notes import BOOKKEEPING, PRIORITY
from tract.history.times import moment
from tract.named_tuple import NamedTuple
from tract.objects.model import Commit, NewObject, Operation, RefChange, RefValue, new_commit, shown
from tract.reflog import HARD_RESET, TAKEN, is_of_fetch, is_of_gc, is_of_run_record, run_of, undo_reason, undone_by
from tract.refs.names import (
    CHILD_REFS,
    HEAD,
    HEADS,
    NOTES,
    REMOTE_NOTES,
    REMOTES,
    SPAWN_REF,
    TAGS,
    split_tract,
    tract_name,
)
from tract.refs.store import ANY, Expected, RefEdit
from tract.repo import Repository
from tract.transaction import transaction

Direction: TypeAlias = Literal["undo", "redo"]


@dataclass(frozen=True, slots=True)
class UndoMove:
    """A ref that an undo moves from *now* to *then*: hexadecimal ids, or for HEAD the ref of a branch; None means that the ref does not exist."""

    ref: str
    now: str | None
    then: str | None


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class UndoPlan:
    """What an undo or a redo moves, or has moved.

    *reasons* are those of the operations that it takes back, or does again, in that order; *reason*, *actor* and *time* are those of the last one.
    """

    direction: Direction
    reason: str
    actor: str
    time: datetime
    reasons: tuple[str, ...]
    moves: tuple[UndoMove, ...]
    _edits: tuple[RefEdit, ...] = field(compare=False)
    _hard: str = field(compare=False)
    _carried: Carried = field(compare=False)

    def __repr__(self) -> str:
        moves = ", ".join(f"{move.ref} {_short(move.now)} -> {_short(move.then)}" for move in self.moves)
        return f"UndoPlan({self.direction} {self.reason!r}: {moves})"


class Carried(NamedTuple):
    """The commits that put records of runs on other tips than before, and the nodes that these need."""

    nodes: list[NewObject]
    commits: list[Commit]

    def put(self, repo: Repository, records: Iterable[RefValue | None], tip: RefValue | None) -> RefValue | None:
        """Put *records* on *tip*; return the new tip. If *tip* is not a commit, nothing is put."""
        if not isinstance(tip, bytes):
            return tip
        from tract.history.commit import context_before  # only a run that is undone needs it

        context, generation = context_before(repo, tip, self.nodes), repo.commit(tip).generation
        for record in records:
            if not isinstance(record, bytes) or not repo.objects.contains(record):
                continue  # gc removed it after a hard reset
            generation += 1
            commit = repo.commit(record)._replace(
                parents=(tip,), tree=context.tree, open=context.open, generation=generation
            )
            self.commits.append(commit)
            tip = new_commit(commit).id
        return tip


class _Step(NamedTuple):
    """An operation that can be undone or redone, and its changes that can be; *renoted* says that its priorities were rewritten, so it cannot.

    *child* is the prefix of the tract that it spawned, "" if it is no spawn. *records* are the moves of refs by later records of runs, the newest first.
    """

    operation: Operation
    changes: tuple[RefChange, ...] = ()
    renoted: bool = False
    child: str = ""
    records: Sequence[RefChange] = ()


def undo(repo: Repository, steps: int = 1, *, dry_run: bool = False, expected: Expected = ANY) -> UndoPlan:
    """Take back the last *steps* operations on this tract, or with *dry_run* only plan it; see :func:`plan_undo` and :func:`run_undo`."""
    plan = plan_undo(repo, steps)
    if not dry_run:
        run_undo(repo, plan, expected=expected)
    return plan


def redo(repo: Repository, steps: int = 1, *, expected: Expected = ANY) -> UndoPlan:
    """Do the last *steps* undone operations again; see :func:`plan_redo` and :func:`run_undo`."""
    plan = plan_redo(repo, steps)
    run_undo(repo, plan, expected=expected)
    return plan


def plan_undo(repo: Repository, steps: int = 1) -> UndoPlan:
    """Plan to take back the last *steps* operations of a user that are not undone yet; nothing is moved.

    TractError if there are not that many, if gc removed the commits to go back to or rewrote the priorities that came with them, or if one of them spawned a tract that has done something since.
    """
    _check_steps(steps)
    undone, history = _steps(repo)
    taken, count = _first_groups(islice(history, undone, None), steps)
    if count < steps:
        raise TractError(_too_few(repo, "undo", count))
    return _plan(repo, "undo", taken)


def plan_redo(repo: Repository, steps: int = 1) -> UndoPlan:
    """Plan to do the last *steps* undone operations again; an operation after an undo ends this. TractError if there are not that many."""
    _check_steps(steps)
    undone, history = _steps(repo)
    taken, count = _first_groups(list(islice(history, undone))[::-1], steps)
    if count < steps:
        raise TractError(_too_few(repo, "redo", count))
    return _plan(repo, "redo", taken)


def _first_groups(history: Iterable[_Step], most: int) -> tuple[list[_Step], int]:
    """The steps of the first *most* groups, and the number of groups: consecutive steps of one orchestrator run are one group, any other step is a group by itself."""
    taken: list[_Step] = []
    count = 0
    run: str | None = None
    for step in history:
        own = run_of(step.operation.reason)
        if own is None or own != run:
            if count == most:
                break
            count += 1
        run = own
        taken.append(step)
    return taken, count


def run_undo(repo: Repository, plan: UndoPlan, *, expected: Expected = ANY) -> None:
    """Make the moves of *plan*, all or none, in one operation.

    RefMovedError if one of the refs moved since the plan, or HEAD's branch is not at *expected*.
    Steps that together move nothing, such as two renames back and forth, are made one by one: the next undo must count them.
    """
    if not plan.moves and len(plan.reasons) > 1:
        for _ in plan.reasons:
            run_undo(repo, (plan_undo if plan.direction == "undo" else plan_redo)(repo), expected=expected)
            expected = ANY
        return
    reason = undo_reason(plan.direction, len(plan.reasons), plan._hard or plan.reason)
    with transaction(repo, reason, moves="head", expected=expected) as tx:
        tx.objects += plan._carried.nodes
        for commit in plan._carried.commits:
            tx.add(commit)
        tx.edits += plan._edits


def _check_steps(steps: int) -> None:
    if type(steps) is not int or steps < 1:
        raise ContentValidationError(f"steps must be a number from 1 on, not {steps!r}")


def _too_few(repo: Repository, direction: Direction, found: int) -> str:
    if not found:
        return f"there is nothing to {direction} in tract '{repo.tract}'"
    return (
        f"there {'is' if found == 1 else 'are'} only {found} to {direction} in tract '{repo.tract}'; nothing was moved"
    )


def _steps(repo: Repository) -> tuple[int, Iterator[_Step]]:
    """The number of undone operations of the tract, and all that can be undone or redone, newest first, including those."""
    history = _own_history(repo)
    undone = 0
    first: _Step | None = None
    for step in history:
        change = undone_by(step.operation)
        if not change:
            first = step
            break
        undone += change

    def rest() -> Iterator[_Step]:
        if first is not None:
            yield first
        lost = 0  # undone operations that a later operation made impossible to redo
        for step in history:
            change = undone_by(step.operation)
            if change:
                lost += change
            elif lost:
                lost -= 1
            else:
                yield step

    return undone, rest()


def _own_history(repo: Repository) -> Iterator[_Step]:
    """The tract's operations, newest first, back to its creation, undos included, without those that are passed over."""
    passed: set[str] = set()
    by_gc: set[str] = set()
    records: tuple[RefChange, ...] = ()
    priorities = repo.prefix + NOTES + PRIORITY
    for _, operation in repo.refs.history():
        changes = [change for change in operation.changes if _is_own(repo, change.name)]
        if any(change.name == repo.prefix + HEAD and change.old is None for change in changes):
            return
        names = {change.name for change in changes}
        if is_of_gc(operation) or is_of_fetch(operation):
            by_gc |= names
            passed |= names
        elif undone_by(operation):
            yield _Step(operation)
        elif is_of_run_record(operation):
            records += tuple(change for change in changes if _is_branch(change.name) and isinstance(change.new, bytes))
        elif child := _spawned_by(repo, operation, names):
            kept = tuple(change for change in changes if change.name not in passed)
            made = tuple(change for change in operation.changes if split_tract(change.name)[0] == child)
            yield _Step(operation, (*kept, *made), child=child, records=records)
        elif any(_counts(split_tract(name)[1]) for name in names):
            kept = tuple(change for change in changes if change.name not in passed)
            yield _Step(operation, kept, renoted=priorities in names & by_gc, records=records)
        else:
            passed |= names


def _spawned_by(repo: Repository, operation: Operation, names: set[str]) -> str:
    """The prefix of the child that *operation*, which moved this tract's refs *names*, spawned from this tract; "" if it spawned none."""
    if any(name.startswith(repo.prefix + CHILD_REFS) for name in names):
        for change in operation.changes:
            prefix, name = split_tract(change.name)
            if name == SPAWN_REF and change.old is None and prefix != repo.prefix:
                return prefix
    return ""


def _is_own(repo: Repository, name: str) -> bool:
    """True if the ref *name* belongs to this tract and is no bookkeeping, which is never taken back."""
    prefix, local = split_tract(name)
    return prefix == repo.prefix and local not in BOOKKEEPING and not local.startswith((REMOTES, REMOTE_NOTES))


def _is_branch(name: str) -> bool:
    return split_tract(name)[1].startswith((HEAD, HEADS))


def _counts(name: str) -> bool:
    """True if a ref of this name is part of what a model sees, or is a branch or a tag."""
    return name == HEAD or name.startswith((HEADS, TAGS)) or name == NOTES + PRIORITY


def _plan(repo: Repository, direction: Direction, steps: list[_Step]) -> UndoPlan:
    now: dict[str, RefValue | None] = {}
    then: dict[str, RefValue | None] = {}
    for step in steps:
        _check_kept(repo, direction, step)
        for name, old, new in _changes_now(repo, direction, step) if step.child else step.changes:
            before, after = (new, old) if direction == "undo" else (old, new)
            now.setdefault(name, before)
            then[name] = after
    carried = Carried([], [])
    for name in now if steps[-1].records else ():
        records = [change.new for change in steps[-1].records if change.name == name]
        if records:
            now[name] = repo.refs.read(name)
            then[name] = carried.put(repo, records[::-1], then[name])
    moved = [name for name in now if now[name] != then[name]]
    last = steps[-1].operation
    reasons = tuple(step.operation.reason for step in steps)
    hard = [reason for reason in reasons if reason.startswith(HARD_RESET)] if direction == "redo" else []
    return UndoPlan(
        direction=direction,
        reason=last.reason,
        actor=last.actor,
        time=moment(last.time),
        reasons=reasons,
        moves=tuple(UndoMove(name.removeprefix(repo.prefix), shown(now[name]), shown(then[name])) for name in moved),
        _edits=tuple(RefEdit(name, then[name], now[name]) for name in moved),
        _hard=hard[-1] if hard else "",
        _carried=carried,
    )


def _changes_now(repo: Repository, direction: Direction, step: _Step) -> list[RefChange]:
    """The changes of a spawn. Undoing it removes all the child's present refs, its own bookkeeping too; TractError if the child did something since, or another tract has its name."""
    child = step.child
    held = {name: value for name, value in repo.refs.list(child) if split_tract(name)[0] == child}
    made = {change.name: change.new for change in step.changes if split_tract(change.name)[0] == child}
    rest = [change for change in step.changes if change.name not in made]
    failed = f"'{step.operation.reason}' cannot be {direction}ne"
    if not held:  # it was deleted since, or is to be made again
        for name, value in repo.refs.list():
            if value == made.get(child + SPAWN_REF) and split_tract(name)[1] == SPAWN_REF:
                raise TractError(f"{failed}: its tract is called '{tract_name(split_tract(name)[0])}' now")
        return rest if direction == "undo" else list(step.changes)
    if direction == "redo":
        raise TractError(f"{failed}: there is another tract '{tract_name(child)}'")
    if _told(held) != _told(made):
        raise TractError(f"{failed}: tract '{tract_name(child)}' has done something since")
    return [*rest, *(RefChange(name, None, value) for name, value in held.items())]


def _told(refs: Mapping[str, RefValue | None]) -> dict[str, RefValue | None]:
    return {name: value for name, value in refs.items() if _counts(split_tract(name)[1])}


def _check_kept(repo: Repository, direction: Direction, step: _Step) -> None:
    """Raise TractError if the step leads to a commit that is gone; gc marks such an operation in its reason."""
    reason = step.operation.reason
    failed = f"'{reason.removesuffix(TAKEN)}' cannot be {'undone' if direction == 'undo' else 'redone'}"
    if step.renoted:
        raise TractError(f"{failed}: gc or a fetch has rewritten the notes that came with it")
    values = [(change.name, change.old if direction == "undo" else change.new) for change in step.changes]
    there = [(name, value) for name, value in values if isinstance(value, bytes)]
    is_taken = direction == "undo" and reason.endswith(TAKEN)
    if is_taken or not all(repo.objects.contains(value) for _, value in there):
        raise TractError(f"{failed}: gc removed the commits to go back to")
    for name, value in there:
        if _is_branch(name):
            repo.check_whole(value, failed)


def _short(value: str | None) -> str:
    return "none" if value is None else value[:16] if len(value) == 64 else value
