"""Another order of a context's messages, as a commit: nothing is added, nothing goes, nothing changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tract.errors import SemanticSafetyError
from tract.history.context import context_at, entries
from tract.history.expansion import commit_context
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation, Entry
from tract.repo import Repository
from tract.transaction import transaction


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
    with transaction(repo, f"reorder: {message}", expected=head) as tx:
        if sorted(items) != sorted(entries(repo, context_at(repo, head))):
            raise SemanticSafetyError("an order must have every message of the context, and no other")
        id = commit_context(tx, items, CommitOperation.REORDER, message=message, metadata=metadata)
        tx.move_branch(id, orig_head=True)
    return id
