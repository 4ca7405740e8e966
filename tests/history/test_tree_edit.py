"""Changes in the middle of contexts and between them: what building from the whole list makes, at the cost of the path."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from tract.config import TractConfig
from tract.history.context import entries, entry_at, index_of
from tract.history.tree_diff import TreeChange, diff_contexts
from tract.history.tree_edit import replace_entry, splice
from tract.objects.id import ObjectId
from tract.objects.model import Entry, NewObject, Node
from tract.opening import memory_repository
from tract.repo import DecodedObjects, Repository
from tract.tree import EMPTY, Context, build_context


def id_of(text: object) -> ObjectId:
    return blake3(str(text).encode()).digest()


def make_list(length: int, seed: object = 0) -> list[Entry]:
    return [(id_of(f"{seed} commit {n}"), id_of(f"{seed} blob {n}")) for n in range(length)]


def make_context(items: Sequence[Entry]) -> tuple[Repository, Context]:
    """The context of *items* in a repository that has read none of it."""
    repo, new = memory_repository(config=TractConfig(author="tester")), list[NewObject]()
    context = build_context(repo, items, new)
    repo.objects.write_many(new)
    return replace(repo, decoded=DecodedObjects()), context


def built(items: Sequence[Entry]) -> Context:
    return make_context(items)[1]


def nodes(repo: Repository, root: ObjectId | None) -> Iterator[tuple[ObjectId, Node]]:
    if root is not None:
        node = repo.node(root)
        yield root, node
        if node.level:
            for child in node.items[::2]:
                yield from nodes(repo, child)


def count_reads(repo: Repository) -> Repository:
    """The repository as one that has read nothing: what it reads or makes from now on is counted."""
    return replace(repo, decoded=DecodedObjects())


def number_read(repo: Repository) -> int:
    assert repo.decoded is not None
    return len(repo.decoded.nodes)


def cheap_list(length: int, seed: int, salt: str) -> list[Entry]:
    """Entries whose commits end chunks more or less often than chance, so that all shapes of trees come up."""
    chance = random.Random(f"{seed} {salt}")
    ends = chance.choice([range(256), range(1, 8), range(8)])
    return [(chance.randbytes(31) + bytes([chance.choice(ends)]), chance.randbytes(32)) for _ in range(length)]


LENGTH = st.one_of(st.integers(0, 60), st.integers(0, 600), st.integers(0, 3000))


@given(LENGTH, st.integers(0, 10**6), st.integers(0, 10**6), st.one_of(st.integers(0, 3), LENGTH), st.integers(0, 99))
@settings(max_examples=120, deadline=None)
def test_a_splice_makes_what_building_from_the_new_list_makes(length, at, removed, added, seed):
    items, put = cheap_list(length, seed, "old"), cheap_list(added, seed, "new")
    start = at % (length + 1)
    stop = start + removed % (length - start + 1)
    repo, context = make_context(items)
    new: list[NewObject] = []

    after = splice(repo, context, start, stop, put, new)

    expected = [*items[:start], *put, *items[stop:]]
    assert built(expected) == after
    repo.objects.write_many(new)
    assert expected == entries(replace(repo, decoded=DecodedObjects()), after)


@given(
    LENGTH,
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 3), st.integers(0, 3)), max_size=4),
    st.integers(0, 99),
)
@settings(max_examples=80, deadline=None)
def test_the_changes_between_two_contexts_make_one_of_the_other(length, changes, seed):
    old = cheap_list(length, seed, "old")
    new = list(old)
    for number, (at, removed, added) in enumerate(changes):
        place = at % (len(new) + 1)
        new[place : place + removed] = cheap_list(added, number, "new")
    repo, before = make_context(old)
    made: list[NewObject] = []
    after = build_context(repo, new, made)
    repo.objects.write_many(made)

    found = list(diff_contexts(repo, before, after))

    assert new == patched(old, found)
    assert [] == [change for change in found if change.old == change.new]
    assert all(new[change.new_start :][: len(change.new)] == list(change.new) for change in found)
    assert ([] == found) == (old == new)


def patched(old: Sequence[Entry], changes: Sequence[TreeChange]) -> list[Entry]:
    result, done = [], 0
    for change in changes:
        assert tuple(old[change.old_start :][: len(change.old)]) == change.old
        result += [*old[done : change.old_start], *change.new]
        done = change.old_start + len(change.old)
    return [*result, *old[done:]]


def test_a_message_that_moved_is_a_change_where_it_was_and_where_it_is():
    items = make_list(100)
    moved = [*items[:10], *items[11:50], items[10], *items[50:]]
    repo, before = make_context(items)
    made: list[NewObject] = []
    after = build_context(repo, moved, made)
    repo.objects.write_many(made)

    assert [TreeChange(10, (items[10],), 10, ()), TreeChange(50, (), 49, (items[10],))] == list(
        diff_contexts(repo, before, after)
    )


SPANS = {"edit": (1, 1), "insertion": (0, 1), "deletion": (1, 0), "compression": (100, 1)}


@pytest.mark.parametrize(("removed", "added"), SPANS.values(), ids=SPANS)
def test_a_change_in_the_middle_of_10_000_entries_makes_8_nodes_of_8_kilobytes_and_a_diff_reads_14(removed, added):
    items = make_list(10_000)
    repo, context = make_context(items)
    known = {id for id, _ in nodes(repo, context.tree)}
    for at in random.Random(2).sample(range(9_800), 25):
        edited, new = count_reads(repo), list[NewObject]()
        put = [(items[at][0], id_of("x"))] if removed == added else make_list(added, "x")

        after = splice(edited, context, at, at + removed, put, new)

        assert number_read(edited) <= 24 + removed // 8
        assert {made.id for made in new} - known == {id for id, _ in nodes(edited, after.tree)} - known
        unlike = [made for made in new if made.id not in known]
        assert len(unlike) <= 8
        assert sum(len(made.payload) for made in unlike) <= 8192
        edited.objects.write_many(new)
        reading = count_reads(repo)
        (change,) = diff_contexts(reading, context, after)
        assert (at, removed, tuple(put)) == (change.old_start, len(change.old), change.new)
        assert number_read(reading) <= 14 + removed // 8


def test_a_diff_of_ten_changes_at_10_000_entries_reads_68_nodes():
    items = make_list(10_000)
    repo, context = make_context(items)
    places = random.Random(3).sample(range(9_900), 10)
    after = context
    for at in places:
        new: list[NewObject] = []
        changed = replace_entry(repo, after, (items[at][0], id_of(at)), new)
        assert changed is not None
        repo.objects.write_many(new)
        after = changed
    reading = count_reads(repo)

    found = list(diff_contexts(reading, context, after))

    assert sorted(places) == [change.old_start for change in found]
    assert number_read(reading) <= 8 + 6 * 10


def test_an_entry_is_read_at_its_place_and_found_there():
    items = make_list(700)
    repo, context = make_context(items)

    assert items == [entry_at(repo, context, at) for at in range(700)]
    assert list(range(700)) == [index_of(repo, context, commit) for commit, _ in items]
    assert index_of(repo, context, id_of("absent")) is None
    for index in (-1, 700):
        with pytest.raises(IndexError, match="no entry"):
            entry_at(repo, context, index)


@pytest.mark.parametrize(("start", "stop"), [(-1, 0), (2, 1), (0, 11), (11, 11)])
def test_a_span_that_is_not_there_is_refused(start, stop):
    repo, context = make_context(make_list(10))

    with pytest.raises(IndexError, match="entries has none"):
        splice(repo, context, start, stop, (), [])


def test_taking_out_all_entries_leaves_the_empty_context():
    repo, context = make_context(make_list(300))

    assert splice(repo, context, 0, 300, (), []) == EMPTY
