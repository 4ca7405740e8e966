"""A context: the list of a commit's messages, in chunks that the list itself chooses.

    entries   e e e e e e e e e e e e e e e e e e e e e     an entry is (commit, blob)
    chunks    └──── 8 to 32 ────┘└──── closed ────┘└ open ┘
    index     └──── nodes of the same kind ───────┘

A chunk ends after an entry whose commit id ends in three zero bits, once it has LEAST entries, and after MOST in any case.
So the same list has the same tree however it came about, and a change in the middle costs the nodes it touches.
Index nodes are cut by the same rule, over the ids of their children.
The entries after the last boundary stay in the commit itself: an append writes a chunk only when one closes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, Entry, NewObject, Node, new_node
from tract.repo import Repository

LEAST = 8
MOST = 32
_BOUNDARY_BITS = 7


class Context(NamedTuple):
    """All entries of a context: the tree of its closed chunks, and those after them, flat."""

    tree: ObjectId | None
    open: tuple[ObjectId, ...]


EMPTY = Context(None, ())


class _Child(NamedTuple):
    """A node as its parent names it: id and number of entries below."""

    id: ObjectId
    total: int


def context_of(id: ObjectId, commit: Commit) -> Context:
    """The whole context at *commit*, its own entry included."""
    if commit.operation is CommitOperation.APPEND and commit.content is not None:
        return Context(commit.tree, (*commit.open, id, commit.content))
    return Context(commit.tree, commit.open)


def context_at(repo: Repository, id: ObjectId | None) -> Context:
    """The context at commit *id*; the empty one where there is no commit yet."""
    return EMPTY if id is None else context_of(id, repo.commit(id))


def count_entries(repo: Repository, context: Context) -> int:
    """How many messages the context has, without reading them."""
    closed = repo.node(context.tree).total if context.tree is not None else 0
    return closed + len(context.open) // 2


def chunks(repo: Repository, context: Context) -> Iterator[tuple[ObjectId | None, tuple[ObjectId, ...]]]:
    """The context chunk by chunk, first to last, each with its node's id; the open one, without an id, comes last."""
    if context.tree is not None:
        for leaf in _leaves(repo, context.tree):
            yield leaf.id, repo.node(leaf.id).items
    if context.open:
        yield None, context.open


def entries(repo: Repository, context: Context) -> list[Entry]:
    """Every entry, first to last."""
    result: list[Entry] = []
    for _, items in chunks(repo, context):
        result.extend(zip(items[::2], items[1::2], strict=True))
    return result


def find_entry(repo: Repository, context: Context, commit: ObjectId) -> ObjectId | None:
    """The blob of the message that *commit* introduced, or None when it is not in the context."""
    closed = (repo.node(leaf.id).items for leaf in _leaves_backwards(repo, context))
    for items in chain((context.open,), closed):  # newest first, and no leaf is read behind the one it is in
        for at in range(0, len(items), 2):
            if items[at] == commit:
                blob: ObjectId = items[at + 1]
                return blob
    return None


