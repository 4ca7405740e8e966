"""Merges, rebases, cherry-picks and reverts under way: continued or aborted, from any process.

A command under way has moved nothing: its conflicts lie in a text for an editor until they are resolved.
"""

from __future__ import annotations

from typing import Any, cast

from tract.compile.workspace import Moving, Workspace
from tract.curation.merge.land import land_merge
from tract.curation.merge.resolve import choose_resolver
from tract.curation.merge.result import MergeResult
from tract.curation.merge.store import STATE as MERGE
from tract.curation.merge.store import MergeState, kept_merge, landed_merge, merge_state
from tract.curation.replay.land import land_or_keep
from tract.curation.replay.result import ReplayResult
from tract.curation.replay.store import ReplayState, kept_replay, landed_replay, replay_state
from tract.dataclass import dataclass
from tract.errors import ContentValidationError, MergeError, ObjectCorruptError
from tract.history.replay_plan import Command
from tract.history.state import conflicts_path, end_state, states
from tract.objects.id import ObjectId
from tract.objects.model import shown
from tract.repo import Repository
from tract.transaction import UNDER_WAY


@dataclass(frozen=True, slots=True)
class CommandUnderWay:
    """A merge, rebase, cherry-pick or revert that waits until its conflicts are resolved.

    *file* has its conflicts. *commit_hash* is set if its process died after the commit was made: then only the state is left to remove.
    *problem* says why its state cannot be read; such a command can only be aborted.
    """

    command: str
    file: str
    commit_hash: str | None = None
    problem: str | None = None


def command_under_way(space: Workspace, command: str | None = None) -> CommandUnderWay | None:
    """The command that waits for its user, or *command* if that waits; None if there is none."""
    repo = space.repo
    name = next((one for one in states(repo) if one in UNDER_WAY and command in (None, one)), None)
    if name is None:
        return None
    file = conflicts_path(repo, name)
    try:
        state = _state(repo, name)
        return CommandUnderWay(name, file, shown(_landed(repo, state)))
    except ObjectCorruptError as exc:
        return CommandUnderWay(name, file, problem=str(exc))


def continue_command(
    moving: Moving, resolver: Any = None, command: str | None = None
) -> MergeResult | ReplayResult | CommandUnderWay:
    """Continue the command under way, with the resolutions in its text, and *resolver*'s for the conflicts left.

    A command that landed already is only ended, and returned.
    MergeError, or the error of *command*, if none is under way; MergeConflictError if a conflict is left; RefMovedError if the branch moved since.
    """
    asked = choose_resolver(resolver, None, "auto")
    with moving("go on with a command") as (space, _):
        found = _found(space, command)
        if found.commit_hash is not None:
            end_state(space.repo, found.command)
            return found
        state = _state(space.repo, found.command)
        done: MergeResult | ReplayResult
        if isinstance(state, MergeState):
            done = land_merge(space, kept_merge(space, state, asked))
        else:
            done = land_or_keep(space, state.request, kept_replay(space, state, asked))
            if not done.is_done:
                return done
        end_state(space.repo, found.command)
        return done


def abort_command(space: Workspace, command: str | None = None) -> CommandUnderWay:
    """Abort the command under way, damaged or not, and return it as it was; its error if none is under way."""
    found = _found(space, command)
    end_state(space.repo, found.command)
    return found


def _found(space: Workspace, command: str | None) -> CommandUnderWay:
    if command is not None and (not isinstance(command, str) or command not in UNDER_WAY):
        raise ContentValidationError(f"command must be one of {', '.join(UNDER_WAY)}, not {command!r:.40}")
    found = command_under_way(space, command)
    if found is None:
        error = MergeError if command is None else UNDER_WAY[command]
        raise error(f"no {command or 'command'} is under way in tract '{space.repo.tract}'")
    return found


def _state(repo: Repository, name: str) -> MergeState | ReplayState:
    state = merge_state(repo) if name == MERGE else replay_state(repo, cast("Command", name))
    if state is None:  # another process ended it just now
        raise UNDER_WAY[name](f"no {name} is under way in tract '{repo.tract}'")
    return state


def _landed(repo: Repository, state: MergeState | ReplayState) -> ObjectId | None:
    return landed_merge(repo, state) if isinstance(state, MergeState) else landed_replay(repo, state)
