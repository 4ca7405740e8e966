"""Contexts at any point, as users ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from tract.compile.compiled import CompiledContext, compiled
from tract.compile.order import reordered
from tract.compile.snapshot import Snapshot
from tract.compile.workspace import Workspace, context_commit, notes_then
from tract.errors import ContentValidationError
from tract.history.times import microseconds
from tract.history.walk import first_parents
from tract.messages import message_from_raw
from tract.messages.message import Message
from tract.objects.id import ObjectId
from tract.objects.message_format import JSON
from tract.repo import Repository

EDITED = " [edited]"


def compile_at(
    space: Workspace,
    *,
    at_commit: str | None = None,
    at_time: datetime | None = None,
    order: Sequence[str] | None = None,
    include_edit_annotations: bool = False,
    strict: bool = False,
    notes: Literal["now", "then"] = "now",
) -> CompiledContext:
    """The context at a revision or a moment, HEAD and now where neither is given, with the notes as they are now or were then.

    *order* names the messages that shall come first.
    *include_edit_annotations* marks the texts that were edited.
    *strict* refuses what would be a warning: tool pairs that are torn or were mended, and orders that change the meaning.
    """
    if at_commit is not None and at_time is not None:
        raise ContentValidationError("at_commit and at_time exclude each other")
    if notes not in ("now", "then"):
        raise ContentValidationError(f"notes must be 'now' or 'then', not {notes!r}")
    commit = _commit_at(space.repo, at_commit, at_time)
    tables = notes_then(space, commit) if notes == "then" and commit is not None else None
    snapshot = space.compiler.compile(space.repo, commit, tables)
    if order is not None:
        snapshot = reordered(space.repo, snapshot, order)
    if include_edit_annotations:
        snapshot = _with_marks(space.repo, snapshot)
    context = compiled(space, snapshot)
    if strict and context.problems:
        raise ContentValidationError(f"the context is not whole: {context.problems[0]}")
    return context


def sent(space: Workspace, revision: str) -> CompiledContext:
    """What the model was shown to produce the commit: its parent's context, with the notes as they were when it was made."""
    repo = space.repo
    commit = context_commit(repo, revision)
    parents = repo.commit(commit).parents
    repo.check_history(commit, f"what the model was sent before '{revision}' is not kept")
    tables = notes_then(space, commit)
    return compiled(space, space.compiler.compile(repo, parents[0] if parents else None, tables))


def _commit_at(repo: Repository, at_commit: str | None, at_time: datetime | None) -> ObjectId | None:
    if at_commit is not None:
        return context_commit(repo, at_commit)
    if at_time is not None:
        return _commit_at_time(repo, microseconds(at_time, "at_time"))
    return repo.head()[1]


def _commit_at_time(repo: Repository, time: int) -> ObjectId | None:
    """The newest commit of HEAD's first-parent line that is not later than *time*."""
    return next((id for id, commit in first_parents(repo, repo.head()[1]) if commit.time <= time), None)


def _with_marks(repo: Repository, snapshot: Snapshot) -> Snapshot:
    """*snapshot* with a mark behind the texts of those messages that are not as they were committed."""
    columns = snapshot.columns.copy(snapshot.length)
    for at in range(snapshot.length):
        if repo.commit(columns.commits[at]).content != columns.blobs[at]:
            marked = _marked(columns.messages[at])
            if marked is not None:
                columns.replace(at, columns.blobs[at], marked, made=True)
    return snapshot._replace(columns=columns)


def _marked(message: Message) -> Message | None:
    """*message* with the mark behind its text; None where it has none."""
    key = "output" if "output" in message.raw and "content" not in message.raw else "content"
    content = message.raw.get(key)
    if isinstance(content, str):
        return _with(message, key, content + EDITED)
    if not isinstance(content, (list, tuple)):
        return None
    for at in range(len(content) - 1, -1, -1):
        part = content[at]
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            parts = [*content[:at], {**part, "text": part["text"] + EDITED}, *content[at + 1 :]]
            return _with(message, key, parts)
    return None


def _with(message: Message, key: str, value: JSON) -> Message:
    made = message_from_raw({**message.raw, key: value}, message.format)
    return replace(made, is_error=True) if message.is_error else made
