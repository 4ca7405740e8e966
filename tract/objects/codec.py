"""Canonical msgpack: one value has one encoding.

Maps keep the order in which their keys were given, and have no key twice. Every number and length has its shortest form, floats have 64 bits, and there are no extension types, NaN or infinities.
The order of keys is part of the value: a model wrote its message in that order, and a provider caches it so.
A value may hold what JSON has, and byte strings (ids, and the bytes of raw blobs).
:func:`decode` accepts an encoding only if :func:`encode` makes the same bytes.
"""

from __future__ import annotations

import math
from _thread import _local  # threading's own, as in events
from collections.abc import Callable, Iterator, Sequence
from types import NoneType

import msgpack

from tract.annotations import Any, NoReturn
from tract.errors import ContentValidationError

MAX_DEPTH = 128
"""How deep lists and maps may nest."""

MAX_SIZE = 256 * 1024 * 1024
"""The largest payload, in bytes."""

_INT_MIN = -(2**63)
_INT_MAX = 2**64 - 1


_LARGE = 1024 * 1024


class _Packer(_local):
    """The msgpack packer of a thread: making a packer costs as much as packing a message."""

    def __init__(self) -> None:
        self.pack = _new_pack()

    def after_large(self) -> None:
        """Replace the packer after a large value: otherwise its buffer would stay that large."""
        self.pack = _new_pack()


def _new_pack() -> Callable[[Any], bytes]:
    return msgpack.Packer(use_bin_type=True).pack  # type: ignore[no-any-return]  # msgpack has no types


_packer = _Packer()


class _RefusedError(Exception):
    """A value has no encoding; *path* collects the keys that lead to it, from the inside out."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        self.path: list[str] = []


def encode(value: Any, part: str | int | None = None) -> bytes:
    """Return the canonical encoding of *value*. *part*, a key or a position, says that only this part came from outside: the rest is not checked.

    ContentValidationError names the place of what cannot be encoded: a float that is not finite, an integer over 64 bits, text with a lone surrogate, a key that is not text, nesting deeper than MAX_DEPTH, a payload over MAX_SIZE, or an object that is not JSON.
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
    if len(data) > _LARGE:
        _packer.after_large()
    if len(data) > MAX_SIZE:
        raise ContentValidationError(f"content of {len(data)} bytes is over the limit of {MAX_SIZE}")
    return data


def pack(value: Any) -> bytes:
    """Encode lists of ids, numbers and short texts, which need no check."""
    try:
        data = _packer.pack(value)
    except UnicodeEncodeError:
        raise ContentValidationError(_find_surrogate(value)) from None
    if len(data) > _LARGE:
        _packer.after_large()
    return data


def is_deeper(value: Any, levels: int) -> bool:
    """True if maps and lists nest deeper than *levels* in *value*, which was encoded before."""
    if not isinstance(value, (dict, list, tuple)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(is_deeper(item, levels - 1) for item in inner)


def unpack(data: bytes | memoryview) -> Any:
    """Decode an encoding whose id was checked; ValueError if it is not msgpack."""
    try:
        return msgpack.unpackb(data, ext_hook=_no_extension, strict_map_key=True)
    except (ValueError, TypeError, msgpack.exceptions.UnpackException, RecursionError) as exc:
        raise ValueError(f"not msgpack: {exc}") from exc


def unpack_all(payloads: Sequence[bytes]) -> list[Any]:
    """Decode many encodings, faster than :func:`unpack` one by one; ValueError if one of them is not msgpack."""
    # As one list: the library decodes it in one call, where it would be called for each value.
    return unpack(b"".join([b"\xdd", len(payloads).to_bytes(4, "big"), *payloads]))  # type: ignore[no-any-return]


def decode(data: bytes) -> Any:
    """Decode a canonical encoding; ValueError for any other bytes."""
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
"""Every value of these types can be kept, except text that is not Unicode and integers over 64 bits, which packing finds."""


def _check(value: Any, depth: int) -> None:
    """Raise _RefusedError if *value* holds something that a payload cannot hold."""
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
            raise _RefusedError(f"a key that is not a text: {key!r:.60}")
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
    """The error message for a text in *value* that is not valid Unicode."""
    for place, item in _places(value):
        try:
            item.encode() if isinstance(item, str) else None
        except UnicodeEncodeError as exc:
            found = f"a lone surrogate (U+{ord(item[exc.start]):04X}) at character {exc.start} is not text"
            return f"cannot keep this content{place}: {found}"
    return "cannot keep this content: it has text that is not Unicode"


def _find_large(value: Any) -> str:
    """The error message for an integer in *value* that needs more than 64 bits."""
    places = (place for place, item in _places(value) if isinstance(item, int) and not _INT_MIN <= item <= _INT_MAX)
    return f"cannot keep this content{next(places, '')}: an integer that does not fit in 64 bits"


def _places(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every value and key inside *value*, each with its place as text."""
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        place, item = stack.pop()
        yield f" at {place.lstrip('.')[:120]}" if place else "", item
        if isinstance(item, dict):
            stack.extend((f"{place}.{key!r}", key) for key in item)
            stack.extend((f"{place}.{key}", item[key]) for key in item)
        elif isinstance(item, (list, tuple)):
            stack.extend((f"{place}[{i}]", part) for i, part in enumerate(item))
