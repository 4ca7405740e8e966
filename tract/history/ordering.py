"""Another order of a context's messages, as a commit: nothing is added, nothing goes, nothing changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tract.errors import DetachedHeadError, RefMovedError, SemanticSafetyError
from tract.history.context import context_at, entries
from tract.history.expansion import write_context
from tract.history.reset import orig_head
from tract.history.state import check_idle
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation, Entry, NewObject
from tract.refs.operations import shown
from tract.refs.store import RefEdit
from tract.repo import Repository


def write_order(
    repo: Repository,
    head: ObjectId,
    items: Sequence[Entry],
    *,
    message: str,
    metadata: dict[str, Any] | None = None,
) -> ObjectId:
    """Commit the context at *head* in the order of *items*, and move HEAD's branch there; ``ORIG_HEAD`` is where it was.

    RefMovedError when the branch is not at *head*; SemanticSafetyError when *items* are not the messages of its context.
    """
    with repo.objects.lock():
        repo.refs.refresh()
        on, tip = repo.head()
        if on is None:
            raise DetachedHeadError(
                f"cannot reorder: HEAD is at commit {tip.hex()[:16] if tip else '?'}, not on a branch"
            )
        if tip != head:
            raise RefMovedError(on, shown(head), shown(tip))
        check_idle(repo)
        if sorted(items) != sorted(entries(repo, context_at(repo, head))):
            raise SemanticSafetyError("an order must have every message of the context, and no other")
        new: list[NewObject] = []
        id = write_context(repo, head, items, new, CommitOperation.REORDER, None, message, metadata)
        edits = [RefEdit(repo.prefix + on, id, tip), orig_head(repo, head)]
        repo.refs.update(edits, reason=f"reorder: {message}", objects=new)
    return id
