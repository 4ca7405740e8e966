"""What people ask about commits, as a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import partial
from typing import Any

from tract.history.priority import Priority
from tract.objects.message_format import JSON
from tract.objects.model import CommitOperation
from tract.tokens.usage import TokenUsage


def rebuilt_with_count(value: Any) -> tuple[Any, ...]:
    """For pickle, how to make a dataclass again that counts its tokens when first asked to: with the count, for its tract stays here.

    Not ``__getstate__``: before Python 3.11.4 a frozen dataclass with slots puts its own in the place of ours.
    """
    parts = (partial(int, value.token_count) if f.name == "_count" else getattr(value, f.name) for f in fields(value))
    return type(value), tuple(parts)


@dataclass(frozen=True, slots=True, repr=False)
class CommitInfo:
    """A commit with what its notes say of it; ids are hexadecimal.

    *response_to* is the message that an edit is about, or that a message replies to.
    """

    commit_hash: str
    tract_id: str
    parent_hash: str | None
    parent_hashes: tuple[str, ...]
    content_hash: str | None
    content_type: str
    operation: CommitOperation
    response_to: str | None
    message: str | None
    metadata: dict[str, JSON] | None
    generation_config: dict[str, JSON] | None
    usage: TokenUsage | None
    priority: Priority
    author: str
    created_at: datetime
    _count: Callable[[], int] = field(compare=False)

    @property
    def token_count(self) -> int:
        """The tokens of the content's text alone, without message framing; counted when first asked for."""
        return self._count()

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuilt_with_count(self)

    def __repr__(self) -> str:
        subject = f" {self.message!r}" if self.message else ""
        return (
            f"CommitInfo({self.commit_hash[:16]} {self.operation} {self.content_type}{subject} {self.created_at:%F %T})"
        )
