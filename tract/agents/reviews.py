"""Compressions that wait for their review, as proposals of the same list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from tract.agents.actions import Action
from tract.agents.proposals import Proposal, Status, Subject
from tract.compile.workspace import Workspace
from tract.curation.compress.result import CompressResult, PendingCompression
from tract.curation.compress.store import kept_compression, kept_compressions, reject
from tract.errors import ActionError
from tract.history.state import states
from tract.history.times import moment
from tract.repo import Repository


class _Approving(Protocol):
    def approve_compression(
        self, pending: PendingCompression | str | None = None, *, force: bool = False
    ) -> CompressResult: ...


def reviews(repo: Repository) -> list[Proposal]:
    """The compressions that wait, as proposals."""
    if not any(name.startswith("compress-") for name in states(repo)):
        return []
    return [_proposal_of(repo, one) for one in kept_compressions(repo)]


def review_named(repo: Repository, id: str | None) -> Proposal | None:
    """The waiting compression that *id*, or a beginning of it, names, or None; without *id* none."""
    found = [] if not isinstance(id, str) or not id else [one for one in reviews(repo) if one.id.startswith(id)]
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
        about=tuple(Subject(commit.hex(), blob.hex(), "normal", at) for at, (commit, blob) in enumerate(about)),
        created_at=moment(time),
    )


def approve_review(tract: _Approving, one: Proposal, arguments: Mapping[str, Any] | None, reason: str) -> Proposal:
    """Commit a compression that waited, where *arguments* have a ``content`` with that as its summary."""
    given = dict(arguments or {})
    text = given.pop("content", None)
    if given:
        raise ActionError(f"of a compression that waits only 'content' can be changed, not '{next(iter(given))}'")
    pending: PendingCompression | str = one.id
    if text is not None:
        pending = kept_compression(tract.repository, one.id).edit_summary(text)  # type: ignore[attr-defined]  # every handle has one
    done = tract.approve_compression(pending)
    action = one.action if text is None else Action("compress", {"content": text})
    return _decided(replace(one, executed_action=action, result_commit=done.commit_hash), "executed", reason)


def reject_review(space: Workspace, one: Proposal, reason: str) -> Proposal:
    """Forget a compression that waited."""
    reject(space, one.id)
    return _decided(one, "rejected", reason)


def _decided(one: Proposal, status: Status, reason: str) -> Proposal:
    return replace(one, status=status, decision_reason=reason)
