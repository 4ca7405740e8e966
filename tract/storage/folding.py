"""Folded payloads: commits, trees and operations of a pack, with distances in the place of ids; :mod:`tract.storage.pack` has the byte tables."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache

from tract.annotations import TypeAlias
from tract.named_tuple import NamedTuple
from tract.objects.codec import pack
from tract.objects.id import ID_SIZE, Kind, ObjectId
from tract.objects.model import LAST_TIME, Commit, CommitOperation, Node, Role, named_by, new_commit, new_node

# The head of an id in msgpack: a byte string of 32.
ID_HEAD = b"\xc4\x20"

_NUMBER = struct.Struct("<H")
# The number of ids, and the first two distances.
_ROW_HEAD = struct.Struct("<HII")
# A four-byte number in msgpack.
_ORDINAL = struct.Struct(">BI").pack
_NO_SIGN = 0xFFFFFFFF
_ANY_ID = ObjectId(bytes(ID_SIZE))

# Larger chunks, which tract does not make, are read one by one.
_MOST_IN_CHUNK = 256


def unfold(folded: bytes, ordinal: int, id_at: Callable[[int], ObjectId]) -> bytes:
    """Return the payload that was folded; ValueError or IndexError if the bytes are not a folded payload."""
    return put_back(folded, [id_at(found) for found in ordinals_in(folded, ordinal)])


def ordinals_in(folded: bytes, ordinal: int) -> list[int]:
    """Return the ordinals of the ids that were taken out of the object *ordinal*; ValueError if the bytes are not a folded payload."""
    try:
        (number,) = _NUMBER.unpack_from(folded)
        distances = struct.unpack_from(f"<{number}i", folded, 2)
    except struct.error as exc:
        raise ValueError(f"a folded object is cut off: {exc}") from exc
    if len(folded) < 2 + 6 * number:
        raise ValueError("a folded object is cut off in its gaps")
    return [ordinal - distance for distance in distances]


class Folded(NamedTuple):
    """A folded payload, and the size of the payload itself, in bytes."""

    part: bytes
    size: int


def refold(part: bytes, ordinal: int, places: Sequence[int], first: int, unplaced: int) -> Folded | None:
    """Fold an object for the place *ordinal* of a new pack, from its folded bytes *part* in another pack; the result is that of ``fold``.

    *places* has the ordinals in the new pack, or *unplaced*; ``places[first - distance]`` is the ordinal of an id in *part*.
    None if that is not possible: some of its ids are not in the new pack, or were not taken out.
    """
    number = int.from_bytes(part[:2], "little")
    try:
        found = [places[first - distance] for distance in struct.unpack_from(f"<{number}i", part, 2)]
    except (struct.error, IndexError):
        return None  # unfolding raises the error
    if unplaced in found or part.find(ID_HEAD, 2 + 6 * number) >= 0:
        return None
    distances = struct.pack(f"<H{number}i", number, *[ordinal - place for place in found])
    return Folded(distances + part[2 + 4 * number :], len(part) - 2 + number * (len(ID_HEAD) + ID_SIZE - 6))


class Rows(NamedTuple):
    """A chunk of a context in a pack: *number* commits from the ordinal *commit* on, and as many blobs from the ordinal *blob* on."""

    commit: int
    blob: int
    number: int


def rows_in(folded: bytes, ordinal: int) -> Rows | None:
    """Read a folded chunk of a context whose commits are consecutive in the pack, and whose blobs are too; None for anything else.

    Most chunks of a history that only appended are like that, and building their payloads to take them apart again would be most of the time of reading a context.
    """
    if len(folded) < _ROW_HEAD.size:
        return None
    number, first, second = _ROW_HEAD.unpack_from(folded)
    form = _row_form(number)
    end = 2 + 4 * number
    if form is None or folded[end:] != form.end or first < number or second < number:
        return None  # with smaller distances the subtraction below would borrow from the next one
    if int.from_bytes(folded[2:end], "little") != (second << 32 | first) * form.ones - form.steps:
        return None
    return Rows((ordinal - first) & _NO_SIGN, (ordinal - second) & _NO_SIGN, number // 2)


class _RowForm(NamedTuple):
    """The form of a folded chunk whose commits are consecutive, and whose blobs are too.

    Its distances are read as one number of 32 bits each, the first in the lowest bits. Each is one less than the one two before it, so all of them are the first two times *ones*, minus *steps*.
    """

    ones: int
    steps: int
    end: bytes


@lru_cache(256)
def _row_form(number: int) -> _RowForm | None:
    """The form of a chunk with *number* ids; None if no chunk has that many."""
    if not number or number % 2 or number > _MOST_IN_CHUNK:
        return None
    payload = new_node(Node(0, (_ANY_ID,) * number)).payload
    head = payload[: -number * (len(ID_HEAD) + ID_SIZE)]
    end = struct.pack(f"<{number}H", len(head), *bytes(number - 1)) + head
    ones = sum(1 << 64 * entry for entry in range(number // 2))
    steps = sum((entry << 32 | entry) << 64 * entry for entry in range(number // 2))
    return _RowForm(ones, steps, end)


FoldedOutline: TypeAlias = tuple[str, int, int, int, int]
"""The outline of a commit with one parent, with ordinals in the place of ids: operation, parent, content, generation, time."""


def outline_in(folded: bytes, ordinal: int) -> FoldedOutline | None:
    """Return the outline of the folded commit *ordinal* if it has a common form and all of its ids were taken out, else None.

    Nearly all commits are like that, and most of the time of reading one would go into its open entries, which no walk needs.
    """
    number = int.from_bytes(folded[:2], "little")
    at = 2 + 4 * number
    for operation, form in _commit_forms(number):
        if folded.startswith(form, at):
            return _outline_from(operation, folded, ordinal, at + len(form))
    return None


def _outline_from(operation: str, folded: bytes, ordinal: int, at: int) -> FoldedOutline | None:
    """The outline of a commit of a common form; *at* is the offset of its generation."""
    try:
        parent, content = _TWO_DISTANCES(folded, 2)
        generation, head, time = _GENERATION_AND_TIME.get(folded[at], _SMALL_GENERATION)(folded, at)
    except (struct.error, IndexError):
        return None  # the normal read raises the error
    if head != _EIGHT_BYTES or time > LAST_TIME:
        return None
    return operation, ordinal - parent, ordinal - content, generation, time


_TWO_DISTANCES = struct.Struct("<ii").unpack_from
# A generation in msgpack, by its first byte if it is 128 or more; then the first byte of a time, and the time.
_SMALL_GENERATION = struct.Struct(">BBQ").unpack_from
_GENERATION_AND_TIME = {
    0xCC: struct.Struct(">xBBQ").unpack_from,
    0xCD: struct.Struct(">xHBQ").unpack_from,
    0xCE: struct.Struct(">xIBQ").unpack_from,
}
_EIGHT_BYTES = 0xCF


class Names(NamedTuple):
    """The objects that an object of *kind* names, in the order of its fields, with numbers in the place of ids; those from position *open* on are a commit's open entries."""

    kind: Kind
    numbers: list[int]
    kinds: tuple[Kind, ...]
    roles: tuple[Role, ...]
    open: int


