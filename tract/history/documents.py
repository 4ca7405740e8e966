"""Values as JSON documents, and back: what the states of commands are kept as."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from tract.dataclass import fields, is_dataclass


def to_document(value: Any) -> Any:
    """*value* as JSON: a dataclass as the map of its fields, bytes in hexadecimal, a tuple as a list, a pattern as its text and flags."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_document(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: to_document(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_document(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(to_document(one) for one in value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, re.Pattern):
        return {"pattern": value.pattern, "flags": value.flags}
    return value.value if isinstance(value, Enum) else value


def from_document(kind: Any, value: Any) -> Any:
    """The value of type *kind* from which ``to_document`` made *value*; ValueError or TypeError says what does not fit."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):
        for one in args:
            with suppress(ValueError, TypeError):
                return from_document(one, value)
        raise ValueError(f"{value!r:.40} is none of {kind}")
    if origin in (tuple, frozenset):
        return _sequence_from(origin, args, _checked(list, value))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: from_document(args[1], one) for key, one in _checked(dict, value).items()}
    if origin is Literal:
        if value not in args:
            raise ValueError(f"{value!r:.40} is none of {args}")
        return value
    if kind is re.Pattern or origin is re.Pattern:
        return _pattern_from(**_checked(dict, value))
    if kind is bytes:
        return bytes.fromhex(_checked(str, value))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if is_dataclass(kind):
        return _dataclass_from(kind, _checked(dict, value))
    return _checked(kind, value)


def _pattern_from(pattern: str, flags: int) -> re.Pattern[str]:
    try:
        return re.compile(pattern, flags)
    except re.error as exc:
        raise ValueError(f"{pattern!r:.40} is no pattern: {exc}") from exc


def _sequence_from(origin: Any, args: tuple[Any, ...], value: list[Any]) -> Any:
    kinds = [args[0]] * len(value) if origin is frozenset or args[-1] is ... else args
    return origin(from_document(kind, one) for kind, one in zip(kinds, value, strict=True))


def _dataclass_from(kind: Any, value: dict[str, Any]) -> Any:
    hints = get_type_hints(kind)
    found = {}
    for field in fields(kind):
        if field.name not in value:
            raise ValueError(f"'{field.name}' is missing")
        try:
            found[field.name] = from_document(hints[field.name], value[field.name])
        except (ValueError, TypeError) as exc:
            raise ValueError(f"'{field.name}': {exc}") from exc
    if len(value) > len(found):
        raise ValueError(f"{', '.join(sorted(value.keys() - found.keys()))!r:.60} is unknown")
    return kind(**found)


def _checked(kind: Any, value: Any) -> Any:
    """Return *value* if its type is *kind*, else ValueError."""
    if kind is NoneType or kind is None:
        is_one = value is None
    else:
        is_one = type(value) is kind or (kind is float and type(value) is int)
    if not is_one:
        raise ValueError(f"{value!r:.40} is no {getattr(kind, '__name__', kind)}")
    return value
