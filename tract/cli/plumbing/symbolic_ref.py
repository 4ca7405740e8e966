"""``tract symbolic-ref``: the branch HEAD is on, read or set.

One line: ``refs/heads/main``, or with ``--short`` ``main``; with ``--json`` {"name": "HEAD", "ref": "refs/heads/main"}.
"""

from __future__ import annotations

from tract.cli.command import DONE, NEGATIVE, Args, Command, Param
from tract.cli.console import Console
from tract.errors import RefNameError
from tract.refs.names import HEAD
from tract.revision import shorten_ref

_DESCRIPTION = """Print the branch that HEAD is on (NAME can only be HEAD); or put HEAD on the branch REF (refs/heads/...), which need not exist yet. No branch moves.

Exit status: 0; 128 if NAME is not a symbolic ref, for example a detached HEAD; with -q 1 and no message."""


def run(console: Console, args: Args) -> int:
    with console.open_repository() as repo:
        if args.ref is not None:
            if args.name != HEAD:
                raise RefNameError(f"ref '{args.name}' cannot be symbolic: only HEAD can")
            from tract.history.moves import point_head  # who asks moves nothing

            point_head(repo, args.ref, reason=" ".join(args.reason.split()) or "symbolic-ref")
            return DONE
        ref = repo.head()[0] if args.name == HEAD else None
        if ref is None:
            if args.quiet:
                return NEGATIVE
            raise RefNameError(f"ref '{args.name}' is not a symbolic ref")
        shown = shorten_ref(repo, ref) if args.short else ref
        if args.json:
            console.print_json({"name": args.name, "ref": shown})
        else:
            console.line(shown)
        return DONE


COMMAND = Command(
    run,
    (
        Param("name", help="HEAD.", metavar="NAME", required=True),
        Param("ref", help="The branch to put it on, in full: refs/heads/...", metavar="REF"),
        Param("quiet", ("-q", "--quiet"), type=bool, help="If it is not symbolic, exit with 1 and print no message."),
        Param("short", ("--short",), type=bool, help="Print 'main' for refs/heads/main."),
        Param("json", ("--json",), type=bool, help="Print a JSON object."),
        Param("reason", ("-m",), default="", help="What the reflog says about the change.", metavar="REASON"),
    ),
    _DESCRIPTION,
)
