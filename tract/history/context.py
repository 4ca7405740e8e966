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
from itertools import chain, zip_longest
from typing import NamedTuple

from tract.errors import BlobNotFoundError
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, Entry, ListOf, NewObject, Node, checked_node, new_node
from tract.repo import Repository

LEAST = 8
MOST = 32
_BOUNDARY_BITS = 7


class Context(NamedTuple):
    """All entries of a context: the tree of its closed chunks, and those after them, flat."""

    tree: ObjectId | None
    open: tuple[ObjectId, ...]


EMPTY = Context(None, ())


class Child(NamedTuple):
    """A node as its parent names it: id and number of entries below."""

    id: ObjectId
    total: int


def context_of(id: ObjectId, commit: Commit) -> Context:
    """The whole context at *commit*, its own entry included."""
    if commit.operation is CommitOperation.APPEND and commit.content is not None:
        return Context(commit.tree, (*commit.open, id, commit.content))
    return Context(commit.tree, commit.open)


def context_at(repo: Repository, id: ObjectId | None) -> Context:
    """The context at commit *id*; the empty one where there is no commit yet, HistoryCutError where it was cut."""
    if id is None:
        return EMPTY
    repo.check_whole(id)
    return context_of(id, repo.commit(id))


def count_entries(repo: Repository, context: Context) -> int:
    """How many messages the context has, without reading them."""
    closed = repo.node(context.tree).total if context.tree is not None else 0
    return closed + len(context.open) // 2


def chunks(repo: Repository, context: Context) -> Iterator[tuple[ObjectId | None, tuple[ObjectId, ...]]]:
    """The context chunk by chunk, first to last, each with its node's id; the open one, without an id, comes last."""
    if context.tree is not None:
        for leaves in _leaf_runs(repo, context.tree):
            for id, leaf in zip(leaves, repo.nodes(leaves), strict=True):
                yield id, checked_node(id, leaf, 0).items
    if context.open:
        yield None, context.open


def chunk_ids(repo: Repository, context: Context) -> list[ObjectId]:
    """The ids of the closed chunks, first to last."""
    return [] if context.tree is None else list(chain.from_iterable(_leaf_runs(repo, context.tree)))


def entries(repo: Repository, context: Context) -> list[Entry]:
    """Every entry, first to last."""
    result: list[Entry] = []
    for _, items in chunks(repo, context):
        result.extend(zip(items[::2], items[1::2], strict=True))
    return result


def entry_at(repo: Repository, context: Context, index: int) -> Entry:
    """The entry number *index*, counted from 0; reads the nodes on the way to it. IndexError where there is none."""
    closed = repo.node(context.tree).total if context.tree is not None else 0
    if index < 0 or index >= closed + len(context.open) // 2:
        raise IndexError(f"a context has no entry {index}")
    items, at = context.open, index - closed
    if context.tree is not None and at < 0:
        leaf, start = next(nodes_from(repo, context.tree, 0, index))
        items, at = node_of_level(repo, leaf.id, 0).items, index - start
    return items[2 * at], items[2 * at + 1]


def index_of(repo: Repository, context: Context, commit: ObjectId) -> int | None:
    """Where the message is that *commit* introduced, counted from 0; None when it is not in the context.

    The search begins where the message stands in a history that only appended, and goes on to both sides: some nodes at the most usual, all of them for a commit that is not there.
    """
    if commit in context.open[::2]:
        return count_entries(repo, context) - len(context.open) // 2 + context.open[::2].index(commit)
    if context.tree is None:
        return None
    for leaf, start in _leaves_around(repo, context.tree, _guess(repo, commit)):
        commits = node_of_level(repo, leaf.id, 0).items[::2]
        if commit in commits:
            return start + commits.index(commit)
    return None


def find_entry(repo: Repository, context: Context, commit: ObjectId) -> ObjectId | None:
    """The blob of the message that *commit* introduced, or None when it is not in the context."""
    index = index_of(repo, context, commit)
    return None if index is None else entry_at(repo, context, index)[1]


def _guess(repo: Repository, commit: ObjectId) -> int:
    """Where the message of *commit* is likely to be: what came before it are its ancestors, and mostly messages."""
    try:
        return repo.commit(commit).generation - 1
    except BlobNotFoundError:
        return 0  # its history was cut off


def _leaves_around(repo: Repository, root: ObjectId, index: int) -> Iterator[tuple[Child, int]]:
    """All leaves with the numbers of their first entries: that with entry *index*, then its neighbours, nearer ones first."""
    index = min(index, repo.node(root).total - 1)
    after = nodes_from(repo, root, 0, index)
    before = _leaves_before(repo, root, index)
    for pair in zip_longest(after, before):
        yield from (found for found in pair if found is not None)


