"""What ``rebase``, ``cherry-pick`` and ``revert`` have in common: begin, wait for the user, go on, give up, report."""

from __future__ import annotations

from typing import Any

from tract.cli.command import DONE, FATAL, NEGATIVE, USAGE, Args, Param
from tract.cli.console import Console
from tract.cli.refs import commit_text
from tract.cli.rendering import SHORT
from tract.cli.under_way import print_given_up, print_left
from tract.compile.workspace import Workspace
from tract.curation.replay.result import RebaseResult, ReplayResult
from tract.curation.replay.run import Replay, Request, check_safe, land_fast_forward, land_replay, prepare
from tract.curation.replay.store import (
    keep_replay,
    kept_replay,
    landed_replay,
    replay_under_way,
)
from tract.errors import MergeConflictError, ObjectCorruptError, RefMovedError
from tract.history.replay_plan import Command
from tract.history.state import conflicts_path, end_state
from tract.objects.id import ObjectId


def options(command: Command) -> tuple[Param, ...]:
    """The options that the three commands share."""
    return (
        Param(
            "force",
            ("--force",),
            bool,
            help="Leave out edits of what is not there, and let tool calls and their results be torn apart.",
        ),
        Param(
            "dry_run",
            ("--dry-run", "-n"),
            bool,
            help="Change nothing; say what would be done. The exit status is 1 if somebody had to decide first.",
        ),
        Param(
            "go_on",
            ("--continue",),
            bool,
            help=f"Go on with the {command} under way, with the conflicts as you resolved them.",
        ),
        Param("abort", ("--abort",), bool, help=f"Give up the {command} under way; nothing was changed by it."),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    )


def run_replay_command(console: Console, args: Args, request: Request) -> int:
    """Begin what *request* asks for, or go on with it, or give it up, as *args* say; the exit status."""
    command = request.command
    if sum((bool(request.revisions), args.go_on, args.abort)) != 1:
        console.error(f"give what to {command}, or --continue, or --abort: one of them")
        return USAGE
    with console.open_workspace() as space:
        if args.abort:
            return _abort(console, space, args, command)
        if args.go_on:
            return _continue(console, space, args, command)
        replay = prepare(space, request)
        if isinstance(replay, RebaseResult):
            return _report(console, space, args, replay if args.dry_run else land_fast_forward(space, replay))
        return _go(console, space, args, request, replay)


def _go(console: Console, space: Workspace, args: Args, request: Request, replay: Replay) -> int:
    """Run the replay, or where somebody has to decide first, write down what about."""
    undecided = len(replay.conflicts)
    if args.dry_run:
        if replay.plan.losses and not args.json:
            _print_losses(console, replay)
            console.line(f"Would stop here: the {request.command} needs somebody to decide")
            return NEGATIVE
        _report(console, space, args, land_replay(space, replay, dry_run=True))
        return NEGATIVE if replay.plan.losses else DONE
    if undecided < len(replay.plan.losses):
        check_safe(replay)  # what no content can settle
    if undecided:
        keep_replay(space, request, replay)
        return _print_conflicts(console, space, args, request.command, replay)
    done = land_replay(space, replay)
    end_state(space.repo, request.command)
    return _report(console, space, args, done)


def _continue(console: Console, space: Workspace, args: Args, command: Command) -> int:
    landed = landed_replay(space.repo, command, replay_under_way(space.repo, command))
    if landed is not None:
        end_state(space.repo, command)
        print_given_up(console, args, landed)
        console.note(f"The {command} was done already: {landed.hex()[:SHORT]}")
        return DONE
    path = conflicts_path(space.repo, command)
    try:
        request, replay = kept_replay(space, command)
    except MergeConflictError as exc:
        print_left(console, args, exc, path)
        console.error(str(exc))
        console.hint(f"edit '{path}', then run 'tract {command} --continue'")
        return NEGATIVE
    except RefMovedError as exc:
        console.error(str(exc))
        console.hint(f"'tract {command} --abort' gives it up, to begin it anew; copy what you need of '{path}' first")
        return FATAL
    return _go(console, space, args, request, replay)


