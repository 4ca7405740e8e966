"""Merging lists of entries: what is kept, in which order, and what is a conflict."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.history.three_way import ConflictKind, EntryConflict, Merged, appended, merge_contexts, settle
from tract.objects.id import ObjectId
from tract.objects.model import Entry


def id_of(name: str) -> ObjectId:
    return name.encode().ljust(32, b"\0")


def listed(text: str) -> list[Entry]:
    """``a b1 c``: a message for each letter, with the blob that the rest of the word names."""
    return [(id_of(word[0]), id_of(word)) for word in text.split()]


def said(entries: Sequence[Entry]) -> str:
    return " ".join(blob.rstrip(b"\0").decode() for _, blob in entries)


def merged(base: str, ours: str, theirs: str, hidden: str = "", *, is_virtual: bool = False) -> Merged:
    skipped = frozenset(map(id_of, hidden))
    return merge_contexts(listed(base), listed(ours), listed(theirs), hidden=skipped, is_virtual=is_virtual)


def kinds(found: Merged) -> list[str]:
    return [f"{one.commit.rstrip(bytes(1)).decode()}: {one.kind}" for one in found.conflicts]


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "expected"),
    [
        ("a b", "a b c d", "a b e f", "a b c d e f"),
        ("a b", "a b", "a b c", "a b c"),
        ("a b", "a1 b", "a b1", "a1 b1"),
        ("a b", "a1 b", "a1 b", "a1 b"),
        ("a b c", "a c", "a b c d", "a c d"),
        ("a b c", "a c", "a b", "a"),
        ("a b c", "a x c", "a y b c", "a x y c"),
        ("a b c", "c b a", "a b c d", "c b a d"),
        ("a b c", "a b c d", "c b a", "c b a d"),
        ("a b", "a b x y", "a b y x", "a b x y"),
        ("", "a b", "c d", "a b c d"),
        ("a b", "", "a b c", "c"),
    ],
)
def test_what_only_one_side_did_is_taken(base: str, ours: str, theirs: str, expected: str) -> None:
    found = merged(base, ours, theirs)

    assert expected == said(found.entries)
    assert () == found.conflicts


def test_both_sides_changed_a_message() -> None:
    found = merged("a b c", "a b1 c d", "a b2 c e")

    assert ["b: both-edited"] == kinds(found)
    assert "a b1 c d e" == said(found.entries)
    (conflict,) = found.conflicts
    assert ("b", "b1", "b2") == tuple(said(side) for side in conflict[2:])
    assert "a b1 c d e" == settled(found, "ours")
    assert "a b2 c d e" == settled(found, "theirs")
    assert "a b9 c d e" == settled(found, id_of("b9"))
    assert "a c d e" == settled(found, None)


def test_a_message_that_one_side_changed_and_the_other_removed_waits_where_it_was() -> None:
    found = merged("a b c d", "a S d", "a b1 c d")

    assert ["b: edited-and-removed"] == kinds(found)
    assert "a S b1 d" == said(found.entries)
    assert "a S d" == settled(found, "ours")
    assert "a S b1 d" == settled(found, "theirs")
    assert "a S b9 d" == settled(found, id_of("b9"))
    assert ["b: edited-and-removed"] == kinds(merged("a b c", "a b1 c", "a c"))


def test_a_message_that_was_skipped_meanwhile_is_a_conflict_where_it_was_edited() -> None:
    found = merged("a b c", "a b c", "a1 b1 c1", hidden="b")

    assert ["b: edited-and-skipped"] == kinds(found)
    for choice in ("ours", "theirs", "both"):
        assert "a1 b1 c1" == settled(found, choice)
    assert "a1 b9 c1" == settled(found, id_of("b9"))
    assert [] == kinds(merged("a b", "a b", "a b", hidden="ab"))


def test_compressions_that_overlap_are_one_conflict_and_the_side_taken_gets_back_what_the_other_replaced() -> None:
    found = merged("a b c d e f", "a S e f x", "a b c T f y")

    assert ["S: both-replaced"] == kinds(found)
    assert "a S T f x y" == said(found.entries)
    assert "d" == said(found.conflicts[0].base)
    assert "a S e f x y" == settled(found, "ours")
    assert "a b c T f x y" == settled(found, "theirs")
    assert "a S9 f x y" == settled(found, id_of("S9"))


def test_compressions_that_touch_nothing_in_common_are_both_taken() -> None:
    assert [] == kinds(merged("a b c d", "S c d", "a b T"))
    assert "S T" == said(merged("a b c d", "S c d", "a b T").entries)
    assert [] == kinds(merged("a b c d", "S d", "S d e"))  # the same one, merged before


def test_three_compressions_that_overlap_in_a_row_are_one_conflict() -> None:
    found = merged("a b c d e f", "S c d U", "a T f")

    assert ["S: both-replaced"] == kinds(found)
    assert ("S U", "T") == (said(found.conflicts[0].ours), said(found.conflicts[0].theirs))
    assert "S c d U" == settled(found, "ours")


def test_the_order_of_a_base_merged_from_several_means_nothing() -> None:
    assert "b a c" == said(merged("b a", "b a c", "a b", is_virtual=True).entries)


def test_what_both_appended_is_what_neither_the_base_nor_the_other_has() -> None:
    found = merged("a b", "a b1 c d", "a b2 e")

    assert ("c d", "e") == tuple(said(side) for side in appended(found))
    assert ("", "c") == tuple(said(side) for side in appended(merged("a", "a b", "a b c")))


def settled(found: Merged, choice: object) -> str:
    return said(settle(found, found.conflicts, {one.commit: choice for one in found.conflicts}))  # type: ignore[misc]


# Random histories of both sides: each edits, removes and appends.

LETTERS = [chr(ord("A") + n) for n in range(12)]
STEPS = st.lists(st.tuples(st.sampled_from(["append", "edit", "remove"]), st.integers(0, 30)), max_size=12)


def played(base: Sequence[Entry], steps: Sequence[tuple[str, int]], who: str) -> list[Entry]:
    side = list(base)
    for number, (verb, at) in enumerate(steps):
        if verb == "append" or not side:
            name = f"{who}{number}"
            side.append((id_of(name), id_of(name)))
        elif verb == "edit":
            commit, _ = side[at % len(side)]
            side[at % len(side)] = (commit, id_of(f"{who} edit {number}"))
        else:
            del side[at % len(side)]
    return side


def without_removals(steps: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    return [step for step in steps if step[0] != "remove"]


@given(st.integers(0, 12), STEPS, STEPS)
def test_every_message_of_both_is_kept_once_and_in_each_sides_order(size: int, a: list, b: list) -> None:
    base = [(id_of(name), id_of(name)) for name in LETTERS[:size]]
    ours, theirs = played(base, without_removals(a), "ours"), played(base, without_removals(b), "theirs")

    commits = [commit for commit, _ in merge_contexts(base, ours, theirs).entries]

    assert sorted(set(commits)) == sorted(commits)
    for side in (ours, theirs):
        mine = [commit for commit, _ in side]
        assert mine == [commit for commit in commits if commit in mine]


@given(st.integers(0, 12), STEPS, STEPS)
def test_only_what_a_side_removed_is_gone_and_the_sides_are_treated_alike(size: int, a: list, b: list) -> None:
    base = [(id_of(name), id_of(name)) for name in LETTERS[:size]]
    ours, theirs = played(base, a, "ours"), played(base, b, "theirs")

    found, mirrored = merge_contexts(base, ours, theirs), merge_contexts(base, theirs, ours)

    old, kept = dict(base), dict(found.entries)
    mine, other = dict(ours), dict(theirs)
    for commit in mine.keys() | other.keys():
        changed = commit not in old or {mine.get(commit, old[commit]), other.get(commit, old[commit])} != {old[commit]}
        assert (commit in kept) == (changed or (commit in mine and commit in other))
    in_conflict = {one.commit for one in found.conflicts}
    assert kept.keys() == dict(mirrored.entries).keys()
    assert all(dict(mirrored.entries)[commit] == blob for commit, blob in kept.items() if commit not in in_conflict)
    assert {turned(one) for one in found.conflicts} == set(map(as_key, mirrored.conflicts))
    for one in found.conflicts:
        assert one.commit in kept
    for choice in ("ours", "theirs"):
        choices = {one.commit: choice for one in found.conflicts}
        once = settle(found, found.conflicts, choices)  # type: ignore[arg-type]
        assert len(dict(once)) == len(once)


def as_key(one: EntryConflict) -> tuple[ConflictKind, tuple[Entry, ...], tuple[Entry, ...]]:
    return one.kind, one.ours, one.theirs


def turned(one: EntryConflict) -> tuple[ConflictKind, tuple[Entry, ...], tuple[Entry, ...]]:
    return one.kind, one.theirs, one.ours
