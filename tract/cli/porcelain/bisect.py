"""``tract bisect``: find the first commit with a bad context."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from tract.api.tract import Tract
from tract.cli.command import DONE, FATAL, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.porcelain.show import show_commit
from tract.cli.rendering import SHORT, Line, print_one_line, read_line
from tract.cli.workspace import LookingWorkspace
from tract.compile.workspace import context_commit
from tract.errors import BisectError, ObjectCorruptError
from tract.history.bisect import (
    Bisection,
    BisectStep,
    Verdict,
    clear_bisection,
    next_step,
    read_bisection,
    write_bisection,
)
from tract.history.collapse import collapse_told_by
from tract.history.spawn import name_now
from tract.objects.id import ObjectId
from tract.repo import Repository
from tract.report.plain import to_plain

_ACTIONS = ("start", "good", "bad", "skip", "reset", "run", "log", "next")
_SKIP = 125
_NO_VERDICT = 126
"""From this status on, the command could not be run, or was killed: no verdict on the context."""


def run(console: Console, args: Args) -> int:
    problem = _problem(args)
    if problem is not None:
        console.error(problem)
        return USAGE
    if args.action == "run":
        return _run_command(console, args)
    with console.open_workspace() as space:
        match args.action:
            case "start":
                return _start(console, space, args)
            case "reset":
                return _reset(console, space.repo, args)
            case "log":
                return _print_log(console, space, args)
            case "next":
                return _report(console, space, _under_way(space.repo), args)
            case _:
                return _mark(console, space, args)


def _problem(args: Args) -> str | None:
    given = len(args.arguments)
    if args.action in ("reset", "log", "next") and given:
        return f"'tract bisect {args.action}' takes no argument"
    if args.action == "bad" and given > 1:
        return "only one commit can be the bad one; give one revision"
    if args.action == "run" and not given:
        return "'tract bisect run' needs a command"
    return None


def _reset(console: Console, repo: Repository, args: Args) -> int:
    try:
        if read_bisection(repo) is None:
            console.note("no bisection is under way")
    except ObjectCorruptError as exc:
        console.note(f"the state of the bisection was damaged: {exc}")
    clear_bisection(repo)
    if args.json:
        console.print_json(_value(Bisection(), None))
    return DONE


def _under_way(repo: Repository) -> Bisection:
    known = read_bisection(repo)
    if known is None:
        raise BisectError("no bisection is under way")
    return known


def _start(console: Console, space: LookingWorkspace, args: Args) -> int:
    """Start again, with the bad commit and the good ones that are given."""
    known = Bisection()
    for number, name in enumerate(args.arguments):
        known = known.marked("good" if number else "bad", context_commit(space.repo, name))
    return _go_on(console, space, known, args)


def _mark(console: Console, space: LookingWorkspace, args: Args) -> int:
    """Record verdicts: on the given revisions, else on the commit to be tested, else on HEAD."""
    repo = space.repo
    known = read_bisection(repo) or Bisection()
    verdict: Verdict = args.action
    commits = [context_commit(repo, name) for name in args.arguments]
    step = None
    if not commits and known.bad is not None and known.good:
        step = next_step(repo, known)
        commits = [step.commit]
    for commit in commits or [context_commit(repo, "HEAD")]:
        known = known.marked(verdict, commit, step)
    return _go_on(console, space, known, args)


def _go_on(console: Console, space: LookingWorkspace, known: Bisection, args: Args) -> int:
    """Store the verdicts, and print the next step."""
    try:
        return _report(console, space, known, args)
    except BisectError as exc:
        if not exc.candidates:
            known = read_bisection(space.repo) or Bisection()  # contradicting verdicts are not stored
        raise
    finally:
        write_bisection(space.repo, known)


def _report(console: Console, space: LookingWorkspace, known: Bisection, args: Args) -> int:
    if known.bad is None or not known.good:
        missing = [what for what, given in (("a bad commit", known.bad), ("a good commit", known.good)) if not given]
        if args.json:
            console.print_json(_value(known, None))
        else:
            console.line(f"waiting for {' and '.join(missing)}")
        return DONE
    step = next_step(space.repo, known)
    if args.json:
        console.print_json(_value(known, step))
    elif step.is_found:
        _print_found(console, space, step.commit, args)
    else:
        _print_next(console, space, step)
    return DONE


def _print_found(console: Console, space: LookingWorkspace, id: ObjectId, args: Args) -> None:
    console.line(console.paint(id.hex(), "yellow"), " is the first bad commit")
    show_commit(console, space, id)
    collapse = collapse_told_by(space.repo, id)
    if collapse is None:
        return
    child = name_now(space.repo, collapse.spawn)
    if child is None:
        console.hint(
            f"it stands for the work of tract '{collapse.child}', which is not in this store: 'tract show' lists its messages"
        )
        return
    ends = f"{collapse.head.hex()[:SHORT]} {collapse.spawn.hex()[:SHORT]}"
    inside = f"tract --tract {shlex.quote(child)} bisect"
    console.hint(f"'{inside} start {ends}' continues the search in the child")
    if args.action == "run":
        console.hint(f"and '{inside} run {shlex.join(args.arguments)}' tests there")


def _print_next(console: Console, space: LookingWorkspace, step: BisectStep) -> None:
    short = step.commit.hex()[:SHORT]
    commits = f"{step.left} commit{'' if step.left == 1 else 's'}"
    steps = f"{step.tests} step{'' if step.tests == 1 else 's'}"
    if step.is_base:
        console.line(
            "bisecting: a good commit is not an ancestor of the bad one; the commit where they parted must be tested first"
        )
    else:
        console.line(f"bisecting: {commits} left to test after this (roughly {steps})")
    print_one_line(console, read_line(space, step.commit), None)
    console.line(
        f"see 'tract compile --at {short}', then say 'tract bisect good', 'bad' or 'skip'; HEAD stays where it is"
    )


def _value(known: Bisection, step: BisectStep | None) -> dict[str, Any]:
    """The state of the search, for machines."""
    is_next = step is not None and not step.is_found
    return {
        "bad": None if known.bad is None else known.bad.hex(),
        "good": [id.hex() for id in known.good],
        "skipped": [id.hex() for id in known.skipped],
        "next": step.commit.hex() if step is not None and is_next else None,
        "left": step.left if step is not None and is_next else None,
        "steps": step.tests if step is not None and is_next else None,
        "first_bad": step.commit.hex() if step is not None and step.is_found else None,
    }


def _print_log(console: Console, space: LookingWorkspace, args: Args) -> int:
    """Print the verdicts so far, as commands that repeat them."""
    known = _under_way(space.repo)
    if args.json:
        for verdict, id in known.verdicts:
            console.print_json({"verdict": verdict, "commit": id.hex()})
        return DONE
    console.line("tract bisect start")
    for verdict, id in known.verdicts:
        line: Line = read_line(space, id)
        print_one_line(console, line, None, "# ")
        console.line(f"tract bisect {verdict} {id.hex()}")
    return DONE


def _run_command(console: Console, args: Args) -> int:
    """Let a command judge commits one by one, until the first bad one is found."""
    with console.open_tract() as tract:
        while True:
            with console.open_workspace() as space:
                known = _under_way(space.repo)
                step = next_step(space.repo, known)
                if step.is_found:
                    return _report(console, space, known, args)
                if not args.json:
                    print_one_line(console, read_line(space, step.commit), None, "testing ")
                    console.flush()
            status = _judge(console, tract, step.commit.hex(), args.arguments, quiet=args.json)
            if status >= _NO_VERDICT or status < 0:
                how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
                console.error(f"'{args.arguments[0]}' {how}, which says nothing about commit {step.commit.hex()[:16]}")
                console.hint("'tract bisect run' goes on from here, 'tract bisect reset' ends the search")
                return FATAL
            verdict: Verdict = "good" if status == 0 else "skip" if status == _SKIP else "bad"
            with console.open_repository() as repo:
                write_bisection(repo, _under_way(repo).marked(verdict, step.commit, step))


def _judge(console: Console, tract: Tract, commit: str, command: Sequence[str], *, quiet: bool) -> int:
    """The exit status of *command*, which gets the context at *commit* on its standard input."""
    context = tract.compile(at_commit=commit)
    value = {**to_plain(context), "commit_hash": commit, "format": "openai", "context": context.to_openai()}
    done = subprocess.run(
        command,
        input=json.dumps(value).encode() + b"\n",
        cwd=console.folder,
        env={**os.environ, **console.environ, "TRACT_BISECT_COMMIT": commit},
        # A program that reads our JSON should not find the command's output in it.
        stdout=sys.stderr.fileno() if quiet else None,
        check=False,
    )
    return done.returncode


COMMAND = Command(
    run,
    (
        Param(
            "action",
            metavar="ACTION",
            required=True,
            choices=_ACTIONS,
            help="start [BAD [GOOD...]]; good, bad or skip [REVISION...]; next; run COMMAND...; log; reset.",
        ),
        Param("arguments", many=True, metavar="ARGUMENT", verbatim=("run",), help="Revisions, or the command to run."),
        Param(
            "json",
            ("--json",),
            bool,
            help="Print a JSON document, for 'log' one for each line. With 'run', give it before the command.",
        ),
    ),
    """
Searches by halves: between a bad commit and good ones it names a commit to test, until the first bad one is found.
HEAD does not move. Look at the named commit with 'tract compile --at', then run 'tract bisect' with good, bad or skip; without a revision these mean the commit that was named last.

'run' lets a command decide: it reads the context, as 'tract compile --json' prints it, from its standard input, and the commit's id from TRACT_BISECT_COMMIT.
Its exit status is 0 for a good context, 1 to 124 for a bad one, 125 if it cannot tell. 126 and more stop the search; the next 'run' continues it.

  $ tract bisect start HEAD main~80
  $ tract bisect run sh -c '! grep -q "40 bar"'
  $ tract bisect log
  $ tract bisect reset
""",
)
