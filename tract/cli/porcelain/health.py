"""``tract health``: the composition of a context, and advice about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tract.agents.health import Health, health_lines
from tract.agents.subject import Advice
from tract.cli.command import DONE, NEGATIVE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.report.plain import to_plain

if TYPE_CHECKING:
    from tract.api.tract import Tract


def run(console: Console, args: Args) -> int:
    if (args.plan is not None) + (args.apply is not None) + (args.branch is not None) > 1:
        console.error("--plan, --apply and --branch exclude each other")
        return USAGE
    with console.open_tract() as tract:
        if args.plan is not None:
            return _plan(console, args, tract)
        found = tract.health(args.branch)
        if args.apply is not None:
            return _apply(console, args, tract, found)
    if args.json:
        console.print_json(as_json(found))
    else:
        for line in health_lines(found):
            console.line(line)
    return DONE


def as_json(found: Health) -> dict[str, object]:
    """The state as ``--json`` prints it."""
    plain = to_plain(found)
    assert isinstance(plain, dict)
    return dict(plain)


def _plan(console: Console, args: Args, tract: Tract) -> int:
    """Print the plan of the rule planner."""
    found = tract.plan(args.plan)
    if args.json:
        console.print_json(to_plain(found))
        return DONE
    for step in found.steps:
        console.line(str(step))
    console.line(f"{found.tokens_before:,} tokens to {found.tokens_after:,}")
    return DONE


def _apply(console: Console, args: Args, tract: Tract, found: Health) -> int:
    """Carry out an advice, or propose it."""
    from tract.agents.acting import act  # a look needs none of it
    from tract.agents.executor import own_autonomy
    from tract.agents.proposals import Wish

    advice = _numbered(found, args.apply)
    if advice is None:
        last = f"the last is {len(found.advice)}" if found.advice else "nothing is advised for this context"
        console.error(f"there is no advice {args.apply}: {last}")
        return USAGE
    acted = act(tract, Wish(advice.action, "health", advice.reason), own_autonomy(tract.repository))
    if args.json:
        console.print_json(to_plain(acted.result))
    elif acted.result.error is not None:
        console.error(acted.result.error)
    else:
        console.body(acted.result.text)
    return DONE if acted.result.success else NEGATIVE


def _numbered(found: Health, number: int) -> Advice | None:
    return next((one for one in found.advice if one.number == number), None)


COMMAND = Command(
    run,
    (
        Param("branch", ("--branch", "-b"), metavar="BRANCH", help="Look at this branch. Default: HEAD's."),
        Param("apply", ("--apply",), int, metavar="N", help="Carry out advice N, or propose it."),
        Param(
            "plan",
            ("--plan",),
            int,
            metavar="TOKENS",
            help="Show what the rule planner would do to bring the context down to so many tokens.",
        ),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
No model is asked.
Each advice says what it saves, how much of a provider's prompt cache it keeps, and after how many calls it has saved more than it cost.
'--apply' carries it out if the tract's autonomy allows that for its risk; otherwise it becomes a proposal.

  $ tract health
  $ tract health --apply 1
  $ tract health --plan 20000
""",
)
