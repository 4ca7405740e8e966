"""Probing, verifying and collecting in remotes, and what must not leave."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.making import make_tract, texts
from tests.remote.lying import Lying
from tests.remote.places import BASE, change, keys_of, new_store
from tract import RemoteError, RemoteRefusedError, Tract
from tract.config.remote_config import RemoteConfig
from tract.remote.address import head_key
from tract.remote.closure import needed, read_all
from tract.remote.fetch import fetch
from tract.remote.finding import Asked
from tract.remote.head import Head, encode_head
from tract.remote.link import Link
from tract.remote.packs import encode_pack
from tract.remote.probe import probe
from tract.remote.push import PushRequest, push
from tract.remote.remotes import begin_remote
from tract.remote.sending import send_pack
from tract.remote.sweep import plan_sweep, repack, sweep
from tract.remote.transport import MemoryTransport, Stored, Transport, Unchanged
from tract.remote.verify import verify_remote

REMOTE = RemoteConfig(name="origin", url="memory://here", conditions="if-match", timeout=10)
KEY = "sk-proj-Zx8Kq2Lw9Rt4Yv6Bn1Mc3Pd5"


def linked(t: Tract, transport: Transport, **options: Any) -> Link:
    link = Link(t.repository, REMOTE, transport, **options)
    link.pause = lambda _: None  # type: ignore[method-assign]
    return link


def pushed(store: Transport, *said: str) -> Tract:
    t = make_tract(*said)
    push(t.repository, "origin", PushRequest(), link=linked(t, store))
    return t


class Careless(MemoryTransport):
    """A store that is asked for conditions and does not keep all of them."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self._fault = fault

    def create(self, key: str, data: bytes) -> str | None:
        if self._fault == "overwrites" or (self._fault == "races" and key not in self._keys):
            if self._fault == "races":
                time.sleep(0.002)  # two look, and both find nothing
            return self._put(key, data)
        return super().create(key, data)

    def swap(self, key: str, data: bytes, version: str) -> str | None:
        if self._fault == "ignores":
            return self._put(key, data)
        if self._fault == "unknown":
            raise RemoteError("501 not implemented")
        return super().swap(key, data, version)


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("", "if-match"),
        ("overwrites", "none"),
        ("races", "none"),
        ("ignores", "create-only"),
        ("unknown", "create-only"),
    ],
)
def test_a_probe_finds_what_a_store_can_be_relied_on_for(fault: str, found: str) -> None:
    store = Careless(fault)

    assert found == probe(REMOTE, store)
    assert [] == list(store.list("v1/"))


def test_a_store_that_keeps_no_writers_apart_is_read_and_not_pushed_to(tmp_path: Path) -> None:
    with make_tract("a", path=tmp_path) as t:
        t.add_remote("origin", f"file://{tmp_path}/there")
        t.push()
    text = (tmp_path / ".tract" / "config.toml").read_text()
    (tmp_path / ".tract" / "config.toml").write_text(text.replace('"if-match"', '"none"'))
    with make_tract(path=tmp_path) as t:
        t.fetch()
        with pytest.raises(RemoteRefusedError, match="cannot be pushed to"):
            t.push()


def test_how_heads_are_kept_is_what_the_first_said_and_never_changed_by_another_probe() -> None:
    store = new_store()
    t = make_tract("a")
    logged = RemoteConfig(name="origin", url="memory://x", conditions="create-only")

    assert "if-match" == begin_remote(linked(t, store)).remote.conditions
    with pytest.raises(RemoteRefusedError, match="its heads are replaced by conditional puts"):
        begin_remote(Link(make_tract().repository, logged, store))
    other = new_store()
    assert "create-only" == begin_remote(Link(make_tract().repository, logged, other)).remote.conditions
    assert "create-only" == begin_remote(linked(make_tract(), other)).remote.conditions


def test_heads_that_are_logs_do_as_well() -> None:
    store = Careless("unknown")
    logged = RemoteConfig(name="origin", url="memory://x", conditions="create-only")
    t, other = make_tract("a"), make_tract()
    for text in "bcd":
        t.assistant(text, generation_config={"text": text})
        push(t.repository, "origin", PushRequest(), link=Link(t.repository, logged, store))
    fetch(Link(other.repository, logged, store), other.repository, Asked(None, as_clone=True))

    assert ["a", "b", "c", "d"] == texts(other)
    assert {"text": "d"} == other.log()[0].generation_config


