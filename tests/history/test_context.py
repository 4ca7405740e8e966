"""Contexts: the same list is the same tree however it came about, and a change costs the nodes it touches."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from tract.config import TractConfig
from tract.errors import ObjectCorruptError
from tract.history.context import chunks, count_entries, entries, entries_from, entry_at, find_entry
from tract.history.tree_diff import diff_contexts
from tract.history.tree_edit import replace_entry
from tract.objects.id import ObjectId
from tract.objects.model import Entry, NewObject, Node, new_node
from tract.opening import memory_repository
from tract.repo import DecodedObjects, Repository
from tract.tree import EMPTY, LEAST, MOST, Context, append_entry, build_context


def make_repo() -> Repository:
    return memory_repository(config=TractConfig(author="tester"))


def id_of(text: object) -> ObjectId:
    return blake3(str(text).encode()).digest()


def make_list(length: int, seed: object = 0) -> list[Entry]:
    return [(id_of(f"{seed} commit {n}"), id_of(f"{seed} blob {n}")) for n in range(length)]


def store(repo: Repository, new: list[NewObject]) -> Repository:
    """A repository that has *new* and must read all of it from the store."""
    repo.objects.write_many(new)
    new.clear()
    return replace(repo, decoded=DecodedObjects())


def appended(repo: Repository, items: Sequence[Entry]) -> Iterator[Context]:
    """The context after each append."""
    context, new = EMPTY, list[NewObject]()
    for entry in items:
        context = append_entry(repo, context, entry, new)
        repo.objects.write_many(new)
        new.clear()
        yield context


def built(items: Sequence[Entry]) -> Context:
    return build_context(make_repo(), items, [])


def nodes(repo: Repository, root: ObjectId) -> Iterator[tuple[ObjectId, Node]]:
    node = repo.node(root)
    yield root, node
    if node.level:
        for child in node.items[::2]:
            yield from nodes(repo, child)


def test_every_append_makes_what_building_from_the_list_makes() -> None:
    repo, items = make_repo(), make_list(3000)

    for length, context in enumerate(appended(repo, items), 1):
        if length < 400 or not length % 97 or length > 2990:
            assert built(items[:length]) == context
            assert length == count_entries(repo, context)


@given(st.integers(0, 3000), st.integers())
@settings(max_examples=15, deadline=None)
def test_any_list_reads_back(length: int, seed: int) -> None:
    repo, items, new = make_repo(), make_list(length, seed), list[NewObject]()

    context = build_context(repo, items, new)

    repo = store(repo, new)
    assert items == entries(repo, context)
    assert length == count_entries(repo, context)
    for _, closed in list(chunks(repo, context))[:-1]:
        assert LEAST <= len(closed) // 2 <= MOST
    assert len(context.open) // 2 < MOST


@pytest.mark.parametrize("ending", [0, 1])
def test_ids_that_always_or_never_end_a_chunk_keep_to_its_bounds(ending: int) -> None:
    items = [(id_of(n)[:31] + bytes([ending]), id_of(n)) for n in range(700)]
    repo, new = make_repo(), list[NewObject]()

    context = build_context(repo, items, new)

    sizes = {len(closed) // 2 for id, closed in chunks(store(repo, new), context) if id is not None}
    assert {MOST if ending else LEAST} == sizes
    assert context == list(appended(repo, items))[-1]


@given(st.integers(1, 1500), st.integers(0, 10**6), st.integers())
@settings(max_examples=25, deadline=None)
def test_an_edit_makes_what_building_from_the_edited_list_makes(length: int, at: int, seed: int) -> None:
    repo, items, new = make_repo(), make_list(length, seed), list[NewObject]()
    context = build_context(repo, items, new)
    repo = store(repo, new)
    at %= length
    edited = (items[at][0], id_of("edited"))

    after = replace_entry(repo, context, edited, new)

    assert built([*items[:at], edited, *items[at + 1 :]]) == after
    assert after is not None
    repo = store(repo, new)
    assert edited[1] == find_entry(repo, after, edited[0])
    assert items[at][1] == find_entry(repo, context, edited[0])
    assert items == entries(repo, context)


def test_an_edit_back_is_the_first_tree_again() -> None:
    repo, items, new = make_repo(), make_list(500), list[NewObject]()
    context = build_context(repo, items, new)

    after = replace_entry(repo, context, (items[50][0], id_of("x")), new)

    assert after is not None
    assert context == replace_entry(repo, after, items[50], new)


def test_every_entry_is_found_and_no_other() -> None:
    repo, items, new = make_repo(), make_list(400), list[NewObject]()
    context = build_context(repo, items, new)

    assert [blob for _, blob in items] == [find_entry(repo, context, commit) for commit, _ in items]
    for absent in (id_of("absent"), items[0][1]):
        assert find_entry(repo, context, absent) is None
        assert replace_entry(repo, context, (absent, id_of("x")), new) is None
    assert find_entry(repo, EMPTY, items[0][0]) is None
    assert replace_entry(repo, EMPTY, items[0], new) is None


def test_nodes_keep_to_their_bounds_at_10_000_entries_and_an_edit_writes_the_path_to_it() -> None:
    repo, items, new = make_repo(), make_list(10_000), list[NewObject]()
    context = build_context(repo, items, new)
    repo = store(repo, new)
    assert context.tree is not None
    tree = dict(nodes(repo, context.tree))
    height = repo.node(context.tree).level

    right_edge, at = set[ObjectId](), context.tree
    while repo.node(at).level:
        right_edge.add(at)
        at = repo.node(at).items[-2]
    for id, node in tree.items():
        assert len(node.items) // 2 <= MOST
        assert len(node.items) // 2 >= LEAST or id in right_edge
    assert 16 == pytest.approx(10_000 / sum(1 for node in tree.values() if not node.level), abs=4)

    for at_entry in random.Random(1).sample(range(9_900), 30):
        after = replace_entry(repo, context, (items[at_entry][0], id_of("edited")), new)
        assert after is not None
        assert after.tree is not None
        unlike = {made.id for made in new} - tree.keys()
        # A new leaf has a new id, which may or may not end the run it is in: a neighbour each level is cut anew with it.
        assert height + 1 <= len(unlike) <= 8
        assert unlike == {id for id, _ in nodes(repo, after.tree)} - tree.keys()
        new.clear()


def test_an_append_that_closes_no_chunk_makes_no_node() -> None:
    repo, new = make_repo(), list[NewObject]()
    context, closed = EMPTY, 0
    for entry in make_list(2000):
        before = context
        context = append_entry(repo, context, entry, new)
        if context.tree == before.tree:
            assert [] == new
        else:
            closed += 1
            assert () == context.open
            assert len(new) <= 8
        repo.objects.write_many(new)
        new.clear()
    assert 2000 / MOST <= closed <= 2000 / LEAST


def test_lists_that_share_their_beginning_share_its_chunks() -> None:
    repo, items, new = make_repo(), make_list(2000), list[NewObject]()
    first = build_context(repo, items, new)
    second = build_context(repo, [*items[:1000], *make_list(1000, "other")], new)

    shared = {id for id, _ in chunks(repo, first)} & {id for id, _ in chunks(repo, second)}

    assert len(shared - {None}) >= 1000 // MOST


def hostile(repo: Repository, levels: Sequence[int]) -> tuple[Repository, Context]:
    """A context whose nodes claim these levels, from the root down to the lowest, which has one entry."""
    (entry,) = make_list(1)
    made = [new_node(Node(0, entry))]
    for level in reversed(levels[:-1]):
        made.append(new_node(Node(level, (made[-1].id, 1))))
    return store(repo, list(made)), Context(made[-1].id, ())


@pytest.mark.parametrize("levels", [[3] * 3000 + [0], [2, 1, 1, 0], [3, 0], [1, 2, 1, 0]])
@pytest.mark.parametrize(
    "read",
    [
        entries,
        lambda repo, context: entry_at(repo, context, 0),
        lambda repo, context: entries_from(repo, context, 0),
        lambda repo, context: find_entry(repo, context, id_of("elsewhere")),
        lambda repo, context: list(diff_contexts(repo, context, Context(None, make_list(1, 1)[0]))),
    ],
    ids=["entries", "entry_at", "entries_from", "find_entry", "diff"],
)
def test_nodes_that_lie_about_their_level_are_damage(
    levels: list[int], read: Callable[[Repository, Context], object]
) -> None:
    repo, context = hostile(make_repo(), levels)

    with pytest.raises(ObjectCorruptError, match="it is of level"):
        read(repo, context)
