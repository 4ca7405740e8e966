"""Folded chunks whose ids follow each other: told from all others, and read as what they are."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from tract.objects.model import Node, new_node
from tract.storage.folding import Rows, ordinals_in, rows_in
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
