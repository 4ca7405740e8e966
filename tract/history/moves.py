"""Moving refs by hand, under the rules that hold for every ref."""

from __future__ import annotations

from tract.errors import RefNameError, StorageError
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.refs.names import HEAD, HEADS, NOTES, TRACTS, check_ref
from tract.refs.store import Expected, RefEdit
from tract.repo import Repository


def move_ref(repo: Repository, name: str, new: ObjectId | None, *, expected: Expected, reason: str) -> None:
    """Set the ref *name* of this tract to the commit *new*, None deletes it, when it is at *expected* now.

    *name* is whole; HEAD on a branch means the branch.
    RefMovedError when the ref is elsewhere; RefNameError for a name no ref can have.
    """
    _check_local(name)
    with repo.objects.lock():
        repo.refs.refresh()
        branch = repo.head()[0] if name == HEAD else None
        if name == HEAD and branch is None and new is None:
            raise RefNameError("ref 'HEAD' cannot be deleted: a tract needs it")
        ref = branch or name
        if new is not None:
            _check_target(repo, ref, new)
        repo.refs.update([RefEdit(repo.prefix + ref, new, expected)], reason=reason)


def point_head(repo: Repository, ref: str, *, reason: str) -> None:
    """Put HEAD on the branch *ref* (``refs/heads/…``), which need not exist yet; no branch moves."""
    if not ref.startswith(HEADS):
        raise RefNameError(f"HEAD cannot be put on {ref!r}: it is not under {HEADS.rstrip('/')}")
    check_ref(ref)
    repo.refs.update([RefEdit(repo.prefix + HEAD, ref)], reason=reason)


def _check_local(name: str) -> None:
    if name.startswith(TRACTS):
        raise RefNameError(f"{name!r} is a ref of another tract")
    check_ref(name)


def _check_target(repo: Repository, ref: str, new: ObjectId) -> None:
    """A branch of notes, or notes that are messages, would be read for what they are not."""
    is_note = repo.commit(new).operation is CommitOperation.NOTE
    if is_note and (ref.startswith(HEADS) or ref == HEAD):
        raise StorageError(f"ref '{ref}' cannot be moved to {new.hex()[:16]}: it is a note")
    if not is_note and ref.startswith(NOTES):
        raise StorageError(f"ref '{ref}' cannot be moved to {new.hex()[:16]}: it is no note")
