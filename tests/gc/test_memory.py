"""A gc of a store in memory: it drops what a gc of one on the disk drops, and says the same of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.making import Words, move_ref, texts
from tract import CompressionError, GCError, Priority, Session, Tract, TractConfig
from tract.errors import CommitNotFoundError
from tract.maintenance.gc.collect import collect, is_due, prune
from tract.maintenance.gc.options import DAY, GCResult, read_options
from tract.maintenance.gc.plan import plan_gc
from tract.maintenance.gc.run import run_gc
from tract.objects.model import NewObject
from tract.refs.store import ANY


def in_memory(**options: Any) -> Tract:
    return Tract.open(":memory:", tokenizer=Words(), verify_cache=True, **options)


def gc_after(t: Tract, days: float, **options: Any) -> GCResult:
    """A gc so many days from now, with *options* of ``read_options``."""
    return collect(t.repository, read_options(t.repository, **options), now=time.time() + days * DAY)


def has(t: Tract, commit: str) -> bool:
    return t.repository.objects.contains(bytes.fromhex(commit))


def abandon(t: Tract, *said: str) -> list[str]:
    """Commits that a reset leaves behind; the reflog has them still."""
    at = t.head or ""
    ids = [t.user(text).commit_hash for text in said]
    t.reset(at)
    move_ref(t.repository, "ORIG_HEAD", None, expected=ANY, reason="forget")
    return ids


def moved(t: Tract) -> None:
    t.user("a")
    t.edit("HEAD", "A")
    abandon(t, "b", "c")


def compressed(t: Tract) -> None:
    ids = [t.user(text).commit_hash for text in "abcdef"]
    t.annotate(ids[1], Priority.PINNED)
    t.compress(content="acd", keep_recent=2)


def noted(t: Tract) -> None:
    moved(t)
    for text in "def":
        t.commit({"role": "assistant", "content": text}, usage={"input_tokens": 3}, key=text)
    compressed(t)
    t.reset("HEAD~1", "hard")


def merged(t: Tract) -> None:
    t.user("a")
    t.branch("side")
    t.switch("side")
    t.user("b")
    t.switch("main")
    compressed(t)
    t.merge("side")
    abandon(t, "z")


@pytest.mark.parametrize("days", [0.5, 3, 20, 200])
@pytest.mark.parametrize("made", [moved, compressed, noted, merged])
def test_memory_and_disk_drop_the_same(tmp_path: Path, made: Callable[[Tract], None], days: float) -> None:
    disk, memory = Tract.open(tmp_path, tokenizer=Words(), durability="process"), in_memory()
    told, began = [], time.time_ns() // 1000
    for t in (disk, memory):
        # The same times, so that commits are the same, and the nodes of contexts end at the same places.
        object.__setattr__(t.repository, "clock", count(began).__next__)
        made(t)
        before = (texts(t), t.compile().commit_hashes)
        dry = collect(t.repository, read_options(t.repository, archives=2), dry_run=True, now=time.time() + days * DAY)
        result = gc_after(t, days, archives=2)
        assert before == (texts(t), t.compile().commit_hashes)
        assert (dry.reachable, dry.kept, dry.dropped) == (result.reachable, result.kept, result.dropped)
        assert (dry.dropped_size, dry.archives) == (result.dropped_size, result.archives)
        t.user("more")
        said = ([one.reason for one in t.reflog()], t.log(None), texts(t))
        told.append((result.reachable, result.kept, result.dropped, result.dropped_size, result.archives, said))

    assert told[0] == told[1]


def test_what_nothing_reaches_goes_after_its_window() -> None:
    t = in_memory()
    t.user("a")
    lost = abandon(t, "b", "c")
    before = (t.compile().messages, t.log(None))

    young = gc_after(t, 6)
    assert (0, True) == (young.dropped, has(t, lost[0]))
    dry = t.gc(orphan_retention_days=0, dry_run=True)
    assert (True, True) == (dry.dry_run, has(t, lost[0]))
    old = gc_after(t, 8)

    assert dry.dropped == old.dropped > 0
    assert [False, False] == [has(t, id) for id in lost]
    with pytest.raises(CommitNotFoundError):
        t.get_commit(lost[0])
    objects = t.repository.objects
    assert old.size_after == sum(len(objects.read(id).payload) for id, _ in objects.ids())
    assert old.size_after < old.size_before
    assert before == (t.compile().messages, t.log(None))
    assert 0 == gc_after(t, 8).dropped


def test_a_cut_archive_cannot_be_expanded_and_its_pin_stays() -> None:
    t = in_memory()
    compressed(t)
    before = t.compile().commit_hashes

    [archive] = gc_after(t, 3, archives=1).archives

    assert (archive.commit, 3) == (t.head, archive.messages)
    assert before == t.compile().commit_hashes
    assert ["acd", "b", "e", "f"] == texts(t)
    with pytest.raises(CompressionError, match="gc cut it"):
        t.expand(archive.commit)
    assert "b" == t.get_content(before[1]).text


def test_each_tract_of_a_session_keeps_by_its_own_settings() -> None:
    with Session.open(":memory:", config=TractConfig(orphan_retention_days=1)) as session:
        short, long = (
            session.create_tract("short"),
            session.create_tract("long", config=TractConfig(orphan_retention_days=50)),
        )
        lost = []
        for t in (short, long):
            t.user("a")
            lost += abandon(t, f"lost in {t.tract_id}")

        gc_after(short, 10)

        assert [False, True] == [has(short, id) for id in lost]
        assert [["a"], ["a"]] == [texts(t) for t in (short, long)]


def test_what_is_written_again_after_the_plan_stays() -> None:
    t = in_memory()
    t.user("a")
    [lost] = abandon(t, "b")
    repo, id = t.repository, bytes.fromhex(lost)
    plan = plan_gc(repo, now=time.time() + 8 * DAY)
    obj = repo.objects.read(id)
    repo.objects.write_many([NewObject(id, obj.kind, obj.payload)])

    result = run_gc(repo, plan)

    assert has(t, lost)
    assert not result.dry_run


def test_prune_drops_orphans_of_a_store_in_memory() -> None:
    t = in_memory()
    t.user("a")
    [lost] = abandon(t, "b")

    dropped = prune(t.repository, orphans=0)

    assert "commit" == dropped[bytes.fromhex(lost)]
    assert not has(t, lost)


def test_undo_and_hundreds_of_commits_go_on_after_a_gc() -> None:
    t = in_memory()
    for number in range(600):  # the operations have several keyframes
        t.user(str(number))
    abandon(t, "lost")
    t.gc(orphan_retention_days=0)
    t.user("after")
    t.undo()
    assert [str(number) for number in range(600)] == texts(t)
    for number in range(300):
        t.user(str(number))
    assert 900 == len(t.compile())


def test_nothing_waits_to_be_packed_in_memory() -> None:
    t = in_memory()
    for number in range(1100):
        t.user(str(number))
    assert not is_due(t.repository)


def test_inside_a_batch_nothing_is_collected() -> None:
    t = in_memory()
    with pytest.raises(GCError, match="inside a batch"), t.batch():
        t.gc()
    assert 0 == t.gc().dropped
