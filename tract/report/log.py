"""Reports: what a tract can say of its commits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

from tract.compile.workspace import Workspace
from tract.errors import CommitNotFoundError, ContentValidationError
from tract.history.context import context_at, entries
from tract.history.notes import USAGE, note_tip
from tract.history.priority import Priority, priority_of
from tract.history.times import moment
from tract.messages import copy_json
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation
from tract.repo import Repository
from tract.report.info import CommitInfo
from tract.report.selection import Selection, test_of, walk
from tract.tokens.usage import usage_of


def describe(space: Workspace, id: ObjectId, content: Mapping[str, Any] | None = None) -> CommitInfo:
    """What there is to say about commit *id*; *content*, the map that its blob is, spares a read where the caller has it."""
    commit = space.repo.commit(id)
    if content is None and commit.operation is not CommitOperation.NOTE and commit.content is not None:
        content = space.repo.blob(commit.content)
    _look_at_notes(space)
    return _describe(space, id, commit, content)


def describe_made(
    space: Workspace, made: Sequence[tuple[ObjectId, Commit]], contents: Iterable[Mapping[str, Any]]
) -> list[CommitInfo]:
    """The same for commits that were just made, of which nothing need be read."""
    _look_at_notes(space)
    space.blobs.note_made([commit.content for _, commit in made if commit.content is not None])
    return [_describe(space, id, commit, content) for (id, commit), content in zip(made, contents, strict=True)]


def _look_at_notes(space: Workspace) -> None:
    space.compiler.advance_notes(space.repo)
    space.usages.advance(space.repo, note_tip(space.repo, USAGE))


def _describe(space: Workspace, id: ObjectId, commit: Commit, content: Mapping[str, Any] | None) -> CommitInfo:
    """What there is to say, with the notes as they were looked up last."""
    repo = space.repo
    # A blob of no type, which hash-object and streams can bring, is read as freeform content.
    kind = commit.operation.value if content is None else str(content.get("content_type", "freeform"))
    usage = space.usages.get(repo, id)
    return CommitInfo(
        id.hex(),
        repo.tract,
        commit.parents[0].hex() if commit.parents else None,
        tuple(parent.hex() for parent in commit.parents),
        None if commit.content is None else commit.content.hex(),
        kind,
        commit.operation,
        None if commit.target is None else commit.target.hex(),
        commit.message,
        copy_json(commit.metadata),
        copy_json(space.compiler.configs.get(repo, id)),
        None if usage is None else usage_of(usage),
        priority_of(space.compiler.priorities.get(repo, id), content),
        commit.author,
        moment(commit.time),
        _text_counter(space, commit.content),
    )


def _text_counter(space: Workspace, blob: ObjectId | None) -> Callable[[], int]:
    """Counts the blob's text when it is called; a function, because dataclasses.asdict would copy what a partial holds."""
    return lambda: 0 if blob is None else space.text_tokens(blob)


def log(
    space: Workspace,
    *,
    limit: int | None,
    op_filter: CommitOperation | str | None = None,
    first_parent: bool = False,
    start: str | Sequence[str] = "HEAD",
    skip: int = 0,
    **filters: Any,
) -> list[CommitInfo]:
    """The commits behind *start*, newest first; an empty list where there is no commit yet. *filters* are Selection's."""
    for name, number in (("limit", limit), ("skip", skip)):
        if number is not None and (type(number) is not int or number < 0):
            raise ContentValidationError(f"{name} must be a number of commits, not {number!r}")
    starts = (start,) if isinstance(start, str) else tuple(start)
    selection = Selection(starts, op=op_filter, first_parent=first_parent, **filters)
    asked_for = test_of(space, selection)
    found = (id for id, commit in walk(space.repo, selection) if asked_for(id, commit))
    return [describe(space, id) for id in islice(found, skip, None if limit is None else skip + limit)]


def content_at(space: Workspace, id: ObjectId) -> Any:
    """The content of commit *id*, as it was committed."""
    from tract.objects.content import from_value  # a log shows messages, and need not load the kinds of content

    value = space.repo.blob(_content_id(space.repo, id))
    return value if space.repo.commit(id).operation is CommitOperation.NOTE else from_value(value, space.types)


def _content_id(repo: Repository, id: ObjectId) -> ObjectId:
    commit = repo.commit(id)
    if commit.content is None:
        raise CommitNotFoundError(id.hex(), f"a {commit.operation} has no content")
    return commit.content


def with_priority(space: Workspace, wanted: Priority) -> list[CommitInfo]:
    """The messages of the context at HEAD that have the priority, in order."""
    context = context_at(space.repo, space.repo.head()[1])
    infos = (describe(space, commit) for commit, _ in entries(space.repo, context))
    return [info for info in infos if info.priority is wanted]


def query_by_config(space: Workspace, conditions: Iterable[tuple[str, str, Any]]) -> list[CommitInfo]:
    """The commits, on any branch, whose generation config meets all *conditions*, oldest first.

    A condition is a field, an operator and a value.
    The field may lead into nested maps: ``a.b``. ``in`` takes a collection, ``between`` a pair of bounds, both included.
    """
    if not isinstance(conditions, Iterable):
        raise ContentValidationError(f"a query is a field or conditions, not {type(conditions).__name__}")
    tests = [_condition(condition) for condition in conditions]
    if not tests:
        raise ContentValidationError("a query needs a condition")
    repo = space.repo
    space.compiler.advance_notes(repo)
    configs = space.compiler.configs
    found = []
    for target in configs.targets():
        config = configs.get(repo, target)
        # A note may be about a commit that gc took.
        if all(test(_field(config, field)) for field, test in tests) and repo.objects.contains(target):
            found.append(target)
    return [describe(space, id) for id in sorted(found, key=lambda commit: (repo.commit(commit).time, commit))]


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
    """The test that *operator* makes; what cannot be compared does not match."""
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
