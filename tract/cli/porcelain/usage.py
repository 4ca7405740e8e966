"""``tract usage``: the tokens that providers counted."""

from __future__ import annotations

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console, one_line, text_width
from tract.cli.inputs import read_json
from tract.report.spending import UsageReport, UsageRow, usage_report
from tract.tokens.usage import GROUPINGS

_COLUMNS = ("calls", "input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
_TITLES = ("calls", "in", "out", "cache read", "cache written")
_WIDEST = 40


def run(console: Console, args: Args) -> int:
    if args.record is not None:
        return _record(console, args)
    if args.at is not None:
        console.error("--at goes with --record")
        return USAGE
    by = tuple(name.strip() for name in args.by.split(",") if name.strip()) if args.by is not None else GROUPINGS
    with console.open_workspace() as space:
        report = usage_report(space, branch=args.branch, since=args.since, until=args.until, by=by)
    if args.json:
        console.print_json(report, by=by)
    elif report.total.calls:
        _print_table(console, report, [name for name in ("day", "branch", "model") if name in by])
    else:
        console.line("no usage recorded")
    return DONE


def _record(console: Console, args: Args) -> int:
    if args.branch is not None or args.since is not None or args.until is not None or args.by is not None:
        console.error("--record goes with --at and --json only")
        return USAGE
    usage = read_json(args.record, "--record")
    with console.open_tract() as tract:
        context = tract.record_usage(usage, head_hash=args.at)
        count, source = context.token_count, context.token_source
    if args.json:
        console.print_json({"token_count": count, "token_source": source})
    else:
        console.line(f"{count} tokens ({source})")
    return DONE


def _print_table(console: Console, report: UsageReport, names: list[str]) -> None:
    rows = [_cells(row, names) for row in report.rows]
    label = ["total"] + [""] * (len(names) - 1) if names else []
    total = [*label, *_cells(report.total, [])]
    lines = [[*names, *_TITLES], *(rows if names else []), total]
    widths = [max(text_width(line[at]) for line in lines) for at in range(len(lines[0]))]
    for number, line in enumerate(lines):
        cells = [
            cell + " " * (width - text_width(cell)) if at < len(names) else " " * (width - text_width(cell)) + cell
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text = "  ".join(cells).rstrip()
        edge = number == 0 or (number == len(lines) - 1 and number > 1)
        console.line(console.paint(text, "bold") if edge else text)


def _cells(row: UsageRow, names: list[str]) -> list[str]:
    known = [getattr(row, name) for name in names]
    groups = ["-" if value is None else one_line(str(value), _WIDEST) for value in known]
    return [*groups, *(str(getattr(row, name)) for name in _COLUMNS)]


COMMAND = Command(
    run,
    (
        Param("branch", ("--branch", "-b"), metavar="BRANCH", help="Count only calls in the history of this branch."),
        Param(
            "since",
            ("--since",),
            metavar="TIME",
            help="Count only calls at or after this time: 2026-01-31, '2026-01-31 12:00', yesterday, '2 hours ago'. A time without a zone is local.",
        ),
        Param("until", ("--until",), metavar="TIME", help="Count only calls before this time."),
        Param(
            "by",
            ("--by",),
            metavar="WHAT",
            help="What to group by, separated by commas: model, branch, day. Default: all three; '' prints only the total.",
        ),
        Param(
            "record",
            ("--record",),
            metavar="JSON",
            help="Record the usage that a provider reported for the context it received.",
        ),
        Param(
            "at",
            ("--at",),
            metavar="REVISION",
            help="With --record: the commit whose context the provider received. Default: HEAD.",
        ),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
Each recorded usage counts as one call.
Input tokens include those read from a cache and written to it. Days are in UTC. A dash means that something is not known.
A call belongs to the branch that has its commit; if several have it, to the default branch.

  $ tract usage
  $ tract usage --by model --since 2026-01-01 --json
  $ tract usage --record '{"input_tokens": 1234, "output_tokens": 56}'
""",
    pages=True,
)
