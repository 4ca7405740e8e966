"""Landing a merge: it is committed as it was reviewed. Only this step moves the branch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, Unpack

from tract.arguments import check_keywords
from tract.compile.workspace import Moving, Workspace
from tract.curation.merge.plan import MergeOptions, plan_merge_of
from tract.curation.merge.resolve import choose_resolver, resolve_conflicts
from tract.curation.merge.result import MergeResolution, MergeResult, count_of
from tract.curation.merge.store import keep_merge
from tract.curation.merge.tool_calls import interrupted
from tract.dataclass import replace
from tract.errors import ContentValidationError, MergeConflictError, MergeError
from tract.history.merge import fast_forward, write_merge
from tract.history.three_way import Choice, Merged, settle
from tract.history.tree_diff import TreeChange
from tract.messages.message import CompileWarning
from tract.objects.id import ObjectId
from tract.objects.model import Entry, NewObject, new_blob
from tract.writing.budget import check_budget_of_changes, check_budget_of_moving
from tract.writing.credentials import checked_config


def merge(
    moving: Moving, source: str, client: Any, prompts: str | Path | None, **options: Unpack[MergeOptions]
) -> MergeResult:
    """Merge *source* into HEAD's branch, or return or keep a merge that needs a review first.

    It lands at once if it has no open conflict, and no resolver decided any unless *auto_commit* allows that.
    *client* is the configured model.
    """
    check_keywords("merge", options, MergeOptions)
    resolver = choose_resolver(options.get("resolver"), client, options.get("strategy", "auto"), prompts)
    with moving("merge") as (space, expected):
        result = plan_merge_of(space, source, options, expected=expected)
    if options.get("dry_run"):
        return result
    result = resolve_conflicts(result, resolver)  # with nothing locked: a model takes its time
    needs_review = any(one.resolved_by not in ("strategy", "rule") for one in result.resolutions) and not options.get(
        "auto_commit"
    )
    waits = result.unresolved or needs_review or options.get("no_commit")
    with moving("merge") as (space, _):
        if not waits or (result.is_fast_forward and options.get("keep")):
            return land_merge(space, result)
        return keep_merge(space, result) if options.get("keep") else result


def land_merge(space: Workspace, result: MergeResult) -> MergeResult:
    """Commit the merge as it was reviewed, and return its result.

    MergeConflictError if a conflict is not resolved; RefMovedError if the branch, HEAD or the source moved since.
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
    check_budget_of_changes(space, [TreeChange(0, tuple(plan.merged.ours), 0, entries)], blobs)
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
    return replace(
        result,
        is_committed=True,
        merge_commit_hash=id.hex(),
        message=space.repo.commit(id).message,
        warnings=_warnings(space, plan.merged, entries, result),
    )


def _warnings(
    space: Workspace, merged: Merged, entries: Sequence[Entry], result: MergeResult
) -> tuple[CompileWarning, ...]:
    """The warnings about tool calls that were open before the merge."""
    branches = f"'{result.target_branch}' and '{result.source}'"
    return tuple(
        CompileWarning(
            "unpaired_tool_call",
            f"the tool call {name!r} was open on one of {branches}, and the new messages of the other come after it: it is sent as interrupted until its result is committed",
            commit=commit.hex(),
            rule=1,
        )
        for commit, name in interrupted(space, merged, entries)
    )


def _refuse_unresolved(result: MergeResult) -> NoReturn:
    left = ", ".join(f"{one.commit_hash[:16]} ({one.kind})" for one in result.unresolved[:5])
    more = len(result.unresolved) - 5
    raise MergeConflictError(
        f"merge of '{result.source}' has {count_of(len(result.unresolved), 'unresolved conflict')}: {left}"
        + (f" and {more} more" if more > 0 else "")
    )


def _choice(resolution: MergeResolution, blobs: list[NewObject]) -> Choice:
    """The choice for an entry that a resolution makes; a new content's blob is added to *blobs*."""
    if resolution.value is not None:
        blobs.append(new_blob(resolution.value))
        return blobs[-1].id
    match resolution.taken:
        case "ours" | "theirs" | "both":
            return resolution.taken
        case _:
            return None


def _metadata(result: MergeResult) -> dict[str, Any] | None:
    """The commit's metadata about its conflicts, and about the model that decided any of them."""
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
    """The model, prompt and usage of the decisions of a resolver; usage is summed over all of them."""
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
        raise MergeError(f"the generation config of the resolution cannot be kept: {exc}") from exc
