"""Planning a rebase, a cherry-pick or a revert: how it would change the meaning, and what must be decided before anything moves.

    plan ── losses? ── resolver ──▸ plan again ──▸ land        one operation, or nothing
                                                   store: it waits for its user, in any process

A change of meaning is a warning; a loss of content is an error that lists the losses, unless it is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypedDict

from tract.compile.workspace import Workspace
from tract.curation.merge.land import resolver_metadata
from tract.curation.merge.plan import describe_conflicts
from tract.curation.merge.resolve import resolve_conflict
from tract.curation.merge.result import MergeConflict, MergeResolution, Resolver
from tract.curation.replay.result import RebaseResult, ReplayWarning
from tract.dataclass import dataclass, field, replace
from tract.errors import CherryPickError, RebaseError
from tract.history.context import context_at, entries
from tract.history.replay_plan import (
    Command,
    Concern,
    Decision,
    ReplayPlan,
    ReplayStep,
    commits_to_replay,
    plan_replay,
    plan_revert,
)
from tract.history.sameness import Sameness
from tract.history.three_way import Merged
from tract.history.walk import is_ancestor
from tract.messages import pairing_warnings, tool_ids
from tract.messages.message import Message, message_in
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation, Entry, NewObject, Object
from tract.objects.strict_reader import read_blob
from tract.refs.names import HEADS
from tract.refs.store import ANY, Expected
from tract.revision import resolve_range, resolve_revision
from tract.transaction import check_branch, check_idle
from tract.writing.credentials import checked_config

Decisions = Mapping[tuple[ObjectId, ObjectId], Decision]
Planner = Callable[[Decisions], ReplayPlan]


@dataclass(frozen=True, slots=True)
class Replay:
    """A planned replay: its effects, and the conflicts that must be decided first.

    The keys of *conflicts* are the replayed commit and the message it is about.
    """

    plan: ReplayPlan
    planner: Planner = field(repr=False)
    conflicts: Mapping[tuple[ObjectId, ObjectId], MergeConflict] = field(default_factory=dict)
    decisions: Mapping[tuple[ObjectId, ObjectId], MergeResolution] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[ReplayWarning, ...]:
        """All changes of meaning, including losses."""
        return tuple(map(_warning, self.plan.concerns))

    @property
    def losses(self) -> tuple[ReplayWarning, ...]:
        """The contents that would be lost, or would replace others, and are not decided yet."""
        return tuple(map(_warning, self.plan.losses))


def _warning(concern: Concern) -> ReplayWarning:
    return ReplayWarning(concern.kind, concern.commit.hex(), concern.message.hex(), concern.detail)


class ReplayOptions(TypedDict, total=False):
    """The keywords of a rebase, a cherry-pick and a revert.

    *resolver* decides conflicts; *force* drops edits whose message is not there, and lets tool calls be torn from their results.
    *keep* lets a replay with conflicts wait in the store for its user, as the command line does; *dry_run* changes nothing and asks no resolver.
    """

    resolver: Resolver | None
    force: bool
    keep: bool
    dry_run: bool


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """A request for a replay: *revisions* as typed, *onto* for a rebase and *mainline* for a revert."""

    command: Command
    revisions: tuple[str, ...]
    onto: str | None = None
    mainline: int | None = None
    force: bool = False


def plan_replay_of(
    space: Workspace, request: ReplayRequest, *, expected: Expected = ANY, is_new: bool = True
) -> Replay | RebaseResult:
    """The requested replay, or the result of a rebase that need not replay anything; nothing moves.

    RefMovedError if the branch is not at *expected*; DetachedHeadError if HEAD is on no branch.
    If it *is_new*, no other command may be under way: MergeError, RebaseError or CherryPickError.
    RebaseError or CherryPickError if it cannot be replayed: no commit, a note, a merge.
    """
    if is_new:
        check_idle(space.repo)
    branch, tip = check_branch(space.repo, request.command, expected)
    match request.command:
        case "rebase":
            return _plan_rebase(space, request, branch, tip)
        case "cherry-pick":
            return _plan_cherry_pick(space, request, branch, tip)
        case "revert":
            return _plan_revert(space, request, branch, tip)


def _plan_rebase(space: Workspace, request: ReplayRequest, branch: str, tip: ObjectId | None) -> Replay | RebaseResult:
    repo, name, (target, *_) = space.repo, branch.removeprefix(HEADS), request.revisions
    if tip is None:
        raise RebaseError(f"branch '{name}' has no commit to rebase")
    upstream = resolve_revision(repo, target)
    base = upstream if request.onto is None else resolve_revision(repo, request.onto)
    _refuse_notes(space, "rebase onto", [upstream, base], RebaseError)
    if request.onto is None and is_ancestor(repo, upstream, tip):
        return RebaseResult(branch=name, old_head=tip.hex(), new_head=tip.hex(), onto_hash=base.hex())
    if request.onto is None and is_ancestor(repo, tip, upstream):
        new = base.hex()
        return RebaseResult(
            branch=name, old_head=tip.hex(), new_head=new, onto_hash=new, is_fast_forward=True, is_done=False
        )
    planner = _replanner(space, "rebase", commits_to_replay(repo, tip, upstream), branch, tip, base)
    return _planned(space, planner, tip, request.force)


def _plan_cherry_pick(space: Workspace, request: ReplayRequest, branch: str, tip: ObjectId | None) -> Replay:
    commits = _named(space, request.revisions)
    _refuse_notes(space, "cherry-pick", commits, CherryPickError)
    for text in request.revisions:
        if (
            ".." not in text
            and space.repo.commit(resolve_revision(space.repo, text)).operation is CommitOperation.MERGE
        ):
            raise CherryPickError(f"'{text}' is a merge: its messages are those of the commits it merged")

    planner = _replanner(space, "cherry-pick", commits, branch, tip, tip)
    replay = _planned(space, planner, commits[-1], request.force)
    if not replay.plan.steps and not replay.plan.concerns:
        source, reason = replay.plan.dropped[0]
        raise CherryPickError(f"nothing to pick from commit {source.hex()[:16]}: {reason}")
    return replay


def _replanner(
    space: Workspace,
    command: Command,
    commits: Sequence[ObjectId],
    branch: str,
    old: ObjectId | None,
    onto: ObjectId | None,
) -> Planner:
    """A planner for the replay of *commits*, which is called again after every decision."""
    same = Sameness(space.repo)

    def planner(decisions: Decisions) -> ReplayPlan:
        return plan_replay(
            space.repo, command, commits, branch=branch, old=old, onto=onto, sameness=same, decisions=decisions
        )

    return planner


def _plan_revert(space: Workspace, request: ReplayRequest, branch: str, tip: ObjectId | None) -> Replay:
    """The plan of reverting commits, the newest first."""
    if tip is None:
        raise CherryPickError(f"branch '{branch.removeprefix(HEADS)}' has no commit to revert")
    named = _named(space, request.revisions)
    commits = sorted(named, key=lambda id: space.repo.commit(id).generation, reverse=True)
    _refuse_notes(space, "revert", commits, CherryPickError)

    def planner(decisions: Decisions) -> ReplayPlan:
        return plan_revert(space.repo, commits, branch=branch, tip=tip, mainline=request.mainline, decisions=decisions)

    return _planned(space, planner, tip, request.force)


def _named(space: Workspace, revisions: Sequence[str]) -> list[ObjectId]:
    """The commits that revisions and ranges name, each once; a range's oldest first."""
    found: dict[ObjectId, None] = {}
    for text in revisions:
        wanted, hidden = resolve_range(space.repo, text)
        if wanted is None:
            raise CherryPickError(f"{text!r} names no commit to replay")
        if hidden is None:
            found[wanted] = None
        else:
            found.update(dict.fromkeys(commits_to_replay(space.repo, wanted, hidden)))
    if not found:
        raise CherryPickError(f"{' '.join(revisions)!r} names no commit")
    return list(found)


