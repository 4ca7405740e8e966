"""Windows of retention: each tract has its own, in days, hours or bytes, or for ever."""

from __future__ import annotations

import math
import random
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.gc.test_archives_random import seen, step
from tests.making import Words, assert_whole, move_ref
from tract import Priority, Tract, TractConfig
from tract.config import FOR_EVER
from tract.errors import ConfigError, GCError, TractError
from tract.history.state import write_state
from tract.maintenance.fsck.check import check_repository
from tract.maintenance.gc.collect import collect, prune
from tract.maintenance.gc.options import DAY, GCResult, read_options
from tract.objects.model import new_blob
from tract.refs.store import ANY


def opened(path: Path, tract: str | None = None, **settings: Any) -> Tract:
    """A tract; with *settings* those are its own from now on."""
    config = TractConfig(**settings) if settings else None
    return Tract.open(path, tract_id=tract, tokenizer=Words(), durability="process", config=config)


def gc_after(t: Tract, days: float, *, dry_run: bool = False, **asked: Any) -> GCResult:
    return collect(t.repository, read_options(t.repository, **asked), now=time.time() + days * DAY, dry_run=dry_run)


def has(t: Tract, *commits: str) -> list[bool]:
    """Whether the store has them, to who opens it now: other handles may still see what was there."""
    assert t.repository.path is not None
    with Tract.open(t.repository.path) as fresh:
        return [fresh.repository.objects.contains(bytes.fromhex(commit)) for commit in commits]


def orphan(t: Tract, text: str = "orphan") -> str:
    """A commit that a reset left behind."""
    if t.head is None:
        t.user("first")
    commit = t.user(text).commit_hash
    t.reset("HEAD~1")
    t.reset("HEAD")  # so that ORIG_HEAD is not the orphan
    return commit


def archive(t: Tract, said: str = "abcd") -> list[str]:
    """Messages of which all but the last were summed up; their ids."""
    ids = [t.user(text).commit_hash for text in said]
    t.compress(content="sum", keep_recent=1, force=True)
    return ids


# Orphans


def test_orphans_go_by_the_settings_of_the_tract_they_are_of(tmp_path):
    root = opened(tmp_path)
    short = opened(tmp_path, "short", orphan_retention_days="1h")
    long = opened(tmp_path, "long", orphan_retention_days=30)
    like_root = opened(tmp_path, "like-root")
    commits = [orphan(t, f"{n}") for n, t in enumerate((root, short, long, like_root))]
    content = [
        t.repository.commit(bytes.fromhex(id)).content.hex() for t, id in zip((root, short), commits[:2], strict=True)
    ]

    gc_after(root, 0.1)
    assert [True, False, True, True] == has(root, *commits)
    assert [True, False] == has(root, *content)
    gc_after(short, 8)  # whichever tract it is begun from
    assert [False, False, True, False] == has(root, *commits)
    gc_after(short, 31)

    assert [False] * 4 == has(root, *commits)
    assert_whole(tmp_path)


def test_an_orphan_of_several_tracts_has_the_longest_of_their_windows(tmp_path):
    root = opened(tmp_path, orphan_retention_days="1h")
    long = opened(tmp_path, "long", orphan_retention_days=30)
    shared = orphan(long)
    root.repository.refs.refresh()
    root.user("x")
    root.branch("aside", source=shared, switch=True)
    above = root.user("above").commit_hash
    root.switch("main")
    root.delete_branch("aside", force=True)

    gc_after(root, 1)

    assert [True, False] == has(root, shared, above)
    assert_whole(tmp_path)


def test_what_no_reflog_tells_of_goes_by_the_root_tracts_window(tmp_path):
    root = opened(tmp_path, orphan_retention_days="1h")
    opened(tmp_path, "long", orphan_retention_days=30).user("x")
    lost = new_blob({"text": "written by hand"})
    root.repository.objects.write_many([lost])

    assert [True] == has(root, lost.id.hex()) == [1 == gc_after(root, 0).kept]
    assert 1 == gc_after(root, 1).dropped

    assert [False] == has(root, lost.id.hex())


def test_an_orphan_that_a_tract_with_a_longer_window_had_later_stays_as_long(tmp_path):
    root = opened(tmp_path, orphan_retention_days="1h")
    long = opened(tmp_path, "long", orphan_retention_days=30)
    long.user("x")
    shared = orphan(root)
    long.repository.refs.refresh()
    long.branch("aside", source=shared)
    long.delete_branch("aside", force=True)

    gc_after(root, 1)
    assert [True] == has(root, shared)
    gc_after(root, 31)

    assert [False] == has(root, shared)
    assert_whole(tmp_path)


