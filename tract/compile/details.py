"""A commit with all there is to say of it: its content, and what it changed."""

from __future__ import annotations

from tract.compile.cache import readable_content
from tract.compile.diff import diff_of_commit
from tract.compile.info import CommitDetails
from tract.compile.report import content_at, describe
from tract.compile.workspace import Workspace
from tract.errors import ContentValidationError
from tract.objects.id import ObjectId


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
