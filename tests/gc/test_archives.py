"""Archives: what compressions took out of contexts goes with its window, and nothing else does."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest

from tests.making import Words, assert_whole, move_ref, texts
from tract import CompressionError, HistoryCutError, Priority, Tract, TractConfig
from tract.errors import GCError, ObjectCorruptError, TractError
from tract.maintenance.fsck.check import check_repository
from tract.maintenance.fsck.repair import run_repair
from tract.maintenance.fsck.repair_plan import plan_repair
from tract.maintenance.gc.collect import collect
from tract.maintenance.gc.options import DAY, GCResult, read_options
from tract.maintenance.gc.plan import plan_gc
from tract.maintenance.gc.run import run_gc
from tract.maintenance.stream.dump import plan_store_export, write_stream
from tract.maintenance.stream.load import import_stream
from tract.repo import Repository
from tract.storage.shallow import Cut, decode_shallow, write_shallow


def make_tract(path: Path, *said: str, **options: Any) -> Tract:
    t = Tract.open(path, tokenizer=Words(), verify_cache=True, **{"durability": "process", **options})
    for text in said:
        t.user(text)
    return t


def repo_of(t: Tract) -> Repository:
    return t.repository


def has(t: Tract, commit: str) -> bool:
    return repo_of(t).objects.contains(bytes.fromhex(commit))


def gc_after(t: Tract, days: float, window: float = 1.0, **options: Any) -> GCResult:
    """A gc so many days from now that keeps archives for *window* days."""
    options = read_options(repo_of(t), archives=window, **options)
    return collect(repo_of(t), options, now=time.time() + days * DAY)


def shallow_of(path: Path) -> dict[str, str]:
    file = path / ".tract" / "shallow"
    return (
        {id.hex(): cut.grade for id, cut in decode_shallow(file.read_bytes(), "shallow").items()}
        if file.exists()
        else {}
    )


def compressed(path: Path) -> tuple[Tract, list[str], str]:
    """Six messages of which the second is pinned and the last two are recent; the tract, their ids, the compress commit's."""
    t = make_tract(path)
    ids = [t.user(text).commit_hash for text in "abcdef"]
    t.annotate(ids[1], Priority.PINNED)
    t.compress(content="acd", keep_recent=2)
    return t, ids, t.head or ""


def test_an_archive_goes_after_its_window_and_the_context_stays_whole(tmp_path):
    t, ids, compression = compressed(tmp_path)
    before = t.compile()

    young = gc_after(t, 0.5)
    assert (0, ()) == (young.dropped, young.archives)
    assert {} == shallow_of(tmp_path)
    old = gc_after(t, 2)

    [archive] = old.archives
    assert (compression, 3, 3) == (archive.commit, archive.commits, archive.messages)
    assert archive.size > 0
    assert [False, True, False, False, True, True] == [has(t, id) for id in ids]
    assert {compression: "parents", ids[1]: "all", ids[4]: "all", ids[5]: "all"} == shallow_of(tmp_path)
    fresh = make_tract(tmp_path)
    for each in (t, fresh):
        assert ["acd", "b", "e", "f"] == texts(each)
        assert before.commit_hashes == each.compile().commit_hashes
        assert [compression] == [info.commit_hash for info in each.log(None)]
        each.user("g")
        each = make_tract(tmp_path)
        assert "g" == texts(each)[-1]
        each.undo()
    assert_whole(tmp_path)


def test_an_archive_is_kept_for_ever_unless_it_is_asked_for(tmp_path):
    t, ids, _ = compressed(tmp_path)

    result = collect(repo_of(t), read_options(repo_of(t), orphans=0), now=time.time() + 1000 * DAY)

    assert (0, ()) == (result.dropped, result.archives)
    assert all(has(t, id) for id in ids)
    assert {} == shallow_of(tmp_path)


def test_the_windows_of_orphans_and_archives_are_apart(tmp_path):
    t, ids, _ = compressed(tmp_path)
    orphan = t.user("orphan").commit_hash
    t.reset("HEAD~1")
    t.user("g")
    t.reset("HEAD")  # so that ORIG_HEAD is not the orphan

    gc_after(t, 2, orphans=7)
    assert (True, False) == (has(t, orphan), has(t, ids[0]))
    gc_after(t, 8, orphans=7, window=1000)

    assert not has(t, orphan)
    assert ["acd", "b", "e", "f", "g"] == texts(make_tract(tmp_path))
    assert_whole(tmp_path)


