"""Versions of a message: what it was committed as, and what edits made of it."""

from __future__ import annotations

from tract.compile.workspace import Workspace
from tract.errors import EditTargetError
from tract.history.commit import Draft, edit_target
from tract.history.walk import ancestors
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.revision import resolve_revision


def versions_of(space: Workspace, message: str) -> list[ObjectId]:
    """The commits that gave the message its content, oldest first: the one that introduced it, then its edits behind HEAD.

    *message* may be any of them.
    """
    repo = space.repo
    original = edit_target(repo, resolve_revision(repo, message))
    tip = repo.head()[1]
    edits = [
        id
        for id, commit in ancestors(repo, [] if tip is None else [tip])
        if commit.operation is CommitOperation.EDIT and commit.target == original
    ]
    return [original, *reversed(edits)]


def restoring_draft(space: Workspace, message: str, version: int | str, note: str | None) -> Draft:
    """An edit still to be made that gives the message the content it has in *version*.

    A number counts from the original, 0, or with a minus back from the newest; a text names the commit, which may be on another branch.
    EditTargetError when that is no version of the message.
    """
    repo = space.repo
    original = edit_target(repo, resolve_revision(repo, message))
    chosen = _numbered(space, message, version) if type(version) is int else resolve_revision(repo, str(version))
    commit = repo.commit(chosen)
    is_edit = commit.operation is CommitOperation.EDIT and commit.target == original
    if commit.content is None or not (is_edit or chosen == original):
        raise EditTargetError(f"commit {chosen.hex()[:16]} is no version of message {original.hex()[:16]}")
    return Draft(dict(repo.blob(commit.content)), CommitOperation.EDIT, original, note)


def _numbered(space: Workspace, message: str, number: int) -> ObjectId:
    versions = versions_of(space, message)
    try:
        return versions[number]
    except IndexError:
        count = f"{len(versions)} version{'' if len(versions) == 1 else 's'}"
        raise EditTargetError(f"message {versions[0].hex()[:16]} has {count}, none of them {number}") from None
