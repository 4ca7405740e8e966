"""Plain work on JSON values: copies, compact text, sizes and data URLs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tract.annotations import TypeGuard
from tract.objects.json import compact_json as compact_json
from tract.objects.message_format import JSON

_ATOMS = frozenset({str, int, float, bool, type(None)})


def copy_json(value: JSON) -> JSON:
    """A deep copy of *value*; a tuple becomes a list, any mapping a dict."""
    kind = type(value)
    if kind is dict:
        return {key: item if type(item) in _ATOMS else copy_json(item) for key, item in value.items()}
    if kind is list:
        return [item if type(item) in _ATOMS else copy_json(item) for item in value]
    if kind in _ATOMS:
        return value
    if isinstance(value, Mapping):
        return {key: copy_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [copy_json(item) for item in value]
    return value


def json_or_text(value: JSON) -> str:
    """A str unchanged, any other value as compact JSON."""
    return value if isinstance(value, str) else compact_json(value)


def items_of(value: JSON) -> Sequence[JSON]:
    """The items of a list; an empty sequence for any other value."""
    return value if isinstance(value, list | tuple) else ()


def is_map(value: JSON) -> TypeGuard[Mapping[str, JSON]]:
    """Whether *value* is a map. For a dict, the usual case, this takes a fifth of the time of ``isinstance``."""
    return type(value) is dict or isinstance(value, Mapping)


def str_or_none(value: JSON) -> str | None:
    """A str unchanged, None for any other value."""
    return value if isinstance(value, str) else None


def extra_keys(raw: Mapping[str, JSON], known: frozenset[str]) -> list[str]:
    """The keys of *raw* that are not *known* and whose values are not empty."""
    return [str(key) for key, value in raw.items() if key not in known and value not in (None, False, "", [], {})]


def base64_size(data: str) -> int:
    """The number of bytes that base64 *data* stands for, without decoding it."""
    return len(data) * 3 // 4 - data[-2:].count("=")


def size_text(count: int) -> str:
    """*count* bytes for people: ``812 B``, ``12.3 kB``, ``4.0 MB``."""
    if count < 1000:
        return f"{count} B"
    if count < 999_950:
        return f"{count / 1000:.1f} kB"
    return f"{count / 1_000_000:.1f} MB"


def split_data_url(url: str) -> tuple[str, str] | None:
    """Media type and base64 data of a data URL; None for any other URL, and for a data URL that is not base64."""
    if url[:5].lower() != "data:":
        return None
    head, comma, data = url[5:].partition(",")
    media_type, *options = head.split(";")
    if not comma or "base64" not in (option.strip().lower() for option in options):
        return None
    return media_type.strip().lower() or "text/plain", data


def data_url(media_type: str, data: str) -> str:
    """The data URL of base64 *data*."""
    return f"data:{media_type};base64,{data}"