@pytest.mark.parametrize("holder", ["tag", "branch", "other tract", "orphan", "state"])
def test_what_something_else_leads_to_stays_whole(tmp_path, holder):
    t, ids, _ = compressed(tmp_path)
    if holder == "tag":
        t.tag("v1", ids[3])
    elif holder == "branch":
        t.branch("old", source=ids[3])
    elif holder == "other tract":
        from tract.refs.store import ANY

        move_ref(
            repo_of(make_tract(tmp_path, tract_id="o")),
            "refs/heads/main",
            bytes.fromhex(ids[3]),
            expected=ANY,
            reason="x",
        )
    elif holder == "orphan":
        t.branch("aside", source=ids[3], switch=True)
        t.user("x")
        t.switch("main")
        t.delete_branch("aside", force=True)
    else:
        from tract.history.state import write_state

        write_state(repo_of(t), "bisect", {"keeps": [ids[3]]})

    gc_after(t, 2)

    assert [True] * 4 == [has(t, id) for id in ids[:4]]
    assert ["a", "b", "c", "d"] == [m.content for m in t.compile(at_commit=ids[3]).messages]
    assert ["acd", "b", "e", "f"] == texts(make_tract(tmp_path))
    assert_whole(tmp_path)


def test_pins_that_no_context_has_stay_if_asked_for_until_they_are_unpinned(tmp_path):
    t, ids, _ = compressed(tmp_path)
    t.annotate(ids[2], Priority.PINNED)  # too late: it was summed up

    gc_after(t, 2)
    assert "c" == t.get_content(ids[2]).text
    with pytest.raises(HistoryCutError, match=f"history behind {ids[2][:16]} was cut on 2"):
        t.compile(at_commit=ids[2])
    with pytest.raises(HistoryCutError):
        t.reset(ids[2])
    gc_after(t, 3)
    assert "all" == shallow_of(tmp_path)[ids[2]]
    assert_whole(tmp_path)
    t.annotate(ids[2], Priority.NORMAL)
    gc_after(t, 4)

    assert not has(t, ids[2])
    assert ids[2] not in shallow_of(tmp_path)
    assert_whole(tmp_path)


def test_pins_that_no_context_has_go_if_not_asked_for(tmp_path):
    t, ids, _ = compressed(tmp_path)
    t.annotate(ids[2], Priority.PINNED)

    gc_after(t, 2, keep_pinned=False)

    assert [True, False] == [has(t, id) for id in ids[1:3]]


def test_compressions_of_compressions_go_one_after_the_other(tmp_path):
    t, ids, first = compressed(tmp_path)
    for n in range(3):
        t.user(f"more {n}")
    t.compress(content="all of it", keep_recent=1)
    second = t.head

    old = gc_after(t, 2)

    assert [second, first] == [archive.commit for archive in old.archives]
    assert ["all of it", "b", "more 2"] == texts(make_tract(tmp_path))
    assert ids[1] in t.compile().commit_hashes
    assert second in shallow_of(tmp_path)
    assert first not in shallow_of(tmp_path)
    assert_whole(tmp_path)
    t.user("x")
    again = gc_after(t, 3)
    assert (0, ()) == (again.dropped, again.archives)


def test_a_cut_archive_cannot_be_expanded_and_the_error_says_so(tmp_path):
    t, _, _ = compressed(tmp_path)
    summary = t.compile().commit_hashes[0]
    gc_after(t, 2)

    for named in (summary, "HEAD"):
        with pytest.raises(CompressionError, match=r"compressed are not kept any more: gc cut it on 2\d{3}"):
            t.expand(named)
    with pytest.raises(TractError):
        t.undo()
    assert ["acd", "b", "e", "f"] == texts(t)


def test_a_size_keeps_the_newest_archives(tmp_path):
    t = make_tract(tmp_path)
    compressions = []
    for n in range(4):
        for m in range(6):
            t.user(f"{n} {m} " + "word " * 50)
        t.compress(content=f"summary {n}", keep_recent=1)
        compressions.append(t.head)
    t.gc()
    everything = t.gc(archive_retention_days="0M", dry_run=True)
    assert compressions[::-1] == [archive.commit for archive in everything.archives]
    two = sum(archive.size for archive in everything.archives[:2])

    t.gc(archive_retention_days=f"{two * 1.1 / 1000}k")

    assert [compressions[1]] == [id for id, grade in shallow_of(tmp_path).items() if grade == "parents"]
    assert_whole(tmp_path)


