"""Results as JSON values: a field in Python is the key that ``--json`` prints.

| Python | JSON |
|---|---|
| a dataclass, a named tuple | an object: its public fields in order, then its public properties |
| a content type | the same, ``content_type`` first |
| a mapping | an object |
| a list, a tuple, any other sequence | an array |
| an enum member | its value |
| an id (bytes) | hexadecimal text |
| a datetime | ISO 8601 text |
| a path | text |
| NaN and the infinities | null |

A field that its class keeps out of ``repr`` (``field(repr=False)``) is left out here too: it serves the program, not its reader.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from datetime import date, timedelta
from enum import Enum
from os import PathLike, fspath
from typing import Any

from tract.dataclass import fields, is_dataclass
from tract.objects.message_format import JSON

_ATOMS = frozenset({str, int, bool, type(None)})
_NAMES: dict[type[Any], tuple[str, ...] | None] = {}


def to_plain(value: Any) -> JSON:
    """*value*, a result of tract's, as a JSON value; TypeError for an object of another kind.

    Tokens that a result counts on demand are counted.
    """
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind not in _NAMES:
        _NAMES[kind] = _public_names(kind)
    names = _NAMES[kind]
    if names is not None:
        return {name: to_plain(getattr(value, name)) for name in names}
    if isinstance(value, Enum):
        return to_plain(value.value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str | int):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(to_plain(key)): to_plain(item) for key, item in value.items()}
    if isinstance(value, Set):
        return [to_plain(item) for item in sorted(value)]
    if isinstance(value, Sequence):
        return [to_plain(item) for item in value]
    if isinstance(value, PathLike):
        return fspath(value)
    raise TypeError(f"{kind.__name__} has no form in JSON")


def _public_names(kind: type[Any]) -> tuple[str, ...] | None:
    """The public fields and properties of a class's values; None if it is neither a dataclass nor a named tuple."""
    if is_dataclass(kind):
        names = [one.name for one in fields(kind) if one.repr]
    elif issubclass(kind, tuple) and hasattr(kind, "_fields"):
        names = list(kind._fields)
    else:
        return None
    if isinstance(getattr(kind, "content_type", None), str):
        names.insert(0, "content_type")
    for cls in reversed(kind.__mro__):
        names += [name for name, member in vars(cls).items() if isinstance(member, property)]
    return tuple(dict.fromkeys(name for name in names if not name.startswith("_")))
