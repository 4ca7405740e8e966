"""``tract rev-parse``: the ids that names mean.

One line a name: its id; ``^<id>`` for commits that ``^x`` and ``x..y`` leave out, after the rest of the range, as git prints it.
With ``--json`` each line is an object: {"id": …, "excluded": false}, or {"ref": …} for the name of a ref, null for a name that is not a ref.
"""

from __future__ import annotations

from tract.cli.command import DONE, NEGATIVE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.errors import AmbiguousPrefixError, BlobNotFoundError, CommitNotFoundError, TractError
from tract.objects.id import ObjectId
from tract.refs.names import HEAD
from tract.repo import Repository
from tract.revision import LEAST_PREFIX, find_ref, resolve_object, resolve_range, shorten_id, shorten_ref

_SHORT = 10
_EXPECTED = "expected a single revision"

_DESCRIPTION = """A name is a revision or the id of any object; <revision>^{tree} and ^{blob} name a commit's tree and content; x..y and ^x y mean what y has and x does not.

--short prints the shortest unique prefix of at least 10 digits, --short=N of at least N (4 or more), as --abbrev=N does; like --verify they take one name only.

--abbrev-ref prints 'main' for HEAD on main or any name of that branch, --symbolic-full-name 'refs/heads/main'; 'HEAD' where HEAD is detached, nothing for a name that is no ref.

Unlike git, a full id that is not in the store is an error.

Exit status: 0; 128 if a name names nothing, or with --verify -q 1 and no message."""


class _NotSingleError(TractError):
    """There is no name, or several, but exactly one is required."""


def run(console: Console, args: Args) -> int:
    least = args.short if args.abbrev is None else args.abbrev
    single = args.verify or least is not None
    if args.abbrev_ref and args.full_name:
        console.error("--abbrev-ref and --symbolic-full-name exclude each other")
        return USAGE
    with console.open_repository() as repo:
        try:
            if single and len(args.revisions) != 1:
                raise _NotSingleError(_EXPECTED)
            for name in args.revisions:
                _print(console, repo, args, name, None if least is None else max(LEAST_PREFIX, least), single=single)
        except (_NotSingleError, CommitNotFoundError, BlobNotFoundError, AmbiguousPrefixError):
            if single and args.quiet:
                return NEGATIVE
            raise
    return DONE


def _print(console: Console, repo: Repository, args: Args, name: str, least: int | None, *, single: bool) -> None:
    if args.abbrev_ref or args.full_name:
        _print_ref(console, repo, args, name)
        return
    if ".." not in name and not name.startswith("^"):
        wanted: ObjectId | None = resolve_object(repo, name, "commit")
        hidden = None
    else:
        wanted, hidden = resolve_range(repo, name)
        if single and wanted is not None and hidden is not None:
            raise _NotSingleError(_EXPECTED)
    for id, excluded in ((wanted, False), (hidden, True)):
        if id is None:
            continue
        text = id.hex() if least is None else shorten_id(repo, id, least)
        if args.json:
            console.print_json({"id": text, "excluded": excluded})
        else:
            console.line(f"^{text}" if excluded else text)


def _print_ref(console: Console, repo: Repository, args: Args, name: str) -> None:
    resolve_object(repo, name, "commit")  # a name that names nothing is an error here too
    ref = find_ref(repo, HEAD if name == "@" else name)
    if ref == HEAD:
        ref = repo.head()[0] or HEAD
    if ref is not None and args.abbrev_ref:
        ref = shorten_ref(repo, ref)
    if args.json:
        console.print_json({"ref": ref})
    elif ref is not None:
        console.line(ref)


COMMAND = Command(
    run,
    (
        Param("revisions", help="Revisions, ids of objects, or ranges.", metavar="REV", many=True),
        Param("verify", ("--verify",), type=bool, help="Take exactly one name."),
        Param("quiet", ("-q", "--quiet"), type=bool, help="With --verify: exit with 1, without a message."),
        Param("short", ("--short",), type=int, bare=_SHORT, help="Print the shortest unique prefix.", metavar="N"),
        Param("abbrev", ("--abbrev",), type=int, help="The same, with at least N digits.", metavar="N"),
        Param("abbrev_ref", ("--abbrev-ref",), type=bool, help="Print the short name of the ref."),
        Param("full_name", ("--symbolic-full-name",), type=bool, help="Print the full name of the ref."),
        Param("json", ("--json",), type=bool, help="Print a JSON object on each line."),
    ),
    _DESCRIPTION,
)
