"""Messages and JSON in the form that blobs keep, without the kinds of content: an import of a program's files needs none of those."""

from __future__ import annotations

from collections.abc import Mapping

from tract.annotations import Any
from tract.errors import ContentValidationError
from tract.objects.codec import MAX_DEPTH, encode, unpack
from tract.objects.message_format import JSON, MessageFormat


def message_value(message: dict[str, JSON], format: MessageFormat) -> dict[str, Any]:
    """Return what a blob keeps of a provider's message that was read from JSON. The result is that of :func:`to_value`, but values that JSON does not have are not looked for."""
    check_message(message, format)
    return {"content_type": "message", "format": format, "message": message}


def given_message_value(message: dict[str, JSON], format: str) -> dict[str, Any]:
    """Return what a blob keeps of a message that a program gave; ContentValidationError if it holds bytes."""
    check_message(message, format)
    refuse_bytes(message, "message")
    return {"content_type": "message", "format": format, "message": message}


def with_plain_parts(message: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of *message* in which an SDK's own objects are dicts: each block of ``{"role": "assistant", "content": answer.content}``."""
    plain = dict(message)
    for key in ("content", "tool_calls"):
        parts = message.get(key)
        if isinstance(parts, list) and any(hasattr(part, "model_dump") for part in parts):
            plain[key] = [without_nulls(dumped(part)) if hasattr(part, "model_dump") else part for part in parts]
    return plain


# The values of these keys are a model's or a user's own, nulls included.
_THEIRS = frozenset({"input", "arguments", "args", "response", "parsed"})


def without_nulls(value: Any) -> Any:
    """Return *value* without the fields that are null, except inside values that a model wrote itself."""
    if isinstance(value, Mapping):
        return {
            key: item if key in _THEIRS else without_nulls(item)
            for key, item in value.items()
            if item is not None or key in _THEIRS
        }
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def dumped(value: Any) -> dict[str, Any]:
    """The fields of an SDK's object under the names of its API; of a Google object, under the names of its SDK."""
    by_alias = not type(value).__module__.startswith("google.")
    found: dict[str, Any] = value.model_dump(mode="json", by_alias=by_alias, warnings=False)
    return found


_USUAL_ROLES = frozenset(("system", "developer", "user", "assistant", "tool", "function"))


def check_message(message: JSON, format: str) -> None:
    """Raise ContentValidationError if *message* is not a provider's message in *format*."""
    if not isinstance(message, dict):
        raise ContentValidationError(f"a message must be a dict, not {type(message).__name__}")
    if not message:
        raise ContentValidationError("a message must not be empty")
    if "role" not in message and not (format == "responses" and "type" in message):
        raise ContentValidationError(f"a message needs a role (keys: {', '.join(map(str, message))[:80]})")
    role = message.get("role", "")
    if type(role) is str and role in _USUAL_ROLES:
        return
    if not isinstance(role, str):
        raise ContentValidationError(f"a message's role must be text, not {type(role).__name__}")
    if "role" in message:
        check_role(role)


def check_role(role: str) -> None:
    """Raise ContentValidationError unless *role* is a printable word: it goes into the structure of a request, and to terminals."""
    if not role or not role.isprintable():
        raise ContentValidationError(f"a role must be a printable word, not {role!r:.60}")


def check_text(what: str, value: object) -> None:
    """Raise ContentValidationError unless *value* is None or a text that can be kept; *what* names it in the error."""
    if value is not None and not isinstance(value, str):
        raise ContentValidationError(f"{what} must be text, not {type(value).__name__}")
    if isinstance(value, str) and not value.isascii():
        plain_json(what, value)


def plain_json(what: str, value: JSON) -> JSON:
    """Return a copy of *value* as it will be read again, so that a later change by the caller does not reach what was committed.

    ContentValidationError, which begins with *what*, if it cannot be kept.
    """
    try:
        refuse_bytes(value)
        return unpack(encode(value))
    except ContentValidationError as exc:
        raise ContentValidationError(f"{what}: {exc}") from None


def refuse_bytes(value: JSON, place: str = "", depth: int = MAX_DEPTH) -> None:
    """Raise ContentValidationError if *value* holds bytes: the store could keep them, but JSON has no form for them."""
    if isinstance(value, bytes):
        raise ContentValidationError(f"cannot keep this content{_at(place)}: bytes are not text")
    if not isinstance(value, (dict, list, tuple)):
        return
    if depth <= 0:
        raise ContentValidationError(f"cannot keep this content{_at(place)}: nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        for key, item in value.items():
            if type(item) is not str:
                refuse_bytes(item, f"{place}.{key}", depth - 1)
        return
    for at, item in enumerate(value):
        if type(item) is not str:
            refuse_bytes(item, f"{place}[{at}]", depth - 1)


def _at(place: str) -> str:
    if not place:
        return ""
    return f" at {place.lstrip('.')}" if len(place) <= 120 else f" at {place[:100].lstrip('.')}…"


# The keys that a message may have instead of content.
_ASSISTANTS = ("tool_calls", "function_call", "refusal", "audio", "reasoning_content", "reasoning")


def check_sendable(message: Mapping[str, JSON], format: str) -> None:
    """Raise ContentValidationError if *message* has nothing to send."""
    role = message.get("role")
    if role is None or message.get("content") is not None or format == "responses":
        return
    if any(message.get(key) for key in _ASSISTANTS) or ("content" in message and role == "assistant"):
        return  # an answer may be empty
    keys = ", ".join(map(str, message))
    nearest = _nearest_format(message, format)
    raise ContentValidationError(f"a message of role '{role}' needs content (keys: {keys[:80]}); nearest is {nearest}")


def _nearest_format(message: Mapping[str, JSON], format: str) -> str:
    """The format that *message* resembles most, with the key that holds the text in that format."""
    if "parts" in message:
        return "gemini, which has 'parts' and is not taken as a message"
    if any(key in message for key in ("arguments", "output", "summary", "call_id")):
        return "responses, whose items have a 'type'"
    return f"{format}, which has 'content'"
