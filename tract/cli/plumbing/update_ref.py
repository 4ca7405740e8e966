"""``tract update-ref``: move a ref, if it is where it is expected; with ``--stdin`` many refs, all or none.

Prints nothing, with ``--json`` {"ref": …, "id": …}, the id null for a deleted ref; but ``start: ok``, ``prepare: ok``, ``commit: ok`` and ``abort: ok`` for those lines of the input.
"""

from __future__ import annotations

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.plumbing.ref_transaction import NO_VALUE, parse_value, run_transactions
from tract.history.moves import RefMove, move_refs
from tract.refs.store import ANY, Expected

_DESCRIPTION = """Set REF to the commit NEWVALUE, a revision; 64 zeros delete it, as -d does. REF is a whole name, refs/heads/...; HEAD on a branch means the branch, but with --no-deref itself.

With OLDVALUE, also a revision, the ref must have that value now; 64 zeros, or an empty text, demand that the ref does not exist. Comparing and moving are one step.

A branch cannot be set to a note, nor a notes ref to anything else. Deleting a ref that does not exist is an error only if OLDVALUE is given.

With --stdin, moves are read from standard input, one on each line, and made in one transaction, all of them or none:

  update REF NEWVALUE [OLDVALUE]    create REF NEWVALUE
  delete REF [OLDVALUE]             verify REF [OLDVALUE]    without: there is no REF
  option no-deref                   for the next line

"" is an empty text. 'start', 'commit' and 'abort' begin and end transactions by name, and 'prepare' checks one and locks the store until it is ended; each is answered 'start: ok' and so on. What was begun by 'start' and not committed is not done; any other transaction is, at the end of the input.

With -z every line is 'update REF', its values come after it, and each ends in a zero byte; an empty OLDVALUE is one that is not given.

Exit status: 0; 128 if a ref is not at OLDVALUE (nothing is changed), and for any other error."""


def run(console: Console, args: Args) -> int:
    reason = "update-ref" if args.reason is None else " ".join(args.reason.split())
    if not reason:
        console.error("a reason must not be empty")
        return USAGE
    if args.stdin:
        if args.delete or args.ref is not None or args.values or args.json:
            console.error("--stdin takes neither -d nor a ref, nor --json")
            return USAGE
        with console.open_repository() as repo:
            run_transactions(console, repo, reason=reason, deref=not args.no_deref, zeros=args.zeros)
        return DONE
    if args.zeros:
        console.error("-z goes with --stdin")
        return USAGE
    values = (NO_VALUE, *args.values) if args.delete else args.values
    if args.ref is None or not 1 <= len(values) <= 2:
        usage = "-d takes a ref and at most its old value"
        console.error(usage if args.delete else "expected a ref, its new value, and at most its old value")
        return USAGE
    with console.open_repository() as repo:
        new = parse_value(repo, values[0])
        expected: Expected = ANY if len(values) < 2 else parse_value(repo, values[1] or NO_VALUE)
        move_refs(repo, [RefMove(args.ref, new, expected, not args.no_deref)], reason=reason)
    if args.json:
        console.print_json({"ref": args.ref, "id": new.hex() if isinstance(new, bytes) else None})
    return DONE


COMMAND = Command(
    run,
    (
        Param("ref", help="The whole name of a ref, or HEAD.", metavar="REF"),
        Param("values", help="Where to move it, and where it must be now.", metavar="NEWVALUE [OLDVALUE]", many=True),
        Param("delete", ("-d",), type=bool, help="Delete it; then the only value is the old one."),
        Param("reason", ("-m",), help="What the reflog says about the move.", metavar="REASON"),
        Param("no_deref", ("--no-deref",), type=bool, help="Move HEAD itself, not the branch it is on."),
        Param("stdin", ("--stdin",), type=bool, help="Read moves from standard input: all are made, or none."),
        Param("json", ("--json",), type=bool, help="Print a JSON object: the ref, and where it is now."),
        Param("zeros", ("-z",), type=bool, help="With --stdin: zero bytes end the values, not blanks and newlines."),
    ),
    _DESCRIPTION,
)
