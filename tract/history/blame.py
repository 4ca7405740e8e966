"""Blame: which commit gave each message of a context its present content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tract.history.diff import MessageChange, changes_of
from tract.history.walk import ancestors
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import EXPANDED, Commit, CommitOperation, Entry
from tract.repo import Repository


class Blamed(NamedTuple):
    """A message of a context: the commit that introduced it, its content, and the commit that last changed the content."""

    commit: ObjectId
    blob: ObjectId
    changed: ObjectId


def blame_entries(repo: Repository, tip: ObjectId | None, rows: Sequence[Entry]) -> list[Blamed]:
    """Blame the messages *rows* of the context at *tip*; the result is in their order.

    One walk back, which ends when every message is found.
    A message that was never changed is blamed on the commit that introduced it; so is a message whose history is not behind *tip*, as that of a summary.
    If gc cut the history with the change, the edit that gc kept is blamed, or, without one, the commit at which history ends, as the nearest that is known.
    """
    pending = dict(rows)
    found: dict[ObjectId, ObjectId] = {}
    cut: ObjectId | None = None
    for id, commit in ancestors(repo, [] if tip is None else [tip]):
        if not pending:
            break
        if cut is None and id in repo.shallow.cuts:
            cut = id
        for message in list(_given(repo, id, commit, pending)):
            found[message] = id
            del pending[message]
    if cut is not None:
        changed = {message: blob for message, blob in pending.items() if repo.commit(message).content != blob}
        found.update(dict.fromkeys(changed, cut))
        found.update(_kept_edits(repo, changed))
    return [Blamed(commit, blob, found.get(commit, commit)) for commit, blob in rows]


def _kept_edits(repo: Repository, changed: Mapping[ObjectId, ObjectId]) -> dict[ObjectId, ObjectId]:
    """For *changed* messages with their blobs: the newest edits that gave them that blob, among those kept when history was cut."""
    newest: dict[ObjectId, tuple[int, int, ObjectId]] = {}
    for id, cut in repo.shallow.cuts.items() if changed else ():
        if cut.grade == "all":
            commit = repo.commit(id)
            message = commit.target
            if (
                commit.operation is CommitOperation.EDIT
                and message is not None
                and changed.get(message) == commit.content
            ):
                newest[message] = max(newest.get(message, (-1, 0, b"")), (commit.generation, commit.time, id))
    return {message: id for message, (_, _, id) in newest.items()}


def _given(repo: Repository, id: ObjectId, commit: Commit, pending: Mapping[ObjectId, ObjectId]) -> Iterator[ObjectId]:
    """The messages of *pending* that commit *id* gave their present blob."""
    if id in pending:
        yield id
    if commit.operation is CommitOperation.EDIT:
        if commit.target is not None and commit.target != id and pending.get(commit.target) == commit.content:
            yield commit.target
        return
    if commit.operation in (CommitOperation.APPEND, CommitOperation.NOTE):
        return
    # A merge gives a message its content if no parent has it: a conflict was resolved.
    beside = [
        {change.commit: change.kind for change in changes_of(repo, id, commit, at) if _is_new(change, pending)}
        for at in range(max(1, len(commit.parents)))
    ]
    # An expansion changes no content: the messages that it brings back were written before.
    is_revert = commit.operation is CommitOperation.REVERT and EXPANDED not in (commit.metadata or {})
    for message in beside[0]:
        kinds = [kinds_there.get(message) for kinds_there in beside]
        # a message that was only added had its content before, unless a revert brought it back
        if message != id and None not in kinds and (is_revert or "changed" in kinds):
            yield message


def _is_new(change: MessageChange[ObjectId], pending: Mapping[ObjectId, ObjectId]) -> bool:
    """True if this change gave the message its content, as far as one parent can tell."""
    return (
        change.kind in ("added", "changed") and change.after is not None and pending.get(change.commit) == change.after
    )
