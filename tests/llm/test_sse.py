from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.errors import LLMResponseError
from tract.llm.sse import Event, EventParser


def events_of(*chunks: bytes) -> list[Event]:
    parser = EventParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


STREAM = "\ufeffevent: a\r\ndata: Grüße 👋\r\n\r\n: a comment\n\ndata:x\ndata: \ndata:  y\n\nid: 7\rdata\r\rdata: left open\n"
READ = [Event("a", "Grüße 👋"), Event("", "x\n\n y"), Event("", "")]


def test_events_are_read_by_the_standards_rules():
    assert READ == events_of(STREAM.encode())


@given(st.lists(st.integers(0, len(STREAM.encode())), max_size=12))
def test_events_may_be_cut_anywhere(places):
    cuts = [0, *sorted(places), len(STREAM.encode())]

    assert READ == events_of(*[STREAM.encode()[a:b] for a, b in pairwise(cuts)])


def test_events_may_come_byte_by_byte():
    assert READ == events_of(*[bytes([byte]) for byte in STREAM.encode()])


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=8), min_size=1), st.sampled_from(["\n", "\r", "\r\n"]))  # fmt: skip
def test_what_is_sent_is_what_is_read(lines, end):
    stream = "".join(f"data: {line}{end}" for line in lines) + end

    assert [Event("", "\n".join(lines))] == events_of(stream.encode())


def test_other_characters_that_break_lines_break_none_here():
    assert [Event("", "a\u2028b\x85c\x0bd")] == events_of("data: a\u2028b\x85c\x0bd\n\n".encode())


def test_an_event_that_is_not_utf8_is_an_error():
    with pytest.raises(LLMResponseError, match="not UTF-8"):
        events_of(b"data: \xff\n")
