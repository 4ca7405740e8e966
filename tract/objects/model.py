"""The values the store is made of, and their payloads.

| object | payload, in canonical msgpack |
|---|---|
| blob | any map of JSON values |
| tree | ``[level, items]``: at level 0 *items* is ``[commit, blob, commit, blob, …]``; above, ``[node, count, node, count, …]`` |
| commit | ``[operation, parents, content, target, tree, open, generation, time, author, message, metadata]`` |
| operation | ``[previous, time, actor, reason, changes, refs]``, and ``steps`` where several were folded into one |

docs/format.md has the same at length; the two change together.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from tract.errors import ObjectCorruptError
from tract.objects.codec import encode, pack, unpack, unpack_all
from tract.objects.id import ID_SIZE, Kind, ObjectId, object_id


class CommitOperation(StrEnum):
    """What a commit does to the context."""

    APPEND = "append"
    EDIT = "edit"
    MERGE = "merge"
    COMPRESS = "compress"
    NOTE = "note"
    REVERT = "revert"
    REORDER = "reorder"


_OPERATIONS = {op.value: op for op in CommitOperation}

MAX_LEVEL = 32
"""How high a tree can be: nodes have 8 items and more, but for the last of each level."""

_MOST_GENERATIONS = 2**63  # the next one has an encoding too

# What a datetime can say, in microseconds since 1970: years 1 to 9999.
FIRST_TIME = -62_135_596_800_000_000
LAST_TIME = 253_402_300_799_999_999

Entry: TypeAlias = tuple[ObjectId, ObjectId]
"""One message of a context: the commit that introduced it and the blob it now has."""

RefValue: TypeAlias = ObjectId | str
"""What a ref holds: an id, or for a symbolic ref the name of another ref."""


class Object(NamedTuple):
    """An object as a store keeps it."""

    kind: Kind
    payload: bytes


class NewObject(NamedTuple):
    """An object on its way into a store, with its id."""

    id: ObjectId
    kind: Kind
    payload: bytes


class Commit(NamedTuple):
    """One recorded change to a context.

    *tree* is the root of the context's closed chunks and *open* the entries after them, as ``(commit, blob, commit, blob, …)``.
    The entry an append adds is not in its own *open*: it is (this commit, *content*), always last.
    *time* is in microseconds since 1970, UTC.
    """

    operation: CommitOperation
    parents: tuple[ObjectId, ...]
    content: ObjectId | None
    target: ObjectId | None
    tree: ObjectId | None
    open: tuple[ObjectId, ...]
    generation: int
    time: int
    author: str
    message: str | None = None
    metadata: dict[str, Any] | None = None


class Node(NamedTuple):
    """A node of a tree: entries at level 0, child nodes with their entry counts above."""

    level: int
    items: tuple[Any, ...]

    @property
    def total(self) -> int:
        """How many entries are under this node."""
        return len(self.items) // 2 if self.level == 0 else sum(self.items[1::2])


class RefChange(NamedTuple):
    """One ref's move in an operation; None stands for no ref."""

    name: str
    old: RefValue | None
    new: RefValue | None


class Step(NamedTuple):
    """One operation of several that gc folded into one object; *number* of the changes are its own."""

    time: int
    actor: str
    reason: str
    number: int


class Operation(NamedTuple):
    """One atomic change of refs, after which the objects written with it are real.

    *refs* is the state of every ref after the operation, on keyframes, and None otherwise.
    *steps* is where several operations, oldest first, were folded into this one, and None otherwise.
    """

    previous: ObjectId | None
    time: int
    actor: str
    reason: str
    changes: tuple[RefChange, ...]
    refs: tuple[tuple[str, RefValue], ...] | None = None
    steps: tuple[Step, ...] | None = None


def new_object(kind: Kind, payload: bytes) -> NewObject:
    return NewObject(object_id(kind, payload), kind, payload)


def new_blob(value: Any) -> NewObject:
    """*value* as a blob; ContentValidationError when it cannot be kept."""
    return new_object("blob", encode(value))


def new_commit(commit: Commit) -> NewObject:
    payload = pack(commit) if commit.metadata is None else encode(tuple(commit))
    return new_object("commit", payload)


def new_node(node: Node) -> NewObject:
    return new_object("tree", pack(node))


def new_operation(operation: Operation) -> NewObject:
    return new_object("operation", pack(operation if operation.steps is not None else operation[:6]))


def read_blob(id: ObjectId, obj: Object) -> Any:
    """The map in *obj*; ObjectCorruptError when it is none."""
    value = _unpack(id, obj, "blob")
    if type(value) is not dict:
        raise ObjectCorruptError(f"blob {id.hex()}", "it is not a map")
    return value