def names_in(folded: bytes, number: int) -> Names | None:
    """Return what a folded commit or chunk names if it has a common form and all of its ids were taken out, else None.

    *number* is its own ordinal, or its number in any count that runs as ordinals do; the result counts in the same way.
    """
    count = int.from_bytes(folded[:2], "little")
    at = 2 + 4 * count
    for form in _name_forms(count):
        if folded.startswith(form.start, at) and (form.kind == "commit" or len(folded) == at + len(form.start)):
            numbers = [number - distance for distance in struct.unpack_from(f"<{count}i", folded, 2)]
            return Names(form.kind, numbers, form.kinds, form.roles, form.open)
    return None


class _NameForm(NamedTuple):
    """A common form: *start* is how the bytes behind the distances begin (for a chunk, all of them); the other fields say what the ids are."""

    start: bytes
    kind: Kind
    kinds: tuple[Kind, ...]
    roles: tuple[Role, ...]
    open: int


@lru_cache(256)
def _name_forms(count: int) -> list[_NameForm]:
    """The common forms of objects with *count* ids."""
    forms = [_name_form(start, "commit", commit, len(commit.open)) for commit, start in _common_commits(count)]
    row = _row_form(count)
    return forms if row is None else [*forms, _name_form(row.end, "tree", Node(0, (_ANY_ID,) * count), 0)]


