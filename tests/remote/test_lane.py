"""Whatever is changed in a store that lives in a remote: nobody is locked out while that answers, and what waits at once goes in one push."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.making import Words, texts
from tests.remote.lying import Dying
from tests.remote.places import REMOTE, keys_of, living, new_store, there
from tests.remote.test_courier import KEY, Slow, in_threads
from tract import (
    Priority,
    RefMovedError,
    RemoteError,
    RemoteMovedError,
    RemoteRefusedError,
    Session,
    TagExistsError,
    Tract,
)
from tract.maintenance.fsck.check import check_repository
from tract.remote.link import Link
from tract.remote.sync import Sync

Act = Callable[[Tract], object]


def merge(t: Tract) -> None:
    t.merge("draft")


def batch(t: Tract) -> None:
    with t.batch():
        t.user("x")
        t.user("y")


ACTS: dict[str, Act] = {
    "commit": lambda t: t.user("x", generation_config={"m": 1}),
    "edit": lambda t: t.edit("HEAD", "x"),
    "annotate": lambda t: t.annotate("HEAD", Priority.PINNED),
    "branch": lambda t: t.branch("other"),
    "switch": lambda t: t.switch("other", create=True),
    "tag": lambda t: t.tag("v1"),
    "merge": merge,
    "reset": lambda t: t.reset("HEAD~1"),
    "undo": lambda t: t.undo(),
    "delete": lambda t: t.delete_branch("draft", force=True),
    "compress": lambda t: t.compress(from_commit="HEAD:1", to_commit="HEAD:2", content="ab"),
    "spawn": lambda t: t.spawn("look", name="child"),
    "batch": batch,
    "key": lambda t: t.user("x", key="k"),
}


def begun(path: Path, store: object, **options: object) -> Tract:
    t = living(path, store, on_moved="error", **options)  # type: ignore[arg-type]
    t.user("a")
    t.user("b")
    t.branch("draft", switch=True)
    t.user("d")
    t.switch("main")
    t.user("c")
    return t


def state(t: Tract) -> object:
    """What of *t* a remote has as well."""
    t.switch("main")
    branches = {one.name: texts_at(t, one.name) for one in t.list_branches()}
    return branches, sorted(t.tags()), sorted(one.commit_hash for one in t.pinned())


def texts_at(t: Tract, branch: str) -> list[str]:
    return [str(one.content) for one in t.compile(at_commit=branch).messages]


@pytest.mark.parametrize("name", ACTS)
def test_nobody_is_locked_out_whatever_is_changed(tmp_path: Path, name: str) -> None:
    store = Slow(new_store(), 0)
    with begun(tmp_path, store) as t, Tract.open(tmp_path, durability="process", tokenizer=Words()) as beside:
        before = texts(t)
        answering, go_on = store.hold_answers()
        failed: list[BaseException] = []

        def act() -> None:
            try:
                ACTS[name](t)
            except BaseException as exc:  # noqa: BLE001  # told to the test
                failed.append(exc)

        acting = threading.Thread(target=act)
        acting.start()
        assert answering.wait(20)
        beside.branch("aside")  # takes the lock of the store
        assert before == texts(t) == texts(beside)  # and this the handle's
        go_on.set()
        acting.join()
        store.hold = lambda: None
        assert [] == failed
        t.delete_branch("aside", force=True)
    assert () == check_repository(str(tmp_path / ".tract")).problems


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("name", ACTS)
def test_cut_at_every_request_it_is_in_both_or_in_neither(tmp_path: Path, name: str, lands: bool) -> None:
    for requests in range(16):
        store = new_store()
        path = tmp_path / f"{requests}"
        t = begun(path, store)
        before = state(t)
        t._sync.stop(t.repository)  # type: ignore[union-attr]
        t._sync = Sync(t.repository, Link(t.repository, REMOTE, Dying(store, requests, lands=lands)), "commit", t._lock)
        acknowledged = True
        try:
            ACTS[name](t)
        except Dying.Dead:
            acknowledged = False
        after = state(t) if acknowledged else None
        t._sync.stop(t.repository)
        t._sync = None
        t.close()
        with living(path, store) as again:
            assert again.current_branch is not None
            again.switch("main")
            found = state(again)
            assert found == (after if acknowledged else found)
            other = there(store)
            names = [one.name for one in other.list_branches()]
            assert names == [one.name for one in again.list_branches()]
            assert [texts_at(again, name) for name in names] == [texts_at(other, name) for name in names]
            if not acknowledged and not lands and requests == 0:
                assert before == found
        assert [] == [one for one in check_repository(str(path / ".tract")).problems if one.severity == "error"]
        if acknowledged:
            return
    raise AssertionError("it takes more requests than that")


def test_what_waits_at_once_goes_in_one_push_whatever_it_is(tmp_path: Path) -> None:
    store = Slow(new_store(), 0.1)
    with begun(tmp_path, store) as t:
        made = [one.commit_hash for one in t.log()]
        swaps, puts = store.swaps, store.puts
        in_threads(
            *(lambda n=n: t.tag(f"v{n}") for n in range(6)),  # type: ignore[misc]
            *(lambda n=n: t.branch(f"b{n}") for n in range(3)),  # type: ignore[misc]
            *(lambda id=id: t.annotate(id, Priority.PINNED) for id in made),  # type: ignore[misc]
            lambda: t.edit(made[0], "edited"),
        )
        assert 6 >= store.swaps - swaps
        assert 6 >= store.puts - puts
        assert len(made) == len(t.pinned())
        assert ["a", "b", "edited"] == texts(t)
        other = there(store)
        assert state(t) == state(other)
    assert () == check_repository(str(tmp_path / ".tract")).problems
    with Tract.open(tmp_path, tokenizer=Words()) as again:
        assert len(made) == len(again.pinned())


def test_handles_that_append_share_pushes_of_edits_keys_and_batches(tmp_path: Path) -> None:
    store = Slow(new_store(), 0.1)
    handles = [living(tmp_path, store, author=f"a{n}") for n in range(6)]
    handles[0].user("begin")
    before = store.swaps

    def work(t: Tract, number: int) -> None:
        t.user(f"{number}-key", key=f"k{number}")
        with t.batch():
            t.user(f"{number}-x")
            t.user(f"{number}-y")

    in_threads(*(lambda t=t, n=n: work(t, n) for n, t in enumerate(handles)))  # type: ignore[misc]
    assert store.swaps - before <= 8
    for t in handles:
        t.close()
    other = there(store)
    assert Counter(["begin", *(f"{n}-{what}" for n in range(6) for what in ("key", "x", "y"))]) == Counter(texts(other))
    for number in range(6):
        said = texts(other)
        assert said.index(f"{number}-y") == said.index(f"{number}-x") + 1
        assert other.commit_for_key(f"k{number}") is not None
    for info in other.log(None):
        text = str(other.get_content(info).text)
        assert text == "begin" or info.author == f"a{text[0]}"
    assert () == check_repository(str(tmp_path / ".tract")).problems


def test_threads_of_a_handle_that_wants_to_be_told_commit_one_after_the_other(tmp_path: Path) -> None:
    """An answer goes on from what the handle has seen, and it has seen what is acknowledged: so the branch waits, and nothing else."""
    store = Slow(new_store(), 0.02)
    with begun(tmp_path, store) as t:
        in_threads(*(lambda n=n: t.user(f"{n}") for n in range(6)))  # type: ignore[misc]
        assert sorted(["a", "b", "c", *map(str, range(6))]) == sorted(texts(t))
        assert texts(t) == texts_at(there(store), "main")


def test_what_was_made_on_what_was_refused_is_made_again(tmp_path: Path) -> None:
    store = Slow(new_store(), 0.05)
    with living(tmp_path / "one", store) as t, living(tmp_path / "two", store) as other:
        t.user("a")
        texts(other)
        made: list[str] = []

        def interfere() -> None:
            store.hold = lambda: None
            other.user("from elsewhere")

        def say(text: str) -> None:
            made.append(t.user(text, key=text).commit_hash)

        store.hold = interfere
        in_threads(*(lambda n=n: say(f"{n}") for n in range(5)))  # type: ignore[misc]
        assert sorted(["a", "from elsewhere", *map(str, range(5))]) == sorted(texts(t))
        assert texts(t) == texts_at(there(store), "main")
        assert {t.commit_for_key(f"{n}").commit_hash for n in range(5)} == set(made)  # type: ignore[union-attr]


def test_a_secret_of_one_refuses_nothing_of_the_others(tmp_path: Path) -> None:
    store = Slow(new_store(), 0.05)
    with begun(tmp_path, store) as t:
        t._sync.link.scans = True  # type: ignore[union-attr]
        told: list[str] = []

        def leak() -> None:
            with pytest.raises(RemoteRefusedError, match="looks like a secret") as error:
                t.edit("HEAD", f"my key is {KEY}")
            told.append(str(error.value))

        in_threads(lambda: t.tag("v0"), leak, *(lambda n=n: t.tag(f"v{n}") for n in range(1, 4)))  # type: ignore[misc]
        assert ["v0", "v1", "v2", "v3"] == sorted(t.tags())
        assert KEY not in told[0]
        other = there(store)
        assert ["a", "b", "c"] == texts(t) == texts_at(other, "main")
        assert ["v0", "v1", "v2", "v3"] == sorted(other.tags())


@pytest.mark.parametrize("name", ["merge", "cherry_pick", "reset"])
def test_what_gc_takes_meanwhile_comes_from_the_remote(tmp_path: Path, name: str) -> None:
    """Nothing leads to a branch that is gone, and while the remote answers nobody holds the lock of the store."""
    store = Slow(new_store(), 0)
    with living(tmp_path, store) as t, Tract.open(tmp_path, durability="process", tokenizer=Words()) as beside:
        t.user("a")
        t.switch("draft", create=True)
        left = t.user("b").commit_hash
        t.switch("main")
        t.user("c")
        t.delete_branch("draft", force=True)
        beside.gc()

        def collect() -> None:
            store.hold = lambda: None
            assert 2 <= beside.gc(orphan_retention_days=0).dropped

        store.hold = collect
        getattr(t, name)(left)
        assert (["a", "b"] if name == "reset" else ["a", "c", "b"]) == texts(t) == texts(there(store))
        t.user("d")
        assert "d" == texts(t)[-1] == texts(there(store))[-1]
    assert () == check_repository(str(tmp_path / ".tract")).problems


def parted(path: Path, store: Slow) -> Tract:
    """A tract on whose branch is "b", where the remote has "c"."""
    with living(path / "other", store) as other:
        other.user("a")
        living(path, store).close()
        with Tract.open(path, durability="process", tokenizer=Words()) as offline:
            offline.user("b")
        other.user("c")
    return living(path, store)


def edit_and_branch(t: Tract) -> None:
    with t.batch():
        t.edit("HEAD", "x")
        t.branch("aside")


@pytest.mark.parametrize("act", [edit_and_branch, lambda t: t.reset("HEAD~1")])
def test_a_branch_that_parted_is_not_forced_by_what_is_made_with_it(tmp_path: Path, act: Act) -> None:
    store = Slow(new_store(), 0)
    with parted(tmp_path, store) as t:
        with pytest.raises(RemoteMovedError, match="both sides have new commits"):
            act(t)
        assert ["a", "b"] == texts(t)
        assert ["a", "c"] == texts(there(store))
        assert ["main"] == [one.name for one in there(store).list_branches()]
        t.reset("origin/main")
        assert ["a", "c"] == texts(t) == texts(there(store))


def test_a_reset_of_what_went_on_there_is_refused(tmp_path: Path) -> None:
    store = Slow(new_store(), 0)
    with begun(tmp_path / "one", store) as t, living(tmp_path / "two", store) as other:
        other.switch("main")

        inner = store._store.swap

        def swap(key: str, data: bytes, version: str) -> str | None:
            store._store.swap = inner  # type: ignore[method-assign]
            other.user("x")
            return inner(key, data, version)

        store._store.swap = swap  # type: ignore[method-assign]
        with pytest.raises(RefMovedError):
            t.reset("HEAD~1")
        assert ["a", "b", "c", "x"] == texts(t) == texts_at(there(store), "main")
        t.reset("HEAD~1")
        assert ["a", "b", "c"] == texts(t) == texts_at(there(store), "main")


def test_ctrl_c_before_it_is_brought_leaves_the_lane_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with living(tmp_path, new_store()) as t:
        t.user("a")

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Sync, "_bring", interrupted)
            with pytest.raises(KeyboardInterrupt):
                t.tag("v1")
        acting = threading.Thread(target=t.tag, args=("v2",), daemon=True)
        acting.start()
        acting.join(20)
        assert not acting.is_alive()
        assert ["v2"] == sorted(t.tags())


def test_a_tag_of_others_stays_where_it_is(tmp_path: Path) -> None:
    store = Slow(new_store(), 0)
    with living(tmp_path / "one", store) as t, living(tmp_path / "two", store) as other:
        first, second = (t.user(text).commit_hash for text in "ab")
        other._sync.refresh(other.repository)  # type: ignore[union-attr]
        other.tag("v1", first)
        before = [one.name for one in there(store).list_branches()]

        def both() -> None:
            with t.batch():
                t.branch("aside")
                t.tag("v1", second)

        for act in (both, lambda: t.tag("v1", second)):
            with pytest.raises((RefMovedError, TagExistsError), match="v1"):
                act()
        assert {"v1": first} == t.tags() == there(store).tags()
        assert before == [one.name for one in there(store).list_branches()]
        t.delete_tag("v1")
        t.tag("v1", second)
        assert {"v1": second} == t.tags() == there(store).tags()


def test_a_branch_that_parted_refuses_nothing_of_the_others(tmp_path: Path) -> None:
    store = Slow(new_store(), 0.05)
    with parted(tmp_path, store) as t:

        def edit() -> None:
            with pytest.raises(RemoteMovedError, match="both sides have new commits"):
                t.edit("HEAD", "x")

        in_threads(lambda: t.tag("v0"), edit, *(lambda n=n: t.tag(f"v{n}") for n in range(1, 4)))  # type: ignore[misc]
        other = there(store)
        assert ["v0", "v1", "v2", "v3"] == sorted(t.tags()) == sorted(other.tags())
        assert ["a", "c"] == texts(other)


def test_a_note_about_what_was_just_appended_is_there_when_it_is_acknowledged(tmp_path: Path) -> None:
    store = Slow(new_store(), 0)
    with living(tmp_path, store) as t:
        for text in ("a", "b"):
            t.user(text)
            t.annotate("HEAD", Priority.PINNED)
            assert [one.commit_hash for one in t.pinned()] == [one.commit_hash for one in there(store).pinned()]
        t._sync.link.scans = True  # type: ignore[union-attr]
        with pytest.raises(RemoteRefusedError, match="looks like a secret"):
            t.annotate("HEAD~1", Priority.SKIP, reason=f"has {KEY}")
        assert 2 == len(t.pinned())


def test_a_tag_on_what_was_just_appended_sends_none_of_it_again(tmp_path: Path) -> None:
    store = Slow(new_store(), 0)
    with living(tmp_path, store) as t:
        for number in range(40):
            t.user(f"{number} " + "".join(chr(97 + (number * 7 + at * at) % 26) for at in range(500)))
        before = sum(map(len, keys_of(store).values()))
        t.tag("v1")
        assert sum(map(len, keys_of(store).values())) - before < before / 10


def test_what_needs_what_was_refused_is_refused_too(tmp_path: Path) -> None:
    """A child gets the notes of its parent, and moves no ref of it."""
    store = Slow(new_store(), 0)
    with begun(tmp_path, store) as t:
        t.annotate("HEAD", Priority.PINNED)
        t._sync.link.scans = True  # type: ignore[union-attr]
        lane = t._sync._lane(t.repository)  # type: ignore[union-attr]
        acts = [
            threading.Thread(
                target=pytest.raises, args=(RemoteRefusedError, t.annotate, "HEAD", "skip"), kwargs={"reason": KEY}
            ),
            threading.Thread(target=pytest.raises, args=(RefMovedError, t.spawn, "look"), kwargs={"name": "child"}),
        ]

        def wait() -> None:
            store.hold = lambda: None
            for number, act in enumerate(acts, 2):
                act.start()
                while len(lane._waiting) < number:
                    time.sleep(0.001)

        store.hold = wait
        t.tag("v1")
        for act in acts:
            act.join()
        assert [] == [key for key in keys_of(store) if "child" in key]
        assert ["v1"] == sorted(there(store).tags())
        t.spawn("look", name="child")
    assert () == check_repository(str(tmp_path / ".tract")).problems


def test_what_others_brought_here_meanwhile_is_not_landed_twice(tmp_path: Path) -> None:
    store = Slow(new_store(), 0)
    with (
        begun(tmp_path, store) as t,
        living(tmp_path, store) as beside,
        Tract.open(tmp_path, durability="process", tokenizer=Words()) as offline,
    ):
        inner = store._store.swap

        def swap(key: str, data: bytes, version: str) -> str | None:
            found = inner(key, data, version)
            store._store.swap = inner  # type: ignore[method-assign]
            beside._sync.refresh(beside.repository)  # type: ignore[union-attr]
            offline.annotate("HEAD~1", Priority.PINNED)
            return found

        store._store.swap = swap  # type: ignore[method-assign]
        with t.batch():
            made = t.user("x", generation_config={"m": 1})
            t.annotate(made.commit_hash, Priority.PINNED)
        assert ["a", "b", "c", "x"] == texts(t) == texts(beside) == texts_at(there(store), "main")
        assert 2 == len(t.pinned()) == len(beside.pinned())
        assert {"m": 1} == beside.log()[0].generation_config
        t.user("y")
        assert state(t) == state(there(store))
    assert () == check_repository(str(tmp_path / ".tract")).problems


@pytest.mark.parametrize("act", [batch, lambda t: t.user("x")])
def test_where_only_the_way_back_fails_it_is_told_that_it_landed(tmp_path: Path, act: Act) -> None:
    store = Slow(new_store(), 0)
    remote = replace(REMOTE, timeout=0.3)
    with living(tmp_path, store, remote=remote) as t, living(tmp_path, store._store) as beside:
        t.user("a")
        inner = store._store.swap

        def fail(*_: object, **_more: object) -> None:
            raise RemoteError("unplugged")

        def swap(key: str, data: bytes, version: str) -> str | None:
            found = inner(key, data, version)
            store._store.swap = inner  # type: ignore[method-assign]
            beside._sync.refresh(beside.repository)  # type: ignore[union-attr]
            store.get = store.list = fail  # type: ignore[assignment]
            return found

        store._store.swap = swap  # type: ignore[method-assign]
        with pytest.raises(RemoteError, match="unplugged") as error:
            act(t)
        del store.get, store.list
        assert error.value.landed is True
        assert texts(there(store._store)) == texts(beside)
        assert texts(beside)[-1] in "xy"


def test_of_two_tracts_one_is_there_when_the_other_fails(tmp_path: Path) -> None:
    store = Slow(new_store(), 0)
    with begun(tmp_path, store, remote=replace(REMOTE, timeout=0.3)) as t:
        t.tag("v1")
        inner = store._store.swap

        def swap(key: str, data: bytes, version: str) -> str | None:
            if key.endswith("root/meta"):
                raise RemoteError("unplugged")
            return inner(key, data, version)

        store._store.swap = swap  # type: ignore[method-assign]
        with pytest.raises(RemoteError, match="unplugged") as error:
            t.spawn("look", name="child")
        store._store.swap = inner  # type: ignore[method-assign]
        assert error.value.landed is None
        assert [] != [key for key in keys_of(store._store) if "child" in key]


def test_other_tracts_and_branches_do_not_wait_for_each_other(tmp_path: Path) -> None:
    store = Slow(new_store(), 0)
    with begun(tmp_path, store) as t:
        t.spawn("look", name="child")
    answering, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        if threading.current_thread().name == "held":
            answering.set()
            assert go_on.wait(20)

    with living(tmp_path, store, on_moved="error") as t, living(tmp_path, store, tract_id="child") as child:
        texts(t)
        store.hold = hold
        writing = threading.Thread(target=lambda: t.user("x"), name="held")
        writing.start()
        assert answering.wait(20)
        child.user("y", key="k")
        go_on.set()
        writing.join()
        assert "x" == texts(t)[-1]
    with Session.open(tmp_path) as session:
        assert "y" == texts(session.get_tract("child"))[-1]


def test_no_answer_is_told_to_all_whose_changes_went_together(tmp_path: Path) -> None:
    store = Slow(new_store(), 0)

    def fail() -> None:
        raise RemoteError("timeout", landed=None)

    with begun(tmp_path, store, remote=replace(REMOTE, timeout=0.3)) as t:
        told: list[RemoteError] = []

        def tag(name: str) -> None:
            with pytest.raises(RemoteError) as error:
                t.tag(name)
            told.append(error.value)

        store.hold = fail
        in_threads(*(lambda n=n: tag(f"v{n}") for n in range(3)))  # type: ignore[misc]
        assert 3 == len({id(one) for one in told})
        assert {} == dict.fromkeys(t.tags())
        store.hold = lambda: None
        t.tag("v1")
        assert ["v1"] == sorted(t.tags()) == sorted(there(store).tags())


def test_a_handle_that_wants_to_be_told_is_told_of_what_a_thread_of_another_committed(tmp_path: Path) -> None:
    store = Slow(new_store(), 0)
    with begun(tmp_path, store) as t, living(tmp_path, store, on_moved="error") as other:
        texts(other)
        answering, go_on = store.hold_answers()
        writing = threading.Thread(target=lambda: t.user("x"))
        writing.start()
        assert answering.wait(20)
        threading.Timer(0.1, go_on.set).start()
        with pytest.raises(RefMovedError):
            other.user("z")  # it waits until the first is known to have landed
        writing.join()
        assert ["a", "b", "c", "x"] == texts(other)


def test_a_push_whose_answer_was_lost_before_twenty_others_is_not_made_twice(tmp_path: Path) -> None:
    """The head names the last 16 pushes; of one before them the commits tell."""
    store = Slow(new_store(), 0)
    with living(tmp_path / "one", store) as t, living(tmp_path / "two", store._store) as other:
        t.user("a")
        texts(other)
        inner = store._store.swap

        def swap(key: str, data: bytes, version: str) -> str | None:
            assert inner(key, data, version) is not None
            store._store.swap = inner  # type: ignore[method-assign]
            for number in range(20):
                other.user(f"other {number}")
            raise RemoteError("timeout", landed=None)

        store._store.swap = swap  # type: ignore[method-assign]
        with t.batch() as made:
            t.user("b")
        said = ["a", "b", *(f"other {number}" for number in range(20))]
        assert said == texts(t) == texts(there(store))
        assert ["b"] == [t.get_content(id).text for id in made.commits]
        t.user("c")
        assert [*said, "c"] == texts(t) == texts(there(store))


@pytest.mark.parametrize(("fails", "landed"), [("put", False), ("swap", None)])
def test_an_unplugged_remote_is_told_with_what_is_known_of_the_commit(
    tmp_path: Path, fails: str, landed: bool | None
) -> None:
    """A pack alone is nothing that anybody sees, so without it the commit is known not to have landed."""
    store = Slow(new_store(), 0)
    with begun(tmp_path, store, remote=replace(REMOTE, timeout=0.3)) as t:

        def unplugged(*_: object) -> None:
            raise RemoteError("connection refused", landed=None)

        kept = store._store
        setattr(store, fails, unplugged)
        with pytest.raises(RemoteError, match="connection refused" if fails == "put" else "was not taken") as error:
            t.edit("HEAD", "x")
        assert landed is error.value.landed
        assert ["a", "b", "c"] == texts(t)
        delattr(store, fails)
        t.user("d")
        assert ["a", "b", "c", "d"] == texts(t) == texts_at(there(kept), "main")
