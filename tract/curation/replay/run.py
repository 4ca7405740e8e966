"""Rebase, cherry-pick and revert: replays whose losses somebody decides on before anything moves.

    plan ── losses? ── resolver ──▸ plan again ──▸ run        one operation, or nothing

What a replay would do to meaning is a warning; what would lose words is an error that lists it, unless it is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tract.compile.workspace import Workspace
from tract.curation.merge.conflicts import MergeConflict, describe_conflicts
from tract.curation.merge.land import check_budget_of_changes, check_budget_of_moving, resolver_metadata
from tract.curation.merge.resolve import Resolver, resolve_conflict
from tract.curation.merge.result import MergeResolution
from tract.curation.replay.result import (
    CherryPickResult,
    DroppedCommit,
    RebaseResult,
    ReplayedCommit,
    ReplayResult,
    ReplayWarning,
    RevertResult,
)
from tract.curation.replay.tool_pairs import torn_pairs
from tract.errors import (
    CherryPickError,
    CommitNotFoundError,
    DetachedHeadError,
    RebaseError,
    RefMovedError,
    SemanticSafetyError,
)
from tract.history.context import context_at, entries
from tract.history.moves import RefMove, move_refs
from tract.history.notes import CONFIG, PRIORITY
from tract.history.replay import run_replay
from tract.history.replay_plan import (
    Command,
    Decision,
    ReplayPlan,
    Step,
    commits_to_replay,
    plan_replay,
    plan_revert,
)
from tract.history.sameness import Sameness
from tract.history.three_way import Merged
from tract.history.tree_diff import Change
from tract.history.walk import is_ancestor
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.refs.names import HEADS, ORIG_HEAD
from tract.refs.operations import shown
from tract.refs.store import ANY, Expected
from tract.revision import resolve_range, resolve_revision
from tract.transaction import check_idle
from tract.writing.drafts import checked_config

Decisions = Mapping[tuple[ObjectId, ObjectId], Decision]
Planner = Callable[[Decisions], ReplayPlan]


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay that is planned: what it would do, and the conflicts that somebody has to decide on first.

    *conflicts* are by the commit that is replayed and the message it is about.
    """

    plan: ReplayPlan
    planner: Planner = field(repr=False)
    conflicts: Mapping[tuple[ObjectId, ObjectId], MergeConflict] = field(default_factory=dict)
    decisions: Mapping[tuple[ObjectId, ObjectId], MergeResolution] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[ReplayWarning, ...]:
        """All that the replay does to meaning, losses among it."""
        return tuple(ReplayWarning(c.kind, c.commit.hex(), c.message.hex(), c.detail) for c in self.plan.concerns)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for: *revisions* as typed, *onto* and *mainline* where there are such."""

    command: Command
    revisions: tuple[str, ...]
    onto: str | None = None
    mainline: int | None = None
    force: bool = False


def as_revisions(revisions: str | Sequence[str]) -> tuple[str, ...]:
    """One revision or several, as several; CommitNotFoundError for what is no text."""
    found = tuple(revisions) if isinstance(revisions, (list, tuple)) else (revisions,)
    for one in found:
        if not isinstance(one, str):
            raise CommitNotFoundError(repr(one), "a revision is a non-empty text")
    return found


def prepare(
    space: Workspace, request: Request, *, expected: Expected = ANY, is_new: bool = True
) -> Replay | RebaseResult:
    """The replay that was asked for, or for a rebase what there is to say where nothing need be replayed; nothing moves.

    RefMovedError when the branch is not at *expected*; DetachedHeadError when HEAD is on none.
    Where it *is_new*, nothing else may be under way: MergeError, RebaseError or CherryPickError.
    RebaseError or CherryPickError for what cannot be replayed: nothing, a note, a merge.
    """
    if is_new:
        check_idle(space.repo)
    branch, tip = space.repo.head()
    if branch is None:
        at = tip.hex()[:16] if tip else "?"
        raise DetachedHeadError(f"cannot {request.command}: HEAD is at commit {at}, not on a branch")
    if expected is not ANY and tip != expected:
        raise RefMovedError(branch, shown(expected), shown(tip))
    match request.command:
        case "rebase":
            return _prepare_rebase(space, request, branch, tip)
        case "cherry-pick":
            return _prepare_cherry_pick(space, request, branch, tip)
        case "revert":
            return _prepare_revert(space, request, branch, tip)


def _prepare_rebase(space: Workspace, request: Request, branch: str, tip: ObjectId | None) -> Replay | RebaseResult:
    repo, name, (target, *_) = space.repo, branch.removeprefix(HEADS), request.revisions
    if tip is None:
        raise RebaseError(f"branch '{name}' has no commit to rebase")
    upstream = resolve_revision(repo, target)
    base = upstream if request.onto is None else resolve_revision(repo, request.onto)
    _refuse_notes(space, "rebase onto", [upstream, base], RebaseError)
    if request.onto is None and is_ancestor(repo, upstream, tip):
        return RebaseResult(name, tip.hex(), tip.hex(), base.hex())
    if request.onto is None and is_ancestor(repo, tip, upstream):
        return RebaseResult(name, tip.hex(), base.hex(), base.hex(), is_fast_forward=True, is_done=False)
    planner = _replanner(space, "rebase", commits_to_replay(repo, tip, upstream), branch, tip, base)
    return _prepared(space, planner, tip, request.force)


def _prepare_cherry_pick(space: Workspace, request: Request, branch: str, tip: ObjectId | None) -> Replay:
    commits = _named(space, request.revisions)
    _refuse_notes(space, "cherry-pick", commits, CherryPickError)
    for text in request.revisions:
        if (
            ".." not in text
            and space.repo.commit(resolve_revision(space.repo, text)).operation is CommitOperation.MERGE
        ):
            raise CherryPickError(f"'{text}' is a merge: its messages are those of the commits it merged")

    planner = _replanner(space, "cherry-pick", commits, branch, tip, tip)
    replay = _prepared(space, planner, commits[-1], request.force)
    if not replay.plan.steps and not replay.plan.concerns:
        first = replay.plan.dropped[0]
        raise CherryPickError(f"nothing to pick from commit {first.source.hex()[:16]}: {first.reason}")
    return replay


def _replanner(
    space: Workspace,
    command: Command,
    commits: Sequence[ObjectId],
    branch: str,
    old: ObjectId | None,
    onto: ObjectId | None,
) -> Planner:
    """Plans the replay of *commits*, once more whenever something was decided."""
    same = Sameness(space.repo)

    def planner(decisions: Decisions) -> ReplayPlan:
        return plan_replay(
            space.repo, command, commits, branch=branch, old=old, onto=onto, sameness=same, decisions=decisions
        )

    return planner


def _prepare_revert(space: Workspace, request: Request, branch: str, tip: ObjectId | None) -> Replay:
    """Taking commits back, the newest first."""
    if tip is None:
        raise CherryPickError(f"branch '{branch.removeprefix(HEADS)}' has no commit to revert")
    named = _named(space, request.revisions)
    commits = sorted(named, key=lambda id: space.repo.commit(id).generation, reverse=True)
    _refuse_notes(space, "revert", commits, CherryPickError)

    def planner(decisions: Decisions) -> ReplayPlan:
        return plan_revert(space.repo, commits, branch=branch, tip=tip, mainline=request.mainline, decisions=decisions)

    return _prepared(space, planner, tip, request.force)


def _named(space: Workspace, revisions: Sequence[str]) -> list[ObjectId]:
    """The commits that revisions and ranges name, each once, a range's oldest first."""
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


