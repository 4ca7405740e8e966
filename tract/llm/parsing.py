"""Reading providers' data: JSON of any kind, with errors that name the wrong part; and answers in pieces, put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tract.errors import LLMResponseError
from tract.objects.json import whole_pairs


class Refused(Exception):  # noqa: N818
    """A provider's own error, in a body or a stream; the flow turns it into one of tract's.

    ``status`` is the HTTP status it stands for, or None; ``kind`` is the provider's own word for it.
    """

    def __init__(self, detail: str, kind: str = "", status: int | None = None) -> None:
        self.detail = detail
        self.kind = kind
        self.status = status
        super().__init__(kind)


def found(value: Any) -> str:
    """A value for an error message: its kind and size, nothing of its content."""
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
    """The answer's id, if it is a text; nothing depends on it."""
    id = body.get("id")
    return id if isinstance(id, str) else None


def raise_if_refused(body: Mapping[str, Any]) -> None:
    """Raise Refused if *body* is an error, in any of the shapes that providers and their imitators use."""
    error = body.get("error")
    if not error:
        return
    if not isinstance(error, Mapping):
        raise Refused(error if isinstance(error, str) else found(error))
    detail, kind, code = error.get("message"), error.get("type"), error.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else None
    words = [word for word in (code, kind) if isinstance(word, str)]
    raise Refused(detail if isinstance(detail, str) else "", words[0] if words else "", status)


# Answers in pieces

# These come once, or again in full; never in pieces.
_WHOLE = frozenset({"role", "id", "type", "name", "index"})


class Pieces(list[str]):
    """A text that arrives in pieces; they are joined once, because appending to a str copies it every time."""


def add_delta(known: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Add *delta* to *known*: texts grow, objects and lists are merged, other values are replaced."""
    try:
        _add(known, delta)
    except RecursionError as exc:
        raise LLMResponseError("a streamed answer is nested too deeply") from exc


def _add(known: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for key, value in delta.items():
        old = known.get(key)
        if value is None:
            known.setdefault(key, None)
        elif key in _WHOLE:
            known[key] = value if value != "" else old
        elif isinstance(value, str):
            known[key] = _grown(old, value)
        elif isinstance(value, Mapping):
            inner = old if isinstance(old, dict) else {}
            _add(inner, value)
            known[key] = inner
        elif isinstance(value, list):
            known[key] = _longer(old if isinstance(old, list) and not isinstance(old, Pieces) else [], value)
        else:
            known[key] = value


def _grown(old: Any, value: str) -> Pieces:
    if isinstance(old, Pieces):
        old.append(value)
        return old
    return Pieces([old, value]) if isinstance(old, str) else Pieces([value])


def _longer(old: list[Any], items: list[Any]) -> list[Any]:
    """The list with *items* merged in: an item's ``index`` names the item that it continues; an item without one is new."""
    for item in items:
        if not isinstance(item, Mapping):
            old.append(item)
            continue
        index = item.get("index")
        known = next((o for o in old if isinstance(o, dict) and index is not None and o.get("index") == index), None)
        if known is None:
            known = {}
            old.append(known)
        _add(known, item)
    return old


def joined(value: Any) -> Any:
    """*value* with every text in it joined."""
    try:
        return _joined(value)
    except RecursionError as exc:
        raise LLMResponseError("a streamed answer is nested too deeply") from exc


def _joined(value: Any) -> Any:
    if isinstance(value, Pieces):
        return whole_pairs("".join(value))
    if isinstance(value, dict):
        return {key: _joined(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_joined(inner) for inner in value]
    return value
