"""``tract gc`` and ``tract prune``."""

from __future__ import annotations

import re

import pytest

from tract import Tract
from tract.history.branch import create_branch, switch_branch
from tract.history.moves import move_ref
from tract.refs.store import ANY


def leave_something(tmp_path) -> str:
    """Commit once on main, once on a branch that is gone; that commit's id."""
    with Tract.open(tmp_path) as t:
        t.user("stays")
        create_branch(t._base, "aside", bytes.fromhex(t.head))
        switch_branch(t._base, "aside")
        aside = Tract.open(tmp_path).user("goes").commit_hash
        switch_branch(t._base, "main")
        move_ref(t._base, "refs/heads/aside", None, expected=ANY, reason="delete")
    return aside


def has(tmp_path, commit: str) -> bool:
    with Tract.open(tmp_path) as t:
        return t._base.objects.contains(bytes.fromhex(commit))


def test_gc_says_what_it_did(run, tmp_path):
    aside = leave_something(tmp_path)

    outcome = run("gc", "--retention", "0")

    assert (0, "") == (outcome.status, outcome.err)
    lines = outcome.out.splitlines()
    assert ["reachable: 2 objects, packed", "unreachable: 2 objects, dropped"] == lines[:2]
    assert re.fullmatch(r"size: [\d.]+ KiB -> [\d.]+ (KiB|bytes) in 1 pack, \d+\.\d s", lines[2])
    assert not has(tmp_path, aside)


def test_a_dry_run_says_what_it_would_do_and_does_nothing(run, tmp_path):
    aside = leave_something(tmp_path)

    outcome = run("gc", "--dry-run", "--retention=0")

    assert "reachable: 2 objects, would be packed" in outcome.out
    assert "unreachable: 2 objects, would be dropped" in outcome.out
    assert has(tmp_path, aside)


def test_young_objects_are_kept(run, tmp_path):
    aside = leave_something(tmp_path)

    assert "unreachable: 2 objects, kept for now" in run("gc", "--aggressive").out
    assert has(tmp_path, aside)


def test_gc_as_json(run, tmp_path):
    leave_something(tmp_path)

    found = run("gc", "--json", "--retention", "0.5").json

    assert (2, 2, 0, False) == (found["reachable"], found["kept"], found["dropped"], found["dry_run"])
    assert {"packs_before", "packs_after", "size_before", "size_after", "seconds"} < found.keys()


def test_auto_does_nothing_until_there_is_enough(run):
    run("commit", "a")

    assert (0, "") == run("gc", "--auto")[:2]
    assert run("gc", "--auto", "--json").json is None
    assert "in-pack: 0" in run("count-objects", "-v").out


def test_quiet_says_nothing(run):
    assert (0, "", "") == run("gc", "-q")


@pytest.mark.parametrize("command", ["gc", "prune"])
@pytest.mark.parametrize("days", ["x", "-1", "nan", "inf", ""])
def test_a_retention_is_a_number_of_days(run, command, days):
    outcome = run(command, f"--retention={days}")

    assert 2 == outcome.status
    assert outcome.err.startswith("tract: --retention takes a number of days")


def test_prune_lists_what_it_would_drop_and_drops_it(run, tmp_path):
    aside = leave_something(tmp_path)

    listed = run("prune", "-n", "--retention", "0").out.splitlines()

    assert f"{aside} commit" in listed
    assert 2 == len(listed)
    assert "" == run("prune").out
    assert has(tmp_path, aside)
    assert listed == run("prune", "-v", "--retention", "0").out.splitlines()
    assert not has(tmp_path, aside)
    assert "" == run("prune", "-n", "--retention", "0").out


def test_gc_outside_a_store_makes_none(anywhere, tmp_path):
    assert 128 == anywhere("gc").status
    assert [] == list(tmp_path.iterdir())
