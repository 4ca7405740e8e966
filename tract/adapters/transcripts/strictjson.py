"""A transcript's JSON, with a reason in the place of each value that cannot be kept.

What JSON can say and a payload cannot keep becomes a ``Refused`` in the place of the value, so that one bad number costs the message it stands in and not the file around it.
"""

from __future__ import annotations

from dataclasses import dataclass

from tract.adapters.transcripts.places import TOO_DEEP, without_depths
from tract.objects.json import NotJsonError, TooDeepError, parse_kept_json
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
            return parse_kept_json(text, Refused)
        except TooDeepError:
            return parse_kept_json(without_depths(text, 2 * MAX_DEPTH), _refuse_depth)
    except UnicodeDecodeError as exc:
        return Refused(f"not UTF-8 at byte {exc.start + 1}", data.count(b"\n", 0, exc.start) + 1)
    except TooDeepError:
        return Refused("nested too deeply")  # and never closed, so there is nothing to take out
    except NotJsonError as exc:
        return Refused(f"not JSON at column {exc.column}: {exc.reason}", exc.line)


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


def _refuse_depth(reason: str) -> Refused:
    return Refused(f"nested more than {MAX_DEPTH} levels deep" if reason.startswith(TOO_DEEP) else reason)
