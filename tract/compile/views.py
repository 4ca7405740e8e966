"""Contexts at any point, as users ask for them."""

from __future__ import annotations

from datetime import datetime

from tract.compile.accounting import compiled
from tract.compile.compiled import CompiledContext
from tract.compile.formats import pairing_warnings
from tract.compile.workspace import Workspace
from tract.errors import CommitNotFoundError, ContentValidationError
from tract.history.times import microseconds
from tract.history.walk import first_parents
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.repo import Repository
from tract.revision import resolve_revision


def compile_at(
    space: Workspace, *, at_commit: str | None = None, at_time: datetime | None = None, strict: bool = False
) -> CompiledContext:
    """The context at a revision or a moment, HEAD and now where neither is given, with the notes as they are now.

    *strict* refuses a context in which a tool's call and its result are torn apart.
    """
    if at_commit is not None and at_time is not None:
        raise ContentValidationError("at_commit and at_time exclude each other")
    repo = space.repo
    if at_commit is not None:
        found = resolve_revision(repo, at_commit)
        commit: ObjectId | None = found
        if repo.commit(found).operation is CommitOperation.NOTE:
            raise CommitNotFoundError(at_commit, "that is a note, which has no context")
    elif at_time is not None:
        commit = _commit_at_time(repo, microseconds(at_time, "at_time"))
    else:
        commit = repo.head()[1]
    context = compiled(space, space.compiler.compile(repo, commit))
    if strict:
        problems = pairing_warnings(context.messages)
        if problems:
            raise ContentValidationError(f"the context is not whole: {problems[0]}")
    return context


def _commit_at_time(repo: Repository, time: int) -> ObjectId | None:
    """The newest commit of HEAD's first-parent line that is not later than *time*."""
    return next((id for id, commit in first_parents(repo, repo.head()[1]) if commit.time <= time), None)
