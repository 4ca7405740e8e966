"""The neutral form that a message passes through on its way from one provider's format to another.

    message ──read──▶ Turn(role, parts) ──write──▶ messages of another format

A message that stays in its format is copied and never converted to this form.
A turn's role is system, developer, user or assistant; tool results are parts of a user's turn, as in Anthropic's format.
Code tells parts apart by their classes and never compares them. They are named tuples, because making nine dataclasses takes 4 ms each time a program looks at a log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TypeAlias

from tract.dataclass import dataclass, replace
from tract.messages.message import CompileWarning
from tract.messages.values import base64_size, compact_json, size_text
from tract.named_tuple import NamedTuple
from tract.objects.json import parse_json
from tract.objects.message_format import JSON

SYSTEM_ROLES = ("system", "developer")
ITEM_ROLES = frozenset({"system", "developer", "user", "assistant"})
"""The roles that a message of the Responses API has."""
_ROLES_OF_MODELS = ("model", "ai", "bot")


class Text(NamedTuple):
    """Plain text."""

    text: str


class Refusal(NamedTuple):
    """The text with which a model refuses to answer."""

    text: str


class Reasoning(NamedTuple):
    """A model's thought; *summary* if the text was made for readers and is not the thought itself."""

    text: str
    summary: bool = False


class Summary(NamedTuple):
    """A provider's summary of the conversation so far, as readable text."""

    text: str


class Image(NamedTuple):
    """A picture: base64 *data* of *media_type*, or a *url*."""

    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    detail: str | None = None


class File(NamedTuple):
    """A document: base64 *data* of *media_type*, a *url*, plain *text*, or an id at OpenAI."""

    name: str | None = None
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    text: str | None = None
    file_id: str | None = None

    def titled_text(self) -> str:
        """The text under its name, for a place where a document must be plain text."""
        return f"{self.name}\n\n{self.text or ''}" if self.name else self.text or ""


class ToolCall(NamedTuple):
    """A call; *arguments* is JSON text, or any text for a *custom* tool; *signature* is Gemini's, over the thought behind the call."""

    id: str
    name: str
    arguments: str
    custom: bool = False
    signature: str | None = None


class Unknown(NamedTuple):
    """A part that only its own format has; *what* names it."""

    what: str


class ToolResult(NamedTuple):
    """The result of a tool call."""

    id: str
    parts: tuple[Text | Image | File | Unknown, ...]
    is_error: bool = False


Part: TypeAlias = Text | Refusal | Reasoning | Summary | Image | File | ToolCall | ToolResult | Unknown


@dataclass(frozen=True, slots=True)
class Turn:
    """A message in neutral form.

    *losses* names its parts that have no neutral form; *index* is its place in the context.
    *listed* if its content was a list of nothing but texts, which chat completions and Anthropic write alike.
    """

    index: int
    role: str
    parts: tuple[Part, ...]
    losses: tuple[str, ...] = ()
    listed: bool = False


class Rendered(NamedTuple):
    """Messages in a provider's format, and warnings about what was lost in the conversion."""

    value: JSON
    warnings: tuple[CompileWarning, ...]


class Notes:
    """Collects notes about messages, which become warnings: one for each message and kind, however often it is noted."""

    def __init__(self) -> None:
        self._details: dict[tuple[int, str], dict[str, None]] = {}

    def add(self, index: int, kind: str, subject: str) -> None:
        """Note *kind* for message *index*; *subject* names the part of it that is meant."""
        self._details.setdefault((index, kind), {})[subject] = None

    def lost(self, index: int, what: str) -> None:
        """Note that *what* has no counterpart in the format that is written."""
        self.add(index, "no_counterpart", what)

    def has_lost(self, index: int) -> bool:
        """Whether a loss was noted for message *index* so far."""
        return (index, "no_counterpart") in self._details

    def found(self) -> list[tuple[int, str, Sequence[str]]]:
        """All notes, ordered by message: the message, the kind, and the subjects."""
        return [(index, kind, tuple(subjects)) for (index, kind), subjects in sorted(self._details.items())]

    def warnings(self, sentences: dict[str, str]) -> tuple[CompileWarning, ...]:
        """All notes as warnings, ordered by message; *sentences* has the wording of each kind, with ``{}`` for the subjects."""
        return tuple(
            CompileWarning(kind, sentences[kind].format(", ".join(subjects)), index=index)
            for index, kind, subjects in self.found()
        )


