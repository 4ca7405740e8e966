"""Landing a rebase, a cherry-pick or a revert, in one operation or not at all; if conflicts are left, it is kept until the user resolves them."""

from __future__ import annotations

from typing import Unpack

from tract.arguments import check_keywords
from tract.compile.workspace import Moving, Workspace
from tract.curation.merge.resolve import choose_resolver
from tract.curation.replay.plan import Replay, ReplayOptions, ReplayRequest, plan_replay_of, resolve_replay
from tract.curation.replay.result import (
    CherryPickResult,
    DroppedCommit,
    RebaseResult,
    ReplayedCommit,
    ReplayResult,
    RevertResult,
)
from tract.curation.replay.store import keep_replay
from tract.dataclass import replace
from tract.errors import SemanticSafetyError
from tract.history.context import context_at, entries
from tract.history.moves import RefMove, move_refs
from tract.history.notes import CONFIG, PRIORITY
from tract.history.replay import run_replay
from tract.history.replay_plan import ReplayPlan
from tract.history.state import conflicts_path
from tract.history.tree_diff import TreeChange
from tract.objects.id import ObjectId
from tract.objects.model import shown
from tract.refs.names import HEADS, ORIG_HEAD
from tract.writing.budget import check_budget_of_changes, check_budget_of_moving


def replay(moving: Moving, request: ReplayRequest, **options: Unpack[ReplayOptions]) -> ReplayResult:
    """Carry out *request*; with *keep*, a replay with conflicts waits for its user."""
    check_keywords(request.command.replace("-", "_"), options, ReplayOptions)
    resolver = choose_resolver(options.get("resolver"), None, "auto")
    dry_run = options.get("dry_run", False)
    with moving(request.command) as (space, expected):
        planned = plan_replay_of(space, request, expected=expected)
        if isinstance(planned, RebaseResult):
            return planned if dry_run else land_fast_forward(space, planned)
    if not dry_run:
        planned = resolve_replay(space, planned, resolver)  # with nothing locked: a model takes its time
    with moving(request.command) as (space, _):
        if not dry_run and options.get("keep"):
            return land_or_keep(space, request, planned)
        return land_replay(space, planned, dry_run=dry_run)


def land_or_keep(space: Workspace, request: ReplayRequest, planned: Replay) -> ReplayResult:
    """Run the replay; if it has conflicts, keep it for its user."""
    if not planned.conflicts:
        return land_replay(space, planned)
    if len(planned.conflicts) < len(planned.plan.losses):
        check_safe(planned)  # no content can settle all of them
    keep_replay(space, request, planned)
    return replace(land_replay(space, planned, dry_run=True), file=conflicts_path(space.repo, request.command))


def check_safe(replay: Replay) -> None:
    """SemanticSafetyError if the replay would lose a content and that is not decided; it names the first commit."""
    losses = replay.plan.losses
    if losses:
        first = losses[0]
        more = f", and {len(losses) - 1} more" if len(losses) > 1 else ""
        raise SemanticSafetyError(f"commit {first.commit.hex()[:16]} cannot be replayed: {first.detail}{more}")


def land_replay(space: Workspace, replay: Replay, *, dry_run: bool = False) -> ReplayResult:
    """Run the replay, unless *dry_run*; return its result.

    SemanticSafetyError if something is undecided; BudgetExceededError if the context would be over a budget that refuses.
    """
    plan = replay.plan
    made: dict[ObjectId, ObjectId] = {}
    new = plan.old
    if not dry_run:
        check_safe(replay)
        if space.repo.config.budget is not None:
            _check_budget(space, plan)
        space.compiler.advance_notes()
        tables = {PRIORITY: space.compiler.priorities, CONFIG: space.compiler.configs}
        replayed = run_replay(space.repo, plan, tables=tables)
        made = dict(replayed)
        new = replayed[-1][1] if replayed else plan.onto
    kinds: dict[str, type[ReplayResult]] = {
        "rebase": RebaseResult,
        "cherry-pick": CherryPickResult,
        "revert": RevertResult,
    }
    return kinds[plan.command](
        branch=plan.branch.removeprefix(HEADS),
        old_head=shown(plan.old),
        new_head=shown(new),
        onto_hash=shown(plan.onto),
        replayed=tuple(ReplayedCommit(step.source.hex(), shown(made.get(step.source))) for step in plan.steps),
        dropped=tuple(DroppedCommit(source.hex(), reason) for source, reason in plan.dropped),
        warnings=replay.warnings,
        is_done=not dry_run,
        losses=replay.losses,
    )


def _check_budget(space: Workspace, plan: ReplayPlan) -> None:
    before = entries(space.repo, context_at(space.repo, plan.old))
    blobs = [blob for step in plan.steps for blob in step.blobs]
    check_budget_of_changes(space, [TreeChange(0, tuple(before), 0, plan.context)], blobs)


def land_fast_forward(space: Workspace, result: RebaseResult) -> RebaseResult:
    """Move the branch forward to the end of a rebase that replays nothing."""
    if result.is_done or result.new_head is None or result.old_head is None:
        return result
    old, new = ObjectId.fromhex(result.old_head), ObjectId.fromhex(result.new_head)
    check_budget_of_moving(space, old, new)
    moves = [RefMove(HEADS + result.branch, new, old), RefMove(ORIG_HEAD, old)]
    move_refs(space.repo, moves, reason=f"rebase: fast-forward to {new.hex()[:10]}")
    return replace(result, is_done=True)
