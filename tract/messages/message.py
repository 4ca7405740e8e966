"""One message of a compiled context, and what a compilation wants said about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tract.objects.message_format import JSON, MessageFormat


@dataclass(frozen=True, slots=True)
class Message:
    """A message as its own provider format has it.

    ``raw`` is the whole message, every key of it, in ``format``.
    ``role`` and ``content`` are what a reader looks at first: for a Responses item without a role (a function call, its output, a reasoning item) the role it plays.
    ``is_error`` is for a tool's result that failed and whose format has no word for that.
    """

    role: str
    content: JSON
    name: str | None
    format: MessageFormat
    raw: Mapping[str, JSON]
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class CompileWarning:
    """Something about a compiled context its reader should know.

    ``kind`` is a stable word (``unpaired_tool_call``, ``no_counterpart``, …); ``index`` is the message's place in the context or None; ``commit`` its hexadecimal id or None.
    """

    kind: str
    detail: str
    index: int | None = None
    commit: str | None = None

    def __str__(self) -> str:
        where = "" if self.index is None else f"message {self.index}: "
        return f"{where}{self.detail}"
