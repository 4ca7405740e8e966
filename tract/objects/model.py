"""The values that a store is made of, and their payloads.

| object | payload, in canonical msgpack |
|---|---|
| blob | any map of JSON values; a raw blob is a byte string |
| tree | ``[level, items]``: at level 0 *items* is ``[commit, blob, commit, blob, …]``; above, ``[node, count, node, count, …]``. A chunk of notes is ``[0, items, "notes"]``, a chunk of what a record needs ``[0, [id, kind, id, kind, …], "refs"]``, a chunk of the records behind a compression ``[0, items, "records"]`` |
| commit | ``[operation, parents, content, target, tree, open, generation, time, author, message, metadata]``, and ``refs`` if a record needs objects, or records are behind a compression: ``[tree, open]`` |
| operation | ``[previous, time, actor, reason, changes, refs]``, then ``steps`` if several operations were folded into one, and ``chunks`` if refs are in chunks; a chunk of refs is ``["tracts", tracts]`` |

docs/format.md describes the same at length; change both together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

from tract.annotations import Any, Literal, TypeAlias
from tract.errors import ObjectCorruptError
from tract.named_tuple import NamedTuple
from tract.objects.codec import encode, pack
from tract.objects.id import Kind, ObjectId, object_id


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
        """True if this version of tract knows the operation. A commit with an unknown one is kept and shown, and its context is the one written in it."""
        return self.value in OPERATIONS


EXPANDED = "expanded"
"""The key in an expanding commit's metadata for the summary that was removed."""

COLLAPSE = "collapse"
"""The key in the metadata of a message that stands for another tract's work, and of the commit that put that tract's messages in its place."""

OPERATIONS = {op.value: op for op in CommitOperation}
"""The operations that this version of tract knows, by their words in commits."""


def operation_named(word: str) -> CommitOperation:
    """The operation with the name *word*, which may come from a later version of tract."""
    known = OPERATIONS.get(word)
    if known is not None:
        return known
    unknown = str.__new__(CommitOperation, word)
    unknown._name_, unknown._value_ = word, word
    return unknown


MAX_LEVEL = 32
"""The highest level of a tree: every node has 8 items or more, except the last of each level."""

# The range of a datetime, in microseconds since 1970: years 1 to 9999.
FIRST_TIME = -62_135_596_800_000_000
LAST_TIME = 253_402_300_799_999_999

Entry: TypeAlias = tuple[ObjectId, ObjectId]
"""One message of a context: the commit that introduced it and the blob it now has."""

RefValue: TypeAlias = ObjectId | str
"""The value of a ref: an id, or the name of another ref if the ref is symbolic."""


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
"""The sort of entries that a list in chunks holds. The chunks say it too, so that a chunk alone tells which objects it names."""


class Refs(NamedTuple):
    """A list in chunks that a commit has beside its context: *tree* is the root of the closed chunks, *open* the flat entries after them.

    A record lists the objects it needs, as ``(id, kind, id, kind, …)``.
    A compression lists the records behind it, as ``(commit, blob, commit, blob, …)``: its summary does not replace them, so gc keeps them when it cuts the history behind it.
    """

    tree: ObjectId | None
    open: tuple[Any, ...]


class Commit(NamedTuple):
    """One recorded change to a context.

    *tree* is the root of the context's closed chunks, and *open* holds the entries after them, as ``(commit, blob, commit, blob, …)``.
    The entry that an append adds is not in its own *open*: it is (this commit, *content*), always the last.
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
    """True if the commit is a spawn that uses its target's context: it then costs the same however long that is."""
    return (
        commit.operation is CommitOperation.SPAWN
        and commit.target is not None
        and commit.tree is None
        and not commit.open
    )


def with_context_of(commit: Commit, id: ObjectId, lender: Commit) -> Commit:
    """Return *commit*, which borrows its context, with the context of *lender* written out; *id* is the id of *lender*.

    ObjectCorruptError if *lender* is a note.
    """
    if lender.operation is CommitOperation.NOTE:
        raise ObjectCorruptError(f"commit {id.hex()}", "a spawn begins with its context, and it is a note")
    own = (id, lender.content) if lender.operation is CommitOperation.APPEND and lender.content is not None else ()
    return commit._replace(tree=lender.tree, open=(*lender.open, *own))


class Outline(NamedTuple):
    """The fields of a commit that a walk through history needs."""

    operation: str
    parents: tuple[ObjectId, ...]
    content: ObjectId | None
    generation: int
    time: int


