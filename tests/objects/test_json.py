"""The one reader of JSON: what a text says, and what of it a payload can keep."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tract.objects.json import NotJsonError, TooDeepError, compact_json, parse_json, parse_kept_json


def test_what_json_says_is_read_as_it_stands() -> None:
    text = '{"b":[1,-2.5,null,true],"a":"é"}'

    assert ["b", "a"] == list(parse_json(text))
    assert text == compact_json(parse_json(text)) == compact_json(parse_kept_json(text.encode()))
    assert {} == parse_json(b"\xef\xbb\xbf{}")


@pytest.mark.parametrize("read", [parse_json, parse_kept_json])
@pytest.mark.parametrize("text", ["", "{", "[1,]", "NaN", "-Infinity", b"\xff", "01", "'a'", "[]]"])
def test_what_is_no_json_is_refused(read: Callable[[str | bytes], Any], text: str | bytes) -> None:
    with pytest.raises(NotJsonError):
        read(text)


def test_a_refusal_says_where() -> None:
    with pytest.raises(NotJsonError, match="expecting value at line 2 column 4"):
        parse_json('{\n"":,}')


@pytest.mark.parametrize("read", [parse_json, parse_kept_json])
@pytest.mark.parametrize("text", ['{"a":1}', ' {"a":1}', '{"a":1} \r\n\t', '\n{"a":{}}\n'])
def test_white_space_around_a_text_means_nothing(read: Callable[[str], Any], text: str) -> None:
    assert json.loads(text) == read(text)


@pytest.mark.parametrize(
    ("text", "place"), [('{"a":1}x', 8), ('{"a":1} {}', 9), ('{"a":1}\u00a0', 8), ('{"a":1}\x0c', 8)]
)
def test_what_stands_behind_a_text_is_refused_with_its_place(text: str, place: int) -> None:
    with pytest.raises(NotJsonError, match=f"extra data at line 1 column {place}$"):
        parse_kept_json(text)


@pytest.mark.parametrize("read", [parse_json, parse_kept_json])
def test_bottomless_nesting_is_refused(read: Callable[[str], Any]) -> None:
    with pytest.raises(TooDeepError):
        read("[" * 100_000)


def test_of_what_a_payload_cannot_keep_a_lenient_reader_takes_what_python_can_say() -> None:
    assert {"a": 2**70, "b": 3} == parse_json(f'{{"a":{2**70},"b":2,"b":3}}')


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"b":2,"b":3}', "the key 'b' twice in one object"),
        (f"{2**64}", "an integer of more than 64 bits"),
        (f"-{2**63 + 1}", "an integer of more than 64 bits"),
        ("1" * 5000, "an integer of more than 64 bits"),
        ("1e999", "a number too large for a float"),
        ("NaN", "NaN is not a JSON number"),
    ],
)
def test_what_a_payload_cannot_keep_is_refused_or_replaced(text: str, reason: str) -> None:
    with pytest.raises(NotJsonError, match=reason):
        parse_kept_json(text)

    assert [f"<{reason}>"] == parse_kept_json(f"[{text}]", lambda reason, _: f"<{reason}>")
