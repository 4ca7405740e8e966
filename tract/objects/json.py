"""Reading and writing JSON; nothing else in tract reads it.

Python's own parser accepts NaN, lets the last of two equal keys win, and makes an integer of any length.
:func:`parse_json` returns the value of a text as it came from a provider or a model; :func:`parse_kept_json` accepts only values that a payload can keep.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

from tract.annotations import TYPE_CHECKING, Literal, NoReturn, TypeAlias
from tract.objects.message_format import JSON

if TYPE_CHECKING:
    import json

Refuse: TypeAlias = Callable[[str, JSON], JSON]

_INT_MIN = -(2**63)
_INT_MAX = 2**64 - 1


class NotJsonError(ValueError):
    """A text is not JSON. *line* and *column* count from 1; both are 0 if the place is not known."""

    def __init__(self, reason: str, line: int = 0, column: int = 0) -> None:
        self.reason = reason
        self.line = line
        self.column = column
        super().__init__(f"{reason} at line {line} column {column}" if line else reason)


class TooDeepError(NotJsonError):
    """Lists and objects nest deeper than Python can follow."""


def parse_json(text: str | bytes) -> JSON:
    """Return the value of JSON *text*; NotJsonError if it is not JSON, or has NaN, or nests too deeply.

    The last of two equal keys wins, and integers have any length, so a payload may not be able to keep the value.
    """
    return _parse(text, _lenient_decoder())


def parse_kept_json(text: str | bytes, refuse: Refuse | None = None) -> JSON:
    """Return the value of JSON *text* if a payload can keep it.

    NotJsonError for a key that comes twice, a number that is too large, and NaN. If *refuse* is given, it is called instead, with the reason and the nearest value that can be kept (the object with the last of the two keys, the number's text), and its result takes the value's place.
    Half a surrogate pair is let through; encoding refuses it.
    """
    return _parse(text, _strict_decoder(refuse or _refuse))


def compact_json(value: JSON) -> str:
    """*value* on one line without spaces; keys keep their order."""
    import json  # 1 ms, and plain messages need none

    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def ascii_json(value: JSON) -> str:
    """*value* on one line of printable ASCII, so that its text can neither control a terminal nor break the line."""
    import json  # as above

    # JSON leaves the control character DEL as it is.
    return json.dumps(value, separators=(",", ":")).replace("\x7f", "\\u007f")


def same_json(one: JSON, other: JSON) -> bool:
    """True if two values are equal as JSON: the order of keys does not matter, and true does not equal 1."""
    if isinstance(one, dict):
        if not isinstance(other, dict) or one.keys() != other.keys():
            return False
        return all(same_json(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        if not isinstance(other, list | tuple) or len(one) != len(other):
            return False
        return all(map(same_json, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _parse(text: str | bytes, decoder: json.JSONDecoder) -> JSON:
    try:
        return _decode(text.decode("utf-8-sig") if isinstance(text, bytes) else text, decoder)
    except UnicodeDecodeError as exc:
        raise NotJsonError(f"not UTF-8 at byte {exc.start}") from None
    except RecursionError:
        raise TooDeepError("nested too deeply") from None
    except NotJsonError:
        raise
    except ValueError as exc:
        if not hasattr(exc, "lineno"):  # Python refuses to read integers of thousands of digits
            raise NotJsonError("an integer of more than 64 bits") from None
        raise NotJsonError(f"{exc.msg[:1].lower()}{exc.msg[1:]}", exc.lineno, exc.colno) from None  # type: ignore[attr-defined]  # json is not imported for this


def _decode(text: str, decoder: json.JSONDecoder) -> JSON:
    """Do what the decoder's ``decode`` does, without its search for white space around each text: a session has a text for each record."""
    if text[:1] == "{":
        value, end = decoder.raw_decode(text)
        if end == len(text) or not text[end:].strip(" \t\n\r"):
            return value
    return decoder.decode(text)


def _refuse(reason: str, _kept: JSON = None) -> NoReturn:
    raise NotJsonError(reason)


@lru_cache(1)
def _lenient_decoder() -> json.JSONDecoder:
    import json  # as above

    return json.JSONDecoder(parse_constant=lambda name: _refuse(f"{name} is not a JSON number"))


@lru_cache(8)
def _strict_decoder(refuse: Refuse) -> json.JSONDecoder:
    import json  # as above

    def pairs(items: list[tuple[str, JSON]]) -> JSON:
        value = dict(items)
        if len(value) == len(items):
            return value
        twice, _ = Counter(key for key, _ in items).most_common(1)[0]
        return refuse(f"the key {twice[:40]!a} twice in one object", value)

    def integer(text: str) -> JSON:
        if len(text) < 19:
            return int(text)
        # The length first: Python refuses to convert very long numbers, and slows down before that.
        if len(text) > 20 or not _INT_MIN <= (number := int(text)) <= _INT_MAX:
            return refuse("an integer of more than 64 bits", text)
        return number

    def real(text: str) -> JSON:
        number = float(text)
        return number if math.isfinite(number) else refuse("a number too large for a float", text)

    return json.JSONDecoder(
        object_pairs_hook=pairs,
        parse_int=integer,
        parse_float=real,
        parse_constant=lambda name: refuse(f"{name} is not a JSON number", name),
    )


def whole_pairs(text: str, *, alone: Literal["surrogatepass", "replace"] = "surrogatepass") -> str:
    """Return *text* with the two halves of a surrogate pair joined to one character. A half that is *alone* stays, or is replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", alone)
    return text
