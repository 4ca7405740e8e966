"""``tract log``: the history."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console, Painted, one_line
from tract.cli.graph import Graph
from tract.cli.ranges import NOT, turned
from tract.cli.rendering import (
    Line,
    date_text,
    names_by_commit,
    paint_marks,
    paint_names,
    paint_role,
    print_line_json,
    print_one_line,
    read_line,
    tokens_text,
)
from tract.compile.workspace import Workspace
from tract.errors import CommitNotFoundError, ContentValidationError
from tract.history.walk import at_most
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.json import parse_json
from tract.refs.names import HEADS
from tract.report.log import LogOptions, query_by_config, test_of, walk
from tract.revision import resolve_revision

_EXCERPT_LINES = 4
_CONDITION = r"([^=!<>]+)(=|!=|>=|<=|>|<)(.*)"
_FORMATS = ("oneline", "short", "medium", "full")
_PREFIXES = ("format:", "tformat:")


class _Row(NamedTuple):
    """A commit to show, with the graph's rows above it, the text before its first line and before its others, and the rows below."""

    id: ObjectId
    above: list[str]
    lead: str = ""
    beside: str = ""
    below: Sequence[str] = ()


def run(console: Console, args: Args) -> int:
    problem = _clash(args)
    if problem is not None:
        console.error(problem)
        return USAGE
    selection = _selection(args)
    with console.open_workspace() as space:
        selection["start"] = [start for text in turned(args.revisions) for start in _starts(space, text)]
        _print_all(console, space, args, _rows(space, args, selection))
    return DONE


def _starts(space: Workspace, text: str) -> list[str]:
    """The revisions of *text*; ``A...B`` stands for A and B without their common commits."""
    is_left_out = text.startswith("^")
    left, dots, right = text.removeprefix("^").partition("...")
    if not dots:
        return [text]
    if is_left_out:
        raise ContentValidationError(f"a range A...B cannot be left out: {text[1:]!r}")
    from tract.history.reachability import merge_bases  # few ask for what is on one side only

    ends = [resolve_revision(space.repo, side or "HEAD") for side in (left, right)]
    return [*(end.hex() for end in ends), *(f"^{base.hex()}" for base in merge_bases(space.repo, *ends))]


def _clash(args: Args) -> str | None:
    """The error in the combination of options, or None."""
    if args.graph and args.reverse:
        return "--graph and --reverse exclude each other"
    if (args.patch or args.stat) and (args.graph or args.json):
        return "-p and --stat go with neither --graph nor --json"
    if args.merges and args.no_merges:
        return "--merges and --no-merges exclude each other"
    if args.skip < 0:
        return f"--skip takes a number of commits, not {args.skip}"
    format = args.format
    if format is not None and "%" not in format and not format.startswith(_PREFIXES) and format not in _FORMATS:
        return f"--format takes {', '.join(_FORMATS)}, or a text with placeholders such as '%h %s', not {format!r}"
    return None


def _selection(args: Args) -> LogOptions:
    return LogOptions(
        all_refs=args.all,
        first_parent=args.first_parent,
        op_filter=args.op,
        records=args.records,
        merges=True if args.merges else False if args.no_merges else None,
        author=_any_of(args.author),
        grep=_any_of(args.grep),
        text=args.text,
        lines=args.lines,
        ignore_case=args.ignore_case,
        since=args.since,
        until=args.until,
    )


def _any_of(patterns: Sequence[str]) -> str | None:
    """One pattern that matches if any of *patterns* does."""
    return "|".join(f"(?:{pattern})" for pattern in patterns) if len(patterns) > 1 else next(iter(patterns), None)


def _rows(space: Workspace, args: Args, selection: LogOptions) -> Iterator[_Row]:
    repo = space.repo
    branch, tip = repo.head()
    if tip is None and not args.revisions and not args.all:
        raise CommitNotFoundError("HEAD", f"branch '{(branch or '').removeprefix(HEADS)}' has no commits yet")
    most = None if args.max_count is None or args.max_count < 0 else args.max_count
    found = at_most(_drawn(space, args, selection), most, args.skip)
    return iter(list(found)[::-1]) if args.reverse else found


