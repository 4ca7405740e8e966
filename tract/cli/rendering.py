"""The display of commits: short ids, names beside them, dates, excerpts, tokens."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tract.cli.console import Console, Painted, one_line, text_width
from tract.compile.workspace import Workspace
from tract.history.priority import Priority
from tract.messages import message_text
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.refs.names import HEADS, TAGS
from tract.repo import Repository
from tract.report.info import CommitInfo, describe

if TYPE_CHECKING:
    from tract.api.tract import Tract

SHORT = 10
"""The digits of an id in output for people."""

_QUOTED = 60
"""The columns of a revert's line for the commit it reverts."""

_LEAST = 20
"""The least columns for the text of a message in a line, however narrow the terminal."""

_ROLE_STYLES = {"system": "magenta", "developer": "magenta", "user": "green", "assistant": "cyan", "tool": "blue"}


class Line(NamedTuple):
    """A commit as a line of a list: *role* and *text* are its message's; *exact* says whether its tokens were counted."""

    info: CommitInfo
    role: str
    text: str
    exact: bool

    @property
    def id(self) -> str:
        return self.info.commit_hash


def read_line(space: Workspace, id: ObjectId) -> Line:
    """Commit *id* with the role and text of its message."""
    info = describe(space, id)
    content = space.repo.map_in(space.repo.commit(id))
    if content is None:
        return Line(info, info.operation.value, info.message or _of_revert(space, id), True)
    message = space.blobs.message(content)
    return Line(info, message.role, message_text(message), space.blobs.known(content) is not None)


def _of_revert(space: Workspace, id: ObjectId) -> str:
    """git's note for a revert: the commit that it reverts, or redoes; "" for other commits."""
    repo = space.repo
    verb = ""
    commit = repo.commit(id)
    while commit.operation is CommitOperation.REVERT and commit.target is not None:
        verb = "Reapply" if verb == "Revert" else "Revert"
        if not repo.objects.contains(commit.target):
            return verb  # the reverted commit was never in this history, and is gone
        commit = repo.commit(commit.target)
    if not verb:
        return ""
    blob = repo.map_in(commit)
    text = "" if blob is None else message_text(space.blobs.message(blob))
    return f'{verb} "{one_line(text or commit.message or commit.operation.value, _QUOTED)}"'


def names_by_commit(repo: Repository) -> dict[str, list[str]]:
    """The names of each commit, by its hexadecimal id: ``HEAD -> main``, branches, ``tag: v1``."""
    names: dict[str, list[str]] = {}
    branch, tip = repo.head()
    if tip is not None:
        names[tip.hex()] = ["HEAD" if branch is None else f"HEAD -> {branch.removeprefix(HEADS)}"]
    for prefix, label in ((TAGS, "tag: "), (HEADS, "")):
        for name, value in repo.local_refs(prefix):
            if isinstance(value, bytes) and name != branch:
                names.setdefault(value.hex(), []).append(label + name.removeprefix(prefix))
    return names


def paint_names(console: Console, names: list[str] | None) -> Painted:
    """The names of a commit in brackets, after a blank; empty if it has none."""
    if not names:
        return Painted("")
    inner = ", ".join(console.paint(name, _name_style(name)) for name in names)
    return Painted(f" {console.paint('(', 'yellow')}{inner}{console.paint(')', 'yellow')}")


def _name_style(name: str) -> str:
    if name.startswith("HEAD"):
        return "bold cyan"
    return "bold yellow" if name.startswith("tag: ") else "bold green"


def paint_role(console: Console, role: str) -> Painted:
    """A role in its colour."""
    return console.paint(one_line(role, 40), _ROLE_STYLES.get(role, "bold"))


def marks_of(line: Line) -> str:
    """The marks of a commit, in square brackets after a blank: hidden, pinned, an edit of another message; else ""."""
    marks = []
    if line.info.operation in (CommitOperation.EDIT, CommitOperation.REVERT) and line.info.response_to is not None:
        marks.append(f"{line.info.operation.value} of {line.info.response_to[:SHORT]}")
    elif line.info.operation != "append" and line.info.operation.value != line.role:
        marks.append(line.info.operation.value)
    if line.info.priority is not Priority.NORMAL:
        marks.append("skipped" if line.info.priority is Priority.SKIP else "pinned")
    return f" [{', '.join(marks)}]" if marks else ""


def paint_marks(console: Console, line: Line) -> Painted:
    """The same in its colour."""
    return console.paint(marks_of(line), "yellow") if marks_of(line) else Painted("")


def tokens_text(count: int, *, exact: bool) -> str:
    """A number of tokens; an estimate begins with ``~``."""
    return f"{'' if exact else '~'}{count} token{'' if count == 1 else 's'}"


def date_text(when: datetime) -> str:
    """A moment in the user's own time zone, as git writes it."""
    return f"{when.astimezone():%a %b %e %H:%M:%S %Y %z}"


def print_one_line(console: Console, line: Line, names: list[str] | None, lead: str = "") -> None:
    """A commit in one line: id, names, role, the beginning of its text, tokens."""
    id = console.paint(line.id[:SHORT], "yellow")
    decoration = paint_names(console, names)
    # A merge, a compression or a new order has no text of its own.
    tokens = "" if line.info.content_hash is None else f" ({tokens_text(line.info.token_count, exact=line.exact)})"
    role = paint_role(console, line.role)
    plain = f"{lead}{line.id[:SHORT]} {line.role}: {tokens}"
    beside = sum(len(name) + 2 for name in names) + 1 if names else 0
    room = console.width - text_width(plain) - beside - len(marks_of(line))
    if text_width(one_line(line.text, _LEAST)) > room:  # the text is more important than its tokens
        room, tokens = room + len(tokens), ""
    text = Painted(one_line(line.text, max(_LEAST, room)))
    marks = paint_marks(console, line)
    console.line(lead, id, decoration, " ", role, marks, ": ", text, console.paint(tokens, "dim") if tokens else "")


def print_commit(console: Console, tract: Tract, info: CommitInfo, *, json: bool = False) -> None:
    """Print git's line about a new commit, ``[main 3fa9c1d5e2] user: text``; or the commit as JSON."""
    from tract.messages import message_of  # a reading command needs no classes of content

    message = message_of(tract.get_content(info.commit_hash))
    line = Line(info, message.role, message_text(message), False)
    if json:
        console.print_json(info, role=line.role, text=line.text, branch=tract.current_branch)
        return
    lead = f"[{tract.current_branch or 'detached HEAD'} {line.id[:SHORT]}] "
    text = one_line(line.text, max(_LEAST, console.width - text_width(lead) - len(line.role) - len(marks_of(line)) - 2))
    console.line(lead, paint_role(console, line.role), paint_marks(console, line), ": ", Painted(text))


def print_line_json(console: Console, line: Line, names: list[str] | None = None, **more: Any) -> None:
    """Print a commit as an item of a list for machines; ``text`` is the beginning of its message."""
    said = {"role": line.role, "text": line.text[:200], "tokens_exact": line.exact, "refs": names or ()}
    console.print_json(line.info, **said, **more)
