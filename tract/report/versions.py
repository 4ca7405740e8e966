"""Versions of a message: what it was committed as, and what edits, merges and reverts made of it."""

from __future__ import annotations

from tract.compile.workspace import Workspace
from tract.errors import EditTargetError
from tract.history.commit import Draft, edit_target
from tract.history.context import context_at, find_entry
from tract.history.walk import ancestors
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation
from tract.repo import Repository
from tract.revision import resolve_revision

_ADDS_OR_MOVES = (CommitOperation.APPEND, CommitOperation.NOTE, CommitOperation.REORDER)


def versions_of(space: Workspace, message: str) -> list[ObjectId]:
    """The commits that gave the message its content, oldest first: the one that introduced it, then those behind HEAD that changed it.

    These are its edits, merges that resolved a conflict about it, and reverts.
    *message* may be any of its versions but a merge or a revert.
    Where :func:`cut_among_versions` names a commit, those between the first two may be missing.
    """
    repo = space.repo
    original = edit_target(repo, resolve_revision(repo, message))
    tip = repo.head()[1]
    behind = ancestors(repo, [] if tip is None else [tip])
    changes = [id for id, commit in behind if _blob_given(repo, id, commit, original) is not None and id != original]
    return [original, *reversed(changes)]


def cut_among_versions(space: Workspace, message: str) -> ObjectId | None:
    """The commit at which gc cut history in which the message may have been changed; None where all its versions are known."""
    repo = space.repo
    tip = repo.head()[1]
    if not repo.shallow.cuts or tip is None:
        return None
    since = repo.commit(edit_target(repo, resolve_revision(repo, message))).generation
    cuts = repo.shallow.cuts
    return next((id for id, commit in ancestors(repo, [tip]) if id in cuts and commit.generation > since), None)


def _blob_given(repo: Repository, id: ObjectId, commit: Commit, message: ObjectId) -> ObjectId | None:
    """The content that commit *id* gave the message; None where that is as it was, or not in its context."""
    if id == message:
        return commit.content
    if commit.operation is CommitOperation.EDIT:
        return commit.content if commit.target == message else None
    if commit.operation in _ADDS_OR_MOVES or not commit.parents:
        return None
    blob = find_entry(repo, context_at(repo, id), message)
    if blob is None:
        return None
    before = [find_entry(repo, context_at(repo, parent), message) for parent in commit.parents]
    # What no parent has was only brought in, as by an expansion, unless a revert brought it back.
    was_there = commit.operation is CommitOperation.REVERT or any(before)
    return blob if was_there and blob not in before else None


def restoring_draft(space: Workspace, message: str, version: int | str, note: str | None) -> Draft:
    """An edit still to be made that gives the message the content it has in *version*.

    A number counts from the original, 0, or with a minus back from the newest; a text names the commit, which may be on another branch.
    EditTargetError when that is no version of the message; HistoryCutError for a number that counts over a cut, where it may have meant another version before.
    """
    repo = space.repo
    original = edit_target(repo, resolve_revision(repo, message))
    chosen = _numbered(space, message, version) if type(version) is int else resolve_revision(repo, str(version))
    blob = _blob_given(repo, chosen, repo.commit(chosen), original)
    if blob is None:
        raise EditTargetError(f"commit {chosen.hex()[:16]} is no version of message {original.hex()[:16]}")
    return Draft(dict(repo.blob(blob)), CommitOperation.EDIT, original, note)


def _numbered(space: Workspace, message: str, number: int) -> ObjectId:
    versions = versions_of(space, message)
    cut = cut_among_versions(space, message)
    if cut is not None and number != 0 and not -len(versions) < number < 0:
        space.repo.check_history(cut, f"nothing tells which version {number} of message {versions[0].hex()[:16]} was")
    try:
        return versions[number]
    except IndexError:
        count = f"{len(versions)} version{'' if len(versions) == 1 else 's'}"
        raise EditTargetError(f"message {versions[0].hex()[:16]} has {count}, none of them {number}") from None
