"""The codec: one value has one encoding, and the decoder takes no other."""

from __future__ import annotations

import struct
from enum import IntEnum, StrEnum
from typing import Any

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tract.errors import ContentValidationError
from tract.objects.codec import MAX_DEPTH, decode, encode, pack, unpack

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
NUMBER = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
SCALAR = st.none() | st.booleans() | NUMBER | TEXT | st.binary(max_size=40)
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=20) | st.dictionaries(TEXT, inner, max_size=20), max_leaves=30
)


class Color(StrEnum):
    RED = "red"


class Size(IntEnum):
    BIG = 3


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@given(VALUE)
def test_what_is_encoded_decodes_to_the_same_value(value: Any) -> None:
    data = encode(value)

    assert value == decode(data)
    assert data == encode(decode(data))


@given(VALUE, st.integers(min_value=0), st.integers(1, 255))
def test_a_changed_encoding_is_refused_or_is_another_value(value: Any, at: int, change: int) -> None:
    data = bytearray(encode(value))
    data[at % len(data)] ^= change

    try:
        other = decode(bytes(data))
    except ValueError:
        return

    assert bytes(data) == encode(other)


@given(st.binary(max_size=200))
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\xc6\xff\xff\xff\xff")
@example(b"\xdf\xff\xff\xff\xff")
@example(b"\x91" * 10_000)
@example(b"\x81\xa1a" * 10_000 + b"\xc0")
@settings(max_examples=500)
def test_random_bytes_decode_canonically_or_raise_value_error(data: bytes) -> None:
    try:
        value = decode(data)
    except ValueError:
        return

    assert data == encode(value)


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (
            {"b": 1, "a": 2, "é": 3, "😀": 4, "": 5},
            b"\x85\xa1b\x01\xa1a\x02\xa2\xc3\xa9\x03\xa4\xf0\x9f\x98\x80\x04\xa0\x05",
        ),
        ([127, 128, 255, 256, 65535, 65536], b"\x96\x7f\xcc\x80\xcc\xff\xcd\x01\x00\xcd\xff\xff\xce\x00\x01\x00\x00"),
        ([2**32 - 1, 2**32], b"\x92\xce\xff\xff\xff\xff\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
        ([-1, -32, -33, -128, -129], b"\x95\xff\xe0\xd0\xdf\xd0\x80\xd1\xff\x7f"),
        (2**64 - 1, b"\xcf" + b"\xff" * 8),
        (-(2**63), b"\xd3\x80" + bytes(7)),
        (1.5, b"\xcb" + struct.pack(">d", 1.5)),
        (-0.0, b"\xcb\x80" + bytes(7)),
        ("a" * 32, b"\xd9\x20" + b"a" * 32),
        (b"", b"\xc4\x00"),
        ([None, True, False], b"\x93\xc0\xc3\xc2"),
    ],
)
def test_encodings_are_shortest_and_keep_the_order_of_keys(value: Any, data: bytes) -> None:
    assert data == encode(value)
    assert value == decode(data)


