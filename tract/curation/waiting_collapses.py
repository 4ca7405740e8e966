"""Collapses that wait for their review: stored, so that any process can read, approve or reject them.

state/collapse-<id>     a PendingCollapse, field by field
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tract.compile.workspace import Workspace
from tract.curation.collapse import CollapseResult, CollapseRole, Plan, Said, collapse_result, find_link
from tract.curation.compress.store import choose_waiting, read_waiting
from tract.dataclass import dataclass, field
from tract.errors import SessionError
from tract.history.spawn import Link, name_now
from tract.history.state import clear_state, write_state
from tract.history.times import moment
from tract.repo import Repository
from tract.tokens.counter import checked_count

_PREFIX = "collapse-"


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingCollapse:
    """A collapse that waits for approval: nothing has been changed, and nothing is lost if it is never approved.

    *text* describes the work of the tract *child* from its first commit *spawn* to its commit *head*; *last* is the commit of the collapse before this one.
    ``approve_collapse`` commits it, with another text if you give one; ``reject_collapse`` discards it.
    """

    id: str
    child: str
    purpose: str
    spawn: str
    head: str
    last: str | None
    text: str
    call_id: str | None
    role: CollapseRole | None
    force: bool
    summary_tokens: int
    source_tokens: int
    created: int
    generation_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    summarised_by: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def created_at(self) -> datetime:
        """When the summary was made."""
        return moment(self.created)


def keep_collapse(
    space: Workspace, plan: Plan, said: Said, *, force: bool, warnings: tuple[str, ...] = ()
) -> CollapseResult:
    """Store a collapse for its review: any process can read, approve or reject it."""
    link = plan.link
    pending = PendingCollapse(
        id=os.urandom(5).hex(),
        child=link.child,
        purpose=link.purpose,
        spawn=link.spawn.hex(),
        head=plan.work.head.hex(),
        last=link.last,
        force=force,
        summary_tokens=checked_count(space.blobs.counter, said.text),
        source_tokens=plan.tokens,
        created=space.repo.clock(),
        **said._asdict(),
    )
    write_state(space.repo, _PREFIX + pending.id, pending, (link.spawn, plan.work.head))
    return collapse_result(plan, said.text, pending.summary_tokens, proposal=pending.id, warnings=warnings)


def kept_collapses(repo: Repository) -> list[PendingCollapse]:
    """The waiting collapses, the oldest first; a damaged one is left out."""
    return sorted(read_waiting(repo, _PREFIX, PendingCollapse), key=lambda one: (one.created, one.id))


def kept_collapse(repo: Repository, named: PendingCollapse | str | None) -> PendingCollapse:
    """The waiting collapse with this id or a prefix of it; None means the only one. SessionError if there is none, or several."""
    id = named.id if isinstance(named, PendingCollapse) else named
    return choose_waiting(kept_collapses(repo), id, "collapse", SessionError)


def forget_collapse(repo: Repository, pending: PendingCollapse) -> None:
    """Delete a waiting collapse."""
    clear_state(repo, _PREFIX + pending.id)


def link_of_pending(repo: Repository, pending: PendingCollapse) -> Link:
    """The child's link from when the summary was made, whatever its name is now; SessionError if the child was collapsed since."""
    link = _link_of(repo, pending)
    problem = _difference(pending, link)
    if problem is not None:
        raise SessionError(f"collapse '{pending.id}' is stale: {problem}")
    return link


def why_stale(repo: Repository, pending: PendingCollapse) -> str | None:
    """The change since the summary was made that keeps it from landing; None if there is none."""
    return _difference(pending, _link_of(repo, pending))


def _link_of(repo: Repository, pending: PendingCollapse) -> Link:
    name = name_now(repo, bytes.fromhex(pending.spawn))
    return find_link(repo, pending.child if name is None else name, force=pending.force)


def _difference(pending: PendingCollapse, link: Link) -> str | None:
    if link.spawn.hex() != pending.spawn:
        return f"tract '{pending.child}' is a different one now"
    return f"tract '{pending.child}' was collapsed since" if link.last != pending.last else None