def test_a_place_that_was_emptied_is_told_and_not_begun_again_by_the_way() -> None:
    """What was pushed there would have no mark of a remote, and could not be cloned."""
    store = new_store()
    t = pushed(store, "a", "b")
    for key in keys_of(store):
        change(store, key, None)
    t.user("c")
    for act in (
        lambda: push(t.repository, "origin", PushRequest(), link=linked(t, store)),
        lambda: fetch(linked(t, store), t.repository, Asked(["root"], ["main"])),
    ):
        with pytest.raises(RemoteError, match="which existed when it was last read, is gone"):
            act()
    assert [] == [key for key in keys_of(store) if "/packs/" not in key]


def test_a_log_is_read_beside_writers_that_are_faster_than_its_reader() -> None:
    logged = RemoteConfig(name="origin", url="memory://x", conditions="create-only")
    t, other = make_tract("a"), make_tract()

    class Busy(MemoryTransport):
        """Whoever reads an entry of a log finds another behind it."""

        def get(self, key: str, *, unless: str | None = None) -> Stored | Unchanged | None:
            if "/log/" in key and key not in self._keys:
                t.user("more")
                push(t.repository, "origin", PushRequest(), link=writer)
            return super().get(key, unless=unless)

    store = Busy()
    writer = Link(t.repository, logged, MemoryTransport())
    push(t.repository, "origin", PushRequest(), link=writer)
    store._keys = writer.plain._keys  # type: ignore[attr-defined]  # the writer does not read through it
    reader = Link(other.repository, logged, store)
    fetch(reader, other.repository, Asked(["root"], ["main"], as_clone=True))
    assert ["a", *["more"] * (len(texts(other)) - 1)] == texts(other)
    assert 2 <= len(texts(other)) <= len(texts(t))
    assert reader.traffic.requests < 200


def test_a_sound_remote_is_clean_and_each_damage_is_named() -> None:
    store = new_store()
    t = pushed(store, "a", "b")
    t.assistant("c", generation_config={"model": "m"})
    push(t.repository, "origin", PushRequest(), link=linked(t, store))
    report = verify_remote(linked(make_tract(), store))
    assert [] == report.problems
    assert (1, 2) == (report.heads, report.packs)

    for key, data in keys_of(store).items():
        for damage in (data[:-3], data[:20] + bytes([data[20] ^ 1]) + data[21:] if len(data) > 21 else data[1:], None):
            if "/remote" in key or (damage is None and "/packs/" not in key):
                continue
            change(store, key, damage)
            assert not verify_remote(linked(make_tract(), store)).is_clean, (key, damage)
            change(store, key, data)
    assert verify_remote(linked(make_tract(), store)).is_clean


def test_a_pack_that_is_gone_is_damage_and_one_that_was_replaced_is_not() -> None:
    store = new_store()
    t = pushed(store, "a", "b")
    reader = make_tract()
    link = linked(reader, store)
    assert link.look("root", "main") is not None  # the head as it was before
    before = [key for key in keys_of(store) if "/packs/" in key]
    assert 1 == len(repack_all(t, store, force=True))

    for key in before:
        store.delete(key)
    fetch(link, reader.repository, Asked(["root"], ["main"], as_clone=True))
    assert t.head == reader.get_commit("origin/main").commit_hash

    for key in [key for key in keys_of(store) if "/packs/" in key]:
        store.delete(key)
    with pytest.raises(RemoteError, match="is damaged: pack"):
        fetch(linked(make_tract(), store), make_tract().repository, Asked(None, as_clone=True))


def repack_all(t: Tract, store: Transport, *, force: bool = False) -> list[Any]:
    if force:  # so that there is something to leave out
        t.user("x")
        push(t.repository, "origin", PushRequest(), link=linked(t, store))
        t.reset("HEAD~1")
        push(t.repository, "origin", PushRequest(force="yes"), link=linked(t, store))
    return repack(linked(t, store), t.repository)


