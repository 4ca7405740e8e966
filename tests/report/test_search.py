"""Searching the messages of every tract."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.making import call
from tract import ContentValidationError, SearchHit, Session, SessionError, Tract


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session.open(":memory:")
    root = session.get_tract("root")
    root.user("The refund takes 60 days.")
    root.commit(call("a"))
    root.commit({"role": "assistant", "content": [{"type": "text", "text": "Sixty.\nA refund, then another refund."}]}, timestamp=datetime(2026, 3, 1, tzinfo=UTC))  # fmt: skip
    root.branch("side")
    helper = session.create_tract("a helper")
    helper.assistant("REFUND policy")
    helper.assistant("nothing")
    yield session
    session.close()


def found(session: Session, text: str, **options: Any) -> list[tuple[str, str]]:
    return [(hit.tract_id, hit.text.split("\n")[0]) for hit in session.search(text, **options)]


ROOT = [("root", "Sixty."), ("root", "The refund takes 60 days.")]


def test_messages_of_every_tract_are_found_the_newest_first(session: Session) -> None:
    assert [*ROOT, ("a helper", "REFUND policy")] == found(session, "refund")


@pytest.mark.parametrize(
    ("text", "options", "hits"),
    [
        ("refund", {"case": True}, ROOT),
        ("refund", {"tract": "a helper"}, [("a helper", "REFUND policy")]),
        ("refund", {"limit": 1}, ROOT[:1]),
        ("refund", {"role": "user"}, ROOT[1:]),
        ("refund", {"since": datetime(2026, 4, 1, tzinfo=UTC)}, [ROOT[1], ("a helper", "REFUND policy")]),
        ("re.*nd$", {"regex": True}, []),
        (r"refund\.$", {"regex": True}, ROOT[:1]),
        ("re.und", {}, []),
        ("days. ", {}, []),
        ("", {"tool": "f"}, [("root", "f({})")]),
        ("", {"tool": "g"}, []),
    ],
)
def test_a_search_is_narrowed(
    session: Session, text: str, options: dict[str, Any], hits: list[tuple[str, str]]
) -> None:
    assert hits == found(session, text, **options)


def test_a_hit_says_where_it_is_and_what_matched(session: Session) -> None:
    hit = session.search("a refund")[0]

    assert isinstance(hit, SearchHit)
    assert "A refund" == hit.text[slice(*hit.matches[0])]
    assert 1 == len(hit.matches)
    assert hit.text == session.get_tract("root").get_content(hit.commit_hash).message["content"][0]["text"]
    assert "root::" in repr(hit)


def test_what_was_edited_and_what_is_hidden_is_found_too(session: Session) -> None:
    t = session.get_tract("root")
    first = t.user("an old wording")
    t.edit(first.commit_hash, "a new wording")
    t.annotate(first.commit_hash, "skip")

    assert ["a new wording", "an old wording"] == [hit.text for hit in session.search("wording")]


def test_words_of_any_language_are_found_whatever_their_case(session: Session) -> None:
    t = session.get_tract("root")
    t.user("Straße nach ÄHRENFELD, 日本語")

    assert 1 == len(session.search("ährenfeld")) == len(session.search("日本")) == len(session.search("straße nach"))
    assert [] == session.search("ährenfeld", case=True)


def test_what_makes_no_sense_is_refused(session: Session) -> None:
    with pytest.raises(ContentValidationError, match="is no regular expression"):
        session.search("(", regex=True)
    with pytest.raises(ContentValidationError, match="limit must be"):
        session.search("x", limit=-1)
    with pytest.raises(SessionError, match="there is no tract named 'nobody'"):
        session.search("x", tract="nobody")


def test_a_store_on_disk_is_searched_after_it_was_packed(tmp_path: Any) -> None:
    with Tract.open(tmp_path) as t:
        t.extend([{"role": "user", "content": f"message {n} of many"} for n in range(600)])
        t.gc()
    with Session.open(tmp_path) as session:
        assert ["message 42 of many"] == [hit.text for hit in session.search("message 42 ")]


SAID = (
    "a needle, x(y) and days 60",
    "Hello\nthere, colour 41bc",
    "HELLO color abab",
    "refunds: 12-34",
    "été, naïve",
    " ",
)
PATTERNS = (
    "n[e]+dle", "refund(s|ed)?:", "hello|needle", "colou?r", "(ab){2}", r"\bdays\b", "(?i)hello", "(?x) n e e d l e", r"\x34\x31bc",
    r"x\(y", "^there", "ab*a", "[^]]ello", "é+té", r"\d{2}-\d", "(refund|zzz)s", "a{0}needle", "zzz", "", "days? 60$", "(?P<x>nai|naï)ve",
)  # fmt: skip


@pytest.mark.parametrize("case", [False, True])
def test_whatever_is_tried_first_a_regular_expression_finds_what_it_matches(tmp_path: Path, case: bool) -> None:
    with Tract.open(tmp_path) as t:
        for text in SAID:
            t.commit({"role": "user", "content": text})
        t.gc()  # what lies in a pack is tried many at once
        t.user("another needle, in the journal")

    with Session.open(tmp_path) as session:
        for pattern in PATTERNS:
            wanted = re.compile(pattern, re.MULTILINE | (0 if case else re.IGNORECASE))
            expected = [text for text in [*SAID, "another needle, in the journal"][::-1] if wanted.search(text)]
            assert expected == [hit.text for hit in session.search(pattern, regex=True, case=case)], pattern


def test_what_nobody_reaches_is_not_found_though_the_store_has_it(tmp_path: Path) -> None:
    with Tract.open(tmp_path) as t:
        t.user("kept")
        t.user("given up, the needle")
        t.gc()
        t.reset("HEAD~1")

    with Session.open(tmp_path) as session:
        assert [] == session.search("needle")
