"""Many writers on one branch: who loses leaves an intent, and whoever swaps next carries all that waits, each exactly once."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.making import make_tract, texts
from tests.remote.lying import Dying, Lying
from tests.remote.places import REMOTE, living, new_store, there
from tract import Tract
from tract.config import TractConfig
from tract.errors import ObjectCorruptError
from tract.history.commit import Draft
from tract.remote.intents import Wish, decode_intent, encode_intent, intents_start
from tract.remote.link import Link
from tract.remote.sync import Sync
from tract.remote.transport import Transport
from tract.remote.verify import verify_remote


def writing(path: Path, store: Transport, author: str = "ann") -> Tract:
    return living(path, store, config=TractConfig(author=author))


def say(text: str) -> Draft:
    return Draft({"content_type": "dialogue", "role": "user", "text": text}, config={"text": text})


def waiting(store: Transport) -> int:
    return len(list(store.list(intents_start("root", "main"))))


def run(count: int, each: int, tmp_path: Path, wrap: object = lambda store, _: store) -> Transport:
    store = new_store()
    failed: list[BaseException] = []

    def write(number: int) -> None:
        try:
            with writing(tmp_path / f"{number}", wrap(store, number), f"a{number}") as t:  # type: ignore[operator]
                for at in range(each):
                    made = t.user(f"{number}-{at}", generation_config={"n": at})
                    assert f"{number}-{at}" == t.get_content(made).text
                    assert {"n": at} == made.generation_config
        except BaseException as exc:  # noqa: BLE001  # told to the test
            failed.append(exc)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(count)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [] == failed, [repr(e)[:200] for e in failed]
    return store


@pytest.mark.parametrize(("count", "each"), [(6, 5), pytest.param(24, 20, marks=pytest.mark.slow)])
def test_every_commit_of_many_writers_lands_once_and_in_the_order_of_its_writer(
    tmp_path: Path, count: int, each: int
) -> None:
    store = run(count, each, tmp_path)

    said = texts(there(store))
    assert Counter(f"{n}-{at}" for n in range(count) for at in range(each)) == Counter(said)
    for number in range(count):
        assert [f"{number}-{at}" for at in range(each)] == [one for one in said if one.startswith(f"{number}-")]
    assert 0 == waiting(store)
    assert verify_remote(Link(make_tract().repository, REMOTE, store)).is_clean


def test_nothing_lands_twice_through_a_store_that_lies(tmp_path: Path) -> None:
    store = run(4, 3, tmp_path, lambda store, number: Lying(store, number, share=0.3))

    assert Counter(f"{n}-{at}" for n in range(4) for at in range(3)) == Counter(texts(there(store)))


def test_authors_times_and_notes_are_those_of_who_left_the_intent(tmp_path: Path) -> None:
    store = new_store()
    with writing(tmp_path / "one", store) as t, writing(tmp_path / "two", store, "bob") as other:
        t.user("a")
        wishes = [Wish(say("b").value, "bob", 1_700_000_000_000_000, "why", {"k": 1}, (("config", {"m": 1}),))]
        store.create(intents_start("root", "main") + f"{5:020}-{'ab' * 16}", encode_intent(b"\xab" * 16, wishes))
        t._sync.carry_left(t.repository)  # type: ignore[union-attr]
        other.user("c")
        assert ["a", "b", "c"] == texts(other)
        info = other.log()[1]
        assert ("bob", "why", {"k": 1}, {"m": 1}) == (info.author, info.message, info.metadata, info.generation_config)
        assert 2023 == info.created_at.year


def test_what_a_dead_writer_left_lands_with_the_next_opening_and_once(tmp_path: Path) -> None:
    for requests in range(0, 16, 3):
        store = new_store()
        with writing(tmp_path / f"{requests}-one", store) as t:
            t.user("a")
        with writing(tmp_path / f"{requests}-two", store, "bob") as other:
            sync = other._sync
            assert sync is not None
            sync.stop(other.repository)
            dying = Sync(other.repository, Link(other.repository, REMOTE, Dying(store, requests, lands=True)), "commit")
            done = True
            try:
                dying.append(other.repository, [say("b")])
            except Dying.Dead:
                done = False
            dying.stop(other.repository)
        with writing(tmp_path / f"{requests}-three", store) as third:
            third._sync.carry_left(third.repository)  # type: ignore[union-attr]
            third.user("c")
            assert texts(third) in (["a", "b", "c"], *([] if done or requests else [["a", "c"]]))
            assert texts(third) == texts(there(store))
            assert ["a", "b", "c"] == texts(third) or not requests
        assert 0 == waiting(store)
        if done:
            return
    raise AssertionError("it takes more requests than that")


def test_what_is_no_intent_is_left_alone(tmp_path: Path) -> None:
    store = new_store()
    good = encode_intent(b"i" * 16, [Wish(say("x").value, "ann", 5, None, None, ())])
    assert b"i" * 16 == decode_intent(good, "key").id
    for bad in (b"", good[:-1], good[:30], b"x" * 40, good.replace(b"ann", b"bob")):
        with pytest.raises(ObjectCorruptError):
            decode_intent(bad, "key")
    with writing(tmp_path / "one", store) as t:
        t.user("a")
        store.create(intents_start("root", "main") + f"{5:020}-{'ab' * 16}", good[:-1])
        store.create(intents_start("root", "main") + "something else", good)
        t._sync.carry_left(t.repository)  # type: ignore[union-attr]
        assert ["a"] == texts(t)
        found = verify_remote(Link(make_tract().repository, REMOTE, store)).problems
        assert ["intent-damaged"] == [one.kind for one in found if one.severity == "error"]
