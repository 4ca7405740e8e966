"""A commit, together with its notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from tract.compile.workspace import Workspace, ask_store
from tract.dataclass import dataclass, field, fields, replace
from tract.errors import CommitNotFoundError, TractError
from tract.history.context import context_at, entries
from tract.history.notes import USAGE, note_tip
from tract.history.priority import Priority, priority_of
from tract.history.times import moment
from tract.messages import copy_json, message_text
from tract.objects.id import ObjectId
from tract.objects.message_format import JSON
from tract.objects.model import Commit, CommitOperation
from tract.objects.strict_reader import read_bytes
from tract.repo import Repository
from tract.report.text import Shown, count_of, excerpt, short

if TYPE_CHECKING:
    from tract.tokens.usage import TokenUsage


def rebuilt_with_count(value: Any) -> tuple[Any, ...]:
    """The arguments for pickle to rebuild a dataclass that counts its tokens later: with the count, because its tract stays here.

    It is not ``__getstate__``: before Python 3.11.4 a frozen dataclass with slots replaces a class's own.
    """
    parts = {f.name: getattr(value, f.name) for f in fields(value)}
    parts["_count"] = partial(int, value.token_count)
    if "_told" in parts:
        parts["_told"] = partial(tuple, value._told())
    make: Callable[..., Any] = type(value)
    return partial(make, **parts), ()


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class CommitInfo(Shown):
    """A commit with what its notes say about it; ids are hexadecimal.

    *response_to* is the message that an edit changes, or that a message replies to.
    *landed_on* is the commit that a new commit was made on, if that is not the one its handle saw last; only the caller that committed it knows.
    """

    commit_hash: str
    tract_id: str
    parent_hash: str | None
    parent_hashes: tuple[str, ...]
    content_hash: str | None
    content_type: str
    operation: CommitOperation
    response_to: str | None
    message: str | None
    metadata: dict[str, JSON] | None
    generation_config: dict[str, JSON] | None
    usage: TokenUsage | None
    priority: Priority
    author: str
    created_at: datetime
    landed_on: str | None = field(default=None, compare=False)
    _count: Callable[[], int] = field(compare=False)
    _told: Callable[[], tuple[str, str]] = field(compare=False)

    @property
    def role(self) -> str:
        """The role of its message; without a message, the operation."""
        return self._told()[0]

    @property
    def excerpt(self) -> str:
        """The beginning of its text, in one line."""
        return self._told()[1]

    @property
    def token_count(self) -> int:
        """The tokens of the content's text alone, without message framing; counted when first asked for."""
        return self._count()

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuilt_with_count(self)

    def __repr__(self) -> str:
        kind = "" if self.operation is CommitOperation.APPEND else f"{self.operation} "
        try:
            said = f"{self.role}: {self.excerpt!r}, {count_of(self.token_count, 'token')}"
        except TractError:  # it is shown even if its store is gone
            said = self.content_type
        return f"CommitInfo({short(self.commit_hash)} {kind}{said})"

    def __str__(self) -> str:
        return f"{short(self.commit_hash)} {self.role}: {self.excerpt} ({count_of(self.token_count, 'token')})"


def describe(space: Workspace, id: ObjectId, content: Mapping[str, Any] | None = None) -> CommitInfo:
    """The CommitInfo of commit *id*; a caller that has *content*, the blob's map, passes it to spare a read."""
    _look_at_notes(space)
    return _described(space, id, content)


def describe_all(space: Workspace, ids: Iterable[ObjectId]) -> list[CommitInfo]:
    """The same for several commits; the notes are looked up once."""
    _look_at_notes(space)
    return [_described(space, id, None) for id in ids]


def describe_made(
    space: Workspace, made: Sequence[tuple[ObjectId, Commit]], contents: Iterable[Mapping[str, Any]]
) -> list[CommitInfo]:
    """The same for commits that were just made, which need not be read."""
    _look_at_notes(space)
    space.blobs.note_made([commit.content for _, commit in made if commit.content is not None])
    # If gc dropped the message of a key, a commit without content stands for it.
    return [
        _describe(space, id, commit, None if commit.content is None else content)
        for (id, commit), content in zip(made, contents, strict=True)
    ]


