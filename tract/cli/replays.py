"""The common part of ``merge``, ``rebase``, ``cherry-pick`` and ``revert``: continuing and aborting them; and the report of the last three."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tract.api.tract import Tract
from tract.cli.command import DONE, FATAL, NEGATIVE, USAGE, Args, Param
from tract.cli.console import Console
from tract.cli.refs import commit_text
from tract.cli.rendering import SHORT
from tract.errors import MergeConflictError, RefMovedError
from tract.objects.id import ObjectId
from tract.report.plain import to_plain

if TYPE_CHECKING:
    from tract.curation.replay.result import ReplayResult
    from tract.curation.under_way import CommandUnderWay
    from tract.history.replay_plan import Command


def options(command: Command) -> tuple[Param, ...]:
    """The options that the three commands share."""
    return (
        Param(
            "force",
            ("--force",),
            bool,
            help="Leave out edits whose message is missing, and allow tool calls to be separated from their results.",
        ),
        Param(
            "dry_run",
            ("--dry-run", "-n"),
            bool,
            help="Change nothing; say what would be done. The exit status is 1 if you would have to decide something first.",
        ),
        Param(
            "go_on",
            ("--continue",),
            bool,
            help=f"Go on with the {command} under way, with the conflicts as you resolved them.",
        ),
        Param("abort", ("--abort",), bool, help=f"Give up the {command} under way; it has changed nothing."),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    )


def run_replay_command(
    console: Console, args: Args, command: Command, is_asked: bool, replay: Callable[[Tract], ReplayResult]
) -> int:
    """Begin the requested *replay*, or continue or abort the one under way, as *args* say; return the exit status."""
    if sum((is_asked, args.go_on, args.abort)) != 1:
        console.error(f"give either what to {command}, or --continue, or --abort")
        return USAGE
    with console.open_tract() as tract:
        if args.abort:
            return abort_command(console, tract, args, command)
        if args.go_on:
            return continue_command(console, tract, args, command, lambda done: _report(console, args, command, done))
        return _report(console, args, command, replay(tract))


def continue_command(console: Console, tract: Tract, args: Args, command: str, report: Callable[[Any], int]) -> int:
    """Continue the *command* under way, and let *report* print the result."""
    try:
        done = tract.continue_command(command=command)
    except MergeConflictError as exc:
        file = _file(tract)
        if args.json:
            console.print_json({"is_done": False, "problem": str(exc), "file": file})
        console.error(str(exc))
        console.hint(f"edit '{file}', then run 'tract {command} --continue'")
        return NEGATIVE
    except RefMovedError as exc:
        console.error(str(exc))
        console.hint(
            f"'tract {command} --abort' gives it up, to begin it anew; copy what you need of '{_file(tract)}' first"
        )
        return FATAL
    from tract.curation.under_way import CommandUnderWay  # most commands end at once

    if not isinstance(done, CommandUnderWay):
        return report(done)
    _print_ended(console, args, done)
    return DONE


def abort_command(console: Console, tract: Tract, args: Args, command: str) -> int:
    """Abort the *command* under way."""
    _print_ended(console, args, tract.abort_command(command=command))
    return DONE


def _file(tract: Tract) -> str | None:
    """The file with the conflicts of the command under way."""
    waiting = tract.command_under_way()
    return None if waiting is None else waiting.file


def _print_ended(console: Console, args: Args, ended: CommandUnderWay) -> None:
    if args.json:
        console.print_json(to_plain(ended))
    if ended.problem is not None:
        console.note(f"The {ended.command} is given up; its state was damaged: {ended.problem}")
    elif ended.commit_hash is not None:
        console.note(f"The {ended.command} was done already: {ended.commit_hash[:SHORT]}; 'tract undo' takes it back")
    else:
        console.note(f"The {ended.command} is given up; nothing was changed")


def _report(console: Console, args: Args, command: Command, result: ReplayResult) -> int:
    """Print the result of a replay, done, planned or waiting; return the exit status."""
    losses = result.losses
    if args.json:
        console.print_json(to_plain(result))
        return NEGATIVE if losses else DONE
    for loss in losses:
        id = console.paint(loss.commit_hash[:SHORT], "yellow")
        console.line(console.paint("CONFLICT", "red"), ": commit ", id, ": ", loss.detail)
    if result.file is not None:
        console.line(f"Nothing was changed yet: resolve the conflicts in '{result.file}'")
        console.hint(f"then 'tract {command} --continue' goes on; 'tract {command} --abort' gives it up")
        return NEGATIVE
    if losses:
        console.line(f"Would stop here: the {command} needs a decision")
        return NEGATIVE
    with console.open_workspace() as space:
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
    from tract.curation.replay.result import RebaseResult  # a merge has none

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
