"""The other branches, compared with HEAD's: whether it has all their commits, how many messages it lacks, and which are stale."""

from __future__ import annotations

import heapq
from datetime import datetime, timedelta
from itertools import islice
from typing import Literal, TypeAlias

from tract.compile.workspace import Workspace
from tract.dataclass import dataclass, field
from tract.history.context import context_at, entries
from tract.history.times import moment
from tract.history.tree_diff import diff_contexts
from tract.history.walk import first_parents
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.refs.names import HEADS
from tract.repo import Repository

STALE_DAYS = 7
"""A branch without a commit or a move for this long is stale."""

_MOST_STEPS = 5000
_MOST_GROWN = 64

BranchState: TypeAlias = Literal["current", "merged", "unmerged", "unknown"]


class BranchHealth(NamedTuple):
    """A branch: whether HEAD's branch has all of it, how many of its messages HEAD's context lacks, and the time of its last commit."""

    name: str
    commit_hash: str
    state: BranchState
    missing: int
    last_commit: datetime
    is_stale: bool


@dataclass(slots=True)
class BranchTable:
    """The branches as of the last look, and where HEAD was then."""

    head: tuple[str | None, ObjectId | None] = (None, None)
    branches: dict[str, BranchHealth] = field(default_factory=dict)


def look_at_branches(
    space: Workspace, table: BranchTable, current: str | None, tip: ObjectId | None
) -> tuple[BranchHealth, ...]:
    """The branches in order of name, compared with *tip*, the tip of the branch *current*; after an append, branches that did not move are not read again."""
    repo = space.repo
    tips = {name.removeprefix(HEADS): id for name, id in repo.local_refs(HEADS) if isinstance(id, bytes)}
    is_grown = (current, tip) == table.head or (current == table.head[0] and _has_grown(repo, table.head[1], tip))
    known = table.branches if is_grown else {}
    new = [name for name in tips if name == current or name not in known or known[name].commit_hash != tips[name].hex()]
    merged = _merged(space, tip, {tips[name] for name in new if name != current})
    made = {name: _branch(space, name, tips[name], tip, name == current, merged) for name in new}
    table.branches = {name: made.get(name) or known[name] for name in sorted(tips)}
    table.head = current, tip
    old = repo.clock() - round(timedelta(days=STALE_DAYS).total_seconds() * 1_000_000)
    aged = {name for name, one in table.branches.items() if one.last_commit <= moment(old)}
    aged -= _moved_since(repo, old) if aged - {current} else set()
    return tuple(one._replace(is_stale=one.name in aged) for one in table.branches.values())


def _moved_since(repo: Repository, time: int) -> set[str]:
    """The branches made or moved since *time*, as far as the last operations show."""
    moved: set[str] = set()
    for _, operation in islice(repo.refs.history(), _MOST_STEPS):
        if operation.time < time:
            break
        moved |= {change.name for change in operation.changes}
    start = repo.prefix + HEADS
    return {name.removeprefix(start) for name in moved if name.startswith(start)}


def _has_grown(repo: Repository, old: ObjectId | None, tip: ObjectId | None) -> bool:
    """Whether only messages were appended since *old*, and not many: then no other branch became merged."""
    for steps, (id, commit) in enumerate(first_parents(repo, tip)):
        if id == old:
            return True
        if steps >= _MOST_GROWN or commit.operation is not CommitOperation.APPEND or len(commit.parents) > 1:
            return False
    return False


def _branch(
    space: Workspace, name: str, at: ObjectId, tip: ObjectId | None, is_current: bool, merged: Merged
) -> BranchHealth:
    repo = space.repo
    last = moment(repo.commit(at).time)
    if is_current:
        return BranchHealth(name, at.hex(), "current", 0, last, False)
    missing = 0
    if at not in merged.found:
        mine = context_at(repo, tip)
        changes = diff_contexts(repo, mine, context_at(repo, at))
        added = {commit for change in changes for commit, _ in change.new}
        missing = len(added - {commit for commit, _ in entries(repo, mine)}) if added else 0
    state: BranchState = "merged" if at in merged.found or not missing else "unmerged" if merged.is_sure else "unknown"
    return BranchHealth(name, at.hex(), state, missing, last, False)


class Merged(NamedTuple):
    """The commits, of several, that another one reaches; *is_sure* if the search came to an end."""

    found: frozenset[ObjectId]
    is_sure: bool


def _merged(space: Workspace, tip: ObjectId | None, wanted: set[ObjectId]) -> Merged:
    """The commits of *wanted* that *tip* reaches, searched back to a limit."""
    if tip is None or not wanted:
        return Merged(frozenset(), is_sure=True)
    repo = space.repo
    least = min(repo.commit(id).generation for id in wanted)
    found: set[ObjectId] = set()
    seen = {tip}
    waiting = [(-repo.outline(tip).generation, tip)]
    for _ in range(_MOST_STEPS):
        if not waiting or len(found) == len(wanted):
            return Merged(frozenset(found), is_sure=True)
        generation, id = heapq.heappop(waiting)
        found |= {id} & wanted
        new = [parent for parent in repo.outline(id).parents if -generation > least and parent not in seen]
        seen.update(new)
        for parent in new:
            heapq.heappush(waiting, (-repo.outline(parent).generation, parent))
    return Merged(frozenset(found), is_sure=False)