def _described(space: Workspace, id: ObjectId, content: Mapping[str, Any] | None) -> CommitInfo:
    commit = space.repo.commit(id)
    if content is None and commit.operation is not CommitOperation.NOTE:
        blob = space.repo.map_in(commit)
        content = None if blob is None else space.repo.blob(blob)
    return _describe(space, id, commit, content)


def _look_at_notes(space: Workspace) -> None:
    moves = space.repo.refs.note_moves
    if moves != space.note_moves:
        space.compiler.advance_notes()
        space.usages.advance(space.repo, note_tip(space.repo, USAGE))
        space.note_moves = moves


def _describe(space: Workspace, id: ObjectId, commit: Commit, content: Mapping[str, Any] | None) -> CommitInfo:
    """The CommitInfo, with the notes as of the last lookup."""
    repo, blob, target = space.repo, commit.content, commit.target
    # A blob of no type, which hash-object and streams can bring, is read as freeform content.
    kind = commit.operation.value if content is None else str(content.get("content_type", "freeform"))
    usage = space.usages.get(repo, id)
    notes = space.compiler.notes
    config = notes.configs.get(repo, id)
    parents = tuple(map(bytes.hex, commit.parents))
    return CommitInfo(
        commit_hash=id.hex(),
        tract_id=repo.tract,
        parent_hash=parents[0] if parents else None,
        parent_hashes=parents,
        content_hash=None if blob is None else blob.hex(),
        content_type=kind,
        operation=commit.operation,
        response_to=None if target is None else target.hex(),
        message=commit.message,
        metadata=None if commit.metadata is None else copy_json(commit.metadata),
        generation_config=None if config is None else copy_json(config),
        usage=None if usage is None else _usage_of(usage),
        priority=priority_of(notes.priorities.get(repo, id), content),
        author=commit.author,
        created_at=moment(commit.time),
        _told=lambda: ask_store(space, lambda open_: _told(open_, commit)),
        _count=_text_counter(space, None if content is None or commit.operation is CommitOperation.RECORD else blob),
    )


def _usage_of(note: Mapping[str, Any]) -> TokenUsage:
    from tract.tokens.usage import usage_of  # most commits have none

    return usage_of(note)


def _told(space: Workspace, commit: Commit) -> tuple[str, str]:
    """The role of a commit's message, and the beginning of its text."""
    blob = None if commit.operation is CommitOperation.RECORD else space.repo.map_in(commit)
    if blob is None:
        return commit.operation.value, excerpt(commit.message or "")
    message = space.blobs.message(blob)
    return message.role, excerpt(message_text(message))


class CommitLog(list[CommitInfo], Shown):
    """Commits, newest first; printed one to a line."""

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or "no commits"


def _text_counter(space: Workspace, blob: ObjectId | None) -> Callable[[], int]:
    """A function that counts the blob's text when it is called; not a partial, because dataclasses.asdict would copy its values."""
    return lambda: 0 if blob is None else ask_store(space, lambda open_: open_.text_tokens(blob))


def content_at(space: Workspace, id: ObjectId) -> Any:
    """The content of commit *id*, as it was committed."""
    from tract.objects.content import from_value  # a log shows messages, and need not load the kinds of content

    blob = _content_id(space.repo, id)
    commit = space.repo.commit(id)
    if space.repo.map_in(commit) is None:
        return read_bytes(blob, space.repo.objects.read(blob))
    value = space.repo.blob(blob)
    if commit.operation is CommitOperation.NOTE:
        return value
    content = from_value(value, space.types)
    if commit.operation is not CommitOperation.RECORD:
        return content
    from tract.history.records import refs_of  # most have none

    return replace(content, refs=refs_of(space.repo, commit))


def _content_id(repo: Repository, id: ObjectId) -> ObjectId:
    commit = repo.commit(id)
    if commit.content is None:
        raise CommitNotFoundError(id.hex(), f"a {commit.operation} has no content")
    return commit.content


def with_priority(space: Workspace, wanted: Priority) -> list[CommitInfo]:
    """The messages of the context at HEAD that have the priority, in order."""
    context = context_at(space.repo, space.repo.head()[1])
    infos = describe_all(space, (commit for commit, _ in entries(space.repo, context)))
    return [info for info in infos if info.priority is wanted]
