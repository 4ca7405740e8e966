"""The log: the commits of a history that match the options."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypedDict, Unpack

from tract.arguments import check_keywords
from tract.compile.workspace import Workspace
from tract.errors import ContentValidationError
from tract.history.records import records_behind
from tract.history.times import microseconds
from tract.history.walk import ancestors, at_most, first_parents
from tract.messages import message_text
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation
from tract.refs.names import HEAD, HEADS, TAGS
from tract.repo import Repository
from tract.report.info import CommitInfo, CommitLog, describe_all
from tract.revision import Revision, resolve_range, resolve_revision, revision_texts

Test = Callable[[ObjectId, Commit], bool]
"""Whether a commit matches."""


class LogOptions(TypedDict, total=False):
    """The options of :func:`log`; each one given narrows the result.

    *start* is a revision, a range ``a..b``, or several of them; ``^a`` leaves out the commits that *a* reaches. *all_refs* also begins at every branch and tag.
    *author* and *grep* are regular expressions; *grep* is searched in the note on a commit and in the text of its message.
    *text* selects the commits that change how often it occurs in the context, *lines*, a regular expression, those that change which lines of messages match.
    *since* is included, *until* is not. *merges* true selects only merges, false all other commits. Records are left out, unless *records* is set.
    """

    op_filter: CommitOperation | str | None
    first_parent: bool
    start: Revision | Sequence[Revision]
    all_refs: bool
    skip: int
    merges: bool | None
    author: str | re.Pattern[str] | None
    grep: str | re.Pattern[str] | None
    text: str | None
    lines: str | re.Pattern[str] | None
    ignore_case: bool
    since: datetime | str | None
    until: datetime | str | None
    records: bool


def log(space: Workspace, limit: int | None, **options: Unpack[LogOptions]) -> list[CommitInfo]:
    """The commits behind *start*, newest first; empty if there is no commit yet."""
    check_keywords("log", options, LogOptions)
    skip = options.get("skip", 0)
    for name, number in (("limit", limit), ("skip", skip)):
        if (number is not None or name == "skip") and (type(number) is not int or number < 0):
            raise ContentValidationError(f"{name} must be a number of commits, not {number!r:.40}")
    if not isinstance(options.get("text"), str | None):
        raise ContentValidationError(f"text must be a text, not {options['text']!r:.40}")
    asked_for = test_of(space, options)
    found = (id for id, commit in walk(space.repo, options) if asked_for(id, commit))
    return CommitLog(describe_all(space, at_most(found, limit, skip)))


def records(
    space: Workspace, kind: str | None, key: str | None, limit: int | None, start: Revision
) -> list[CommitInfo]:
    """The records behind *start*, newest first, at most *limit*; if given, only those of *kind* and with *key*."""
    repo = space.repo
    if limit is not None and (type(limit) is not int or limit < 0):
        raise ContentValidationError(f"limit must be a number of records, not {limit!r:.40}")
    if not isinstance(kind, str | None):
        raise ContentValidationError(f"a kind of record is a text, not {kind!r:.40}")
    of_key = None
    if key is not None:
        from tract.history.keys import commits_said  # most programs use no keys

        of_key = commits_said(repo, key)
    starts = [] if start == HEAD and repo.head()[1] is None else [resolve_revision(repo, start)]
    found = (
        id
        for id, commit in records_behind(repo, starts)
        if (of_key is None or id in of_key)
        and (kind is None or (commit.content is not None and repo.blob(commit.content).get("kind") == kind))
    )
    return describe_all(space, at_most(found, limit))


def walk(repo: Repository, options: LogOptions) -> Iterator[tuple[ObjectId, Commit]]:
    """All commits behind the start, or the starts, a child always before its parents; empty if there is no commit yet."""
    starts, hidden = _ends(repo, options)
    first_parent = options.get("first_parent", False)
    if not hidden and not first_parent:
        return ancestors(repo, starts)
    if not hidden and len(starts) == 1:
        return first_parents(repo, starts[0])
    from tract.history.reachability import reachable  # most logs are of all behind one commit

    return reachable(repo, starts, hidden, first_parent=first_parent)


def _ends(repo: Repository, options: LogOptions) -> tuple[list[ObjectId], list[ObjectId]]:
    """The commits at which to begin, and those to leave out with everything they reach."""
    starts: list[ObjectId] = []
    hidden: list[ObjectId] = []
    tip = repo.head()[1]
    start = options.get("start", ())
    names = revision_texts(start) or ([] if options.get("all_refs") else [HEAD])
    for name in names:
        if name == HEAD and tip is None:
            continue
        wanted, left_out = resolve_range(repo, name)
        starts += [] if wanted is None else [wanted]
        hidden += [] if left_out is None else [left_out]
    if options.get("all_refs"):
        starts += [
            value for prefix in (HEADS, TAGS) for _, value in repo.local_refs(prefix) if isinstance(value, bytes)
        ]
        starts += [] if tip is None else [tip]
    return starts, hidden


def test_of(space: Workspace, options: LogOptions) -> Test:
    """The options as a test of a commit; ContentValidationError and TimeArgumentError for options that make no sense."""
    tests = list(_tests(space, options))
    if len(tests) == 1:  # nearly always
        return tests[0]
    return lambda id, commit: all(test(id, commit) for test in tests)


def _tests(space: Workspace, options: LogOptions) -> Iterator[Test]:
    """The tests, those that read least first."""
    ignore_case = options.get("ignore_case", False)
    op = options.get("op_filter")
    if op != CommitOperation.RECORD and not options.get("records"):
        yield lambda _, commit: commit.operation is not CommitOperation.RECORD
    if op is not None:
        operation = read_operation(op)
        yield lambda _, commit: commit.operation is operation
    if (merges := options.get("merges")) is not None:
        yield lambda _, commit: (len(commit.parents) > 1) is merges
    if (since := options.get("since")) is not None:
        earliest = microseconds(since, "since")
        yield lambda _, commit: commit.time >= earliest
    if (until := options.get("until")) is not None:
        latest = microseconds(until, "until")
        yield lambda _, commit: commit.time < latest
    if (pattern := options.get("author")) is not None:
        author = _pattern(pattern, ignore_case=ignore_case)
        yield lambda _, commit: author.search(commit.author) is not None
    if (pattern := options.get("grep")) is not None:
        grep = _pattern(pattern, ignore_case=ignore_case)
        yield lambda _, commit: any(grep.search(text) for text in _said(space, commit))
    if (text := options.get("text")) is not None:
        if not text:
            raise ContentValidationError("the text to look for is empty")
        count = _counting(space, text, ignore_case=ignore_case)
        yield lambda id, commit: _changes_count(space.repo, id, commit, count)
    if (pattern := options.get("lines")) is not None:
        matching = _matching(space, _pattern(pattern, ignore_case=ignore_case))
        yield lambda id, commit: _changes_count(space.repo, id, commit, matching)


def read_operation(name: CommitOperation | str) -> CommitOperation:
    """The operation of that name; ContentValidationError if there is none."""
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
        raise ContentValidationError(f"{given!r} is not a regular expression: {exc}") from None


def _said(space: Workspace, commit: Commit) -> Iterator[str]:
    """The commit's note, and the text of its message."""
    if commit.message is not None:
        yield commit.message
    blob = space.repo.map_in(commit)
    if blob is not None:
        yield message_text(space.blobs.message(blob))


