"""The kinds of content that a commit can carry.

Each kind is a frozen dataclass with a ``content_type``.
In a blob it is a map of its fields, with ``content_type`` beside them. A field that holds its default ``None`` is left out, so a kind can gain a field without changing the ids of stored content.
``MessageContent`` keeps a provider's own message exactly as it was given, with every key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeAlias

from tract.dataclass import dataclass, field, fields
from tract.errors import ContentValidationError
from tract.objects.codec import encode
from tract.objects.kept import check_message, check_role, check_sendable, given_message_value, refuse_bytes
from tract.objects.message_format import JSON, detect_format, message_format


class Kind:
    """What every built-in kind of content can do."""

    __slots__ = ()
    content_type: ClassVar[str]

    def to_dict(self) -> dict[str, JSON]:
        """The content as a dict, ``content_type`` first; :func:`validate_content` gives the content back."""
        return {"content_type": self.content_type, **_fields_of(self, self.content_type)}


@dataclass(frozen=True, slots=True)
class InstructionContent(Kind):
    """A system prompt: what the model is told to be. It counts as pinned, unless it is hidden."""

    content_type: ClassVar[str] = "instruction"
    text: str


Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]
"""The roles that providers know. A role of your own is kept too: a type checker is told with ``cast``."""


@dataclass(frozen=True, slots=True)
class DialogueContent(Kind):
    """One turn of a conversation; *role* is one that providers know, or your own."""

    content_type: ClassVar[str] = "dialogue"
    role: Role
    text: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ToolIOContent(Kind):
    """One half of a tool's use: the call with its arguments, or the result.

    *payload* is the arguments of a call (a map), or the tool's answer (any JSON value).
    *call_id* connects the two halves; a provider needs it on both.
    """

    content_type: ClassVar[str] = "tool_io"
    tool_name: str
    direction: Literal["call", "result"]
    payload: JSON
    status: str | None = None
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReasoningContent(Kind):
    """What the model thought before it answered."""

    content_type: ClassVar[str] = "reasoning"
    text: str


@dataclass(frozen=True, slots=True)
class ArtifactContent(Kind):
    """Something that was made or read during the work: a file, a query, a diagram."""

    content_type: ClassVar[str] = "artifact"
    artifact_type: str
    content: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class OutputContent(Kind):
    """A final product for the user; *format* says how to read it: text, markdown, json."""

    content_type: ClassVar[str] = "output"
    text: str
    format: str = "text"


@dataclass(frozen=True, slots=True)
class FreeformContent(Kind):
    """Any map of JSON values."""

    content_type: ClassVar[str] = "freeform"
    payload: dict[str, JSON]


@dataclass(frozen=True, slots=True)
class SessionContent(Kind):
    """What one session passes on to the next."""

    content_type: ClassVar[str] = "session"
    session_type: str
    summary: str
    decisions: list[str] = field(default_factory=list)
    failed_approaches: list[str] = field(default_factory=list)
    next_steps: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MessageContent(Kind):
    """A provider's own message, kept verbatim.

    *format* is ``openai`` (chat completions), ``responses`` (an item of OpenAI's Responses API) or ``anthropic``.
    """

    content_type: ClassVar[str] = "message"
    message: dict[str, JSON]
    format: str = "openai"

    def __post_init__(self) -> None:
        object.__setattr__(self, "format", message_format(self.format))


@dataclass(frozen=True, slots=True)
class RecordContent(Kind):
    """Data kept in the history next to the conversation: hashed, but never compiled or counted.

    *kind* says what it is and which program made it; *payload* is any JSON value.
    *refs* are the ids of objects it needs: blobs (``put_blob``), or commits for their contexts. gc keeps them as long as the record.
    """

    content_type: ClassVar[str] = "record"
    kind: str
    payload: JSON
    refs: Sequence[str] = ()


Content: TypeAlias = (
    InstructionContent
    | DialogueContent
    | ToolIOContent
    | ReasoningContent
    | ArtifactContent
    | OutputContent
    | FreeformContent
    | SessionContent
    | MessageContent
    | RecordContent
)

BUILTIN: dict[str, type[Any]] = {
    cls.content_type: cls
    for cls in (
        InstructionContent,
        DialogueContent,
        ToolIOContent,
        ReasoningContent,
        ArtifactContent,
        OutputContent,
        FreeformContent,
        SessionContent,
        MessageContent,
        RecordContent,
    )
}

_MAY_BE_NONE = ("name", "status", "call_id", "language")
_ARE_TEXT = (
    "role",
    "text",
    "tool_name",
    "content",
    "artifact_type",
    "format",
    "summary",
    "session_type",
    "kind",
    *_MAY_BE_NONE,
)
_ARE_LISTS = ("decisions", "failed_approaches", "next_steps")


def _fields_and_defaults(cls: type[Any]) -> tuple[tuple[str, Any], ...]:
    # What a record needs is in its commit, not in its blob.
    return tuple((one.name, one.default) for one in fields(cls) if cls is not RecordContent or one.name != "refs")


# Worked out once: every commit asks.
_FIELDS = {cls: _fields_and_defaults(cls) for cls in BUILTIN.values()}
_TEXTS = {name: tuple(key for key, _ in _FIELDS[cls] if key in _ARE_TEXT) for name, cls in BUILTIN.items()}
_LISTS = {name: tuple(key for key, _ in _FIELDS[cls] if key in _ARE_LISTS) for name, cls in BUILTIN.items()}

ContentTypes: TypeAlias = Mapping[str, type[Any]]
"""Content types by name: the built-in ones and those a user registered."""


def to_value(content: Any, types: ContentTypes = BUILTIN) -> dict[str, JSON]:
    """Return the map that a blob keeps for *content*: an instance of a registered type, or a dict as ``commit`` takes it.

    ContentValidationError if it is neither, or a field is wrong.
    """
    if isinstance(content, MessageContent):
        return given_message_value(content.message, content.format)
    if isinstance(content, dict):
        return to_value(_content_of(content, types), types)
    name = getattr(content, "content_type", None)
    if not isinstance(name, str) or types.get(name) is not type(content):
        name = next((known for known, cls in types.items() if cls is type(content)), None)
    if name is None:
        said = "user, assistant and system commit a text" if isinstance(content, str) else "it is not registered"
        raise ContentValidationError(
            f"content is a content type or a dict, and {type(content).__name__} is neither: {said}"
        )
    _check_fields(content, name)
    value = {"content_type": name, **_fields_of(content, name)}
    refuse_bytes(value)
    return value


def from_value(value: Mapping[str, JSON], types: ContentTypes = BUILTIN) -> Any:
    """Return the content that a blob's map stands for; ContentValidationError if its type is not registered, or a field that its type needs is missing or wrong."""
    fields_ = dict(value)
    name = fields_.pop("content_type", None)
    cls = types.get(name) if isinstance(name, str) else None
    if cls is None:
        raise ContentValidationError(f"content type {name!r} is not registered; known are {', '.join(sorted(types))}")
    content = _build(cls, str(name), fields_)
    _check_fields(content, str(name))
    return content


def validate_content(value: Mapping[str, JSON], types: ContentTypes = BUILTIN) -> Any:
    """Return the content that a dict stands for.

    A dict with ``content_type`` is of that type; a dict with ``role`` is a provider's message, kept verbatim, and its shape tells its format.
    ContentValidationError for any other dict, and for content that ``commit`` refuses: a message with nothing to send, or a value that is not JSON.
    """
    content = _content_of(value, types)
    kept = to_value(content, types)
    if kept["content_type"] == "message":
        check_sendable(kept["message"], kept["format"])
    encode(kept)
    return content


def _content_of(value: Mapping[str, JSON], types: ContentTypes) -> Any:
    """Return the content that a dict describes, without looking at what is in a message."""
    if type(value) is not dict and not isinstance(value, Mapping):
        raise ContentValidationError(f"content must be a dict or a content type, not {type(value).__name__}")
    if "content_type" in value:
        return from_value(value, types)
    if "role" in value:
        return MessageContent(dict(value), format=detect_format(value) or "openai")
    if detect_format(value) == "responses":
        return MessageContent(dict(value), format="responses")
    raise ContentValidationError(
        f"a dict with neither 'content_type' nor 'role' is not content (keys: {', '.join(map(str, value))[:80]})"
    )


def check_content_type(name: str, cls: type[Any]) -> str:
    """Return *name* if *cls* can be registered under it, else ContentValidationError."""
    if not isinstance(name, str) or not name.isidentifier():
        raise ContentValidationError(f"{name!r} is not a name for a content type: it must be an identifier")
    if name in BUILTIN:
        raise ContentValidationError(f"content type '{name}' is built in")
    if not (hasattr(cls, "__dataclass_fields__") or hasattr(cls, "model_dump")):
        raise ContentValidationError(f"content type '{name}' must be a dataclass or a pydantic model")
    if _named_by(cls) not in (None, name):
        raise ContentValidationError(
            f"class {cls.__name__} says that its content_type is {_named_by(cls)!r}, not '{name}'"
        )
    return name


def _named_by(cls: type[Any]) -> Any:
    """The ``content_type`` that the class declares: as an attribute, or, in a pydantic model, as a field's default."""
    field_ = getattr(cls, "model_fields", {}).get("content_type")
    return getattr(cls, "content_type", None) if field_ is None else field_.default


def _fields_of(content: Any, name: str) -> dict[str, JSON]:
    known = _FIELDS.get(type(content))
    if known is not None or hasattr(content, "__dataclass_fields__"):
        return {
            key: item
            for key, default in known or _fields_and_defaults(type(content))
            if (item := getattr(content, key)) is not None or default is not None
        }
    if hasattr(content, "model_dump"):  # a pydantic model, without importing pydantic
        return {k: v for k, v in content.model_dump(mode="json").items() if k != "content_type"}
    raise ContentValidationError(f"content type {name!r} is neither a dataclass nor a pydantic model")


def _build(cls: type[Any], name: str, values: dict[str, JSON]) -> Any:
    try:
        return cls.model_validate(values) if hasattr(cls, "model_validate") else cls(**values)
    except (TypeError, ValueError) as exc:
        raise ContentValidationError(f"content of type '{name}': {_reason(exc)}") from exc


def _reason(exc: Exception) -> str:
    """The text of a constructor's error without the constructor's name; for pydantic, the first field's error."""
    if hasattr(exc, "errors"):
        first = exc.errors()[0]
        return ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
    return str(exc).split("__init__() ")[-1].splitlines()[0]


def _check_fields(content: Any, name: str) -> None:
    """Refuse built-in content with a field of a wrong type: the error would otherwise come from the provider."""
    if isinstance(content, MessageContent):
        check_message(content.message, content.format)
    if BUILTIN.get(name) is not type(content) or isinstance(content, MessageContent):
        return
    for key in _TEXTS[name]:
        item = getattr(content, key)
        if not isinstance(item, str) and not (item is None and key in _MAY_BE_NONE):
            raise ContentValidationError(f"content of type '{name}': {key} must be text, not {type(item).__name__}")
    if isinstance(content, DialogueContent):
        check_role(content.role)
    for key in _LISTS[name]:
        item = getattr(content, key)
        if not isinstance(item, (list, tuple)) or not all(isinstance(text, str) for text in item):
            raise ContentValidationError(f"content of type '{name}': {key} must be a list of texts")
    if isinstance(content, ToolIOContent) and content.direction not in ("call", "result"):
        raise ContentValidationError(
            f"content of type 'tool_io': direction must be call or result, not {content.direction!r}"
        )
    if isinstance(content, RecordContent):
        refs = content.refs
        if isinstance(refs, str) or not isinstance(refs, Sequence) or not all(isinstance(ref, str) for ref in refs):
            raise ContentValidationError("content of type 'record': refs must be a list of ids")
    if isinstance(content, FreeformContent) and not isinstance(content.payload, dict):
        raise ContentValidationError("content of type 'freeform': payload must be a dict")
