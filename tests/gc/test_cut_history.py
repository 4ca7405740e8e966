"""What is asked of history that gc cut: an error names the cut and its day, and nothing is doubled, or made up."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.making import reopen, texts
from tract import CommitOperation, DialogueContent, HistoryCutError, Tract
from tract.errors import BlobNotFoundError, EditTargetError, TractError
from tract.maintenance.fsck.check import check_repository
from tract.maintenance.fsck.repair import run_repair
from tract.maintenance.fsck.repair_plan import plan_repair
from tract.storage.shallow import decode_shallow, write_shallow

TODAY = time.strftime("%Y-%m-%d", time.gmtime())


def cut(path: Path) -> tuple[Tract, list[str], str]:
    """Six messages, the fourth and fifth edited; a branch parted after the third; four were compressed, and gc cut what was before. The tract, the messages' ids, the compress commit's."""
    t = reopen(path)
    ids = [t.user(text).commit_hash for text in "abcdef"]
    t.branch("side", source=ids[2], switch=True)
    t.user("s")
    t.switch("main")
    t.edit(ids[4], "E")
    t.edit(ids[3], "D")
    t.compress(content="abcd", keep_recent=2)
    compression = t.head or ""
    t.user("g")
    with reopen(path) as other:
        other.gc(archive_retention_days=0, orphan_retention_days=0, keep_merge_bases=False)
    return t, ids, compression


def is_cut(id: str) -> str:
    return f"history behind {id[:16]} was cut on {TODAY}"


def refused(act: Callable[[], object], id: str) -> str:
    """What the error says before it names the cut at *id*."""
    with pytest.raises(HistoryCutError) as caught:
        act()
    assert (id, TODAY) == (caught.value.id, caught.value.date)
    assert str(caught.value).endswith(is_cut(id))
    return str(caught.value).removesuffix(is_cut(id)).removesuffix(": ")


# Merging and replaying


def test_a_branch_that_parted_before_the_cut_is_not_merged_unasked(tmp_path):
    t, _, compression = cut(tmp_path)
    before = texts(t)

    said = refused(lambda: t.merge("side"), compression)
    assert "cannot merge 'side' into 'main': they have no commit in common any more" == said
    t.switch("side")
    assert "cannot merge 'main' into 'side': they have no commit in common any more" == refused(
        lambda: t.merge("main"), compression
    )
    t.switch("main")
    assert before == texts(t)

    t.cherry_pick("side")
    assert [*before, "s"] == texts(t)
    t.undo()
    t.merge("side", allow_unrelated=True)
    assert ["abcd", "E", "f", "g", "a", "b", "c", "s"] == texts(t)


@pytest.mark.parametrize("here", ["main", "side"])
def test_no_replay_goes_over_a_cut(tmp_path, here):
    t, ids, compression = cut(tmp_path)
    t.tag("kept", ids[5])
    t.switch(here)
    before = texts(t)
    there = "side" if here == "main" else "main"

    for act in (
        lambda: t.rebase(there),
        lambda: t.rebase(there, dry_run=True, force=True),
        lambda: t.cherry_pick("main..side"),
        lambda: t.cherry_pick("side..main"),
        lambda: t.revert("side..main"),
        lambda: t.cherry_pick(compression),
        lambda: t.cherry_pick(compression, force=True),
        lambda: t.revert(compression),
    ):
        refused(act, compression)
    refused(lambda: t.cherry_pick("side..kept"), ids[5])
    refused(lambda: t.revert(ids[5]), ids[5])
    assert before == texts(t)
    assert () == check_repository(str(tmp_path / ".tract")).problems


def test_what_came_after_the_cut_and_single_messages_are_replayed(tmp_path):
    t, ids, compression = cut(tmp_path)
    t.switch("side")

    t.cherry_pick(f"{compression}..main")
    t.cherry_pick(ids[5])

    assert [*"abcsgf"] == texts(t)


def test_branches_that_parted_after_the_cut_are_rebased_with_compressions_of_their_own(tmp_path):
    t, _, _ = cut(tmp_path)
    t.branch("later", switch=True)
    for text in "hijk":
        t.user(text)
    t.compress(content="hij", from_commit="HEAD~3", to_commit="HEAD~1")
    t.switch("main")
    t.user("m")
    t.switch("later")

    t.rebase("main")

    assert ["abcd", "E", "f", "g", "m", "hij", "k"] == texts(t)


def test_a_kept_message_is_merged_nowhere_though_a_tag_names_it(tmp_path):
    t, ids, _ = cut(tmp_path)
    t.tag("kept", ids[5])

    assert "cannot merge 'kept'" == refused(lambda: t.merge("kept", allow_unrelated=True), ids[5])


def test_replies_to_what_is_gone_are_replayed_moved_and_taken_back_as_messages(tmp_path):
    t = reopen(tmp_path)
    ids = [t.user("a").commit_hash]
    for text in "bcdef":
        ids.append(t.commit(DialogueContent("user", text), response_to=ids[-1]).commit_hash)
    t.branch("side", source=t.tag("root", ids[0]), switch=True)
    t.switch("main")
    t.compress(content="abcd", keep_recent=2)
    asked = t.commit(DialogueContent("user", "g"), response_to=ids[5]).commit_hash
    t.gc(archive_retention_days=0, orphan_retention_days=0, keep_merge_bases=False)
    assert (None, ids[4]) == (t.get_commit(ids[4]).response_to, t.get_commit(ids[5]).response_to)
    assert ids[5] == t.get_commit(asked).response_to

    t.reorder([ids[5], ids[4]])
    assert ["f", "e", "abcd", "g"] == texts(t)
    t.compile(order=[ids[5]])
    t.undo()
    t.revert(asked)
    assert ["abcd", "e", "f"] == texts(t)
    t.switch("side")
    picked = t.cherry_pick([ids[4], ids[5]])
    assert ["a", "e", "f"] == texts(t)
    assert picked.replayed[0].commit_hash == t.get_commit("HEAD").response_to
    assert () == check_repository(str(tmp_path / ".tract")).problems


# Looking


def test_revisions_that_lead_behind_a_cut_name_it(tmp_path):
    t, ids, compression = cut(tmp_path)
    for suffix in ("~1", "^", "^2", "~1000000000"):
        assert f"no commit named '{compression}{suffix}'" == refused(
            lambda s=suffix: t.get_commit(compression + s), compression
        )
        refused(lambda s=suffix: t.show(ids[5] + s), ids[5])
    assert "no commit named 'HEAD~2'" == refused(lambda: t.log(start="HEAD~2"), compression)
    assert compression == t.get_commit("HEAD~1").commit_hash


def test_what_would_need_the_history_says_what_it_misses(tmp_path):
    t, ids, compression = cut(tmp_path)
    short = compression[:16]

    assert "the context that the model received for 'HEAD~1' is not kept" == refused(
        lambda: t.sent("HEAD~1"), compression
    )
    assert f"commit {short} has nothing to be compared with" == refused(lambda: t.diff(None, "HEAD~1"), compression)
    assert "two have no commit in common" in refused(lambda: t.diff("main...side"), compression)
    assert f"the notes as they were at commit {ids[5][:16]} are not kept" == refused(
        lambda: t.compile(at_commit=ids[5], notes="then"), ids[5]
    )
    refused(lambda: t.sent(ids[5]), ids[5])
    refused(lambda: t.blame(ids[5]), ids[5])
    refused(lambda: t.diff(ids[5], "HEAD"), ids[5])
    assert ["g"] == [diff.after.text for diff in t.diff(None, "HEAD").message_diffs]
    assert ["abcd", "E", "f"] == [message.content for message in t.sent("HEAD").messages]


def test_a_search_that_ends_at_a_cut_says_that_it_may_have_been_bad_before(tmp_path):
    t, _, compression = cut(tmp_path)

    said = refused(lambda: t.bisect("side", "main", lambda _: False), compression)
    assert f"the first bad commit is {compression[:16]} or one before it" == said
    found = t.bisect("side", "main", lambda context: context.messages[-1].content != "g")
    assert t.head == found.commit_hash


def test_blame_knows_the_edit_that_gave_a_message_its_words_before_a_cut(tmp_path):
    t, ids, _ = cut(tmp_path)

    rows = {row.text: row for row in t.blame()}

    assert (ids[4], CommitOperation.EDIT) == (rows["E"].commit_hash, rows["E"].changed.operation)
    assert ids[4] == rows["E"].changed.response_to
    assert (ids[5], ids[5]) == (rows["f"].commit_hash, rows["f"].changed_hash)


def test_a_handle_that_remembers_a_context_gives_it_no_more_than_others_do(tmp_path):
    t = reopen(tmp_path)
    ids = [t.user(text).commit_hash for text in "abcdef"]
    t.compress(content="abcd", keep_recent=2)
    for id in (*ids, "HEAD"):
        t.compile(at_commit=id)
        t.show(id)
    t.log(None)
    with reopen(tmp_path) as other:
        other.gc(archive_retention_days=0, orphan_retention_days=0)

    assert "only a commit's message is kept, not its context" == refused(lambda: t.compile(at_commit=ids[5]), ids[5])
    for look in (t.sent, t.blame, lambda id: t.diff(None, id)):
        refused(lambda look=look: look(ids[5]), ids[5])
    assert "f" == t.get_content(ids[5]).text == t.show(ids[5]).content.text
    assert [ids[5]] == [info.commit_hash for info in t.log(None, start=ids[5])]
    assert 1 == len(t.log(None))
    for look in (t.get_content, t.show, t.get_commit, lambda id: t.compile(at_commit=id)):
        with pytest.raises(TractError, match="no commit named"):
            look(ids[1])
    assert ["abcd", "e", "f"] == texts(t)


def test_generation_configs_of_edits_that_gc_took_stop_no_compilation(tmp_path):
    t = reopen(tmp_path)
    ids = [t.commit(DialogueContent("user", text), generation_config={"model": "m"}).commit_hash for text in "abcdefgh"]
    t.edit(ids[3], "D", generation_config={"model": "z"})
    t.reset("HEAD~1", mode="hard")
    t.user("i")
    assert 2 <= t.gc(orphan_retention_days=0).dropped

    with reopen(tmp_path) as fresh:
        assert [*"abcdefghi"] == texts(fresh)
        assert [{"model": "m"}] * 8 + [None] == [*fresh.compile(notes="then").generation_configs]
        assert [*"abcdefghi"] == [row.text for row in fresh.blame()]


# Refs


def test_a_tag_may_be_on_a_kept_message_and_nothing_else_that_needs_its_context(tmp_path):
    t, ids, _ = cut(tmp_path)
    t.tag("kept", ids[5])
    before = t.head

    assert "f" == t.get_content("kept").text
    for act in (
        lambda: t.branch("new", source="kept", switch=True),
        lambda: t.branch("new", source="kept"),
        lambda: t.checkout("kept"),
        lambda: t.reset("kept", mode="hard"),
        lambda: t.compile(at_commit="kept"),
    ):
        refused(act, ids[5])
    assert (before, ["main", "side"]) == (t.head, [info.name for info in t.list_branches()])
    t.delete_tag("kept")
    t.undo()
    assert ids[5] == t.tags()["kept"]


def test_an_undo_passes_over_what_gc_did(tmp_path):
    t = reopen(tmp_path)
    ids = [t.user(text).commit_hash for text in "abcdef"]
    for id in ids[:4]:
        t.annotate(id, "skip")
        t.annotate(id, "normal")
    t.compress(content="abcd", keep_recent=2)
    t.user("g")
    t.gc(archive_retention_days=0, orphan_retention_days=0)
    newest = [operation.reason for _, operation in t.repository.refs.history()][:2]
    assert {"gc: notes", "gc: archives"} & set(newest)

    planned = t.undo(dry_run=True)
    assert ("commit", ["refs/heads/main"]) == (planned.reason, [move.ref for move in planned.moves])
    t.undo()
    assert ["abcd", "e", "f"] == texts(t)
    t.gc(archive_retention_days=0, orphan_retention_days=7)
    t.redo()
    assert ["abcd", "e", "f", "g"] == texts(t)
    t.reset("HEAD~1")
    t.undo()
    assert "g" == texts(t)[-1]


def test_what_moved_orig_head_away_from_an_archive_that_went_can_be_undone(tmp_path):
    t = reopen(tmp_path)
    for text in "abcdef":
        t.user(text)
    t.compress(content="abcd", keep_recent=2)  # ORIG_HEAD is in the archive now
    t.user("g")
    t.reset("HEAD~1")

    assert t.gc(archive_retention_days=0).archives
    t.undo()

    assert ["abcd", "e", "f", "g"] == texts(t)
    assert None is t.repository.ref("ORIG_HEAD")
    assert () == check_repository(str(tmp_path / ".tract")).problems


def test_what_came_with_notes_that_gc_wrote_anew_is_not_undone(tmp_path):
    t = reopen(tmp_path)
    ids = [t.user(text).commit_hash for text in "abcdef"]
    for id in ids[:4]:
        t.annotate(id, "skip")
        t.annotate(id, "normal")
    t.compress(content="abcd", keep_recent=2)
    t.annotate(ids[5], "skip")
    t.gc(archive_retention_days=0, orphan_retention_days=0)
    assert "gc: notes" in [operation.reason for _, operation in t.repository.refs.history()]

    with pytest.raises(TractError, match="cannot be undone: gc"):
        t.undo()
    assert ["abcd", "e"] == texts(t)


# Versions of a message


def test_a_version_is_not_counted_over_a_cut(tmp_path):
    t, ids, compression = cut(tmp_path)
    t.edit(ids[4], "EE")
    newest = t.edit(ids[4], "EEE").commit_hash
    assert ["e", "EE", "EEE"] == [t.get_content(info.commit_hash).text for info in t.edit_history(ids[4])]

    for number in (1, 2, 3, -3, -4):
        said = refused(lambda number=number: t.restore(ids[4], number), compression)
        assert f"it is not known which version {number} of message {ids[4][:16]} was" == said
    assert "EEE" == texts(t)[1]
    for version, text in ((0, "e"), (newest, "EEE"), (ids[4], "e"), (-5, "EE")):
        t.restore(ids[4], version)
        assert text == texts(t)[1]


def test_versions_of_what_came_after_the_cut_are_counted_as_ever(tmp_path):
    t, _, _ = cut(tmp_path)
    t.edit(t.head, "G")

    t.restore(t.edit_history("HEAD")[0].commit_hash, 0)
    t.restore("HEAD", 1)

    assert "G" == texts(t)[-1]
    with pytest.raises(EditTargetError, match="has 4 versions, none of them 9"):
        t.restore("HEAD", 9)


# The file that tells


def test_without_the_file_or_any_line_of_it_the_error_names_it_and_repair_writes_it_anew(tmp_path):
    t, ids, compression = cut(tmp_path)
    t.tag("kept", ids[5])
    edit = bytes.fromhex(t.blame()[1].changed_hash)
    t.close()
    store = tmp_path / ".tract"
    file = store / "shallow"
    whole = decode_shallow(file.read_bytes(), "shallow")
    assert 4 == len(whole)  # the compression, two messages and the edit of one
    for lost in (*whole, None):
        if lost is None:
            file.unlink()
        else:
            write_shallow(str(store), {id: one for id, one in whole.items() if id != lost})
        with reopen(tmp_path) as t:
            if lost is None or lost != edit:
                with pytest.raises(
                    BlobNotFoundError, match="something names it, and 'shallow' does not say that gc cut it"
                ):
                    t.gc()
            if lost is None or lost.hex() == compression:
                with pytest.raises(
                    BlobNotFoundError, match="something names it, and 'shallow' does not say that gc cut it"
                ):
                    t.log(None)
            assert ["abcd", "E", "f", "g"] == texts(t)

        report = check_repository(str(store))
        assert {"history-missing"} == {problem.kind for problem in report.problems if problem.severity == "error"}
        left = run_repair(plan_repair(report))

        assert left.is_clean
        assert whole == decode_shallow(file.read_bytes(), "shallow")
        with reopen(tmp_path) as t:
            t.gc()
            assert 2 == len(t.log(None))