class Node(NamedTuple):
    """A node of a tree: at level 0 its *items* are entries of the sort *of*; above, child nodes with their entry counts."""

    level: int
    items: tuple[Any, ...]
    of: ListOf = "messages"

    @property
    def total(self) -> int:
        """The number of entries under this node."""
        return len(self.items) // 2 if self.level == 0 else sum(self.items[1::2])


def shown(value: RefValue | None) -> str | None:
    """The value of a ref as people read it: an id in hexadecimal, or the name of another ref."""
    return value.hex() if isinstance(value, bytes) else value


class RefChange(NamedTuple):
    """The move of one ref in an operation; None as *old* or *new* means that the ref does not exist."""

    name: str
    old: RefValue | None
    new: RefValue | None


class Step(NamedTuple):
    """One of several operations that gc folded into one object; *number* is how many of the changes belong to it."""

    time: int
    actor: str
    reason: str
    number: int


class Operation(NamedTuple):
    """One atomic change of refs, which also makes the objects written with it reachable.

    *refs* is the state of every ref after the operation on keyframes, else None; the refs of tracts other than the root may be in *chunks* instead.
    *steps* lists the operations, oldest first, that were folded into this one, else None.
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
    """The refs of one tract in a chunk of a keyframe; *part* is the text between ``tracts/`` and the next slash of their names.

    *created* is when the tract was made, *changed* when one of its refs last moved, in microseconds since 1970; None if that is not known.
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
"""Why an object names another. The *noted* object, the commit that a note is about, may be gone; every other must exist."""

Named: TypeAlias = tuple[ObjectId, Kind, Role]
"""An object that another one names: its id, its required kind, and its role."""


def named_by(obj: Commit | Node | Operation) -> Iterator[Named]:
    """Yield every object that *obj* names, in the order of its fields; an id that stands there twice comes twice. A blob names nothing."""
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
        yield from _named_by_entries(commit.refs.open, refs_list(commit.operation))


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
    entry, content = ENTRY_ROLES[of]
    for commit, blob in zip(items[::2], items[1::2], strict=True):
        yield commit, "commit", entry
        yield blob, "blob", content


ENTRY_ROLES: dict[ListOf, tuple[Role, Role]] = {
    "messages": ("entry", "entry content"),
    "notes": ("noted", "note"),
    "records": ("record", "record content"),
}


def refs_list(operation: str) -> Literal["refs", "records"]:
    """The sort of the list that a commit of this operation has beside its context."""
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
    # The same as NewObject(…) without a Python call: an import makes six for a message.
    return tuple.__new__(NewObject, (object_id(kind, payload), kind, payload))


def new_blob(value: Any, part: str | None = None) -> NewObject:
    """Make a blob of *value*, a map or the bytes of a raw blob.

    *part* is the key of the only part that came from outside, if only that must be checked. ContentValidationError if it cannot be kept.
    """
    return new_object("blob", encode(value, part))


_METADATA = Commit._fields.index("metadata")


def new_commit(commit: Commit) -> NewObject:
    fields = commit[:11] if commit.refs is None else commit
    return new_object("commit", pack(fields) if commit.metadata is None else encode(fields, _METADATA))


def new_note_commit(
    parent: ObjectId | None,
    event: ObjectId,
    target: ObjectId,
    tree: ObjectId | None,
    open_: tuple[ObjectId, ...],
    generation: int,
    time: int,
    author: str,
) -> NewObject:
    """Make a note's commit without a Commit value, which would take as long to make as the rest: most of many notes' commits are never read."""
    parents = () if parent is None else (parent,)
    fields = ("note", parents, event, target, tree, open_, generation, time, author, None, None)
    return new_object("commit", pack(fields))


def new_node(node: Node) -> NewObject:
    return new_object("tree", pack(node[:2] if node.of == "messages" else node))


def new_operation(operation: Operation) -> NewObject:
    length = 8 if operation.chunks else 7 if operation.steps is not None else 6
    return new_object("operation", pack(operation[:length]))


REF_CHUNK = "tracts"
"""The first field of a chunk of refs, in the place of another operation's *previous*."""


def new_ref_chunk(tracts: Sequence[TractRefs]) -> NewObject:
    """Make a part of a keyframe with the refs of some tracts."""
    return new_object("operation", pack((REF_CHUNK, tracts)))