def _name_form(start: bytes, kind: Kind, obj: Commit | Node, open_: int) -> _NameForm:
    _, kinds, roles = zip(*named_by(obj), strict=True)
    return _NameForm(start, kind, kinds, roles, len(kinds) - open_)


@lru_cache(256)
def _commit_forms(number: int) -> list[tuple[str, bytes]]:
    """The operations of common commits with *number* ids, each with the gaps and the other bytes up to the generation."""
    return [(commit.operation.value, start) for commit, start in _common_commits(number)]


def _common_commits(number: int) -> list[tuple[Commit, bytes]]:
    """Common commits with *number* ids, parent and content first, each with the gaps and the other bytes up to the generation."""
    forms = ((CommitOperation.APPEND, 0), (CommitOperation.NOTE, 1), (CommitOperation.EDIT, 1))
    return [
        _common_commit(operation, number, targets)
        for operation, targets in forms
        if 2 + targets <= number <= _MOST_IN_CHUNK
    ]


def _common_commit(operation: CommitOperation, number: int, targets: int) -> tuple[Commit, bytes]:
    id = _ANY_ID
    left = number - 2 - targets
    commit = Commit(
        operation=operation,
        parents=(id,),
        content=id,
        target=id if targets else None,
        tree=id if left % 2 else None,
        open=(id,) * (left - left % 2),
        generation=1,
        time=1,
        author="",
    )
    *parts, end = new_commit(commit).payload.removesuffix(_FORM_END).split(ID_HEAD + id)
    return commit, struct.pack(f"<{number}H", *map(len, parts)) + b"".join(parts) + end


_FORM_END = pack((1, 1, "", None, None))[1:]


def with_ordinals(folded: bytes, ordinal: int) -> bytes:
    """Return the folded payload of the object *ordinal*, with the ordinal as a number in the place of each id that was taken out."""
    number = int.from_bytes(folded[:2], "little")
    start, at = 2 + 4 * number, 2 + 6 * number
    parts: list[bytes] = []
    distances = struct.unpack_from(f"<{number}i", folded, 2)
    for distance, gap in zip(distances, struct.unpack_from(f"<{number}H", folded, start), strict=True):
        parts += (folded[at : at + gap], _ORDINAL(0xCE, ordinal - distance))
        at += gap
    return b"".join(parts) + folded[at:]


def put_back(folded: bytes, ids: Sequence[ObjectId]) -> bytes:
    """Return the payload that was folded, with *ids* put back in their places."""
    number = len(ids)
    start, at = 2 + 4 * number, 2 + 6 * number
    apart = (
        len(folded[start:at].rstrip(b"\0")) + 1
    ) // 2  # the ids after the last gap are consecutive: most of a commit's, and all of a chunk's
    parts: list[bytes] = []
    for id, gap in zip(ids[:apart], struct.unpack_from(f"<{apart}H", folded, start), strict=True):
        parts += (folded[at : at + gap], ID_HEAD, id)
        at += gap
    if apart < number:
        parts += (ID_HEAD, ID_HEAD.join(ids[apart:]))
    return b"".join(parts) + folded[at:]
