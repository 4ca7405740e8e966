"""``tract tools``: the operations that a model may call; and a call, as a model makes it."""

from __future__ import annotations

from tract.agents.operation import PROFILES, Operation, Profile
from tract.agents.operation_table import operations
from tract.agents.schemas import TOOL_FORMATS, tool_definitions
from tract.cli.command import DONE, NEGATIVE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.report.plain import to_plain

_STYLES = {"read": "green", "low": "yellow", "high": "red"}


def run(console: Console, args: Args) -> int:
    if args.action == "call":
        return _call(console, args)
    if args.tool is not None:
        console.error("'tract tools list' takes no tool")
        return USAGE
    profile: Profile = args.profile or "full"
    if args.format is not None:
        console.print_json(tool_definitions(profile, args.format))
        return DONE
    for one in operations(profile):
        if args.json:
            console.print_json(as_json(one))
        else:
            _print(console, one)
    return DONE


def as_json(one: Operation) -> dict[str, object]:
    """An operation as ``--json`` prints it."""
    return {
        "name": one.name,
        "summary": one.summary,
        "risk": one.risk,
        "riskier": one.riskier or None,
        "profile": one.profile,
        "parameters": one.parameters,
    }


def _print(console: Console, one: Operation) -> None:
    risk = f"{one.risk}{'*' if one.riskier else ''}"
    console.line(
        f"{one.name:<13} ", console.paint(f"{risk:<5}", _STYLES[one.risk]), f" {one.profile:<10} ", one.summary
    )
    if one.riskier:
        console.line(" " * 14, console.paint(f"* high: {one.riskier}", "dim"))


def _call(console: Console, args: Args) -> int:
    from tract.agents.executor import ToolExecutor  # a list does without

    if args.tool is None or args.format is not None:
        console.error("'tract tools call' takes a tool and its arguments as JSON, and no --format")
        return USAGE
    given = console.read_stdin() if args.arguments == "-" else args.arguments
    with console.open_tract() as tract:
        executor = ToolExecutor(tract, profile=args.profile or "self", autonomy=args.autonomy)
        result = executor.execute(args.tool, given, reason=args.reason or "")
    if args.json:
        console.print_json(to_plain(result))
    elif result.success:
        console.body(result.output)
    else:
        console.error(result.output)
    return DONE if result.success else NEGATIVE


COMMAND = Command(
    run,
    (
        Param("action", metavar="ACTION", choices=("list", "call"), help="What to do; without it, list."),
        Param("tool", metavar="TOOL", help="The tool to call."),
        Param("arguments", metavar="JSON", help="Its arguments, a JSON object; - reads it from the standard input."),
        Param(
            "profile",
            ("--profile",),
            choices=PROFILES,
            help="List or allow only the tools of this profile. Default: full for list, self for call.",
        ),
        Param("format", ("--format",), choices=TOOL_FORMATS, help="Print the definitions that this provider takes."),
        Param(
            "autonomy",
            ("--autonomy",),
            choices=("manual", "collaborative", "autonomous"),
            help="Propose actions that this autonomy does not allow; it can only lower the tract's own.",
        ),
        Param("reason", ("--reason",), metavar="TEXT", help="The reason, for the person who approves the proposal."),
        Param("json", ("--json",), bool, help="Print JSON: one line for each operation, or the result of the call."),
    ),
    """
With these tools a model manages its own context. Each has a risk: read changes nothing; low is easy to take back; high is proposed first, unless the tract's autonomy is autonomous.
'call' runs one exactly as a model's call is run: checked, limited to the profile, and proposed if it needs approval.
The exit status is 1 if the model would be told of an error.

  $ tract tools --profile self
  $ tract tools --format anthropic --profile supervisor
  $ tract tools call show '{"target": 4}'
  $ tract tools call annotate '{"target": [4, 5], "priority": "skip"}'
""",
)
