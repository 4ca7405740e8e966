"""``tract diff``: the differences between two contexts."""

from __future__ import annotations

from typing import Literal

from tract.cli.command import DONE, NEGATIVE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.diffs import print_diff, print_stat
from tract.report.diff import DiffResult, diff


def run(console: Console, args: Args) -> int:
    if len(args.revisions) > 2:
        console.error(f"a diff compares two revisions, not {len(args.revisions)}")
        return USAGE
    if args.unified < 0:
        console.error(f"-U takes a number of lines, not {args.unified}")
        return USAGE
    a, b = (*args.revisions, None, None)[:2]
    compiled = args.compiled or args.then
    notes: Literal["now", "then"] = "then" if args.then else "now"
    if (args.json or args.stat) and not args.quiet:  # these show tokens, which are counted
        with console.open_tract() as tract:
            result = tract.diff(a, b, compiled=compiled, notes=notes)
            _print(console, args, result)
    else:
        with console.open_workspace() as space:
            result = diff(space, a, b, compiled=compiled, notes=notes)
            if not args.quiet:
                _print(console, args, result)
    return NEGATIVE if result and (args.exit_code or args.quiet) else DONE


def _print(console: Console, args: Args, result: DiffResult) -> None:
    if args.json:
        console.print_json(result)
    elif args.name_only:
        for message in result.message_diffs:
            console.line(message.commit_hash)
    elif args.stat:
        print_stat(console, result)
    else:
        print_diff(console, result, context=args.unified, words=args.word_diff)


COMMAND = Command(
    run,
    (
        Param(
            "revisions",
            many=True,
            metavar="A [B]",
            help="The contexts to compare: A with B, or A with HEAD. A..B means the same; A...B compares B with the commit where it parted from A. Without any: what the last commit changed.",
        ),
        Param("stat", ("--stat",), bool, help="Print one line for each message, with the change in tokens."),
        Param(
            "compiled", ("--compiled",), bool, help="Compare what a model receives, that is, without skipped messages."
        ),
        Param(
            "then",
            ("--then",),
            bool,
            help="The same, but with the messages that were skipped when each commit was made.",
        ),
        Param("word_diff", ("--word-diff", "--color-words"), bool, help="Mark the words that changed: [-old-]{+new+}."),
        Param("unified", ("-U", "--unified"), int, 3, metavar="N", help="Print N lines around each change."),
        Param("name_only", ("--name-only",), bool, help="Print only the ids of the messages that differ."),
        Param("exit_code", ("--exit-code",), bool, help="Exit with status 1 if there is a difference."),
        Param("quiet", ("-q", "--quiet"), bool, help="Exit with status 1 if there is a difference, and print nothing."),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
A message is identified by the commit that introduced it, so an edited message is 'changed' and a reordered one 'moved'.
A tool call is printed as name(arguments).

  $ tract diff
  $ tract diff main~10 --stat
  $ tract diff formal..casual --word-diff
  $ tract diff --compiled --quiet main draft || echo 'a model sees something else'
""",
    pages=True,
)
