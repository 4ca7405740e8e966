"""Merging with conflicts: a result that can be looked at, edited and resolved before anything moves.

    prepare_merge ──▸ MergeResult ── resolve_conflicts, edit_resolution, take ──▸ MergeResult ── land_merge ──▸ committed

Only ``land_merge`` writes. Between the steps nothing is locked, so that a resolver may take its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal, NoReturn

from tract.compile.workspace import Workspace
from tract.curation.merge.conflicts import MergeConflict, describe_conflicts, overlap
from tract.curation.merge.result import MergeResolution, MergeResult, Taken, count_of
from tract.errors import ContentValidationError, MergeConflictError, MergeError
from tract.history.context import context_at
from tract.history.merge import MergePlan, fast_forward, plan_merge, write_merge
from tract.history.three_way import Choice, EntryConflict, settle
from tract.history.tree_diff import Change, diff_contexts
from tract.objects.codec import unpack
from tract.objects.content import plain_json
from tract.objects.id import ObjectId
from tract.objects.model import Entry, NewObject, new_blob
from tract.refs.names import HEADS
from tract.refs.store import ANY, Expected
from tract.tokens.counts import message_in
from tract.transaction import check_idle
from tract.writing.budget import check_budget_of_merge
from tract.writing.drafts import checked_config

Strategy = Literal["auto", "ours", "theirs", "semantic"]
STRATEGIES: tuple[Strategy, ...] = ("auto", "ours", "theirs", "semantic")


def check_strategy(strategy: str) -> None:
    """MergeError for a strategy there is not."""
    if strategy not in STRATEGIES:
        raise MergeError(f"unknown merge strategy {strategy!r}; known are {', '.join(STRATEGIES)}")


def prepare_merge(
    space: Workspace,
    source: str,
    *,
    strategy: str = "auto",
    no_ff: bool = False,
    allow_unrelated: bool = False,
    delete_branch: bool = False,
    message: str | None = None,
    expected: Expected = ANY,
) -> MergeResult:
    """What merging *source* into HEAD's branch would do; nothing moves.

    With strategy ``ours`` or ``theirs`` every conflict is resolved that way; with ``semantic`` what both sides appended is among the conflicts, for a resolver to look at.
    """
    check_strategy(strategy)
    check_idle(space.repo)
    if message is not None:
        if not isinstance(message, str):
            raise ContentValidationError(f"message must be text, not {type(message).__name__}")
        plain_json("message", message)
    plan = plan_merge(space.repo, source, no_ff=no_ff, allow_unrelated=allow_unrelated, expected=expected)
    if delete_branch and plan.source_ref is None:
        raise MergeError(f"cannot delete '{source}': it is no branch")
    result = result_of_plan(space, plan, overlapping=strategy == "semantic")
    if strategy in ("ours", "theirs"):
        taken: Taken = "ours" if strategy == "ours" else "theirs"
        made = (MergeResolution(one.commit_hash, taken, resolved_by="strategy") for one in result.conflicts)
        result = result.with_resolution(*made)
    return replace(result, message=message, delete_branch=delete_branch)


def result_of_plan(space: Workspace, plan: MergePlan, *, overlapping: bool = False) -> MergeResult:
    """The merge that a plan is, for people to look at."""
    places: tuple[EntryConflict, ...] = ()
    conflicts: tuple[MergeConflict, ...] = ()
    if plan.merged is not None:
        both = overlap(space, plan.merged) if overlapping else None
        places = plan.merged.conflicts if both is None else (*plan.merged.conflicts, both)
        conflicts = describe_conflicts(space, plan.merged, places, (plan.branch_name, plan.source), plan.shared)
    return MergeResult(
        plan.source,
        plan.branch_name,
        plan.theirs.hex(),
        None if plan.ours is None else plan.ours.hex(),
        tuple(base.hex() for base in plan.bases),
        plan.merged is None,
        conflicts,
        (),
        False,
        None,
        None,
        False,
        plan,
        places,
        space.types,
    )


def lands_at_once(result: MergeResult, *, auto_commit: bool) -> bool:
    """Whether the merge needs nobody's review: it has no conflict, or none that a resolver decided unless *auto_commit* says so."""
    return not result.unresolved and (auto_commit or all(one.resolved_by == "strategy" for one in result.resolutions))


