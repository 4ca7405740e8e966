"""Searching the messages of every tract."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from tests.making import call
from tract import ContentValidationError, SearchHit, Session, SessionError, Tract, TractError
from tract.history.context import context_at, entries
from tract.history.tracts import in_tract, tract_times
from tract.history.walk import ancestors
from tract.messages import message_text
from tract.messages.message import message_in
from tract.objects.id import ObjectId
from tract.objects.strict_reader import read_blob
from tract.refs.names import HEADS, SPAWN_REF, tract_name
from tract.repo import Repository
from tract.report.search_words import test_for_pattern as a_test_for_pattern


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


def test_a_word_behind_an_escape_in_a_call_is_found_whatever_its_case(session: Session) -> None:
    function = {"name": "write", "arguments": {"text": "a\nline\tword"}}
    made = {"id": "w", "type": "function", "function": function}
    session.get_tract("root").commit({"role": "assistant", "content": None, "tool_calls": [made]})

    shown = 'write({"text":"a\\nline\\tword"})'
    for text in ("Nline", "\\NLINE", "\\nline\\Tword"):
        assert found(session, text) == [("root", shown)]


def test_what_makes_no_sense_is_refused(session: Session) -> None:
    with pytest.raises(ContentValidationError, match="is not a regular expression"):
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


KINDS: tuple[dict[str, Any], ...] = (
    {"role": "user", "content": "the order 4711 took 60 days, née Łoś ﬂ 日本語 Straße"},
    {"role": "tool", "tool_call_id": "c1", "content": 'as text: {"n": 12, "ok": true}\nnothing'},
    {"content_type": "dialogue", "role": "assistant", "text": "nothing\tto report: \\n 1e5"},
    {"content_type": "freeform", "payload": {"count": 12345, "none": None, "ok": True, "pi": 3.25, "t": "a\nbell\u0007\"q\" é"}},
    {"content_type": "tool_io", "tool_name": "zip_all", "direction": "call", "payload": {"n": 77777, "deep": [{"x": False}, 1e22]}},
    {"content_type": "tool_io", "tool_name": "zip_all", "direction": "result", "payload": {"n": -8}, "status": "error"},
    {"content_type": "reasoning", "text": "let me see"},
    {"content_type": "session", "session_type": "start", "summary": "begun", "decisions": ["one"], "failed_approaches": ["two"], "next_steps": ["three"]},
    {"content_type": "artifact", "artifact_type": "code", "content": "x = `1`", "language": "python"},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "g", "arguments": '{"q":"line\\nneedle","n":5}'}}]},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "x1", "name": "fetch", "input": {"limit": 98765, "q": "tab\there\nnext", "on": False}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x1", "is_error": True, "content": [{"type": "text", "text": "boom"}]}]},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "a thought", "signature": "s"}, {"type": "text", "text": "said"}]},
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.example/cat.png"}}, {"type": "text", "text": "look"}]},
    {"role": "user", "content": [{"type": "document", "source": {"type": "url", "url": "https://x.example/a.pdf"}}]},
    {"type": "function_call", "call_id": "r1", "name": "find", "arguments": '{"n": 31}'},
    {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "in short"}]},
)  # fmt: skip


def test_a_search_finds_what_a_look_at_every_message_finds(tmp_path: Path) -> None:
    chance = random.Random(7)
    with Tract.open(tmp_path) as t:
        for kind in KINDS[:12]:
            t.commit(kind)
        t.gc()
        for kind in KINDS[12:]:
            t.commit(kind)

    with Session.open(tmp_path) as session:
        every = session.search("")
        assert len(KINDS) == len(every)
        for _ in range(1500):
            text = chance.choice(every).text
            start = chance.randrange(len(text))
            word = text[start : start + chance.randint(1, 9)]
            for case in (True, False):
                pattern = re.compile(re.escape(word), 0 if case else re.IGNORECASE)
                expected = [hit.commit_hash for hit in every if pattern.search(hit.text)]
                assert expected == [hit.commit_hash for hit in session.search(word, case=case)], word
        for tool in ("zip_all", "fetch", "g", "find", "nobody"):
            expected = [hit.commit_hash for hit in every if hit.text.startswith(f"{tool}(")]
            assert expected == [hit.commit_hash for hit in session.search("", tool=tool)]


TRICKY = (
    r"\A\w", r"\w\Z", "^a", "o$", "(?s)a.*o", r"[^z]\s[^z]", r"(\w)\1", r"(?<!\w)\d{2}", r"\d(?!\d)", r"\d{2,}", r"[A-Z]{3}", r"\Ba\B", r"\S{9}",
    "(?-i:T)", "^$", r"\A\Z", r"[\x00-\x1f]", r"\\n", r'"\w+":', "[\u0130-\u017f\u212a]", "(?a:\\w+é)", r"\w*[^\W\d_a-z]", r"content|openai", "a|", r"^\d+$",
)  # fmt: skip
TEXTS = ("", "a", "o", "a\no", "12", "3\n45", "ABC", "Kk ſs İi", "content", "\x83\xaccontent_type", "\\n", "\x00", "x" * 31, "x" * 32, "7" * 255, "é" * 128, "-" * 66000, "-")  # fmt: skip


@pytest.mark.parametrize("case", [False, True])
def test_a_regular_expression_finds_what_a_look_at_every_message_finds(tmp_path: Path, case: bool) -> None:
    roles = ("user", "assistant", "system", "developer")
    said = [
        *KINDS,
        *({"role": roles[n % 4], "content": text} for n, text in enumerate(TEXTS)),
        *({"content_type": "dialogue", "role": roles[n % 3], "text": text} for n, text in enumerate(TEXTS)),
        {"content": "the other way around 55", "role": "user"},
        {"role": "user", "content": "named 66", "name": "ann"},
    ]
    with Tract.open(tmp_path) as t:
        for kind in said[::2]:
            t.commit(kind)
        t.gc()
        for kind in said[1::2]:
            t.commit(kind)

    with Session.open(tmp_path) as session:
        every = session.search("")
        assert len(said) == len(every)
        for text in (*TRICKY, *PATTERNS):
            pattern = re.compile(text, re.MULTILINE | (0 if case else re.IGNORECASE))
            expected = [hit.commit_hash for hit in every if pattern.search(hit.text)]
            assert expected == [hit.commit_hash for hit in session.search(text, regex=True, case=case)], text


def test_a_regular_expression_is_tried_on_the_text_before_a_message_is_read(tmp_path: Path) -> None:
    test = a_test_for_pattern(re.compile(r"\d{3}-\d{4}"), None)
    with Tract.open(tmp_path) as t:
        t.user("call 555-123")
        wanted = t.user("call 555-1234")
        t.gc()

        assert {
            t.repository.commit(ObjectId(bytes.fromhex(wanted.commit_hash))).content
        } == t.repository.objects.holding(test)


def looked_through(session: Session) -> list[tuple[str, str, str]]:
    """Tract, commit and text of every message, found by walking all there is."""
    root = session.get_tract("root").repository
    found: dict[str, tuple[str, str, str]] = {}

    def take(repo: Repository, id: bytes, content: bytes) -> None:
        text = message_text(message_in(read_blob(content, repo.objects.read(content))))
        found.setdefault(id.hex(), (repo.tract, id.hex(), text))

    repos = [in_tract(root, tract_name(prefix)) for prefix in tract_times(root)]
    histories = [
        list(ancestors(repo, [tip for _, tip in repo.local_refs(HEADS) if isinstance(tip, bytes)])) for repo in repos
    ]
    for repo, history in zip(repos, histories, strict=True):
        for id, commit in history:
            if commit.content is not None and commit.operation not in ("note", "record"):
                take(repo, id, commit.content)
    for repo, history in zip(repos, histories, strict=True):
        spawn = repo.ref(SPAWN_REF)
        cuts = [id for id, _ in history if id in repo.shallow.cuts and repo.shallow.cuts[id].grade == "parents"]
        for id in [*cuts, *([spawn] if isinstance(spawn, bytes) else [])]:
            for message, content in entries(repo, context_at(repo, id)):
                take(repo, message, content)
    return list(found.values())


WORDS = ("apple", "pear", "plum")


def act(t: Tract, tracts: list[Tract], chance: random.Random) -> None:
    """Do something to a tract that changes what is found in it."""
    here = t.log(limit=1)[0]
    match chance.randrange(12):
        case 0:
            t.edit(here, say(chance))
        case 1:
            t.branch(f"b{chance.randrange(10**6)}")
        case 2:
            t.switch(chance.choice([branch.name for branch in t.list_branches()]))
        case 3:
            t.merge(chance.choice([branch.name for branch in t.list_branches()]))
        case 4:
            t.compress(content="plum", keep_recent=1, force=True)
        case 5 if len(tracts) < 4:
            tracts.append(t.spawn("look", name=f"x{len(tracts)}"))
        case 6:
            t.annotate(here, chance.choice(["pinned", "skip"]))
        case 7:
            t.gc(archive_retention_days=chance.choice([0, None]))
        case _:
            t.user(say(chance))


def say(chance: random.Random) -> str:
    return f"{chance.choice(WORDS)} {chance.randrange(10**6)}"


@pytest.mark.parametrize("seed", range(6))
def test_a_search_goes_through_every_history_there_is(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    session = Session.open(tmp_path)
    tracts = [session.get_tract("root")]
    tracts[0].user(say(chance))
    for _ in range(90):
        t = chance.choice(tracts)
        with suppress(TractError):  # what cannot be done where HEAD is
            act(t, tracts, chance)

    expected = looked_through(session)
    assert len(expected) > 20
    for text in (*WORDS, "", "pl", "a"):
        wanted = [one for one in expected if text in one[2]]
        hits = [(hit.tract_id, hit.commit_hash, hit.text) for hit in session.search(text)]
        assert sorted(wanted) == sorted(hits)
        assert [one for one, _ in groupby(wanted, key=itemgetter(0))] == [
            one for one, _ in groupby(hits, key=itemgetter(0))
        ]
        assert hits[:7] == [(hit.tract_id, hit.commit_hash, hit.text) for hit in session.search(text, limit=7)]
    session.close()