def _counting(space: Workspace, text: str, *, ignore_case: bool) -> Callable[[ObjectId | None], int]:
    """A function that counts the text in a blob's message; 0 for no blob."""
    wanted = text.casefold() if ignore_case else text

    def count(blob: ObjectId | None) -> int:
        if blob is None:
            return 0
        found = message_text(space.blobs.message(blob))
        return (found.casefold() if ignore_case else found).count(wanted)

    return count


def _matching(space: Workspace, pattern: re.Pattern[str]) -> Callable[[ObjectId | None], Any]:
    """A function that returns the matching lines of a blob's message, sorted; none for no blob."""

    def lines(blob: ObjectId | None) -> list[str]:
        text = "" if blob is None else message_text(space.blobs.message(blob))
        return sorted(line for line in text.splitlines() if pattern.search(line))

    return lines


def _changes_count(repo: Repository, id: ObjectId, commit: Commit, count: Callable[[ObjectId | None], Any]) -> bool:
    """Whether the commit changes the value of *count* for a message; a merge, whether it does so against all its parents."""
    from tract.history.diff import changes_of  # few ask for this, and everybody who sees a log would load it

    if len(commit.parents) < 2:
        return any(count(change.before) != count(change.after) for change in changes_of(repo, id, commit))
    beside = [
        {change.commit for change in changes_of(repo, id, commit, at) if count(change.before) != count(change.after)}
        for at in range(len(commit.parents))
    ]
    return bool(set.intersection(*beside))