def read_commit(id: ObjectId, obj: Object) -> Commit:
    """The commit in *obj*; ObjectCorruptError when it is none."""
    fields = _unpack(id, obj, "commit")
    try:
        operation, parents, content, target, tree, open_, generation, time, author, message, metadata = fields
        if type(generation) is not int or not 0 < generation < _MOST_GENERATIONS or type(author) is not str:
            raise ValueError("generation or author")
        if not (message is None or type(message) is str) or not (metadata is None or type(metadata) is dict):
            raise ValueError("message or metadata")
        if len(open_) % 2:
            raise ValueError("open entries")
        return Commit(
            _OPERATIONS[operation],
            _ids(parents),
            _id_or_none(content),
            _id_or_none(target),
            _id_or_none(tree),
            _ids(open_),
            generation,
            _time(time),
            author,
            message,
            metadata,
        )
    except (TypeError, ValueError, KeyError) as exc:
        raise ObjectCorruptError(f"commit {id.hex()}", "its fields are not a commit's") from exc


def read_node(id: ObjectId, obj: Object) -> Node:
    """The tree node in *obj*; ObjectCorruptError when it is none."""
    return _node_of(id, _unpack(id, obj, "tree"))


def read_nodes(ids: Sequence[ObjectId], payloads: Sequence[bytes]) -> list[Node]:
    """The tree nodes with those payloads; ObjectCorruptError names one that is none."""
    try:
        values = unpack_all(payloads)
    except ValueError:
        return [read_node(id, Object("tree", payload)) for id, payload in zip(ids, payloads, strict=True)]
    return [_node_of(id, value) for id, value in zip(ids, values, strict=True)]


def _node_of(id: ObjectId, value: Any) -> Node:
    try:
        level, items = value
        if type(level) is not int or not 0 <= level <= MAX_LEVEL or not items or len(items) % 2:
            raise ValueError("level or items")
        if level == 0:
            return Node(0, _ids(items))
        _ids(items[::2])
        if not all(type(count) is int and count > 0 for count in items[1::2]):
            raise ValueError("counts")
        return Node(level, tuple(items))
    except (TypeError, ValueError) as exc:
        raise ObjectCorruptError(f"tree {id.hex()}", "its fields are not a tree node's") from exc


def checked_node(id: ObjectId, node: Node, level: int) -> Node:
    """The node, where it is of *level*; ObjectCorruptError where it is not."""
    if node.level != level:
        raise ObjectCorruptError(f"tree {id.hex()}", f"it is of level {node.level} where {level} belongs")
    return node


def read_operation(id: ObjectId, obj: Object) -> Operation:
    """The operation in *obj*; ObjectCorruptError when it is none."""
    try:
        previous, time, actor, reason, changes, refs, *rest = _unpack(id, obj, "operation")
        return Operation(
            _id_or_none(previous),
            _time(time),
            _text(actor),
            _text(reason),
            tuple(RefChange(_text(name), _value_or_none(old), _value_or_none(new)) for name, old, new in changes),
            None if refs is None else tuple((_text(name), _value(value)) for name, value in refs),
            tuple(Step(_time(time), _text(actor), _text(reason), _number(of)) for time, actor, reason, of in rest[0])
            if rest
            else None,
        )
    except (TypeError, ValueError) as exc:
        raise ObjectCorruptError(f"operation {id.hex()}", "its fields are not an operation's") from exc


# The id proves what was written, not that tract wrote it: a store or a stream may come from anybody.
# Each of these raises TypeError or ValueError, and costs little beside unpacking.


def _ids(items: Any) -> tuple[ObjectId, ...]:
    found = tuple(items)
    # Joining takes byte strings only. That two of them may have each other's bytes does no harm: nothing has such an id.
    if len(b"".join(found)) != ID_SIZE * len(found) or not all(found):
        raise ValueError("ids")
    return found


def _id_or_none(value: Any) -> ObjectId | None:
    if value is None or (type(value) is bytes and len(value) == ID_SIZE):
        return value
    raise ValueError("id")


def _value(value: Any) -> RefValue:
    if type(value) is str or (type(value) is bytes and len(value) == ID_SIZE):
        return value
    raise ValueError("value")


def _value_or_none(value: Any) -> RefValue | None:
    return None if value is None else _value(value)


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    raise ValueError("text")


def _number(value: Any) -> int:
    if type(value) is int and value >= 0:
        return value
    raise ValueError("number")


def _time(value: Any) -> int:
    if type(value) is int and FIRST_TIME <= value <= LAST_TIME:
        return value
    raise ValueError("time")


def _unpack(id: ObjectId, obj: Object, kind: Kind) -> Any:
    if obj.kind != kind:
        raise ObjectCorruptError(f"object {id.hex()}", f"expected a {kind}, found a {obj.kind}")
    try:
        return unpack(obj.payload)
    except ValueError as exc:
        raise ObjectCorruptError(f"{kind} {id.hex()}", str(exc)) from exc
