"""``tract pull``: fetch, and merge the remote's branch into this one."""

from __future__ import annotations

from tract.cli.command import DONE, NEGATIVE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.porcelain.fetch import print_refs
from tract.cli.rendering import SHORT
from tract.remote.pull import Strategy


def run(console: Console, args: Args) -> int:
    if sum(map(bool, (args.ff_only, args.merge, args.rebase))) > 1:
        console.error("--ff-only, --merge and --rebase exclude each other")
        return USAGE
    strategy: Strategy = "merge" if args.merge else "rebase" if args.rebase else "ff"
    with console.open_tract() as tract:
        result = tract.pull(args.remote, strategy=strategy, keep=True)
    if args.json:
        console.print_json(
            {
                "kind": result.kind,
                "commit_hash": result.commit_hash,
                "refs": result.fetched.refs,
                "notes": result.fetched.notes,
            }
        )
    else:
        print_refs(console, result.fetched.refs)
        at = "" if result.commit_hash is None else f" at {result.commit_hash[:SHORT]}"
        words = {
            "up to date": "Already up to date",
            "fast-forward": "Fast-forward",
            "merged": "Merged",
            "rebased": "Rebased",
        }
        if result.kind in words:
            console.note(words[result.kind] + at)
    if result.kind == "conflicts":
        console.error(f"both sides changed the same messages; they are in '{_file(result)}'")
        console.hint("resolve the conflicts there, then 'tract merge --continue' or 'tract rebase --continue'")
        return NEGATIVE
    return DONE


def _file(result: object) -> str:
    found = getattr(result, "merge", None) or getattr(result, "rebase", None)
    return str(getattr(found, "file", ""))


COMMAND = Command(
    run,
    (
        Param("remote", metavar="REMOTE", default="origin", help="The remote. Default: origin."),
        Param(
            "ff_only",
            ("--ff-only",),
            bool,
            help="Only move forward; refuse if both sides have new commits. This is the default.",
        ),
        Param("merge", ("--merge",), bool, help="Merge if both sides have new commits."),
        Param("rebase", ("--rebase",), bool, help="Rebase this branch's own commits onto the remote's branch."),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
It takes the remote's branch of the same name.

  $ tract pull
  $ tract pull --merge
""",
)
