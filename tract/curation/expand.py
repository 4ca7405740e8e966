"""Expanding summaries: the function behind ``Tract.expand``."""

from __future__ import annotations

from tract.compile.workspace import Workspace
from tract.dataclass import dataclass
from tract.errors import CompressionError, EditTargetError
from tract.history.commit import edit_target
from tract.history.compression import summaries_of
from tract.history.context import context_at, entries, find_entry
from tract.history.expansion import Expansion, plan_expansion, write_expansion
from tract.history.tree_diff import TreeChange
from tract.messages import tool_ids
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.refs.names import HEADS
from tract.refs.store import ANY, Expected
from tract.revision import resolve_revision
from tract.writing.budget import check_budget_of_changes


@dataclass(frozen=True, slots=True, repr=False)
class ExpandResult:
    """A summary that was expanded: *commit_hash*, on *branch*, has the messages *message_hashes* again instead of the summary.

    If the summary was the result of a tool call, as that of a child's work may be, *warnings* names the call: it waits for a result again.
    """

    commit_hash: str
    branch: str
    summary_hash: str
    message_hashes: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"ExpandResult({len(self.message_hashes)} messages back on {self.branch!r}, at {self.commit_hash[:16]})"


def expand(space: Workspace, revision: str, *, branch: str | None = None, expected: Expected = ANY) -> ExpandResult:
    """Put back the messages that the summary *revision* replaced, on HEAD's branch or on a new *branch*; see ``plan_expansion`` for errors.

    BudgetExceededError if HEAD's context would be over a budget that refuses; a new branch may have any length, because it is there to be read.
    """
    repo = space.repo
    summary = summary_named(space, revision)
    expansion = plan_expansion(repo, summary)
    if branch is None and repo.config.budget is not None:
        before = entries(repo, context_at(repo, expansion.head))
        check_budget_of_changes(space, [TreeChange(0, tuple(before), 0, expansion.context)])
    warnings = _calls_that_wait(space, expansion)
    id = write_expansion(repo, expansion, branch=branch, expected=expected)
    on = branch if branch is not None else (repo.head()[0] or "").removeprefix(HEADS)
    return ExpandResult(id.hex(), on, summary.hex(), tuple(commit.hex() for commit, _ in expansion.sources), warnings)


def _calls_that_wait(space: Workspace, expansion: Expansion) -> tuple[str, ...]:
    """The warnings about calls whose results leave with the summary."""
    blob = find_entry(space.repo, context_at(space.repo, expansion.head), expansion.summary)
    gone = [] if blob is None else tool_ids(space.blobs.message(blob))[1]
    if not gone:
        return ()
    back = {id for _, source in expansion.sources for id in tool_ids(space.blobs.message(source))[1]}
    return tuple(f"tool call '{id}' waits for its result again" for id in gone if id not in back)


def summary_named(space: Workspace, revision: str) -> ObjectId:
    """The summary that *revision* names: by its own commit, by an edit of it, or by a compression with this one summary."""
    repo = space.repo
    id = resolve_revision(repo, revision)
    commit = repo.commit(id)
    if commit.operation is CommitOperation.COMPRESS:
        summaries_of(repo, id)  # raises the error if they are not kept any more
        if len(commit.parents) < 2:
            raise CompressionError(f"the messages that commit {id.hex()[:16]} compressed are not kept any more")
        if len(commit.parents) > 2:
            names = ", ".join(parent.hex()[:16] for parent in commit.parents[1:])
            raise CompressionError(f"compression '{revision}' has several summaries: {names}")
        return commit.parents[1]
    try:
        return edit_target(repo, id)
    except EditTargetError as exc:
        raise CompressionError(f"'{revision}' is not a summary: {exc}") from exc
