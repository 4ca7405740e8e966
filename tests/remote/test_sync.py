"""Stores that live in a remote: what was acknowledged is there, and what is there comes here."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.making import Words, texts
from tests.remote.lying import Dying
from tests.remote.places import new_store
from tract import Priority, RefMovedError, RemoteError, Session, Tract, TractConfig
from tract.config.remote_config import RemoteConfig
from tract.errors import ConfigError
from tract.remote.link import Link
from tract.remote.sync import Sync
from tract.remote.transport import MemoryTransport


def living(url: str, path: Path, sync: str = "commit", **options: Any) -> Tract:
    return Tract.open(
        path,
        remote=url,
        sync=sync,
        durability="process",
        tokenizer=Words(),
        **options,  # type: ignore[arg-type]
    )


def test_a_commit_is_in_the_remote_when_it_returns(url: str, tmp_path: Path) -> None:
    with living(url, tmp_path / "one") as t:
        t.user("a")
        t.assistant("b", generation_config={"model": "m"})
        t.annotate("HEAD:1", Priority.PINNED)
        with Tract.clone(url, tmp_path / "two") as other:
            assert ["a", "b"] == texts(other)
            assert {"model": "m"} == other.log()[0].generation_config
            assert 1 == len(other.pinned())


def test_a_machine_that_is_gone_takes_nothing_with_it(url: str, tmp_path: Path) -> None:
    with living(url, tmp_path / "one", config=TractConfig(author="ann")) as t:
        t.user("a")
        with t.batch():
            t.user("b")
            t.user("c")
    with living(url, tmp_path / "two") as t:
        assert ["a", "b", "c"] == texts(t)
        t.user("d")
    with living(url, tmp_path / "one") as t:
        assert ["a", "b", "c", "d"] == texts(t)


def test_a_batch_is_one_push_and_a_commit_two_requests(url: str, tmp_path: Path) -> None:
    with living(url, tmp_path / "one") as t:
        t.user("a")
        traffic = t._sync.link.traffic  # type: ignore[union-attr]
        before = traffic.requests
        t.user("b")
        assert 2 == traffic.requests - before
        with t.batch():
            for text in "cdefg":
                t.user(text)
        assert 4 == traffic.requests - before


def test_two_machines_on_one_branch_lose_nothing_and_are_told(url: str, tmp_path: Path) -> None:
    with living(url, tmp_path / "one") as t:
        t.user("a")
        with living(url, tmp_path / "two") as other:
            assert ["a"] == texts(other)
            other.user("b")
            with pytest.raises(RefMovedError) as error:
                t.user("c")
            assert "c" == error.value.content.text
            assert ["a", "b"] == texts(t)
            t.user("c")
            assert ["a", "b"] == texts(other)
    with Tract.clone(url, tmp_path / "three") as third:
        assert ["a", "b", "c"] == texts(third)


def test_who_appends_goes_on_from_what_others_committed(url: str, tmp_path: Path) -> None:
    with (
        living(url, tmp_path / "one", on_moved="append") as t,
        living(url, tmp_path / "two", on_moved="append") as other,
    ):
        for number in range(4):
            t.user(f"t{number}")
            other.user(f"o{number}")
        with t.batch():
            t.user("t4")
            t.user("t5")
        made = other.user("o4")
        assert made.landed_on == t.head
        assert [*(f"{who}{n}" for n in range(4) for who in "to"), "t4", "t5", "o4"] == texts(other)


def test_curation_beside_a_commit_lets_it_land(url: str, tmp_path: Path) -> None:
    with living(url, tmp_path / "one") as t:
        for text in "abcd":
            t.user(text)
        with living(url, tmp_path / "two") as other:
            texts(other)
            t.compress(from_commit="HEAD:1", to_commit="HEAD:2", content="ab")
            other.user("e")
            assert ["ab", "c", "d", "e"] == texts(other)


def test_reset_undo_and_deletion_are_in_the_remote_too(url: str, tmp_path: Path) -> None:
    with living(url, tmp_path / "one") as t:
        for text in "abc":
            t.user(text)
        t.reset("HEAD~1")
        t.user("d")
        t.undo()
        t.branch("draft")
        t.delete_branch("draft")
        t.tag("v1")
        with Tract.clone(url, tmp_path / "two") as other:
            assert texts(t) == texts(other) == ["a", "b"]
            assert ["main"] == [one.name for one in other.list_branches()]
            assert "v1" in other.tags()


@pytest.mark.parametrize("on_moved", ["error", "append"])
def test_what_another_machine_took_back_is_not_put_there_again(url: str, tmp_path: Path, on_moved: str) -> None:
    with living(url, tmp_path / "one") as t:
        for text in "abc":
            t.user(text)
        with living(url, tmp_path / "two", on_moved=on_moved) as other:
            assert ["a", "b", "c"] == texts(other)
            t.reset("HEAD~1")
            if on_moved == "error":
                with pytest.raises(RefMovedError):
                    other.user("d")
                assert ["a", "b"] == texts(other)
            other.user("d")
            assert ["a", "b", "d"] == texts(other)
    with Tract.clone(url, tmp_path / "three") as third:
        assert ["a", "b", "d"] == texts(third)


def test_close_and_manual_push_when_they_say(url: str, tmp_path: Path) -> None:
    with living(url, tmp_path / "one", "close") as t:
        t.user("a")
        with pytest.raises(RemoteError):
            Tract.clone(url, tmp_path / "two", branches=["main"])
    with living(url, tmp_path / "three", "manual") as t:
        assert ["a"] == texts(t)
        t.user("b")
    with Tract.clone(url, tmp_path / "four") as other:
        assert ["a"] == texts(other)


def test_fresh_looks_there_first(url: str, tmp_path: Path) -> None:
    with living(url, tmp_path / "one") as t:
        t.user("a")
        with living(url, tmp_path / "two", fresh=True) as other, living(url, tmp_path / "three") as stale:
            t.user("b")
            assert ["a", "b"] == texts(other)
            assert ["a"] == texts(stale)


def test_a_spawn_is_one_push_with_all_that_the_child_needs(url: str, tmp_path: Path) -> None:
    with living(url, tmp_path / "one") as t:
        t.user("a")
        t.user("b")
        child = t.spawn("look", name="child")
        child.user("c")
    Tract.clone(url, tmp_path / "two").close()
    with Session.open(tmp_path / "two") as session:
        found = session.get_tract("child")
        assert ["a", "b", "c"] == texts(found)
        link = found.parent()
        assert link is not None
        assert ("root", "look") == (link.parent_tract_id, link.purpose)
        assert ["child"] == [one.child_tract_id for one in session.get_tract("root").children()]


@pytest.mark.parametrize("lands", [True, False])
def test_cut_at_every_request_it_is_in_both_or_in_neither_after_the_next_opening(tmp_path: Path, lands: bool) -> None:
    for requests in range(12):
        store = new_store()
        path = tmp_path / f"{requests}"
        with Tract.open(path, durability="process", tokenizer=Words()) as t:
            t.user("a")
            remote = RemoteConfig(name="origin", url="memory://x", conditions="if-match")
            sync = Sync(t.repository, Link(t.repository, remote, store), "commit")
            t.user("b")
            sync.stop(t.repository)
            sync = Sync(t.repository, Link(t.repository, remote, Dying(store, requests, lands=lands)), "commit")
            acknowledged = True
            try:
                t.assistant("c", generation_config={"model": "m"})
            except Dying.Dead:
                acknowledged = False
                assert ["a", "b"] == texts(t)
        with Tract.open(path, durability="process", tokenizer=Words()) as again:
            link = Link(again.repository, remote, store)
            Sync(again.repository, link, "commit").refresh(again.repository)
            known = link.look("root", "main")
            assert known is not None
            assert known.head.commit is not None
            assert again.head == known.head.commit.hex()
            assert texts(again) in (["a", "b", "c"], *([] if acknowledged else [["a", "b"]]))
            if texts(again)[-1] == "c":
                assert {"model": "m"} == again.log()[0].generation_config
        if acknowledged:
            return
    raise AssertionError("it takes more requests than that")


def test_no_answer_is_an_error_that_says_so_and_the_next_commit_finds_out(tmp_path: Path) -> None:
    store = new_store()

    class Silent(MemoryTransport):
        silent = False

        def __getattribute__(self, name: str) -> Any:
            found = object.__getattribute__(self, name)
            if name in ("get", "put", "create", "swap", "list", "get_range"):
                inner = getattr(store, name)

                def ask(*args: Any, **named: Any) -> Any:
                    if not self.silent:
                        return inner(*args, **named)
                    if name == "swap":
                        inner(*args, **named)  # it lands, and nobody says so
                    if name in ("swap", "get"):
                        raise RemoteError("timeout", landed=None if name == "swap" else False)
                    return inner(*args, **named)

                return ask
            return found

    silent = Silent()
    with Tract.open(tmp_path, durability="process", tokenizer=Words(), on_moved="append") as t:
        remote = RemoteConfig(name="origin", url="memory://x", conditions="if-match", timeout=0.2)
        Sync(t.repository, Link(t.repository, remote, silent), "commit")
        t.user("a")
        silent.silent = True
        with pytest.raises(RemoteError) as error:
            t.user("b")
        assert error.value.landed is None
        assert ["a"] == texts(t)
        silent.silent = False
        t.user("c")
        assert ["a", "b", "c"] == texts(t)


def test_threads_share_a_handle(url: str, tmp_path: Path) -> None:
    with living(url, tmp_path / "one", on_moved="append") as t:
        t.user("begin")
        threads = [threading.Thread(target=lambda n=n: t.user(f"x{n}")) for n in range(6)]  # type: ignore[misc]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    with Tract.clone(url, tmp_path / "two") as other:
        assert sorted(["begin", *(f"x{n}" for n in range(6))]) == sorted(texts(other))


def test_what_cannot_be_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sync must be"):
        Tract.open(tmp_path / "x", remote=f"file://{tmp_path}/r", sync="now")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cannot live in a remote"):
        Tract.open(":memory:", remote="memory://x", sync="commit")
    with pytest.raises(ConfigError, match="not a scheme"):
        Tract.open(tmp_path / "x", remote="ftp://x", sync="commit")
    assert not (tmp_path / "x").exists()