def test_another_handle_sees_the_cut_at_its_next_look(tmp_path):
    t, _, compression = compressed(tmp_path)
    other = make_tract(tmp_path)
    assert 8 == len(other.log(None))

    gc_after(t, 2)

    assert [compression] == [info.commit_hash for info in other.log(None)]
    other.user("g")
    assert ["acd", "b", "e", "f", "g"] == texts(other)


def test_a_branch_put_on_an_archive_after_the_plan_saves_it(tmp_path):
    t, ids, _ = compressed(tmp_path)
    plan = plan_gc(repo_of(t), read_options(repo_of(t), archives=0), now=time.time() + DAY)
    make_tract(tmp_path).branch("saved", source=ids[3])

    run_gc(repo_of(t), plan)

    assert ["a", "b", "c", "d"] == [m.content for m in make_tract(tmp_path).compile(at_commit="saved").messages]
    assert_whole(tmp_path)


def test_an_expansion_after_the_plan_saves_what_it_brings_back(tmp_path):
    t, _, _ = compressed(tmp_path)
    plan = plan_gc(repo_of(t), read_options(repo_of(t), archives=0), now=time.time() + DAY)
    other = make_tract(tmp_path)
    other.expand(other.compile().commit_hashes[0])

    run_gc(repo_of(t), plan)

    assert [*"abcdef"] == texts(make_tract(tmp_path))
    assert_whole(tmp_path)


def test_the_settings_say_what_is_kept_and_arguments_win(tmp_path):
    t = make_tract(tmp_path, config=TractConfig(archive_retention_days="0h", orphan_retention_days="1h"))
    for text in "abcd":
        t.user(text)
    t.compress(content="abc", keep_recent=1)
    time.sleep(0.01)

    kept = t.gc(archive_retention_days=30, dry_run=True)
    gone = make_tract(tmp_path).gc()

    assert ((), 3) == (kept.archives, gone.archives[0].messages)
    with pytest.raises(GCError, match="orphan retention must be a number of days, or a text like"):
        t.gc(orphan_retention_days="soon")


def test_edits_and_merges_at_the_border_keep_what_they_show(tmp_path):
    t = make_tract(tmp_path)
    ids = [t.user(text).commit_hash for text in "abcdef"]
    t.edit(ids[4], "E")
    t.branch("side", switch=True)
    t.user("s")
    t.switch("main")
    t.user("m")
    t.merge("side")
    t.compress(content="abcd", from_commit=ids[0], to_commit=ids[3])
    shown = texts(t)

    gc_after(t, 2)  # the side branch keeps its own

    assert shown == texts(make_tract(tmp_path))
    t.delete_branch("side", force=True)
    gc_after(t, 20)
    assert shown == texts(make_tract(tmp_path))
    assert "e" == t.get_content(ids[4]).text or "E" == t.get_content(ids[4]).text
    assert_whole(tmp_path)
    assert not has(t, ids[0])


# What fsck knows


def test_without_its_shallow_file_a_store_lacks_history_and_repair_writes_it_again(tmp_path):
    t, _, compression = compressed(tmp_path)
    gc_after(t, 2)
    file = tmp_path / ".tract" / "shallow"
    before = file.read_bytes()
    file.unlink()

    report = check_repository(str(tmp_path / ".tract"))
    [problem] = report.problems
    assert ("history-missing", "error") == (problem.kind, problem.severity)
    assert "'shallow' does not say that gc removed" in problem.detail
    assert f"commit {compression}" == problem.subject
    left = run_repair(plan_repair(report))

    assert left.is_clean
    assert before == file.read_bytes()


def test_a_shallow_file_that_names_what_is_not_there_is_a_warning(tmp_path):
    make_tract(tmp_path, "a")
    write_shallow(str(tmp_path / ".tract"), {bytes(32): Cut("all", "2026-01-01")})

    report = check_repository(str(tmp_path / ".tract"))

    assert [("shallow-stale", "warning")] == [(problem.kind, problem.severity) for problem in report.problems]
    assert run_repair(plan_repair(report)).is_clean
    assert not (tmp_path / ".tract" / "shallow").exists()


def test_a_damaged_shallow_file_stops_opening_with_its_place(tmp_path):
    t, _, _ = compressed(tmp_path)
    gc_after(t, 2)
    file = tmp_path / ".tract" / "shallow"
    file.write_bytes(file.read_bytes().replace(b" all ", b" Xll ", 1))

    with pytest.raises(ObjectCorruptError, match="it does not match its check line"):
        make_tract(tmp_path)


