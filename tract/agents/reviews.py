"""Waiting compressions, collapses and merges, as proposals of the same list."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from tract.agents.actions import Action
from tract.agents.proposals import Concerned, Proposal, ProposalTable, Status
from tract.compile.workspace import Workspace
from tract.curation.collapse import CollapseResult
from tract.curation.compress.result import CompressResult, PendingCompression
from tract.curation.compress.store import kept_compression, kept_compressions, reject
from tract.curation.merge.store import STATE as MERGE
from tract.curation.merge.store import merge_state
from tract.curation.under_way import abort_command
from tract.curation.waiting_collapses import PendingCollapse, forget_collapse, kept_collapse, kept_collapses, why_stale
from tract.dataclass import replace
from tract.errors import ActionError, ObjectCorruptError, ProposalError
from tract.history.state import states
from tract.history.times import moment
from tract.refs.names import HEADS
from tract.repo import Repository


class _Approving(Protocol):
    @property
    def repository(self) -> Repository: ...

    def approve_compression(
        self, pending: PendingCompression | str | None = None, *, force: bool = False
    ) -> CompressResult: ...
    def continue_command(self) -> object: ...
    def approve_collapse(
        self, pending: PendingCollapse | str | None = None, *, content: str | None = None
    ) -> CollapseResult: ...


def reviews(repo: Repository) -> list[Proposal]:
    """The waiting compressions and collapses, as proposals."""
    if not any(name == MERGE or name.startswith(("compress-", "collapse-")) for name in states(repo)):
        return []
    collapses = [_proposal_of_collapse(repo, one) for one in kept_collapses(repo)]
    return [*(_proposal_of(repo, one) for one in kept_compressions(repo)), *collapses, *_merge_under_way(repo)]


def _merge_under_way(repo: Repository) -> list[Proposal]:
    """The merge that waits for resolutions, or to be committed; a damaged one is left out, because its own commands report it."""
    with suppress(ObjectCorruptError):
        state = merge_state(repo)
        if state is not None:
            open_ = f"open conflicts: {len(state.conflicts)}"
            return [
                Proposal(
                    id=state.theirs.hex()[:10],
                    origin=MERGE,
                    action=Action("merge", {"source_branch": state.source}),
                    context_summary=open_,
                    branch=state.branch.removeprefix(HEADS),
                    head_hash=state.ours.hex(),
                    created_at=moment(repo.commit(state.theirs).time),
                )
            ]
    return []


def review_named(repo: Repository, id: str | None) -> Proposal | None:
    """The waiting compression, collapse or merge with this *id* or a prefix of it, else None; without *id*, the only thing that waits.

    ProposalError without *id* if others wait beside it.
    """
    if id is None:
        found = reviews(repo)
        others = [one for one in ProposalTable().read(repo).values() if one.status == "pending"] if found else []
        if found and len(found) + len(others) > 1:
            ids = ", ".join(one.id for one in (*found, *others))
            raise ProposalError(f"no proposal was named, and {len(found) + len(others)} wait: {ids}")
    else:
        found = [one for one in reviews(repo) if one.id.startswith(id)] if isinstance(id, str) and id else []
    return found[0] if len(found) == 1 else None


def _proposal_of(repo: Repository, one: PendingCompression) -> Proposal:
    head = bytes.fromhex(one.head)
    time = repo.commit(head).time if repo.objects.contains(head) else repo.clock()
    about = [entry for part in one.parts for entry in part.sources]
    return Proposal(
        id=one.id,
        origin="compress",
        action=Action("compress", {"content": one.text}),
        reasoning="; ".join(warning.detail for warning in one.warnings),
        context_summary=one.gist,
        branch=one.branch,
        head_hash=one.head,
        about=tuple(Concerned(commit.hex(), blob.hex(), "normal", at) for at, (commit, blob) in enumerate(about)),
        created_at=moment(time),
    )


def _proposal_of_collapse(repo: Repository, one: PendingCollapse) -> Proposal:
    branch, tip = repo.head()
    return Proposal(
        id=one.id,
        origin="collapse",
        action=Action("collapse", {"child": one.child, "content": one.text}),
        context_summary=f"{one.source_tokens} tokens of tract '{one.child}' ({one.purpose}) to {one.summary_tokens}",
        branch=None if branch is None else branch.removeprefix(HEADS),
        head_hash=None if tip is None else tip.hex(),
        created_at=one.created_at,
    )


def approve_review(tract: _Approving, one: Proposal, arguments: Mapping[str, Any] | None, reason: str) -> Proposal:
    """Commit a waiting compression or collapse; a ``content`` among *arguments* becomes its summary."""
    if one.origin == MERGE:
        if arguments:
            raise ActionError("a merge that waits takes no other arguments: its conflicts are resolved in their file")
        merged = tract.continue_command()
        made = getattr(merged, "merge_commit_hash", None) or getattr(merged, "commit_hash", None)
        return _decided(replace(one, executed_action=one.action, result_commit=made), "executed", reason)
    given = dict(arguments or {})
    text = given.pop("content", None)
    if given:
        raise ActionError(
            f"of a {'collapse' if one.origin == 'collapse' else 'compression'} that waits only 'content' can be changed, not '{next(iter(given))}'"
        )
    if one.origin == "collapse":
        kept = kept_collapse(tract.repository, one.id)
        problem = why_stale(tract.repository, kept)
        if problem is not None:  # like any other stale proposal: this is reported, and it waits no longer
            forget_collapse(tract.repository, kept)
            return _decided(one, "stale", problem)
        landed = tract.approve_collapse(one.id, content=text)
        shown = {**one.action.arguments, "content": landed.summary_text}
        done_as = one.action if text is None else Action("collapse", shown)
        return _decided(replace(one, executed_action=done_as, result_commit=landed.commit_hash), "executed", reason)
    pending: PendingCompression | str = one.id
    if text is not None:
        pending = kept_compression(tract.repository, one.id).edit_summary(text)
    done = tract.approve_compression(pending)
    action = one.action if text is None else Action("compress", {"content": text})
    return _decided(replace(one, executed_action=action, result_commit=done.commit_hash), "executed", reason)


def reject_review(space: Workspace, one: Proposal, reason: str) -> Proposal:
    """Delete a waiting compression or collapse."""
    if one.origin == MERGE:
        abort_command(space, MERGE)
    elif one.origin == "collapse":
        forget_collapse(space.repo, kept_collapse(space.repo, one.id))
    else:
        reject(space, one.id)
    return _decided(one, "rejected", reason)


def _decided(one: Proposal, status: Status, reason: str) -> Proposal:
    return replace(one, status=status, decision_reason=reason)
