"""The operations on branches, history and other tracts: switch, merge, undo, delete and the like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tract.agents.actions import ActionResult
from tract.agents.operation import Argument, Operation
from tract.agents.target import TractLike
from tract.errors import ActionError, MergeConflictError
from tract.report.text import count_of, short

if TYPE_CHECKING:
    from tract.curation.listing import MessageInfo
    from tract.curation.replay.result import ReplayResult


def _tag(tract: TractLike, name: str, target: str = "HEAD") -> ActionResult:
    id = tract.tag(name, target)
    return ActionResult(text=f"tag '{name}' is at {short(id)}", commit_hash=id)


def _branch(tract: TractLike, name: str, source: str | None = None, switch: bool = False) -> ActionResult:
    made = tract.branch(name, source=source, switch=switch)
    where = f"branch '{name}' is at {short(made.commit_hash)}" + (", and HEAD is on it" if switch else "")
    return ActionResult(text=where, data={"branch": name}, commit_hash=made.commit_hash)


def _switch(tract: TractLike, name: str, create: bool = False) -> ActionResult:
    there = tract.switch(name, create=create)
    id = None if there is None else there.commit_hash
    return ActionResult(text=f"HEAD is on branch '{name}', at {short(id)}", data={"branch": name}, commit_hash=id)


def _left_by_switch(tract: TractLike, arguments: Mapping[str, Any]) -> Sequence[MessageInfo]:
    """The instructions and pins of the context that the other branch lacks."""
    return () if arguments.get("create") else _left_behind(tract, arguments["name"])


def _left_by_branch(tract: TractLike, arguments: Mapping[str, Any]) -> Sequence[MessageInfo]:
    """The same for a new branch, if HEAD moves to it."""
    goes = arguments.get("switch") and "source" in arguments
    return _left_behind(tract, arguments["source"]) if goes else ()


def _left_behind(tract: TractLike, revision: str) -> list[MessageInfo]:
    """The instructions and pins of the context that the one at *revision* lacks; on the way back to the default branch, pinned messages do not count."""
    there = {one.commit_hash for one in tract.messages(revision)}
    left = [one for one in tract.messages() if one.is_protected and one.commit_hash not in there]
    return [one for one in left if one.kind == "instruction" or revision != tract.config.default_branch]


def _merge(
    tract: TractLike,
    source_branch: str,
    strategy: Literal["auto", "ours", "theirs", "semantic"] = "auto",
) -> ActionResult:
    done = tract.merge(source_branch, strategy=strategy, auto_commit=True)
    if not done.is_committed:
        open_ = done.unresolved or done.conflicts
        places = ", ".join(f"{one.number} ({one.kind})" for one in open_)
        raise MergeConflictError(f"messages {places} are in conflict; strategy 'ours' or 'theirs' takes one side")
    return ActionResult(
        text=f"{done.kind} of '{source_branch}' into '{done.target_branch}'",
        data={"kind": done.kind, "resolved": len(done.resolutions)},
        commit_hash=done.merge_commit_hash or done.source_hash,
    )


def _replayed(done: ReplayResult, what: str) -> ActionResult:
    warned = "".join(f"\nwarning: {one.detail}" for one in done.warnings)
    return ActionResult(
        text=f"{what} {count_of(len(done.replayed), 'commit')} on branch '{done.branch}'{warned}",
        data={"commits": list(done.commit_hashes)},
        commit_hash=done.commit_hash,
    )


def _cherry_pick(tract: TractLike, revision: str) -> ActionResult:
    return _replayed(tract.cherry_pick(revision), "picked")


def _revert(tract: TractLike, revision: str, mainline: int | None = None) -> ActionResult:
    return _replayed(tract.revert(revision, mainline=mainline), "reverted")


def _reset(tract: TractLike, target: str, mode: Literal["soft", "hard"] = "soft") -> ActionResult:
    there = tract.reset(target, mode)
    id = None if there is None else there.commit_hash
    return ActionResult(text=f"the branch is at {short(id)}", commit_hash=id)


def _undo(tract: TractLike, steps: int = 1) -> ActionResult:
    done = tract.undo(steps)
    return ActionResult(text=f"undone: {'; '.join(done.reasons)}", data=list(done.reasons), commit_hash=tract.head)


def _archive(tract: TractLike, name: str) -> ActionResult:
    done = tract.archive_branch(name)
    beside = "" if done.is_merged else "; it has work that HEAD does not have"
    tags = f"; tags on it: {', '.join(done.tags)}" if done.tags else ""
    return ActionResult(text=f"branch '{name}' is archived{beside}{tags}", data={"branch": name})


def _divert(tract: TractLike, name: str, start: str) -> ActionResult:
    made = tract.divert(name, start)
    return ActionResult(
        text=f"branch '{name}' has what was said since, and HEAD is on it",
        data={"branch": name},
        commit_hash=made.commit_hash,
    )


def _gc(
    tract: TractLike,
    dry_run: bool = False,
    orphan_retention_days: str | None = None,
    archive_retention_days: str | None = None,
) -> ActionResult:
    done = tract.gc(
        dry_run=dry_run,
        orphan_retention_days=orphan_retention_days,
        archive_retention_days=archive_retention_days,
    )
    would = "would drop" if dry_run else "dropped"
    return ActionResult(
        text=f"{would} {count_of(done.dropped, 'object')} of {done.dropped_size} bytes, {count_of(len(done.archives), 'archive')} among them",
        data={"dropped": done.dropped, "bytes": done.dropped_size, "archives": len(done.archives)},
    )


def _spawn(
    tract: TractLike,
    purpose: str,
    message: str | None = None,
    inheritance: Literal["head_snapshot", "full_clone"] = "head_snapshot",
    max_tokens: int | None = None,
) -> ActionResult:
    child = tract.spawn(purpose, message=message, inheritance=inheritance, max_tokens=max_tokens)
    try:
        name = child.tract_id
        tokens = child.status().token_count
    finally:
        child.close()
    return ActionResult(text=f"tract '{name}' begins with {tokens} tokens", data={"tract": name, "tokens": tokens})


def _collapse(
    tract: TractLike, child: str, content: str | None = None, target_tokens: int | None = None
) -> ActionResult:
    names = [one.child_tract_id for one in tract.children()]
    if child not in names:
        raise ActionError(f"there is no child '{child}'; there are {', '.join(names) or 'none'}")
    # The need for an approval was checked before this call.
    done = tract.collapse(child, content=content, target_tokens=target_tokens, auto_commit=True)
    return ActionResult(
        text=f"summed up tract '{child}': {done.source_tokens} tokens to {done.summary_tokens}",
        data={"child": child, "tokens_before": done.source_tokens, "tokens_after": done.summary_tokens},
        commit_hash=done.parent_commit_hash,
    )


MOVING: Sequence[Operation] = (
    Operation(
        name="tag",
        summary="Give a commit a name that stays.",
        risk="low",
        function=_tag,
        profile="self",
        arguments=(
            Argument(name="name", type="text", help="the tag", required=True),
            Argument(name="target", type="revision", help="default HEAD"),
        ),
    ),
    Operation(
        name="branch",
        summary="Make a branch of the conversation.",
        risk="high",
        function=_branch,
        touched=_left_by_branch,
        moves=True,
        profile="self",
        arguments=(
            Argument(name="name", type="text", help="its name", required=True),
            Argument(name="source", type="revision", help="where to begin; default HEAD"),
            Argument(name="switch", type="boolean", help="go there"),
        ),
    ),
    Operation(
        name="switch",
        summary="Go to another branch; the context is then its.",
        risk="high",
        function=_switch,
        moves=True,
        touched=_left_by_switch,
        profile="self",
        arguments=(
            Argument(name="name", type="text", help="the branch", required=True),
            Argument(name="create", type="boolean", help="make it at HEAD"),
        ),
    ),
    Operation(
        name="merge",
        summary="Bring what another branch has into this one.",
        risk="high",
        function=_merge,
        profile="self",
        arguments=(
            Argument(name="source_branch", type="revision", help="the other branch", required=True),
            Argument(
                name="strategy",
                type="choice",
                help="where both sides changed a message; default auto: report, merge nothing",
                choices=("auto", "ours", "theirs", "semantic"),
            ),
        ),
    ),
    Operation(
        name="cherry_pick",
        summary="Make a commit of another branch again on this one.",
        risk="high",
        function=_cherry_pick,
        profile="supervisor",
        arguments=(Argument(name="revision", type="revision", help="the commit, or a range a..b", required=True),),
    ),
    Operation(
        name="revert",
        summary="Take back what a commit did: a message leaves the context, an edit gives back what it replaced.",
        risk="high",
        function=_revert,
        profile="supervisor",
        arguments=(
            Argument(name="revision", type="revision", help="the commit, or a message number", required=True),
            Argument(name="mainline", type="integer", help="for a merge, the parent to go back to", least=1, most=100),
        ),
    ),
    Operation(
        name="spawn",
        summary="Make a tract of its own for a piece of work, beginning with this context.",
        risk="high",
        function=_spawn,
        profile="supervisor",
        arguments=(
            Argument(name="purpose", type="text", help="what it is for", required=True),
            Argument(name="message", type="text", help="the first message to it"),
            Argument(
                name="inheritance",
                type="choice",
                help="full_clone: with this history too",
                choices=("head_snapshot", "full_clone"),
            ),
            Argument(name="max_tokens", type="integer", help="begin with the newest messages that fit", least=1),
        ),
    ),
    Operation(
        name="collapse",
        summary="Make one message of what a spawned tract did.",
        risk="high",
        function=_collapse,
        profile="supervisor",
        arguments=(
            Argument(name="child", type="text", help="the spawned tract", required=True),
            Argument(name="content", type="text", help="the summary; default: a model writes it"),
            Argument(name="target_tokens", type="integer", help="of the summary", least=1),
        ),
    ),
    Operation(
        name="reset",
        summary="Put the branch back on an earlier commit; what followed leaves the context.",
        risk="high",
        function=_reset,
        moves=True,
        profile="supervisor",
        arguments=(
            Argument(name="target", type="revision", help="the commit", required=True),
            Argument(
                name="mode",
                type="choice",
                help="hard lets gc take what followed",
                choices=("soft", "hard"),
                profile="full",
            ),
        ),
    ),
    Operation(
        name="undo",
        summary="Take back the last operations.",
        risk="high",
        function=_undo,
        moves=True,
        profile="full",
        arguments=(Argument(name="steps", type="integer", help="default 1", least=1, most=100),),
    ),
    Operation(
        name="archive",
        summary="Put a branch aside that nobody works on; nothing of it is lost.",
        risk="high",
        function=_archive,
        profile="full",
        arguments=(Argument(name="name", type="text", help="the branch", required=True),),
    ),
    Operation(
        name="divert",
        summary="Move the messages from one on to a new branch, and go there; the old branch is as it was before them.",
        risk="high",
        function=_divert,
        profile="full",
        arguments=(
            Argument(name="name", type="text", help="the new branch", required=True),
            Argument(name="start", type="message", help="the first message that goes there", required=True),
        ),
    ),
    Operation(
        name="gc",
        summary="Drop what nothing leads to any more, of the whole store, and pack it.",
        risk="high",
        function=_gc,
        profile="full",
        arguments=(
            Argument(name="dry_run", type="boolean", help="only say what would go"),
            Argument(name="orphan_retention_days", type="text", help="how long orphans stay: days, or 12h"),
            Argument(
                name="archive_retention_days", type="text", help="how long originals of summaries stay: days, or 12h"
            ),
        ),
    ),
)
