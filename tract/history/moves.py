"""Moving refs by hand, under the rules for all refs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from tract.errors import RefMovedError, RefNameError, StorageError
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import COLLAPSE, EXPANDED, Commit, CommitOperation, shown
from tract.reflog import is_undo_reason
from tract.refs.names import HEAD, HEADS, NOTES, REMOTE_NOTES, REMOTES, TRACTS, NameTable, check_ref, split_tract
from tract.refs.store import ANY, Expect, Expected, RefEdit
from tract.repo import Repository
from tract.transaction import transaction


class RefMove(NamedTuple):
    """Set the ref *name* of this tract to the commit *new* (None deletes it), if it is at *expected* now.

    With *new* ANY the ref stays, and must still be at *expected*.
    *name* is a full name. HEAD on a branch stands for the branch, unless *deref* is False: then HEAD itself moves, off its branch.
    """

    name: str
    new: ObjectId | Literal[Expect.ANY] | None
    expected: Expected = ANY
    deref: bool = True


def move_refs(repo: Repository, moves: Sequence[RefMove], *, reason: str) -> None:
    """Make all the moves in one operation, or none of them.

    RefMovedError if a ref is not at its expected value; RefNameError for an invalid name, and for a ref that is moved twice.
    A *reason* that reads like that of an undo is marked as one of update-ref, or the next undo would count it.
    """
    if is_undo_reason(reason):
        reason = f"update-ref: {reason}"
    with transaction(repo, reason, moves="refs") as tx:
        tx.edits += _edits(repo, moves)


def check_moves(repo: Repository, moves: Sequence[RefMove]) -> None:
    """Raise the errors of :func:`move_refs`, and move nothing; for a caller that holds the lock until the moves are made."""
    repo.refs.refresh()
    for name, _, expected in _edits(repo, moves):
        found = repo.refs.read(name)
        if expected is not ANY and found != expected:
            raise RefMovedError(name, shown(expected), shown(found))


def _edits(repo: Repository, moves: Sequence[RefMove]) -> list[RefEdit]:
    edits: dict[str, RefEdit] = {}
    for move in moves:
        edit = _edit(repo, move)
        if edit.name in edits:
            raise RefNameError(f"ref '{edit.name}' is moved twice in one transaction")
        edits[edit.name] = edit
    check_beside(edit.name for edit in edits.values() if edit.new is not None and repo.refs.read(edit.name) is None)
    return list(edits.values())


def _edit(repo: Repository, move: RefMove) -> RefEdit:
    name, new, expected, deref = move
    _check_local(name)
    branch, tip = repo.head() if name == HEAD else (None, None)
    ref = branch if branch is not None and deref else name
    if ref == HEAD:
        if new is None:
            raise RefNameError("ref 'HEAD' cannot be deleted: a tract needs it")
        if expected is not ANY:
            if tip != expected:
                raise RefMovedError(name, shown(expected), shown(tip))
            expected = repo.ref(HEAD)
    if new is ANY:
        stays = repo.ref(ref) if expected is ANY else expected
        return RefEdit(repo.prefix + ref, stays, stays)
    if new is not None:
        check_target(repo, ref, new)
    return RefEdit(repo.prefix + ref, new, expected)


def adds_no_word(repo: Repository, old: ObjectId | None, new: ObjectId | None) -> bool:
    """True if, from *old* to *new*, the branch only got commits after which a model is shown nothing new.

    Such commits compress, expand, reorder or record, or only remove messages. Commits that bring, edit or restore a message are not.
    """
    from tract.history.walk import first_parents  # who moves a ref need not ask

    if new is None:
        return old is None
    if old is None:
        return all(commit.operation is CommitOperation.RECORD for _, commit in first_parents(repo, new))
    least = repo.commit(old).generation
    for id, commit in first_parents(repo, new):
        if id == old:
            return True
        if commit.generation <= least or not commit.parents or not _adds_no_word(repo, id, commit):
            return False
    return False


def _adds_no_word(repo: Repository, id: ObjectId, commit: Commit) -> bool:
    if commit.operation in (CommitOperation.COMPRESS, CommitOperation.REORDER, CommitOperation.RECORD):
        return True
    if commit.operation is CommitOperation.REVERT and EXPANDED in (commit.metadata or {}):
        # A child's messages were never shown here; the messages behind a summary were.
        return COLLAPSE not in (commit.metadata or {})
    if commit.operation in (CommitOperation.APPEND, CommitOperation.EDIT):
        return False
    from tract.history.context import context_at
    from tract.history.tree_diff import diff_contexts

    before, after = (context_at(repo, one) for one in (commit.parents[0], id))
    changes = list(diff_contexts(repo, before, after))
    return {entry for change in changes for entry in change.new} <= {
        entry for change in changes for entry in change.old
    }


def check_beside(names: Iterable[str]) -> None:
    """Raise RefNameError if some of these new names cannot exist beside each other in a file system."""
    new = list(names)
    table = NameTable(new)
    for name in new:
        table.check(name)


def point_head(repo: Repository, ref: str, *, reason: str) -> None:
    """Put HEAD on the branch *ref* (``refs/heads/…``), which may not exist yet; no branch moves."""
    if not ref.startswith(HEADS):
        raise RefNameError(f"HEAD cannot be put on {ref!r}: it is not under {HEADS.rstrip('/')}")
    check_ref(ref)
    with transaction(repo, reason, moves="refs") as tx:
        tx.move(HEAD, ref)


def _check_local(name: str) -> None:
    if name.startswith(TRACTS):
        raise RefNameError(f"{name!r} is a ref of another tract")
    check_ref(name)


def check_target(repo: Repository, ref: str, new: ObjectId) -> None:
    """Raise if *ref* is a branch and *new* is a note or has no context, or if *ref* is a ref of notes and *new* is not a note: readers would take them for something else."""
    check_is_for(ref, new, repo.commit(new).operation)
    if ref == HEAD or ref.startswith(HEADS):
        repo.check_whole(new, f"ref '{ref}' cannot be moved to a commit of which only the message is kept")


def check_is_for(ref: str, new: ObjectId, operation: CommitOperation) -> None:
    """Raise StorageError if *new*, a commit with this *operation*, is of the wrong kind for *ref* (of any tract)."""
    local = split_tract(ref)[1]
    is_note = operation is CommitOperation.NOTE
    if is_note and (local.startswith((HEADS, REMOTES)) or local == HEAD):
        raise StorageError(f"ref '{ref}' cannot be moved to {new.hex()[:16]}: it is a note")
    if not is_note and local.startswith((NOTES, REMOTE_NOTES)):
        raise StorageError(f"ref '{ref}' cannot be moved to {new.hex()[:16]}: it is not a note")
