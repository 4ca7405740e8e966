"""Blame: which commit gave each message its content."""

from __future__ import annotations

from collections.abc import Sequence

from tract import Tract
from tract.history.blame import Blamed, blame_entries
from tract.history.context import context_at, entries
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, Entry, NewObject, new_blob, new_commit
from tract.refs.store import ANY, RefEdit
from tract.repo import Repository
from tract.tree import build_context


def committed(repo: Repository, operation: CommitOperation, parents: Sequence[ObjectId], rows: Sequence[Entry], *blobs: NewObject) -> ObjectId:  # fmt: skip
    """A commit with that very context, on ``refs/heads/main``."""
    new = list(blobs)
    context = build_context(repo, rows, new)
    generation = 1 + max(repo.commit(parent).generation for parent in parents)
    made = new_commit(
        Commit(operation, tuple(parents), None, None, context.tree, context.open, generation, repo.clock(), "a")
    )
    repo.refs.update([RefEdit("refs/heads/main", made.id, ANY)], reason="test", objects=[*new, made])
    return made.id


def go_back(t: Tract, id: ObjectId) -> None:
    t.repository.refs.update([RefEdit("refs/heads/main", id, ANY)], reason="test")
    assert id.hex() == t.head  # has looked


def blamed(t: Tract) -> list[tuple[str, str]]:
    """The message and the commit that last changed it, for every message."""
    return [(row.commit.hex(), row.changed.hex()) for row in at_commit(t, tip_of(t))]


def at_commit(t: Tract, tip: ObjectId | None) -> list[Blamed]:
    return blame_entries(t.repository, tip, entries(t.repository, context_at(t.repository, tip)))


def tip_of(t: Tract) -> ObjectId:
    tip = t.repository.head()[1]
    assert tip is not None
    return tip


def test_a_message_nobody_changed_is_its_commits():
    with Tract.open(":memory:") as t:
        ids = [t.user(str(n)).commit_hash for n in range(40)]
        assert [(id, id) for id in ids] == blamed(t)


def test_the_newest_edit_is_to_blame_also_one_that_restores():
    with Tract.open(":memory:") as t:
        a, b = t.user("a").commit_hash, t.user("b").commit_hash
        t.edit(a, "A")
        second = t.edit(a, "AA").commit_hash
        assert [(a, second), (b, b)] == blamed(t)

        restored = t.restore(a, 0).commit_hash
        assert [(a, restored), (b, b)] == blamed(t)


def test_an_edit_behind_an_older_revision_is_all_that_counts_there():
    with Tract.open(":memory:") as t:
        a = t.user("a").commit_hash
        first = t.edit(a, "A").commit_hash
        then = tip_of(t)
        t.edit(a, "AA")

        assert [first] == [row.changed.hex() for row in at_commit(t, then)]


def test_through_a_merge_the_edit_on_the_side_it_was_made_is_to_blame():
    with Tract.open(":memory:") as t:
        repo = t.repository
        a, b = t.user("a").commit_hash, t.user("b").commit_hash
        base = tip_of(t)
        t.edit(a, "ours")
        ours = tip_of(t)
        go_back(t, base)
        theirs_edit = t.edit(b, "theirs").commit_hash
        t.edit(a, "not taken")
        c = t.user("c").commit_hash
        theirs = tip_of(t)
        rows = entries(repo, context_at(repo, theirs))
        rows[0] = entries(repo, context_at(repo, ours))[0]

        committed(repo, CommitOperation.MERGE, [ours, theirs], rows)

        assert [(a, ours.hex()), (b, theirs_edit), (c, c)] == blamed(t)


def test_a_resolution_that_neither_side_had_is_the_merges():
    with Tract.open(":memory:") as t:
        repo = t.repository
        a = t.user("a").commit_hash
        base = tip_of(t)
        t.edit(a, "ours")
        ours = tip_of(t)
        go_back(t, base)
        t.edit(a, "theirs")
        resolved = new_blob({"content_type": "dialogue", "role": "user", "text": "both"})

        merge = committed(repo, CommitOperation.MERGE, [ours, tip_of(t)], [(bytes.fromhex(a), resolved.id)], resolved)
        assert merge.hex() == t.head  # has looked
        t.user("later")

        assert (a, merge.hex()) == blamed(t)[0]


def test_a_resolution_of_what_one_side_removed_is_the_merges():
    with Tract.open(":memory:") as t:
        a = t.user("a").commit_hash
        t.branch("draft", switch=True)
        t.edit(a, "draft")
        t.switch("main")
        t.revert(a)
        result = t.merge("draft")

        merge = t.commit_merge(result.edit_resolution(result.conflicts[0], "kept after all"))

        assert [(a, merge.merge_commit_hash)] == blamed(t)


def test_an_edit_that_came_back_as_it_was_is_not_the_merges():
    with Tract.open(":memory:") as t:
        a = t.user("a").commit_hash
        t.branch("draft", switch=True)
        edit = t.edit(a, "draft").commit_hash
        t.switch("main")
        t.revert(a)
        result = t.merge("draft")

        t.commit_merge(result.take(result.conflicts[0], "theirs"))

        assert [(a, edit)] == blamed(t)


def test_a_revert_is_to_blame_for_the_words_it_brought_back():
    with Tract.open(":memory:") as t:
        repo = t.repository
        a = t.user("a").commit_hash
        before = entries(repo, context_at(repo, tip_of(t)))
        t.edit(a, "A")

        revert = committed(repo, CommitOperation.REVERT, [tip_of(t)], before)

        assert [(a, revert.hex())] == blamed(t)


def test_through_a_compression_messages_keep_their_commits():
    with Tract.open(":memory:") as t:
        repo = t.repository
        ids = [t.user(str(n)).commit_hash for n in range(6)]
        edit = t.edit(ids[5], "five").commit_hash
        old = tip_of(t)
        kept = entries(repo, context_at(repo, old))
        summary = t.user("summary").commit_hash  # of a commit that the compression's history does not have
        row = entries(repo, context_at(repo, tip_of(t)))[-1]

        committed(repo, CommitOperation.COMPRESS, [old], [row, *kept[4:]])

        assert [(summary, summary), (ids[4], ids[4]), (ids[5], edit)] == blamed(t)


def test_nothing_is_to_blame_where_there_is_nothing():
    with Tract.open(":memory:") as t:
        assert [] == at_commit(t, None)
