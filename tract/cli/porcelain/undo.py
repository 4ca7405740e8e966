"""``tract undo``: take back what the last command did."""

from __future__ import annotations

from tract.cli.command import DONE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.rendering import SHORT
from tract.history.undo import UndoPlan, plan_undo, run_undo
from tract.objects.id import HEX_SIZE, is_hex
from tract.reflog import REDONE, UNDONE
from tract.refs.names import HEADS
from tract.transaction import check_idle


def run(console: Console, args: Args) -> int:
    with console.open_repository() as repo:
        plan = plan_undo(repo)
        if not args.dry_run:
            check_idle(repo)  # before anything is printed that then is not done
        if not args.json:
            _print(console, plan, dry_run=args.dry_run)
        if not args.dry_run:
            run_undo(repo, plan)
        if args.json:
            console.print_json(plan, dry_run=args.dry_run)
    return DONE


def _print(console: Console, plan: UndoPlan, *, dry_run: bool) -> None:
    """What is taken back and where every ref goes: before it is done."""
    verb = "redo" if plan.is_redo else "undo"
    console.line(
        f"would {verb}" if dry_run else verb,
        ": ",
        console.paint(plan.reason.removeprefix(UNDONE).removeprefix(REDONE), "bold"),
    )
    width = max(len(move.ref.removeprefix(HEADS)) for move in plan.moves)
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


COMMAND = Command(
    run,
    (
        Param("dry_run", ("--dry-run", "-n"), bool, help="Change nothing; print what would move."),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
HEAD and all branches, tags and notes of the tract go back to where they were before the last command, whatever it was: a commit, a reset, a merge, the deletion of a branch.
What moves is printed first.
An undo is such a command itself, so the next undo takes it back; 'tract reset main@{5}' goes further back.

  $ tract undo --dry-run
  $ tract undo
""",
)
