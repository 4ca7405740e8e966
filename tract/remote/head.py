"""Heads: the only objects of a remote that change, each by a conditional put.

| part | bytes | what |
|---|---|---|
| header | 16 | ``"tract head 1\\n"``, zero-filled |
| length | 4 | of the body, unpacked |
| body | … | a zstd frame: a map in canonical msgpack, as below |
| check | 16 | the first 16 bytes of the BLAKE3 of all before |

The head of a branch holds the branch's commit, the packs with everything that its history needs, and the notes about its commits.
A head without a branch (``meta``) holds what of a tract belongs to no branch.

| key | what |
|---|---|
| ``tract``, ``branch`` | their names; the branch is nil in ``meta`` |
| ``gen`` | 1 + the head's before: no head ever has the bytes of another |
| ``pushes`` | the ids of the last 16 pushes, 16 random bytes each, oldest first: a writer that got no answer finds its own here |
| ``commit`` | the branch's commit; nil for a deleted branch, and in ``meta`` |
| ``by``, ``time`` | who pushed last, and when, in microseconds since 1970 |
| ``packs`` | ``[key, objects, size, index, time]`` each: bytes, where the index begins, and when it was written |
| ``folded`` | namespace -> ``[tree, open]``: a list of notes in chunks, as a context is, that are in the packs |
| ``notes`` | ``[namespace, target, blob]`` each: later notes, whose blobs are in the packs |
| ``cuts`` | ``[commit, grade, day]`` each: where history was cut, as in ``shallow`` |
| ``refs`` | of ``meta``: tags and links by name, nil for one that was deleted |
| ``default`` | of ``meta``: the branch that a clone begins on, or nil |
| ``settings`` | of ``meta``: the tract's settings, or nil |

A reader ignores keys that it does not know, and a writer keeps them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, cast

from blake3 import blake3

from tract.dataclass import dataclass, field, replace
from tract.errors import ContentValidationError, ObjectCorruptError
from tract.named_tuple import NamedTuple
from tract.objects.codec import decode, encode
from tract.objects.id import ID_SIZE, ObjectId
from tract.objects.model import FIRST_TIME, LAST_TIME
from tract.remote.address import is_pack_key
from tract.storage.shallow import Cut, Grade, readable_cuts
from tract.storage.zstd import compress_record, decompress
from tract.tree import Context

_MAGIC = b"tract head 1\n".ljust(16, b"\0")
_CHECK = 16
_LARGEST = 64 * 1024 * 1024
_PUSHES_KEPT = 16
_PUSH_SIZE = 16
_MOST = 2**53


class PackName(NamedTuple):
    """A pack as heads name it: *size* in bytes, *index_at* the offset of its index, *time* in microseconds since 1970."""

    key: str
    objects: int
    size: int
    index_at: int
    time: int


class HeadNote(NamedTuple):
    """A note in a head: its namespace, the commit it is about, and its blob."""

    namespace: str
    target: ObjectId
    blob: ObjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The content of a head; see above."""

    tract: str
    branch: str | None
    gen: int = 0
    pushes: tuple[bytes, ...] = ()
    commit: ObjectId | None = None
    by: str = ""
    time: int = 0
    packs: tuple[PackName, ...] = ()
    folded: Mapping[str, Context] = field(default_factory=dict)
    notes: tuple[HeadNote, ...] = ()
    cuts: Mapping[ObjectId, Cut] = field(default_factory=dict)
    refs: Mapping[str, ObjectId | None] = field(default_factory=dict)
    default: str | None = None
    settings: Mapping[str, Any] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    """Keys that a later version of tract wrote."""

    def after(self, push: bytes, *, by: str, time: int, **changes: Any) -> Head:
        """The head by which the push *push* replaces this one."""
        pushes = (*self.pushes, push)[-_PUSHES_KEPT:]
        return replace(self, gen=self.gen + 1, pushes=pushes, by=by, time=time, **changes)


_FIELDS = (
    *("tract", "branch", "gen", "pushes", "commit", "by", "time"),
    *("packs", "folded", "notes", "cuts", "refs", "default", "settings"),
)


def encode_head(head: Head) -> bytes:
    """The bytes of a head."""
    fields: dict[str, Any] = {name: getattr(head, name) for name in _FIELDS}
    fields["pushes"] = list(head.pushes)
    fields["packs"] = [list(pack) for pack in head.packs]
    fields["notes"] = [list(note) for note in head.notes]
    fields["cuts"] = [[id, cut.grade, cut.date] for id, cut in sorted(head.cuts.items())]
    fields["folded"] = {name: [found.tree, list(found.open)] for name, found in head.folded.items()}
    fields["refs"] = dict(head.refs)
    fields["settings"] = None if head.settings is None else dict(head.settings)
    raw = encode({**fields, **head.more})
    body = _MAGIC + struct.pack("<I", len(raw)) + compress_record(raw)
    return body + blake3(body).digest()[:_CHECK]


