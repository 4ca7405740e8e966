"""What a file of conversations holds, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from tract.objects.message_format import JSON, MessageFormat

Report: TypeAlias = Callable[[int | None, str], None]
"""Takes note of what could not be read: the line (None: no line to name) and what was found there."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message to commit, verbatim.

    *time* is aware, in UTC, or None when the file does not say.
    *usage* is the provider's usage dict as it was found beside the message.
    *metadata* is what else the file said about this message and is worth keeping.
    """

    message: dict[str, JSON]
    format: MessageFormat
    time: datetime | None = None
    usage: dict[str, JSON] | None = None
    metadata: dict[str, JSON] = field(default_factory=dict)
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """A line of history, from its root.

    The first *shared* turns are the very turns of branch *parent*, an index into ``Conversation.branches`` that is lower than this branch's own.
    A line with a root of its own has parent None and shares nothing.
    """

    name: str
    turns: tuple[Turn, ...]
    shared: int = 0
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """The lines of one conversation; the first is the main line.

    *metadata* is what stood beside the messages and is worth keeping: tools, ids, scores.
    """

    name: str
    branches: tuple[Branch, ...]
    metadata: dict[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file that could not be read; the rest was."""

    file: str
    line: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Reading:
    """All that was read from a file, and all that was not. *format* is ``unknown`` when nothing was."""

    conversations: tuple[Conversation, ...]
    problems: tuple[Problem, ...]
    format: str


def linear(name: str, turns: list[Turn], metadata: dict[str, JSON]) -> Conversation:
    """A conversation of one line."""
    return Conversation(name, (Branch("main", tuple(turns)),), metadata)


def read_time(value: JSON) -> datetime | None:
    """The moment that an ISO text with a zone, or a number of seconds since 1970, stands for; else None."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo is not None else None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None
