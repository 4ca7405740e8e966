"""Custom compilers: their input and their output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from tract.dataclass import dataclass
from tract.messages.message import Message


@dataclass(frozen=True, slots=True)
class ContextEntry:
    """One message of a context on its way to the model, as a custom compiler sees it.

    *commit* is its hexadecimal id; *content* is the committed content, with edits applied. Skipped messages have been left out.
    """

    commit: str
    content: Any
    priority: str


@runtime_checkable
class ContextCompiler(Protocol):
    """Decides how entries become messages.

    ``compile`` gives one message for each entry, in their order; None leaves the entry out.
    """

    def compile(self, entries: Sequence[ContextEntry]) -> Sequence[Message | None]:
        """A message for each entry; None leaves the entry out."""
        ...
