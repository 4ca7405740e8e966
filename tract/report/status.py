"""The status: where a tract is, in figures."""

from __future__ import annotations

from dataclasses import dataclass

from tract.compile.figures import context_totals
from tract.compile.workspace import Workspace
from tract.report.info import CommitInfo
from tract.report.log import log

_RECENT = 5


@dataclass(frozen=True, slots=True)
class StatusInfo:
    """Where a tract is.

    *commit_count* is the number of commits behind HEAD, *message_count* of messages in the context, skipped ones not counted; *token_count* is the compiled context's, known as *token_source* says.
    """

    tract_id: str
    head_hash: str | None
    branch_name: str | None
    is_detached: bool
    commit_count: int
    message_count: int
    skipped_count: int
    token_count: int
    token_budget_max: int | None
    token_source: str
    recent_commits: tuple[CommitInfo, ...]


def status(space: Workspace) -> StatusInfo:
    """Where the tract is."""
    repo = space.repo
    branch, tip = repo.head()
    totals = context_totals(space, tip)
    budget = repo.config.budget
    return StatusInfo(
        repo.tract,
        None if tip is None else tip.hex(),
        None if branch is None else branch.removeprefix("refs/heads/"),
        branch is None,
        0 if tip is None else repo.commit(tip).generation,
        totals.messages,
        totals.skipped,
        totals.tokens.total,
        None if budget is None else budget.max_tokens,
        totals.tokens.source,
        tuple(log(space, limit=_RECENT)),
    )
