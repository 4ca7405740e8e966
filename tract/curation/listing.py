"""The messages of a context, one by one: their kinds, priorities and tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tract.compile.tables import NoteTables
from tract.compile.workspace import Workspace, context_commit
from tract.curation.context_view import ContextView
from tract.dataclass import dataclass, field, replace
from tract.errors import BlobNotFoundError, ContentValidationError, EditTargetError
from tract.history.compression import is_summary
from tract.history.context import context_at, count_entries, index_of
from tract.history.priority import Priority, priority_of
from tract.messages import message_text
from tract.messages.kinds import MessageKind, kind_of
from tract.messages.message import Message
from tract.messages.parts import ToolCall
from tract.messages.turns import turn_of
from tract.objects.id import ObjectId, parse_id
from tract.objects.model import CommitOperation, Object
from tract.objects.strict_reader import read_blob
from tract.repo import Repository
from tract.report.text import Shown, excerpt, short
from tract.revision import Revision


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MessageInfo(Shown):
    """A message of a context, hidden or not.

    *number* is its place, from 1: ``HEAD:4`` names message 4. *commit_hash* is the commit that introduced it, which is its id everywhere.
    *token_count* includes its framing. *is_hidden* says that the model does not receive it, because it or the other half of its tool pair was skipped.
    """

    number: int
    commit_hash: str
    kind: MessageKind
    role: str
    priority: Priority
    is_hidden: bool
    token_count: int
    message: Message = field(repr=False, compare=False)

    @property
    def text(self) -> str:
        """The readable text of the message."""
        return message_text(self.message)

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the tools it calls."""
        return tuple(part.name for part in turn_of(self.message).parts if isinstance(part, ToolCall))

    @property
    def is_protected(self) -> bool:
        """Whether it is an instruction, or pinned."""
        return self.kind == "instruction" or self.priority is Priority.PINNED

    def __repr__(self) -> str:
        return f"MessageInfo({self})"

    def __str__(self) -> str:
        marks = "".join(f", {mark}" for mark in self.marks)
        return f"{self.number} {short(self.commit_hash)} {self.kind}, {self.token_count} tokens{marks}: {excerpt(self.text)}"

    @property
    def marks(self) -> tuple[str, ...]:
        """Its marks: ``pinned``, ``skip``, ``hidden``."""
        marked = () if self.priority is Priority.NORMAL else (self.priority.value,)
        return (*marked, "hidden") if self.is_hidden and self.priority is not Priority.SKIP else marked


def list_messages(
    space: Workspace,
    revision: Revision = "HEAD",
    *,
    start: int = 1,
    count: int | None = None,
    only: Sequence[Revision] | None = None,
) -> list[MessageInfo]:
    """Up to *count* messages of the context at *revision*, from number *start* on, or those that *only* names; empty if there is no commit yet.

    EditTargetError if *only* names a message that the context does not have.
    """
    for name, number in (("start", start), ("count", 0 if count is None else count)):
        if type(number) is not int:
            raise ContentValidationError(f"{name} must be a number of messages, not {number!r:.40}")
    if revision == "HEAD" and space.repo.head()[1] is None and only is None:
        return []
    view = ContextView(space, context_commit(space.repo, revision))
    if only is not None:
        return [_message(view, view.place_of(one, EditTargetError)) for one in only]
    first = max(0, start - 1)
    stop = len(view) if count is None else min(len(view), first + max(0, count))
    found: list[MessageInfo] = []
    for begin in range(first, stop, _TOGETHER):
        places = range(begin, min(stop, begin + _TOGETHER))
        blobs = [view.entry(at)[1] for at in places]
        payloads = space.repo.objects.payloads(blobs, "blob")
        for at, blob, payload in zip(places, blobs, payloads, strict=True):
            found.append(_message(view, at, read_blob(blob, Object("blob", payload))))
    return found


_TOGETHER = 1024
"""The number of contents read at once."""


