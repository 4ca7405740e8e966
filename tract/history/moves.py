"""Moving refs by hand, under the rules that hold for every ref."""

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
    """Set the ref *name* of this tract to the commit *new*, None deletes it, when it is at *expected* now.

    With *new* ANY it stays where it is, and must be at *expected* all the same.
    *name* is whole; HEAD on a branch means the branch, unless *deref* is False: then it is HEAD that moves, off its branch.
    """

    name: str
    new: ObjectId | Literal[Expect.ANY] | None
    expected: Expected = ANY
    deref: bool = True


def move_refs(repo: Repository, moves: Sequence[RefMove], *, reason: str) -> None:
    """Make all the moves in one operation, or none of them.

    RefMovedError when a ref is elsewhere; RefNameError for a name no ref can have, and for a ref that is moved twice.
    A *reason* that reads like an undo's is said to be of an update-ref, or the next undo would count it.
    """
    if is_undo_reason(reason):
        reason = f"update-ref: {reason}"
    with transaction(repo, reason, moves="refs") as tx:
        tx.edits += _edits(repo, moves)


def check_moves(repo: Repository, moves: Sequence[RefMove]) -> None:
    """Raise what :func:`move_refs` would, and move nothing; for a caller that holds the lock until the moves are made."""
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
    """Whether a branch came from *old* to *new* only by commits after which a model is shown nothing it was not shown before.

    Those compress, expand, reorder or record, or they only take messages away; what brings, edits or restores one is none of them.
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
        # What a child said was never shown here; what a summary stands for was.
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
    """Refuse names, all of them new, that cannot stand beside each other in a file system."""
    new = list(names)
    table = NameTable(new)
    for name in new:
        table.check(name)


def point_head(repo: Repository, ref: str, *, reason: str) -> None:
    """Put HEAD on the branch *ref* (``refs/heads/…``), which need not exist yet; no branch moves."""
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
    """Refuse a branch of notes, and notes that are messages: they would be read for what they are not; and a branch without a context."""
    check_is_for(ref, new, repo.commit(new).operation)
    if ref == HEAD or ref.startswith(HEADS):
        repo.check_whole(new, f"ref '{ref}' cannot be moved to where only a message is kept")


def check_is_for(ref: str, new: ObjectId, operation: CommitOperation) -> None:
    """Refuse *new*, a commit that does *operation*, where it is not what *ref* (of any tract) is for."""
    local = split_tract(ref)[1]
    is_note = operation is CommitOperation.NOTE
    if is_note and (local.startswith((HEADS, REMOTES)) or local == HEAD):
        raise StorageError(f"ref '{ref}' cannot be moved to {new.hex()[:16]}: it is a note")
    if not is_note and local.startswith((NOTES, REMOTE_NOTES)):
        raise StorageError(f"ref '{ref}' cannot be moved to {new.hex()[:16]}: it is no note")
