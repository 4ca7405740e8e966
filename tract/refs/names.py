"""Names of refs and of tracts, checked before they become part of a path.

A name is refused if git would refuse it, or if it could surprise a file system, a terminal or a reader: control and invisible characters, a leading ``-`` or ``.``, device names, an ending ``.lock`` or ``.tmp``, and 64 hexadecimal digits (they would read as an id).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

from blake3 import blake3

from tract.errors import InvalidBranchNameError, RefNameError, SessionError
from tract.objects.id import HEX_SIZE, is_hex

HEAD = "HEAD"
ORIG_HEAD = "ORIG_HEAD"
HEADS = "refs/heads/"
TAGS = "refs/tags/"
NOTES = "refs/notes/"
REMOTES = "refs/remotes/"
"""Remote-tracking refs: ``refs/remotes/<remote>/<branch>``."""

REMOTE_NOTES = "refs/remote-notes/"
"""The last known lists of notes on remotes: ``refs/remote-notes/<remote>/<namespace>``."""

SPAWN_REF = "refs/archive/spawn"
"""The ref of a spawned tract's first commit, in that tract."""

CHILD_REFS = "refs/archive/children/"
"""The refs of a tract's children, one each, named by the first digits of the child's first commit."""

STATES = "state"
"""The folder of a tract's states, beside its refs."""

TRACTS = "tracts/"
ROOT = "root"
"""The name of a store's root tract, whose refs have no prefix."""

_PREFIXES = (HEADS, TAGS, NOTES, "refs/archive/", REMOTES, REMOTE_NOTES)
_TOP = frozenset({HEAD, ORIG_HEAD})
_MAX_SEGMENT = 100
_MAX_NAME = 240
_MAX_DEPTH = 8
_FORBIDDEN = frozenset(' ~^:?*[\\"<>|')
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))]
)


def branch_ref(name: str) -> str:
    """The ref of branch *name*; InvalidBranchNameError says which rule the name breaks."""
    problem = name_problem(name)
    if problem:
        raise InvalidBranchNameError(f"{name!r} is not a branch name: {problem}")
    return HEADS + name


def tag_ref(name: str) -> str:
    """The ref of tag *name*; RefNameError says which rule the name breaks."""
    return TAGS + _checked(name, "a tag name")


def check_ref(name: str) -> str:
    """Return *name* if it is a full ref name that a store can keep (``HEAD``, ``refs/heads/…``, ``tracts/x/refs/…``), else RefNameError."""
    prefix, local = split_tract(name)
    if prefix:
        tract_name(prefix)
    if local in _TOP:
        return name
    for prefix in _PREFIXES:
        if local.startswith(prefix):
            problem = name_problem(local.removeprefix(prefix))
            if problem:
                raise RefNameError(f"{name!r} is not a ref name: {problem}")
            return name
    raise RefNameError(
        f"{name!r} is not a ref name: it is not under refs/heads, refs/tags, refs/notes, refs/archive, refs/remotes or refs/remote-notes"
    )


def _checked(name: str, what: str) -> str:
    problem = name_problem(name)
    if problem:
        raise RefNameError(f"{name!r} is not {what}: {problem}")
    return name


def name_problem(name: str) -> str | None:
    """The rule that *name* breaks, or None if the name is allowed."""
    if not isinstance(name, str):
        return f"it is not a text but a {type(name).__name__}"
    if not name:
        return "it is empty"
    if name in ("HEAD", "@"):
        return "it is reserved"
    if len(name) == HEX_SIZE and is_hex(name):
        return "it looks like an object id"
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


# Tracts

LONGEST_NAME = 255
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_.")
_LONGEST_FOLDER = 120
_SHOWN_OF_LONG = 80


def tract_prefix(name: str) -> str:
    """The prefix of the refs of tract *name*: empty for the root tract, else ``tracts/<part>/``.

    The part is the name, with each byte except ``a-z 0-9 - _ .`` written as ``%`` and two hexadecimal digits.
    So two names never share a part, on any file system: it has no upper case, nothing that Unicode could normalise, no slash and no device's name.
    SessionError if the name is empty, not text that UTF-8 can express, or longer than 255 bytes.
    """
    try:
        data = name.encode()
    except (UnicodeEncodeError, AttributeError):
        raise SessionError(f"{name!r:.80} is not a tract name: it is not a text") from None
    if not data or len(data) > LONGEST_NAME:
        problem = f"it has {len(data)} bytes, more than {LONGEST_NAME}" if data else "it is empty"
        raise SessionError(f"{name!r:.80} is not a tract name: {problem}")
    return "" if name == ROOT else f"{TRACTS}{_encoded(data)}/"