def _refuse_notes(space: Workspace, what: str, commits: Sequence[ObjectId], error: type[Exception]) -> None:
    for id in commits:
        if space.repo.commit(id).operation is CommitOperation.NOTE:
            raise error(f"cannot {what} commit {id.hex()[:16]}: it is a note")


def _planned(space: Workspace, planner: Planner, source: ObjectId, force: bool) -> Replay:
    """The replay that *planner* plans; with *force*, edits of missing messages are dropped, and torn tool pairs are not losses."""
    plan = planner({})
    decisions: dict[tuple[ObjectId, ObjectId], MergeResolution] = {}
    if force:
        missing = [one for one in plan.losses if one.kind == "edit_target_missing"]
        decisions = {(c.commit, c.message): MergeResolution(c.message.hex(), "ours") for c in missing}
        plan = planner(_as_decisions(decisions)) if decisions else plan
    torn = _torn_pairs(space, plan, source, is_loss=not force)

    def whole(made: Decisions) -> ReplayPlan:
        again = planner(made)
        return replace(again, concerns=(*again.concerns, *_torn_pairs(space, again, source, is_loss=not force)))

    plan = replace(plan, concerns=(*plan.concerns, *torn))
    return Replay(plan, whole, _conflicts(space, plan), decisions)


def _conflicts(space: Workspace, plan: ReplayPlan) -> dict[tuple[ObjectId, ObjectId], MergeConflict]:
    """The losses that another content would settle, as people and resolvers see them."""
    found = {}
    for concern in plan.losses:
        conflict = concern.conflict
        if conflict is not None:
            context = dict(plan.context)
            for commit, blob in (*conflict.theirs, *conflict.ours):
                context.setdefault(commit, blob)
            merged = Merged(tuple(context.items()), (conflict,))
            names = ("HEAD" if plan.onto == plan.old else (plan.onto or b"").hex()[:10], concern.commit.hex()[:10])
            found[concern.commit, concern.message] = describe_conflicts(space, merged, (conflict,), names)[0]
    return found


