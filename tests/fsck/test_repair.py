"""Repair restores what can be proved, says what is lost, and throws nothing away."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.making import Words
from tract import Tract
from tract.history.notes import noted_entries
from tract.maintenance.fsck.check import check_repository
from tract.maintenance.fsck.repair import run_repair
from tract.maintenance.fsck.repair_plan import plan_repair
from tract.maintenance.fsck.report import FsckReport
from tract.maintenance.gc.collect import collect
from tract.objects.model import new_blob, new_commit
from tract.opening import open_repository
from tract.refs.store import RefEdit
from tract.storage.locks import FileLock


class Store:
    """A store in a folder, and what can be done to it from outside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / ".tract"
        Tract.open(folder, tokenizer=Words()).close()

    def open(self, **options: Any) -> Tract:
        return Tract.open(self.folder, tokenizer=Words(), **options)

    def say(self, *texts: str) -> list[str]:
        with self.open() as t:
            return [t.commit({"role": "user", "content": text}).commit_hash for text in texts]

    def texts(self) -> list[str]:
        with self.open() as t:
            return [str(message.content) for message in t.compile().messages]

    def seal(self) -> None:
        """Bring everything into a pack."""
        repo = open_repository(str(self.path))
        with repo.objects.lock():
            repo.refs.refresh()
            repo.objects.seal(*repo.refs.keyframe(repo.refs.last, "seal"))
        repo.close()

    def one(self, pattern: str) -> Path:
        (found,) = self.path.glob(pattern)
        return found

    def damage(self, pattern: str, change: Callable[[bytearray], None]) -> Path:
        path = self.one(pattern)
        data = bytearray(path.read_bytes())
        change(data)
        path.write_bytes(data)
        return path

    def check(self) -> FsckReport:
        return check_repository(str(self.path))

    def repair(self) -> FsckReport:
        return run_repair(plan_repair(self.check()))

    def aside(self, name: str) -> bytes:
        """What repair took out of the way."""
        return self.one(f"aside/*/{name}").read_bytes()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def flip(at: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        data[at] ^= 1

    return change


def flip_in(text: bytes) -> Callable[[bytearray], None]:
    return lambda data: flip(data.index(text))(data)


def test_a_store_without_problems_has_nothing_to_repair(store: Store) -> None:
    store.say("a")

    assert () == plan_repair(store.check()).steps


def test_a_plan_changes_nothing(store: Store) -> None:
    store.say("a")
    store.damage("HEAD", flip(3))
    before = {path: path.read_bytes() for path in store.path.rglob("*") if path.is_file()}

    assert ["write-ref-file"] == [step.action for step in plan_repair(store.check()).steps]
    assert before == {path: path.read_bytes() for path in store.path.rglob("*") if path.is_file()}


@pytest.mark.parametrize("how", ["gone", "flipped", "cut"])
def test_an_index_is_made_anew_byte_for_byte(store: Store, how: str) -> None:
    store.say("a", "b")
    store.seal()
    index = store.one("objects/pack/*.idx")
    data = index.read_bytes()
    index.write_bytes({"gone": b"", "flipped": data[:70] + bytes([data[70] ^ 4]) + data[71:], "cut": data[:99]}[how])
    if how == "gone":
        index.unlink()

    assert store.repair().is_clean
    assert data == index.read_bytes()
    assert ["a", "b"] == store.texts()


def test_a_torn_end_is_cleared_and_its_bytes_are_kept(store: Store) -> None:
    store.say("a")

    def tear(data: bytearray) -> None:
        end = len(data.rstrip(b"\0"))
        data[end : end + 20] = b"half of a write" + b"\0" * 4 + b"!"

    store.damage("objects/journal", tear)

    assert store.repair().is_clean
    assert store.aside("objects/journal.torn").startswith(b"half of a write")
    assert ["a"] == store.texts()


@pytest.mark.parametrize("name", ["HEAD", "refs/heads/main", "refs/tags/v1"])
@pytest.mark.parametrize("how", ["gone", "flipped"])
def test_ref_files_are_written_anew_from_the_operations(store: Store, name: str, how: str) -> None:
    store.say("a")
    with store.open() as t:
        t.tag("v1")
    data = store.one(name).read_bytes().split()[0]
    if how == "gone":
        store.one(name).unlink()
    else:
        store.damage(name, flip(5))

    assert store.repair().is_clean
    assert data == store.one(name).read_bytes().split()[0]


def test_the_file_of_a_ref_that_is_not_is_kept_aside(store: Store) -> None:
    store.say("a")
    with store.open() as t:
        t.tag("v1")
    line = store.one("refs/tags/v1").read_bytes()
    repo = open_repository(str(store.path))
    from tract.refs.store import RefEdit

    repo.refs.update([RefEdit("refs/tags/v1", None)], reason="test")
    repo.close()
    (store.path / "refs/tags/v1").write_bytes(line)
    (store.path / "refs/tags/v1").chmod(0o600)

    assert store.repair().is_clean
    assert not (store.path / "refs/tags/v1").exists()
    assert line == store.aside("refs/tags/v1")


@pytest.mark.parametrize("at", [3, 17, 25, 40], ids=["magic", "nonce", "checksum", "zeros"])
def test_a_journal_with_a_damaged_head_loses_nothing(store: Store, at: int) -> None:
    store.say("a", "b", "c")
    damaged = store.damage("objects/journal", flip(at)).read_bytes()

    report = store.repair()

    assert report.is_clean
    assert damaged == store.aside("objects/journal")
    assert ["a", "b", "c"] == store.texts()


@pytest.mark.parametrize("at", [3, 9, 13, 16, 22, 26], ids=["nonce", "crc", "length", "flags", "count", "number"])
def test_a_transaction_whose_head_is_damaged_loses_nothing(store: Store, at: int) -> None:
    for text in ("a", "b", "c"):
        store.say(text)
    data = store.one("objects/journal").read_bytes()
    last = data.rindex(data[16:24])
    store.damage("objects/journal", flip(last + at))

    assert not store.check().is_clean
    report = store.repair()

    assert report.is_clean
    assert ["a", "b", "c"] == store.texts()


def test_a_message_lost_in_the_middle_is_named_and_the_rest_is_kept(store: Store) -> None:
    ids = store.say("first", "a lost one", "last")
    store.damage("objects/journal", flip_in(b"a lost one"))

    report = store.repair()

    (lost,) = report.errors
    assert "missing-object" == lost.kind
    assert ids[1][:16] in lost.detail + lost.lost
    with store.open() as t:
        assert ids[2] == t.head
        t.commit({"role": "user", "content": "said again"}, operation="edit", response_to=ids[1])
    assert ["first", "said again", "last"] == store.texts()


def test_a_commit_lost_at_the_end_takes_the_branch_back_to_the_last_whole_state(store: Store) -> None:
    ids = store.say("first", "second", "last")
    payload = store.one("objects/journal").read_bytes().index(bytes.fromhex(ids[2])) + 32
    store.damage("objects/journal", flip(payload + 1))
    plan = plan_repair(store.check())
    assert any(ids[2][:16] in lost and "last" in lost for lost in plan.lost)

    report = run_repair(plan)

    assert report.is_clean
    assert ["first", "second"] == store.texts()
    with store.open() as t:
        assert ids[1] == t.head


def test_a_lost_journal_is_made_anew_from_packs_and_ref_files(store: Store) -> None:
    store.say("packed")
    with store.open() as t:
        t.tag("v1")
    store.seal()
    store.say("lost")
    store.one("objects/journal").unlink()

    report = store.repair()

    assert report.is_clean
    assert ["packed"] == store.texts()
    with store.open() as t:
        assert ["v1"] == list(t.tags())
        t.commit({"role": "user", "content": "on it goes"})
    assert ["packed", "on it goes"] == store.texts()
    assert store.check().is_clean


def test_a_lost_journal_with_nothing_else_leaves_an_empty_store_that_works(store: Store) -> None:
    store.say("lost")
    store.one("objects/journal").unlink()

    assert store.repair().is_clean
    assert [] == store.texts()
    assert b"synced" in store.aside("refs/heads/main")


def test_a_journal_in_place_of_a_newer_one_is_caught_by_the_ref_files(store: Store) -> None:
    store.say("a")
    old = store.one("objects/journal").read_bytes()
    store.say("b")
    store.one("objects/journal").write_bytes(old)

    assert {"ref-file-ahead"} <= {problem.kind for problem in store.check().errors}
    assert store.repair().is_clean
    assert ["a"] == store.texts()


@pytest.mark.parametrize("collected", [False, True])
def test_what_a_damaged_pack_still_has_is_brought_into_a_new_one(store: Store, collected: bool) -> None:
    texts = [f"message {n} " + os.urandom(3000).hex() for n in range(60)]
    store.say(*texts)
    store.seal()
    if collected:
        repo = open_repository(str(store.path))
        collect(repo)
        repo.close()
    pack = store.damage("objects/pack/*.pack", flip(5000))
    damaged = pack.read_bytes()

    assert not store.check().is_clean
    report = store.repair()

    assert {"missing-object"} == {problem.kind for problem in report.errors}
    assert 0 < len(report.errors) < 60
    assert all(problem.lost for problem in report.errors)
    assert damaged == store.aside(f"objects/pack/{pack.name}")
    assert not pack.exists()


@pytest.mark.parametrize("place", ["header", "trailer", "seal", "ids"])
def test_a_pack_whose_objects_are_all_whole_loses_nothing(store: Store, place: str) -> None:
    store.say(*(f"message {n}" for n in range(30)))
    store.seal()
    size = store.one("objects/pack/*.pack").stat().st_size
    at = {"header": 5, "trailer": size - 80 + 9, "seal": size - 5, "ids": None}[place]
    if at is None:
        with store.open() as t:
            tip = bytes.fromhex(t.log(1)[0].commit_hash)
        at = store.one("objects/pack/*.pack").read_bytes().index(tip)
    store.damage("objects/pack/*.pack", flip(at))

    report = store.repair()

    assert report.is_clean
    assert [f"message {n}" for n in range(30)] == store.texts()


def test_what_is_derived_or_plain_is_written_anew(store: Store) -> None:
    store.say("a")
    assert ["a"] == store.texts()
    with store.open() as t:
        assert t.compile().token_count
    id = store.one("format").read_bytes().split(b"\n")[1]
    store.damage("format", flip(50))
    store.damage("config.toml", lambda data: data.extend(b"x = ["))
    store.damage("cache/counts-*", flip(30))
    shutil.rmtree(store.path / "locks")
    (store.path / "config.toml").chmod(0o644)

    report = store.repair()

    assert report.is_clean
    assert id == store.one("format").read_bytes().split(b"\n")[1]
    assert store.aside("config.toml").endswith(b"x = [")
    assert ["a"] == store.texts()


def test_settings_edited_by_hand_are_accepted_as_they_are(store: Store) -> None:
    store.damage("config.toml", lambda data: data.__setitem__(slice(0, 0), b"token_budget = 77\n"))

    assert store.repair().is_clean
    with store.open() as t:
        assert 77 == t.config.token_budget or 77 == t.config.budget.max_tokens


def test_a_damaged_loose_object_is_kept_aside_and_named(store: Store) -> None:
    store.say("x" * 2_000_000)
    (path,) = [p for p in store.path.glob("objects/??/*") if len(p.name) == 62]
    path.write_bytes(path.read_bytes()[:-100])

    report = store.repair()

    assert ["missing-object"] == [problem.kind for problem in report.errors]
    assert store.aside(str(path.relative_to(store.path)))


def test_other_tracts_keep_their_heads_and_branches(store: Store) -> None:
    with store.open(tract_id="helper") as t:
        t.commit({"role": "user", "content": "do it"})
    store.damage("objects/journal", flip(20))

    assert store.repair().is_clean
    with store.open(tract_id="helper") as t:
        assert 1 == len(t.log())


def test_a_handle_that_is_open_meanwhile_goes_on_with_the_new_journal(store: Store) -> None:
    with store.open() as t:
        t.commit({"role": "user", "content": "a"})
        store.damage("objects/journal", flip(25))
        assert store.repair().is_clean
        t.commit({"role": "user", "content": "b"})
    assert ["a", "b"] == store.texts()
    assert store.check().is_clean


def test_what_another_repair_did_already_is_not_done_again(store: Store) -> None:
    store.say("a")
    store.damage("objects/journal", flip(20))
    plan = plan_repair(store.check())
    run_repair(plan)

    assert run_repair(plan).is_clean
    assert 1 == len(list(store.path.glob("aside/*/objects/journal")))


def test_nothing_is_repaired_while_a_gc_is_at_work(store: Store) -> None:
    store.say("a")
    store.damage("objects/journal", flip(20))
    before = (store.path / "objects" / "journal").read_bytes()
    plan = plan_repair(store.check())
    lock = FileLock(str(store.path / "locks" / "gc"))
    lock.acquire()
    thread = Thread(target=run_repair, args=(plan,))
    thread.start()
    try:
        thread.join(0.05)
        assert before == (store.path / "objects" / "journal").read_bytes()
    finally:
        lock.close()
        thread.join()

    assert store.check().is_clean


@pytest.mark.parametrize("name", ["locks/gc", "locks/journal", "objects/pack/*.idx", "HEAD", "cache/totals"])
def test_what_is_no_file_is_moved_aside_and_all_is_well(store: Store, name: str) -> None:
    store.say("a", "b")
    store.seal()
    with store.open() as t:
        t.status()
    (store.path / "cache" / "totals").touch(0o600)
    path = store.one(name)
    path.unlink()
    os.mkfifo(path, 0o600)

    assert store.repair().is_clean
    assert ["a", "b"] == store.texts()
    assert "kept-aside" in [problem.kind for problem in store.check().problems]


# Lists of notes


def priorities(store: Store, ids: list[str]) -> list[str | None]:
    with store.open() as t:
        return [next((str(one.priority) for one in t.get_annotations(id)[-1:]), None) for id in ids]


def noted(store: Store, number: int) -> list[str]:
    """Messages, each with a note of its own; every third is hidden."""
    ids = store.say(*(f"m{n}" for n in range(number)))
    with store.open() as t:
        for at, id in enumerate(ids):
            t.annotate(id, "normal" if at % 3 else "skip", reason=f"because of {at}")
    return ids


def lose(store: Store, id: bytes) -> None:
    with store.open() as t:
        payload = t.repository.objects.read(id).payload
    store.damage("objects/journal", flip_in(payload))


@pytest.mark.parametrize("what", ["note", "first note", "last note", "commit", "chunk"])
def test_of_a_list_of_notes_stays_what_can_be_read(store: Store, what: str) -> None:
    ids = noted(store, 60)
    before = priorities(store, ids)
    with store.open() as t:
        repo = t.repository
        tip = repo.refs.read("refs/notes/priority")
        assert isinstance(tip, bytes)
        entries = list(noted_entries(repo, tip))
        root = repo.commit(tip).tree
        assert root is not None
        at = {"note": 30, "first note": 0, "last note": 59}.get(what, 30)
        commit = tip
        for _ in range(20):
            commit = repo.commit(commit).parents[0]
        lost = {"commit": commit, "chunk": repo.node(root).items[2]}.get(what, entries[at][1])
    lose(store, lost)
    plan = plan_repair(store.check())

    assert not run_repair(plan).errors
    told = [f"note about commit {ids[at][:16]} in 'refs/notes/priority', {lost.hex()[:16]}"] if "note" in what else []
    assert told == [line.partition(":")[0] for line in plan.lost if line.startswith("note about")]
    assert [None if told and n == at else one for n, one in enumerate(before)] == priorities(store, ids)
    with store.open() as t:
        tip = t.repository.refs.read("refs/notes/priority")
        assert isinstance(tip, bytes)
        assert [entry for n, entry in enumerate(entries) if not told or n != at] == list(
            noted_entries(t.repository, tip)
        )
        hidden = [n for n in range(60) if n % 3 == 0 and not (told and n == at)]
        assert [f"m{n}" for n in range(60) if n not in hidden] == [str(m.content) for m in t.compile().messages]
        t.annotate(ids[at], "pinned")
        t.gc()
    assert [] == [one for one in store.check().problems if one.severity == "error"]
    if told:
        row = json.loads(store.aside("refs/notes/priority.left-out"))
        assert (ids[at], lost.hex(), "it is missing") == (row["commit"], row["note"], row["why"])


def test_a_list_of_which_nothing_is_left_has_no_ref_any_more(store: Store) -> None:
    (id,) = store.say("a")
    with store.open() as t:
        t.annotate(id, "skip", reason="lost")
        tip = t.repository.refs.read("refs/notes/priority")
        assert isinstance(tip, bytes)
        content = t.repository.commit(tip).content
        assert content is not None
    lose(store, content)

    assert not store.repair().errors
    assert ["a"] == store.texts()
    assert not (store.path / "refs" / "notes" / "priority").exists()


def test_a_note_in_the_wrong_place_is_put_into_its_own_and_one_that_is_none_is_kept_aside(store: Store) -> None:
    ids = [bytes.fromhex(id) for id in store.say("a", "b", "c")]
    with store.open() as t:
        t.annotate(ids[0].hex(), "skip", reason="first")
        repo = t.repository
        tip = repo.refs.read("refs/notes/priority")
        assert isinstance(tip, bytes)
        note = repo.commit(tip)
        assert note.content is not None
        event = repo.blob(note.content)
        moved = new_blob({**event, "target": ids[1].hex()})
        none = new_blob({"reason": "no note", "data": b"\1"})
        entries = (*note.open, ids[2], moved.id, ids[2], none.id, *note.open)
        first = new_commit(note._replace(open=entries))
        repo.refs.update([RefEdit("refs/notes/priority", first.id)], reason="test", objects=[moved, none, first])

    assert not store.repair().errors
    assert ["c"] == store.texts()
    row = json.loads(store.aside("refs/notes/priority.left-out"))
    assert (ids[2].hex(), {"reason": "no note", "data": "01"}) == (row["commit"], row["says"])


def test_the_notes_of_a_store_without_damage_are_left_alone(store: Store) -> None:
    noted(store, 20)
    with store.open() as t:
        before = t.repository.refs.read("refs/notes/priority")
    store.damage("objects/journal", flip(20))

    assert store.repair().is_clean
    with store.open() as t:
        assert before == t.repository.refs.read("refs/notes/priority")
