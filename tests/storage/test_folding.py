"""Folded chunks whose ids follow each other, and commits of common forms: told from all others, and read as what they are."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from tract.objects.model import (
    FIRST_TIME,
    LAST_TIME,
    Commit,
    CommitOperation,
    Node,
    Refs,
    named_by,
    new_commit,
    new_node,
)
from tract.storage.folding import Names, Rows, names_in, ordinals_in, outline_in, rows_in
from tract.storage.pack_writer import fold

OWN = 5000


def folded(ordinals: list[int], level: int = 0) -> bytes:
    """A node of that level, the object OWN of its pack, which names the objects with those ordinals."""
    ids = [ordinal.to_bytes(32, "big") for ordinal in ordinals]
    return fold(new_node(Node(level, tuple(ids))).payload, OWN, lambda id: int.from_bytes(id, "big"))


def entries(commit: int, blob: int, number: int) -> list[int]:
    return [ordinal for at in range(number) for ordinal in (commit + at, blob + at)]


@given(st.integers(0, 9000), st.integers(0, 9000), st.integers(1, 32))
def test_a_chunk_in_rows_is_read_as_its_first_ordinals_or_not_at_all(commit: int, blob: int, number: int) -> None:
    rows = rows_in(folded(entries(commit, blob, number)), OWN)

    assert rows in (None, Rows(commit, blob, number))
    if not {commit, blob} & set(range(OWN - 2 * number, OWN + 1)):
        assert rows is not None


@given(st.integers(4900, 5100), st.integers(300, 9000), st.integers(2, 32), st.data())
def test_a_chunk_with_one_id_from_elsewhere_is_in_no_rows(
    commit: int, blob: int, number: int, data: st.DataObject
) -> None:
    ordinals = entries(commit, blob, number)
    at = data.draw(st.integers(0, 2 * number - 1))
    ordinals[at] += data.draw(st.sampled_from([-300, -2, -1, 1, 2, 300]))

    rows = rows_in(folded(ordinals), OWN)

    assert rows is None or ordinals == entries(rows.commit, rows.blob, number)


def test_what_is_no_chunk_is_in_no_rows() -> None:
    assert rows_in(folded(entries(10, 20, 8), level=1), OWN) is None
    assert rows_in(folded(entries(10, 20, 8)) + b"x", OWN) is None
    assert rows_in(folded(entries(10, 20, 8)[:-1]), OWN) is None
    assert rows_in(folded([]), OWN) is None
    assert rows_in(b"", OWN) is None
    assert rows_in(folded(entries(10, 20, 8))[:-1], OWN) is None


@given(st.binary(max_size=40), st.integers(0, 4))
def test_any_bytes_are_in_rows_only_where_their_ordinals_are(tail: bytes, number: int) -> None:
    data = struct.pack("<H", 2 * number) + tail

    rows = rows_in(data, OWN)

    if rows is not None:
        assert entries(rows.commit, rows.blob, rows.number) == ordinals_in(data, OWN)


def numbered(ordinal: int) -> bytes:
    return ordinal.to_bytes(32, "big")


@st.composite
def commits(draw: st.DrawFn) -> Commit:
    """Commits of all operations, with the ids of objects 0 to 9,000 of the pack, and of some that it does not have."""
    ids = st.integers(0, 9000).map(numbered) if draw(st.booleans()) else st.integers(0, 12_000).map(numbered)
    some = st.none() | ids
    operation = draw(st.sampled_from(list(CommitOperation)))
    return Commit(
        operation=operation,
        parents=tuple(draw(st.lists(ids, min_size=draw(st.integers(0, 1)), max_size=2))),
        content=draw(some),
        target=draw(some),
        tree=draw(some),
        open=tuple(draw(st.lists(st.tuples(ids, ids), max_size=20).map(lambda pairs: [id for pair in pairs for id in pair]))),
        generation=draw(st.integers(1, 2**63 - 1) | st.sampled_from([1, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32])),
        time=draw(st.integers(FIRST_TIME, LAST_TIME) | st.just(1_790_000_000_000_000)),
        author=draw(st.text(max_size=5)),
        message=draw(st.none() | st.text(max_size=5)),
        metadata=draw(st.none() | st.just({"a": 1})),
        refs=Refs(None, (draw(ids), "blob")) if operation is CommitOperation.RECORD and draw(st.booleans()) else None,
    )  # fmt: skip


def folded_commit(commit: Commit) -> bytes:
    def ordinal_of(id: bytes) -> int | None:
        ordinal = int.from_bytes(id, "big")
        return ordinal if ordinal <= 9000 else None

    return fold(new_commit(commit).payload, OWN, ordinal_of)


def named(names: Names) -> list[tuple[bytes, str, str]]:
    return [(numbered(at), *rest) for at, *rest in zip(names.numbers, names.kinds, names.roles, strict=True)]


@given(commits())
def test_what_a_folded_commit_names_is_what_the_commit_names(commit: Commit) -> None:
    names = names_in(folded_commit(commit), OWN)

    if names is not None:
        assert "commit" == names.kind
        assert list(named_by(commit)) == named(names)
        assert list(map(numbered, names.numbers[names.open :])) == list(commit.open)


@given(st.lists(st.integers(0, 9100), min_size=1, max_size=40), st.integers(0, 2))
def test_what_a_folded_chunk_names_is_what_the_node_names(ordinals: list[int], level: int) -> None:
    names = names_in(folded(ordinals, level), OWN)

    assert (names is None) == (level > 0 or len(ordinals) % 2 == 1)
    if names is not None:
        assert "tree" == names.kind
        assert list(named_by(Node(0, tuple(map(numbered, ordinals))))) == named(names)


def test_a_chunk_of_another_sort_is_of_no_common_form() -> None:
    node = new_node(Node(0, (numbered(3), numbered(4)), "records")).payload

    assert names_in(fold(node, OWN, lambda id: int.from_bytes(id, "big")), OWN) is None


@given(commits())
def test_an_outline_of_a_common_form_is_that_of_the_commit(commit: Commit) -> None:
    found = outline_in(folded_commit(commit), OWN)

    if found is not None:
        operation, parent, content, *rest = found
        assert (commit.operation, commit.parents, commit.content) == (operation, (numbered(parent),), numbered(content))
        assert [commit.generation, commit.time] == rest


@given(st.integers(0, 40), st.booleans(), st.sampled_from([1, 128, 300, 70_000]))
def test_what_appends_edits_and_notes_lie_as_is_a_common_form(open_: int, has_tree: bool, generation: int) -> None:
    ids = [numbered(1000 + at) for at in range(2 * open_)]
    appended = Commit(
        operation=CommitOperation.APPEND,
        parents=(numbered(4999),),
        content=numbered(77),
        target=None,
        tree=numbered(8000) if has_tree else None,
        open=tuple(ids),
        generation=generation,
        time=1_790_000_000_000_000,
        author="me",
    )
    for commit in (
        appended,
        appended._replace(operation=CommitOperation.EDIT, target=numbered(12), message="why"),
        appended._replace(operation=CommitOperation.NOTE, target=numbered(12)),
    ):
        expected = commit.operation, 4999, 77, generation, commit.time
        assert expected == outline_in(folded_commit(commit), OWN)
        names = names_in(folded_commit(commit), OWN)
        assert names is not None
        assert list(named_by(commit)) == named(names)


@given(st.binary(max_size=60), st.integers(0, 6), st.integers(0, 60))
def test_any_bytes_have_an_outline_or_none(tail: bytes, number: int, cut: int) -> None:
    for data in (tail, struct.pack("<H", number) + tail):
        outline_in(data, OWN)
        names_in(data, OWN)
    whole = Commit(
        CommitOperation.APPEND, (numbered(1),), numbered(2), None, None, (), 300, 1_790_000_000_000_000, "me"
    )
    outline_in(folded_commit(whole)[:cut], OWN)
    names_in(folded_commit(whole)[:cut], OWN)
