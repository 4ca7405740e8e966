"""One message of a compiled context, what a provider's own message is as one, and what a compilation says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tract.objects.message_format import JSON, MessageFormat

# The role that a Responses item plays which has none of its own; an item that ends in _output is a tool's, any other the model's.
_ROLES = {"additional_tools": "developer", "configuration_update": "developer", "mcp_approval_response": "user"}


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


def message_from_raw(raw: Mapping[str, JSON], format: MessageFormat) -> Message:
    """The message that a provider's own *raw* message in *format* is; it shares *raw*."""
    if format == "responses":
        return Message(item_role(raw), _item_content(raw), None, format, raw)
    name = raw.get("name")
    return Message(str(raw.get("role", "")), raw.get("content"), None if name is None else str(name), format, raw)


def item_role(raw: Mapping[str, JSON]) -> str:
    """The role of a Responses item: its own, or the one it plays (a call is the assistant's, an output a tool's)."""
    if isinstance(raw.get("role"), str):
        return str(raw["role"])
    kind = str(raw.get("type"))
    return _ROLES.get(kind) or ("tool" if kind.endswith("_output") else "assistant")


def _item_content(raw: Mapping[str, JSON]) -> JSON:
    """What a reader looks at first in a Responses item."""
    for key in ("content", "output", "arguments", "input", "summary"):
        if raw.get(key) is not None:
            return raw[key]
    return None