def _drawn(space: Workspace, args: Args, selection: LogOptions) -> Iterator[_Row]:
    """The selected commits, with the graph if it is asked for."""
    asked_for = test_of(space, selection)
    wanted = _with_config(space, args.config) if args.config else None
    if args.message is not None:
        from tract.report.forensics import versions_of

        versions = {id.hex() for id in versions_of(space, args.message)}
        wanted = versions if wanted is None else versions & wanted
    commits = walk(space.repo, selection)
    inside = None
    if args.graph and any(".." in start or start.startswith("^") for start in turned(args.revisions)):
        known = list(commits)  # no line is drawn to commits that a range leaves out
        commits, inside = iter(known), {id for id, _ in known}
    graph = Graph() if args.graph and not args.json else None
    for id, commit in commits:
        chosen = asked_for(id, commit) and (wanted is None or id.hex() in wanted)
        if graph is None:
            if chosen:
                yield _Row(id, [])
            continue
        parents = commit.parents[:1] if args.first_parent else commit.parents
        parents = parents if inside is None else tuple(parent for parent in parents if parent in inside)
        if not chosen:
            graph.pass_by(id, parents)
            continue
        above = graph.before(id)
        yield _Row(id, [*above, graph.bars()], *graph.add(id, parents), graph.edges())


def _with_config(space: Workspace, texts: Sequence[str]) -> Set[str]:
    """The ids of the commits whose generation config meets every condition, such as ``temperature>0.5``."""
    conditions = []
    for text in texts:
        match = re.fullmatch(_CONDITION, text, re.S)
        if match is None:
            raise ContentValidationError(f"{text!r} is not a condition such as 'model=gpt-4o' or 'temperature>0.5'")
        field, operator, value = match.groups()
        try:
            conditions.append((field, operator, parse_json(value)))
        except ValueError:
            conditions.append((field, operator, value))
    return {info.commit_hash for info in query_by_config(space, conditions)}


def _print_all(console: Console, space: Workspace, args: Args, rows: Iterator[_Row]) -> None:
    names = names_by_commit(space.repo)
    format = "oneline" if args.oneline else args.format or "medium"
    first = True
    for row in rows:
        line = read_line(space, row.id)
        named = names.get(line.id)
        if args.json:
            print_line_json(console, line, named)
            continue
        bars = row.above[-1:] or [""]
        for text in row.above[:-1]:
            console.line(text)
        if format == "oneline":
            print_one_line(console, line, named, row.lead)
        elif format in _FORMATS:
            if not first:
                console.line(*bars)
            _print_in_full(console, line, named, row.lead, row.beside, format)
        else:
            pattern = next((format.removeprefix(prefix) for prefix in _PREFIXES if format.startswith(prefix)), format)
            _print_formatted(console, pattern, line, named, row)
        if args.patch or args.stat:
            _print_changes(console, space, row.id, stat=args.stat)
        for text in row.below:
            console.line(text)
        first = False


def _print_changes(console: Console, space: Workspace, id: ObjectId, *, stat: bool) -> None:
    """Print the commit's changes against the context of its first parent."""
    from tract.cli.diffs import print_diff, print_stat  # a plain log needs neither
    from tract.report.diff import diff_of_commit

    changes = diff_of_commit(space, id)
    if changes:
        console.line("")
        (print_stat if stat else print_diff)(console, changes)


def _print_formatted(console: Console, pattern: str, line: Line, named: list[str] | None, row: _Row) -> None:
    from tract.cli.placeholders import formatted  # a plain log needs none

    lead = row.lead
    for part in formatted(pattern, line, named).split("\n"):
        console.line(lead, Painted(part))
        lead = row.beside


def _print_in_full(console: Console, line: Line, names: list[str] | None, lead: str, below: str, format: str) -> None:
    info = line.info
    edge = Painted(below)
    console.line(
        lead, console.paint(f"commit {line.id}", "yellow"), paint_names(console, names), paint_marks(console, line)
    )
    if len(info.parent_hashes) > 1:
        console.line(edge, "Merge:  ", " ".join(parent[:10] for parent in info.parent_hashes))
    console.line(edge, "Author: ", info.author)
    if format != "short":
        console.line(edge, "Date:   ", date_text(info.created_at))
        if info.message and info.message != line.text:  # a merge without a message of its own has no other text
            console.line(edge, "Note:   ", info.message)
    tokens = tokens_text(info.token_count, exact=line.exact)
    console.line(below.rstrip())
    console.line(edge, "    ", paint_role(console, line.role), console.paint(f" ({tokens})", "dim"))
    if format == "full":
        console.body(line.text, f"{below}    ")
        return
    for text in _excerpt(line.text, console.width - 6 - len(below), 1 if format == "short" else _EXCERPT_LINES):
        console.line(edge, "    ", Painted(text))


def _excerpt(text: str, width: int, most: int) -> list[str]:
    """The first lines of a text, each cut to *width*; a last line says that there is more."""
    lines = [_cut(line, max(20, width)) for line in text[:20_000].split("\n") if line.strip()]
    rest = len(lines) - most
    return lines if rest <= 1 else [*lines[:most], f"… {rest} lines more"]


