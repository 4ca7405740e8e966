"""Planning a merge: its conflicts as people and resolvers see them, before anything moves.

    plan ─▸ MergeResult ── resolve, edit_resolution, take ─▸ MergeResult ── land ─▸ committed
                                                                  store: it waits for its user, in any process

Nothing is locked between the steps, so a resolver may take its time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from tract.compile.workspace import Workspace
from tract.curation.editable import TextFormat, text_format, text_of_value
from tract.curation.merge.result import MergeConflict, MergeResolution, MergeResult, Resolver, Taken
from tract.curation.merge.tool_calls import both_answered, says_the_same
from tract.dataclass import replace
from tract.errors import MergeError
from tract.history.merge import MergePlan, plan_merge
from tract.history.priority import Priority, priority_of
from tract.history.three_way import ConflictKind, EntryConflict, Merged, appended
from tract.messages import message_text, render_text
from tract.messages.message import Message, message_in, readable_content
from tract.objects.id import ObjectId
from tract.objects.kept import check_text
from tract.objects.model import Entry
from tract.refs.store import ANY, Expected
from tract.transaction import check_idle

if TYPE_CHECKING:  # a merge without conflicts asks no model
    from tract.llm.types import ChatMessage, ResolveRequest

AROUND = 3
"""The number of messages before and after a conflict that a resolver sees."""

Strategy = Literal["auto", "ours", "theirs", "semantic"]
STRATEGIES: tuple[Strategy, ...] = ("auto", "ours", "theirs", "semantic")


def check_strategy(strategy: str) -> None:
    """MergeError for an unknown strategy."""
    if strategy not in STRATEGIES:
        raise MergeError(f"unknown merge strategy {strategy!r}; known are {', '.join(STRATEGIES)}")


class MergeOptions(TypedDict, total=False):
    """The keywords of a merge.

    *strategy*: ``auto`` leaves conflicts open, ``ours`` and ``theirs`` take that side, ``semantic`` asks the *resolver*, else the configured model, also about the messages that both sides appended.
    *no_ff* makes a merge commit even if the branch could move forward; *ff_only* refuses if it could not.
    *auto_commit* commits a resolver's decisions without a review; *keep* lets a merge that is not committed now wait in the store, as ``tract merge`` does.
    *no_commit* commits nothing yet, and *dry_run* only says what would happen.
    """

    resolver: Resolver | None
    strategy: Strategy
    no_ff: bool
    ff_only: bool
    auto_commit: bool
    no_commit: bool
    keep: bool
    delete_branch: bool
    message: str | None
    allow_unrelated: bool
    dry_run: bool


def plan_merge_of(space: Workspace, source: str, options: MergeOptions, *, expected: Expected = ANY) -> MergeResult:
    """The result that merging *source* into HEAD's branch would have; nothing moves.

    With strategy ``ours`` or ``theirs`` every conflict is resolved that way; with ``semantic`` the messages that both sides appended are among the conflicts, for a resolver to look at.
    """
    strategy, message, delete_branch = (
        options.get("strategy", "auto"),
        options.get("message"),
        options.get("delete_branch", False),
    )
    check_strategy(strategy)
    check_idle(space.repo)
    check_text("message", message)
    unrelated = options.get("allow_unrelated", False)
    plan = plan_merge(
        space.repo, source, no_ff=options.get("no_ff", False), allow_unrelated=unrelated, expected=expected
    )
    if options.get("ff_only") and plan.merged is not None:
        raise MergeError(f"cannot fast-forward '{plan.branch_name}' to '{source}': they have parted")
    if delete_branch and plan.source_ref is None:
        raise MergeError(f"cannot delete '{source}': it is not a branch")
    result = result_of_plan(space, plan, overlapping=strategy == "semantic")
    if strategy in ("ours", "theirs"):
        taken: Taken = "ours" if strategy == "ours" else "theirs"
        made = (MergeResolution(one.commit_hash, taken, resolved_by="strategy") for one in result.conflicts)
        result = result.with_resolution(*made)
    return replace(result, message=message, delete_branch=delete_branch)


def result_of_plan(space: Workspace, plan: MergePlan, *, overlapping: bool = False) -> MergeResult:
    """The merge of a plan, in the form that people review."""
    places: tuple[EntryConflict, ...] = ()
    conflicts: tuple[MergeConflict, ...] = ()
    if plan.merged is not None:
        merged = plan.merged._replace(conflicts=(*plan.merged.conflicts, *both_answered(space, plan.merged)))
        both = overlap(space, merged) if overlapping else None
        places = merged.conflicts if both is None else (*merged.conflicts, both)
        conflicts = describe_conflicts(space, merged, places, (plan.branch_name, plan.source), plan.shared)
    same = (one for one in places if one.kind is ConflictKind.BOTH_ANSWERED and says_the_same(space, one))
    return MergeResult(
        source=plan.source,
        target_branch=plan.branch_name,
        source_hash=plan.theirs.hex(),
        target_hash=None if plan.ours is None else plan.ours.hex(),
        base_hashes=tuple(base.hex() for base in plan.bases),
        is_fast_forward=plan.merged is None,
        conflicts=conflicts,
        resolutions=tuple(MergeResolution(one.commit.hex(), "ours", resolved_by="rule") for one in same),
        plan=plan,
        places=places,
        types=space.types,
    )


def overlap(space: Workspace, merged: Merged) -> EntryConflict | None:
    """The messages that both sides appended, if both did, as a conflict for a resolver to look at.

    It leaves out skipped messages, which no model sees, and pinned ones, which must not change; both stay as they are.
    A resolution's text replaces the last of our messages that has only text, or else of theirs; None if there is no such message.
    """
    ours, theirs = (tuple(filter(lambda entry: _is_normal(space, entry), side)) for side in appended(merged))
    if not ours or not theirs:
        return None
    for commit, blob in (*reversed(ours), *reversed(theirs)):
        if text_format(space.repo.blob(blob)) == "text":
            return EntryConflict(ConflictKind.OVERLAPPING, commit, (), ours, theirs)
    return None


def _is_normal(space: Workspace, entry: Entry) -> bool:
    commit, blob = entry
    space.compiler.advance_notes()
    note = space.compiler.priorities.get(space.repo, commit)
    return priority_of(note, space.repo.blob(blob)) is Priority.NORMAL


def describe_conflicts(
    space: Workspace, merged: Merged, conflicts: Sequence[EntryConflict], names: tuple[str, str], skipped: int = 0
) -> tuple[MergeConflict, ...]:
    """The conflicts with their texts and contents; *names* are those of our side and theirs, *skipped* is the number of messages before the merged ones."""
    places = {commit: at for at, (commit, _) in enumerate(merged.entries)}
    return tuple(_describe(space, merged, conflict, places, names, skipped) for conflict in conflicts)


def _describe(
    space: Workspace,
    merged: Merged,
    conflict: EntryConflict,
    places: Mapping[ObjectId, int],
    names: tuple[str, str],
    skipped: int,
) -> MergeConflict:
    sides = [
        [dict(space.repo.blob(blob)) for _, blob in side] for side in (conflict.base, conflict.ours, conflict.theirs)
    ]
    place = places[conflict.commit]
    value = space.repo.blob(merged.entries[place][1])
    # A text on one side and tool calls on the other: a resolver sees the whole of both.
    plain = all(text_format(one) == "text" for side in sides for one in side)
    format = text_format(value) if plain or max(map(len, sides)) > 1 else "json"
    base, ours, theirs = (_side_text(side, format) for side in sides)
    base_contents, our_contents, their_contents = (tuple(map(readable_content, side)) for side in sides)
    return MergeConflict(
        kind=conflict.kind,
        commit_hash=conflict.commit.hex(),
        role=message_in(value).role,
        number=skipped + place + 1,
        format=format,
        base=base,
        ours=ours,
        theirs=theirs,
        base_contents=base_contents,
        ours_contents=our_contents,
        theirs_contents=their_contents,
        value=value,
        request=_request(space, merged, conflict, sides, places, names),
    )


def _side_text(values: Sequence[Mapping[str, Any]], format: TextFormat) -> str | None:
    if not values:
        return None
    if len(values) == 1:
        return text_of_value(values[0], format)
    return render_text([message_in(value) for value in values]).removesuffix("\n")


def _request(
    space: Workspace,
    merged: Merged,
    conflict: EntryConflict,
    sides: Sequence[Sequence[Mapping[str, Any]]],
    places: Mapping[ObjectId, int],
    names: tuple[str, str],
) -> ResolveRequest:
    from tract.llm.types import ResolveRequest

    involved = [places[commit] for commit, _ in (*conflict.ours, *conflict.theirs) if commit in places]
    first, last = min(involved), max(involved)
    before = merged.entries[max(0, first - AROUND) : first]
    after = merged.entries[last + 1 : last + 1 + AROUND]
    base, ours, theirs = (_as_chat([message_in(value) for value in side]) for side in sides)
    return ResolveRequest(
        kind=conflict.kind.value,
        target=conflict.commit.hex(),
        base=base,
        ours=ours,
        theirs=theirs,
        before=_chat(space, before),
        after=_chat(space, after),
        ours_name=names[0],
        theirs_name=names[1],
    )


def _chat(space: Workspace, around: Sequence[Entry]) -> tuple[ChatMessage, ...]:
    return tuple(chat_message(space.blobs.message(blob)) for _, blob in around)


def _as_chat(messages: Sequence[Message]) -> ChatMessage | None:
    """One side's messages in a place as one message: their texts one below the other, in the last one's role."""
    if not messages:
        return None
    if len(messages) == 1:
        return chat_message(messages[0])
    return {"role": messages[-1].role, "content": render_text(messages).removesuffix("\n")}


def chat_message(message: Message) -> ChatMessage:
    """One message in OpenAI's chat format, for a model to read about; its text if it has no such form."""
    from tract.messages import chat_excerpt  # loads the modules for sending, and most merges ask no model

    rendered = chat_excerpt([message])
    if len(rendered) == 1:
        found: ChatMessage = rendered[0]
        return found
    return {"role": message.role, "content": message_text(message)}
