"""The values the store is made of, and their payloads.

| object | payload, in canonical msgpack |
|---|---|
| blob | any map of JSON values; of a raw one a byte string |
| tree | ``[level, items]``: at level 0 *items* is ``[commit, blob, commit, blob, …]``; above, ``[node, count, node, count, …]``. A chunk of notes is ``[0, items, "notes"]``, one of what a record needs ``[0, [id, kind, id, kind, …], "refs"]``, one of the records behind a compression ``[0, items, "records"]`` |
| commit | ``[operation, parents, content, target, tree, open, generation, time, author, message, metadata]``, and ``refs`` where a record needs something, or records are behind a compression: ``[tree, open]`` |
| operation | ``[previous, time, actor, reason, changes, refs]``, and ``steps`` where several were folded into one, and ``chunks`` where refs are in chunks; a chunk of refs is ``["tracts", tracts]`` |

docs/format.md has the same at length; the two change together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeAlias

from tract.errors import ContentValidationError, ObjectCorruptError
from tract.objects.codec import MAX_SIZE, decode, encode, pack, unpack, unpack_all
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
    RECORD = "record"
    SPAWN = "spawn"

    @property
    def is_known(self) -> bool:
        """Whether this tract knows what it does; another one's commit is kept and shown, and its context is as it says."""
        return self.value in _OPERATIONS


EXPANDED = "expanded"
"""The key in an expanding commit's metadata for the summary that went."""

COLLAPSE = "collapse"
"""The key in the metadata of a message that stands for what another tract did, and of the commit that put that tract's messages in its place."""

_OPERATIONS = {op.value: op for op in CommitOperation}
_WORD = re.compile(r"[a-z][a-z0-9-]{0,39}")


def _operation_named(word: str) -> CommitOperation:
    """The operation that a commit names, which may be one of a later tract."""
    known = _OPERATIONS.get(word)
    if known is not None:
        return known
    unknown = str.__new__(CommitOperation, word)
    unknown._name_, unknown._value_ = word, word
    return unknown


MAX_LEVEL = 32
"""How high a tree can be: nodes have 8 items and more, but for the last of each level."""

_MOST = 2**63  # of a generation or a count: the next one has an encoding too

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


ListOf: TypeAlias = Literal["messages", "notes", "refs", "records"]
"""What a list in chunks is of. It is said in the chunks, so that whoever meets one knows what it names."""


class Refs(NamedTuple):
    """A list in chunks that a commit has beside its context: the root of the closed ones, and what is after them, flat.

    A record lists what it needs, as ``(id, kind, id, kind, …)``.
    A compression lists the records behind it, as ``(commit, blob, commit, blob, …)``: it does not stand for them, so they stay when gc cuts its history.
    """

    tree: ObjectId | None
    open: tuple[Any, ...]


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
    refs: Refs | None = None

    @property
    def entry_commits(self) -> tuple[ObjectId, ...]:
        """The commits of the open entries, first to last."""
        return self.open[::2]

    @property
    def entry_blobs(self) -> tuple[ObjectId, ...]:
        """The blobs of the open entries, first to last."""
        return self.open[1::2]


def borrows_context(commit: Commit) -> bool:
    """Whether the commit is a spawn whose context is that of its target: so it costs the same whatever that is."""
    return (
        commit.operation is CommitOperation.SPAWN
        and commit.target is not None
        and commit.tree is None
        and not commit.open
    )


def with_context_of(commit: Commit, id: ObjectId, lender: Commit) -> Commit:
    """The commit, which borrows its context, with that of the commit *id*, *lender*, as if it had it written out."""
    if lender.operation is CommitOperation.NOTE:
        raise ObjectCorruptError(f"commit {id.hex()}", "a spawn begins with its context, and it is a note")
    own = (id, lender.content) if lender.operation is CommitOperation.APPEND and lender.content is not None else ()
    return commit._replace(tree=lender.tree, open=(*lender.open, *own))


class Outline(NamedTuple):
    """What a walk through history needs of a commit."""

    operation: str
    parents: tuple[ObjectId, ...]
    content: ObjectId | None
    generation: int
    time: int


class Node(NamedTuple):
    """A node of a tree: at level 0 entries, which are *of* one sort; above, child nodes with their entry counts."""

    level: int
    items: tuple[Any, ...]
    of: ListOf = "messages"

    @property
    def total(self) -> int:
        """How many entries are under this node."""
        return len(self.items) // 2 if self.level == 0 else sum(self.items[1::2])


