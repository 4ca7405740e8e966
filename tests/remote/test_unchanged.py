"""A push of all tracts looks at those of which something is new, and asks for no head of the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.making import Words
from tests.remote.places import BASE, REMOTE, new_store
from tract import Priority, RemoteMovedError, Session, Tract
from tract.history.tracts import change_settings
from tract.remote.fetch import fetch
from tract.remote.finding import Asked
from tract.remote.link import Link
from tract.remote.push import PushRequest, PushResult, push
from tract.remote.transport import Transport

NUMBER = 5

in_a_bucket = pytest.mark.skipif(BASE.startswith("file:"), reason="a folder's listing has no versions to tell by")


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = Session.open(tmp_path, durability="process", tokenizer=Words())
    for number in range(NUMBER):
        session.create_tract(f"t{number}").user(f"hello {number}")
    return session


def push_all(session: Session, store: Transport) -> PushResult:
    repo = session.get_tract("t0").repository
    return push(repo, "origin", PushRequest(all_tracts=True), link=Link(repo, REMOTE, store))


def settle(session: Session, store: Transport) -> None:
    push_all(session, store)
    push_all(session, store)


@in_a_bucket
def test_nothing_new_is_one_list_and_every_branch_is_told(session: Session) -> None:
    store = new_store()
    first = push_all(session, store)
    assert [f"t{n}" for n in range(NUMBER)] == sorted(ref.tract for ref in first.refs)
    settle(session, store)
    found = push_all(session, store)
    assert 1 == found.requests
    assert {"up to date"} == {ref.status for ref in found.refs}
    assert [f"t{n}" for n in range(NUMBER)] == sorted(ref.tract for ref in found.refs)


CHANGES: dict[str, Callable[[Tract], object]] = {
    "commit": lambda t: t.user("more"),
    "note": lambda t: t.annotate("HEAD", Priority.PINNED),
    "tag": lambda t: t.tag("v1"),
    "branch": lambda t: t.branch("draft"),
    "settings": lambda t: change_settings(
        t.repository, t.repository.prefix, replace(t.config, max_message_size=10_000)
    ),
}


@in_a_bucket
@pytest.mark.parametrize("name", CHANGES)
def test_what_changed_is_pushed_and_nothing_of_the_others_is_asked_for(session: Session, name: str) -> None:
    store = new_store()
    settle(session, store)
    CHANGES[name](session.get_tract("t3"))
    found = push_all(session, store)
    assert 1 < found.requests <= 6
    there = Link(session.get_tract("t0").repository, REMOTE, store)
    assert there.look("t3", "main") is not None
    assert 2 >= push_all(session, store).requests
    assert 1 == push_all(session, store).requests


def test_what_others_moved_there_is_told_and_not_taken_for_what_was_pushed(session: Session, tmp_path: Path) -> None:
    store = new_store()
    settle(session, store)
    with Tract.open(tmp_path / "other", durability="process", tokenizer=Words()) as other:
        link = Link(other.repository, REMOTE, store)
        fetch(link, other.repository, Asked(["t2"], as_clone=True))
        with Session.open(tmp_path / "other", tokenizer=Words()) as theirs:
            own = theirs.get_tract("t2")
            own.user("from elsewhere")
            push(own.repository, "origin", PushRequest(), link=Link(own.repository, REMOTE, store))
    with pytest.raises(RemoteMovedError):
        push_all(session, store)
