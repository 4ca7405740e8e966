"""``tract show-ref``: the refs of the tract.

One line a ref, in order of name: ``<id> <ref>``; with ``-s`` the id alone, with ``--json`` ``{"id": …, "ref": …}``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tract.cli.command import DONE, NEGATIVE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.errors import RefNameError
from tract.objects.id import ObjectId
from tract.refs.names import HEAD, HEADS, ORIG_HEAD, TAGS
from tract.repo import Repository

_DESCRIPTION = """Print '<id> <ref>' for every ref of the tract, in order of name: branches, tags and notes.

A pattern is the end of a name, in whole parts: 'main' and 'heads/main' match refs/heads/main. With --verify each is a whole name.

Exit status: 0; 1 if nothing matches; with --verify 128 for a ref that does not exist, and with -q as well 1 and no message."""


def run(console: Console, args: Args) -> int:
    if args.verify and not args.patterns:
        console.error("--verify needs a ref")
        return USAGE
    with console.open_repository() as repo:
        if args.verify:
            return _verify(console, repo, args)
        found = list(_matching(repo, args))
    for name, id in found:
        _print(console, args, name, id)
    return DONE if found else NEGATIVE


def _verify(console: Console, repo: Repository, args: Args) -> int:
    for name in args.patterns:
        id = _value(repo, name)
        if id is None:
            if args.quiet:
                return NEGATIVE
            raise RefNameError(f"'{name}' is not a ref of this tract")
        _print(console, args, name, id)
    return DONE


def _value(repo: Repository, name: str) -> ObjectId | None:
    """The commit of the ref with the full name *name*."""
    if name == HEAD:
        return repo.head()[1]
    if name != ORIG_HEAD and not name.startswith("refs/"):
        return None
    value = repo.ref(name)
    return value if isinstance(value, bytes) else None


def _matching(repo: Repository, args: Args) -> Iterator[tuple[str, ObjectId]]:
    tip = repo.head()[1] if args.head else None
    if tip is not None:
        yield HEAD, tip
    kinds = [prefix for prefix, wanted in ((HEADS, args.heads), (TAGS, args.tags)) if wanted]
    for name, value in repo.local_refs("refs/"):
        if isinstance(value, bytes) and (not kinds or name.startswith(tuple(kinds))) and _matches(name, args.patterns):
            yield name, value


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(name == pattern or name.endswith("/" + pattern) for pattern in patterns)


def _print(console: Console, args: Args, name: str, id: ObjectId) -> None:
    if args.quiet:
        return
    if args.json:
        console.print_json({"id": id.hex(), "ref": name})
    else:
        console.line(id.hex() if args.hash else f"{id.hex()} {name}")


COMMAND = Command(
    run,
    (
        Param("patterns", help="Ends of names of refs.", metavar="PATTERN", many=True),
        Param("head", ("--head",), type=bool, help="Show HEAD too, whatever the other options say."),
        Param("heads", ("--heads", "--branches"), type=bool, help="Only branches; with --tags, both."),
        Param("tags", ("--tags",), type=bool, help="Only tags; with --heads, both."),
        Param("verify", ("--verify",), type=bool, help="The patterns are whole names, and each must be there."),
        Param("quiet", ("-q", "--quiet"), type=bool, help="Print nothing; only set the exit status."),
        Param("hash", ("-s", "--hash"), type=bool, help="Print the ids alone."),
        Param("json", ("--json",), type=bool, help="Print a JSON object on each line."),
    ),
    _DESCRIPTION,
)