def append_entry(repo: Repository, context: Context, entry: Entry, new: list[NewObject]) -> Context:
    """The context with *entry* at its end; the nodes that a closing chunk makes are added to *new*."""
    open_ = context.open + entry
    if not closes(entry[0], len(open_) // 2):
        return Context(context.tree, open_)
    leaf = _write_node(repo, Node(0, open_), new)
    return Context(_append_leaf(repo, context.tree, leaf, new), ())


def replace_entry(repo: Repository, context: Context, entry: Entry, new: list[NewObject]) -> Context | None:
    """The context with another blob for the message that the entry's commit introduced; None when it is not there.

    Boundaries depend on the commits alone, so no chunk is cut anew.
    """
    commit, _ = entry
    if commit in context.open[::2]:
        return Context(context.tree, _replaced(context.open, entry))
    if context.tree is None:
        return None
    leaves = list(_leaves(repo, context.tree))
    for at in range(len(leaves) - 1, -1, -1):
        items = repo.node(leaves[at].id).items
        if commit in items[::2]:
            leaves[at] = _write_node(repo, Node(0, _replaced(items, entry)), new)
            return Context(_index(repo, leaves, new), context.open)
    return None


def nodes_of(repo: Repository, context: Context, made: Sequence[NewObject]) -> list[NewObject]:
    """Those of the nodes *made* that are in the context's tree."""
    known = {node.id: node for node in made}
    found: dict[ObjectId, NewObject] = {}
    stack = [context.tree]
    while stack:
        id = stack.pop()
        if id is None or id not in known or id in found:
            continue  # what was not made just now has nothing below it that was
        found[id] = known[id]
        node = repo.node(id)
        if node.level > 0:
            stack.extend(node.items[::2])
    return list(found.values())


def build_context(repo: Repository, items: Sequence[Entry], new: list[NewObject]) -> Context:
    """The context of a list of entries, from nothing."""
    leaves: list[_Child] = []
    open_: tuple[ObjectId, ...] = ()
    for entry in items:
        open_ += entry
        if closes(entry[0], len(open_) // 2):
            leaves.append(_write_node(repo, Node(0, open_), new))
            open_ = ()
    return Context(_index(repo, leaves, new) if leaves else None, open_)


def closes(id: ObjectId, length: int) -> bool:
    """Whether a chunk that *id* would make *length* long ends there."""
    return length >= MOST or (length >= LEAST and not id[-1] & _BOUNDARY_BITS)


def _replaced(items: tuple[ObjectId, ...], entry: Entry) -> tuple[ObjectId, ...]:
    at = items[::2].index(entry[0]) * 2
    return (*items[:at], *entry, *items[at + 2 :])


def _write_node(repo: Repository, node: Node, new: list[NewObject]) -> _Child:
    made = new_node(node)
    new.append(made)
    repo.keep_node(made.id, node)
    return _Child(made.id, node.total)


def _cut(children: Sequence[_Child]) -> list[list[_Child]]:
    """The children in runs, one for each node above them; the last run may be unfinished."""
    runs: list[list[_Child]] = [[]]
    for child in children:
        if runs[-1] and closes(runs[-1][-1].id, len(runs[-1])):
            runs.append([])
        runs[-1].append(child)
    return runs


def _index(repo: Repository, children: Sequence[_Child], new: list[NewObject]) -> ObjectId:
    """The root over *children*, which are leaves; the store keeps only those nodes it has not got."""
    level = 1
    while len(children) > 1:
        children = [_index_node(repo, level, run, new) for run in _cut(children)]
        level += 1
    return children[0].id


def _index_node(repo: Repository, level: int, run: Sequence[_Child], new: list[NewObject]) -> _Child:
    node = Node(level, tuple(part for child in run for part in child))
    return _write_node(repo, node, new)


def _append_leaf(repo: Repository, root: ObjectId | None, leaf: _Child, new: list[NewObject]) -> ObjectId:
    """The root of the tree with one more leaf at its end: only the right edge is written anew.

    The nodes to the left of the edge end at boundaries of their own, so what :func:`_index` would make of all leaves is the same.
    """
    if root is None:
        return leaf.id
    spine = _right_edge(repo, root)
    if not spine:
        return _index(repo, (_Child(root, repo.node(root).total), leaf), new)
    added = [leaf]
    kept = _children(spine[-1])
    for level in range(1, len(spine) + 1):
        node = spine[-level]
        if level > 1:
            kept = _children(node)[:-1]  # the last child was just made anew
        added = [_index_node(repo, level, run, new) for run in _cut([*kept, *added])]
    while len(added) > 1:
        level += 1
        added = [_index_node(repo, level, run, new) for run in _cut(added)]
    return added[0].id


def _right_edge(repo: Repository, root: ObjectId) -> list[Node]:
    """The index nodes from the root down to the last leaf's parent."""
    spine = []
    node = repo.node(root)
    while node.level > 0:
        spine.append(node)
        node = repo.node(node.items[-2])
    return spine


def _children(node: Node) -> list[_Child]:
    return [_Child(id, total) for id, total in zip(node.items[::2], node.items[1::2], strict=True)]


def _leaves(repo: Repository, root: ObjectId) -> Iterator[_Child]:
    node = repo.node(root)
    if node.level == 0:
        yield _Child(root, node.total)
        return
    for child in _children(node):
        if node.level == 1:
            yield child
        else:
            yield from _leaves(repo, child.id)


def _leaves_backwards(repo: Repository, context: Context) -> Iterator[_Child]:
    if context.tree is not None:
        yield from reversed(list(_leaves(repo, context.tree)))
