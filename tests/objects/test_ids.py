"""Packed ids: a list of ids in every way that it is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.objects.ids import Ids, join_ids


@given(st.integers(0, 600), st.slices(600))
def test_packed_ids_are_read_like_the_list_of_them(number: int, part: slice) -> None:
    ids = [n.to_bytes(32, "big") for n in range(number)]

    packed = Ids(b"".join(ids))

    assert (number, ids) == (len(packed), list(packed))
    assert ids[part] == list(packed[part])
    assert join_ids(ids[part]) == join_ids(packed[part])


def test_packed_ids_are_found_from_both_ends_and_no_further() -> None:
    packed = Ids(b"a" * 32 + b"b" * 32)

    assert (b"a" * 32, b"b" * 32) == (packed[-2], packed[1])
    for at in (2, -3):
        with pytest.raises(IndexError):
            packed[at]
