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

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, Literal, TypeAlias

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
        """Whether this tract knows what it does; another one's commit is kept and shown, and its context is as it says."""
        return self.value in OPERATIONS


EXPANDED = "expanded"
"""The key in an expanding commit's metadata for the summary that went."""

COLLAPSE = "collapse"
"""The key in the metadata of a message that stands for what another tract did, and of the commit that put that tract's messages in its place."""

OPERATIONS = {op.value: op for op in CommitOperation}
"""The operations that this tract knows, by the words that commits name them with."""


def operation_named(word: str) -> CommitOperation:
    """The operation that a commit names, which may be one of a later tract."""
    known = OPERATIONS.get(word)
    if known is not None:
        return known
    unknown = str.__new__(CommitOperation, word)
    unknown._name_, unknown._value_ = word, word
    return unknown


MAX_LEVEL = 32
"""How high a tree can be: nodes have 8 items and more, but for the last of each level."""

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
    # As NewObject(…) does, without a call of Python's: six are made for a message of an import.
    return tuple.__new__(NewObject, (object_id(kind, payload), kind, payload))


def new_blob(value: Any, part: str | None = None) -> NewObject:
    """*value*, a map or the bytes of a raw one, as a blob; ContentValidationError when it, or the *part* of it that came from outside, by its key, cannot be kept."""
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
    """A note's commit without its value, which takes as long to make as the rest: where many are made, of most nobody asks."""
    parents = () if parent is None else (parent,)
    fields = ("note", parents, event, target, tree, open_, generation, time, author, None, None)
    return new_object("commit", pack(fields))


def new_node(node: Node) -> NewObject:
    return new_object("tree", pack(node[:2] if node.of == "messages" else node))


def new_operation(operation: Operation) -> NewObject:
    length = 8 if operation.chunks else 7 if operation.steps is not None else 6
    return new_object("operation", pack(operation[:length]))


REF_CHUNK = "tracts"
"""What a chunk of refs begins with, where another operation has the one before it."""


def new_ref_chunk(tracts: Sequence[TractRefs]) -> NewObject:
    """The refs of some tracts, as a part of a keyframe."""
    return new_object("operation", pack((REF_CHUNK, tracts)))
