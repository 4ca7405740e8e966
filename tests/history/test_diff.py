"""What differs between two lists of messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract import Tract
from tract.history.context import context_at, entries
from tract.history.diff import MessageChange, changes_of, compare_contexts, compare_rows, longest_rising
from tract.objects.model import NewObject, new_blob
from tract.opening import memory_repository
from tract.tree import build_context


def rows(text: str) -> list[tuple[bytes, str]]:
    """A message a letter: ``a`` and ``A`` are one message with two contents."""
    return [(letter.lower().encode(), letter) for letter in text]


def told(before: str, after: str) -> list[str]:
    marks = {"added": "+", "removed": "-", "changed": "!", "moved": ">"}
    return [marks[c.kind] + (c.after or c.before or "") + (">" if c.moved and c.kind == "changed" else "") for c in compare_rows(rows(before), rows(after))]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("", "", []),
        ("abc", "abc", []),
        ("", "ab", ["+a", "+b"]),
        ("ab", "", ["-a", "-b"]),
        ("abc", "aBc", ["!B"]),
        ("abcde", "aBdcf", ["!B", "-e", ">c", "+f"]),
        ("abc", "axyc", ["-b", "+x", "+y"]),
        ("abcd", "dabc", [">d"]),
        ("abcd", "Dabc", ["!D>"]),
        ("abc", "cba", [">b", ">a"]),
        ("ab", "cd", ["-a", "-b", "+c", "+d"]),
    ],
)
def test_each_message_that_differs_is_told_once(before, after, changes):
    assert sorted(changes) == sorted(told(before, after))


def test_what_went_stands_before_what_took_its_place():
    assert ["-b", "+x", "-d", "+y"] == told("abcd", "axcy")


def test_places_count_from_the_start_of_each_list():
    assert (
        MessageChange(b"b", "b", None, 1, None),
        MessageChange(b"x", None, "x", None, 1),
        MessageChange(b"d", "d", "D", 3, 3),
    ) == compare_rows(rows("abcde"), rows("axcDe"))


@given(st.permutations(range(12)))
def test_the_longest_rising_run_rises_and_none_is_longer(numbers):
    found = longest_rising(numbers)
    lengths: list[int] = []
    for at, number in enumerate(numbers):
        lengths.append(1 + max((lengths[k] for k in range(at) if numbers[k] < number), default=0))

    assert sorted(found) == found
    assert max(lengths) == len(found)
    positions = [numbers.index(number) for number in found]
    assert sorted(positions) == positions


contexts = st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=8, unique_by=lambda row: row[0])


@given(contexts, contexts)
def test_the_changes_lead_from_one_list_to_the_other(before, after):
    changes = compare_rows(before, after)

    left = [row for at, row in enumerate(before) if at not in {c.place_before for c in changes}]
    taken = {c.place_after: (c.commit, c.after) for c in changes if c.place_after is not None}
    rebuilt = [taken[at] if at in taken else left.pop(0) for at in range(len(after))]
    assert (after, []) == (rebuilt, left)


def test_contexts_that_share_their_chunks_are_compared_as_the_lists_are():
    with Tract.open(":memory:") as t:
        for n in range(120):
            t.user(str(n))
        repo = t.repository
        old = context_at(repo, repo.head()[1])
        t.edit("HEAD~119", "first")
        t.edit("HEAD~3", "later")
        t.user("new")
        tip = repo.head()[1]
        new = context_at(repo, tip)

        assert compare_rows(entries(repo, old), entries(repo, new)) == compare_contexts(repo, old, new)
        assert [("changed", 0, 0), ("changed", 117, 117), ("added", None, 120)] == [
            (c.kind, c.place_before, c.place_after) for c in compare_contexts(repo, old, new)
        ]
        (own,) = changes_of(repo, tip, repo.commit(tip))
        assert (tip, None, 120) == (own.commit, own.place_before, own.place_after)


@given(st.randoms(use_true_random=False))
def test_contexts_are_compared_as_the_lists_are_wherever_messages_went(chance):
    repo = memory_repository()
    texts = [new_blob({"text": n}) for n in range(101)]
    repo.objects.write_many(texts)
    rows = [(bytes([n]) * 32, texts[n].id) for n in range(100)]
    other = [row if chance.random() > 0.05 else (row[0], texts[100].id) for row in rows if chance.random() > 0.05]
    for _ in range(chance.randrange(3)):
        other.insert(chance.randrange(len(other)), other.pop(chance.randrange(len(other))))
    new: list[NewObject] = []
    before, after = build_context(repo, rows, new), build_context(repo, other, new)

    assert set(compare_rows(rows, other)) == set(compare_contexts(repo, before, after))


def test_the_order_of_keys_is_no_difference():
    with Tract.open(":memory:") as t:
        moved = t.commit({"role": "user", "content": "a", "name": "ada"}).commit_hash
        t.user("b")
        t.edit(moved, {"name": "ada", "content": "a", "role": "user"})
        assert not t.diff("HEAD~1", "HEAD")

        t.edit(moved, {"name": "bob", "content": "a", "role": "user"})
        assert ["changed"] == [diff.kind for diff in t.diff("HEAD~1", "HEAD").message_diffs]


def test_a_root_is_compared_with_nothing():
    with Tract.open(":memory:") as t:
        t.user("a")
        repo = t.repository
        tip = repo.head()[1]
        assert ["added"] == [c.kind for c in changes_of(repo, tip, repo.commit(tip))]
    assert () == compare_contexts(memory_repository(), context_at(repo, None), context_at(repo, None))
