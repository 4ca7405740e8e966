"""Reading what providers send: JSON that may be anything, named when it is not what it must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tract.errors import LLMResponseError


class Refused(Exception):  # noqa: N818
    """A provider's own error, in a body or a stream; the flow turns it into one of tract's.

    ``status`` is the HTTP status it stands for, or None; ``kind`` the provider's own word for it.
    """

    def __init__(self, detail: str, kind: str = "", status: int | None = None) -> None:
        self.detail = detail
        self.kind = kind
        self.status = status
        super().__init__(kind)


def found(value: Any) -> str:
    """What *value* is, for a message: its kind and size, nothing of what is in it."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case Mapping():
            return f"an object of {len(value)}"
        case list() | tuple():
            return f"a list of {len(value)}"
    return type(value).__name__


def need_object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise LLMResponseError(f"{name} must be an object, not {found(value)}")
    return value


def need_list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise LLMResponseError(f"{name} must be a list, not {found(value)}")
    return value


def need_text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise LLMResponseError(f"{name} must be a text, not {found(value)}")
    return value


def text_or_none(value: Any, name: str) -> str | None:
    return None if value is None else need_text(value, name)


def id_of(body: Mapping[str, Any]) -> str | None:
    """The answer's id, where it is a text; nothing depends on it."""
    id = body.get("id")
    return id if isinstance(id, str) else None


def raise_if_refused(body: Mapping[str, Any]) -> None:
    """Refused if *body* is an error, in any of the shapes that providers and their imitators use."""
    error = body.get("error")
    if not error:
        return
    if not isinstance(error, Mapping):
        raise Refused(error if isinstance(error, str) else found(error))
    detail, kind, code = error.get("message"), error.get("type"), error.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else None
    words = [word for word in (code, kind) if isinstance(word, str)]
    raise Refused(detail if isinstance(detail, str) else "", words[0] if words else "", status)
