"""``tract verify``: whether a recorded request can be rebuilt, byte for byte."""

from __future__ import annotations

from tract.cli.command import DONE, NEGATIVE, USAGE, Args, Command, Param
from tract.cli.console import Console


def run(console: Console, args: Args) -> int:
    if args.sent is None:
        console.error("name the answer to verify: --sent REVISION")
        return USAGE
    with console.open_tract() as tract:
        commit = tract.get_commit(args.sent).commit_hash
        is_same = tract.verify_sent(args.sent)
    if args.json:
        console.print_json({"commit_hash": commit, "is_same": is_same})
    elif is_same:
        console.line(f"{commit[:10]}: the request that it answered is rebuilt byte for byte")
    else:
        console.line(
            f"{commit[:10]}: the request that is rebuilt is ", console.paint("not", "red"), " the one that was sent"
        )
    return DONE if is_same else NEGATIVE


COMMAND = Command(
    run,
    (
        Param("sent", ("--sent",), metavar="REVISION", help="The answer whose request is rebuilt."),
        Param("json", ("--json",), bool, help="Print JSON."),
    ),
    """
The exit status is 1 if the bytes differ. An answer has a recorded request if it was committed with 'request=' in Python.

  $ tract verify --sent HEAD
""",
)
