"""Which branches or tags to list: by the names they match, and by what they reach or what reaches them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase

from tract.cli.command import Args, Param
from tract.history.walk import is_ancestor
from tract.objects.id import ObjectId
from tract.repo import Repository
from tract.revision import resolve_revision

FILTERS = (
    Param(
        "contains",
        ("--contains",),
        bare="",
        metavar="REV",
        help="Only those that have commit REV in their history; HEAD if not given.",
    ),
    Param("no_contains", ("--no-contains",), bare="", metavar="REV", help="Only those that do not have it."),
    Param(
        "merged",
        ("--merged",),
        bare="",
        metavar="REV",
        help="Only those whose commit is in the history of REV; HEAD if not given.",
    ),
    Param("no_merged", ("--no-merged",), bare="", metavar="REV", help="Only those whose commit is not."),
)

_Test = Callable[[Repository, ObjectId, ObjectId], bool]

_TESTS: tuple[tuple[str, _Test], ...] = (
    ("contains", lambda repo, at, given: is_ancestor(repo, given, at)),
    ("no_contains", lambda repo, at, given: not is_ancestor(repo, given, at)),
    ("merged", lambda repo, at, given: is_ancestor(repo, at, given)),
    ("no_merged", lambda repo, at, given: not is_ancestor(repo, at, given)),
)


def is_filtered(args: Args) -> bool:
    """Whether one of FILTERS was given."""
    return any(getattr(args, name) is not None for name, _ in _TESTS)


def read_filters(repo: Repository, args: Args, names: Sequence[str]) -> tuple[Callable[[ObjectId], bool], list[str]]:
    """The test that a ref's commit must pass, and the patterns among *names*.

    As in git a revision may also come after its option and a blank: then it is the first of *names*.
    """
    rest = list(names)
    chosen: list[tuple[_Test, ObjectId]] = []
    for name, test in _TESTS:
        given = getattr(args, name)
        if given is not None:
            given = given or (rest.pop(0) if rest and not args.list else "HEAD")
            chosen.append((test, resolve_revision(repo, given)))
    return lambda at: all(test(repo, at, given) for test, given in chosen), rest


def matching(refs: Mapping[str, str], passes: Callable[[ObjectId], bool], patterns: Sequence[str]) -> dict[str, str]:
    """The *refs*, names with hexadecimal ids, whose names match one of *patterns*, if there are any, and whose commits pass."""
    return {
        name: commit
        for name, commit in refs.items()
        if (not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)) and passes(bytes.fromhex(commit))
    }
