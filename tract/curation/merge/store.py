"""A merge under way: stored until its user resolves its conflicts, or aborts it.

state/merge                a MergeState, field by field
state/MERGE_CONFLICTS.md   the conflicts, for an editor
"""

from __future__ import annotations

from tract.compile.workspace import Workspace
from tract.curation.merge.conflict_file import ConflictFile
from tract.curation.merge.plan import result_of_plan
from tract.curation.merge.result import MergeResolution, MergeResult, Resolver
from tract.dataclass import dataclass, replace
from tract.errors import MergeError
from tract.history.merge import MergePlan, default_message, merged_contexts
from tract.history.state import conflicts_name, conflicts_path, read_conflicts, read_state_as, write_state, write_text
from tract.history.three_way import ConflictKind
from tract.objects.id import ObjectId
from tract.repo import Repository

STATE = "merge"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeState:
    """A merge as stored in ``state/merge``.

    *skipped* are the messages in conflict because they are skipped; *conflicts* are those not resolved yet.
    *overlapping*: the messages that both sides appended are a conflict as well.
    """

    branch: str
    source: str
    source_ref: str | None
    ours: ObjectId
    theirs: ObjectId
    bases: tuple[ObjectId, ...]
    skipped: frozenset[ObjectId]
    overlapping: bool
    resolved: tuple[MergeResolution, ...]
    conflicts: tuple[str, ...]
    message: str | None
    delete_branch: bool


def keep_merge(space: Workspace, result: MergeResult) -> MergeResult:
    """Store a merge that waits for its user. The text is written first: without a state it means nothing."""
    plan, repo = result.plan, space.repo
    assert plan.ours is not None
    if result.unresolved:
        write_text(repo, conflicts_name(STATE), ConflictFile.of_merge(result).text())
    skipped = (one for one in result.conflicts if one.kind is ConflictKind.EDITED_AND_SKIPPED)
    state = MergeState(
        branch=plan.branch,
        source=plan.source,
        source_ref=plan.source_ref,
        ours=plan.ours,
        theirs=plan.theirs,
        bases=plan.bases,
        skipped=frozenset(ObjectId.fromhex(one.commit_hash) for one in skipped),
        overlapping=any(not one.must_be_resolved for one in result.conflicts),
        resolved=result.resolutions,
        conflicts=tuple(one.commit_hash for one in result.unresolved),
        message=result.message,
        delete_branch=result.delete_branch,
    )
    write_state(repo, STATE, state, (plan.ours, plan.theirs))
    return replace(result, file=conflicts_path(repo, STATE) if result.unresolved else None)


def kept_merge(space: Workspace, state: MergeState, resolver: Resolver | None = None) -> MergeResult:
    """The merge under way, with the user's resolutions, and *resolver*'s for the conflicts left.

    It merges the commit from when the merge began: the branch of that commit may have moved on, or be gone.
    """
    shared, merged = merged_contexts(space.repo, state.ours, state.theirs, state.bases, state.skipped)
    plan = MergePlan(
        branch=state.branch,
        ours=state.ours,
        theirs=state.theirs,
        bases=state.bases,
        source=state.source,
        source_ref=state.source_ref,
        merged=merged,
        shared=shared,
    )
    message = state.message
    if not state.delete_branch:
        message = default_message(space.repo, plan) if message is None else message
        plan = replace(plan, source_ref=None)
    result = result_of_plan(space, plan, overlapping=state.overlapping)
    result = replace(result, message=message, delete_branch=state.delete_branch).with_resolution(*state.resolved)
    if not {one.commit_hash for one in result.resolutions} <= {one.commit_hash for one in result.conflicts}:
        raise MergeError(
            f"the conflicts of the merge of '{plan.source}' are not those that you resolved: priorities changed"
        )
    if not result.unresolved:
        return result
    text = read_conflicts(space.repo, STATE)
    return result.with_resolution(*ConflictFile.of_merge(result).read(text, resolver))


def merge_state(repo: Repository) -> MergeState | None:
    """The merge under way, or None."""
    return read_state_as(repo, STATE, MergeState)


def landed_merge(repo: Repository, state: MergeState) -> ObjectId | None:
    """The commit of the merge under way, if a process made it and died before it could remove the state; else None."""
    branch, tip = repo.head()
    if branch != state.branch or tip is None:
        return None
    return tip if repo.commit(tip).parents == (state.ours, state.theirs) else None
