"""``tract update-ref``: move a ref, when it is where it is expected to be. Prints nothing."""

from __future__ import annotations

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.history.moves import move_ref
from tract.objects.id import HEX_SIZE, ObjectId
from tract.refs.store import ANY, Expected
from tract.repo import Repository
from tract.revision import resolve_revision

_NONE = "0" * HEX_SIZE

_DESCRIPTION = """Set REF to the commit NEWVALUE, a revision; 64 zeros delete it, as -d does. REF is a whole name, refs/heads/...; HEAD on a branch means the branch.

With OLDVALUE, a revision too, the ref must be there now; 64 zeros, or an empty text, demand that there is no such ref. Comparing and moving are one step.

Branches cannot be put on notes, nor notes on anything else. Deleting a ref that is not there is no error unless OLDVALUE demands one.

Exit status: 0; 128 where the ref is not at OLDVALUE (nothing is changed) and for any other error."""


def run(console: Console, args: Args) -> int:
    if args.delete:
        if len(args.values) > 1:
            console.error("-d takes a ref and at most its old value")
            return USAGE
        values = (_NONE, *args.values)
    else:
        values = args.values
    if not 1 <= len(values) <= 2:
        console.error("expected a ref, its new value, and at most its old value")
        return USAGE
    reason = "update-ref" if args.reason is None else " ".join(args.reason.split())
    if not reason:
        console.error("a reason must not be empty")
        return USAGE
    with console.open_repository() as repo:
        new = _value(repo, values[0])
        expected: Expected = ANY if len(values) < 2 else _value(repo, values[1] or _NONE)
        move_ref(repo, args.ref, new, expected=expected, reason=reason)
    return DONE


def _value(repo: Repository, text: str) -> ObjectId | None:
    return None if text == _NONE else resolve_revision(repo, text)


COMMAND = Command(
    "update-ref",
    "move a ref safely",
    run,
    (
        Param("ref", help="The whole name of a ref, or HEAD.", metavar="REF", required=True),
        Param("values", help="Where to move it, and where it must be now.", metavar="NEWVALUE [OLDVALUE]", many=True),
        Param("delete", ("-d",), type=bool, help="Delete it; then the only value is the old one."),
        Param("reason", ("-m",), help="What the reflog says about the move.", metavar="REASON"),
    ),
    _DESCRIPTION,
)