def decode_head(data: bytes, key: str) -> Head:
    """Return the head in *data*, stored under *key*; ObjectCorruptError if it is not a head."""
    body = data[:-_CHECK]
    if data[:16] != _MAGIC:
        raise ObjectCorruptError(key, "it does not begin as a head of this version does", 0)
    if len(data) < 20 + _CHECK or blake3(body).digest()[:_CHECK] != data[-_CHECK:]:
        raise ObjectCorruptError(key, "it does not match its check", len(body))
    (length,) = struct.unpack_from("<I", body, 16)
    if length > _LARGEST:
        raise ObjectCorruptError(key, f"it says that it has {length} bytes", 16)
    try:
        value = decode(decompress(body[20:], length))
        if type(value) is not dict or any(name not in value for name in _FIELDS):
            raise ValueError("a field is missing")
        return _head_of(value)
    except (ValueError, TypeError, ContentValidationError) as exc:
        raise ObjectCorruptError(key, str(exc)) from exc


def _head_of(value: dict[str, Any]) -> Head:
    _check(type(value["tract"]) is str and type(value["by"]) is str, "a name is not a text")
    for name in ("branch", "default"):
        _check(value[name] is None or type(value[name]) is str, f"'{name}' is not a text")
    _check(type(value["gen"]) is int and 0 < value["gen"] < _MOST, "'gen' is not a number above zero")
    _check(type(value["time"]) is int and FIRST_TIME <= value["time"] <= LAST_TIME, "'time' is not a time")
    settings = value["settings"]
    _check(settings is None or type(settings) is dict, "'settings' is not a map")
    return Head(
        tract=value["tract"],
        branch=value["branch"],
        gen=value["gen"],
        pushes=tuple(_each(value, "pushes", _push_of)),
        commit=_id_or_none(value["commit"]),
        by=value["by"],
        time=value["time"],
        packs=tuple(_each(value, "packs", _pack_of)),
        folded={name: _list_of(one) for name, one in _map(value, "folded").items()},
        notes=tuple(_each(value, "notes", _note_of)),
        cuts=dict(_each(value, "cuts", _cut_of)),
        refs={name: _id_or_none(id) for name, id in _map(value, "refs").items()},
        default=value["default"],
        settings=settings,
        more={name: one for name, one in value.items() if name not in _FIELDS},
    )


def _check(is_right: bool, problem: str) -> None:
    if not is_right:
        raise ValueError(problem)


def _each(value: dict[str, Any], name: str, read: Callable[[Any], Any]) -> list[Any]:
    _check(type(value[name]) is list, f"'{name}' is not a list")
    return [read(one) for one in value[name]]


def _map(value: dict[str, Any], name: str) -> dict[str, Any]:
    _check(type(value[name]) is dict, f"'{name}' is not a map")
    return cast("dict[str, Any]", value[name])


def _id(value: Any) -> ObjectId:
    _check(type(value) is bytes and len(value) == ID_SIZE, "an id is not valid")
    return cast(ObjectId, value)


def _id_or_none(value: Any) -> ObjectId | None:
    return None if value is None else _id(value)


def _push_of(value: Any) -> bytes:
    _check(type(value) is bytes and len(value) == _PUSH_SIZE, "the id of a push is not valid")
    return cast(bytes, value)


def _pack_of(value: Any) -> PackName:
    _check(type(value) is list and len(value) == 5 and type(value[0]) is str, "the name of a pack is not valid")
    _check(is_pack_key(value[0]), f"{value[0]!r:.80} is not a pack's name")
    _check(all(type(one) is int and 0 <= one < _MOST for one in value[1:]), "a pack's sizes are not numbers")
    _check(value[3] <= value[2], "a pack's index is behind its end")
    return PackName(*value)


def _note_of(value: Any) -> HeadNote:
    _check(type(value) is list and len(value) == 3 and type(value[0]) is str, "a note is not valid")
    return HeadNote(value[0], _id(value[1]), _id(value[2]))


def _list_of(value: Any) -> Context:
    _check(type(value) is list and len(value) == 2 and type(value[1]) is list, "a list of notes is not valid")
    _check(len(value[1]) % 2 == 0, "a list of notes is not valid")
    return Context(_id_or_none(value[0]), tuple(_id(one) for one in value[1]))


def _cut_of(value: Any) -> tuple[ObjectId, Cut]:
    _check(type(value) is list and len(value) == 3, "a cut is not valid")
    id, grade, day = _id(value[0]), value[1], value[2]
    _check(bool(readable_cuts(f"{id.hex()} {grade} {day}\n".encode())), "a cut is not valid")
    return id, Cut(cast(Grade, grade), day)
