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

from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from tract.errors import ObjectCorruptError
from tract.objects.codec import encode, pack, unpack
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
    return _unpack(id, obj, "blob")


def read_commit(id: ObjectId, obj: Object) -> Commit:
    """The commit in *obj*; ObjectCorruptError when it is none."""
    fields = _unpack(id, obj, "commit")
    try:
        operation, parents, content, target, tree, open_, generation, time, author, message, metadata = fields
        return Commit(
            _OPERATIONS[operation],
            tuple(parents),
            content,
            target,
            tree,
            tuple(open_),
            generation,
            time,
            author,
            message,
            metadata,
        )
    except (TypeError, ValueError, KeyError) as exc:
        raise ObjectCorruptError(f"commit {id.hex()}", "its fields are not a commit's") from exc


def read_node(id: ObjectId, obj: Object) -> Node:
    """The tree node in *obj*; ObjectCorruptError when it is none."""
    try:
        level, items = _unpack(id, obj, "tree")
        node = Node(level, tuple(items))
        if type(level) is not int or len(node.items) % 2 or len(node.items[0]) != ID_SIZE:
            raise ValueError("items")
        return node
    except (TypeError, ValueError, IndexError) as exc:
        raise ObjectCorruptError(f"tree {id.hex()}", "its fields are not a tree node's") from exc


def read_operation(id: ObjectId, obj: Object) -> Operation:
    """The operation in *obj*; ObjectCorruptError when it is none."""
    try:
        previous, time, actor, reason, changes, refs, *rest = _unpack(id, obj, "operation")
        return Operation(
            previous,
            time,
            actor,
            reason,
            tuple(RefChange(*change) for change in changes),
            None if refs is None else tuple((name, value) for name, value in refs),
            tuple(Step(*step) for step in rest[0]) if rest else None,
        )
    except (TypeError, ValueError) as exc:
        raise ObjectCorruptError(f"operation {id.hex()}", "its fields are not an operation's") from exc


def _unpack(id: ObjectId, obj: Object, kind: Kind) -> Any:
    if obj.kind != kind:
        raise ObjectCorruptError(f"object {id.hex()}", f"expected a {kind}, found a {obj.kind}")
    try:
        return unpack(obj.payload)
    except ValueError as exc:
        raise ObjectCorruptError(f"{kind} {id.hex()}", str(exc)) from exc