def decide(space: Workspace, replay: Replay, made: Mapping[tuple[ObjectId, ObjectId], MergeResolution]) -> Replay:
    """The replay with further decisions; settling a conflict may uncover new ones."""
    decisions = {**replay.decisions, **made}
    plan = replay.planner(_as_decisions(decisions))
    deciders: dict[ObjectId, list[MergeResolution]] = {}
    for (source, _), one in decisions.items():
        if one.resolved_by == "resolver":
            deciders.setdefault(source, []).append(one)
    steps = tuple(_signed(step, deciders.get(step.source)) for step in plan.steps)
    plan = replace(plan, steps=steps)
    return Replay(plan, replay.planner, _conflicts(space, plan), decisions)


def _signed(step: ReplayStep, decided: Sequence[MergeResolution] | None) -> ReplayStep:
    """The step, with the record of the resolver that decided it for its commit."""
    if not decided:
        return step
    metadata = {"resolved_by": resolver_metadata(decided)}
    return step._replace(metadata=metadata, config=checked_config(decided[0].generation_config) or None)


def _as_decisions(made: Mapping[tuple[ObjectId, ObjectId], MergeResolution]) -> Decisions:
    found: dict[tuple[ObjectId, ObjectId], Decision] = {}
    for key, one in made.items():
        found[key] = one.value if one.value is not None else "theirs" if one.taken == "theirs" else "ours"
    return found


def resolve_replay(space: Workspace, replay: Replay, resolver: Resolver | None) -> Replay:
    """The replay with *resolver*'s decisions, as long as it decides conflicts; nothing moves.

    Nothing is locked while the resolver thinks. MergeError names the conflict if it fails or gives up.
    """
    while resolver is not None and replay.conflicts:
        made = {key: resolve_conflict(resolver, one) for key, one in replay.conflicts.items()}
        answers = {key: one for key, one in made.items() if one is not None}
        if not answers:
            break
        with space.lock:
            replay = decide(space, replay, answers)
    return replay


# Tool pairs


def _torn_pairs(space: Workspace, plan: ReplayPlan, source: ObjectId, *, is_loss: bool) -> list[Concern]:
    """The tool pairs that the replay would tear: whole before, at the source or on the branch, and torn afterwards."""
    made = {new.id: new for step in plan.steps for new in step.blobs}
    before = entries(space.repo, context_at(space.repo, plan.onto))
    if not any(any(tool_ids(_message_of(space, blob, made))) for blob in _touched(plan, before)):
        return []

    def problems(context: Sequence[Entry]) -> dict[tuple[ObjectId, str], str]:
        found = pairing_warnings([_message_of(space, blob, made) for _, blob in context])
        return {(context[w.index][0], w.kind): w.detail for w in found if w.index is not None}

    after = problems(plan.context)
    there = entries(space.repo, context_at(space.repo, source))
    known = problems(before).keys() | problems(there).keys() if after else set()
    sources = {step.source for step in plan.steps}
    last = plan.steps[-1].source if plan.steps else source
    return [
        Concern("tool_pair_torn", message if message in sources else last, message, detail, is_loss)
        for (message, kind), detail in after.items()
        if (message, kind) not in known
    ]


def _touched(plan: ReplayPlan, before: Sequence[Entry]) -> Iterator[ObjectId]:
    """The contents that are added or removed, and the last one before them: only pairs with one of these can change."""
    yield from (blob for _, blob in before[-1:])
    yield from (step.content for step in plan.steps if step.content is not None)
    if any(step.context is not None for step in plan.steps):
        yield from (blob for _, blob in set(before) ^ set(plan.context))


def _message_of(space: Workspace, blob: ObjectId, made: Mapping[ObjectId, NewObject]) -> Message:
    """The message in a blob, of the store or not yet written."""
    new = made.get(blob)
    if new is None:
        return space.blobs.message(blob)
    return message_in(read_blob(blob, Object(new.kind, new.payload)))
