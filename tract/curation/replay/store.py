"""A rebase, cherry-pick or revert that waits for its user to resolve conflicts.

    state/rebase, state/cherry-pick, state/revert   what was asked; docs/format.md lists the keys
    state/REBASE_CONFLICTS.md and its like          the conflicts, for an editor

Nothing has moved as long as one is under way: to give it up is to forget it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tract.compile.workspace import Workspace
from tract.curation.merge.conflict_file import Page, conflict_document, read_conflict_document
from tract.curation.merge.result import MergeResolution
from tract.curation.replay.run import Replay, Request, decide, prepare
from tract.errors import RefMovedError
from tract.history.replay_plan import Command
from tract.history.state import KEEPS, conflicts_name, read_conflicts, read_state, write_state, write_text
from tract.objects.id import ObjectId
from tract.refs.operations import shown
from tract.repo import Repository
from tract.revision import resolve_range
from tract.transaction import UNDER_WAY


def keep_replay(space: Workspace, request: Request, replay: Replay) -> None:
    """Write down a replay that waits for its user. The text first: without a state it means nothing."""
    plan = replay.plan
    write_text(space.repo, conflicts_name(request.command), conflict_document(_page(request.command, replay)))
    write_state(
        space.repo,
        request.command,
        {
            "branch": plan.branch,
            "old": shown(plan.old),
            "onto": shown(plan.onto),
            "request": {
                "revisions": list(request.revisions),
                "onto": request.onto,
                "mainline": request.mainline,
                "force": request.force,
            },
            "pinned": _pinned(space.repo, request),
            "decided": [
                {"commit": commit.hex(), "message": message.hex(), "taken": one.taken, "value": one.value}
                for (commit, message), one in replay.decisions.items()
            ],
            KEEPS: [id.hex() for id in (plan.old, plan.onto, *(step.source for step in plan.steps)) if id is not None],
        },
    )


def _pinned(repo: Repository, request: Request) -> dict[str, str]:
    """Where the refs that the revisions go by were, so that a later look finds the same commits."""
    found = {}
    for text in (*request.revisions, *((request.onto,) if request.onto else ())):
        wanted, hidden = resolve_range(repo, text)
        found[text] = "..".join(id.hex() for id in (hidden, wanted) if id is not None)
    return found


def replay_under_way(repo: Repository, command: Command) -> dict[str, Any]:
    """What is known of the *command* under way; RebaseError or CherryPickError when there is none."""
    state = read_state(repo, command)
    if state is None:
        raise UNDER_WAY[command](f"no {command} is under way in tract '{repo.tract}'")
    return state


def kept_replay(space: Workspace, command: Command) -> tuple[Request, Replay]:
    """The replay under way with what its user made of the conflicts; there may be new ones behind those.

    RefMovedError when the branch moved since; MergeConflictError where a conflict is left in the text.
    """
    state = replay_under_way(space.repo, command)
    branch, tip = space.repo.head()
    if branch != state["branch"] or shown(tip) != state["old"]:
        raise RefMovedError(state["branch"], state["old"], shown(tip) if branch == state["branch"] else branch)
    asked = state["request"]
    request = Request(command, tuple(asked["revisions"]), asked["onto"], asked["mainline"], asked["force"])
    pinned: Mapping[str, str] = state["pinned"]
    exact = Request(
        command,
        tuple(pinned[text] for text in request.revisions),
        None if request.onto is None else pinned[request.onto],
        request.mainline,
        request.force,
    )
    replay = prepare(space, exact, is_new=False)
    assert isinstance(replay, Replay), "what is up to date is never kept"
    decided = {
        (bytes.fromhex(one["commit"]), bytes.fromhex(one["message"])): MergeResolution(
            one["message"], one["taken"], one["value"], resolved_by="person"
        )
        for one in state["decided"]
    }
    replay = decide(space, replay, decided)
    text = read_conflicts(space.repo, command)
    made = read_conflict_document(_page(command, replay), text)
    return request, decide(space, replay, dict(zip(replay.conflicts, map(_taken, made), strict=True)))


def _taken(resolution: MergeResolution) -> MergeResolution:
    """An emptied section leaves what is there as it is: the change is dropped."""
    return resolution if resolution.value is not None else MergeResolution(resolution.commit_hash, "ours")


def landed_replay(repo: Repository, command: Command, state: Mapping[str, Any]) -> ObjectId | None:
    """Where the branch went when the replay was run already, by a process that died before it could say so."""
    branch, tip = repo.head()
    if branch is None or branch != state["branch"] or tip is None or shown(tip) == state["old"]:
        return None
    for _, operation in repo.refs.history():
        for change in operation.changes:
            if change.name == repo.prefix + branch:
                came = isinstance(change.old, bytes) and change.old.hex() == state["old"]
                return tip if came and operation.reason.startswith(f"{command}:") else None
    return None


def _page(command: Command, replay: Replay) -> Page:
    plan = replay.plan
    heading = {"rebase": "Rebase of", "cherry-pick": "Cherry-pick on", "revert": "Revert on"}[command]
    names: Sequence[tuple[str, str]] = [
        (one.request.ours_name, f"{'without ' if command == 'revert' else ''}{one.request.theirs_name}")
        for one in replay.conflicts.values()
    ]
    seed = f"{shown(plan.old)} {shown(plan.onto)} {len(replay.decisions)}"
    branch = plan.branch.removeprefix("refs/heads/")
    return Page(f"{heading} '{branch}'", seed, command, tuple(names), tuple(replay.conflicts.values()))