def test_what_no_head_names_is_condemned_and_goes_with_a_later_run() -> None:
    store = new_store()
    t = pushed(store, "a")
    store.create("v1/packs/ab/" + "ab" * 16, b"what a killed push left")
    link = linked(t, store)

    assert (0, 0, 1) == counts(plan_sweep(link))
    assert (0, 1, 0) == counts(plan_sweep(link, grace=0))
    assert (0, 1, 0) == counts(sweep(link, grace=0))
    assert (0, 1, 0) == counts(sweep(link, grace=0))
    assert (1, 0, 0) == counts(sweep(link, grace=0, wait=0))
    assert (0, 0, 0) == counts(sweep(link, grace=0, wait=0))
    assert verify_remote(linked(make_tract(), store)).is_clean


def counts(plan: Any) -> tuple[int, int, int]:
    return len(plan.delete), len(plan.condemn), len(plan.young)


def test_one_collector_at_a_time() -> None:
    store = new_store()
    t = pushed(store, "a")
    store.create("v1/gc/lease", b"somebody held\n")

    with pytest.raises(RemoteRefusedError, match="another gc"):
        sweep(linked(t, store), grace=0)


class Pausing:
    """Sleeps before heads are put, up to *most* seconds."""

    def __init__(self, transport: Transport, seed: int, most: float) -> None:
        self._transport = transport
        self._random = random.Random(seed)
        self._most = most

    def swap(self, key: str, data: bytes, version: str) -> str | None:
        time.sleep(self._random.random() * self._most)
        return self._transport.swap(key, data, version)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@pytest.mark.parametrize("seconds", [1.5, pytest.param(20.0, marks=pytest.mark.slow)])
def test_a_collector_beside_six_writers_that_sleep_for_twice_the_grace_breaks_none(seconds: float) -> None:
    store, grace = new_store(), 0.15
    end = time.monotonic() + seconds
    latest = end + 60
    failed: list[BaseException] = []
    deleted: list[Any] = []

    def is_going() -> bool:
        """As long as was asked for, and on a slow store until there was something to collect."""
        return time.monotonic() < (end if deleted else latest) and not failed

    def write(number: int) -> None:
        t = make_tract()
        t.switch(f"b{number}", create="orphan")
        link = linked(t, Pausing(store, number, 2.2 * grace), grace=grace)
        try:
            count = 0
            while is_going():
                t.user(f"{number}-{count}", generation_config={"n": count})
                push(t.repository, "origin", PushRequest(), link=link)
                count += 1
        except BaseException as exc:  # noqa: BLE001  # told to the test
            failed.append(exc)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for one in writers:
        one.start()
    sweeper = linked(make_tract(), store)
    while is_going():
        deleted += sweep(sweeper, grace=grace, wait=0).delete
        time.sleep(0.05)
    for one in writers:
        one.join()

    assert [] == failed
    report = verify_remote(linked(make_tract(), store))
    assert [] == [one for one in report.problems if one.severity == "error"]
    assert 7 == report.heads  # and what belongs to no branch
    assert deleted


def test_a_word_is_taken_out_of_a_history_and_of_the_remote() -> None:
    store = new_store()
    t = pushed(store, "hello", f"my key is {KEY}", "thanks")
    t.branch("clean", source="HEAD~2", switch=True)
    t.user("my key is …")
    t.cherry_pick("main")
    t.switch("main")
    t.reset("clean", mode="hard")
    t.delete_branch("clean", force=True)
    link = linked(t, store)
    push(t.repository, "origin", PushRequest(force="lease"), link=link)
    repack(link, t.repository)
    sweep(link, grace=0, wait=0)

    assert ["hello", "my key is …", "thanks"] == texts(t)
    other = make_tract()
    fetch(linked(other, store), other.repository, Asked(None, as_clone=True))
    assert texts(t) == texts(other)
    assert not any(
        KEY.encode() in other.repository.objects.read(id).payload for id, _ in other.repository.objects.ids()
    )
    report = verify_remote(linked(make_tract(), store))
    assert ([], 0) == (report.problems, report.unnamed)


def test_a_push_with_a_key_in_it_is_refused_with_the_place_and_without_the_key() -> None:
    store = new_store()
    t = make_tract("hello", f"my key is {KEY}")
    link = linked(t, store)
    link.scans = True

    with pytest.raises(RemoteRefusedError, match=r"'text' of commit .* has what looks like a secret") as error:
        push(t.repository, "origin", PushRequest(), link=link)
    assert KEY not in str(error.value)
    assert t.head == error.value.secrets[0].commit
    assert [] == list(store.list("v1/"))
    assert "new" == push(t.repository, "origin", PushRequest(scan=False), link=link).refs[0].status
    t.user("and now something else")
    link.scans = True
    assert "updated" == push(t.repository, "origin", PushRequest(), link=link).refs[0].status


