"""Canonical msgpack: one value has one encoding.

Maps keep the order in which their keys were given, and have no key twice; every number and length has its shortest form, floats have 64 bits, and there are no extension types, NaN or infinities.
The order of keys is part of the value: it is part of what a model wrote, and of what a provider caches.
What JSON can say can be encoded, and nothing else but byte strings (ids, and the bytes of raw blobs).
:func:`decode` accepts an encoding only when it is the one :func:`encode` makes.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from types import NoneType
from typing import Any, NoReturn

import msgpack

from tract.errors import ContentValidationError

MAX_DEPTH = 128
"""How deep lists and maps may nest."""

MAX_SIZE = 256 * 1024 * 1024
"""How many bytes one payload may have."""

_INT_MIN = -(2**63)
_INT_MAX = 2**64 - 1


_LARGE = 1024 * 1024


class _Packer(threading.local):
    """A thread's own packer: making one costs as much as packing a message."""

    def __init__(self) -> None:
        self._pack = _new_pack()

    def pack(self, value: Any) -> bytes:
        data = self._pack(value)
        if len(data) > _LARGE:
            self._pack = _new_pack()  # else its buffer stays as large
        return data


def _new_pack() -> Callable[[Any], bytes]:
    return msgpack.Packer(use_bin_type=True).pack  # type: ignore[no-any-return]  # msgpack has no types


_packer = _Packer()


class _RefusedError(Exception):
    """A value that has no encoding; the keys that lead to it are collected on the way out."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        self.path: list[str] = []


def encode(value: Any, part: str | int | None = None) -> bytes:
    """The canonical encoding of *value*; of a map or list of which only the *part* under that key, or at that place, came from outside, nothing else is checked.

    ContentValidationError names the place of what cannot be encoded: a float that is not finite, an integer over 64 bits, text with a lone surrogate, a key that is no text, nesting deeper than MAX_DEPTH, a payload over MAX_SIZE, or an object that is not JSON.
    """
    try:
        if part is None:
            _check(value, MAX_DEPTH)
        else:
            _check(value[part], MAX_DEPTH - 1)
        data = _packer.pack(value)
    except _RefusedError as exc:
        if part is not None:
            exc.path.append(f".{part}" if isinstance(part, str) else f"[{part}]")
        _refuse(exc)
    except UnicodeEncodeError:
        raise ContentValidationError(_find_surrogate(value)) from None
    except OverflowError:
        raise ContentValidationError(_find_large(value)) from None
    if len(data) > MAX_SIZE:
        raise ContentValidationError(f"content of {len(data)} bytes is over the limit of {MAX_SIZE}")
    return data


def pack(value: Any) -> bytes:
    """The encoding of lists of ids, numbers and short texts, which need no check."""
    try:
        return _packer.pack(value)
    except UnicodeEncodeError:
        raise ContentValidationError(_find_surrogate(value)) from None


def is_deeper(value: Any, levels: int) -> bool:
    """Whether maps and lists lie in one another more than *levels* deep in a value that was encoded."""
    if not isinstance(value, (dict, list, tuple)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(is_deeper(item, levels - 1) for item in inner)


def unpack(data: bytes | memoryview) -> Any:
    """The value of an encoding whose id was checked; ValueError when it is no msgpack at all."""
    try:
        return msgpack.unpackb(data, ext_hook=_no_extension, strict_map_key=True)
    except (ValueError, TypeError, msgpack.exceptions.UnpackException, RecursionError) as exc:
        raise ValueError(f"not msgpack: {exc}") from exc


def unpack_all(payloads: Sequence[bytes]) -> list[Any]:
    """The value of each encoding, in less time than :func:`unpack` takes for them; ValueError when one of them is no msgpack."""
    # As one list: the library makes that in one call, where it would be called for each value.
    return unpack(b"".join([b"\xdd", len(payloads).to_bytes(4, "big"), *payloads]))  # type: ignore[no-any-return]


def decode(data: bytes) -> Any:
    """The value of a canonical encoding; ValueError for any other bytes."""
    value = unpack(data)
    try:
        again = encode(value)
    except ContentValidationError as exc:
        raise ValueError(f"not canonical: {exc}") from exc
    if again != data:
        raise ValueError("not canonical: the same value has another encoding")
    return value


def _no_extension(code: int, _data: bytes) -> NoReturn:
    raise ValueError(f"extension type {code}")


_ALWAYS_FIT = frozenset((str, int, NoneType, bool, bytes))
"""Types of which every value can be kept, but for text that is not Unicode and integers over 64 bits: packing finds those."""


def _check(value: Any, depth: int) -> None:
    """Raise _RefusedError where *value* has what no payload can have."""
    kind = type(value)
    if kind in _ALWAYS_FIT:
        return
    if kind is dict:
        _check_map(value, depth)
    elif kind is list or kind is tuple:
        _check_list(value, depth)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _RefusedError(f"{float(value)!r} is not a number JSON has")
    elif isinstance(value, dict):
        _check_map(value, depth)
    elif isinstance(value, list | tuple):
        _check_list(value, depth)
    elif not isinstance(value, (str, int)):
        raise _RefusedError(f"an object of type {kind.__name__} is not JSON")


def _check_map(value: dict[Any, Any], depth: int) -> None:
    if depth <= 0:
        raise _RefusedError(f"nested deeper than {MAX_DEPTH} levels")
    for key, item in value.items():
        if type(key) is not str and not isinstance(key, str):
            raise _RefusedError(f"a key that is no text: {key!r:.60}")
        if type(item) not in _ALWAYS_FIT:
            try:
                _check(item, depth - 1)
            except _RefusedError as exc:
                exc.path.append(f".{key}")
                raise


def _check_list(value: Sequence[Any], depth: int) -> None:
    if depth <= 0:
        raise _RefusedError(f"nested deeper than {MAX_DEPTH} levels")
    for at, item in enumerate(value):
        if type(item) not in _ALWAYS_FIT:
            try:
                _check(item, depth - 1)
            except _RefusedError as exc:
                exc.path.append(f"[{at}]")
                raise


def _refuse(exc: _RefusedError) -> NoReturn:
    path = "".join(reversed(exc.path))
    if len(path) > 120:
        path = path[:100] + "…"
    where = f" at {path.lstrip('.')}" if path else ""
    raise ContentValidationError(f"cannot keep this content{where}: {exc.detail}") from None


def _find_surrogate(value: Any) -> str:
    """The message for a text in *value* that is not valid Unicode."""
    for place, item in _places(value):
        try:
            item.encode() if isinstance(item, str) else None
        except UnicodeEncodeError as exc:
            found = f"a lone surrogate (U+{ord(item[exc.start]):04X}) at character {exc.start} is not text"
            return f"cannot keep this content{place}: {found}"
    return "cannot keep this content: it has text that is not Unicode"


def _find_large(value: Any) -> str:
    """The message for an integer in *value* of over 64 bits."""
    places = (place for place, item in _places(value) if isinstance(item, int) and not _INT_MIN <= item <= _INT_MAX)
    return f"cannot keep this content{next(places, '')}: an integer that does not fit in 64 bits"


def _places(value: Any) -> Iterator[tuple[str, Any]]:
    """All that is in *value*, keys too, each with where it is."""
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        place, item = stack.pop()
        yield f" at {place.lstrip('.')[:120]}" if place else "", item
        if isinstance(item, dict):
            stack.extend((f"{place}.{key!r}", key) for key in item)
            stack.extend((f"{place}.{key}", item[key]) for key in item)
        elif isinstance(item, (list, tuple)):
            stack.extend((f"{place}[{i}]", part) for i, part in enumerate(item))
