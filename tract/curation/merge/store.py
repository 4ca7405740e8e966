"""A merge under way: kept in the store until its user has resolved its conflicts, or gives it up.

state/merge                what is merged into what; docs/format.md lists the keys
state/MERGE_CONFLICTS.md   the conflicts, for an editor
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from tract.compile.workspace import Workspace
from tract.curation.merge.conflict_file import conflict_document, merge_page, read_conflict_document
from tract.curation.merge.land import result_of_plan
from tract.curation.merge.result import MergeResolution, MergeResult
from tract.errors import MergeError
from tract.history.merge import MergePlan, default_message, merged_contexts
from tract.history.state import KEEPS, conflicts_name, read_conflicts, read_state, write_state, write_text
from tract.history.three_way import ConflictKind
from tract.objects.id import ObjectId
from tract.repo import Repository

STATE = "merge"


def keep_merge(space: Workspace, result: MergeResult) -> None:
    """Write down a merge that waits for its user. The text first: without a state it means nothing."""
    plan = result.plan
    if result.unresolved:
        write_text(space.repo, conflicts_name(STATE), conflict_document(merge_page(result)))
    write_state(
        space.repo,
        STATE,
        {
            "branch": plan.branch,
            "source": plan.source,
            "source_ref": plan.source_ref,
            "ours": result.target_hash,
            "theirs": result.source_hash,
            "bases": list(result.base_hashes),
            "skipped": [one.commit_hash for one in result.conflicts if one.kind is ConflictKind.EDITED_AND_SKIPPED],
            "overlapping": any(not one.must_be_resolved for one in result.conflicts),
            "resolved": [asdict(one) for one in result.resolutions],
            "conflicts": [one.commit_hash for one in result.unresolved],
            "message": result.message,
            "delete_branch": result.delete_branch,
            KEEPS: [result.target_hash, result.source_hash],
        },
    )


def kept_merge(space: Workspace) -> MergeResult:
    """The merge under way, with what its user made of the conflicts; MergeError when there is none.

    What is merged is what it was when the merge began: the branch it comes from may have gone on, or be gone.
    """
    state = merge_state(space.repo)
    if state is None:
        raise MergeError(f"no merge is under way in tract '{space.repo.tract}'")
    plan = _plan(space.repo, state)
    message, delete_branch = state["message"], state["delete_branch"]
    if not delete_branch:
        message = default_message(space.repo, plan) if message is None else message
        plan = replace(plan, source_ref=None)
    result = result_of_plan(space, plan, overlapping=state["overlapping"])
    result = replace(result, message=message, delete_branch=delete_branch)
    result = result.with_resolution(*(MergeResolution(**one) for one in state["resolved"]))
    if not {one.commit_hash for one in result.resolutions} <= {one.commit_hash for one in result.conflicts}:
        raise MergeError(
            f"the conflicts of the merge of '{plan.source}' are not those that were decided: priorities changed"
        )
    if not result.unresolved:
        return result
    text = read_conflicts(space.repo, STATE)
    return result.with_resolution(*read_conflict_document(merge_page(result), text))


def merge_state(repo: Repository) -> dict[str, Any] | None:
    """What is known of the merge under way, None where there is none."""
    return read_state(repo, STATE)


def landed_merge(repo: Repository, state: dict[str, Any]) -> ObjectId | None:
    """The commit of the merge under way where it was made already, by a process that died before it could say so."""
    branch, tip = repo.head()
    if branch != state["branch"] or tip is None:
        return None
    parents = [parent.hex() for parent in repo.commit(tip).parents]
    return tip if parents == [state["ours"], state["theirs"]] else None


def _plan(repo: Repository, state: dict[str, Any]) -> MergePlan:
    ours, theirs = (bytes.fromhex(state[key]) for key in ("ours", "theirs"))
    bases = tuple(map(bytes.fromhex, state["bases"]))
    skipped = frozenset(map(bytes.fromhex, state["skipped"]))
    shared, merged = merged_contexts(repo, ours, theirs, bases, skipped)
    return MergePlan(state["branch"], ours, theirs, bases, state["source"], state["source_ref"], merged, shared)