def _prepared(space: Workspace, planner: Planner, source: ObjectId, force: bool) -> Replay:
    """The replay that *planner* plans; with *force*, edits of what is not there are dropped and torn tool pairs are no loss."""
    plan = planner({})
    decisions: dict[tuple[ObjectId, ObjectId], MergeResolution] = {}
    if force:
        missing = [one for one in plan.losses if one.kind == "edit_target_missing"]
        decisions = {(c.commit, c.message): MergeResolution(c.message.hex(), "ours") for c in missing}
        plan = planner(_as_decisions(decisions)) if decisions else plan
    torn = torn_pairs(space, plan, source, is_loss=not force)

    def whole(made: Decisions) -> ReplayPlan:
        again = planner(made)
        return replace(again, concerns=(*again.concerns, *torn_pairs(space, again, source, is_loss=not force)))

    plan = replace(plan, concerns=(*plan.concerns, *torn))
    return Replay(plan, whole, _conflicts(space, plan), decisions)


def _conflicts(space: Workspace, plan: ReplayPlan) -> dict[tuple[ObjectId, ObjectId], MergeConflict]:
    """The losses that another content would settle, for people and resolvers to look at."""
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
    """The replay with further decisions; it may meet new conflicts behind those that they settle."""
    decisions = {**replay.decisions, **made}
    plan = replay.planner(_as_decisions(decisions))
    deciders: dict[ObjectId, list[MergeResolution]] = {}
    for (source, _), one in decisions.items():
        if one.resolved_by == "resolver":
            deciders.setdefault(source, []).append(one)
    steps = tuple(_signed(step, deciders.get(step.source)) for step in plan.steps)
    plan = replace(plan, steps=steps)
    return Replay(plan, replay.planner, _conflicts(space, plan), decisions)