def land_merge(space: Workspace, result: MergeResult) -> MergeResult:
    """Commit the merge as it was reviewed, and give back the result that says so.

    MergeConflictError when a conflict is not resolved; RefMovedError when the branch, HEAD or the source moved since.
    """
    if not isinstance(result, MergeResult):
        raise MergeError(f"a merge to commit is a MergeResult, not {type(result).__name__}")
    if result.is_committed:
        raise MergeError(f"the merge of '{result.source}' is committed already")
    if result.unresolved:
        _refuse_unresolved(result)
    plan = result.plan
    if plan.merged is None:
        check_budget_of_moving(space, plan.ours, plan.theirs)
        fast_forward(space.repo, plan, delete_source=result.delete_branch)
        return replace(result, is_committed=True)
    blobs: list[NewObject] = []
    choices = {ObjectId.fromhex(one.commit_hash): _choice(one, blobs) for one in result.resolutions}
    entries = settle(plan.merged, result.places, choices)
    check_budget_of_changes(space, [Change(0, tuple(plan.merged.ours), 0, entries)], blobs)
    id = write_merge(
        space.repo,
        plan,
        entries,
        blobs,
        message=result.message,
        metadata=_metadata(result),
        config=_config(result),
        delete_source=result.delete_branch,
    )
    return replace(result, is_committed=True, merge_commit_hash=id.hex(), message=space.repo.commit(id).message)


def check_budget_of_moving(space: Workspace, old: ObjectId | None, new: ObjectId) -> None:
    """Do what the budget says of a branch that moves on from *old* to *new*."""
    if space.repo.config.budget is not None:
        changes = diff_contexts(space.repo, context_at(space.repo, old), context_at(space.repo, new))
        check_budget_of_changes(space, changes, ())


def check_budget_of_changes(space: Workspace, changes: Iterable[Change], blobs: Sequence[NewObject]) -> None:
    """Do what the budget says of *changes* that would bring the context over it; *blobs* are contents still to be written."""
    repo = space.repo
    if repo.config.budget is None:
        return
    made = {blob.id: unpack(blob.payload) for blob in blobs}
    gone: set[Entry] = set()
    new: set[Entry] = set()
    for change in changes:
        gone.update(change.old)
        new.update(change.new)
    messages = (
        (commit, message_in(made[blob]) if blob in made else space.blobs.message(repo, blob))
        for commit, blob in new - gone
    )
    check_budget_of_merge(space, gone - new, messages)


def _refuse_unresolved(result: MergeResult) -> NoReturn:
    left = ", ".join(f"{one.commit_hash[:16]} ({one.kind})" for one in result.unresolved[:5])
    more = len(result.unresolved) - 5
    raise MergeConflictError(
        f"merge of '{result.source}' has {count_of(len(result.unresolved), 'conflict')} nobody resolved: {left}"
        + (f" and {more} more" if more > 0 else "")
    )


def _choice(resolution: MergeResolution, blobs: list[NewObject]) -> Choice:
    """What a resolution means for the entries; a content's blob is added to *blobs*."""
    if resolution.value is not None:
        blobs.append(new_blob(resolution.value))
        return blobs[-1].id
    match resolution.taken:
        case "ours" | "theirs" | "both":
            return resolution.taken
        case _:
            return None


def _metadata(result: MergeResult) -> dict[str, Any] | None:
    """What the commit says of its conflicts, and of the model that decided any of them."""
    if not result.resolutions:
        return None
    kinds = {one.commit_hash: one.kind.value for one in result.conflicts}
    resolved = [
        {"message": one.commit_hash, "kind": kinds[one.commit_hash], "taken": one.taken, "by": one.resolved_by}
        | ({"reasoning": one.reasoning} if one.reasoning else {})
        for one in result.resolutions
    ]
    metadata: dict[str, Any] = {"conflicts": resolved}
    decided = [one for one in result.resolutions if one.resolved_by == "resolver"]
    if decided:
        metadata["resolved_by"] = resolver_metadata(decided)
    return metadata


def resolver_metadata(decided: Sequence[MergeResolution]) -> dict[str, Any]:
    """Model, prompt and usage of what a resolver *decided*; usage is summed over all its decisions."""
    first = decided[0]
    name, _, version = (first.prompt or "").partition("@")
    usage: dict[str, Any] = {}
    for one in decided:
        for key, value in one.usage.items():
            if type(value) is int:
                usage[key] = usage.get(key, 0) + value
    found = {"model": first.generation_config.get("model"), "prompt": name, "prompt_version": version, "usage": usage}
    return {key: value for key, value in found.items() if value}


def _config(result: MergeResult) -> dict[str, Any] | None:
    """The generation config of the model that resolved the conflicts."""
    found = next((one.generation_config for one in result.resolutions if one.generation_config), None)
    try:
        return checked_config(found)
    except ContentValidationError as exc:
        raise MergeError(f"what the resolver says of itself cannot be kept: {exc}") from exc


def source_branch(result: MergeResult) -> str | None:
    """The branch that is merged; None where it is a tag or a commit."""
    return None if result.plan.source_ref is None else result.plan.source_ref.removeprefix(HEADS)