def query_by_config(
    space: Workspace, conditions: Iterable[tuple[str, str, Any]], equals: Mapping[str, Any] | None = None
) -> list[CommitInfo]:
    """The commits, on any branch, whose generation config meets all *conditions* and has the fields *equals*, oldest first.

    A condition is a field, an operator and a value.
    The field may lead into nested maps: ``a.b``. ``in`` takes a collection, ``between`` a pair of bounds, both included.
    """
    if not isinstance(conditions, Iterable):
        raise ContentValidationError(f"a query is a field or conditions, not {type(conditions).__name__}")
    wanted = [*conditions, *((name, "=", value) for name, value in (equals or {}).items())]
    tests = [_condition(condition) for condition in wanted]
    if not tests:
        raise ContentValidationError("a query needs a condition")
    repo = space.repo
    space.compiler.advance_notes()
    configs = space.compiler.configs
    found = []
    for target in configs.targets():
        config = configs.get(repo, target)
        # A note may be about a commit that gc dropped.
        if all(test(_field(config, field)) for field, test in tests) and repo.objects.contains(target):
            found.append(target)
    return describe_all(space, sorted(found, key=lambda commit: (repo.commit(commit).time, commit)))


def _condition(condition: tuple[str, str, Any]) -> tuple[str, Callable[[Any], bool]]:
    """The field that a condition is about, and the test that the field's value must pass."""
    try:
        field, operator, value = condition
    except (TypeError, ValueError):
        raise ContentValidationError(
            f"a condition is a field, an operator and a value, not {condition!r:.40}"
        ) from None
    if not isinstance(field, str):
        raise ContentValidationError(f"a generation config's field must be text, not {type(field).__name__}")
    return field, _comparison(operator, value)


def _field(config: Any, field: str) -> Any:
    """The value of *field*: of that very key, else along the path of keys it spells."""
    if field in config:
        return config[field]
    for key in field.split("."):
        config = config.get(key) if isinstance(config, dict) else None
    return config


def _comparison(operator: str, value: Any) -> Callable[[Any], bool]:
    """The test that *operator* makes; values that cannot be compared do not match."""
    if operator == "between":
        try:
            low, high = value
        except (TypeError, ValueError):
            raise ContentValidationError("between needs a pair of bounds") from None
        return partial(_holds, lambda item: low <= item <= high)
    if operator == "in":
        if isinstance(value, (str, bytes)) or not hasattr(value, "__contains__"):
            raise ContentValidationError("in needs a collection of values")
        return partial(_holds, lambda item: item in value)
    tests: dict[str, Callable[[Any], Any]] = {
        "=": lambda item: item == value,
        "!=": lambda item: item != value,
        ">": lambda item: item > value,
        "<": lambda item: item < value,
        ">=": lambda item: item >= value,
        "<=": lambda item: item <= value,
    }
    if operator not in tests:
        raise ContentValidationError(f"unknown operator {operator!r}; known are {' '.join(tests)} in between")
    return partial(_holds, tests[operator])


def _holds(test: Callable[[Any], Any], item: Any) -> bool:
    try:
        return item is not None and bool(test(item))
    except TypeError:
        return False