def _signed(step: Step, decided: Sequence[MergeResolution] | None) -> Step:
    """The step, with what its commit will say of the resolver that decided it."""
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
    """The replay with what *resolver* decides, as long as there are conflicts it has an answer to; nothing moves.

    Nothing is locked while the resolver thinks. MergeError names the conflict where it fails or gives up.
    """
    while resolver is not None and replay.conflicts:
        made = {key: resolve_conflict(resolver, one) for key, one in replay.conflicts.items()}
        answers = {key: one for key, one in made.items() if one is not None}
        if not answers:
            break
        with space.lock:
            replay = decide(space, replay, answers)
    return replay


def check_safe(replay: Replay) -> None:
    """SemanticSafetyError when something would be lost that nobody decided on; it names each."""
    losses = replay.plan.losses
    if losses:
        first = losses[0]
        more = f", and {len(losses) - 1} more" if len(losses) > 1 else ""
        raise SemanticSafetyError(f"commit {first.commit.hex()[:16]} cannot be replayed: {first.detail}{more}")


def land_replay(space: Workspace, replay: Replay, *, dry_run: bool = False) -> ReplayResult:
    """Run the replay, unless *dry_run*, and say what it did.

    SemanticSafetyError when something is undecided; BudgetExceededError when the context would be over a budget that is to refuse.
    """
    plan = replay.plan
    made: dict[ObjectId, ObjectId] = {}
    new = plan.old
    if not dry_run:
        check_safe(replay)
        if space.repo.config.budget is not None:
            _check_budget(space, plan)
        space.compiler.advance_notes(space.repo)
        tables = {PRIORITY: space.compiler.priorities, CONFIG: space.compiler.configs}
        replayed = run_replay(space.repo, plan, tables=tables)
        made = dict(replayed)
        new = replayed[-1].made if replayed else plan.onto
    kinds: dict[str, type[ReplayResult]] = {
        "rebase": RebaseResult,
        "cherry-pick": CherryPickResult,
        "revert": RevertResult,
    }
    return kinds[plan.command](
        plan.branch.removeprefix(HEADS),
        shown(plan.old),
        shown(new),
        shown(plan.onto),
        tuple(ReplayedCommit(step.source.hex(), shown(made.get(step.source))) for step in plan.steps),
        tuple(DroppedCommit(one.source.hex(), one.reason) for one in plan.dropped),
        replay.warnings,
        not dry_run,
    )


def _check_budget(space: Workspace, plan: ReplayPlan) -> None:
    before = entries(space.repo, context_at(space.repo, plan.old))
    blobs = [blob for step in plan.steps for blob in step.blobs]
    check_budget_of_changes(space, [Change(0, tuple(before), 0, plan.context)], blobs)


def land_fast_forward(space: Workspace, result: RebaseResult) -> RebaseResult:
    """Move the branch on to where a rebase without replays ends."""
    if result.is_done or result.new_head is None or result.old_head is None:
        return result
    old, new = ObjectId.fromhex(result.old_head), ObjectId.fromhex(result.new_head)
    check_budget_of_moving(space, old, new)
    moves = [RefMove(HEADS + result.branch, new, old), RefMove(ORIG_HEAD, old)]
    move_refs(space.repo, moves, reason=f"rebase: fast-forward to {new.hex()[:10]}")
    return replace(result, is_done=True)
