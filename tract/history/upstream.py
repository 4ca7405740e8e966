"""How far a branch and the remote branch of the same name have diverged, as far as this store knows."""

from __future__ import annotations

from tract.history.reachability import reachable
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.refs.names import HEADS, REMOTES
from tract.repo import Repository

_FIRST = "origin"


class Upstream(NamedTuple):
    """The remote branch by *name*, ``origin/main``, and the number of commits that only this branch has (*ahead*) and that only the remote branch has (*behind*).

    Both are None if history was cut before they part.
    """

    name: str
    ahead: int | None
    behind: int | None

    def __str__(self) -> str:
        if self.ahead is None or self.behind is None:
            return f"{self.name} continues history that was cut here"
        if not self.ahead and not self.behind:
            return f"up to date with {self.name}"
        parts = ((self.ahead, "ahead of"), (self.behind, "behind"))
        return " and ".join(f"{count} {what}" for count, what in parts if count) + f" {self.name}"


def upstream_of(repo: Repository, branch: str | None, tip: ObjectId | None) -> Upstream | None:
    """Compare the branch *branch* (``refs/heads/…``) at *tip* with the remote's. None if no remote is known to have it, or if several have it and none is ``origin``."""
    if branch is None or tip is None:
        return None
    short = branch.removeprefix(HEADS)
    found = {
        name.removeprefix(REMOTES).removesuffix(f"/{short}"): value
        for name, value in repo.local_refs(REMOTES)
        if name.endswith(f"/{short}") and name.removeprefix(REMOTES).count("/") == 1 + short.count("/")
    }
    remote = _FIRST if _FIRST in found else next(iter(found)) if len(found) == 1 else None
    there = None if remote is None else found[remote]
    if not isinstance(there, bytes):
        return None
    name = f"{remote}/{short}"
    if there == tip:
        return Upstream(name, 0, 0)
    ours = [id for id, _ in reachable(repo, [tip], [there])]
    theirs = [id for id, _ in reachable(repo, [there], [tip])]
    if any(id in repo.shallow.cuts for id in (*ours, *theirs)):
        return Upstream(name, None, None)
    return Upstream(name, len(ours), len(theirs))
