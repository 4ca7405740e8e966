"""Putting an answer together again from the differences a stream sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tract.errors import LLMResponseError

# Said once, or said again in full; never in pieces.
_WHOLE = frozenset({"role", "id", "type", "name", "index"})


class Pieces(list[str]):
    """A text that is still coming; joined once, for adding to a text again and again copies it every time."""


def add_delta(known: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Adds to *known* what *delta* brings: texts grow, objects and lists are gone into, the rest is replaced."""
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
    """Items say with their ``index`` which one they go on; one without is a new one."""
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
    """*value* with every text in it whole."""
    try:
        return _joined(value)
    except RecursionError as exc:
        raise LLMResponseError("a streamed answer is nested too deeply") from exc


def _joined(value: Any) -> Any:
    if isinstance(value, Pieces):
        return "".join(value)
    if isinstance(value, dict):
        return {key: _joined(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_joined(inner) for inner in value]
    return value