def test_an_argument_is_for_all_tracts(tmp_path):
    root = opened(tmp_path, orphan_retention_days="1h")
    long = opened(tmp_path, "long", orphan_retention_days=30)
    commits = orphan(root, "1"), orphan(long, "2")

    gc_after(root, 3, orphans=5)
    assert [True, True] == has(root, *commits)
    gc_after(root, 3, orphans=2)

    assert [False, False] == has(root, *commits)


@pytest.mark.parametrize("said", ["never", "forever", math.inf, "1e300d"])
def test_orphans_can_be_kept_for_ever(tmp_path, said):
    asked, set_ = opened(tmp_path / "asked"), opened(tmp_path / "set", orphan_retention_days=said)
    commits = orphan(asked), orphan(set_)

    for days in (500, 20_000):
        gc_after(asked, days, orphans=said)
        gc_after(set_, days)

    assert [True] == has(asked, commits[0]) == has(set_, commits[1])
    assert asked.show(commits[0]).content.text == "orphan"
    assert commits[0] in [entry.commit_hash for entry in asked.reflog()]
    gc_after(set_, 20_000, orphans=1)
    assert [False] == has(set_, commits[1])


def test_a_size_keeps_the_newest_orphans_with_what_they_need(tmp_path):
    t = opened(tmp_path)
    commits = [orphan(t, f"{n} " + "word " * 100) for n in range(5)]
    each = gc_after(t, 0, orphans=0, dry_run=True).dropped_size // 5

    planned = gc_after(t, 0, orphans=f"{2.5 * each / 1000}k", dry_run=True)
    gc_after(t, 0, orphans=f"{2.5 * each / 1000}k")

    assert [False] * 3 + [True] * 2 == has(t, *commits)
    assert (4, 6) == (planned.kept, planned.dropped)
    assert "4 word" == t.show(commits[4]).content.text[:6]
    for days in (1, 100):  # being copied makes none newer, and age takes none of them
        gc_after(t, days, orphans=f"{2.5 * each / 1000}k")
        assert [True] * 2 == has(t, *commits[3:])
    newer = orphan(t, "5 " + "word " * 100)
    gc_after(t, 0, orphans=f"{2.5 * each / 1000}k")
    assert [True, True, False] == sorted(has(t, *commits[3:], newer), reverse=True)
    assert [True] == has(t, newer)
    assert_whole(tmp_path)


def test_a_size_is_for_each_settings_file_and_not_for_others(tmp_path):
    root = opened(tmp_path, orphan_retention_days="2k")
    one = opened(tmp_path, "one", orphan_retention_days="2k")
    timed = opened(tmp_path, "timed", orphan_retention_days=3)
    like_root = opened(tmp_path, "like-root")
    tracts = (root, one, timed, like_root)
    commits = [orphan(t, f"{n} " + "word " * 200) for n, t in enumerate(tracts)]

    gc_after(root, 1)
    # What the root tract and the one that has no settings of its own have together is too large for one size.
    assert [False, True, True, True] == has(root, *commits)
    gc_after(root, 10)

    assert [False, True, False, True] == has(root, *commits)
    assert_whole(tmp_path)


def test_what_a_hard_reset_drops_goes_whatever_the_window(tmp_path):
    t = opened(tmp_path)
    t.user("a")
    gone = t.user("b").commit_hash
    t.reset("HEAD~1", mode="hard")

    gc_after(t, 0, orphans="100M")
    assert [False] == has(t, gone)
    gone = t.user("c").commit_hash
    t.reset("HEAD~1", mode="hard")
    gc_after(t, 0, orphans="never")

    assert [False] == has(t, gone)


# Archives


def test_archives_go_by_the_settings_of_the_tract_they_are_of(tmp_path):
    root = opened(tmp_path)
    short = opened(tmp_path, "short", archive_retention_days="1h")
    long = opened(tmp_path, "long", archive_retention_days=30)
    ids = [archive(t, f"{n}bcd") for n, t in enumerate((root, short, long))]
    first = [one[0] for one in ids]

    early = gc_after(root, 1)
    assert [short.head] == [one.commit for one in early.archives]
    assert [True, False, True] == has(root, *first)
    late = gc_after(short, 31)

    assert [long.head] == [one.commit for one in late.archives]
    assert [True, False, False] == has(root, *first)
    assert ["sum", "d"] == [message.content for message in opened(tmp_path, "long").compile().messages]
    assert_whole(tmp_path)