def read_content(content: JSON, read: Callable[[JSON, list[str]], Part], losses: list[str]) -> list[Part]:
    """A message's content as parts: a text, or a list whose items *read* reads; any other value becomes text, as its JSON."""
    if isinstance(content, str):
        return [Text(content)]
    if not isinstance(content, list | tuple):
        return [] if content is None else [Text(compact_json(content))]
    return [read(item, losses) for item in content]


def known_role(role: JSON, *, calls: bool = False) -> str:
    """The neutral role for *role*; a role that no format knows becomes ``user``, or ``assistant`` if the message *calls* tools."""
    if role in ("system", "developer", "user", "assistant"):
        return str(role)
    return "assistant" if calls or role in _ROLES_OF_MODELS else "user"


def only_texts(content: JSON, parts: Sequence[Part]) -> bool:
    """Whether *content*, read as *parts*, is a list of texts and not empty."""
    return isinstance(content, list | tuple) and bool(parts) and all(isinstance(part, Text) for part in parts)


def runs(turns: Iterable[Turn]) -> Iterable[tuple[str, list[Turn]]]:
    """Neighbouring turns of one side (``system``, ``user`` or ``assistant``), in order."""
    for side, members in groupby(turns, key=lambda turn: "system" if turn.role in SYSTEM_ROLES else turn.role):
        yield side, list(members)


def split_results(turns: Sequence[Turn], notes: Notes) -> tuple[list[tuple[int, ToolResult]], list[Turn]]:
    """The tool results of a user's run with the index of their messages, and the turns without them.

    Providers require results directly behind the calls, before any other content of the user; a result that thereby overtakes an earlier message is noted as moved.
    """
    results: list[tuple[int, ToolResult]] = []
    rest: list[Turn] = []
    for turn in turns:
        found = [part for part in turn.parts if isinstance(part, ToolResult)]
        if found and rest:
            notes.add(turn.index, "tool_result_moved", ", ".join(repr(result.id) for result in found))
        results += [(turn.index, result) for result in found]
        other = tuple(part for part in turn.parts if not isinstance(part, ToolResult))
        if other or not found:
            rest.append(replace(turn, parts=other))
    return results, rest


def placeholder(part: Part) -> str:
    """The text that stands for *part* where it cannot be shown or sent: ``[image image/png 12.3 kB]``, never its data."""
    match part:
        case Image(media_type, str(data)):
            return f"[image {media_type} {size_text(base64_size(data))}]"
        case Image():
            return f"[image {part.url}]" if (part.url or "")[:5].lower() != "data:" else "[image data URL]"
        case File(name, media_type, str(data)):
            words = ["file", name, media_type, size_text(base64_size(data))]
            return f"[{' '.join(word for word in words if word)}]"
        case File():
            return f"[file {part.name or part.url or part.file_id or 'text'}]"
        case ToolCall():
            return f"[call of {part.name}]"
        case ToolResult():
            return f"[result of {part.id}]"
        case Reasoning():
            return "[thinking]"
        case Summary():
            return "[summary]"
        case Unknown(what):
            return f"[{what}]"
        case Text() | Refusal():
            return "[text]"


def object_arguments(index: int, call: ToolCall, notes: Notes) -> dict[str, JSON]:
    """The arguments of *call*, which is in message *index*, as the object that Anthropic and Gemini require.

    Arguments that are not a JSON object are put, as text, under the one key ``arguments``, with a warning; empty ones become an empty object; a custom tool's text is put under ``input``.
    """
    if call.custom:
        return {"input": call.arguments}
    if not call.arguments.strip():
        return {}
    try:
        arguments = parse_json(call.arguments)
    except ValueError:
        arguments = None
    if isinstance(arguments, dict):
        return arguments
    notes.add(index, "invalid_arguments", repr(call.id))
    return {"arguments": call.arguments}
