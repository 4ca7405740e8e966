"""Pushes through a store that loses half of its answers: what was acknowledged is there, once; what was not is told."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from tests.making import make_tract
from tests.remote.lying import Dying, Lying
from tests.remote.places import new_store
from tract import RemoteError, RemoteMovedError, Tract
from tract.config.remote_config import RemoteConfig
from tract.history.walk import is_ancestor
from tract.objects.id import ObjectId
from tract.remote.fetch import fetch
from tract.remote.finding import Asked
from tract.remote.link import Link
from tract.remote.push import PushRequest, push
from tract.remote.transport import Transport


def linked(t: Tract, transport: Transport, **options: Any) -> Link:
    remote = RemoteConfig(name="origin", url="memory://here", conditions="if-match", timeout=20)
    link = Link(t.repository, remote, transport, **options)
    link.pause = lambda _: None  # type: ignore[method-assign]  # nothing of time is tested
    return link


def there(link: Link, branch: str) -> ObjectId | None:
    known = link.look("root", branch)
    return None if known is None else known.head.commit


class Writer(threading.Thread):
    """Commits on a branch that others commit on too, until so many commits were acknowledged."""

    def __init__(self, number: int, transport: Transport, branch: str, pushes: int) -> None:
        super().__init__()
        self.t = make_tract()
        self.branch = branch
        self.link = linked(self.t, Lying(transport, number))
        self.pushes = pushes
        self.number = number
        self.acknowledged: list[str] = []
        self.failed: BaseException | None = None

    def run(self) -> None:
        try:
            self.t.switch(self.branch, create="orphan")
            for count in range(self.pushes):
                self._commit(f"{self.number}-{count}")
        except BaseException as exc:  # noqa: BLE001  # told to the test
            self.failed = exc

    def _commit(self, text: str) -> None:
        repo = self.t.repository
        while True:
            self._go_to_theirs()
            made = self.t.user(text, generation_config={"text": text}, key=text)
            id = bytes.fromhex(made.commit_hash)
            try:
                push(repo, "origin", PushRequest(), link=self.link)
            except RemoteMovedError:
                continue
            except RemoteError:
                self._fetch()
                now = repo.ref(f"refs/remotes/origin/{self.branch}")
                if not (isinstance(now, bytes) and is_ancestor(repo, id, now)):
                    continue
            self.acknowledged.append(text)
            return

    def _go_to_theirs(self) -> None:
        self._fetch()
        now = self.t.repository.ref(f"refs/remotes/origin/{self.branch}")
        if isinstance(now, bytes):
            if self.t.head is None:
                self.t.user("begin")
            self.t.reset(now.hex(), mode="hard")

    def _fetch(self) -> None:
        while True:
            try:
                fetch(self.link, self.t.repository, Asked(["root"], [self.branch]))
                return
            except RemoteError:
                continue


def run_writers(writers: int, branches: int, pushes: int) -> None:
    store = new_store()
    found = [Writer(number, store, f"b{number % branches}", pushes) for number in range(writers)]
    for writer in found:
        writer.start()
    for writer in found:
        writer.join()
    assert [] == [writer.failed for writer in found if writer.failed is not None]
    said: Counter[str] = Counter()
    t = make_tract()
    link = linked(t, store)
    fetch(link, t.repository, Asked(None, as_clone=True))
    for branch in range(branches):
        t.switch(f"b{branch}")
        for info in t.log(limit=None):
            text = t.get_content(info).text
            if text != "begin":
                said[text] += 1
                assert {"text": text} == info.generation_config
    assert Counter(text for writer in found for text in writer.acknowledged) == said


def test_what_was_acknowledged_is_there_once_though_half_of_the_answers_are_lost() -> None:
    run_writers(4, 2, 6)


@pytest.mark.slow
def test_a_thousand_pushes_by_eight_writers_over_four_branches() -> None:
    run_writers(8, 4, 125)


@pytest.mark.parametrize("lands", [True, False])
def test_killed_between_any_two_requests_a_clone_sees_all_of_a_push_or_nothing(lands: bool) -> None:
    for requests in range(20):
        store = new_store()
        t = make_tract("a")
        push(t.repository, "origin", PushRequest(), link=linked(t, store))
        t.assistant("b", generation_config={"model": "m"}, key="k")
        t.branch("draft")
        t.tag("v1", "HEAD")
        done = True
        try:
            request = PushRequest(everything=True)
            push(t.repository, "origin", request, link=linked(t, Dying(store, requests, lands=lands)))
        except Dying.Dead:
            done = False

        other = make_tract()
        fetch(linked(other, store), other.repository, Asked(None, as_clone=True))
        for name in ("main", "draft"):
            tip = other.repository.ref(f"refs/heads/{name}")
            if isinstance(tip, bytes) and tip.hex() == t.head:
                other.switch(name)
                assert {"model": "m"} == other.log()[0].generation_config
                assert t.head == (other.commit_for_key("k") or t.log()[0]).commit_hash
        if "v1" in other.tags():
            assert t.head == other.get_commit("v1").commit_hash

        # And the next push brings the rest, whatever this one left.
        push(t.repository, "origin", PushRequest(everything=True), link=linked(t, store))
        third = make_tract()
        fetch(linked(third, store), third.repository, Asked(None, as_clone=True))
        assert t.head == third.head
        assert ["draft", "main"] == [one.name for one in third.list_branches()]
        assert {"model": "m"} == third.log()[0].generation_config
        assert "v1" in third.tags()
        if done:
            return
    raise AssertionError("it takes more requests than that")
