"""Trees: lists of entries in chunks that the list itself chooses.

    entries   e e e e e e e e e e e e e e e e e e e e e     an entry is (commit, blob)
    chunks    └──── 8 to 32 ────┘└──── closed ────┘└ open ┘
    index     └──── nodes of the same kind ───────┘

A chunk ends after an entry whose commit id ends in three zero bits, once it has LEAST entries, and after MOST in any case.
So the same list has the same tree however it came about, and a change in the middle costs the nodes it touches.
Index nodes are cut by the same rule, over the ids of their children.
The entries after the last boundary stay in the commit itself: an append writes a chunk only when one closes.

A context is such a list, and so are the notes of a namespace.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tract.annotations import Any
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import Entry, ListOf, NewObject, Node, new_node
from tract.objects.strict_reader import checked_node
from tract.repo import Repository

LEAST = 8
MOST = 32
_BOUNDARY_BITS = 7


class Context(NamedTuple):
    """All entries of a list: the tree of its closed chunks, and the entries after them, flat."""

    tree: ObjectId | None
    open: tuple[ObjectId, ...]


EMPTY = Context(None, ())


class Child(NamedTuple):
    """A node as its parent names it: id and number of entries below."""

    id: ObjectId
    total: int


def append_entry(
    repo: Repository, context: Context, entry: Entry, new: list[NewObject], of: ListOf = "messages"
) -> Context:
    """The context, or a list *of* something else, with *entry* at its end; nodes made by a closing chunk are added to *new*."""
    tree, open_ = context
    open_ += entry
    if len(open_) < 2 * LEAST or not closes(entry[0], len(open_) // 2):
        return tuple.__new__(
            Context, (tree, open_)
        )  # as Context(…) does, without a Python call: every commit passes here
    leaf = write_node(repo, Node(0, open_, of), new)
    return Context(_append_leaf(repo, tree, leaf, new), ())


def blobs_beside(repo: Repository, items: Context, commit: ObjectId) -> list[ObjectId]:
    """The blobs of all entries of a list that name *commit*, first to last."""
    return [blob for at, blob in list_items(repo, items.tree, items.open) if at == commit]


def build_context(repo: Repository, items: Sequence[Entry], new: list[NewObject]) -> Context:
    """A new context of a list of entries."""
    return Context(*build_list(repo, items, new, "messages"))


def build_list(
    repo: Repository, items: Iterable[tuple[ObjectId, Any]], new: list[NewObject], of: ListOf
) -> tuple[ObjectId | None, tuple[Any, ...]]:
    """A new list *of* something: the root of its closed chunks, and the items after them, flat."""
    leaves: list[Child] = []
    open_: tuple[Any, ...] = ()
    for item in items:
        open_ += item
        if closes(item[0], len(open_) // 2):
            leaves.append(write_node(repo, Node(0, open_, of), new))
            open_ = ()
    return index_over(repo, leaves, new) if leaves else None, open_


def list_items(repo: Repository, tree: ObjectId | None, open_: tuple[Any, ...]) -> list[tuple[ObjectId, Any]]:
    """The items of such a list, first to last."""
    flat: list[Any] = []
    ids: Sequence[ObjectId] = () if tree is None else (tree,)
    while ids:
        nodes = repo.nodes(ids)
        flat += [item for node in nodes if node.level == 0 for item in node.items]
        ids = [child for node in nodes if node.level for child in node.items[::2]]
    flat += open_
    return list(zip(flat[::2], flat[1::2], strict=True))


def nodes_of(repo: Repository, context: Context, made: Sequence[NewObject]) -> list[NewObject]:
    """Those of the nodes *made* that are in the context's tree."""
    known = {node.id: node for node in made}
    found: dict[ObjectId, NewObject] = {}
    stack = [context.tree]
    while stack:
        id = stack.pop()
        if id is None or id not in known or id in found:
            continue  # an older node has no new nodes below it
        found[id] = known[id]
        node = repo.node(id)
        if node.level > 0:
            stack.extend(node.items[::2])
    return list(found.values())


def closes(id: ObjectId, length: int) -> bool:
    """Whether a chunk ends at *id*, its item number *length*."""
    return length >= MOST or (length >= LEAST and not id[-1] & _BOUNDARY_BITS)


def write_node(repo: Repository, node: Node, new: list[NewObject]) -> Child:
    made = new_node(node)
    new.append(made)
    repo.keep_node(made.id, node)
    return Child(made.id, node.total)


def cut(children: Sequence[Child]) -> list[list[Child]]:
    """The children in runs, one for each node above them; the last run may be unfinished."""
    runs: list[list[Child]] = [[]]
    for child in children:
        if runs[-1] and closes(runs[-1][-1].id, len(runs[-1])):
            runs.append([])
        runs[-1].append(child)
    return runs


def index_over(repo: Repository, children: Sequence[Child], new: list[NewObject], level: int = 0) -> ObjectId:
    """The root over *children*, which are all nodes of a level; only nodes that the store lacks are added."""
    while len(children) > 1:
        level += 1
        children = [index_node(repo, level, run, new) for run in cut(children)]
    return children[0].id


def index_node(repo: Repository, level: int, run: Sequence[Child], new: list[NewObject]) -> Child:
    node = Node(level, tuple(part for child in run for part in child))
    return write_node(repo, node, new)


def _append_leaf(repo: Repository, root: ObjectId | None, leaf: Child, new: list[NewObject]) -> ObjectId:
    """The root of the tree with one more leaf at its end: only the right edge is rewritten.

    The nodes to the left of the edge end at boundaries of their own, so :func:`index_over` would make the same tree of all leaves.
    """
    if root is None:
        return leaf.id
    spine = _right_edge(repo, root)
    if not spine:
        return index_over(repo, (Child(root, repo.node(root).total), leaf), new)
    added = [leaf]
    kept = children_of(spine[-1])
    for level in range(1, len(spine) + 1):
        node = spine[-level]
        if level > 1:
            kept = children_of(node)[:-1]  # the last child was just made anew
        added = [index_node(repo, level, run, new) for run in cut([*kept, *added])]
    while len(added) > 1:
        level += 1
        added = [index_node(repo, level, run, new) for run in cut(added)]
    return added[0].id


def _right_edge(repo: Repository, root: ObjectId) -> list[Node]:
    """The index nodes from the root down to the last leaf's parent."""
    spine = []
    node = repo.node(root)
    while node.level > 0:
        spine.append(node)
        node = node_of_level(repo, node.items[-2], node.level - 1)
    return spine


def node_of_level(repo: Repository, id: ObjectId, level: int) -> Node:
    """The node *id*, which must be of *level*, so that a walk down ends; else ObjectCorruptError."""
    return checked_node(id, repo.node(id), level)


def children_of(node: Node) -> list[Child]:
    return [Child(id, total) for id, total in zip(node.items[::2], node.items[1::2], strict=True)]
