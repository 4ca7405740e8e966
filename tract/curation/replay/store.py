"""A rebase, cherry-pick or revert that is stored until its user resolves the conflicts.

    state/rebase, state/cherry-pick, state/revert   a ReplayState, field by field
    state/REBASE_CONFLICTS.md and its like          the conflicts, for an editor

Nothing moves while one is under way: to abort it, its state is deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tract.compile.workspace import Workspace
from tract.curation.merge.conflict_file import ConflictFile
from tract.curation.merge.result import MergeResolution, Resolver
from tract.curation.replay.plan import Replay, ReplayRequest, decide, plan_replay_of
from tract.dataclass import dataclass, replace
from tract.errors import RefMovedError
from tract.history.replay_plan import Command
from tract.history.state import conflicts_name, read_conflicts, read_state_as, write_state, write_text
from tract.objects.id import ObjectId
from tract.objects.model import shown
from tract.repo import Repository
from tract.revision import resolve_range


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayState:
    """A replay as stored in ``state/rebase`` and its like.

    *branch* is at *old*, and the replay stands on *onto*. *pinned* has the ids that each revision of the request named then.
    *decided* are the resolutions so far, each with the replayed commit; the resolution names the message.
    """

    branch: str
    old: ObjectId | None
    onto: ObjectId | None
    request: ReplayRequest
    pinned: Mapping[str, str]
    decided: tuple[tuple[ObjectId, MergeResolution], ...]


def keep_replay(space: Workspace, request: ReplayRequest, replay: Replay) -> None:
    """Store a replay that waits for its user. The text is written first: without a state it means nothing."""
    plan = replay.plan
    write_text(space.repo, conflicts_name(request.command), _file(request.command, replay).text())
    state = ReplayState(
        branch=plan.branch,
        old=plan.old,
        onto=plan.onto,
        request=request,
        pinned=_pinned(space.repo, request),
        decided=tuple(
            (commit, replace(one, commit_hash=message.hex())) for (commit, message), one in replay.decisions.items()
        ),
    )
    keeps = (plan.old, plan.onto, *(step.source for step in plan.steps))
    write_state(space.repo, request.command, state, [id for id in keeps if id is not None])


def _pinned(repo: Repository, request: ReplayRequest) -> dict[str, str]:
    """The ids that the revisions name now, so that a later command finds the same commits."""
    found = {}
    for text in (*request.revisions, *((request.onto,) if request.onto else ())):
        wanted, hidden = resolve_range(repo, text)
        found[text] = "..".join(id.hex() for id in (hidden, wanted) if id is not None)
    return found


def replay_state(repo: Repository, command: Command) -> ReplayState | None:
    """The rebase, cherry-pick or revert under way, or None."""
    return read_state_as(repo, command, ReplayState)


def kept_replay(space: Workspace, state: ReplayState, resolver: Resolver | None = None) -> Replay:
    """The replay under way, with the user's resolutions, and *resolver*'s for the conflicts left; these may uncover new ones.

    RefMovedError if the branch moved since; MergeConflictError if a conflict is left in the text.
    """
    branch, tip = space.repo.head()
    if branch != state.branch or tip != state.old:
        raise RefMovedError(state.branch, shown(state.old), shown(tip) if branch == state.branch else branch)
    request = state.request
    exact = replace(
        request,
        revisions=tuple(state.pinned[text] for text in request.revisions),
        onto=None if request.onto is None else state.pinned[request.onto],
    )
    replay = plan_replay_of(space, exact, is_new=False)
    assert isinstance(replay, Replay), "what is up to date is never kept"
    decided = {(commit, ObjectId.fromhex(one.commit_hash)): one for commit, one in state.decided}
    replay = decide(space, replay, decided)
    text = read_conflicts(space.repo, request.command)
    made = _file(request.command, replay).read(text, resolver)
    return decide(space, replay, dict(zip(replay.conflicts, map(_taken, made), strict=True)))


def _taken(resolution: MergeResolution) -> MergeResolution:
    """A resolution for a replay: an emptied section leaves its message as it is, and drops the change."""
    return resolution if resolution.value is not None else MergeResolution(resolution.commit_hash, "ours")


def landed_replay(repo: Repository, state: ReplayState) -> ObjectId | None:
    """The branch's new commit, if a process ran the replay and died before it could remove the state; else None."""
    branch, tip = repo.head()
    if branch is None or branch != state.branch or tip is None or tip == state.old:
        return None
    for _, operation in repo.refs.history():
        for change in operation.changes:
            if change.name == repo.prefix + branch:
                is_its = change.old == state.old and operation.reason.startswith(f"{state.request.command}:")
                return tip if is_its else None
    return None


def _file(command: Command, replay: Replay) -> ConflictFile:
    plan = replay.plan
    heading = {"rebase": "Rebase of", "cherry-pick": "Cherry-pick on", "revert": "Revert on"}[command]
    names: Sequence[tuple[str, str]] = [
        (one.request.ours_name, f"{'without ' if command == 'revert' else ''}{one.request.theirs_name}")
        for one in replay.conflicts.values()
    ]
    seed = f"{shown(plan.old)} {shown(plan.onto)} {len(replay.decisions)}"
    branch = plan.branch.removeprefix("refs/heads/")
    return ConflictFile(f"{heading} '{branch}'", seed, command, tuple(names), tuple(replay.conflicts.values()))