def _encoded(data: bytes) -> str:
    text = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in data)
    if text[0] in ".-" or text.partition(".")[0] in _DEVICES:
        text = f"%{data[0]:02x}{text[1:]}"
    if text.endswith((".", ".lock", ".tmp")):
        text = "%2e".join(text.rsplit(".", 1))
    return text


@lru_cache(maxsize=4096)
def tract_name(prefix: str) -> str:
    """The name of the tract whose refs begin with *prefix*; RefNameError if *prefix* is not a tract's."""
    if not prefix:
        return ROOT
    part = prefix.removeprefix(TRACTS).removesuffix("/")
    head, *escaped = part.split("%")
    try:
        data = head.encode("ascii")
        for one in escaped:
            data += bytes.fromhex(one[:2]) + one[2:].encode("ascii")
        name = data.decode()
        if tract_prefix(name) == prefix:
            return name
    except (ValueError, SessionError):
        pass
    raise RefNameError(f"'{prefix}' is not the prefix of a tract: no name is encoded so")


def split_tract(name: str) -> tuple[str, str]:
    """Split a ref name into the prefix of its tract and its name inside that tract."""
    if not name.startswith(TRACTS):
        return "", name
    end = name.find("/", len(TRACTS)) + 1
    return (name[:end], name[end:]) if end else (name, "")


def ref_path(name: str) -> str:
    """The path of a ref's file under the store's folder, or, for a tract's prefix, the path of the tract's folder.

    The path is the name, but the long part of a tract's name is cut and ends in ``~`` and a hash; a file ``name`` in the folder then holds the full part.
    """
    if len(name) <= _LONGEST_FOLDER or not name.startswith(TRACTS):
        return name
    part, slash, local = name.removeprefix(TRACTS).partition("/")
    return f"{TRACTS}{tract_folder(part)}{slash}{local}"


@lru_cache(maxsize=4096)
def tract_folder(part: str) -> str:
    """The folder of the tract whose refs begin with ``tracts/<part>/``."""
    if len(part) <= _LONGEST_FOLDER:
        return part
    return f"{part[:_SHOWN_OF_LONG]}~{blake3(part.encode()).hexdigest()[:32]}"


def fold_name(name: str) -> str:
    """Fold a name as a file system does that ignores case and Unicode normalisation."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold()))


class NameTable:
    """The names of refs as seen by a file system that ignores case, and on which a file cannot also be a folder.

    Each check, and each name that is added or removed, costs the length of the name, however many names there are.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names: dict[str, dict[str, None]] = {}
        self._under: dict[str, dict[str, None]] = {}
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        folded = fold_name(name)
        self._names.setdefault(folded, {})[name] = None
        for folder in _folders(folded):
            self._under.setdefault(folder, {})[name] = None

    def remove(self, name: str) -> None:
        """Remove *name*, which may be missing."""
        folded = fold_name(name)
        for table, key in ((self._names, folded), *((self._under, folder) for folder in _folders(folded))):
            names = table.get(key, {})
            names.pop(name, None)
            if not names:
                table.pop(key, None)

    def check(self, name: str) -> None:
        """Raise RefNameError if *name*, which may be in the table, cannot exist beside another name in it."""
        folded = fold_name(name)
        for other in self._names.get(folded, ()):
            if other != name:
                raise RefNameError(f"ref '{name}' differs from ref '{other}' in case or normalisation only")
        above = (self._names[folder] for folder in _folders(folded) if folder in self._names)
        for others in (*above, self._under.get(folded, {})):
            for other in others:
                raise RefNameError(f"ref '{name}' cannot be beside ref '{other}'")


def _folders(name: str) -> Iterator[str]:
    """Yield ``a`` and ``a/b`` for ``a/b/c``."""
    at = name.find("/")
    while at >= 0:
        yield name[:at]
        at = name.find("/", at + 1)
