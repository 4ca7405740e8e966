"""Changing a context in the middle: the cost is the nodes touched, not the length.

    leaves    a b c d │ e f g h │ i j k l │ m n o p      splice(2, 3, [x, y]): the leaf is cut again from its beginning
              a b x y d │ e f g h │ …                    until a cut falls on an old one; behind it nothing changes
    index     └─── the same, with the new leaves in the place of the old ───┘

The result is the tree that :func:`tract.tree.build_context` makes of the same list.
"""

from __future__ import annotations

from collections.abc import Sequence

from tract.history.context import index_of, nodes_from
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import Entry, NewObject, Node
from tract.repo import Repository
from tract.tree import Child, Context, children_of, closes, index_node, index_over, nodes_of, write_node


class _Edit(NamedTuple):
    """On one level of a tree, *nodes* replace the nodes with the entries *start* to *stop*."""

    start: int
    stop: int
    nodes: list[Child]


def splice(
    repo: Repository, context: Context, start: int, stop: int, items: Sequence[Entry], new: list[NewObject]
) -> Context:
    """Return the context with *items* in the place of its entries *start* to *stop* (exclusive, counted from 0).

    ``start == stop`` inserts, empty *items* remove; IndexError if the context has no such entries.
    The result equals building the context of the whole new list, but only O(log n) nodes, and those of *items*, are read and made; new nodes are added to *new*.
    The caller must see to it that no commit introduces two entries of one context.
    """
    closed = 0 if context.tree is None else repo.node(context.tree).total
    if not 0 <= start <= stop <= closed + len(context.open) // 2:
        raise IndexError(f"a context of {closed + len(context.open) // 2} entries has none from {start} to {stop}")
    made: list[NewObject] = []
    edit, open_ = _leaf_edit(repo, context, closed, (start, stop), items, made)
    result = Context(_with_edit(repo, context.tree, edit, made), open_)
    new += nodes_of(repo, result, made)
    return result


def replace_entry(repo: Repository, context: Context, entry: Entry, new: list[NewObject]) -> Context | None:
    """The context with another blob for the message that the entry's commit introduced; None if it is not there."""
    index = index_of(repo, context, entry[0])
    return None if index is None else splice(repo, context, index, index + 1, (entry,), new)


def _leaf_edit(
    repo: Repository,
    context: Context,
    closed: int,
    span: tuple[int, int],
    items: Sequence[Entry],
    made: list[NewObject],
) -> tuple[_Edit, tuple[ObjectId, ...]]:
    """The edit of the leaves, and the open entries behind them; *closed* is the number of entries in leaves now."""
    start, stop = span
    first, run = closed, context.open[: 2 * max(0, start - closed)]
    if context.tree is not None and start < closed:
        leaf, first = next(nodes_from(repo, context.tree, 0, start))
        run = repo.node(leaf.id).items[: 2 * (start - first)]
    leaves: list[Child] = []
    for entry in items:
        run = _grown(repo, run, entry, leaves, made)
    for leaf, at in nodes_from(repo, context.tree, 0, stop) if context.tree is not None and stop < closed else ():
        if not run and at >= stop:
            return _Edit(first, at, leaves), context.open
        rest = repo.node(leaf.id).items[2 * max(0, stop - at) :]
        for entry in zip(rest[::2], rest[1::2], strict=True):
            run = _grown(repo, run, entry, leaves, made)
    rest = context.open[2 * max(0, stop - closed) :]
    for entry in zip(rest[::2], rest[1::2], strict=True):
        run = _grown(repo, run, entry, leaves, made)
    return _Edit(min(first, closed), closed, leaves), run


def _grown(
    repo: Repository, run: tuple[ObjectId, ...], entry: Entry, leaves: list[Child], made: list[NewObject]
) -> tuple[ObjectId, ...]:
    """The run of entries with one more; an empty run if that closed a leaf."""
    run = run + entry
    if not closes(entry[0], len(run) // 2):
        return run
    leaves.append(write_node(repo, Node(0, run), made))
    return ()


def _with_edit(repo: Repository, root: ObjectId | None, edit: _Edit, made: list[NewObject]) -> ObjectId | None:
    """The root of the tree after the edit of its leaves."""
    if edit.start == edit.stop and not edit.nodes:
        return root
    if root is None:
        return index_over(repo, edit.nodes, made)
    top = repo.node(root)
    level = 0
    while (edit.start, edit.stop) != (0, top.total) and level < top.level:
        edit = _edit_above(repo, root, level + 1, edit, made)
        level += 1
    nodes = edit.nodes
    if (edit.start, edit.stop) != (0, top.total):  # the root stays, with others beside it
        nodes = [Child(root, top.total), *nodes] if edit.start else [*nodes, Child(root, top.total)]
    return _lowered(repo, index_over(repo, nodes, made, level)) if nodes else None


def _edit_above(repo: Repository, root: ObjectId, level: int, edit: _Edit, made: list[NewObject]) -> _Edit:
    """The edit of the nodes of *level* that follows from an edit one level below."""
    total = repo.node(root).total
    parent, first = next(nodes_from(repo, root, level, min(edit.start, total - 1)))
    run = _children_up_to(repo, parent, edit.start - first)
    nodes: list[Child] = []
    run = _cut_off(repo, level, [*run, *edit.nodes], nodes, made)
    for node, at in nodes_from(repo, root, level, edit.stop):
        if not run and at >= edit.stop:
            return _Edit(first, at, nodes)
        rest = _children_after(repo, node, edit.stop - at)
        run = _cut_off(repo, level, [*run, *rest], nodes, made)
    if run:
        nodes.append(index_node(repo, level, run, made))
    return _Edit(first, total, nodes)


def _cut_off(
    repo: Repository, level: int, children: Sequence[Child], nodes: list[Child], made: list[NewObject]
) -> list[Child]:
    """Make nodes of *children* as far as they close; return the children that are left."""
    run: list[Child] = []
    for child in children:
        run.append(child)
        if closes(child.id, len(run)):
            nodes.append(index_node(repo, level, run, made))
            run = []
    return run


def _children_up_to(repo: Repository, node: Child, number: int) -> list[Child]:
    """The children that hold the node's first *number* entries."""
    kept: list[Child] = []
    for child in children_of(repo.node(node.id)):
        if number <= 0:
            break
        kept.append(child)
        number -= child.total
    return kept


def _children_after(repo: Repository, node: Child, number: int) -> list[Child]:
    """The children that hold the entries after the node's first *number*."""
    children = children_of(repo.node(node.id))
    return children[len(_children_up_to(repo, node, number)) :]


def _lowered(repo: Repository, root: ObjectId) -> ObjectId:
    """The lowest root over the same leaves: a node with one child is not needed."""
    node = repo.node(root)
    while node.level and len(node.items) == 2:
        root = node.items[0]
        node = repo.node(root)
    return root