def shown(value: RefValue | None) -> str | None:
    """A ref's value as people read it: an id in hexadecimal, or the name of another ref."""
    return value.hex() if isinstance(value, bytes) else value


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

    *refs* is the state of every ref after the operation, on keyframes, and None otherwise; those of other tracts than the root may be in *chunks* instead.
    *steps* is where several operations, oldest first, were folded into this one, and None otherwise.
    """

    previous: ObjectId | None
    time: int
    actor: str
    reason: str
    changes: tuple[RefChange, ...]
    refs: tuple[tuple[str, RefValue], ...] | None = None
    steps: tuple[Step, ...] | None = None
    chunks: tuple[ObjectId, ...] = ()


class TractRefs(NamedTuple):
    """The refs of one tract in a chunk of a keyframe: *part* stands between ``tracts/`` and the next slash of their names.

    *created* and *changed* are when the tract was made, and when one of its refs moved last, in microseconds since 1970; None where that is not known.
    """

    part: str
    created: int | None
    changed: int | None
    refs: tuple[tuple[str, RefValue], ...]


Role: TypeAlias = Literal[
    "parent",
    "content",
    "target",
    "context",
    "tree",
    "entry",
    "entry content",
    "noted",
    "note",
    "list",
    "ref",
    "record",
    "record content",
    "node",
    "previous",
    "refs",
]
"""What an object needs another for. What is *noted*, the commit that a note is about, may be gone; all else must be there."""

Named: TypeAlias = tuple[ObjectId, Kind, Role]
"""An object that another one names: its id, the kind that it must have, and what it is needed for."""


def named_by(obj: Commit | Node | Operation) -> Iterator[Named]:
    """Everything that *obj* names, in the order of its fields; an id as often as it stands there. A blob names nothing."""
    match obj:
        case Commit():
            return _named_by_commit(obj)
        case Node():
            return _named_by_node(obj)
        case Operation():
            return _named_by_operation(obj)


def _named_by_commit(commit: Commit) -> Iterator[Named]:
    is_note = commit.operation is CommitOperation.NOTE
    for parent in commit.parents:
        yield parent, "commit", "parent"
    if commit.content is not None:
        yield commit.content, "blob", "content"
    if commit.target is not None:
        yield commit.target, "commit", "noted" if is_note else "context" if borrows_context(commit) else "target"
    if commit.tree is not None:
        yield commit.tree, "tree", "tree"
    yield from _named_by_entries(commit.open, "notes" if is_note else "messages")
    if commit.refs is not None:
        if commit.refs.tree is not None:
            yield commit.refs.tree, "tree", "list"
        yield from _named_by_entries(commit.refs.open, _refs_list(commit.operation))


def _named_by_node(node: Node) -> Iterator[Named]:
    if node.level == 0:
        yield from _named_by_entries(node.items, node.of)
        return
    for child in node.items[::2]:
        yield child, "tree", "node"


def _named_by_entries(items: tuple[Any, ...], of: ListOf) -> Iterator[Named]:
    if of == "refs":
        for id, kind in zip(items[::2], items[1::2], strict=True):
            yield id, kind, "ref"
        return
    entry, content = _ENTRY_ROLES[of]
    for commit, blob in zip(items[::2], items[1::2], strict=True):
        yield commit, "commit", entry
        yield blob, "blob", content


_ENTRY_ROLES: dict[ListOf, tuple[Role, Role]] = {
    "messages": ("entry", "entry content"),
    "notes": ("noted", "note"),
    "records": ("record", "record content"),
}


def _refs_list(operation: str) -> Literal["refs", "records"]:
    """What the list is of that a commit of this operation has beside its context."""
    return "records" if operation == CommitOperation.COMPRESS else "refs"


def _named_by_operation(operation: Operation) -> Iterator[Named]:
    if operation.previous is not None:
        yield operation.previous, "operation", "previous"
    for change in operation.changes:
        for value in (change.old, change.new):
            if isinstance(value, bytes):
                yield value, "commit", "ref"
    for _, value in operation.refs or ():
        if isinstance(value, bytes):
            yield value, "commit", "ref"
    for chunk in operation.chunks:
        yield chunk, "operation", "refs"


def new_object(kind: Kind, payload: bytes) -> NewObject:
    return NewObject(object_id(kind, payload), kind, payload)


def new_blob(value: Any, part: str | None = None) -> NewObject:
    """*value*, a map or the bytes of a raw one, as a blob; ContentValidationError when it, or the *part* of it that came from outside, by its key, cannot be kept."""
    return new_object("blob", encode(value, part))


_METADATA = Commit._fields.index("metadata")


def new_commit(commit: Commit) -> NewObject:
    fields = commit[:11] if commit.refs is None else commit
    return new_object("commit", pack(fields) if commit.metadata is None else encode(fields, _METADATA))


def new_node(node: Node) -> NewObject:
    return new_object("tree", pack(node[:2] if node.of == "messages" else node))


def new_operation(operation: Operation) -> NewObject:
    length = 8 if operation.chunks else 7 if operation.steps is not None else 6
    return new_object("operation", pack(operation[:length]))


def new_ref_chunk(tracts: Sequence[TractRefs]) -> NewObject:
    """The refs of some tracts, as a part of a keyframe."""
    return new_object("operation", pack((_TRACTS, tracts)))


def read_blob(id: ObjectId, obj: Object) -> Any:
    """The map in *obj*; ObjectCorruptError when it is none, a raw blob included."""
    value = _unpack(id, obj, "blob")
    if type(value) is not dict:
        raise ObjectCorruptError(f"blob {id.hex()}", "it is not a map")
    return value


def decode_blob(id: ObjectId, obj: Object) -> dict[str, Any] | bytes:
    """The map or the bytes in *obj*; ObjectCorruptError when it is neither."""
    value: dict[str, Any] | bytes = _unpack(id, obj, "blob")
    if type(value) is not dict and type(value) is not bytes:
        raise ObjectCorruptError(f"blob {id.hex()}", "it is neither a map nor a byte string")
    return value


def read_bytes(id: ObjectId, obj: Object) -> bytes:
    """The bytes of the raw blob in *obj*; ObjectCorruptError when it is none."""
    value = _unpack(id, obj, "blob")
    if type(value) is not bytes:
        raise ObjectCorruptError(f"blob {id.hex()}", "it is not a byte string")
    return value


def read_commit(id: ObjectId, obj: Object) -> Commit:
    """The commit in *obj*; ObjectCorruptError when it is none."""
    value = _unpack(id, obj, "commit")
    try:
        return _commit_of(value)
    except _ShapeError as exc:
        raise ObjectCorruptError(f"commit {id.hex()}", str(exc)) from exc


def read_node(id: ObjectId, obj: Object) -> Node:
    """The tree node in *obj*; ObjectCorruptError when it is none."""
    return _read_node(id, _unpack(id, obj, "tree"))


def read_nodes(ids: Sequence[ObjectId], payloads: Sequence[bytes]) -> list[Node]:
    """The tree nodes with those payloads; ObjectCorruptError names one that is none."""
    try:
        values = unpack_all(payloads)
    except ValueError:
        return [read_node(id, Object("tree", payload)) for id, payload in zip(ids, payloads, strict=True)]
    return [_read_node(id, value) for id, value in zip(ids, values, strict=True)]


def _read_node(id: ObjectId, value: Any) -> Node:
    try:
        return _node_of(value)
    except _ShapeError as exc:
        raise ObjectCorruptError(f"tree {id.hex()}", str(exc)) from exc


def checked_node(id: ObjectId, node: Node, level: int) -> Node:
    """The node, where it is of *level*; ObjectCorruptError where it is not."""
    if node.level != level:
        raise ObjectCorruptError(f"tree {id.hex()}", f"it is of level {node.level} where {level} belongs")
    return node


def read_operation(id: ObjectId, obj: Object) -> Operation:
    """The operation in *obj*; ObjectCorruptError when it is none."""
    value = _unpack(id, obj, "operation")
    try:
        return _operation_of(value)
    except _ShapeError as exc:
        raise ObjectCorruptError(f"operation {id.hex()}", str(exc)) from exc


def outlines_in(payloads: Sequence[bytes], id_at: Callable[[int], ObjectId]) -> list[Outline]:
    """The outlines of commits in whose payloads numbers stand in the place of ids; *id_at* gives the id for one. ValueError where one is no commit."""
    found = []
    for value in unpack_all(payloads):
        operation, parents, content, _, _, _, generation, time = value[:8]
        parents = tuple([id_at(one) if type(one) is int else one for one in parents])
        content = id_at(content) if type(content) is int else content
        if type(operation) is not str or type(generation) is not int or type(time) is not int:
            raise ValueError("it is no commit")
        found.append(Outline(operation, parents, content, generation, time))
    return found


def read_ref_chunk(id: ObjectId, obj: Object) -> tuple[TractRefs, ...]:
    """The refs in the chunk *obj* of a keyframe; ObjectCorruptError when it is none."""
    value = _unpack(id, obj, "operation")
    try:
        return _ref_chunk_of(value)
    except _ShapeError as exc:
        raise ObjectCorruptError(f"operation {id.hex()}", str(exc)) from exc


def is_ref_chunk(obj: Object) -> bool:
    """Whether an object of the kind ``operation`` is a chunk of refs, as far as its beginning tells."""
    return obj.payload.startswith(_CHUNK_START)


def check_payload(kind: Kind, payload: bytes) -> None:
    """Raise ContentValidationError, saying which rule is broken, unless *payload* is that of an object of *kind*.

    What reading asks of an object's fields, and that the payload is canonical, which reading leaves to whoever takes one in from outside.
    That the objects it names exist is not looked at, as nothing here knows a store.
    """
    if len(payload) > MAX_SIZE:
        raise ContentValidationError(f"a payload of {len(payload)} bytes is over the limit of {MAX_SIZE}")
    try:
        value = decode(payload)
    except ValueError as exc:
        raise ContentValidationError(f"not a {kind}: {exc}") from exc
    check_value(kind, value)


def check_value(kind: Kind, value: Any) -> None:
    """The same of the value that a payload is the canonical encoding of."""
    try:
        _SHAPES[kind](value)
    except _ShapeError as exc:
        raise ContentValidationError(f"not a {kind}: {exc}") from exc


# The id proves what was written, not that tract wrote it: a store or a stream may come from anybody.
# All that makes an object's shape is asked whenever it is read, and costs little beside unpacking.


class _ShapeError(ValueError):
    """A value that is no object of its kind, and why."""


def _commit_of(value: Any) -> Commit:
    if type(value) is not list or not 11 <= len(value) <= 12:
        raise _ShapeError("it is not a list of 11 or 12 fields")
    operation, parents, content, target, tree, open_, generation, time, author, message, metadata = value[:11]
    if type(operation) is not str or (operation not in _OPERATIONS and not _WORD.fullmatch(operation)):
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
        _operation_named(operation),
        _ids(parents, "its parents are not ids"),
        _id_or_none(content, "its content is no id"),
        _id_or_none(target, "its target is no id"),
        _id_or_none(tree, "its tree is no id"),
        _ids(open_, "its open entries are not pairs of ids"),
        generation,
        _time(time),
        author,
        message,
        metadata,
        _refs_of(value[11], _refs_list(operation)) if len(value) == 12 else None,
    )


def _refs_of(value: Any, of: Literal["refs", "records"]) -> Refs:
    if type(value) is not list or len(value) != 2:
        raise _ShapeError("its refs are not a tree and open ones")
    tree, open_ = value
    if tree is None and not open_:
        raise _ShapeError("its refs are none, and they are there")
    root = _id_or_none(tree, "the tree of its refs is no id")
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
        raise _ShapeError("it is no chunk, and has a third field")
    _ids(items[::2], "a child is no id")
    if not all(type(count) is int and 0 < count < _MOST for count in items[1::2]):
        raise _ShapeError("a child's count is not a number above zero")
    return Node(level, tuple(items))


def _chunk_of(items: list[Any], of: Any, fields: int) -> Node:
    if of == "refs":
        return Node(0, _id_kinds(items, "its entries are not ids and kinds"), "refs")
    if type(of) is not str or of not in _ENTRY_ROLES or (of == "messages") != (fields == 2):
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
        _id_or_none(previous, "the operation before it is no id"),
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


_TRACTS = "tracts"
_CHUNK_START = pack((_TRACTS, ()))[:-1]


def _ref_chunk_of(value: Any) -> tuple[TractRefs, ...]:
    if type(value) is not list or len(value) != 2 or value[0] != _TRACTS or type(value[1]) is not list:
        raise _ShapeError("it is not a chunk of refs")
    return tuple(map(_tract_refs, value[1]))


def _tract_refs(value: Any) -> TractRefs:
    if type(value) is not list or len(value) != 4:
        raise _ShapeError("it has what is not the refs of a tract")
    part, created, changed, refs = value
    if type(part) is not str or type(refs) is not list or not all(map(_is_ref, refs)):
        raise _ShapeError("it has what is not the refs of a tract")
    made, moved = (None if one is None else _time(one) for one in (created, changed))
    return TractRefs(part, made, moved, tuple((name, one) for name, one in refs))


def _log_object_of(value: Any) -> Any:
    """An operation, or a chunk of refs: both are what the log of operations is made of."""
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
