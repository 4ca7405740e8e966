"""What gc keeps, what it drops, and that nobody is disturbed by it."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from tests.making import Words, assert_whole, move_ref, texts
from tract import DetachedHeadError, GCError, Priority, Tract
from tract.errors import BlobNotFoundError, CommitNotFoundError, TractError
from tract.history.branch import create_branch, switch_branch
from tract.history.commit import Draft, write_commits
from tract.history.notes import NewNote, note_history, write_note
from tract.history.stale_notes import find_stale_notes, prune_notes
from tract.history.state import write_state
from tract.maintenance.gc.collect import collect, is_due, prune
from tract.maintenance.gc.options import DAY, read_options
from tract.maintenance.gc.plan import plan_gc
from tract.maintenance.gc.run import LEVEL, run_gc
from tract.objects.model import Commit, CommitOperation, new_blob, new_commit
from tract.refs.store import ANY, RefEdit
from tract.repo import Repository
from tract.revision import ref_history
from tract.storage.catalogue import Catalogue
from tract.storage.counts import CountsReader
from tract.storage.database import Database
from tract.storage.pack_writer import Group, packing_of


def make_tract(path: Path, *said: str, **options) -> Tract:
    options = {"durability": "process", "on_moved": "append", **options}
    tract = Tract.open(path, tokenizer=Words(), verify_cache=True, **options)
    for text in said:
        tract.user(text)
    return tract


def repo_of(tract: Tract) -> Repository:
    return tract.repository


def store_of(tract: Tract) -> Database:
    store = tract.repository.objects
    assert isinstance(store, Database)
    return store


def has(tract: Tract, commit: str) -> bool:
    return store_of(tract).contains(bytes.fromhex(commit))


def say_aside(tract: Tract, *said: str, branch: str = "aside") -> list[str]:
    """Commit on a branch that is gone afterwards; the commits."""
    repo = repo_of(tract)
    create_branch(repo, branch, bytes.fromhex(tract.head or ""))
    switch_branch(repo, branch)
    commits = [tract.user(text).commit_hash for text in said]
    switch_branch(repo, "main")
    delete(tract, branch)
    return commits


def delete(tract: Tract, branch: str) -> None:
    move_ref(repo_of(tract), f"refs/heads/{branch}", None, expected=ANY, reason="branch: deleted")


def put(tract: Tract, ref: str, commit: str) -> None:
    move_ref(repo_of(tract), ref, bytes.fromhex(commit), expected=ANY, reason="put")


def gc_after(tract: Tract, days: float, **options):
    """A gc that takes place so many days from now."""
    return collect(repo_of(tract), now=time.time() + days * DAY, **options)


def files_in(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def packs_in(path: Path) -> set[str]:
    return {p.name for p in (path / ".tract" / "objects" / "pack").iterdir()}


# What is kept


def test_all_that_refs_reach_stays_whatever_the_retention(tmp_path):
    t = make_tract(tmp_path, "a", "b")
    t.commit({"role": "assistant", "content": "c"}, generation_config={"model": "m"}, usage={"input_tokens": 3})
    t.annotate("HEAD~1", Priority.SKIP)
    t.edit("HEAD~2", "A")
    [tagged] = say_aside(t, "tagged")
    put(t, "refs/tags/v1", tagged)
    other = make_tract(tmp_path, "other", tract_id="other")
    before = (texts(t), t.log(None), t.get_commit("HEAD~1"), texts(other))

    result = t.gc(orphan_retention_days=0)

    assert 1 == result.packs_after
    assert 0 == result.dropped
    assert before == (texts(t), t.log(None), t.get_commit("HEAD~1"), texts(other))
    fresh = make_tract(tmp_path)
    assert before[:3] == (texts(fresh), fresh.log(None), fresh.get_commit("HEAD~1"))
    assert "tagged" == fresh.get_content("v1").text
    assert_whole(tmp_path)


@pytest.mark.parametrize("begun", ["before the plan", "after it"])
def test_what_a_command_under_way_needs_stays(tmp_path, begun):
    t = make_tract(tmp_path, "a")
    [aside, lost] = say_aside(t, "b"), say_aside(t, "c")
    state = {"keeps": [aside[0], "00" * 32]}  # of which one is nowhere
    if begun == "before the plan":
        write_state(repo_of(t), "rebase", state)
    plan = planned(t)
    write_state(repo_of(t), "rebase", state)

    run_gc(repo_of(t), plan)

    assert (True, False) == (has(t, aside[0]), has(t, lost[0]))
    assert "b" == t.get_content(aside[0]).text


def test_a_detached_head_is_a_root(tmp_path):
    t = make_tract(tmp_path, "a")
    [aside] = say_aside(t, "b")
    repo = repo_of(t)
    repo.refs.update([RefEdit("HEAD", bytes.fromhex(aside))], reason="checkout")

    t.gc(orphan_retention_days=0)

    assert ["a", "b"] == texts(make_tract(tmp_path))
    with pytest.raises(DetachedHeadError):
        make_tract(tmp_path, "c")


def test_what_a_ref_moved_away_from_is_kept_for_the_retention_and_no_longer(tmp_path):
    t = make_tract(tmp_path, "a")
    first, second = say_aside(t, "b", "c")

    assert (0, 4) == (gc_after(t, 6.9).dropped, gc_after(t, 6.9).kept)
    assert has(t, second)

    assert 4 == gc_after(t, 7.1).dropped
    assert not has(t, first)
    assert not has(t, second)
    with pytest.raises(CommitNotFoundError):
        t.get_commit(second)
    assert_whole(tmp_path)


def test_an_orphan_is_as_old_as_the_move_away_from_it_whenever_it_was_packed(tmp_path):
    t = make_tract(tmp_path, "a")
    t.branch("aside", switch=True)
    aside = t.user("b").commit_hash
    t.switch("main")
    t.gc()
    repo_of(t).refs._clock = lambda: int((time.time() + 30 * DAY) * 1e6)
    delete(t, "aside")

    assert (0, 2) == (gc_after(t, 36).dropped, gc_after(t, 36).kept)
    assert 2 == gc_after(t, 38).dropped
    assert not has(t, aside)
    assert_whole(tmp_path)


def test_no_retention_drops_at_once(tmp_path):
    t = make_tract(tmp_path, "a")
    [aside] = say_aside(t, "b")

    result = t.gc(orphan_retention_days=0)

    assert (2, 0, 2) == (result.reachable, result.kept, result.dropped)
    assert not has(t, aside)
    assert_whole(tmp_path)


def test_being_collected_every_day_makes_nothing_younger(tmp_path):
    t = make_tract(tmp_path, "a")
    [aside] = say_aside(t, "b")
    repo_of(t).objects.write_many([new_blob({"text": "written by hand"})])
    lost = new_blob({"text": "in no operation"})
    with store_of(t).lock():
        store_of(t)._write_pack([lost])

    there = []
    for day in range(9):
        gc_after(t, day + 0.5)
        there.append((has(t, aside), store_of(t).contains(lost.id)))

    assert [(True, True)] * 7 + [(False, False)] * 2 == there


def test_objects_of_many_ages_share_few_packs(tmp_path):
    t = make_tract(tmp_path, "a")
    for at in range(40):
        with store_of(t).lock():
            store_of(t)._write_pack([new_blob({"text": f"lost {at}"})])
            store_of(t)._open_packs()
        name = max(store_of(t).packs(), key=lambda name: store_of(t).packs()[name])
        age = time.time() - at * DAY / 6
        os.utime(tmp_path / ".tract" / "objects" / "pack" / name, (age, age))

    result = t.gc()

    assert 40 == result.kept
    assert result.packs_after <= 11


def test_objects_that_share_a_pack_are_as_old_as_the_youngest_of_them(tmp_path):
    t = make_tract(tmp_path, "a")
    step, hour = 1 << 47, 3600 * 10**9
    start = (time.time_ns() // step - 1) * step
    lost = [new_blob({"text": f"lost {at}"}) for at in range(2)]
    for blob, age in zip(lost, (start + hour, start + 20 * hour), strict=True):
        before = set(store_of(t).packs())
        with store_of(t).lock():
            store_of(t)._write_pack([blob])
        [name] = set(store_of(t).packs()) - before
        os.utime(tmp_path / ".tract" / "objects" / "pack" / name, ns=(age, age))

    assert (2, 2) == ((result := t.gc()).kept, result.packs_after)

    for hours, is_kept in ((7 * 24 + 19, True), (7 * 24 + 21, False)):
        collect(repo_of(t), now=(start + hours * hour) / 1e9)
        assert [is_kept] * 2 == [store_of(t).contains(blob.id) for blob in lost]


def test_what_a_young_object_needs_is_as_young(tmp_path):
    t = make_tract(tmp_path, "a")
    blob = new_blob({"text": "old"})
    old = new_commit(Commit(CommitOperation.APPEND, (), blob.id, None, None, (), 1, 0, "x"))
    with store_of(t).lock():
        store_of(t)._write_pack([old, blob])
    t.gc()
    young = new_commit(Commit(CommitOperation.APPEND, (old.id,), None, None, None, (), 2, 0, "x"))
    [id] = store_of(t).write_many([young])
    later = time.time() + 30 * DAY
    os.utime(store_of(t)._loose.path_of(id), (later, later))

    assert (3, 0) == (gc_after(t, 36).kept, gc_after(t, 36).dropped)
    assert store_of(t).contains(blob.id)
    assert 3 == gc_after(t, 38).dropped
    assert not store_of(t).contains(old.id)


def test_a_gap_behind_a_young_object_does_not_stop_gc(tmp_path):
    t = make_tract(tmp_path, "a")
    young = new_commit(Commit(CommitOperation.APPEND, (bytes(32),), None, None, None, (), 2, 0, "x"))
    store_of(t).write_many([young])

    assert 1 == t.gc().kept


def test_a_note_does_not_keep_what_it_is_about(tmp_path):
    t = make_tract(tmp_path, "a")
    create_branch(repo_of(t), "aside", bytes.fromhex(t.head))
    switch_branch(repo_of(t), "aside")
    said = [
        t.commit({"role": "assistant", "content": str(at)}, generation_config={"t": at}, usage={"input_tokens": at})
        for at in range(40)
    ]
    switch_branch(repo_of(t), "main")
    delete(t, "aside")

    t.gc(orphan_retention_days=0)

    assert not any(has(t, info.commit_hash) for info in said)
    fresh = make_tract(tmp_path)
    assert [] == fresh.query_by_config("t", ">", 3)
    assert fresh.user("b").parent_hash == fresh.get_commit("HEAD~1").commit_hash
    fresh.annotate("HEAD", Priority.PINNED)
    assert [fresh.head] == [info.commit_hash for info in fresh.pinned()]
    assert_whole(tmp_path)


def test_large_objects_stay_files_and_go_when_nobody_needs_them(tmp_path):
    t = make_tract(tmp_path, "a")
    kept = t.user("x" * 1_500_000 + os.urandom(300_000).hex())
    [gone] = say_aside(t, "y" * 1_500_000 + os.urandom(300_000).hex())
    blobs = [bytes.fromhex(t.get_commit(commit).content_hash) for commit in (kept.commit_hash, gone)]

    t.gc(orphan_retention_days=0)

    assert [True, False] == [os.path.exists(store_of(t)._loose.path_of(blob)) for blob in blobs]
    assert 1 == store_of(t).stats().loose_objects
    assert kept.content_hash == make_tract(tmp_path).get_commit("HEAD").content_hash
    assert_whole(tmp_path)


def test_small_loose_objects_are_packed_when_a_ref_reaches_them(tmp_path):
    t = make_tract(tmp_path, "a")
    blob, unused = new_blob({"content_type": "dialogue", "role": "user", "text": "b"}), new_blob({"text": "unused"})
    store_of(t).write_many([blob, unused])
    t.user("b")

    assert (0, 1) == (t.gc().dropped, store_of(t).stats().loose_objects)
    assert ["a", "b"] == texts(make_tract(tmp_path))
    assert [unused.id] == list(store_of(t).loose_objects())
    assert 1 == gc_after(t, 8).dropped
    assert {} == store_of(t).loose_objects()


# The reflog


def reflog(tract: Tract, ref: str = "refs/heads/main") -> list[tuple[object, str]]:
    return list(ref_history(repo_of(tract), ref))


def test_the_reflog_is_the_same_before_and_after(tmp_path):
    t = make_tract(tmp_path, "a")
    for at in range(600):
        t.user(str(at))
        if not at % 50:
            say_aside(t, f"aside {at}", branch=f"b{at}")
            t.annotate("HEAD", Priority.PINNED)
    operations = [one._replace(previous=None, refs=None) for _, one in repo_of(t).refs.history() if one.changes]
    before = (reflog(t), reflog(t, "HEAD"), reflog(t, "refs/notes/priority"))

    for _ in range(3):
        t.gc()
        fresh = make_tract(tmp_path)
        assert before == (reflog(fresh), reflog(fresh, "HEAD"), reflog(fresh, "refs/notes/priority"))
        assert before == (reflog(t), reflog(t, "HEAD"), reflog(t, "refs/notes/priority"))

    assert operations == [one for _, one in repo_of(make_tract(tmp_path)).refs.history() if one.changes]
    t.user("after")
    assert before[0] == reflog(t)[1:]
    assert "599" == t.get_content("main@{1}").text
    assert "a" == t.get_content("main@{601}").text
    assert_whole(tmp_path)


def test_the_reflog_ends_where_it_is_too_old(tmp_path):
    t = make_tract(tmp_path, "a", "b")

    gc_after(t, 89)
    assert 2 == len([1 for value, reason in reflog(t) if reason])
    gc_after(t, 91)
    assert [] == reflog(t)
    t.user("c")

    assert ["a", "b", "c"] == texts(make_tract(tmp_path))
    assert 1 == len([1 for value, reason in reflog(t) if reason])
    assert "b" == t.get_content("main@{1}").text
    assert_whole(tmp_path)


def test_part_of_what_was_folded_grows_too_old(tmp_path):
    t = make_tract(tmp_path, "a", "b")
    t.gc()
    repo_of(t).refs._clock = lambda: int((time.time() + 60 * DAY) * 1e6)
    t.user("c")
    t.gc()

    gc_after(t, 100)

    assert [t.head] == [value.hex() for value, reason in reflog(t) if reason]


def test_a_clock_that_was_wrong_once_cuts_nothing_off(tmp_path):
    t = make_tract(tmp_path, "a")
    right = repo_of(t).refs._clock
    repo_of(t).refs._clock = lambda: 1000
    t.user("b")
    repo_of(t).refs._clock = right
    t.user("c")

    t.gc(orphan_retention_days=0)

    assert 3 == len([1 for value, reason in reflog(t) if reason])


def test_the_reflog_forgets_moves_to_what_was_dropped(tmp_path):
    t = make_tract(tmp_path, "a")
    first = t.head
    t.user("b")
    t.user("c")
    put(t, "refs/heads/main", first)
    t.user("d")

    t.gc(orphan_retention_days=0)

    # The move back to "a" stays, though it starts there now: undoing it would lead to what is gone.
    assert [t.head, first, first] == [value.hex() for value, reason in reflog(t) if reason]
    assert "a" == t.get_content("main@{1}").text
    assert ["a", "d"] == texts(t)
    assert_whole(tmp_path)


# While others work


def planned(tract: Tract, **options):
    return plan_gc(repo_of(tract), read_options(repo_of(tract), orphans=0), **options)


def test_a_ref_put_on_an_old_commit_after_the_plan_saves_it(tmp_path):
    t, other = make_tract(tmp_path, "a"), make_tract(tmp_path)
    _, aside = say_aside(t, "b", "c")
    plan = planned(t)
    put(other, "refs/tags/saved", aside)

    run_gc(repo_of(t), plan)

    fresh = make_tract(tmp_path)
    assert ["a", "b", "c"] == [m.content for m in fresh.compile(at_commit="saved").messages]
    assert_whole(tmp_path)
    assert 0 == t.gc(orphan_retention_days=0).dropped
    assert "c" == t.get_content("saved").text


def test_a_ref_that_came_and_went_after_the_plan_counts_as_lately_reachable(tmp_path):
    t, other = make_tract(tmp_path, "a"), make_tract(tmp_path)
    [aside] = say_aside(t, "b")
    plan = planned(t)
    put(other, "refs/tags/saved", aside)
    move_ref(repo_of(other), "refs/tags/saved", None, expected=ANY, reason="gone")

    run_gc(repo_of(t), plan)

    assert has(t, aside)
    assert_whole(tmp_path)


@pytest.mark.parametrize("text", ["said before", "said before " * 200_000], ids=["small", "large"])
def test_what_is_said_again_after_the_plan_stays(tmp_path, text):
    t, other = make_tract(tmp_path, "a"), make_tract(tmp_path)
    say_aside(t, text)
    t.gc()
    plan = planned(t)
    assert 2 == len(plan.dropped)
    other.user(text)

    run_gc(repo_of(t), plan)

    assert ["a", text] == texts(make_tract(tmp_path)) == texts(other)
    assert_whole(tmp_path)


def test_many_commits_and_seals_between_plan_and_run_all_stay(tmp_path, monkeypatch):
    t, other = make_tract(tmp_path, "a"), make_tract(tmp_path)
    say_aside(t, "said before")
    plan = planned(t)
    monkeypatch.setattr("tract.storage.database.JOURNAL_LIMIT", 64 * 1024)
    for at in range(700):
        other.user(f"{at}")
    other.user("said before")
    make_tract(tmp_path, "in another tract", tract_id="new")
    before = reflog(other)

    run_gc(repo_of(t), plan)

    fresh = make_tract(tmp_path)
    assert ["a", *map(str, range(700)), "said before"] == texts(fresh) == texts(t) == texts(other)
    assert ["in another tract"] == texts(make_tract(tmp_path, tract_id="new"))
    assert before == reflog(fresh)
    assert_whole(tmp_path)


def test_another_handle_commits_on_as_if_nothing_was(tmp_path):
    t, other = make_tract(tmp_path, "a"), make_tract(tmp_path)
    other.compile()
    say_aside(t, "x")
    t.gc(orphan_retention_days=0)

    other.user("x")
    other.edit("HEAD~1", "A")
    t.user("b")

    assert ["A", "x", "b"] == texts(make_tract(tmp_path)) == texts(other)
    assert_whole(tmp_path)


def test_a_handle_that_misses_two_gcs_still_reads(tmp_path):
    t, other = make_tract(tmp_path, *"abcdefghij"), make_tract(tmp_path)
    listing = store_of(other).ids()
    first = next(listing)
    for text in ("x", "y"):
        t.gc()
        t.user(text)
    t.gc()

    assert [*"abcdefghij", "x", "y"] == texts(other)
    assert first[0] not in [id for id, _ in listing]


def test_a_batch_may_be_open_across_a_gc(tmp_path):
    t, other = make_tract(tmp_path, *"abcdefgh"), make_tract(tmp_path)
    say_aside(t, "x")

    with other.batch():
        other.user("x")
        other.edit("HEAD~3", "F")
        t.gc(orphan_retention_days=0)
        other.annotate("HEAD~1", Priority.PINNED)

    assert [*"abcdeFgh", "x"] == texts(make_tract(tmp_path))
    assert texts(other) == texts(make_tract(tmp_path))
    assert_whole(tmp_path)


def test_a_batch_that_tags_what_was_dropped_meanwhile_changes_nothing(tmp_path):
    t, other = make_tract(tmp_path, "a"), make_tract(tmp_path)
    [aside] = say_aside(t, "x")

    with pytest.raises(CommitNotFoundError), other.batch():  # noqa: PT012  # the batch is what fails
        other.tag("v1", aside)
        t.gc(orphan_retention_days=0)

    assert {} == other.tags()
    assert_whole(tmp_path)


def test_only_one_gc_runs(tmp_path):
    t, other = make_tract(tmp_path, "a"), make_tract(tmp_path)

    with store_of(other).maintenance(), pytest.raises(GCError, match="another gc is running"):
        t.gc()

    assert 1 == t.gc().packs_after


def test_a_loose_object_written_again_after_the_plan_stays(tmp_path):
    t, other = make_tract(tmp_path, "a"), make_tract(tmp_path)
    blob = new_blob({"text": "by hand"})
    store_of(t).write_many([blob])
    plan = planned(t, now=time.time() + 8 * DAY)
    assert {blob.id: "blob"} == dict(plan.dropped_objects())
    time.sleep(0.01)
    store_of(other).write_many([blob])

    run_gc(repo_of(t), plan)

    assert store_of(t).contains(blob.id)


# What goes wrong


def test_a_dry_run_changes_nothing(tmp_path):
    t = make_tract(tmp_path, "a")
    say_aside(t, "b")
    before = files_in(tmp_path)

    result = t.gc(orphan_retention_days=0, dry_run=True)

    assert (2, 2, None, True) == (result.reachable, result.dropped, result.size_after, result.dry_run)
    assert before == files_in(tmp_path)
    assert 2 == t.gc(orphan_retention_days=0).dropped


def test_collecting_again_changes_no_pack(tmp_path):
    t = make_tract(tmp_path, "a")
    say_aside(t, "b")
    t.gc()
    before = packs_in(tmp_path)

    again = t.gc()

    assert (2, 2) == (again.packs_before, again.packs_after)
    assert before == packs_in(tmp_path)


def test_a_pack_is_the_same_whether_ids_are_put_back_or_moved_as_they_lie(tmp_path, monkeypatch):
    monkeypatch.setattr("tract.storage.database.JOURNAL_LIMIT", 20_000)
    t = make_tract(tmp_path / "a", *map(str, range(300)))
    for at in range(20):
        t.edit(f"HEAD~{at + 1}", f"said better {at}")
        say_aside(t, f"aside {at}", branch=f"b{at}")
    t.annotate("HEAD~3", Priority.PINNED)
    t.close()
    shutil.copytree(tmp_path / "a", tmp_path / "b")

    for folder, moves in (("a", True), ("b", False)):
        with monkeypatch.context() as patch:
            if not moves:
                patch.setattr(Catalogue, "folded", lambda *_: None)
            with make_tract(tmp_path / folder) as t:
                assert t.gc(orphan_retention_days=0).packs_before > 3

    assert packs_in(tmp_path / "a") == packs_in(tmp_path / "b")  # named by their bytes
    assert_whole(tmp_path / "a")


def test_killed_before_the_old_packs_went_loses_nothing_and_is_made_good(tmp_path):
    t = make_tract(tmp_path, *"abc")
    [aside] = say_aside(t, "x")
    t.gc()
    t.user("d")
    plan = planned(t)
    folder = tmp_path / ".tract" / "objects" / "pack"
    shutil.copytree(folder, tmp_path / "before")
    run_gc(repo_of(t), plan)
    shutil.copytree(tmp_path / "before", folder, dirs_exist_ok=True)

    fresh = make_tract(tmp_path)
    fresh.user("x")
    assert has(fresh, aside)
    assert [*"abcd", "x"] == texts(fresh)
    fresh.gc(orphan_retention_days=0)

    assert 2 == len(packs_in(tmp_path))
    assert [*"abcd", "x"] == texts(make_tract(tmp_path))
    assert_whole(tmp_path)


def test_what_killed_processes_left_is_removed(tmp_path):
    t = make_tract(tmp_path, "a")
    store_of(t).write_many([new_blob({"text": "b"})])
    objects = tmp_path / ".tract" / "objects"
    [loose] = [p for p in objects.iterdir() if len(p.name) == 2]
    left = [
        objects / "pack" / ".tmp-1-2",
        objects / "pack" / "pack-00.pack",
        objects / ".tmp-1-journal",
        loose / ".tmp-1-x",
        objects / "import-0123456789ab" / "pack-00.pack",
    ]
    left[-1].parent.mkdir()
    for path in left:
        path.write_bytes(b"half")

    t.gc()

    assert [] == [path for path in left if path.exists()]
    assert not left[-1].parent.exists()


def test_a_store_with_something_missing_is_left_as_it_is(tmp_path):
    t = make_tract(tmp_path, "a")
    t.gc()
    t.user("b")
    store_of(t).seal(*repo_of(t).refs.keyframe(repo_of(t).refs.last, "seal"))
    t.close()
    folder = tmp_path / ".tract" / "objects" / "pack"
    for path in sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime)[:2]:
        path.unlink()
    before = files_in(folder)

    with pytest.raises(TractError), make_tract(tmp_path) as damaged:
        damaged.gc(orphan_retention_days=0)

    assert before == files_in(folder)


def test_a_pack_that_does_not_prove_right_is_removed_and_reported(tmp_path):
    t = make_tract(tmp_path, "a")
    blob = new_blob({"text": "a"})

    with pytest.raises(GCError, match="does not hash to its id"):
        store_of(t).write_pack(packing_of([Group("blob", [blob.id])], [b"\x80"]), level=LEVEL)

    assert set() == packs_in(tmp_path)


@pytest.mark.parametrize("days", [-1, float("nan")])
def test_a_retention_that_is_none_is_refused(tmp_path, days):
    with pytest.raises(GCError, match="must be a number of days"):
        make_tract(tmp_path, "a").gc(orphan_retention_days=days)


def test_a_store_inside_a_batch_says_that_it_is_not_collected(tmp_path):
    t = make_tract(tmp_path, "a")

    with pytest.raises(GCError, match="inside a batch"), t.batch():
        t.gc()


# When, and how


def test_gc_is_due_after_many_packs_and_not_after_a_gc(tmp_path):
    t = make_tract(tmp_path, "a")
    due = []
    for at in range(13):
        t.user(str(at))
        with store_of(t).lock():
            store_of(t).seal(*repo_of(t).refs.keyframe(repo_of(t).refs.last, "seal"))
            repo_of(t).refs.refresh()
        due.append(is_due(repo_of(t)))
    t.gc()

    assert [False] * 12 + [True] == due
    assert not is_due(repo_of(t))


def test_gc_is_due_after_many_small_files(tmp_path):
    t = make_tract(tmp_path, "a")
    for at in range(1001):
        path = store_of(t)._loose.path_of(new_blob({"text": str(at)}).id)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).write_bytes(b"")

    assert is_due(repo_of(t))
    store_of(t).mark_collected()
    assert not is_due(repo_of(t))


def test_prune_leaves_a_store_alone_in_which_there_is_nothing_to_drop(tmp_path):
    t = make_tract(tmp_path, "a")
    t.gc()
    before = files_in(tmp_path / ".tract" / "objects")

    assert {} == prune(repo_of(t), orphans=0)
    assert before == files_in(tmp_path / ".tract" / "objects")

    [aside] = say_aside(t, "b")
    assert sorted(["blob", "commit"]) == sorted(prune(repo_of(t), orphans=0, dry_run=True).values())
    assert has(t, aside)
    assert bytes.fromhex(aside) in prune(repo_of(t), orphans=0)
    assert not has(t, aside)


def test_a_contexts_texts_lie_together(tmp_path):
    t, other = make_tract(tmp_path), make_tract(tmp_path, tract_id="other")
    for at in range(20):
        t.user(f"main {at}")
        other.user(f"other {at}")

    plan = planned(t)

    order = [repo_of(t).blob(id)["text"] for id in map(plan.catalogue.id_of, plan.reachable["blob"])]
    assert [f"main {at}" for at in range(20)] + [f"other {at}" for at in range(20)] == order


def test_notes_about_what_is_dropped_go_when_they_are_many(tmp_path):
    t = make_tract(tmp_path, "a", "b")
    kept = t.log(None)
    t.annotate("HEAD", Priority.SKIP, reason="first")
    for commit in say_aside(t, *(f"aside {at}" for at in range(60))):
        t.annotate(commit, Priority.PINNED)
    t.annotate("HEAD", Priority.PINNED, reason="then")
    t.annotate("HEAD~1", Priority.SKIP)
    before = [note for note in note_history(repo_of(t), "priority") if has(t, note.target.hex())]

    t.gc(orphan_retention_days=0)

    notes = list(note_history(repo_of(t), "priority"))
    wanted = {bytes.fromhex(info.commit_hash) for info in kept}
    assert [note[1:] for note in before if note.target in wanted] == [note[1:] for note in notes]
    assert ["b"] == texts(t) == texts(make_tract(tmp_path))
    assert_whole(tmp_path)
    assert t.gc(orphan_retention_days=0).dropped > 60
    assert ["b"] == texts(make_tract(tmp_path))
    assert_whole(tmp_path)


def test_few_notes_about_what_is_dropped_stay(tmp_path):
    t = make_tract(tmp_path, *"abcdef")
    for at in range(6):
        t.annotate(f"HEAD~{at}", Priority.PINNED)
    [aside] = say_aside(t, "aside")
    t.annotate(aside, Priority.SKIP)
    tip = repo_of(t).ref("refs/notes/priority")

    t.gc(orphan_retention_days=0)

    assert not has(t, aside)
    assert tip == repo_of(t).ref("refs/notes/priority")
    assert_whole(tmp_path)


def test_notes_about_what_earlier_gcs_dropped_go_once_they_are_many(tmp_path):
    t = make_tract(tmp_path, *(str(at) for at in range(8)))
    for at in range(8):
        t.annotate(f"HEAD~{at}", Priority.PINNED)
    left = []
    for number in range(6):
        t.annotate(say_aside(t, f"aside {number}")[0], Priority.PINNED)
        t.gc(orphan_retention_days=0)
        left.append(len(list(note_history(repo_of(t), "priority"))))

    assert [9, 10, 8, 9, 10, 8] == left
    assert_whole(tmp_path)


def test_notes_that_came_before_their_commits_stay(tmp_path):
    t = make_tract(tmp_path, "a")
    write_note(repo_of(t), "priority", NewNote(bytes(32), {"priority": "skip"}, 5), reason="brought from elsewhere")
    say_aside(t, "b")

    assert 2 == t.gc(orphan_retention_days=0).dropped

    assert [bytes(32)] == [note.target for note in note_history(repo_of(t), "priority")]


def test_a_note_made_while_notes_are_written_anew_wins(tmp_path):
    t, other = make_tract(tmp_path, "a"), make_tract(tmp_path)
    for commit in say_aside(t, *(f"aside {at}" for at in range(8))):
        t.annotate(commit, Priority.PINNED)
    stale = find_stale_notes(repo_of(t), lambda id: has(t, id.hex()), lambda _: True)
    other.annotate("HEAD", Priority.SKIP)

    assert not prune_notes(repo_of(t), "refs/notes/priority", stale["refs/notes/priority"], lambda _: False)

    assert 9 == len(list(note_history(repo_of(other), "priority")))
    assert prune_notes(repo_of(t), "refs/notes/priority", stale["refs/notes/priority"], lambda _: False)
    assert [] == texts(other) == texts(t)
    assert 1 == len(list(note_history(repo_of(other), "priority")))


def test_of_notes_that_came_in_one_commit_those_about_what_is_gone_are_left_out(tmp_path):
    t = make_tract(tmp_path, "a")
    value = {"content_type": "dialogue", "role": "assistant", "text": "said"}
    drafts = [Draft({**value, "name": f"m{at}"}, config={"model": f"m{at}"}) for at in range(5)]
    first, second, third, fourth, fifth = write_commits(repo_of(t), drafts)
    write_note(repo_of(t), "config", NewNote(first, {"model": "n"}, 5), reason="later")
    assert_whole(tmp_path)

    assert prune_notes(repo_of(t), "refs/notes/config", {second, fourth, fifth}, lambda id: id == fourth)

    assert [first, fourth, third, first] == [note.target for note in note_history(repo_of(t), "config")]
    assert_whole(tmp_path)
    assert prune_notes(repo_of(t), "refs/notes/config", {third, fourth}, lambda _: False)
    assert prune_notes(repo_of(t), "refs/notes/config", {first}, lambda _: False)
    assert [] == list(note_history(repo_of(t), "config"))
    assert_whole(tmp_path)


def test_token_counts_of_what_is_dropped_go_with_it(tmp_path):
    t = make_tract(tmp_path, "a")
    aside = say_aside(t, *(f"aside {at}" for at in range(20)))
    assert t.compile().token_count < t.compile(at_commit=aside[-1]).token_count
    t._space.blobs.flush()
    [path] = (tmp_path / ".tract" / "cache").glob("counts-*")
    assert len(CountsReader(str(path)).look_up(bytes(32))) > 20

    t.gc(orphan_retention_days=0)

    assert {t.log()[0].content_hash} == {id.hex() for id in CountsReader(str(path)).look_up(bytes(32))}
    t.user("b")
    assert ["a", "b"] == texts(t)
    assert_whole(tmp_path)


def test_a_plan_holds_a_few_bytes_an_object(tmp_path, monkeypatch):
    """Ids in sets would be hundreds."""
    monkeypatch.setattr("tract.storage.catalogue._MOST_RECENT", 64)
    held, objects = [], []
    for number in (200, 1500):
        t = make_tract(tmp_path / str(number))
        t.extend({"role": "user", "content": str(at)} for at in range(number))
        t.gc()
        with store_of(t).maintenance():
            tracemalloc.start()
            plan = planned(t)
            plan.catalogue.release()
            gc.collect()  # what Python itself keeps of tuples that are gone
            objects.append(plan.result.reachable)
            held.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.stop()

    assert (held[1] - held[0]) / (objects[1] - objects[0]) < 40


def test_progress_is_told(tmp_path):
    t = make_tract(tmp_path)
    t.extend({"role": "user", "content": str(at)} for at in range(3000))
    told = []

    collect(repo_of(t), progress=lambda *row: told.append(row))

    assert (4096, 0) == told[0]
    assert 4096 == told[-1][0] < told[-1][1]
    with pytest.raises(BlobNotFoundError):
        store_of(t).read(bytes(32))


def test_what_a_hard_reset_dropped_goes_with_the_next_gc_and_what_a_soft_one_left_stays(tmp_path):
    t = make_tract(tmp_path, "a", "b", "c")
    soft = t.head
    t.reset("HEAD~1")
    t.user("d")
    kept = t.user("e").commit_hash
    t.branch("keep")
    hard = t.user("f").commit_hash
    t.reset("HEAD~3", mode="hard")

    assert 2 == t.gc().dropped  # f, and what it says
    assert "c" == t.get_content(soft).text
    assert "e" == t.get_content(kept).text
    with pytest.raises(CommitNotFoundError):
        t.get_content(hard)
    with pytest.raises(TractError, match="gc removed"):
        t.undo()
    assert ["a", "b"] == texts(t)

    t.delete_branch("keep", force=True)
    assert 0 == t.gc().dropped  # the branch's reflog still names it
    assert "e" == t.get_content(kept).text
    assert_whole(tmp_path)


def test_many_branches_are_collected_also_where_python_ends(tmp_path: Path) -> None:
    with make_tract(tmp_path, "a") as t:
        for number in range(80):
            t.branch(f"b{number}", switch=False)
    program = """
import atexit, sys
from tract import Tract
t = Tract.open(sys.argv[1])
atexit.register(lambda: print(t.gc().reachable))
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)

    assert done.stdout.strip().isdecimal(), done.stderr
