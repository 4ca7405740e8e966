"""Folded payloads: commits, trees and operations of a pack, with distances in the place of ids; byte by byte in :mod:`tract.storage.pack`."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

from tract.named_tuple import NamedTuple
from tract.objects.codec import pack
from tract.objects.id import ID_SIZE, Kind, ObjectId
from tract.objects.model import LAST_TIME, Commit, CommitOperation, Node, Role, named_by, new_commit, new_node

# An id in msgpack: a byte string of 32.
ID_HEAD = b"\xc4\x20"

_NUMBER = struct.Struct("<H")
# The number of ids, and the first two distances.
_ROW_HEAD = struct.Struct("<HII")
# A number of four bytes in msgpack.
_ORDINAL = struct.Struct(">BI").pack
_NO_SIGN = 0xFFFFFFFF
_ANY_ID = ObjectId(bytes(ID_SIZE))

# Of chunks with more ids than this, which tract does not make, each is read for itself.
_MOST_IN_CHUNK = 256


def unfold(folded: bytes, ordinal: int, id_at: Callable[[int], ObjectId]) -> bytes:
    """The payload that was folded; ValueError or IndexError where it cannot have been."""
    return put_back(folded, [id_at(found) for found in ordinals_in(folded, ordinal)])


def ordinals_in(folded: bytes, ordinal: int) -> list[int]:
    """The ordinals of the ids that were taken out of the object *ordinal*; ValueError where none can have been."""
    try:
        (number,) = _NUMBER.unpack_from(folded)
        distances = struct.unpack_from(f"<{number}i", folded, 2)
    except struct.error as exc:
        raise ValueError(f"a folded object is cut off: {exc}") from exc
    if len(folded) < 2 + 6 * number:
        raise ValueError("a folded object is cut off in its gaps")
    return [ordinal - distance for distance in distances]


class Folded(NamedTuple):
    """A folded payload, and the size of the payload itself."""

    part: bytes
    size: int


def refold(part: bytes, ordinal: int, places: Sequence[int], first: int, unplaced: int) -> Folded | None:
    """The object that lies as *part* in one pack as it lies in another, where it is the object *ordinal*; the same as ``fold`` gives.

    *places* has the ordinals in the new pack, or *unplaced*; ``places[first - distance]`` is that of an id in *part*.
    None where that is not so simple: not all of its ids are in the new pack, or some were not taken out.
    """
    number = int.from_bytes(part[:2], "little")
    try:
        found = [places[first - distance] for distance in struct.unpack_from(f"<{number}i", part, 2)]
    except (struct.error, IndexError):
        return None  # whoever unfolds it says what is wrong
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
    """What a folded chunk of a context says where its commits follow each other in the pack, and its blobs do; None for anything else.

    So lie most chunks of a history that only appended, and most of reading a context would be putting their payloads together and taking them apart.
    """
    if len(folded) < _ROW_HEAD.size:
        return None
    number, first, second = _ROW_HEAD.unpack_from(folded)
    form = _row_form(number)
    end = 2 + 4 * number
    if form is None or folded[end:] != form.end or first < number or second < number:
        return None  # from a lower number on the form below would have a distance borrow from the next
    if int.from_bytes(folded[2:end], "little") != (second << 32 | first) * form.ones - form.steps:
        return None
    return Rows((ordinal - first) & _NO_SIGN, (ordinal - second) & _NO_SIGN, number // 2)


class _RowForm(NamedTuple):
    """What a folded chunk is like whose commits follow each other, and whose blobs do.

    Its distances as one number of 32 bits each, the first in the lowest: each is one less than that two before, so all of them are the first two times *ones*, less *steps*.
    """

    ones: int
    steps: int
    end: bytes


@lru_cache(256)
def _row_form(number: int) -> _RowForm | None:
    """The form of a chunk with so many ids; None where no chunk has as many."""
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
    """The outline of the folded commit *ordinal*, where it is of a common form and all of its ids were taken out; None for any other.

    So lie nearly all commits, and most of reading one would be its open entries, which no walk needs.
    """
    number = int.from_bytes(folded[:2], "little")
    at = 2 + 4 * number
    for operation, form in _commit_forms(number):
        if folded.startswith(form, at):
            return _outline_from(operation, folded, ordinal, at + len(form))
    return None


def _outline_from(operation: str, folded: bytes, ordinal: int, at: int) -> FoldedOutline | None:
    """The outline of a commit of a common form, whose generation is at offset *at*."""
    try:
        parent, content = _TWO_DISTANCES(folded, 2)
        generation, head, time = _GENERATION_AND_TIME.get(folded[at], _SMALL_GENERATION)(folded, at)
    except (struct.error, IndexError):
        return None  # whoever reads it is told
    if head != _EIGHT_BYTES or time > LAST_TIME:
        return None
    return operation, ordinal - parent, ordinal - content, generation, time


_TWO_DISTANCES = struct.Struct("<ii").unpack_from
# A generation in msgpack, by its first byte where it is not below 128; then the first byte of a time, and the time.
_SMALL_GENERATION = struct.Struct(">BBQ").unpack_from
_GENERATION_AND_TIME = {
    0xCC: struct.Struct(">xBBQ").unpack_from,
    0xCD: struct.Struct(">xHBQ").unpack_from,
    0xCE: struct.Struct(">xIBQ").unpack_from,
}
_EIGHT_BYTES = 0xCF


class Names(NamedTuple):
    """What an object of the kind *kind* names, in the order of its fields, with numbers in the place of ids; those from *open* on are a commit's open entries."""

    kind: Kind
    numbers: list[int]
    kinds: tuple[Kind, ...]
    roles: tuple[Role, ...]
    open: int


