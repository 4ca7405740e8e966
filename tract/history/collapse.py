"""Collapsing: one message in a tract stands for the work of a child; and putting the child's messages in its place again.

    parent   a ─ b ─────────────── R        R lists the child's first commit S and its last one, e, in its refs: gc keeps both
              ╲                   ╱
    child      S ─ c ─ d ─ e ────┘          the work: the messages at e that S lacks, and those of S that are edited there

    expanded a ─ b ─ c ─ d ─ e

A second collapse edits R, and the edit lists the child's last commit then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tract.errors import BlobNotFoundError, CompressionError, HistoryCutError, SessionError
from tract.history.commit import Change, Draft, add_commit, check_size
from tract.history.context import context_at, find_entry
from tract.history.notes import CONFIG
from tract.history.records import build_refs
from tract.history.spawn import CHILDREN, Link, link_now
from tract.history.tree_diff import diff_contexts
from tract.history.walk import ancestors
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId, parse_id
from tract.objects.model import COLLAPSE, CommitOperation, Entry, new_blob
from tract.refs.store import Expected
from tract.repo import Repository
from tract.transaction import Asked, Transaction, transaction


class Work(NamedTuple):
    """The work of a child between its first commit and *head*: its own messages, and the inherited ones that it edited."""

    head: ObjectId
    own: tuple[Entry, ...]
    edited: tuple[Entry, ...]


class Collapse(NamedTuple):
    """A collapse as its commit describes it: the work of the tract *child* from its first commit *spawn* to *head*.

    *priorities* is the child's newest note about priorities at that time; None if it had none.
    """

    commit: ObjectId
    child: str
    spawn: ObjectId
    head: ObjectId
    priorities: ObjectId | None


def work_between(repo: Repository, spawn: ObjectId, head: ObjectId | None) -> Work:
    """The work of a child since its first commit *spawn*; SessionError if it did nothing. The cost grows with the work, not with the context."""
    changes = list(diff_contexts(repo, context_at(repo, spawn), context_at(repo, head)))
    before = dict(entry for change in changes for entry in change.old)
    now = [entry for change in changes for entry in change.new]
    own = tuple(entry for entry in now if entry[0] not in before)
    edited = tuple(entry for entry in now if before.get(entry[0], entry[1]) != entry[1])
    if head is None or not (own or edited):
        raise SessionError("it did nothing since it was spawned")
    return Work(head, own, edited)


def write_collapse(
    repo: Repository,
    link: Link,
    head: ObjectId,
    draft: Draft,
    *,
    priorities: ObjectId | None,
    target: Entry | None,
    summarised_by: Mapping[str, Any],
    expected: Expected | Asked,
) -> ObjectId:
    """Commit the message *draft* for the child's work up to *head*, and note on the child what its work became, in one operation.

    *link* is the child's link as it was when planned, *priorities* the child's newest note about priorities. With *target*, a message and its blob, the commit edits that message; else it appends.
    SessionError if another process collapsed the child or changed the message meanwhile; RefMovedError if the branch is not at *expected*.
    """
    blob = new_blob(draft.value)
    check_size(repo, blob)
    named = {"spawn": link.spawn, "head": head} | ({} if priorities is None else {"priorities": priorities})
    about: dict[str, Any] = {"child": link.child, **{key: id.hex() for key, id in named.items()}}
    if summarised_by:
        about["summarised_by"] = dict(summarised_by)
    with transaction(repo, f"collapse: {link.child}", expected=expected) as tx:
        _check_planned(repo, link, tx.tip, target)
        tx.objects.append(blob)
        change = Change(
            draft.operation,
            blob.id,
            None if target is None else target[0],
            time=repo.clock(),
            author=repo.author,
            metadata={COLLAPSE: about},
            refs=build_refs(repo, named.values(), tx.objects),
        )
        id = add_commit(tx, tx.tip, change)
        tx.move_branch(id)
        _note(tx, link, id if target is None else target[0], id)
        if draft.config is not None:
            tx.note(CONFIG, id, draft.config)
    return id


def _check_planned(repo: Repository, link: Link, tip: ObjectId | None, target: Entry | None) -> None:
    """Raise SessionError if the child or the message changed since the collapse was planned."""
    if link_now(repo, link) != (link.collapse, link.last):
        raise SessionError(f"tract '{link.child}' was collapsed meanwhile; nothing was changed")
    if target is not None and find_entry(repo, context_at(repo, tip), target[0]) != target[1]:
        raise SessionError(f"message {target[0].hex()[:16]} was changed meanwhile; nothing was changed")


def _note(tx: Transaction, link: Link, first: ObjectId, last: ObjectId) -> None:
    """Note on the child that its work is the message *first*, and that the commit *last* gave the message its content."""
    body = {"collapse": first.hex(), "last": last.hex()}
    tx.note(CHILDREN, link.spawn, body | ({"stranger": True} if link.is_stranger else {}))


# What a message stands for


def collapse_told_by(repo: Repository, id: ObjectId) -> Collapse | None:
    """The collapse that commit *id* made; None if the commit is of another kind."""
    commit = repo.commit(id)
    about = (commit.metadata or {}).get(COLLAPSE)
    if commit.operation not in (CommitOperation.APPEND, CommitOperation.EDIT) or not isinstance(about, dict):
        return None
    spawn, head, priorities = (_id_in(about.get(key)) for key in ("spawn", "head", "priorities"))
    return None if spawn is None or head is None else Collapse(id, str(about.get("child")), spawn, head, priorities)


def _id_in(value: Any) -> ObjectId | None:
    return parse_id(value) if isinstance(value, str) else None


def collapse_of(repo: Repository, message: ObjectId, tip: ObjectId | None) -> Collapse | None:
    """The newest collapse behind *tip* that gave the message its content, else the collapse that introduced it; None for any other message."""
    first = collapse_told_by(repo, message)
    if first is None:
        return None
    for id, commit in ancestors(repo, [] if tip is None else [tip]):
        if id == message or (commit.operation is CommitOperation.EDIT and commit.target == message):
            found = collapse_told_by(repo, id)
            if found is not None:
                return found
    return first


def messages_of(repo: Repository, collapse: Collapse) -> tuple[Entry, ...]:
    """The child's own messages that a collapse stands for; CompressionError if they are no longer kept."""
    for id in (collapse.spawn, collapse.head):
        if not repo.objects.contains(id):
            error = f"the messages of tract '{collapse.child}' that it stands for are not kept any more"
            raise CompressionError(error) from BlobNotFoundError(id.hex())
    try:
        return work_between(repo, collapse.spawn, collapse.head).own
    except SessionError:
        return ()


def kept_messages_of(repo: Repository, collapse: Collapse) -> tuple[Entry, ...]:
    """The child's own messages that a collapse stands for; empty if they are no longer kept."""
    try:
        return messages_of(repo, collapse)
    except (CompressionError, HistoryCutError):
        return ()
