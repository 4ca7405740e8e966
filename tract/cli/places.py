"""Going elsewhere: what is said when HEAD moves."""

from __future__ import annotations

from collections.abc import Callable

from tract.cli.command import Param
from tract.cli.console import Console, one_line
from tract.cli.rendering import SHORT, read_line
from tract.compile.workspace import Workspace
from tract.objects.id import ObjectId
from tract.refs.names import HEADS, TAGS
from tract.repo import Repository

JSON = Param(
    "json", ("--json",), bool, help="Print a JSON document: the branch HEAD is on then, and the commit it is at."
)


def commit_text(console: Console, space: Workspace, id: ObjectId, beside: int = 0) -> str:
    """A commit as one line: short id, role and the beginning of its text; *beside* columns stay free."""
    line = read_line(space, id)
    lead = f"{line.id[:SHORT]} {one_line(line.role, 40)}: "
    return lead + one_line(line.text, max(20, console.width - len(lead) - beside))


def print_head(console: Console, space: Workspace, lead: str = "HEAD is now at") -> None:
    """Say where HEAD is, if it is anywhere."""
    tip = space.repo.head()[1]
    if tip is not None:
        console.note(f"{lead} {commit_text(console, space, tip, len(lead) + 1)}")


def print_place(console: Console, space: Workspace) -> None:
    """Where HEAD is, for machines."""
    branch, tip = space.repo.head()
    name = None if branch is None else branch.removeprefix(HEADS)
    console.print_json({"branch": name, "commit": None if tip is None else tip.hex(), "detached": branch is None})


def warn_of_twin(console: Console, repo: Repository, name: str) -> None:
    """Say so where *name* is both a tag and a branch: a revision of that name is the tag, as in git."""
    if repo.ref(TAGS + name) is not None and repo.ref(HEADS + name) is not None:
        console.warn(
            f"'{name}' is a tag and a branch: as a revision it means the tag, and 'refs/heads/{name}' the branch"
        )


def go(console: Console, space: Workspace, move: Callable[[], None], *, new: bool, json: bool) -> None:
    """Let *move* take HEAD elsewhere, and say as git does where it came from and where it is; *new* is for a branch just made."""
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