def nodes_from(repo: Repository, root: ObjectId, level: int, index: int) -> Iterator[tuple[Child, int]]:
    """The nodes of one level from that with entry *index* on, each with the number of its first entry; nothing before them is read."""
    node = repo.node(root)
    if node.level <= level:
        yield Child(root, node.total), 0
        return
    start = 0
    for child in children_of(node):
        if start + child.total > index:
            if node.level == level + 1:
                yield child, start
            else:
                node_of_level(repo, child.id, node.level - 1)
                for found, at in nodes_from(repo, child.id, level, index - start):
                    yield found, start + at
        start += child.total


def _leaves_before(repo: Repository, root: ObjectId, index: int) -> Iterator[tuple[Child, int]]:
    """The leaves before that with entry *index*, the nearest first, each with the number of its first entry; nothing after them is read."""
    node = repo.node(root)
    stop = node.total
    for child in reversed(children_of(node) if node.level else ()):
        start = stop - child.total
        if node.level > 1 and start <= index:
            node_of_level(repo, child.id, node.level - 1)
            for found, at in _leaves_before(repo, child.id, index - start):
                yield found, start + at
        elif node.level == 1 and stop <= index:
            yield child, start
        stop = start


def append_entry(
    repo: Repository, context: Context, entry: Entry, new: list[NewObject], of: ListOf = "messages"
) -> Context:
    """The context, or a list *of* something else, with *entry* at its end; the nodes that a closing chunk makes are added to *new*."""
    open_ = context.open + entry
    if not closes(entry[0], len(open_) // 2):
        return Context(context.tree, open_)
    leaf = write_node(repo, Node(0, open_, of), new)
    return Context(_append_leaf(repo, context.tree, leaf, new), ())


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


def entries_from(repo: Repository, context: Context, index: int) -> list[Entry]:
    """The entries from number *index* on, counted from 0; nothing before it is read but its own chunk."""
    leaves: list[tuple[Child, int]] = []
    closed = 0 if context.tree is None else repo.node(context.tree).total
    if context.tree is not None and index < closed:
        leaves = list(nodes_from(repo, context.tree, 0, index))
    first = leaves[0][1] if leaves else closed
    ids = [leaf.id for leaf, _ in leaves]
    nodes = zip(ids, repo.nodes(ids), strict=True)
    items = [item for id, node in nodes for item in checked_node(id, node, 0).items] + list(context.open)
    return list(zip(items[::2], items[1::2], strict=True))[index - first :]


def build_context(repo: Repository, items: Sequence[Entry], new: list[NewObject]) -> Context:
    """The context of a list of entries, from nothing."""
    leaves: list[Child] = []
    open_: tuple[ObjectId, ...] = ()
    for entry in items:
        open_ += entry
        if closes(entry[0], len(open_) // 2):
            leaves.append(write_node(repo, Node(0, open_), new))
            open_ = ()
    return Context(index_over(repo, leaves, new) if leaves else None, open_)


def closes(id: ObjectId, length: int) -> bool:
    """Whether a chunk that *id* would make *length* long ends there."""
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
    """The root over *children*, which are all nodes of a level; the store keeps only those nodes it has not got."""
    while len(children) > 1:
        level += 1
        children = [index_node(repo, level, run, new) for run in cut(children)]
    return children[0].id


def index_node(repo: Repository, level: int, run: Sequence[Child], new: list[NewObject]) -> Child:
    node = Node(level, tuple(part for child in run for part in child))
    return write_node(repo, node, new)


def _append_leaf(repo: Repository, root: ObjectId | None, leaf: Child, new: list[NewObject]) -> ObjectId:
    """The root of the tree with one more leaf at its end: only the right edge is written anew.

    The nodes to the left of the edge end at boundaries of their own, so what :func:`index_over` would make of all leaves is the same.
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
    """The node *id*, which must be of *level*: ObjectCorruptError else, for who goes down must get to an end."""
    return checked_node(id, repo.node(id), level)


def children_of(node: Node) -> list[Child]:
    return [Child(id, total) for id, total in zip(node.items[::2], node.items[1::2], strict=True)]


def _leaf_runs(repo: Repository, root: ObjectId) -> Iterator[Sequence[ObjectId]]:
    """The ids of all leaves, first to last, some hundred at a time."""
    node = repo.node(root)
    if node.level == 0:
        yield (root,)
    elif node.level == 1:
        yield node.items[::2]
    elif node.level == 2:
        yield tuple(chain.from_iterable(child.items[::2] for child in repo.nodes(node.items[::2])))
    else:
        for id in node.items[::2]:
            node_of_level(repo, id, node.level - 1)
            yield from _leaf_runs(repo, id)