def test_a_clone_through_a_lying_store_is_whole_or_an_error() -> None:
    store = new_store()
    t = pushed(store, *[f"message {number}" for number in range(40)])
    done = 0
    for seed in range(12):
        other = make_tract()
        try:
            fetch(linked(other, Lying(store, seed, share=0.4)), other.repository, Asked(["root"], ["main"]))
        except RemoteError:
            assert not other.repository.refs.list("refs/remotes/")
            continue
        assert t.head == other.get_commit("origin/main").commit_hash
        done += 1
    assert done


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"refs": {"refs/heads/evil": b"x" * 32}}, "does not travel"),
        ({"refs": {"HEAD": b"x" * 32}}, "does not travel"),
        ({"refs": {"refs/tags/../../x": b"x" * 32}}, "not a ref name"),
        ({"branch": "../../x", "commit": b"x" * 32}, "not a branch name"),
        ({"branch": "main", "commit": b"x" * 32}, "is in none of the packs"),
        ({"tract": "", "branch": "main"}, "not a tract name"),
    ],
)
def test_what_a_stranger_put_there_moves_nothing_here(changes: dict[str, Any], said: str) -> None:
    store = new_store()
    head = Head(**{"tract": "root", "branch": None, "gen": 1, **changes})
    if BASE and not head.tract:
        pytest.skip("buckets have no keys with an empty part")
    store.create(head_key(head.tract, head.branch), encode_head(head))
    t = make_tract("a")
    before = t.repository.refs.list()

    with pytest.raises(RemoteError, match=said):
        fetch(linked(t, store), t.repository, Asked(None, as_clone=True))
    assert before == t.repository.refs.list()


def test_a_branch_that_is_a_note_there_is_refused() -> None:
    store = new_store()
    t = make_tract("a")
    t.annotate("HEAD", "pinned")
    note = t.repository.ref("refs/notes/priority")
    assert isinstance(note, bytes)
    need = needed(t.repository, [(note, "commit")], lambda _: False)
    link = linked(t, store)
    pack = send_pack(link, encode_pack(read_all(t.repository, need.objects)), 5)
    head = Head(tract="root", branch="main", gen=1, commit=note, packs=(pack,))
    store.create(head_key("root", "main"), encode_head(head))

    with pytest.raises(RemoteError, match="is at a note"):
        fetch(linked(make_tract(), store), make_tract().repository, Asked(None))


def test_a_store_without_its_history_repacks_nothing() -> None:
    store = new_store()
    t = pushed(store, *"abcdef")
    shallow = make_tract()
    link = linked(shallow, store)
    fetch(link, shallow.repository, Asked(None, as_clone=True, depth=1))
    before = keys_of(store)

    with pytest.raises(RemoteRefusedError, match="this store lacks history"):
        repack(link, shallow.repository)
    assert before == keys_of(store)
    shallow.user("g")
    push(shallow.repository, "origin", PushRequest(), link=link)
    assert verify_remote(linked(make_tract(), store)).is_clean
    other = make_tract()
    fetch(linked(other, store), other.repository, Asked(None, as_clone=True))
    assert 7 == len(other.log(100))
    assert t.head == other.get_commit("HEAD~1").commit_hash


def test_a_repack_keeps_notes_that_were_folded() -> None:
    store = new_store()
    t = pushed(store, "a")
    link = linked(t, store)
    for number in range(70):
        t.assistant(f"b{number}", generation_config={"n": number})
        if number % 10 == 0:
            push(t.repository, "origin", PushRequest(), link=link)
    push(t.repository, "origin", PushRequest(), link=link)
    assert 1 == len(repack(linked(t, store), t.repository))
    assert [] == repack(linked(t, store), t.repository)

    other = make_tract()
    fetch(linked(other, store), other.repository, Asked(None, as_clone=True))
    assert [{"n": n} for n in reversed(range(70))] == [one.generation_config for one in other.log(70)]
    assert verify_remote(linked(make_tract(), store)).is_clean
