"""A commit with all there is to say of it: its content, and what it changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tract.compile.workspace import Workspace
from tract.errors import ContentValidationError
from tract.objects.id import ObjectId
from tract.report.diff import DiffResult, diff_of_commit
from tract.report.info import CommitInfo
from tract.report.log import content_at, describe
from tract.tokens.counts import readable_content


@dataclass(frozen=True, slots=True)
class CommitDetails:
    """A commit, its content as it was committed, None where it brought none, and what it changed in the context of its first parent."""

    commit: CommitInfo
    content: Any
    changes: DiffResult


def details(space: Workspace, id: ObjectId) -> CommitDetails:
    """Commit *id*, its content, as plain fields where the content's type is not registered here, and what it changed."""
    blob = space.repo.commit(id).content
    content = None
    if blob is not None:
        try:
            content = content_at(space, id)
        except ContentValidationError:
            content = readable_content(space.repo.blob(blob))
    return CommitDetails(describe(space, id), content, diff_of_commit(space, id))
