"""``tract rev-parse``: what names mean.

One line a name: its id; ``^<id>`` for what ``^x`` and ``x..y`` leave out, after the rest of the range, as git prints it.
"""

from __future__ import annotations

from tract.cli.command import DONE, NEGATIVE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.errors import AmbiguousPrefixError, BlobNotFoundError, CommitNotFoundError, TractError
from tract.objects.id import HEX_SIZE, ObjectId
from tract.refs.names import HEAD
from tract.repo import Repository
from tract.revision import LEAST_PREFIX, find_ref, resolve_object, resolve_range, shorten_ref

_SHORT = 10
_EXPECTED = "expected a single revision"

_DESCRIPTION = """A name is a revision or the id of any object; <revision>^{tree} and ^{blob} name a commit's tree and content, x..y and ^x y what y has and x has not.

--short prints the shortest unique prefix of at least 10 digits (--abbrev says how many, at least 4), and like --verify takes one name only.

--abbrev-ref prints 'main' for HEAD on main or any name of that branch, --symbolic-full-name 'refs/heads/main'; 'HEAD' where HEAD is detached, nothing for a name that is no ref.

Unlike git, a full id is looked for, and one the store has not got is an error.

Exit status: 0; 128 where a name names nothing; with --verify -q instead 1 and no message."""


class _NotSingleError(TractError):
    """No name or several, where exactly one is wanted."""


def run(console: Console, args: Args) -> int:
    single = args.verify or args.short or args.abbrev is not None
    if args.abbrev_ref and args.full_name:
        console.error("--abbrev-ref and --symbolic-full-name exclude each other")
        return USAGE
    with console.open_repository() as repo:
        try:
            if single and len(args.revisions) != 1:
                raise _NotSingleError(_EXPECTED)
            for name in args.revisions:
                _print(console, repo, args, name, single=single)
        except (_NotSingleError, CommitNotFoundError, BlobNotFoundError, AmbiguousPrefixError):
            if single and args.quiet:
                return NEGATIVE
            raise
    return DONE


def _print(console: Console, repo: Repository, args: Args, name: str, *, single: bool) -> None:
    if args.abbrev_ref or args.full_name:
        _print_ref(console, repo, name, short=args.abbrev_ref)
        return
    if ".." not in name and not name.startswith("^"):
        wanted: ObjectId | None = resolve_object(repo, name, "commit")
        hidden = None
    else:
        wanted, hidden = resolve_range(repo, name)
        if single and wanted is not None and hidden is not None:
            raise _NotSingleError(_EXPECTED)
    least = None
    if args.short or args.abbrev is not None:
        least = max(LEAST_PREFIX, _SHORT if args.abbrev is None else args.abbrev)
    if wanted is not None:
        console.line(_shown(repo, wanted, least))
    if hidden is not None:
        console.line("^" + _shown(repo, hidden, least))


def _shown(repo: Repository, id: ObjectId, least: int | None) -> str:
    """The id, or where *least* is given the shortest prefix of so many digits that only it has."""
    text = id.hex()
    for size in range(HEX_SIZE if least is None else min(least, HEX_SIZE), HEX_SIZE):
        if len(repo.objects.find(text[:size])) == 1:
            return text[:size]
    return text


def _print_ref(console: Console, repo: Repository, name: str, *, short: bool) -> None:
    resolve_object(repo, name, "commit")  # a name that names nothing is an error here too
    ref = find_ref(repo, HEAD if name == "@" else name)
    if ref == HEAD:
        ref = repo.head()[0] or HEAD
    if ref is not None:
        console.line(shorten_ref(repo, ref) if short else ref)


COMMAND = Command(
    "rev-parse",
    "print the id a revision names",
    run,
    (
        Param("revisions", help="Revisions, ids of objects, or ranges.", metavar="REV", many=True),
        Param("verify", ("--verify",), type=bool, help="Take exactly one name."),
        Param("quiet", ("-q", "--quiet"), type=bool, help="With --verify: exit with 1, without a message."),
        Param("short", ("--short",), type=bool, help="Print the shortest unique prefix."),
        Param("abbrev", ("--abbrev",), type=int, help="The same, of at least N digits.", metavar="N"),
        Param("abbrev_ref", ("--abbrev-ref",), type=bool, help="Print the short name of the ref."),
        Param("full_name", ("--symbolic-full-name",), type=bool, help="Print the full name of the ref."),
    ),
    _DESCRIPTION,
)
