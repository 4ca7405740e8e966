"""Fetch and pull by a remote's name, with results to show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from tract.curation.merge.result import MergeResult
from tract.curation.replay.result import RebaseResult
from tract.dataclass import dataclass
from tract.errors import DetachedHeadError, RemoteError, RemoteMovedError
from tract.history.walk import is_ancestor
from tract.refs.names import HEADS, branch_ref
from tract.remote.branches import tracking_ref
from tract.remote.fetch import FetchedRef, fetch
from tract.remote.finding import Asked
from tract.remote.link import nobody
from tract.remote.remotes import as_marked, open_link
from tract.repo import Repository
from tract.report.text import Shown, count_of
from tract.transaction import transaction

Strategy = Literal["ff", "merge", "rebase"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FetchResult(Shown):
    """What a fetch found: the refs that moved, and how many *objects*, *notes*, bytes (*size*) and *requests* it took."""

    remote: str
    url: str
    refs: tuple[FetchedRef, ...]
    objects: int
    notes: int
    size: int
    requests: int

    def __repr__(self) -> str:
        return (
            f"FetchResult({self.remote!r}: {count_of(len(self.refs), 'ref')} moved, {count_of(self.objects, 'object')})"
        )


@dataclass(frozen=True, slots=True)
class PullPlan:
    """The result of a pull's fetch: HEAD's branch is behind the remote's, or both have gone on."""

    fetched: FetchResult
    kind: Literal["up to date", "behind", "diverged", "begun"]
    source: str
    commit: str | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PullResult(Shown):
    """What a pull did: *kind*, where HEAD's branch is now (None if a merge waits for you), and the *merge* or *rebase*."""

    fetched: FetchResult
    kind: Literal["up to date", "fast-forward", "merged", "rebased", "conflicts"]
    commit_hash: str | None
    merge: MergeResult | None = None
    rebase: RebaseResult | None = None

    def __repr__(self) -> str:
        return f"PullResult({self.kind}, {count_of(self.fetched.objects, 'object')})"


def fetch_from(
    repo: Repository,
    name: str,
    refs: Sequence[str] = (),
    *,
    all_tracts: bool = False,
    told: Callable[[int, int], None] = nobody,
) -> FetchResult:
    """Fetch from the remote *name*: the branches *refs*, or all, of this tract or of all tracts."""
    names = [ref.removeprefix(HEADS) for ref in refs]
    for one in names:
        branch_ref(one)
    if all_tracts and names:
        raise RemoteError("a fetch of all tracts takes no branches")
    link = as_marked(open_link(repo, name))
    found = fetch(link, repo, Asked(None if all_tracts else [repo.tract], names or None), told)
    missing = [one for one in names if link.remembered(repo.tract, one) is None]
    if missing:
        raise RemoteError(f"remote '{name}' has no branch '{missing[0]}'")
    return FetchResult(
        remote=name,
        url=link.remote.url,
        refs=tuple(found.refs),
        objects=found.objects,
        notes=found.notes,
        size=link.traffic.received,
        requests=link.traffic.requests,
    )


def plan_pull(repo: Repository, name: str, strategy: Strategy) -> PullPlan:
    """Fetch, and find out what a pull has to do; a branch without commits is set to the remote's commit here already.

    RemoteMovedError if both have gone on and only a fast-forward is asked for.
    """
    branch, tip = repo.head()
    if branch is None:
        raise DetachedHeadError("cannot pull: HEAD is not on a branch")
    short = branch.removeprefix(HEADS)
    fetched = fetch_from(repo, name)
    there = repo.refs.read(tracking_ref(repo, name, short))
    if not isinstance(there, bytes):
        raise RemoteError(f"remote '{name}' has no branch '{short}'")
    source = f"{name}/{short}"
    if tip is None:
        with transaction(repo, f"pull: {source}", expected=None) as tx:
            tx.move_branch(there)
        return PullPlan(fetched, "begun", source, there.hex())
    if is_ancestor(repo, there, tip):
        return PullPlan(fetched, "up to date", source, tip.hex())
    if is_ancestor(repo, tip, there):
        return PullPlan(fetched, "behind", source, there.hex())
    if strategy == "ff":
        raise RemoteMovedError(short, tip.hex(), there.hex(), detail="and both sides have new commits", what="pull")
    return PullPlan(fetched, "diverged", source, there.hex())


def finish_pull(plan: PullPlan, *, merge: MergeResult | None = None, rebase: RebaseResult | None = None) -> PullResult:
    """The result of the pull, with that of its merge or rebase."""
    kind: Literal["up to date", "fast-forward", "merged", "rebased", "conflicts"] = "up to date"
    commit = plan.commit
    if rebase is not None:
        kind, commit = ("rebased" if rebase.is_done else "conflicts"), (rebase.new_head if rebase.is_done else None)
    elif merge is not None:
        kind = "fast-forward" if merge.is_fast_forward else "merged" if merge.is_committed else "conflicts"
        commit = merge.merge_commit_hash or (plan.commit if merge.is_committed else None)
    elif plan.kind == "begun":
        kind = "fast-forward"
    return PullResult(fetched=plan.fetched, kind=kind, commit_hash=commit, merge=merge, rebase=rebase)
