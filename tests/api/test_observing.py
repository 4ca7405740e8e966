"""What ``on_event`` is told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agents.test_policies import Skip, Wants
from tests.making import make_tract
from tract import Action, Event, Tract
from tract.errors import ContentValidationError, TractWarning
from tract.storage.locks import FileLock


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[tuple[Tract, list[Event]]]:
    events: list[Event] = []
    with make_tract("a", "b", "c", path=tmp_path / "here") as t:
        t.on_event(events.append)
        yield t, events


def told(events: list[Event]) -> list[tuple[str, Any]]:
    return [(one.kind, one.details.get("command") or one.details.get("status")) for one in events]


def test_a_commit_is_told_when_it_is_done(heard: tuple[Tract, list[Event]]) -> None:
    t, events = heard

    made = t.user("secret words")

    (event,) = events
    assert (event.kind, event.path) == ("commit", str(t.path))
    assert event.details == {"command": "commit", "branch": "main", "commit": made.commit_hash}
    assert 0 < event.seconds < 5
    assert "secret" not in repr(event)


def test_a_batch_is_told_once_when_it_lands(heard: tuple[Tract, list[Event]]) -> None:
    t, events = heard

    with t.batch():
        t.user("d")
        t.user("e")
        assert events == []

    assert told(events) == [("commit", "batch")]


def test_proposals_decisions_firings_and_gc_are_told(heard: tuple[Tract, list[Event]]) -> None:
    t, events = heard

    t.propose(Action("compress", {"content": "secret", "keep_recent": 1}))
    t.approve_proposal()
    t.configure_policies([Skip()])
    t.user("bad")
    t.gc()

    assert told(events) == [
        ("proposal", "pending"),
        ("commit", "compress"),
        ("proposal", "executed"),
        ("commit", "commit"),
        ("firing", None),
        ("gc", None),
    ]
    firing = events[-2].details
    assert (firing["policies"], firing["executed"], firing["trigger"]) == (["skip"], 1, "commit")
    assert "secret" not in repr(events)


def test_what_takes_the_place_of_a_proposal_or_makes_it_stale_is_told(heard: tuple[Tract, list[Event]]) -> None:
    t, events = heard
    compress = Wants(Action("compress", {"content": "gist", "keep_recent": 1}))
    edit = Wants(Action("edit", {"target": t.messages()[0].commit_hash, "content": "x"}), name="edits")
    t.configure_policies([compress, edit])
    for _ in range(5):
        t.user("d")

    t.approve_proposal(next(one.id for one in t.proposals() if one.origin == "wants"))

    of_proposals = [(one.details["origin"], one.details["status"]) for one in events if one.kind == "proposal"]
    assert of_proposals == [
        ("wants", "pending"),
        ("edits", "pending"),
        ("wants", "pending"),
        ("wants", "stale"),  # the one before it
        ("edits", "stale"),  # what it is about was summed up
        ("wants", "executed"),
    ]


def test_what_a_store_that_lives_in_a_remote_sends_is_told(tmp_path: Path) -> None:
    events: list[Event] = []
    remote = (tmp_path / "remote").as_uri()
    with make_tract(path=tmp_path / "here", remote=remote, sync="commit") as t:
        t.on_event(events.append)
        t.user("a")
        t.tag("first")
    assert [(one.kind, one.details.get("remote")) for one in events if one.kind == "push"] == [("push", "origin")] * 2


def test_a_push_and_a_fetch_are_told(heard: tuple[Tract, list[Event]], tmp_path: Path) -> None:
    t, events = heard
    t.add_remote("origin", (tmp_path / "remote").as_uri())

    t.push()
    t.fetch()

    assert [one.kind for one in events if one.kind != "commit"] == ["push", "fetch"]
    assert events[0].details["remote"] == "origin"


def test_a_wait_for_a_lock_is_told_when_the_lock_is_free_again(heard: tuple[Tract, list[Event]]) -> None:
    t, events = heard
    lock = FileLock(str(Path(str(t.path)) / "locks" / "test"))
    other = FileLock(lock.path)
    lock.acquire()
    threading.Timer(0.05, lock.release).start()

    other.acquire()
    assert events == []
    other.release()

    (event,) = events
    assert (event.kind, event.details) == ("lock wait", {"lock": "test"})
    assert event.seconds > 0.01


def test_what_a_listener_raises_is_a_warning_and_what_it_does_is_not_told(heard: tuple[Tract, list[Event]]) -> None:
    t, events = heard

    def careless(event: Event) -> None:
        t.tag(f"seen-{len(events)}")
        t.branch(f"seen-{len(events)}")
        raise ZeroDivisionError(event.kind)

    t.on_event(careless)

    with pytest.warns(TractWarning, match="on_event: ZeroDivisionError on the event 'commit'"):
        t.user("d")

    assert len(events) == 1
    assert "seen-1" in t.tags()


def test_nobody_is_told_of_other_stores_nor_after_the_end(heard: tuple[Tract, list[Event]], tmp_path: Path) -> None:
    t, events = heard
    with make_tract("x", path=tmp_path / "other") as other:
        other.user("y")
    assert events == []

    more: list[Event] = []
    end = t.on_event(more.append)
    end()
    t.user("d")
    t.close()
    with make_tract(path=tmp_path / "here") as again:
        again.user("e")

    assert (len(events), more) == (1, [])


def test_stores_in_memory_are_told_apart() -> None:
    one, other = make_tract(), make_tract()
    events: list[Event] = []
    one.on_event(events.append)

    other.user("a")
    one.user("b")

    assert [event.kind for event in events] == ["commit"]


def test_the_log_has_the_same_without_words(caplog: pytest.LogCaptureFixture) -> None:
    t = make_tract()

    with caplog.at_level(logging.DEBUG, "tract"):
        t.user("secret words")
    t.user("quiet")

    (record,) = caplog.records
    assert (record.name, record.levelname) == ("tract.events", "DEBUG")
    assert record.getMessage().startswith("commit in ")
    assert "secret" not in record.getMessage()


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(ContentValidationError, match="on_event takes a function of an event, not a str"):
        make_tract().on_event("print")  # type: ignore[arg-type]
