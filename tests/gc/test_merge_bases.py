"""An archive in which branches parted stays, for without it they could not be merged; what parts all the same is said."""

from __future__ import annotations

import random
import time
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.gc.test_archives_random import opened as opened_for_steps
from tests.gc.test_archives_random import step
from tests.making import Words, assert_whole, move_ref, texts
from tract import Tract, TractConfig
from tract.config import read_retention
from tract.errors import HistoryCutError, TractError
from tract.history.reachability import merge_bases
from tract.maintenance.gc.collect import collect
from tract.maintenance.gc.options import DAY, GCOptions, GCResult, TractOptions, read_options
from tract.maintenance.gc.plan import database, plan_gc
from tract.maintenance.gc.run import run_gc
from tract.refs.store import ANY


def opened(path: Path, tract: str | None = None, **settings: Any) -> Tract:
    config = TractConfig(**settings) if settings else None
    return Tract.open(path, tract_id=tract, tokenizer=Words(), durability="process", config=config)


def say(t: Tract, texts: str) -> list[str]:
    return [t.user(text).commit_hash for text in texts]


def compress(t: Tract) -> str:
    """Sum up all but the last message; the compress commit."""
    t.compress(content="sum", keep_recent=1, force=True)
    return t.head or ""


def gc(t: Tract, *, dry_run: bool = False, **asked: Any) -> GCResult:
    """A gc tomorrow that lets all archives go."""
    options = read_options(t.repository, **{"archives": 0, **asked})
    return collect(t.repository, options, now=time.time() + DAY, dry_run=dry_run)


def parted(path: Path) -> tuple[Tract, str]:
    """A branch parted from main before what main compressed then; the tract, on main, and the compress commit."""
    t = opened(path)
    ids = say(t, "abcd")
    t.branch("side", source=ids[1], switch=True)
    say(t, "s")
    t.switch("main")
    return t, compress(t)


def test_the_archive_in_which_a_branch_parted_stays_until_it_is_merged_or_deleted(tmp_path):
    t, compression = parted(tmp_path)

    for dry_run in (True, False):
        result = gc(t, dry_run=dry_run)
        assert ((), 0) == (result.archives, result.dropped)
        assert [(compression, ("refs/heads/side",))] == [(held.commit, held.branches) for held in result.held]
    t = opened(tmp_path)
    t.merge("side")
    assert ["sum", "d", "s"] == texts(t)
    t.undo()

    t.delete_branch("side", force=True)
    result = gc(t, orphans=0)

    assert [compression] == [archive.commit for archive in result.archives]
    assert () == result.held
    assert_whole(tmp_path)


def test_it_can_be_let_go_by_an_argument_or_the_settings_and_is_said_then(tmp_path):
    for at, asked, settings in (("a", {"keep_merge_bases": False}, {}), ("b", {}, {"keep_merge_bases": False})):
        t, compression = parted(tmp_path / at)
        if settings:
            t = opened(tmp_path / at, **settings)

        planned, done = gc(t, dry_run=True, **asked), gc(t, **asked)

        for result in (planned, done):
            [archive] = result.archives
            assert (compression, ("refs/heads/side",), ()) == (archive.commit, archive.parted, result.held)
        with pytest.raises(HistoryCutError, match="no commit in common any more"):
            opened(tmp_path / at).merge("side")
        assert_whole(tmp_path / at)


def test_branches_that_each_compressed_since_they_parted_keep_what_they_had_in_common(tmp_path):
    t = opened(tmp_path)
    say(t, "abcd")
    t.branch("side", switch=True)
    say(t, "st")
    of_side = compress(t)
    t.switch("main")
    say(t, "m")
    of_main = compress(t)

    result = gc(t)

    held = {held.commit: held.branches for held in result.held}
    assert {of_side: ("refs/heads/main",), of_main: ("refs/heads/side",)} == held
    assert 1 == len(merge_bases(t.repository, *(value for _, value in t.repository.local_refs("refs/heads/"))))


def test_all_compressions_on_the_way_to_the_merge_base_stay_and_none_behind_it(tmp_path):
    t = opened(tmp_path)
    ids = say(t, "abcd")
    before = compress(t)
    base = say(t, "ef")[-1]
    t.branch("side", source=base, switch=True)
    say(t, "s")
    t.switch("main")
    say(t, "gh")
    first = compress(t)
    say(t, "ij")
    second = compress(t)

    result = gc(t)

    assert [second, first] == [held.commit for held in result.held]
    assert [before] == [archive.commit for archive in result.archives]
    t = opened(tmp_path)
    assert not t.repository.objects.contains(bytes.fromhex(ids[0]))
    assert [bytes.fromhex(base)] == merge_bases(
        t.repository, *(value for _, value in t.repository.local_refs("refs/heads/") if isinstance(value, bytes))
    )
    t.merge("side")
    assert_whole(tmp_path)


