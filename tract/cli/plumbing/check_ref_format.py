"""``tract check-ref-format``: whether a name can be a ref's. Prints nothing; with ``--branch`` the branch's name, with ``--json`` {"name": …, "ok": …}."""

from __future__ import annotations

from tract.cli.command import DONE, NEGATIVE, Args, Command, Param
from tract.cli.console import Console
from tract.errors import RefNameError
from tract.refs.names import branch_ref, check_ref

_DESCRIPTION = """Check whether a ref can be called REF: a whole name under refs/heads, refs/tags, refs/notes, refs/archive, refs/remotes or refs/remote-notes, by the rules in docs/format.md. git allows some names that tract refuses, but not the other way round.

With --branch, print the name if a branch can have it; a leading refs/heads/ is not removed.

No store is needed.

Exit status: 0 for a good name; 1 for any other; with --branch 128, and a message that says why."""


def run(console: Console, args: Args) -> int:
    if args.branch:
        branch_ref(args.name)
        if args.json:
            console.print_json({"name": args.name, "ok": True})
        else:
            console.line(args.name)
        return DONE
    try:
        # HEAD is a ref, but not one that a script may choose; git refuses it too.
        is_good = "/" in check_ref(args.name)
    except RefNameError:
        is_good = False
    if args.json:
        console.print_json({"name": args.name, "ok": is_good})
    return DONE if is_good else NEGATIVE


COMMAND = Command(
    run,
    (
        Param("name", help="The whole name of a ref; with --branch, that of a branch.", metavar="REF", required=True),
        Param("branch", ("--branch",), type=bool, help="Check the name of a branch, and print it."),
        Param("json", ("--json",), type=bool, help="Print a JSON object: the name, and whether it is good."),
    ),
    _DESCRIPTION,
)
