"""``tract usage``: the tokens that providers counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console, one_line, text_width
from tract.cli.workspace import looking_workspace
from tract.compile.workspace import Workspace
from tract.dataclass import replace
from tract.repo import Repository
from tract.report.spending import UsageReport, UsageRow, usage_of_tracts, usage_report
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
    several = args.family or args.all_tracts
    if several and args.branch is not None:
        console.error("--branch is about one tract, --family and --all-tracts are about several")
        return USAGE
    by = _groups(args.by, ("tract", "model") if several else GROUPINGS)
    with console.open_repository() as repo:
        if several:
            from tract.report.tracts import list_tracts, spenders  # most ask about one tract

            names = spenders(list_tracts(repo), repo.tract if args.family else None)
            spaces = (_workspace(console, repo, name) for name in names)
            report = usage_of_tracts(spaces, since=args.since, until=args.until, by=by)
        else:
            space = looking_workspace(repo, console.warn)
            report = usage_report(space, branch=args.branch, since=args.since, until=args.until, by=by)
        costs = [row.cost(repo.config) for row in (*report.rows, report.total)] if several else []
    if args.json:
        console.print_json(report, by=by, **({"costs": costs} if several else {}))
    elif report.total.calls:
        _print_table(console, report, [name for name in ("day", "tract", "branch", "model") if name in by], costs)
    else:
        console.line("no usage recorded")
    return DONE


def _groups(text: str | None, default: tuple[str, ...]) -> tuple[str, ...]:
    return default if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


@contextmanager
def _workspace(console: Console, repo: Repository, name: str) -> Iterator[Workspace]:
    from tract.history.tracts import in_tract, settings_in

    inside = in_tract(repo, name)
    yield looking_workspace(replace(inside, config=settings_in(inside)), console.warn)


def _record(console: Console, args: Args) -> int:
    if (
        args.family
        or args.all_tracts
        or args.branch is not None
        or args.since is not None
        or args.until is not None
        or args.by is not None
    ):
        console.error("--record goes with --at and --json only")
        return USAGE
    from tract.cli.inputs import read_json

    usage = read_json(args.record, "--record")
    with console.open_tract() as tract:
        context = tract.record_usage(usage, head_hash=args.at)
        count, source = context.token_count, context.token_source
    if args.json:
        console.print_json({"token_count": count, "token_source": source})
    else:
        console.line(f"{count} tokens ({source})")
    return DONE


def _print_table(console: Console, report: UsageReport, names: list[str], costs: Sequence[float]) -> None:
    rows = [_cells(row, names) for row in report.rows]
    label = ["total"] + [""] * (len(names) - 1) if names else []
    total = [*label, *_cells(report.total, [])]
    lines = [[*names, *_TITLES], *(rows if names else []), total]
    if costs:
        shown = costs if names else costs[-1:]
        lines = [[*line, cost] for line, cost in zip(lines, ["cost", *(f"{one:.0f}" for one in shown)], strict=True)]
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
            help="What to group by, separated by commas: tract, model, branch, day. Default: model, branch and day, or of several tracts tract and model; '' prints only the total.",
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
        Param(
            "family",
            ("--family",),
            bool,
            help="Count the calls of this tract and of all tracts spawned from it, directly or not.",
        ),
        Param("all_tracts", ("--all-tracts",), bool, help="Count the calls of all tracts of the store."),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
Each recorded usage counts as one call.
Input tokens include those read from a cache and written to it. Days are in UTC. A dash means that something is not known.
A call belongs to the branch that has its commit; if several have it, to the default branch.
Calls that a child inherited count in its parent. With --family and --all-tracts the cost is printed too: at the prices of the settings, in uncached input tokens.

  $ tract usage
  $ tract usage --by model --since 2026-01-01 --json
  $ tract usage --family --by tract
  $ tract usage --record '{"input_tokens": 1234, "output_tokens": 56}'
""",
    pages=True,
)
