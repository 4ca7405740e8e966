"""Archiving a branch, and moving the end of a branch to a new one.

archive   refs/heads/x  ──▸ refs/archive/x        it is no longer listed, and nothing of it is lost
divert    main  a ─ b ─ c ─ d        main  a ─ b            the messages from c on go to a new branch, and HEAD with them
                                     side      └─ c ─ d
"""

from __future__ import annotations

from tract.errors import BranchExistsError, BranchNotFoundError, TractError
from tract.history.moves import check_target
from tract.history.state import read_state
from tract.history.walk import first_parents, is_ancestor
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.refs.names import HEAD, HEADS, SPAWN_REF, TAGS, branch_ref
from tract.repo import Repository
from tract.transaction import Transaction, transaction

ARCHIVE = "refs/archive/"

_MOVED_OVER = (CommitOperation.APPEND, CommitOperation.EDIT, CommitOperation.RECORD, CommitOperation.COMPRESS)


class ArchivedBranch(NamedTuple):
    """An archived branch: its name, its commit, whether HEAD reaches that commit, and the tags on its own commits."""

    name: str
    commit_hash: str
    is_merged: bool
    tags: tuple[str, ...]


def archive_branch(repo: Repository, name: str) -> ArchivedBranch:
    """Archive branch *name*; TractError if HEAD is on it, or it is being merged."""
    ref = branch_ref(name)
    with transaction(repo, f"branch: archived {name}", moves="refs") as tx:
        at = _branch_at(tx, name)
        if ref in (tx.branch, repo.ref(HEAD)):
            raise TractError(f"branch '{name}' cannot be archived: HEAD is on it")
        state = read_state(repo, "merge")
        if state is not None and state.get("source") == name:
            raise TractError(f"branch '{name}' cannot be archived: it is being merged")
        aside = ARCHIVE + name
        if tx.ref(aside) is not None or _is_reserved(aside):
            raise BranchExistsError(f"there is an archived branch '{name}' already")
        told = _told(repo, name, at)
        tx.move(ref, None, at)
        tx.move(aside, at, None)
    return told


def unarchive_branch(repo: Repository, name: str) -> ObjectId:
    """Bring an archived branch back; return its commit."""
    ref = branch_ref(name)
    with transaction(repo, f"branch: brought back {name}", moves="refs") as tx:
        at = None if _is_reserved(ARCHIVE + name) else tx.ref(ARCHIVE + name)
        if not isinstance(at, bytes):
            raise BranchNotFoundError(f"there is no archived branch '{name}'")
        if tx.ref(ref) is not None:
            raise BranchExistsError(f"branch '{name}' exists already")
        tx.move(ARCHIVE + name, None, at)
        tx.move(ref, at, None)
    return at


def archived_branches(repo: Repository) -> list[ArchivedBranch]:
    """The archived branches, in order of name."""
    found = [(name, at) for name, at in repo.local_refs(ARCHIVE) if not _is_reserved(name) and isinstance(at, bytes)]
    return [_told(repo, name.removeprefix(ARCHIVE), at) for name, at in found]


def _is_reserved(ref: str) -> bool:
    """True if the ref is not an archived branch but belongs to a spawn."""
    return ref == SPAWN_REF or ref.startswith(ARCHIVE + "children/")


def _told(repo: Repository, name: str, at: ObjectId) -> ArchivedBranch:
    head = repo.head()[1]
    tags = {value: tag.removeprefix(TAGS) for tag, value in repo.local_refs(TAGS)}
    own = [tags[id] for id, _ in _until(repo, at, head) if id in tags]
    return ArchivedBranch(name, at.hex(), head is not None and is_ancestor(repo, at, head), tuple(own))


def _until(repo: Repository, at: ObjectId, head: ObjectId | None) -> list[tuple[ObjectId, CommitOperation]]:
    """The commits of the branch that HEAD does not reach, along first parents."""
    found = []
    for id, commit in first_parents(repo, at):
        if head is not None and is_ancestor(repo, id, head):
            break
        found.append((id, commit.operation))
    return found


def divert(repo: Repository, name: str, start: ObjectId) -> str:
    """Move the commits of HEAD's branch from the message *start* on to the new branch *name*, and HEAD with them; return the name of the old branch.

    A compression made since *start* moves along; on the old branch the messages that it summed up are as before.
    TractError if a commit since *start* is not a message, an edit, a record or a compression, or if the old branch would be empty.
    """
    ref = branch_ref(name)
    with transaction(repo, f"divert: {name}") as tx:
        if repo.branch is not None:
            raise TractError(f"'{repo.branch.removeprefix(HEADS)}' was opened by its name, and cannot be left")
        if tx.ref(ref) is not None:
            raise BranchExistsError(f"branch '{name}' exists already")
        assert tx.branch is not None
        left = _before(repo, tx.tip, start)
        check_target(repo, ref, left)
        tx.move(ref, tx.tip, None)
        tx.move(tx.branch, left, tx.tip)
        tx.move(HEAD, ref, tx.branch)
        return tx.branch.removeprefix(HEADS)


def _before(repo: Repository, tip: ObjectId | None, start: ObjectId) -> ObjectId:
    for id, commit in first_parents(repo, tip):
        if commit.operation not in _MOVED_OVER:
            break
        if id == start:
            if not commit.parents:
                raise TractError("nothing would be left on the branch")
            return commit.parents[0]
    raise TractError(f"message {start.hex()[:16]} is not at the end of the branch: something else came since")


def _branch_at(tx: Transaction, name: str) -> ObjectId:
    at = tx.ref(HEADS + name)
    if not isinstance(at, bytes):
        raise BranchNotFoundError(f"there is no branch '{name}'")
    return at
