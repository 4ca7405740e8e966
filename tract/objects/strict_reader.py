"""Reading payloads strictly: a read refuses everything that fsck calls damaged. model.py has the shapes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tract.annotations import Any, Literal, TypeVar
from tract.errors import ContentValidationError, ObjectCorruptError
from tract.objects.codec import MAX_SIZE, decode, pack, unpack, unpack_all
from tract.objects.id import ID_SIZE, Kind, ObjectId
from tract.objects.model import (
    ENTRY_ROLES,
    FIRST_TIME,
    LAST_TIME,
    MAX_LEVEL,
    OPERATIONS,
    REF_CHUNK,
    Commit,
    Node,
    Object,
    Operation,
    Outline,
    RefChange,
    Refs,
    Step,
    TractRefs,
    operation_named,
    refs_list,
)

_T = TypeVar("_T")

_WORD = r"[a-z][a-z0-9-]{0,39}"

_MOST = 2**63  # the limit of a generation or a count: the next number can be encoded too


def read_blob(id: ObjectId, obj: Object) -> Any:
    """Return the map in *obj*; ObjectCorruptError if it is anything else, a raw blob included."""
    value = _unpack(id, obj, "blob")
    if type(value) is not dict:
        raise ObjectCorruptError(f"blob {id.hex()}", "it is not a map")
    return value


def decode_blob(id: ObjectId, obj: Object) -> dict[str, Any] | bytes:
    """Return the map or the bytes in *obj*; ObjectCorruptError if it is neither."""
    value: dict[str, Any] | bytes = _unpack(id, obj, "blob")
    if type(value) is not dict and type(value) is not bytes:
        raise ObjectCorruptError(f"blob {id.hex()}", "it is neither a map nor a byte string")
    return value


def read_bytes(id: ObjectId, obj: Object) -> bytes:
    """Return the bytes of the raw blob in *obj*; ObjectCorruptError if it is not a raw blob."""
    value = _unpack(id, obj, "blob")
    if type(value) is not bytes:
        raise ObjectCorruptError(f"blob {id.hex()}", "it is not a byte string")
    return value


def read_commit(id: ObjectId, obj: Object) -> Commit:
    """Return the commit in *obj*; ObjectCorruptError if it is not a commit."""
    return _shaped(_commit_of, _unpack(id, obj, "commit"), "commit", id)


def read_node(id: ObjectId, obj: Object) -> Node:
    """Return the tree node in *obj*; ObjectCorruptError if it is not a tree node."""
    return _shaped(_node_of, _unpack(id, obj, "tree"), "tree", id)


def read_nodes(ids: Sequence[ObjectId], payloads: Sequence[bytes]) -> list[Node]:
    """Return the tree nodes with these payloads; ObjectCorruptError names a payload that is not a tree node."""
    try:
        values = unpack_all(payloads)
    except ValueError:
        return [read_node(id, Object("tree", payload)) for id, payload in zip(ids, payloads, strict=True)]
    return [_shaped(_node_of, value, "tree", id) for id, value in zip(ids, values, strict=True)]


def _shaped(make: Callable[[Any], _T], value: Any, kind: Kind, id: ObjectId) -> _T:
    try:
        return make(value)
    except _ShapeError as exc:
        raise ObjectCorruptError(f"{kind} {id.hex()}", str(exc)) from exc


def checked_node(id: ObjectId, node: Node, level: int) -> Node:
    """Return *node* if it has this *level*, else ObjectCorruptError."""
    if node.level != level:
        raise ObjectCorruptError(f"tree {id.hex()}", f"it is of level {node.level} instead of {level}")
    return node


def read_operation(id: ObjectId, obj: Object) -> Operation:
    """Return the operation in *obj*; ObjectCorruptError if it is not an operation."""
    return _shaped(_operation_of, _unpack(id, obj, "operation"), "operation", id)


def outlines_in(payloads: Sequence[bytes], id_at: Callable[[int], ObjectId]) -> list[Outline]:
    """Return the outlines of commits whose payloads have numbers in the place of ids; *id_at* gives the id for a number. ValueError if one is not a commit."""
    found = []
    for value in unpack_all(payloads):
        operation, parents, content, _, _, _, generation, time = value[:8]
        parents = tuple([id_at(one) if type(one) is int else one for one in parents])
        content = id_at(content) if type(content) is int else content
        if type(operation) is not str or type(generation) is not int or type(time) is not int:
            raise ValueError("it is not a commit")
        found.append(Outline(operation, parents, content, generation, time))
    return found


def read_ref_chunk(id: ObjectId, obj: Object) -> tuple[TractRefs, ...]:
    """Return the refs in *obj*, a chunk of a keyframe; ObjectCorruptError if it is not such a chunk."""
    value = _unpack(id, obj, "operation")
    try:
        return _ref_chunk_of(value)
    except _ShapeError as exc:
        raise ObjectCorruptError(f"operation {id.hex()}", str(exc)) from exc


def is_ref_chunk(obj: Object) -> bool:
    """True if an object of the kind ``operation`` begins like a chunk of refs; the rest is not checked."""
    return obj.payload.startswith(_CHUNK_START)


def check_payload(kind: Kind, payload: bytes) -> None:
    """Raise ContentValidationError, which names the broken rule, unless *payload* is a valid object of *kind*.

    This checks the fields as a read does, and also that the payload is canonical: reads leave that to the code that takes objects in from outside.
    It does not check that the named objects exist, as this module knows no store.
    """
    if len(payload) > MAX_SIZE:
        raise ContentValidationError(f"a payload of {len(payload)} bytes is over the limit of {MAX_SIZE}")
    try:
        value = decode(payload)
    except ValueError as exc:
        raise ContentValidationError(f"not a {kind}: {exc}") from exc
    check_value(kind, value)


def check_value(kind: Kind, value: Any) -> None:
    """Raise ContentValidationError unless *value*, a decoded payload, is a valid object of *kind*."""
    try:
        _SHAPES[kind](value)
    except _ShapeError as exc:
        raise ContentValidationError(f"not a {kind}: {exc}") from exc


# The id proves which bytes were written, not that tract wrote them: a store or a stream may come from anybody.
# So every read checks the whole shape of an object; this costs little beside unpacking.


class _ShapeError(ValueError):
    """A value is not an object of its kind; the text says why."""


def _commit_of(value: Any) -> Commit:
    if type(value) is not list or not 11 <= len(value) <= 12:
        raise _ShapeError("it is not a list of 11 or 12 fields")
    operation, parents, content, target, tree, open_, generation, time, author, message, metadata = value[:11]
    if type(operation) is not str or (operation not in OPERATIONS and not re.fullmatch(_WORD, operation)):
        raise _ShapeError("its operation is not a word")
    if type(open_) is list and len(open_) % 2:
        raise _ShapeError("its open entries are not pairs of ids")
    if type(generation) is not int or not 0 < generation < _MOST:
        raise _ShapeError("its generation is not a number above zero")
    if type(author) is not str:
        raise _ShapeError("its author is not text")
    if message is not None and type(message) is not str:
        raise _ShapeError("its message is not text")
    if metadata is not None and type(metadata) is not dict:
        raise _ShapeError("its metadata is not a map")
    return Commit(
        operation_named(operation),
        _ids(parents, "its parents are not ids"),
        _id_or_none(content, "its content is not an id"),
        _id_or_none(target, "its target is not an id"),
        _id_or_none(tree, "its tree is not an id"),
        _ids(open_, "its open entries are not pairs of ids"),
        generation,
        _time(time),
        author,
        message,
        metadata,
        _refs_of(value[11], refs_list(operation)) if len(value) == 12 else None,
    )


def _refs_of(value: Any, of: Literal["refs", "records"]) -> Refs:
    if type(value) is not list or len(value) != 2:
        raise _ShapeError("its refs are not a tree and open ones")
    tree, open_ = value
    if tree is None and not open_:
        raise _ShapeError("it has refs, and says that it has none")
    root = _id_or_none(tree, "the tree of its refs is not an id")
    if of == "refs":
        return Refs(root, _id_kinds(open_, "its open refs are not ids and kinds"))
    if type(open_) is list and len(open_) % 2:
        raise _ShapeError("its open records are not pairs of ids")
    return Refs(root, _ids(open_, "its open records are not pairs of ids"))


def _id_kinds(items: Any, problem: str) -> tuple[Any, ...]:
    if type(items) is not list or len(items) % 2 or not all(kind in ("blob", "commit") for kind in items[1::2]):
        raise _ShapeError(problem)
    _ids(items[::2], problem)
    return tuple(items)


def _node_of(value: Any) -> Node:
    if type(value) is not list or not 2 <= len(value) <= 3:
        raise _ShapeError("it is not a list of 2 or 3 fields")
    level, items = value[:2]
    if type(level) is not int or not 0 <= level <= MAX_LEVEL:
        raise _ShapeError(f"its level is not a number up to {MAX_LEVEL}")
    if type(items) is not list or not items or len(items) % 2:
        raise _ShapeError("its items are not pairs")
    if level == 0:
        return _chunk_of(items, value[2] if len(value) == 3 else "messages", len(value))
    if len(value) == 3:
        raise _ShapeError("it is not a chunk, but has a third field")
    _ids(items[::2], "a child is not an id")
    if not all(type(count) is int and 0 < count < _MOST for count in items[1::2]):
        raise _ShapeError("a child's count is not a number above zero")
    return Node(level, tuple(items))


def _chunk_of(items: list[Any], of: Any, fields: int) -> Node:
    if of == "refs":
        return Node(0, _id_kinds(items, "its entries are not ids and kinds"), "refs")
    if type(of) is not str or of not in ENTRY_ROLES or (of == "messages") != (fields == 2):
        raise _ShapeError("it is a chunk of an unknown sort")
    return Node(0, _ids(items, "its entries are not pairs of ids"), of)


def _operation_of(value: Any) -> Operation:
    if type(value) is not list or not 6 <= len(value) <= 8:
        raise _ShapeError("it is not a list of 6 to 8 fields")
    previous, time, actor, reason, changes, refs = value[:6]
    if type(actor) is not str or type(reason) is not str:
        raise _ShapeError("its actor or its reason is not text")
    if type(changes) is not list or not all(map(_is_change, changes)):
        raise _ShapeError("its changes are not those of refs")
    if refs is not None and (type(refs) is not list or not all(map(_is_ref, refs))):
        raise _ShapeError("its refs are not names and values")
    return Operation(
        _id_or_none(previous, "the operation before it is not an id"),
        _time(time),
        actor,
        reason,
        tuple(RefChange(name, old, new) for name, old, new in changes),
        None if refs is None else tuple((name, one) for name, one in refs),
        _steps(value[6], len(changes)) if len(value) > 6 and not (len(value) == 8 and value[6] is None) else None,
        _chunks(value[7], refs) if len(value) == 8 else (),
    )


def _chunks(value: Any, refs: Any) -> tuple[ObjectId, ...]:
    found = _ids(value, "its chunks of refs are not ids")
    if not found or refs is None or len(found) & (len(found) - 1):
        raise _ShapeError("its chunks of refs are not a power of two beside its refs")
    return found


_CHUNK_START = pack((REF_CHUNK, ()))[:-1]


def _ref_chunk_of(value: Any) -> tuple[TractRefs, ...]:
    if type(value) is not list or len(value) != 2 or value[0] != REF_CHUNK or type(value[1]) is not list:
        raise _ShapeError("it is not a chunk of refs")
    return tuple(map(_tract_refs, value[1]))


def _tract_refs(value: Any) -> TractRefs:
    if type(value) is not list or len(value) != 4:
        raise _ShapeError("it has entries that are not the refs of a tract")
    part, created, changed, refs = value
    if type(part) is not str or type(refs) is not list or not all(map(_is_ref, refs)):
        raise _ShapeError("it has entries that are not the refs of a tract")
    made, moved = (None if one is None else _time(one) for one in (created, changed))
    return TractRefs(part, made, moved, tuple((name, one) for name, one in refs))


def _log_object_of(value: Any) -> Any:
    """An operation, or a chunk of refs: the log of operations consists of both."""
    is_chunk = type(value) is list and len(value) == 2
    return _ref_chunk_of(value) if is_chunk else _operation_of(value)


def _steps(value: Any, number: int) -> tuple[Step, ...]:
    if type(value) is not list or not all(map(_is_step, value)) or sum(step[3] for step in value) != number:
        raise _ShapeError("its steps are not those of its changes")
    return tuple(Step(*step) for step in value)


def _is_step(value: Any) -> bool:
    if type(value) is not list or len(value) != 4:
        return False
    time, actor, reason, number = value
    if type(actor) is not str or type(reason) is not str or type(number) is not int or not 0 <= number < _MOST:
        return False
    return type(time) is int and FIRST_TIME <= time <= LAST_TIME


def _is_change(value: Any) -> bool:
    if type(value) is not list or len(value) != 3:
        return False
    name, old, new = value
    return type(name) is str and (old is None or _is_value(old)) and (new is None or _is_value(new))


def _is_ref(value: Any) -> bool:
    return type(value) is list and len(value) == 2 and type(value[0]) is str and _is_value(value[1])


def _is_value(value: Any) -> bool:
    return type(value) is str or (type(value) is bytes and len(value) == ID_SIZE)


_LENGTHS = frozenset((ID_SIZE,))


def _ids(items: Any, problem: str) -> tuple[ObjectId, ...]:
    try:
        # Joining takes byte strings only; both are faster than a look at each.
        if type(items) is list and b"".join(items) is not None and _LENGTHS.issuperset(map(len, items)):
            return tuple(items)
    except TypeError:
        pass
    raise _ShapeError(problem)


def _id_or_none(value: Any, problem: str) -> ObjectId | None:
    if value is None or (type(value) is bytes and len(value) == ID_SIZE):
        return value
    raise _ShapeError(problem)


def _time(value: Any) -> int:
    if type(value) is int and FIRST_TIME <= value <= LAST_TIME:
        return value
    raise _ShapeError("its time is not a moment in microseconds")


def _blob_of(value: Any) -> Any:
    if type(value) is not dict and type(value) is not bytes:
        raise _ShapeError("it is neither a map nor a byte string")
    return value


_SHAPES: dict[Kind, Callable[[Any], object]] = {
    "blob": _blob_of,
    "tree": _node_of,
    "commit": _commit_of,
    "operation": _log_object_of,
}


def _unpack(id: ObjectId, obj: Object, kind: Kind) -> Any:
    if obj.kind != kind:
        raise ObjectCorruptError(f"object {id.hex()}", f"expected a {kind}, found a {obj.kind}")
    try:
        return unpack(obj.payload)
    except ValueError as exc:
        raise ObjectCorruptError(f"{kind} {id.hex()}", str(exc)) from exc
