"""What handles and threads of a process append to one branch goes to the remote together, and nobody is locked out meanwhile."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.making import Words, texts
from tests.remote.places import REMOTE, keys_of, living, new_store, there
from tract import RemoteError, RemoteMovedError, RemoteRefusedError, Tract
from tract.config import TractConfig
from tract.errors import ClosedError, ContentValidationError
from tract.maintenance.fsck.check import check_repository
from tract.remote.intents import intents_start
from tract.remote.link import Link
from tract.remote.push import PushRequest, push
from tract.remote.transport import Transport
from tract.remote.watch import HeadWatch

KEY = "sk-proj-Zx8Kq2Lw9Rt4Yv6Bn1Mc3Pd5"


class Slow:
    """A store whose writes take *seconds*, and of which it is counted how many there were; *hold* is called first."""

    def __init__(self, store: Transport, seconds: float = 0.05) -> None:
        self._store = store
        self._seconds = seconds
        self.swaps = self.puts = self.creates = 0
        self.hold: Callable[[], None] = lambda: None

    def hold_answers(self) -> tuple[threading.Event, threading.Event]:
        """Let writes wait from here on: the first event is set when one does, the second lets them go."""
        answering, go_on = threading.Event(), threading.Event()

        def hold() -> None:
            answering.set()
            assert go_on.wait(20)

        self.hold = hold
        return answering, go_on

    def put(self, key: str, data: bytes) -> None:
        self.puts += 1
        self.hold()
        time.sleep(self._seconds)
        self._store.put(key, data)

    def create(self, key: str, data: bytes) -> str | None:
        self.creates += 1
        self.hold()
        time.sleep(self._seconds)
        return self._store.create(key, data)

    def swap(self, key: str, data: bytes, version: str) -> str | None:
        self.swaps += 1
        self.hold()
        time.sleep(self._seconds)
        return self._store.swap(key, data, version)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def in_threads(*acts: Callable[[], object]) -> None:
    failed: list[BaseException] = []

    def run(act: Callable[[], object]) -> None:
        try:
            act()
        except BaseException as exc:  # noqa: BLE001  # told to the test
            failed.append(exc)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [] == failed


def test_what_threads_of_a_handle_append_while_the_remote_answers_goes_in_one_push(tmp_path: Path) -> None:
    store = Slow(new_store())
    with living(tmp_path, store) as t:
        t.user("begin")
        before = store.swaps
        made: dict[int, str] = {}

        def say(number: int) -> None:
            made[number] = t.user(f"{number}", generation_config={"n": number}).commit_hash

        in_threads(*(lambda n=n: say(n) for n in range(20)))  # type: ignore[misc]

        assert store.swaps - before <= 4
        assert {str(n): t.get_content(made[n]).text for n in range(20)} == {str(n): str(n) for n in range(20)}
    other = there(store)
    assert sorted(["begin", *map(str, range(20))]) == sorted(texts(other))
    for info in other.log(20):
        assert {"n": int(other.get_content(info).text)} == info.generation_config


def test_handles_of_a_process_share_pushes_and_leave_a_sound_store(tmp_path: Path) -> None:
    store = Slow(new_store())
    handles = [living(tmp_path, store, author=f"a{n}") for n in range(6)]
    in_threads(*(lambda t=t, n=n: [t.user(f"{n}-{at}") for at in range(3)] for n, t in enumerate(handles)))  # type: ignore[misc]
    for t in handles:
        t.close()

    assert store.swaps + 1 < 12
    other = there(store)
    assert sorted(f"{n}-{at}" for n in range(6) for at in range(3)) == sorted(texts(other))
    for info in other.log(None):
        assert info.author == f"a{other.get_content(info).text[0]}"
    assert () == check_repository(str(tmp_path / ".tract")).problems
    with Tract.open(tmp_path, tokenizer=Words()) as again:
        assert texts(again) == texts(other)


def test_nobody_is_locked_out_while_the_remote_answers(tmp_path: Path) -> None:
    store = Slow(new_store(), 0)
    with living(tmp_path, store) as t, Tract.open(tmp_path, durability="process", tokenizer=Words()) as beside:
        t.user("a")
        answering, go_on = store.hold_answers()
        writing = threading.Thread(target=lambda: t.user("b"))
        writing.start()
        assert answering.wait(20)
        beside.branch("draft")  # takes the lock of the store
        assert ["a"] == texts(t)  # and this the handle's
        assert ["a"] == texts(beside)
        go_on.set()
        writing.join()
        assert ["a", "b"] == texts(t) == texts(beside)


def test_a_commit_that_others_moved_the_branch_under_here_is_brought_from_there(tmp_path: Path) -> None:
    """Another process of this machine fetches what this one has just put there, before this one moves the branch here."""
    store = Slow(new_store(), 0)
    with living(tmp_path, store) as t, living(tmp_path, store) as beside:
        t.user("a")
        inner = store._store.swap
        seen = []

        def swap(key: str, data: bytes, version: str) -> str | None:
            found = inner(key, data, version)
            store._store.swap = inner  # type: ignore[method-assign]
            beside._sync.refresh(beside.repository)  # type: ignore[union-attr]
            seen.append(texts(beside))
            return found

        store._store.swap = swap  # type: ignore[method-assign]
        made = t.user("b")
        assert [["a", "b"]] == seen
        assert made.commit_hash == t.head == beside.head
        t.user("c")
        assert ["a", "b", "c"] == texts(beside) == texts(there(store))


def test_no_secret_is_left_as_an_intent(tmp_path: Path) -> None:
    store = new_store()
    with living(tmp_path / "one", store) as t:
        t._sync.link.scans = True  # type: ignore[union-attr]
        t.user("a")
        keys = keys_of(store).keys()
        with pytest.raises(RemoteRefusedError, match="'text' of the message has what looks like a secret") as error:
            t.user(f"my key is {KEY}")
        assert KEY not in str(error.value)
        assert keys == keys_of(store).keys()
        assert ["a"] == texts(t)
        t.user("b")
    assert ["a", "b"] == texts(there(store))


def test_what_is_too_large_is_refused_before_it_leaves(tmp_path: Path) -> None:
    store = new_store()
    with living(tmp_path, store, config=TractConfig(max_message_size=200)) as t:
        t.user("a")
        with pytest.raises(ContentValidationError, match="over the limit"):
            t.user("x" * 300)
        assert ["a"] == texts(t) == texts(there(store))


@pytest.mark.parametrize("on_moved", ["append", "error"])
def test_a_store_that_parted_from_its_remote_overwrites_nothing(tmp_path: Path, on_moved: str) -> None:
    store = new_store()
    with living(tmp_path / "one", store) as t:
        t.user("a")
    with Tract.open(tmp_path / "one", durability="process", tokenizer=Words()) as offline:
        offline.user("only here")
    with living(tmp_path / "two", store) as other:
        other.user("from elsewhere")
    with living(tmp_path / "one", store, on_moved=on_moved) as t:
        with pytest.raises(RemoteMovedError, match="both sides have new commits"):
            t.user("c")
        assert ["a", "from elsewhere"] == texts(there(store))
        t.merge("origin/main")
        t.user("c")
    assert {"a", "from elsewhere", "only here", "c"} == set(texts(there(store)))


def test_commits_that_were_made_offline_go_along(tmp_path: Path) -> None:
    store = new_store()
    with living(tmp_path, store) as t:
        t.user("a")
    with Tract.open(tmp_path, durability="process", tokenizer=Words()) as offline:
        offline.user("b")
    with living(tmp_path, store) as t:
        t.user("c")
    assert ["a", "b", "c"] == texts(there(store))


def test_a_remote_that_does_not_answer_is_told_and_what_was_asked_for_lands_never_twice(tmp_path: Path) -> None:
    store = Slow(new_store(), 0)

    def fail() -> None:
        raise RemoteError("timeout", landed=None)

    with living(tmp_path, store, remote=replace(REMOTE, timeout=0.3)) as t:
        t.user("a")
        store.hold = fail
        with pytest.raises(RemoteError):
            t.user("b")
        store.hold = lambda: None
        t.user("c")
        assert ["a", "c"] == texts(t) == texts(there(store))


def test_a_handle_that_is_closed_while_a_thread_waits_finishes_what_waits(tmp_path: Path) -> None:
    store = Slow(new_store(), 0.2)
    t = living(tmp_path, store)
    t.user("a")
    told: list[BaseException | str] = []

    def say() -> None:
        try:
            told.append(t.user("b").commit_hash)
        except BaseException as exc:  # noqa: BLE001  # told to the test
            told.append(exc)

    writing = threading.Thread(target=say)
    writing.start()
    while not store.puts:
        time.sleep(0.01)
    t.close()
    writing.join()
    assert ["a", "b"] == texts(there(store))
    assert isinstance(told[0], ClosedError | str)


def test_a_reset_and_a_push_by_another_in_between_are_told_apart(tmp_path: Path) -> None:
    store = new_store()
    with living(tmp_path / "one", store) as t:
        for text in "abc":
            t.user(text)
        t.reset("HEAD~1")
        t.user("d")
        assert ["a", "b", "d"] == texts(there(store))
        other = there(store)
        other.user("e")
        push(other.repository, "origin", PushRequest(), link=Link(other.repository, REMOTE, store))
        t.user("f")
    assert ["a", "b", "d", "e", "f"] == texts(there(store))
    assert [] == list(store.list(intents_start("root", "main")))


def test_a_forked_child_has_a_courier_of_its_own(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/remote"
    with Tract.open(tmp_path / "one", remote=url, sync="commit", on_moved="append", durability="process") as t:
        t.user("a")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                t.user("from the child")
                status = 0
            finally:
                os._exit(status)
        assert (child, 0) == os.waitpid(child, 0)
        t.user("b")
        assert ["a", "from the child", "b"] == texts(t)
    with Tract.clone(url, tmp_path / "two") as other:
        assert ["a", "from the child", "b"] == texts(other)


def test_nobody_waits_for_his_turn_until_he_gives_up() -> None:
    watch = HeadWatch(gives_up=0.4)
    watch.begin()
    watch.rank = 50
    assert not watch.is_still(took=9.0)

    time.sleep(0.2)

    assert watch.is_still(took=9.0)