def _cut(line: str, width: int) -> str:
    """A line with as much of its indentation as fits."""
    indent = min(len(line) - len(line.lstrip(" ")), width // 2)
    return " " * indent + one_line(line, width - indent)


COMMAND = Command(
    run,
    (
        Param(
            "revisions",
            many=True,
            metavar="REVISION",
            help="Where to start. Default: HEAD. A..B lists the commits that B has and A has not, A...B those that only one of the two has; ^A leaves out the commits of A, and so does A behind --not.",
            words=(NOT,),
        ),
        Param("oneline", ("--oneline",), bool, help="Print one line for each commit."),
        Param("patch", ("-p", "--patch"), bool, help="Print what each commit changed, as 'tract diff' prints it."),
        Param("stat", ("--stat",), bool, help="Print the number of tokens that each message grew or shrank by."),
        Param("graph", ("--graph",), bool, help="Draw the history as a graph."),
        Param(
            "max_count",
            ("-n", "--max-count"),
            int,
            metavar="N",
            help="Show at most N commits; a negative N means all.",
        ),
        Param("skip", ("--skip",), int, 0, metavar="N", help="Skip the first N of them."),
        Param("reverse", ("--reverse",), bool, help="Print the chosen commits oldest first."),
        Param(
            "op",
            ("--op",),
            choices=("append", "edit", "merge", "compress", "revert", "reorder", "record", "spawn", "note"),
            help="Show only commits of this kind.",
        ),
        Param(
            "author",
            ("--author",),
            many=True,
            metavar="PATTERN",
            help="Show only commits whose author matches the regular expression; repeat it to match any of several.",
        ),
        Param(
            "grep",
            ("--grep",),
            many=True,
            metavar="PATTERN",
            help="Show only commits whose note or text matches the regular expression; repeat it to match any of several.",
        ),
        Param(
            "ignore_case",
            ("-i", "--regexp-ignore-case"),
            bool,
            help="Ignore case in --author, --grep, -S and -G.",
        ),
        Param(
            "text",
            ("-S",),
            metavar="TEXT",
            help="Show only commits that change how often TEXT occurs in the context: those that added it or removed it.",
        ),
        Param(
            "lines",
            ("-G",),
            metavar="PATTERN",
            help="Show only commits that add, remove or change a line which matches the regular expression.",
        ),
        Param("message", ("-L",), metavar="MESSAGE", help="Show only the commits that wrote or changed this message."),
        Param(
            "since",
            ("--since", "--after"),
            metavar="TIME",
            help="Show only commits made at or after this time: 2026-01-31, '2026-01-31 12:00', yesterday, '2 hours ago'. A time without a zone is local.",
        ),
        Param("until", ("--until", "--before"), metavar="TIME", help="Show only commits made before this time."),
        Param(
            "config",
            ("--config",),
            metavar="CONDITION",
            many=True,
            help="Show only commits whose generation config matches, such as 'model=gpt-4o' or 'temperature>0.5' (= != > < >= <=); may be repeated.",
        ),
        Param("merges", ("--merges",), bool, help="Show only merges."),
        Param("no_merges", ("--no-merges",), bool, help="Leave out merges."),
        Param("records", ("--records",), bool, help="Show records, too."),
        Param("first_parent", ("--first-parent",), bool, help="Follow only the first parent of each commit."),
        Param("all", ("--all",), bool, help="Start at every branch and tag, too."),
        Param(
            "format",
            ("--format", "--pretty"),
            metavar="FORMAT",
            help="oneline, short, medium (the default), full, or a text with placeholders: %H %h %P %p %an %ad %ar %aI %at %s %b %B as in git, of the message's text; %N note, %r role, %t tokens, %o operation, %k priority, %M model, %d %D names, %n new line, %x09 a character by its code.",
        ),
        Param("json", ("--json",), bool, help="Print a JSON document for each commit, one on a line."),
    ),
    """
Lists commits from newest to oldest, a child always before its parents, each with its id, branches and tags, author, date, and the first lines of its message.
A token count with a ~ is an estimate; 'tract compile --json' counts exactly.

  $ tract log -n 5
  $ tract log --oneline --graph --all
  $ tract log main..draft --format '%h %ar %r: %s'
  $ tract log --all --not main
  $ tract log -S '60 days'
  $ tract log --grep refund -i --since '2 days ago'
  $ tract log main~10 --op edit --json
  $ tract log -p -L HEAD:4
  $ tract log --config model=gpt-4o --config 'temperature>0.5'
""",
    pages=True,
)
