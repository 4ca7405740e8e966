"""One message of a compiled context, how it is made of a provider's message or of a blob's map, and warnings about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tract.dataclass import KW_ONLY, dataclass, field
from tract.errors import ContentValidationError
from tract.objects.message_format import JSON, MESSAGE_FORMATS, MessageFormat

# The roles of Responses items that have no role of their own; an item whose type ends in _output is a tool's, any other is the model's.
_ROLES = {"additional_tools": "developer", "configuration_update": "developer", "mcp_approval_response": "user"}


_SHOWN = 80


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """A message in its own provider's format.

    ``raw`` is the whole message, with every key, in ``format``.
    ``role`` and ``content`` are for a reader: a Responses item without a role (a function call, its output, a reasoning item) has the role it plays.
    ``is_error`` marks the result of a tool that failed, if the format has no field for that.
    ``is_thought`` marks a thought that was committed as ``ReasoningContent``: it has no signature, and the assistant did not say it.
    """

    role: str
    content: JSON
    name: str | None
    _: KW_ONLY
    format: MessageFormat
    raw: Mapping[str, JSON]
    is_error: bool = False
    is_thought: bool = False

    def __repr__(self) -> str:
        said = self.content if isinstance(self.content, str) else self.raw
        text = repr(said)
        return f"Message({self.role}: {text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'})"


@dataclass(frozen=True, slots=True)
class CompileWarning:
    """A warning about a compiled context.

    ``kind`` is a stable word (``unpaired_tool_call``, ``no_counterpart``, …); ``index`` is the message's place in the context or None; ``commit`` is its hexadecimal id or None.
    ``number`` is the message's number among all messages of its context, hidden ones counted, from 1: ``HEAD:4`` names message 4.
    ``formats`` are the renderings it concerns; if empty, all of them. ``rule`` is the number in docs/sending.md of the rule that was followed, 0 for none.
    """

    kind: str
    detail: str
    _: KW_ONLY
    index: int | None = None
    commit: str | None = None
    formats: tuple[str, ...] = ()
    rule: int = 0
    number: int | None = field(default=None, compare=False)

    def __str__(self) -> str:
        number = self.number if self.number is not None or self.index is None else self.index + 1
        return self.detail if number is None else f"message {number}: {self.detail}"


def message_from_raw(raw: Mapping[str, JSON], format: MessageFormat) -> Message:
    """The Message for a provider's own message *raw* in *format*; it shares *raw*."""
    if format == "responses":
        return Message(item_role(raw), _item_content(raw), None, format=format, raw=raw)
    name = raw.get("name")
    return Message(
        str(raw.get("role", "")), raw.get("content"), None if name is None else str(name), format=format, raw=raw
    )


def item_role(raw: Mapping[str, JSON]) -> str:
    """The role of a Responses item: its own, or the one it plays (``assistant`` for a call, ``tool`` for an output)."""
    if isinstance(raw.get("role"), str):
        return str(raw["role"])
    kind = str(raw.get("type"))
    return _ROLES.get(kind) or ("tool" if kind.endswith("_output") else "assistant")


def _item_content(raw: Mapping[str, JSON]) -> JSON:
    """The part of a Responses item that a reader wants to see first."""
    for key in ("content", "output", "arguments", "input", "summary"):
        if raw.get(key) is not None:
            return raw[key]
    return None


def message_in(value: Any) -> Message:
    """The message that a blob's map holds; the two usual kinds are read without loading their classes.

    ContentValidationError if *value* is not a map: the id of a blob proves what was written, not that tract wrote it.
    """
    if type(value) is not dict:
        raise ContentValidationError(f"a message must be a map, not {type(value).__name__}")
    kind = value.get("content_type")
    if kind == "message" and type(value.get("message")) is dict and value.get("format") in MESSAGE_FORMATS:
        return message_from_raw(value["message"], value["format"])
    if kind == "dialogue" and type(value.get("role")) is str and type(value.get("text")) is str and "name" not in value:
        return message_from_raw({"role": value["role"], "content": value["text"]}, "openai")
    from tract.messages.content import (
        message_of,  # most stores have only the two usual kinds, and its classes take 4 ms
    )

    return message_of(readable_content(value))


def readable_content(value: Any) -> Any:
    """The content that a blob's map holds.

    A type that this process has not registered is returned as its map, so it stays readable.
    ContentValidationError if the map names one of tract's own types but is not valid for it: it is never shown as something else.
    """
    from tract.objects.content import BUILTIN, FreeformContent, from_value  # they are loaded where one is needed

    try:
        return from_value(value)
    except ContentValidationError:
        kind = value.get("content_type")
        if isinstance(kind, str) and kind in BUILTIN:
            raise
        return FreeformContent({key: item for key, item in value.items() if key != "content_type"})