def names_in(folded: bytes, number: int) -> Names | None:
    """What a folded commit or chunk names, where it is of a common form and all of its ids were taken out; None for any other.

    *number* is its own ordinal, or whatever is counted as ordinals are; the numbers are counted as it is.
    """
    count = int.from_bytes(folded[:2], "little")
    at = 2 + 4 * count
    for form in _name_forms(count):
        if folded.startswith(form.start, at) and (form.kind == "commit" or len(folded) == at + len(form.start)):
            numbers = [number - distance for distance in struct.unpack_from(f"<{count}i", folded, 2)]
            return Names(form.kind, numbers, form.kinds, form.roles, form.open)
    return None


class _NameForm(NamedTuple):
    """A common form: how the part behind the distances begins, which for a chunk is all of it, and what the ids are."""

    start: bytes
    kind: Kind
    kinds: tuple[Kind, ...]
    roles: tuple[Role, ...]
    open: int


@lru_cache(256)
def _name_forms(count: int) -> list[_NameForm]:
    """The common forms of objects with so many ids."""
    forms = [_name_form(start, "commit", commit, len(commit.open)) for commit, start in _common_commits(count)]
    row = _row_form(count)
    return forms if row is None else [*forms, _name_form(row.end, "tree", Node(0, (_ANY_ID,) * count), 0)]


def _name_form(start: bytes, kind: Kind, obj: Commit | Node, open_: int) -> _NameForm:
    _, kinds, roles = zip(*named_by(obj), strict=True)
    return _NameForm(start, kind, kinds, roles, len(kinds) - open_)


@lru_cache(256)
def _commit_forms(number: int) -> list[tuple[str, bytes]]:
    """The operations of the commits of common forms that have so many ids, and each one's gaps and its rest as far as the generation."""
    return [(commit.operation.value, start) for commit, start in _common_commits(number)]


def _common_commits(number: int) -> list[tuple[Commit, bytes]]:
    """Commits of common forms that have so many ids, parent and content first, and each one's gaps and its rest as far as the generation."""
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
    """The payload of the object *ordinal* that was folded, with a number in the place of each id that was taken out: its ordinal."""
    number = int.from_bytes(folded[:2], "little")
    start, at = 2 + 4 * number, 2 + 6 * number
    parts: list[bytes] = []
    distances = struct.unpack_from(f"<{number}i", folded, 2)
    for distance, gap in zip(distances, struct.unpack_from(f"<{number}H", folded, start), strict=True):
        parts += (folded[at : at + gap], _ORDINAL(0xCE, ordinal - distance))
        at += gap
    return b"".join(parts) + folded[at:]


def put_back(folded: bytes, ids: Sequence[ObjectId]) -> bytes:
    """The payload that was folded, with the ids that were taken out of it."""
    number = len(ids)
    start, at = 2 + 4 * number, 2 + 6 * number
    apart = (
        len(folded[start:at].rstrip(b"\0")) + 1
    ) // 2  # those behind the last gap follow each other: most of a commit's, and all of a chunk's
    parts: list[bytes] = []
    for id, gap in zip(ids[:apart], struct.unpack_from(f"<{apart}H", folded, start), strict=True):
        parts += (folded[at : at + gap], ID_HEAD, id)
        at += gap
    if apart < number:
        parts += (ID_HEAD, ID_HEAD.join(ids[apart:]))
    return b"".join(parts) + folded[at:]