def _abort(console: Console, space: Workspace, args: Args, command: Command) -> int:
    try:
        landed = landed_replay(space.repo, command, replay_under_way(space.repo, command))
    except ObjectCorruptError as exc:
        end_state(space.repo, command)  # what cannot be gone on with can still be given up
        print_given_up(console, args, None)
        console.note(f"The {command} is given up; what was known of it was damaged: {exc}")
        return DONE
    end_state(space.repo, command)
    print_given_up(console, args, landed)
    if landed is None:
        console.note(f"The {command} is given up; nothing was changed")
    else:
        console.note(f"The {command} was done already: {landed.hex()[:SHORT]}; 'tract undo' takes it back")
    return DONE


def _print_conflicts(console: Console, space: Workspace, args: Args, command: Command, replay: Replay) -> int:
    path = conflicts_path(space.repo, command)
    if args.json:
        planned = _value(land_replay(space, replay, dry_run=True))
        console.print_json({**planned, "file": path, "unresolved": [message.hex() for _, message in replay.conflicts]})
        return NEGATIVE
    _print_losses(console, replay)
    console.line(f"Nothing was changed yet: resolve the conflicts in '{path}'")
    console.hint(f"then 'tract {command} --continue' goes on; 'tract {command} --abort' gives it up")
    return NEGATIVE


def _print_losses(console: Console, replay: Replay) -> None:
    for concern in replay.plan.losses:
        id = console.paint(concern.commit.hex()[:SHORT], "yellow")
        console.line(console.paint("CONFLICT", "red"), ": commit ", id, ": ", concern.detail)


def _report(console: Console, space: Workspace, args: Args, result: ReplayResult) -> int:
    if args.json:
        console.print_json(_value(result))
        return DONE
    for one in result.replayed:
        sign = "" if one.commit_hash is None else f" -> {one.commit_hash[:SHORT]}"
        text = commit_text(console, space, ObjectId.fromhex(one.source_hash), len(sign))
        console.line(text[:SHORT], sign, text[SHORT:])
    for dropped in result.dropped:
        console.line(dropped.source_hash[:SHORT], console.paint(f" left out: {dropped.reason}", "dim"))
    for warning in result.warnings:
        console.warn(f"{warning.commit_hash[:SHORT]}: {warning.detail}")
    console.line(_last_line(result))
    return DONE


def _last_line(result: ReplayResult) -> str:
    short = (result.new_head or "")[:SHORT]
    if isinstance(result, RebaseResult):
        if result.is_up_to_date:
            return f"Branch '{result.branch}' is up to date"
        if result.is_fast_forward:
            verb = "moved on" if result.is_done else "would move on"
            return f"Branch '{result.branch}' {verb} to {short}"
    count = f"{len(result.replayed)} commit{'' if len(result.replayed) == 1 else 's'}"
    if not result.is_done:
        return f"Would make {count} on branch '{result.branch}', on {(result.onto_hash or 'nothing')[:SHORT]}"
    return f"Branch '{result.branch}' is at {short}: {count} made"


def _value(result: ReplayResult) -> dict[str, Any]:
    return {
        "branch": result.branch,
        "old": result.old_head,
        "new": result.new_head,
        "onto": result.onto_hash,
        "done": result.is_done,
        "fast_forward": isinstance(result, RebaseResult) and result.is_fast_forward,
        "replayed": [{"source": one.source_hash, "commit": one.commit_hash} for one in result.replayed],
        "dropped": [{"source": one.source_hash, "reason": one.reason} for one in result.dropped],
        "warnings": [
            {"kind": one.kind, "commit": one.commit_hash, "message": one.message_hash, "detail": one.detail}
            for one in result.warnings
        ],
    }
