"""Inputs for the always-on sample: random bytes, and seeds with a few things done to them."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from tests.fuzz.structures import restructured
from tests.fuzz.target import Target

_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
INTERESTING = (
    *(
        struct.pack(order + size, number)
        for number in _NUMBERS
        for order in "<>"
        for size in "BHIQ"
        if number < 256 ** struct.calcsize(size)
    ),
    *(
        b"null",
        b"true",
        b"-1",
        b"1e999",
        b"9" * 30,
        b'""',
        b"[]",
        b"{}",
        b"[[",
        b'{"":',
        b"\\ud800",
        b"NaN",
        b"\xed\xa0\x80",
        b"\xff",
    ),
    *(
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x91",
        b"\x81\xa0",
        b"\xd4\x01\x00",
        b"\n",
        b"\0",
        b" ",
        b'"',
        b"../",
    ),
)

_Change = Callable[[bytearray, int, int], None]


def _flip(data: bytearray, at: int, with_: int) -> None:
    if data:
        data[at % len(data)] ^= 1 << with_ % 8


def _set(data: bytearray, at: int, with_: int) -> None:
    if data:
        data[at % len(data)] = with_ % 256


def _cut(data: bytearray, at: int, with_: int) -> None:
    start = at % (len(data) + 1)
    del data[start : start + 1 + with_ % 16]


def _cut_off(data: bytearray, at: int, _: int) -> None:
    del data[at % (len(data) + 1) :]


def _repeat(data: bytearray, at: int, with_: int) -> None:
    start = at % (len(data) + 1)
    data[start:start] = data[start : start + 1 + with_ % 32] * (1 + with_ % 7)


def _insert(data: bytearray, at: int, with_: int) -> None:
    start = at % (len(data) + 1)
    data[start:start] = INTERESTING[with_ % len(INTERESTING)]


def _overwrite(data: bytearray, at: int, with_: int) -> None:
    word = INTERESTING[with_ % len(INTERESTING)]
    start = at % (len(data) + 1)
    data[start : start + len(word)] = word


def _move(data: bytearray, at: int, with_: int) -> None:
    """Splice: a piece of the input stands somewhere else as well."""
    start = at % (len(data) + 1)
    piece = data[start : start + 1 + with_ % 64]
    to = with_ % (len(data) + 1)
    data[to : to + (with_ % 3) * len(piece)] = piece


_CHANGES: tuple[_Change, ...] = (_flip, _set, _cut, _cut_off, _repeat, _insert, _overwrite, _move)


def mutated(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of *seeds* with up to five changes."""
    change = st.tuples(st.integers(0, len(_CHANGES) - 1), st.integers(0, 65535), st.integers(0, 65535))

    def apply(drawn: tuple[bytes, list[tuple[int, int, int]]]) -> bytes:
        data = bytearray(drawn[0])
        for which, at, with_ in drawn[1]:
            _CHANGES[which](data, at, with_)
        return bytes(data)

    return st.tuples(st.sampled_from(list(seeds)), st.lists(change, min_size=1, max_size=5)).map(apply)


def hostile(target: Target) -> st.SearchStrategy[bytes]:
    """Mostly changed seeds, and now and then bytes of no kind at all."""
    seeds = target.seeds()
    changed, form = mutated(seeds), target.form
    if form is None:
        return st.one_of(changed, changed, changed, st.binary(max_size=200))

    def restructure(drawn: tuple[bytes, int]) -> bytes:
        made = restructured(drawn[0], form, random.Random(drawn[1]))
        return drawn[0] if made is None else made

    of_shape = st.tuples(st.sampled_from(list(seeds)), st.integers(0, 2**32)).map(restructure)
    return st.one_of(of_shape, of_shape, changed, st.binary(max_size=200))
