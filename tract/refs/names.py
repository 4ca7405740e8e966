"""Names of refs: checked before they come near a path.

A name is refused when git would refuse it, and also when it could surprise a file system, a terminal or a reader: control and invisible characters, a leading ``-`` or ``.``, device names, what ends in ``.lock`` or ``.tmp``, and 64 hexadecimal digits (they would read as an id).
"""

from __future__ import annotations

import unicodedata

from tract.errors import InvalidBranchNameError, RefNameError
from tract.objects.id import HEX_SIZE, is_hex

HEAD = "HEAD"
ORIG_HEAD = "ORIG_HEAD"
HEADS = "refs/heads/"
TAGS = "refs/tags/"
NOTES = "refs/notes/"
TRACTS = "tracts/"

_PREFIXES = (HEADS, TAGS, NOTES, "refs/archive/")
_TOP = frozenset({HEAD, ORIG_HEAD})
_MAX_SEGMENT = 100
_MAX_NAME = 240
_MAX_DEPTH = 8
_FORBIDDEN = frozenset(' ~^:?*[\\"<>|')
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))]
)


def branch_ref(name: str) -> str:
    """The ref of branch *name*; InvalidBranchNameError says which rule a name breaks."""
    problem = name_problem(name)
    if problem:
        raise InvalidBranchNameError(f"{name!r} is not a branch name: {problem}")
    return HEADS + name


def tag_ref(name: str) -> str:
    """The ref of tag *name*; RefNameError says which rule a name breaks."""
    return TAGS + _checked(name, "a tag name")


def check_tract_name(name: str) -> str:
    """*name*, when a tract can have it; one segment, for it becomes a folder."""
    _checked(name, "a tract name")
    if "/" in name:
        raise RefNameError(f"{name!r} is not a tract name: it has a '/'")
    return name


def check_ref(name: str) -> str:
    """*name*, when it is a whole ref name a store can keep: ``HEAD``, ``refs/heads/…``, ``tracts/x/refs/…``."""
    local = name
    if name.startswith(TRACTS):
        tract, _, local = name.removeprefix(TRACTS).partition("/")
        check_tract_name(tract)
    if local in _TOP:
        return name
    for prefix in _PREFIXES:
        if local.startswith(prefix):
            problem = name_problem(local.removeprefix(prefix))
            if problem:
                raise RefNameError(f"{name!r} is not a ref name: {problem}")
            return name
    raise RefNameError(f"{name!r} is not a ref name: it is not under refs/heads, refs/tags, refs/notes or refs/archive")


def _checked(name: str, what: str) -> str:
    problem = name_problem(name)
    if problem:
        raise RefNameError(f"{name!r} is not {what}: {problem}")
    return name


def name_problem(name: str) -> str | None:
    """The rule *name* breaks, or None when it is a good one."""
    if not isinstance(name, str):
        return f"it is no text but a {type(name).__name__}"
    if not name:
        return "it is empty"
    if name in ("HEAD", "@"):
        return "it is reserved"
    if len(name) == HEX_SIZE and is_hex(name):
        return "it would read as an object id"
    if name.startswith("-"):
        return "it begins with '-'"
    if "@{" in name:
        return "it has '@{'"
    if ".." in name:
        return "it has '..'"
    for char in name:
        if char in _FORBIDDEN:
            return f"it has {char!r}"
        if unicodedata.category(char)[0] in "CZ":
            return f"it has the invisible or control character U+{ord(char):04X}"
    if unicodedata.normalize("NFC", name) != name:
        return "it is not in Unicode normal form C"
    if len(name.encode()) > _MAX_NAME:
        return f"it is longer than {_MAX_NAME} bytes"
    segments = name.split("/")
    if len(segments) > _MAX_DEPTH:
        return f"it is deeper than {_MAX_DEPTH} levels"
    return next(filter(None, map(_segment_problem, segments)), None)


def _segment_problem(segment: str) -> str | None:
    if not segment:
        return "it has an empty part between slashes"
    if segment.startswith("."):
        return "a part of it begins with '.'"
    if segment.startswith("-"):
        return "a part of it begins with '-'"
    if segment.endswith("."):
        return "a part of it ends with '.'"
    if segment.lower().endswith((".lock", ".tmp")):
        return "a part of it ends in '.lock' or '.tmp'"
    if segment.split(".")[0].lower() in _DEVICES:
        return f"{segment!r} is the name of a device"
    if len(segment.encode()) > _MAX_SEGMENT:
        return f"a part of it is longer than {_MAX_SEGMENT} bytes"
    return None
