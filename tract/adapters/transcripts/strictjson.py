"""JSON without its accidents.

Python's parser takes NaN, lets the last of two equal keys win and makes half a surrogate pair into a string that no file can hold.
Here each of these becomes a ``Refused`` in the place of the value, so that one bad number costs the message it stands in and not the file around it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tract.adapters.transcripts.places import TOO_DEEP, without_depths
from tract.objects.message_format import JSON

MAX_DEPTH = 200
"""Levels of lists and objects in one message. Real messages have about ten."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Refused:
    """What stands where a value could not be taken; *line* counts from 1 in the parsed text, None where unknown."""

    reason: str
    line: int | None = None


def parse(data: bytes) -> JSON:
    """The value that *data* is the text of; ``Refused`` where it is none, and in it where a part of it is none."""
    try:
        text = data.removeprefix(_BOM).decode("utf-8")
        try:
            return _DECODER.decode(text)
        except RecursionError:
            return _DEEP_DECODER.decode(without_depths(text, 2 * MAX_DEPTH))
    except UnicodeDecodeError as exc:
        return Refused(f"not UTF-8 at byte {exc.start + 1}", data.count(b"\n", 0, exc.start) + 1)
    except json.JSONDecodeError as exc:
        return Refused(f"not JSON at column {exc.colno}: {exc.msg[:1].lower()}{exc.msg[1:]}", exc.lineno)
    except RecursionError:
        return Refused("nested too deeply")  # and never closed, so there is nothing to take out


def flaw(value: JSON) -> str | None:
    """Why *value* cannot be kept, or None when it can."""
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[JSON] = []
        for item in level:
            if isinstance(item, str):
                if not item.isascii() and _has_lone_surrogate(item):
                    return "half a surrogate pair in a text"
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, dict):
                below.extend(item)
                below.extend(item.values())
            elif isinstance(item, Refused):
                return item.reason
        if not below:
            return None
        level = below
    return f"nested more than {MAX_DEPTH} levels deep"


def describe(value: JSON) -> str:
    """A few words for *value*, fit for an error message: ``a list``, ``an object with the keys 'a', 'b'``."""
    if isinstance(value, Refused):
        return value.reason
    if isinstance(value, dict):
        keys = ", ".join(ascii(key[:40]) for key in list(value)[:6])
        return f"an object with the keys {keys}{', …' if len(value) > 6 else ''}" if keys else "an empty object"
    if isinstance(value, list):
        return f"a list of {len(value)}, first {describe_kind(value[0])}" if value else "an empty list"
    return describe_kind(value)


def describe_kind(value: JSON) -> str:
    """What kind of JSON value it is, with its article."""
    if value is None:
        return "null"
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "a boolean"), (int, "a number"), (float, "a number"), (str, "a text"), (list, "a list"),
        (dict, "an object"),
    )  # fmt: skip
    return next((name for kind, name in kinds if isinstance(value, kind)), "no JSON value")


def _has_lone_surrogate(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _object(pairs: list[tuple[str, JSON]]) -> JSON:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
    return Refused(f"the key {twice[:40]!a} twice in one object")


def _integer(text: str) -> JSON:
    # The length first: Python refuses to convert very long numbers, and slows down before that.
    if len(text) > 20 or not -(2**63) <= (number := int(text)) < 2**64:
        return Refused("an integer of more than 64 bits")
    return number


def _float(text: str) -> JSON:
    number = float(text)
    return number if math.isfinite(number) else Refused("a number too large for a float")


def _constant(text: str) -> JSON:
    return Refused(f"{text} is no JSON number")


def _deep_constant(text: str) -> JSON:
    return Refused(f"nested more than {MAX_DEPTH} levels deep") if text == TOO_DEEP else _constant(text)


def _decoder(constant: Callable[[str], JSON]) -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=constant)


_DECODER = _decoder(_constant)
_DEEP_DECODER = _decoder(_deep_constant)