def test_an_archive_that_several_tracts_reach_has_the_longest_of_their_windows(tmp_path):
    root = opened(tmp_path, archive_retention_days="1h")
    ids = archive(root)
    long = opened(tmp_path, "long", archive_retention_days=30)
    move_ref(long.repository, "refs/heads/main", bytes.fromhex(root.head or ""), expected=ANY, reason="spawned")
    archive(root, "efgh")
    newest = root.head

    kept = gc_after(root, 1)
    assert [newest] == [one.commit for one in kept.archives]
    assert [True] == has(root, ids[0])
    gc_after(root, 31)

    assert [False] == has(root, ids[0])
    assert_whole(tmp_path)


@pytest.mark.parametrize("holder", ["another tract's ORIG_HEAD", "a command under way"])
def test_an_orig_head_that_something_else_holds_too_keeps_its_archive(tmp_path, holder):
    t = opened(tmp_path, archive_retention_days=0)
    ids = archive(t)
    left = t.repository.ref("ORIG_HEAD")
    assert isinstance(left, bytes)
    if holder == "a command under way":
        write_state(t.repository, "bisect", {"keeps": [left.hex()]})
    else:
        never = opened(tmp_path, "never", archive_retention_days="never")
        move_ref(never.repository, "ORIG_HEAD", left, expected=ANY, reason="reset: from elsewhere")

    assert () == gc_after(t, 1).archives

    assert [True] == has(t, ids[0])
    assert ["a", "b", "c", "d"] == [message.content for message in t.compile(at_commit=left.hex()).messages]
    assert_whole(tmp_path)


def test_archives_that_settings_let_go_can_be_kept_for_ever_by_an_argument(tmp_path):
    t = opened(tmp_path, archive_retention_days="1h", orphan_retention_days="1h")
    ids = archive(t)

    for said in ("never", "forever", math.inf):
        assert () == gc_after(t, 500, archives=said).archives
    assert [True] == has(t, ids[0])

    assert 1 == len(gc_after(t, 500).archives)


def test_sizes_of_archives_are_for_each_settings_file(tmp_path):
    root = opened(tmp_path, archive_retention_days="3k")
    one = opened(tmp_path, "one", archive_retention_days="3k")
    ids = [[archive(t, said)[0] for said in ("abcd", "efgh", "ijkl", "mnop")] for t in (root, one)]

    gc_after(root, 0)

    for t, first in zip((root, one), ids, strict=True):
        kept = has(t, *first)
        assert (False, True) == (kept[0], kept[-1])
        assert kept == sorted(kept)  # the newest
    assert_whole(tmp_path)


def test_each_tract_says_whether_its_pinned_messages_stay(tmp_path):
    root = opened(tmp_path, archive_retention_days=0)
    other = opened(tmp_path, "other", archive_retention_days=0, keep_pinned=False)
    pins = []
    for t in (root, other):
        pins.append(archive(t, "abcd" if t is root else "efgh")[1])
        t.annotate(pins[-1], Priority.PINNED)

    gc_after(root, 1)

    assert [True, False] == has(root, *pins)
    gc_after(root, 2, keep_pinned=False)
    assert [False, False] == has(root, *pins)
    assert_whole(tmp_path)


@pytest.mark.parametrize("edited", ["in the archive", "twice", "back", "on a branch too"])
def test_a_pinned_message_that_no_context_has_keeps_all_its_edits(tmp_path, edited):
    t = opened(tmp_path)
    ids = [t.user(text).commit_hash for text in "abcd"]
    edits = [t.edit(ids[1], "b, put better").commit_hash]
    if edited == "twice":
        edits.append(t.edit(ids[1], "b, put best").commit_hash)
    elif edited == "back":
        edits.append(t.edit(ids[1], "b").commit_hash)
    elif edited == "on a branch too":
        t.branch("side", source=ids[3], switch=True)
        t.edit(ids[1], "b, put otherwise")
        t.switch("main")
        t.delete_branch("side", force=True)
    t.compress(content="sum", keep_recent=1, force=True)
    t.annotate(ids[1], Priority.PINNED)

    for days in (2, 20):
        gc_after(t, days, archives=1, orphans=0)
        assert [True] == has(t, ids[1])
        assert [True] * len(edits) == has(t, *edits)
        assert {"twice": "b, put best", "back": "b"}.get(edited, "b, put better") == t.get_content(edits[-1]).text
        assert_whole(tmp_path)
    t.annotate(ids[1], Priority.NORMAL)
    gc_after(t, 30, archives=1, orphans=0)
    assert [False] * (1 + len(edits)) == has(t, ids[1], *edits)
    assert_whole(tmp_path)


def test_a_retention_that_means_nothing_changes_nothing(tmp_path):
    t = opened(tmp_path)
    commit = orphan(t)

    for asked in ({"orphans": "soon"}, {"archives": -1}, {"orphans": -math.inf}):
        with pytest.raises(GCError, match="must be a number of days, or a text like"):
            gc_after(t, 1000, **asked)

    assert [True] == has(t, commit)


