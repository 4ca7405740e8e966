"""A transcript's JSON, with a reason in the place of each value that cannot be stored.

A value that JSON can express and a payload cannot becomes a ``Refused``, and :func:`mended` replaces it with the nearest value that can be stored.
So one bad number, or half an emoji, costs only itself, and not the message or the file around it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from functools import partial
from types import NoneType

from tract.dataclass import dataclass
from tract.objects.json import NotJsonError, Refuse, TooDeepError, compact_json, parse_kept_json
from tract.objects.message_format import JSON

MAX_DEPTH = 200
"""The levels of lists and objects in one message that are searched. Real messages have about ten."""

_BOM = b"\xef\xbb\xbf"
_SURROGATE = rb"\\u[dD][89a-fA-F]"


@dataclass(frozen=True, slots=True)
class Refused:
    """Stands for a value that could not be read; *line* counts from 1 in the parsed text, None if unknown.

    *kept* is the nearest value that can be stored; if *is_lost*, there is none.
    """

    reason: str
    line: int | None = None
    kept: JSON = None
    is_lost: bool = True


def parse(data: bytes, refuse: Refuse | None = None) -> JSON:
    """The value of the JSON text *data*; ``Refused`` if it is not JSON, and within it for each part that is not. Bytes that are not UTF-8 become U+FFFD."""
    return _parse_text(data.removeprefix(_BOM).decode("utf-8", "replace"), refuse or _refuse)


def _parse_text(text: str, refuse: Refuse) -> JSON:
    try:
        try:
            return parse_kept_json(text, refuse)
        except TooDeepError:
            from tract.adapters.transcripts.places import without_depths  # hardly any is

            return parse_kept_json(without_depths(text, 2 * MAX_DEPTH), partial(_refuse_depth, refuse))
    except (TooDeepError, OverflowError):
        return Refused("nested too deeply")  # and never closed, so there is nothing to remove
    except NotJsonError as exc:
        return Refused(f"not JSON at column {exc.column}: {exc.reason}", exc.line)


class Parser:
    """Parses text after text; a value is searched for ``Refused`` only if something in it was refused."""

    def __init__(self) -> None:
        self._refused = 0

    def parse(self, data: bytes, report: Callable[[str, str], None]) -> JSON:
        """As :func:`parse`, but mended; *report* gets the place of each mended value, and its fault."""
        before = self._refused
        try:
            value = _parse_text(data.removeprefix(_BOM).decode(), self._refuse)
        except UnicodeDecodeError:
            value = parse(data, self._refuse)
            if not isinstance(value, Refused):
                at = first_bad_byte(data) or 0
                report("", f"not UTF-8 at byte {at + 1}; the bytes that are not UTF-8 were replaced by U+FFFD")
        is_bad = self._refused > before or (b"\\u" in data and re.search(_SURROGATE, data) is not None)
        return mended(value, report) if is_bad else value

    def _refuse(self, reason: str, kept: JSON) -> Refused:
        self._refused += 1
        return _refuse(reason, kept)


def first_bad_byte(data: bytes) -> int | None:
    """The position of the first byte of *data* that is not UTF-8; None if there is none."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as exc:
        return exc.start
    return None


def mended(value: JSON, report: Callable[[str, str], None], place: str = "", levels: int = -1) -> JSON:
    """*value* without parts that no payload can store: half surrogate pairs, ``Refused`` values, and values nested in more than *levels* (below 0: no limit)."""
    if isinstance(value, str):
        if value.isascii() or not _has_lone_surrogate(value):
            return value
        report(place, "half a surrogate pair in a text; U+FFFD replaces it")
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not _is_kept(value):
        report(place, f"a number that cannot be kept; the text '{str(value)[:40]}' replaces it")
        return str(value)
    if isinstance(value, (list, dict)) and not levels:
        text = _text_of(value)
        stands = "its JSON, as a text, stands" if text else "nothing is"
        report(f"{place[:60]}…", f"nested too deeply; {stands} in its place")
        return text
    if isinstance(value, list):
        return [mended(item, report, f"{place}[{at}]", levels - 1) for at, item in enumerate(value)]
    if isinstance(value, Refused) and not value.is_lost:
        kept = value.kept
        instead = f"the text '{kept[:40]}' replaces it" if isinstance(kept, str) else "the last one was kept"
        report(place, f"{value.reason}; {instead}")
        return mended(kept, report, place, levels)
    if isinstance(value, dict):
        return {
            mended(key, report, place): mended(item, report, f"{place}.{key}" if place else key, levels - 1)
            for key, item in value.items()
        }
    return value


def _text_of(value: JSON) -> str:
    """The JSON of *value*; "" if it is too deep for an encoder."""
    try:
        return re.sub("[\ud800-\udfff]", "\ufffd", compact_json(value))
    except (RecursionError, TypeError, ValueError):
        return ""


def _is_kept(number: float) -> bool:
    return -(2**63) <= number < 2**64 if isinstance(number, int) else math.isfinite(number)


def flaw(value: JSON) -> str | None:
    """Why *value* cannot be stored, or None if it can."""
    if _is_sound((value,), MAX_DEPTH):
        return None
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


_ALWAYS_SOUND = frozenset((NoneType, bool, int, float))


def _is_sound(values: Iterable[JSON], depth: int) -> bool:
    """Whether all of *values* can be stored: quick, and without a reason if they cannot."""
    for item in values:
        kind = type(item)
        if kind is str:
            if not item.isascii() and _has_lone_surrogate(item):
                return False
        elif kind is dict:
            if not depth or not _is_sound(item.values(), depth - 1):
                return False
            for key in item:
                if not key.isascii() and _has_lone_surrogate(key):
                    return False
        elif kind is list:
            if not depth or not _is_sound(item, depth - 1):
                return False
        elif kind not in _ALWAYS_SOUND:
            return False
    return True


def describe(value: JSON) -> str:
    """A few words for *value*, fit for an error message: ``a list of 2, first an object with the keys 'a', 'b'``."""
    if isinstance(value, list) and value:
        return f"a list of {len(value)}, first {_described(value[0])}"
    return _described(value)


def _described(value: JSON) -> str:
    if isinstance(value, Refused):
        return value.reason
    if isinstance(value, dict):
        keys = ", ".join(ascii(key[:40]) for key in list(value)[:6])
        return f"an object with the keys {keys}{', …' if len(value) > 6 else ''}" if keys else "an empty object"
    if value == []:
        return "an empty list"
    return describe_kind(value)


def describe_kind(value: JSON) -> str:
    """The kind of a JSON value, with its article."""
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


def _refuse(reason: str, kept: JSON) -> Refused:
    return Refused(reason, None, kept, is_lost=False)


def _refuse_depth(refuse: Refuse, reason: str, kept: JSON) -> JSON:
    from tract.adapters.transcripts.places import TOO_DEEP  # as above

    return Refused(f"nested more than {MAX_DEPTH} levels deep") if reason.startswith(TOO_DEEP) else refuse(reason, kept)