def test_history_ends_at_a_cut_for_all_who_walk_it(tmp_path):
    t, _, compression = compressed(tmp_path)
    t.user("g")
    t.branch("side", switch=True)
    t.user("s")
    t.switch("main")
    t.user("h")

    gc_after(t, 2)

    assert ["h", "g"] == [t.get_content(info.commit_hash).text for info in t.log(None)[:-1]]
    assert compression == t.log(None)[-1].commit_hash
    assert ["acd", "b", "e", "f", "g", "h"] == [row.text for row in t.blame()]
    assert 1 == len(t.diff("HEAD~1", "HEAD").message_diffs)
    t.merge("side")
    assert ["acd", "b", "e", "f", "g", "h", "s"] == texts(t)
    t.undo()
    t.rebase("side")
    assert ["acd", "b", "e", "f", "g", "s", "h"] == texts(t)
    assert compression == t.reflog()[-1].commit_hash
    assert_whole(tmp_path)


def test_a_stream_of_a_store_that_was_cut_makes_the_same_store_elsewhere(tmp_path):
    t, ids, compression = compressed(tmp_path / "here")
    t.annotate(ids[2], Priority.PINNED)
    gc_after(t, 2, orphans=0)
    written = io.BytesIO()
    write_stream(repo_of(t), plan_store_export(repo_of(t)), written.write)
    there = make_tract(tmp_path / "there")

    import_stream(repo_of(there), io.BytesIO(written.getvalue()))

    assert texts(t) == texts(make_tract(tmp_path / "there"))
    assert "c" == there.get_content(ids[2]).text
    assert shallow_of(tmp_path / "here") == shallow_of(tmp_path / "there")
    assert [compression] == [info.commit_hash for info in make_tract(tmp_path / "there").log(None)]
    assert_whole(tmp_path / "there")


def test_a_stream_cuts_nothing_of_what_the_store_has_itself(tmp_path):
    t, ids, _ = compressed(tmp_path / "here")
    whole = io.BytesIO()
    write_stream(repo_of(t), plan_store_export(repo_of(t)), whole.write)
    there = make_tract(tmp_path / "there")
    import_stream(repo_of(there), io.BytesIO(whole.getvalue()))
    gc_after(t, 2)
    cut = io.BytesIO()
    write_stream(repo_of(t), plan_store_export(repo_of(t)), cut.write)

    import_stream(repo_of(there), io.BytesIO(cut.getvalue()), force=True)

    assert {} == shallow_of(tmp_path / "there")
    assert 8 == len(there.log(None))
    assert has(there, ids[0])


def test_what_a_cut_compression_did_is_neither_taken_back_nor_made_again(tmp_path: Path) -> None:
    with Tract.open(tmp_path, tokenizer=Words(), durability="process") as t:
        ids = [t.user(f"m{n}").commit_hash for n in range(6)]
        t.branch("side", source=ids[2])
        t.annotate(ids[1], "skip")
        t.compress(content="S", keep_recent=2)
        t.user("n")
        t.gc(archive_retention_days=0, orphan_retention_days=0, keep_merge_bases=False)
        before = [message.content for message in t.compile().messages]

        for act in (lambda: t.revert("HEAD~1"), lambda: t.rebase("side"), lambda: t.revert(ids[4])):
            with pytest.raises(HistoryCutError, match="was cut on"):
                act()
        assert before == [message.content for message in t.compile().messages]
        assert () == t.show(ids[4]).changes.message_diffs  # what it changed, nobody can tell any more
        assert "m4" == t.show(ids[4]).content.text

    with Tract.open(tmp_path, tokenizer=Words()) as t:
        assert before == [message.content for message in t.compile().messages]
        assert before[:-1] == [message.content for message in t.sent("HEAD").messages]
        assert before == [message.content for message in t.compile(notes="then").messages]


def test_a_pin_on_a_message_that_went_stops_no_later_gc(tmp_path):
    t = make_tract(tmp_path, *"abcdef")
    t.user("with a key", key="k")
    t.user("newest")
    newest = t.head
    t.compress(content="all of it", keep_recent=0)
    others = [t.user(f"pinned {n}").commit_hash for n in range(5)]
    for id in (newest, *others):
        t.annotate(id, "pinned")
    gc_after(t, 2, keep_pinned=False)
    assert not has(t, newest)
    t.user("more")
    t.compress(content="again", keep_recent=0, force=True)

    assert gc_after(t, 4).dropped

    assert_whole(tmp_path)
