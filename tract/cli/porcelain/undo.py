"""``tract undo``: undo the last commands."""

from __future__ import annotations

from collections.abc import Callable

from tract.cli.command import DONE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.rendering import SHORT
from tract.history.undo import UndoPlan, plan_undo, run_undo
from tract.objects.id import HEX_SIZE, is_hex
from tract.refs.names import HEADS
from tract.repo import Repository
from tract.transaction import check_idle


def run(console: Console, args: Args) -> int:
    return run_plan(console, args, plan_undo)


def run_plan(console: Console, args: Args, plan_of: Callable[[Repository, int], UndoPlan]) -> int:
    """Print and run the plan of *plan_of*."""
    with console.open_repository() as repo:
        plan = plan_of(repo, args.steps)
        if not args.dry_run:
            check_idle(repo)  # before anything is printed and then refused
        if not args.json:
            _print(console, plan, dry_run=args.dry_run)
        if not args.dry_run:
            run_undo(repo, plan)
        if args.json:
            console.print_json(plan, dry_run=args.dry_run)
    return DONE


def _print(console: Console, plan: UndoPlan, *, dry_run: bool) -> None:
    """Print what is undone and where every ref goes, before it is done."""
    verb = f"would {plan.direction}" if dry_run else plan.direction
    for reason in plan.reasons:
        console.line(verb, ": ", console.paint(reason, "bold"))
    width = max((len(move.ref.removeprefix(HEADS)) for move in plan.moves), default=0)
    for move in plan.moves:
        now, then = _shown(move.now, "none"), _shown(move.then, "deleted")
        console.line(
            f"  {move.ref.removeprefix(HEADS):<{width}}  ",
            console.paint(now, "yellow"),
            " -> ",
            console.paint(then, "yellow"),
        )


def _shown(value: str | None, nothing: str) -> str:
    if value is None:
        return nothing
    return value[:SHORT] if len(value) == HEX_SIZE and is_hex(value) else value.removeprefix(HEADS)


PARAMS = (
    Param("steps", (), int, 1, metavar="STEPS", help="How many commands."),
    Param("dry_run", ("--dry-run", "-n"), bool, help="Change nothing; print what would move."),
    Param("json", ("--json",), bool, help="Print a JSON document."),
)

COMMAND = Command(
    run,
    PARAMS,
    """
HEAD and the branches, tags and notes of the tract go back to where they were before the last command that changed the context of a branch, or which branches and tags exist: a commit, a pin, a reset, a merge, the deletion of a branch.
Everything that moves is printed.
Another undo goes further back, and 'tract redo' returns, until another command changes something.
Commands that only record usage, and gc, are passed over.

  $ tract undo --dry-run
  $ tract undo
  $ tract undo 3
""",
)
