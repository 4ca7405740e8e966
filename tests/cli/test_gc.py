"""``tract gc`` and ``tract prune``."""

from __future__ import annotations

import re

import pytest

from tests.making import move_ref
from tract import Tract
from tract.history.branch import create_branch, switch_branch
from tract.refs.store import ANY


def leave_something(tmp_path) -> str:
    """Commit once on main, once on a branch that is gone; that commit's id."""
    with Tract.open(tmp_path) as t:
        t.user("stays")
        create_branch(t.repository, "aside", bytes.fromhex(t.head))
        switch_branch(t.repository, "aside")
        aside = Tract.open(tmp_path).user("goes").commit_hash
        switch_branch(t.repository, "main")
        move_ref(t.repository, "refs/heads/aside", None, expected=ANY, reason="delete")
    return aside


def has(tmp_path, commit: str) -> bool:
    with Tract.open(tmp_path) as t:
        return t.repository.objects.contains(bytes.fromhex(commit))


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
def test_a_retention_is_days_hours_a_size_or_never(run, command, days):
    outcome = run(command, f"--retention={days}")

    assert 2 == outcome.status
    assert outcome.err.startswith("tract: --retention takes days, hours, a size or never")


def test_prune_lists_what_it_would_drop_and_drops_it(run, tmp_path):
    aside = leave_something(tmp_path)

    listed = run("prune", "-n", "--retention", "0").out.splitlines()

    assert f"{aside} commit" in listed
    assert 2 == len(listed)
    assert "" == run("prune").out
    assert has(tmp_path, aside)
    told = run("prune", "-n", "--retention", "0", "--json").json_lines
    assert listed == [f"{one['id']} {one['type']}" for one in told]
    assert listed == run("prune", "-v", "--retention", "0").out.splitlines()
    assert not has(tmp_path, aside)
    assert "" == run("prune", "-n", "--retention", "0").out


def test_gc_outside_a_store_makes_none(anywhere, tmp_path):
    assert 128 == anywhere("gc").status
    assert [] == list(tmp_path.iterdir())


def leave_a_branch_in_an_archive(tmp_path) -> str:
    """Compress on main after a branch parted; the compress commit."""
    with Tract.open(tmp_path) as t:
        ids = [t.user(text).commit_hash for text in "abcd"]
        t.branch("side", source=ids[1], switch=True)
        t.user("s")
        t.switch("main")
        t.compress(content="sum", keep_recent=1, force=True)
        return t.head or ""


def test_gc_keeps_the_archive_in_which_a_branch_parted_and_says_why(run, tmp_path):
    compression = leave_a_branch_in_an_archive(tmp_path)
    reason = (
        rf"  archive of {compression[:10]} \(\d{{4}}-\d\d-\d\d\): (would be )?kept, for merges with side may need it\n"
    )

    dry = run("gc", "-n", "--archive-retention", "0").out
    assert re.search(reason, dry)
    assert "would be dropped" not in dry
    document = run("gc", "--archive-retention", "0", "--json").json
    assert [(compression, ["refs/heads/side"])] == [(one["commit"], one["branches"]) for one in document["held"]]
    dry = run("gc", "-n", "--archive-retention", "0", "--drop-merge-bases").out
    assert f"  archive of {compression[:10]}" in dry
    assert "    side may have no merge base with other branches then\n" in dry
    done = run("gc", "--archive-retention", "0", "--drop-merge-bases", "--json").json
    assert [["refs/heads/side"]] == [one["parted"] for one in done["archives"]]


def test_gc_says_that_an_archive_stays_because_of_orphans(run, tmp_path):
    with Tract.open(tmp_path) as t:
        for text in "abcd":
            t.user(text)
        t.compress(content="sum", keep_recent=1, force=True)
        compression = t.head or ""
        t.branch("aside", source="HEAD~1", switch=True)  # before the compression
        t.user("tried")
        t.switch("main")
        t.delete_branch("aside", force=True)

    out = run("gc", "--archive-retention", "0").out
    assert re.search(rf"  archive of {compression[:10]} \(.*\): kept, for orphans that are kept need it\n", out)


def test_an_option_keeps_for_ever_what_the_settings_let_go(run, tmp_path):
    aside = leave_something(tmp_path)
    (tmp_path / ".tract" / "config.toml").write_text('orphan_retention_days = 0\narchive_retention_days = "0h"\n')

    assert [] == run("gc", "--archive-retention", "never", "--retention", "forever", "--json").json["archives"]
    assert 2 == run("gc", "--retention", "1M", "--json").json["kept"]
    run("gc")

    assert not has(tmp_path, aside)


@pytest.mark.parametrize("option", ["--expire=now", "--expire=all", "--expire=0.seconds.ago", "--retention=0h"])
def test_prune_takes_all_of_it_when_told_so(run, tmp_path, option):
    aside = leave_something(tmp_path)

    assert f"{aside} commit" in run("prune", "-v", option).out
    assert not has(tmp_path, aside)


@pytest.mark.parametrize("option", ["--expire=never", "--expire=2.weeks.ago", "--expire=2001-01-01", "--retention=1M"])
def test_prune_leaves_what_is_young_enough(run, tmp_path, option):
    aside = leave_something(tmp_path)

    assert "" == run("prune", "-v", option).out
    assert has(tmp_path, aside)


def test_prune_goes_by_the_settings_without_an_option(run, tmp_path):
    aside = leave_something(tmp_path)

    assert "" == run("prune", "-v").out
    (tmp_path / ".tract" / "config.toml").write_text("orphan_retention_days = 0\n")

    assert f"{aside} commit" in run("prune", "-v").out


def test_prune_refuses_what_is_no_time(run):
    wrong = run("prune", "--expire", "soon")
    assert (2, True) == (wrong.status, wrong.err.startswith("tract: --expire takes a time, now or never: 'soon' is no"))
    both = run("prune", "--expire", "now", "--retention", "3")
    assert (2, "tract: --expire and --retention say the same; give one of them\n") == (both.status, both.err)