def _message(view: ContextView, at: int, content: Mapping[str, Any] | None = None) -> MessageInfo:
    commit, blob = view.entry(at)
    repo, message = view.space.repo, view.message(at)
    content = repo.blob(blob) if content is None else content
    return MessageInfo(
        number=at + 1,
        commit_hash=commit.hex(),
        kind="summary" if _is_summary(repo, commit) else kind_of(message, str(content.get("content_type"))),
        role=message.role,
        priority=view.priority(at, content),
        is_hidden=view.is_hidden(at),
        token_count=view.tokens(at),
        message=message,
    )


def _is_summary(repo: Repository, commit: ObjectId) -> bool:
    """The same as :func:`is_summary`, for many commits: most have parents, and need not be read."""
    return not repo.outline(commit).parents and is_summary(repo, commit)


def new_messages(space: Workspace, since: ObjectId | None) -> list[MessageInfo]:
    """The messages of the context at HEAD that were added or edited after the commit *since*, in its order; all of them if that is None or not in HEAD's history.

    The cost depends on the number of new messages, not on the length of the context.
    """
    repo = space.repo
    tip = repo.head()[1]
    try:
        oldest = -1 if since is None else repo.commit(since).generation
    except BlobNotFoundError:  # gc dropped it
        since = None
    if since is None:
        return list_messages(space)
    came: list[ObjectId] = []
    contents: dict[ObjectId, ObjectId] = {}
    at = tip
    while at is not None and at != since:
        commit = repo.commit(at)
        operation, content = commit.operation, commit.content
        if commit.generation <= oldest:
            break
        if operation is CommitOperation.APPEND and content is not None:
            came.append(at)
            contents.setdefault(at, content)
        elif operation is CommitOperation.EDIT and content is not None and commit.target is not None:
            contents.setdefault(commit.target, content)
        elif operation is not CommitOperation.RECORD:
            break
        at = commit.parents[0] if commit.parents else None
    if at != since:
        return list_messages(space)
    notes = space.compiler.advance_notes()
    return _with_halves(
        space, notes, tip, [_new_message(space, notes, *row) for row in _places(repo, tip, came, contents)]
    )


def _with_halves(
    space: Workspace, notes: NoteTables, tip: ObjectId | None, found: list[MessageInfo]
) -> list[MessageInfo]:
    """*found*, with messages marked as hidden if the other half of their tool pair is; only contexts with skipped messages are searched."""
    if all(one.kind not in ("tool_call", "tool_result") for one in found) or space.compiler.is_custom:
        return found
    if not any(notes.is_skipped(space.repo, commit) for commit in notes.priorities.targets()):
        return found
    hidden = space.compiler.compile(tip).hidden.blobs
    return [replace(one, is_hidden=one.is_hidden or parse_id(one.commit_hash) in hidden) for one in found]


def _places(
    repo: Repository, tip: ObjectId | None, came: list[ObjectId], contents: dict[ObjectId, ObjectId]
) -> list[tuple[int, ObjectId, ObjectId]]:
    """The messages *contents*, each with its place in the context at *tip*; *came* are its last messages, newest first."""
    if not contents:
        return []
    context = context_at(repo, tip)
    first = count_entries(repo, context) - len(came)
    rows = [(first + back, commit, contents[commit]) for back, commit in enumerate(reversed(came))]
    if len(rows) < len(contents):
        edited = [(index_of(repo, context, commit), commit, blob) for commit, blob in contents.items()]
        known = {commit for _, commit, _ in rows}
        rows += [(at, commit, blob) for at, commit, blob in edited if at is not None and commit not in known]
        rows.sort()
    return rows


def _new_message(space: Workspace, notes: NoteTables, at: int, commit: ObjectId, blob: ObjectId) -> MessageInfo:
    repo = space.repo
    content = repo.blob(blob)
    message = space.blobs.message(blob, content)
    note = notes.priorities.get(repo, commit)
    priority = priority_of(note, content)
    return MessageInfo(
        number=at + 1,
        commit_hash=commit.hex(),
        kind="summary" if is_summary(repo, commit) else kind_of(message, str(content.get("content_type"))),
        role=message.role,
        priority=priority,
        is_hidden=priority is Priority.SKIP,
        token_count=(space.blobs.known(blob) or space.count_of(blob)).message,
        message=message,
    )
