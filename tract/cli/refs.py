"""The common part of commands about branches, tags and HEAD: which refs to list, and the report when HEAD moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial

from tract.cli.command import Args, Param
from tract.cli.console import Console, one_line
from tract.cli.rendering import SHORT, read_line
from tract.compile.workspace import Workspace
from tract.history.walk import cut_behind, is_ancestor
from tract.objects.id import ObjectId
from tract.refs.names import HEADS, TAGS
from tract.repo import Repository
from tract.revision import resolve_revision

JSON = Param(
    "json", ("--json",), bool, help="Print a JSON document: the branch and the commit that HEAD is at afterwards."
)


FILTERS = (
    Param(
        "contains",
        ("--contains",),
        bare="",
        metavar="REV",
        help="List only those that contain commit REV (default: HEAD).",
    ),
    Param("no_contains", ("--no-contains",), bare="", metavar="REV", help="List only those that do not contain it."),
    Param(
        "merged",
        ("--merged",),
        bare="",
        metavar="REV",
        help="List only those that are merged into REV (default: HEAD).",
    ),
    Param("no_merged", ("--no-merged",), bare="", metavar="REV", help="List only those that are not merged into it."),
)

_TESTS = ("contains", "no_contains", "merged", "no_merged")


def is_filtered(args: Args) -> bool:
    """Whether one of FILTERS was given."""
    return any(getattr(args, name) is not None for name in _TESTS)


class _Reaching:
    """Which commit reaches which; if a history cut leaves that unknown, a warning, once for each cut."""

    def __init__(self, console: Console, repo: Repository) -> None:
        self._console = console
        self._repo = repo
        self._warned: set[ObjectId] = set()

    def passes(self, test: str, at: ObjectId, given: ObjectId) -> bool:
        """Whether a ref at the commit *at* passes the *test* with the commit that was given for it."""
        early, late = (given, at) if test.endswith("contains") else (at, given)
        return self._is_reached(early, late) != test.startswith("no_")

    def _is_reached(self, early: ObjectId, late: ObjectId) -> bool:
        if is_ancestor(self._repo, early, late):
            return True
        cut = cut_behind(self._repo, [late], above=self._repo.commit(early).generation)
        if cut is not None and cut not in self._warned:
            self._warned.add(cut)
            date = self._repo.shallow.cuts[cut].date
            self._console.warn(
                f"history behind {cut.hex()[:16]} was cut on {date}: commits behind it count as not reached"
            )
        return False


def read_filters(
    console: Console, repo: Repository, args: Args, names: Sequence[str]
) -> tuple[Callable[[ObjectId], bool], list[str]]:
    """The test that a ref's commit must pass, and the patterns among *names*.

    As in git, an option's revision may also follow it after a blank: then it is the first of *names*.
    """
    rest = list(names)
    chosen: list[tuple[str, ObjectId]] = []
    for name in _TESTS:
        given = getattr(args, name)
        if given is not None:
            given = given or (rest.pop(0) if rest and not args.list else "HEAD")
            chosen.append((name, resolve_revision(repo, given)))
    reaching = _Reaching(console, repo)
    return lambda at: all(reaching.passes(test, at, given) for test, given in chosen), rest


def matching(refs: Mapping[str, str], passes: Callable[[ObjectId], bool], patterns: Sequence[str]) -> dict[str, str]:
    """The *refs*, names with hexadecimal ids, whose names match one of *patterns*, if there are any, and whose commits pass."""
    return {
        name: commit
        for name, commit in refs.items()
        if (not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)) and passes(bytes.fromhex(commit))
    }


def commit_text(console: Console, space: Workspace, id: ObjectId, beside: int = 0) -> str:
    """A commit as one line: short id, role and the beginning of its text; *beside* columns stay free."""
    line = read_line(space, id)
    lead = f"{line.id[:SHORT]} {one_line(line.role, 40)}: "
    return lead + one_line(line.text, max(20, console.width - len(lead) - beside))


def print_head(console: Console, space: Workspace) -> None:
    """Print HEAD's commit, if there is one."""
    tip = space.repo.head()[1]
    if tip is not None:
        lead = "HEAD is now at "
        console.note(lead + commit_text(console, space, tip, len(lead)))


def print_place(console: Console, space: Workspace) -> None:
    """Print HEAD's place, for machines."""
    branch, tip = space.repo.head()
    name = None if branch is None else branch.removeprefix(HEADS)
    console.print_json({"branch_name": name, "head_hash": tip, "is_detached": branch is None})


def warn_of_twin(console: Console, repo: Repository, name: str) -> None:
    """Warn if *name* is both a tag and a branch: a revision of that name is the tag, as in git."""
    if repo.ref(TAGS + name) is not None and repo.ref(HEADS + name) is not None:
        console.warn(
            f"'{name}' is a tag and a branch: as a revision it means the tag, and 'refs/heads/{name}' the branch"
        )


def go_to_new(console: Console, space: Workspace, name: str, start: str | None, *, json: bool) -> None:
    """Create the branch *name* at the revision *start*, by default HEAD, and switch to it."""
    from tract.history.branch import create_branch  # few that list refs make one

    at = space.repo.head()[1] if start is None else resolve_revision(space.repo, start)
    go(console, space, partial(create_branch, space.repo, name, at, switch=True), new=True, json=json)
    warn_of_twin(console, space.repo, name)


def go(console: Console, space: Workspace, move: Callable[[], None], *, new: bool, json: bool) -> None:
    """Let *move* move HEAD, and report as git does where it was and where it is; *new* if the branch was just created."""
    branch, tip = space.repo.head()
    before = (
        None
        if branch is not None or tip is None
        else f"Previous HEAD position was {commit_text(console, space, tip, 27)}"
    )
    move()
    if json:
        print_place(console, space)
        return
    now, at = space.repo.head()
    if before is not None and (now is not None or at != tip):
        console.note(before)
    if now is not None:
        done = "Switched to a new branch" if new else "Already on" if now == branch else "Switched to branch"
        console.note(f"{done} '{now.removeprefix(HEADS)}'")
        return
    print_head(console, space)
    if branch is not None:
        console.hint(
            "HEAD is on no branch, so nothing can be committed: 'tract switch -c <name>' makes one here, 'tract switch -' goes back"
        )
