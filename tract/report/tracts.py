"""The tracts of a store, as lists show them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime

from tract.compile.totals import context_totals, count_commits
from tract.compile.workspace import Workspace
from tract.dataclass import dataclass, replace
from tract.history.spawn import Parents
from tract.history.times import moment
from tract.history.tracts import TractTimes, own_settings, tract_times
from tract.refs.names import HEADS, tract_name
from tract.repo import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class TractInfo:
    """A tract of a store; *tract_id* is its name.

    *current_branch* is the branch of HEAD (None if it is detached); *head_hash* is the commit there (None before the first).
    *commit_count*, *message_count* and *token_count* are those at HEAD; None if you did not ask for them.
    *created_at* and *last_changed* say when the tract was made, and when one of its refs last moved; None if that is not known.
    For a restored or cloned tract that was not spawned, *created_at* is the moment of that.
    *is_active*: the listing session has it open. *is_orphan*: the tract that it was spawned from, *parent_tract_id*, was deleted.
    """

    tract_id: str
    display_name: str | None
    head_hash: str | None
    current_branch: str | None
    commit_count: int | None = None
    message_count: int | None = None
    token_count: int | None = None
    created_at: datetime | None = None
    last_changed: datetime | None = None
    parent_tract_id: str | None = None
    purpose: str | None = None
    is_active: bool = False
    is_orphan: bool = False


def list_tracts(
    repo: Repository,
    *,
    active: Collection[str] = (),
    workspace_in: Callable[[Repository], AbstractContextManager[Workspace]] | None = None,
) -> Iterator[TractInfo]:
    """The tracts of the store, the root tract first, the others in order of their names; with counts if *workspace_in* makes a workspace for each."""
    parents = Parents(repo)
    for prefix, times in tract_times(repo).items():
        inside = replace(repo, tract=tract_name(prefix), prefix=prefix)
        info = replace(_described(inside, times, parents), is_active=inside.tract in active)
        if workspace_in is not None:
            with workspace_in(inside) as space:
                info = _with_counts(space, info)
        yield info


def by_age(infos: Iterable[TractInfo]) -> list[TractInfo]:
    """The tracts, the oldest first."""
    return sorted(infos, key=lambda one: (one.created_at is not None, one.created_at))


def family_order(infos: Iterable[TractInfo], first: str | None = None) -> Iterator[tuple[TractInfo, int]]:
    """The tracts with their depth, each behind the one it was spawned from; with *first*, only that tract and its descendants."""
    known = {info.tract_id: info for info in infos}
    children: dict[str | None, list[TractInfo]] = {}
    for info in known.values():
        parent = info.parent_tract_id
        has_parent = parent is not None and not info.is_orphan and parent in known
        children.setdefault(parent if has_parent else None, []).append(info)
    told: set[str] = set()
    # Behind the families: tracts that claim to descend from themselves, as only a foreign store can.
    starts = [*children.get(None, []), *known.values()] if first is None else [known[first]]
    stack = [(info, 0) for info in reversed(starts)]
    while stack:
        info, depth = stack.pop()
        if info.tract_id not in told:
            told.add(info.tract_id)
            yield info, depth
            stack += [(child, depth + 1) for child in reversed(children.get(info.tract_id, []))]


def spenders(infos: Iterable[TractInfo], first: str | None = None) -> list[str]:
    """The names of the tracts in the order in which calls are assigned: an older family before a younger one, and in a family children before parents, who may have merged them."""
    families: list[list[str]] = []
    for info, depth in family_order(by_age(infos), first):
        if depth == 0:
            families.append([])
        families[-1].insert(0, info.tract_id)
    return [name for family in families for name in family]


def _described(repo: Repository, times: TractTimes, parents: Parents) -> TractInfo:
    branch, tip = repo.head()
    config = own_settings(repo, repo.prefix) if repo.prefix else repo.config
    link = parents.link(repo)
    # A spawn has its time in every copy; for other tracts the operations have it, as far as they are kept.
    created = times.created if link is None else link.created
    return TractInfo(
        tract_id=repo.tract,
        display_name=None if config is None else config.display_name,
        head_hash=None if tip is None else tip.hex(),
        current_branch=None if branch is None else branch.removeprefix(HEADS),
        created_at=None if created is None else moment(created),
        last_changed=None if times.changed is None else moment(times.changed),
        parent_tract_id=None if link is None else link.parent,
        purpose=None if link is None else link.purpose,
        is_orphan=link is not None and link.is_orphan,
    )


def _with_counts(space: Workspace, info: TractInfo) -> TractInfo:
    repo = space.repo
    tip = repo.head()[1]
    totals = context_totals(space, tip)
    return replace(
        info, commit_count=count_commits(space, tip), message_count=totals.messages, token_count=totals.tokens.total
    )