@given(st.lists(TEXT, unique=True, max_size=12))
def test_the_order_of_keys_is_part_of_the_value(keys: list[str]) -> None:
    assert keys == list(decode(encode(dict.fromkeys(keys))))
    assert (keys == keys[::-1]) == (encode(dict.fromkeys(keys)) == encode(dict.fromkeys(reversed(keys))))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x01\x01", id="trailing bytes"),
        pytest.param(b"\xc1", id="the unused byte"),
        pytest.param(b"\x82\xa1a\x01\xa1a\x01", id="duplicate key"),
        pytest.param(b"\xcc\x01", id="non-minimal integer"),
        pytest.param(b"\xd0\x01", id="positive number in a signed form"),
        pytest.param(b"\xd1\xff\xff", id="non-minimal negative integer"),
        pytest.param(b"\xd9\x01a", id="non-minimal text length"),
        pytest.param(b"\xc5\x00\x01a", id="non-minimal bytes length"),
        pytest.param(b"\xdc\x00\x01\x01", id="non-minimal list length"),
        pytest.param(b"\xde\x00\x00", id="non-minimal map length"),
        pytest.param(b"\xca\x3f\xc0\x00\x00", id="a float of 32 bits"),
        pytest.param(b"\xcb\x7f\xf8" + bytes(6), id="not a number"),
        pytest.param(b"\xcb\x7f\xf0" + bytes(6), id="infinity"),
        pytest.param(b"\xd4\x01\x00", id="extension"),
        pytest.param(b"\xd6\xff\x00\x00\x00\x00", id="timestamp"),
        pytest.param(b"\xd6\xff\x00\x00", id="half a timestamp"),
        pytest.param(b"\x81\x01\x02", id="a key that is a number"),
        pytest.param(b"\x81\xc4\x01a\x02", id="a key that is bytes"),
        pytest.param(b"\xa1\xff", id="text that is not UTF-8"),
        pytest.param(b"\xa3\xed\xa0\x80", id="a surrogate in UTF-8"),
        pytest.param(b"\x91" * (MAX_DEPTH + 1) + b"\xc0", id="too deep"),
    ],
)
def test_other_encodings_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(data)


@pytest.mark.parametrize(
    ("value", "place", "problem"),
    [
        ({"a": [0, float("nan")]}, "a[1]", "not a number JSON has"),
        ({"a": {"b": float("inf")}}, "a.b", "not a number JSON has"),
        ([2**64], "[0]", "does not fit in 64 bits"),
        ({"n": -(2**63) - 1}, "n", "does not fit in 64 bits"),
        ({"a": ["ok", "x\ud800"]}, "a[1]", r"lone surrogate (U+D800) at character 1"),
        ({"a": {1: 2}}, "a", "a key that is not a text: 1"),
        ({"a": {b"k": 2}}, "a", "a key that is not a text"),
        ({"a": [{1, 2}]}, "a[0]", "an object of type set is not JSON"),
        ({"a": object()}, "a", "an object of type object is not JSON"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_place(value: Any, place: str, problem: str) -> None:
    with pytest.raises(ContentValidationError) as caught:
        encode(value)

    assert f" at {place}: " in str(caught.value)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["\udcff", {"\ud800": 1}, [{"a": {"k\udfff": 1}}]])
def test_lone_surrogates_are_refused_by_every_encoder(value: Any) -> None:
    for function in (encode, pack):
        with pytest.raises(ContentValidationError, match="surrogate"):
            function(value)


def test_nesting_up_to_the_limit_is_kept_and_one_more_is_refused() -> None:
    assert nested(MAX_DEPTH) == decode(encode(nested(MAX_DEPTH)))
    for depth in (MAX_DEPTH + 1, 10_000):
        with pytest.raises(ContentValidationError, match="nested deeper than 128 levels"):
            encode(nested(depth))


def test_a_value_inside_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)

    with pytest.raises(ContentValidationError, match="nested deeper"):
        encode(value)


def test_subclasses_of_json_types_are_kept_as_the_plain_type() -> None:
    assert encode({"a": "red", "b": 3, "c": [1]}) == encode({"a": Color.RED, "b": Size.BIG, "c": (1,)})
    assert str is type(decode(encode(Color.RED)))


def test_true_and_one_are_different_values() -> None:
    assert encode(True) != encode(1) != encode(1.0)


@given(st.binary(max_size=100))
def test_the_trusting_decoder_raises_only_value_error(data: bytes) -> None:
    try:
        unpack(data)
    except ValueError:
        return


def test_the_trusting_decoder_refuses_deep_nesting_and_extensions() -> None:
    for data in (b"\x91" * 100_000, msgpack.packb(msgpack.ExtType(5, b"x"))):
        with pytest.raises(ValueError):
            unpack(data)