def test_branches_that_parted_after_the_compression_hold_nothing(tmp_path):
    t = opened(tmp_path)
    say(t, "abcd")
    compression = compress(t)
    t.branch("side", switch=True)
    say(t, "s")
    t.switch("main")
    say(t, "m")

    result = gc(t)

    assert ([compression], ()) == ([archive.commit for archive in result.archives], result.held)
    assert () == result.archives[0].parted
    t.merge("side")
    assert ["sum", "d", "m", "s"] == texts(t)


def test_tags_and_branches_of_other_tracts_hold_nothing(tmp_path):
    t = opened(tmp_path)
    ids = say(t, "abcdef")
    t.tag("v1", ids[1])
    spawned = opened(tmp_path, "spawned")
    move_ref(spawned.repository, "refs/heads/main", bytes.fromhex(ids[2]), expected=ANY, reason="spawned")
    compression = compress(t)

    planned, done = gc(t, dry_run=True), gc(t)

    for result in (planned, done):
        [archive] = result.archives
        assert (compression, (), ()) == (archive.commit, archive.parted, result.held)
    assert ["a", "b"] == [message.content for message in opened(tmp_path).compile(at_commit="v1").messages]
    assert_whole(tmp_path)


def test_a_head_that_is_on_no_branch_holds_what_it_could_be_merged_by(tmp_path):
    t = opened(tmp_path)
    ids = say(t, "abcd")
    compress(t)
    t.checkout(ids[1])

    assert [("HEAD",)] == [held.branches for held in gc(t).held]


def test_a_branch_put_into_an_archive_after_the_plan_can_be_merged(tmp_path):
    t = opened(tmp_path)
    ids = say(t, "abcd")
    compress(t)
    say(t, "efg")
    compress(t)
    with database(t.repository).maintenance():
        plan = plan_gc(t.repository, read_options(t.repository, archives=0), now=time.time() + DAY)
        assert 2 == len(plan.result.archives)
        opened(tmp_path).branch("late", source=ids[1])
        run_gc(t.repository, plan)

    t = opened(tmp_path)
    tips = [value for _, value in t.repository.local_refs("refs/heads/") if isinstance(value, bytes)]
    assert [bytes.fromhex(ids[1])] == merge_bases(t.repository, *tips)
    assert_whole(tmp_path)


def bases(t: Tract) -> dict[tuple[str, str], list[bytes]]:
    """The merge bases of every two branches."""
    branches = [(name, value) for name, value in t.repository.local_refs("refs/heads/") if isinstance(value, bytes)]
    return {
        (one[0], two[0]): sorted(merge_bases(t.repository, one[1], two[1])) for one, two in combinations(branches, 2)
    }


@pytest.mark.parametrize("seed", range(10))
def test_no_gc_changes_the_merge_bases_of_two_branches(tmp_path: Path, seed: int) -> None:
    chance = random.Random(f"merge bases {seed}")
    number = touched = 0
    for _ in range(6):
        with opened_for_steps(tmp_path) as t:
            for _ in range(14):
                number += 1
                try:
                    step(t, chance, number)
                except TractError:
                    continue
            share = chance.choice([0.2, 0.8])
            for info in t.list_branches():
                if chance.random() < share and info.name != t.current_branch:
                    t.delete_branch(info.name, force=True)
            before = bases(t)
            result = gc(t, orphans=chance.choice([0, 7]))
            touched += len(result.archives) + len(result.held)
        with opened_for_steps(tmp_path) as t:
            assert before == bases(t), (number, result.held)
    assert touched > 0


@pytest.mark.parametrize("seed", range(10))
def test_a_dry_run_says_what_the_run_does(tmp_path: Path, seed: int) -> None:
    chance = random.Random(f"dry run {seed}")
    number = 0
    for _ in range(4):
        with opened_for_steps(tmp_path) as t:
            for _ in range(14):
                number += 1
                try:
                    step(t, chance, number)
                except TractError:
                    continue
            options = TractOptions(
                read_retention("", chance.choice(["0", "1d", "2d", "1k", "3k"])),
                read_retention("", chance.choice(["never", "0", "2d", "1k", "3k"])),
                chance.random() < 0.5,
                chance.random() < 0.5,
            )
            now = time.time() + chance.choice([0, 1.5, 3]) * DAY
            planned, done = (said(t, options, now, dry_run=dry_run) for dry_run in (True, False))
            assert planned == done, (number, options)


def said(t: Tract, options: TractOptions, now: float, *, dry_run: bool) -> dict[str, object]:
    """What a gc says, but for what a dry run cannot know."""
    result = asdict(collect(t.repository, GCOptions(options), now=now, dry_run=dry_run))
    unknown = ("seconds", "packs_after", "size_after", "dry_run")
    return {name: value for name, value in result.items() if name not in unknown}
