"""Reading a context: the list of a commit's messages, in the form of tract/tree.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest

from tract.errors import BlobNotFoundError
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, Entry
from tract.objects.strict_reader import checked_node
from tract.repo import Repository
from tract.tree import EMPTY, Child, Context, children_of, node_of_level


def context_of(id: ObjectId, commit: Commit) -> Context:
    """The whole context at *commit*, including its own entry."""
    if commit.operation is CommitOperation.APPEND and commit.content is not None:
        return Context(commit.tree, (*commit.open, id, commit.content))
    return Context(commit.tree, commit.open)


def context_at(repo: Repository, id: ObjectId | None) -> Context:
    """The context at commit *id*; empty if *id* is None, HistoryCutError if the context was cut."""
    if id is None:
        return EMPTY
    repo.check_whole(id)
    return context_of(id, repo.commit(id))


def count_entries(repo: Repository, context: Context) -> int:
    """The number of messages in the context; their contents are not read."""
    closed = repo.node(context.tree).total if context.tree is not None else 0
    return closed + len(context.open) // 2


def chunks(repo: Repository, context: Context) -> Iterator[tuple[ObjectId | None, tuple[ObjectId, ...]]]:
    """Yield the chunks of the context, first to last, each with its node's id; the open chunk comes last, with None."""
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
    """The entry number *index*, counted from 0; IndexError if there is none. Only the nodes on the way to it are read."""
    closed = repo.node(context.tree).total if context.tree is not None else 0
    if index < 0 or index >= closed + len(context.open) // 2:
        raise IndexError(f"a context has no entry {index}")
    items, at = context.open, index - closed
    if context.tree is not None and at < 0:
        leaf, start = next(nodes_from(repo, context.tree, 0, index))
        items, at = node_of_level(repo, leaf.id, 0).items, index - start
    return items[2 * at], items[2 * at + 1]


def index_of(repo: Repository, context: Context, commit: ObjectId) -> int | None:
    """The place of the message that *commit* introduced, counted from 0; None if it is not in the context.

    The search begins at the message's place in a history that only appended, and continues to both sides: mostly it reads a few nodes, and all of them for a missing commit.
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
    """The blob of the message that *commit* introduced, or None if it is not in the context."""
    index = index_of(repo, context, commit)
    return None if index is None else entry_at(repo, context, index)[1]


def _guess(repo: Repository, commit: ObjectId) -> int:
    """The likely place of the message of *commit*: before it come its ancestors, which are mostly messages."""
    try:
        return repo.commit(commit).generation - 1
    except BlobNotFoundError:
        return 0  # its history was cut


def _leaves_around(repo: Repository, root: ObjectId, index: int) -> Iterator[tuple[Child, int]]:
    """Yield all leaves, each with the number of its first entry: first the leaf with entry *index*, then its neighbours, nearer ones first."""
    index = min(index, repo.node(root).total - 1)
    after = nodes_from(repo, root, 0, index)
    before = _leaves_before(repo, root, index)
    for pair in zip_longest(after, before):
        yield from (found for found in pair if found is not None)


def nodes_from(repo: Repository, root: ObjectId, level: int, index: int) -> Iterator[tuple[Child, int]]:
    """Yield the nodes of *level* from the one with entry *index* on, each with the number of its first entry; no node before them is read."""
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
    """Yield the leaves before the one with entry *index*, the nearest first, each with the number of its first entry; no leaf after them is read."""
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


def entries_from(repo: Repository, context: Context, index: int) -> list[Entry]:
    """The entries from number *index* on, counted from 0; before it only its own chunk is read."""
    leaves: list[tuple[Child, int]] = []
    closed = 0 if context.tree is None else repo.node(context.tree).total
    if context.tree is not None and index < closed:
        leaves = list(nodes_from(repo, context.tree, 0, index))
    first = leaves[0][1] if leaves else closed
    ids = [leaf.id for leaf, _ in leaves]
    nodes = zip(ids, repo.nodes(ids), strict=True)
    items = [item for id, node in nodes for item in checked_node(id, node, 0).items] + list(context.open)
    return list(zip(items[::2], items[1::2], strict=True))[index - first :]


def _leaf_runs(repo: Repository, root: ObjectId) -> Iterator[Sequence[ObjectId]]:
    """Yield the ids of all leaves, first to last, some hundred at a time."""
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
