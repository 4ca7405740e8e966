"""Which commits of a history somebody asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from tract.compile.workspace import Workspace
from tract.errors import ContentValidationError
from tract.history.reachability import reachable
from tract.history.times import microseconds
from tract.history.walk import ancestors, first_parents
from tract.messages import message_text
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation
from tract.refs.names import HEAD, HEADS, TAGS
from tract.repo import Repository
from tract.revision import resolve_range

Test = Callable[[ObjectId, Commit], bool]
"""Whether a commit is asked for."""


class Selection(NamedTuple):
    """What is asked for: every field narrows it, and None, or False, leaves it.

    *starts* are revisions or ranges, ``a..b`` and ``^a`` leaving out what *a* reaches; none of them means HEAD, and *all_refs* every branch and tag too.
    *author* and *grep* are regular expressions: *grep* is looked for in a commit's note and in what its message says.
    *text* selects the commits that change how often it stands in the context.
    *since* is included, *until* is not. *merges* asks for merges alone, or, when false, for all others.
    """

    starts: Sequence[str] = ()
    all_refs: bool = False
    first_parent: bool = False
    op: CommitOperation | str | None = None
    merges: bool | None = None
    author: str | re.Pattern[str] | None = None
    grep: str | re.Pattern[str] | None = None
    text: str | None = None
    ignore_case: bool = False
    since: datetime | None = None
    until: datetime | None = None


def walk(repo: Repository, selection: Selection) -> Iterator[tuple[ObjectId, Commit]]:
    """All commits behind the selection's starts, a child always before its parents; nothing where there is no commit yet."""
    starts, hidden = _ends(repo, selection)
    if hidden:
        return reachable(repo, starts, hidden, first_parent=selection.first_parent)
    if not selection.first_parent:
        return ancestors(repo, starts)
    if len(starts) == 1:
        return first_parents(repo, starts[0])
    return reachable(repo, starts, first_parent=True)


def _ends(repo: Repository, selection: Selection) -> tuple[list[ObjectId], list[ObjectId]]:
    """Where to begin, and what to leave out with all it reaches."""
    starts: list[ObjectId] = []
    hidden: list[ObjectId] = []
    tip = repo.head()[1]
    names = selection.starts or (() if selection.all_refs else (HEAD,))
    for name in names:
        if name == HEAD and tip is None:
            continue
        wanted, left_out = resolve_range(repo, name)
        starts += [] if wanted is None else [wanted]
        hidden += [] if left_out is None else [left_out]
    if selection.all_refs:
        starts += [
            value for prefix in (HEADS, TAGS) for _, value in repo.local_refs(prefix) if isinstance(value, bytes)
        ]
        starts += [] if tip is None else [tip]
    return starts, hidden


def test_of(space: Workspace, selection: Selection) -> Test:
    """The test that the selection's other fields make; ContentValidationError and TimeArgumentError for what makes no sense."""
    tests = list(_tests(space, selection))
    return lambda id, commit: all(test(id, commit) for test in tests)


def _tests(space: Workspace, selection: Selection) -> Iterator[Test]:
    """Those that read the least come first."""
    if selection.op is not None:
        operation = read_operation(selection.op)
        yield lambda _, commit: commit.operation is operation
    if selection.merges is not None:
        yield lambda _, commit: (len(commit.parents) > 1) is selection.merges
    if selection.since is not None:
        since = microseconds(selection.since, "since")
        yield lambda _, commit: commit.time >= since
    if selection.until is not None:
        until = microseconds(selection.until, "until")
        yield lambda _, commit: commit.time < until
    if selection.author is not None:
        author = _pattern(selection.author, ignore_case=selection.ignore_case)
        yield lambda _, commit: author.search(commit.author) is not None
    if selection.grep is not None:
        grep = _pattern(selection.grep, ignore_case=selection.ignore_case)
        yield lambda _, commit: any(grep.search(text) for text in _said(space, commit))
    if selection.text is not None:
        if not selection.text:
            raise ContentValidationError("the text to look for is empty")
        count = _counting(space, selection.text, ignore_case=selection.ignore_case)
        yield lambda id, commit: _changes_count(space.repo, id, commit, count)


def read_operation(name: CommitOperation | str) -> CommitOperation:
    """The operation of that name; ContentValidationError where there is none."""
    try:
        return CommitOperation(name)
    except ValueError:
        known = ", ".join(operation.value for operation in CommitOperation)
        raise ContentValidationError(f"unknown operation {name!r}; known are {known}") from None


def _pattern(given: str | re.Pattern[str], *, ignore_case: bool) -> re.Pattern[str]:
    if isinstance(given, re.Pattern):
        return given
    try:
        return re.compile(given, re.MULTILINE | (re.IGNORECASE if ignore_case else 0))
    except (re.error, TypeError) as exc:
        raise ContentValidationError(f"{given!r} is no regular expression: {exc}") from None


def _said(space: Workspace, commit: Commit) -> Iterator[str]:
    """The commit's note, and what its message says."""
    if commit.message is not None:
        yield commit.message
    if commit.content is not None:
        yield message_text(space.blobs.message(space.repo, commit.content))


def _counting(space: Workspace, text: str, *, ignore_case: bool) -> Callable[[ObjectId | None], int]:
    """How often the text stands in a blob's message; not at all in none."""
    wanted = text.casefold() if ignore_case else text

    def count(blob: ObjectId | None) -> int:
        if blob is None:
            return 0
        found = message_text(space.blobs.message(space.repo, blob))
        return (found.casefold() if ignore_case else found).count(wanted)

    return count


def _changes_count(repo: Repository, id: ObjectId, commit: Commit, count: Callable[[ObjectId | None], int]) -> bool:
    """Whether the commit changes how often a text stands in the context; a merge, whether it does so in a message beside all its parents."""
    from tract.history.diff import changes_of  # few ask for this, and everybody who sees a log would load it

    if len(commit.parents) < 2:
        return any(count(change.before) != count(change.after) for change in changes_of(repo, id, commit))
    beside = [
        {change.commit for change in changes_of(repo, id, commit, at) if count(change.before) != count(change.after)}
        for at in range(len(commit.parents))
    ]
    return bool(set.intersection(*beside))