def test_settings_that_cannot_be_read_stop_a_gc_before_it_begins(tmp_path):
    t = opened(tmp_path)
    opened(tmp_path, "other", orphan_retention_days=30)
    commit = orphan(t)
    (tmp_path / ".tract" / "tracts" / "other" / "config.toml").write_text('orphan_retention_days = "soon"\n')

    with pytest.raises(ConfigError, match="orphan_retention_days must be"):
        gc_after(t, 1000)

    assert [True] == has(t, commit)


@pytest.mark.parametrize("said", [{}, {"author": "ada"}], ids=["alone", "with others"])
def test_never_does_not_become_days_in_settings_that_are_damaged(tmp_path: Path, said: dict[str, str]) -> None:
    t = opened(tmp_path, orphan_retention_days="never", archive_retention_days="never", **said)
    file = tmp_path / ".tract" / "config.toml"
    whole = file.read_bytes()
    cuts = [whole[:at] for at in range(len(whole))]
    flips = [
        whole[:at] + bytes([byte ^ 1 << bit]) + whole[at + 1 :] for at, byte in enumerate(whole) for bit in range(8)
    ]
    read = 0
    for damaged in [*cuts, *flips]:
        file.write_bytes(damaged)
        with suppress(ConfigError):
            policy = read_options(t.repository).each[0]
            assert (FOR_EVER, FOR_EVER) == (policy.orphans, policy.archives), damaged
            read += 1
    assert 0 < read < len(flips)  # what is flipped in a comment does no harm

    file.unlink()
    with pytest.raises(ConfigError, match="is missing"):
        t.gc()


def test_settings_that_changed_since_a_handle_was_opened_count(tmp_path):
    t = opened(tmp_path)
    commit = orphan(t)
    opened(tmp_path, orphan_retention_days="never")

    gc_after(t, 1000)

    assert [True] == has(t, commit)


# Prune


def test_prune_goes_by_the_settings_of_each_tract_and_takes_no_archive(tmp_path):
    root = opened(tmp_path, archive_retention_days=0)
    short = opened(tmp_path, "short", orphan_retention_days="1h")
    ids = archive(root)
    commits = orphan(root, "1"), orphan(short, "2")

    gone = prune(root.repository, now=time.time() + DAY)
    assert bytes.fromhex(commits[1]) in gone
    assert [True, False, True] == has(root, *commits, ids[0])
    assert {} == prune(root.repository, orphans="never", now=time.time() + 1000 * DAY)
    prune(root.repository, orphans=0)

    assert [False, False, True] == has(root, *commits, ids[0])
    assert_whole(tmp_path)


# At random


@pytest.mark.parametrize("seed", range(8))
def test_windows_of_several_tracts_change_no_context_and_a_dry_run_says_what_goes(tmp_path: Path, seed: int) -> None:
    chance = random.Random(f"policies {seed}")
    days = [0, "1h", 1, 3, "1k", "4k", "never"]
    names = [None, "one", "two", "like-root"]
    number = 0
    for _ in range(4):
        for name in names:
            settings = {"orphan_retention_days": chance.choice(days), "archive_retention_days": chance.choice(days)}
            with opened_for_steps(tmp_path, name, **({} if name == "like-root" else settings)) as t:
                for _ in range(8):
                    number += 1
                    with suppress(TractError):
                        step(t, chance, number)
        before = contexts(tmp_path, names)
        days_on = chance.choice([0, 0.5, 2])
        with opened(tmp_path, chance.choice(names)) as t:
            now = time.time() + days_on * DAY
            planned = collect(t.repository, now=now, dry_run=True)
            done = collect(t.repository, now=now)
        assert (planned.archives, planned.held, planned.dropped_size) == (done.archives, done.held, done.dropped_size)
        assert (planned.reachable, planned.kept, planned.dropped) == (done.reachable, done.kept, done.dropped)
        assert before == contexts(tmp_path, names)
        left = [
            problem for problem in check_repository(str(tmp_path / ".tract")).problems if problem.severity != "note"
        ]
        assert [] == left, number


def opened_for_steps(path: Path, tract: str | None, **settings: Any) -> Tract:
    config = TractConfig(**settings) if settings else None
    return Tract.open(path, tract_id=tract, tokenizer=Words(), durability="process", on_moved="append", config=config)


def contexts(path: Path, names: list[str | None]) -> list[dict[str, object]]:
    shown = []
    for name in names:
        with opened(path, name) as t:
            shown.append(seen(t))
    return shown
