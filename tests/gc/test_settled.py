"""Packs of which everything is reachable stay as they are; nothing is lost by that, and nothing kept that should go."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest

from tests.gc.test_archives_random import opened, seen, step
from tests.making import assert_clean
from tract import Tract
from tract.errors import TractError
from tract.maintenance.gc.collect import collect
from tract.maintenance.gc.options import GCResult, read_options


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tract.storage.settled._LEAST_OBJECTS", 8)


def packs(path: Path) -> set[str]:
    return {file.name for file in (path / ".tract" / "objects" / "pack").glob("*.pack")}


def say(t: Tract, count: int, words: str = "word") -> list[str]:
    return [t.user(f"{words} {number}").commit_hash for number in range(count)]


def gc(t: Tract) -> GCResult:
    return collect(t.repository, read_options(t.repository, orphans=0))


def test_what_is_new_goes_into_a_pack_of_its_own(tmp_path):
    t = opened(tmp_path)
    say(t, 40)
    gc(t)
    first = packs(tmp_path)
    say(t, 5)
    before = seen(t)

    result = gc(t)

    assert first < packs(tmp_path)
    assert (2, 1, 0) == (result.packs_after, len(first), result.dropped)
    assert result.reachable == collect(t.repository, dry_run=True).reachable
    assert before == seen(opened(tmp_path))
    assert 45 == len(opened(tmp_path).reflog())
    assert_clean(tmp_path)


def test_packs_stay_few(tmp_path):
    t = opened(tmp_path)
    most = 0
    for _ in range(30):
        say(t, 10)
        most = max(most, gc(t).packs_after)

    assert most <= 6
    assert 300 == len(opened(tmp_path).log(None))
    assert_clean(tmp_path)


@pytest.mark.parametrize("way", ["reset", "branch", "tag", "undo"])
def test_what_is_reachable_no_more_goes_out_of_a_settled_pack_too(tmp_path, way):
    t = opened(tmp_path)
    ids = say(t, 40)
    if way in ("branch", "tag"):
        t.branch("side", switch=True)
        say(t, 1, "aside")
        gone = t.head or ""
        t.switch("main")
        if way == "tag":
            t.tag("v1", gone)
            t.delete_branch("side", force=True)
    else:
        gone = say(t, 1, "too much")[0]
    gc(t)
    say(t, 2)
    gc(t)
    if way == "branch":
        t.delete_branch("side", force=True)
    elif way == "tag":
        t.delete_tag("v1")
    else:
        t.reset(ids[-1], mode="hard")

    result = gc(t)

    assert result.dropped >= 2
    assert not t.repository.objects.contains(bytes.fromhex(gone))
    assert ids[-1] in opened(tmp_path).compile().commit_hashes
    assert_clean(tmp_path)


def test_a_large_message_that_only_settled_commits_name_stays(tmp_path):
    t = opened(tmp_path)
    said = t.user(random.Random(1).randbytes(900_000).hex())
    say(t, 40)
    gc(t)
    say(t, 3)

    assert 0 == gc(t).dropped

    assert said.content_hash == opened(tmp_path).get_commit(said.commit_hash).content_hash
    assert 1_800_000 == len(opened(tmp_path).get_content(said.commit_hash).text)
    assert_clean(tmp_path)


def test_a_message_said_again_is_in_one_pack(tmp_path):
    t = opened(tmp_path)
    say(t, 40)
    first = gc(t)
    say(t, 5)  # the same words: their blobs are in the settled pack

    result = gc(t)

    assert first.reachable + 5 <= result.reachable <= first.reachable + 7  # commits and a chunk
    assert_clean(tmp_path)


@pytest.mark.parametrize("damage", ["gone", "cut", "changed"])
def test_without_the_list_everything_is_read(tmp_path, damage):
    t = opened(tmp_path)
    say(t, 40)
    gc(t)
    say(t, 3)
    before = seen(t)
    file = tmp_path / ".tract" / "cache" / "settled"
    data = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(data[:-30] if damage == "cut" else data.replace(b"tip", b"top", 1))

    assert 1 == gc(t).packs_after

    assert before == seen(opened(tmp_path))
    assert_clean(tmp_path)


def test_the_reflog_loses_moves_to_what_is_dropped_also_where_packs_are_settled(tmp_path):
    t = opened(tmp_path)
    say(t, 40)
    t.branch("aside", switch=True)
    say(t, 1, "tried")
    t.switch("main")
    t.delete_branch("aside", force=True)
    t.gc()  # the orphan is young: it stays, in a pack of its own
    say(t, 5)
    t.gc()

    assert 2 == gc(t).dropped

    assert 46 == len({entry.commit_hash for entry in opened(tmp_path).reflog()} | {"one more for HEAD"})
    for _, operation in t.repository.refs.history():
        for change in operation.changes:
            assert not isinstance(change.new, bytes) or t.repository.objects.contains(change.new)
    assert_clean(tmp_path)


@pytest.mark.parametrize("seed", range(8))
def test_no_context_changes_over_many_gcs(tmp_path: Path, seed: int) -> None:
    chance = random.Random(f"settled {seed}")
    number = 0
    settled = 0
    with opened(tmp_path) as t:
        say(t, 60)
    for _ in range(8):
        with opened(tmp_path) as t:
            for _ in range(chance.choice([2, 6, 14])):
                number += 1
                with suppress(TractError):
                    step(t, chance, number)
            before = seen(t)
            asked = read_options(t.repository, orphans=chance.choice([0, 0, 7]))
            planned = collect(t.repository, asked, dry_run=True)
            known = packs(tmp_path)
            done = collect(t.repository, asked)
            assert (planned.reachable, planned.kept, planned.dropped) == (done.reachable, done.kept, done.dropped)
            settled += bool(known & packs(tmp_path))
            assert before == seen(t)
            t.log(None)
            t.reflog()
        assert_clean(tmp_path)
    assert settled
