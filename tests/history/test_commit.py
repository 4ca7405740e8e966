"""Commits, edits, notes and batches: what lands, in which order, and what a refusal leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.making import texts_in
from tract import Tract
from tract.config import TractConfig
from tract.errors import ContentValidationError, DetachedHeadError, EditTargetError, RefMovedError
from tract.history.batch import Batch
from tract.history.commit import Draft, edit_target, write_commits
from tract.history.context import context_at, count_entries, entries
from tract.history.notes import CONFIG, PRIORITY, USAGE, NewNote, NoteTable, note_history, note_tip, write_note
from tract.history.reachability import context_objects
from tract.history.tracts import in_tract, tract_times
from tract.history.walk import ancestors, first_outlines, first_parents, is_ancestor, outlines
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, Outline, new_commit
from tract.opening import memory_repository, open_repository
from tract.refs.names import HEADS, tract_name
from tract.refs.store import RefEdit
from tract.repo import Repository

EDIT = CommitOperation.EDIT
MAIN = "refs/heads/main"


def make_repo(*texts: str) -> tuple[Repository, list[ObjectId]]:
    """A repository with one commit for each text, and their ids."""
    repo = memory_repository(config=TractConfig(author="tester"))
    return repo, [say(repo, text) for text in texts]


def say(repo: Repository, text: str, **fields: Any) -> ObjectId:
    return write_commits(repo, [Draft({"text": text}, **fields)])[-1]


def state(repo: Repository) -> tuple[object, int]:
    return repo.refs.list(), sum(1 for _ in repo.objects.ids())


def note_of(repo: Repository, target: ObjectId, namespace: str = PRIORITY) -> Any:
    table = NoteTable()
    table.advance(repo, note_tip(repo, namespace))
    return table.get(repo, target)


def test_a_commit_records_what_it_was_given() -> None:
    repo, (a,) = make_repo("a")

    b = say(repo, "b", target=a, message="why", metadata={"z": 1, "a": [2]}, time=7)

    commit = repo.commit(b)
    assert (CommitOperation.APPEND, (a,), a, 2, 7) == (*commit[:2], commit.target, commit.generation, commit.time)
    assert ("tester", "why", {"a": [2], "z": 1}) == (commit.author, commit.message, commit.metadata)
    assert {"text": "b"} == repo.blob(commit.content or b"")
    assert ["a", "b"] == texts_in(repo)


def test_many_drafts_are_one_operation() -> None:
    repo, _ = make_repo("a")
    before = len(list(repo.refs.history()))

    ids = write_commits(repo, [Draft({"text": str(n)}, config={"n": n} if n % 2 else None) for n in range(100)])

    assert before + 1 == len(list(repo.refs.history()))
    assert ["a", *map(str, range(100))] == texts_in(repo)
    assert ids[::-1] == [id for id, _ in first_parents(repo, repo.head()[1])][:100]
    assert {"n": 51} == note_of(repo, ids[51], CONFIG)
    assert note_of(repo, ids[50], CONFIG) is None


def test_no_drafts_are_no_operation() -> None:
    repo, _ = make_repo("a")
    before = state(repo)

    assert [] == write_commits(repo, [])
    assert before == state(repo)


@pytest.mark.parametrize("at", [0, 5, 40, 77, 99])
def test_an_edit_replaces_the_message_wherever_it_is(at: int) -> None:
    repo, ids = make_repo(*map(str, range(100)))

    say(repo, "new", operation=EDIT, target=ids[at])
    say(repo, "newer", operation=EDIT, target=ids[at])
    say(repo, "next")

    assert ["newer" if n == at else str(n) for n in range(100)] + ["next"] == texts_in(repo)
    assert ids == [commit for commit, _ in entries(repo, context_at(repo, repo.head()[1]))][:100]
    assert list(map(str, range(100))) == [repo.blob(b)["text"] for _, b in entries(repo, context_at(repo, ids[-1]))]


def test_an_edit_in_a_batch_of_drafts_sees_those_before_it() -> None:
    repo, (a,) = make_repo("a")

    write_commits(repo, [Draft({"text": "b"}), Draft({"text": "A"}, EDIT, a), Draft({"text": "c"})])

    assert ["A", "b", "c"] == texts_in(repo)


def test_an_edit_of_an_edit_is_about_the_message() -> None:
    repo, (a,) = make_repo("a")
    edit = say(repo, "b", operation=EDIT, target=a)

    assert a == edit_target(repo, edit) == edit_target(repo, a)


def test_an_edit_of_what_is_not_in_the_context_leaves_no_trace() -> None:
    repo, (a,) = make_repo("a")
    edit = say(repo, "b", operation=EDIT, target=a)
    before = state(repo)

    for target in (None, edit, bytes(32)):
        with pytest.raises(EditTargetError):
            write_commits(repo, [Draft({"text": "ok"}), Draft({"text": "x"}, EDIT, target)])

    assert before == state(repo)


@pytest.mark.parametrize(
    "fields",
    [{"metadata": {"a": float("nan")}}, {"message": "\ud800"}, {"config": {"a": {1}}}, {"usage": {"a": 2**70}}],
)
def test_what_cannot_be_kept_leaves_no_trace(fields: dict[str, Any]) -> None:
    repo, _ = make_repo("a")
    before = state(repo)

    with pytest.raises(ContentValidationError):
        say(repo, "b", **fields)

    assert before == state(repo)
    say(repo, "c")
    assert ["a", "c"] == texts_in(repo)


def test_a_message_over_the_limit_that_is_set_is_refused_with_both_and_the_setting() -> None:
    repo = memory_repository(config=TractConfig(max_message_size=60))
    say(repo, "short")
    before = state(repo)

    with pytest.raises(
        ContentValidationError, match="a message of 509 bytes is over the limit of 60 that max_message_size"
    ):
        say(repo, "x" * 500)

    assert before == state(repo)


def test_a_message_nested_deeper_than_is_set_is_refused() -> None:
    repo = memory_repository(config=TractConfig(max_message_depth=3))
    write_commits(repo, [Draft({"payload": {"a": [1]}})])

    with pytest.raises(ContentValidationError, match="deeper than the 3 levels that max_message_depth sets"):
        write_commits(repo, [Draft({"payload": {"a": [[1]]}})])


def test_a_branch_that_moved_is_refused_and_a_detached_head_too() -> None:
    repo, (a, b) = make_repo("a", "b")
    before = state(repo)

    with pytest.raises(RefMovedError):
        write_commits(repo, [Draft({"text": "x"})], expected=a)
    assert before == state(repo)

    repo.refs.update([RefEdit("HEAD", b)], reason="detach")
    with pytest.raises(DetachedHeadError):
        say(repo, "x")


def test_the_reason_is_the_first_line_of_the_message() -> None:
    repo, (a,) = make_repo("a")
    say(repo, "b", message="subject\nbody")
    say(repo, "c", operation=EDIT, target=a)
    write_commits(repo, [Draft({"text": "d"}), Draft({"text": "e"})])

    reasons = [operation.reason for _, operation in repo.refs.history()]

    assert ["commit: 2 messages", "commit (edit)", "commit: subject", "commit", "init"] == reasons


def test_equal_commits_at_different_places_are_different_and_blobs_are_shared() -> None:
    repo, _ = make_repo()
    first, second = say(repo, "a", time=1), say(repo, "a", time=1)

    assert first != second
    assert repo.commit(first).content == repo.commit(second).content


def test_the_newest_note_counts_and_all_are_kept() -> None:
    repo, (a, b) = make_repo("a", "b")
    for n, target in enumerate((a, b, a)):
        write_note(repo, PRIORITY, NewNote(target, {"n": n}, n), reason="note")

    assert [{"n": 2}, {"n": 1}] == [note_of(repo, target) for target in (a, b)]
    assert [{"n": 2}, {"n": 0}] == [note.body for note in note_history(repo, PRIORITY, a)]
    assert [2, 1, 0] == [note.time for note in note_history(repo, PRIORITY)]
    assert ["a", "b"] == texts_in(repo)


def test_a_note_table_moves_forward_back_and_far() -> None:
    repo, ids = make_repo(*map(str, range(20)))
    tips: list[ObjectId | None] = [None]
    model: list[dict[ObjectId, int]] = [{}]
    for n in range(200):
        target = ids[n * 7 % 20]
        write_note(repo, PRIORITY, NewNote(target, {"n": n}, n), reason="note")
        tips.append(note_tip(repo, PRIORITY))
        model.append({**model[-1], target: n})

    table = NoteTable()
    for at in (0, 1, 2, 60, 200, 199, 3, 0, 130, 131):
        changed = table.advance(repo, tips[at])
        assert model[at] == {target: table.get(repo, target)["n"] for target in table.targets()}
        assert changed is None or at in (0, 1, 2, 60, 130, 131)  # 130 is read from no note at all


def test_notes_cost_the_same_however_many_there_are() -> None:
    repo, (a,) = make_repo("a")
    sizes, table = [], NoteTable()
    for n in range(1000):
        before = sum(1 for _ in repo.objects.ids()) if n > 990 else 0
        write_note(repo, USAGE, NewNote(a, {"n": n}, n), reason="note", table=table)
        if before:
            sizes.append(sum(1 for _ in repo.objects.ids()) - before)
    assert max(sizes) <= 8


def test_a_batch_lands_as_one_operation_or_not_at_all() -> None:
    repo, (a,) = make_repo("a")
    before, operations = state(repo), len(list(repo.refs.history()))
    batch = Batch(repo)
    for n in range(40):
        id = say(batch.repo, str(n), config={"n": n})
    write_note(batch.repo, PRIORITY, NewNote(id, {"priority": "skip"}, 0), reason="note")
    say(batch.repo, "A", operation=EDIT, target=a)
    assert before == state(repo)
    assert ["A", *map(str, range(40))] == texts_in(batch.repo)

    batch.land(reason="batch")

    assert ["A", *map(str, range(40))] == texts_in(repo)
    assert operations + 1 == len(list(repo.refs.history()))
    assert ({"priority": "skip"}, {"n": 39}) == (note_of(repo, id), note_of(repo, id, CONFIG))


def test_a_batch_on_a_branch_that_moved_leaves_nothing() -> None:
    repo, _ = make_repo("a")
    batch = Batch(repo)
    say(batch.repo, "b")
    say(repo, "other")
    before = state(repo)

    with pytest.raises(RefMovedError):
        batch.land(reason="batch")

    assert before == state(repo)


def test_a_batchs_notes_go_on_top_of_those_written_meanwhile() -> None:
    repo, (a,) = make_repo("a")
    for earlier in range(3):
        write_note(repo, PRIORITY, NewNote(a, {"n": earlier}, 0), reason="note")
    batch = Batch(repo)
    for mine in (10, 11):
        write_note(batch.repo, PRIORITY, NewNote(a, {"n": mine}, 0), reason="note")
    for other in (20, 21):
        write_note(repo, PRIORITY, NewNote(a, {"n": other}, 0), reason="note")

    batch.land(reason="batch")

    assert [0, 1, 2, 20, 21, 10, 11] == [note.body["n"] for note in note_history(repo, PRIORITY, a)][::-1]
    assert 7 == count_entries(repo, context_at(repo, note_tip(repo, PRIORITY)))
    assert {"n": 11} == note_of(repo, a)


def test_a_walk_of_outlines_meets_what_a_walk_of_commits_meets() -> None:
    def outlined(commit: Commit) -> Outline:
        return Outline(commit.operation, commit.parents, commit.content, commit.generation, commit.time)

    made, ids = with_merges()
    repo = open_repository(
        f"{Path(__file__).parents[2]}/docs/samples/store", read_only=True
    )  # a pack, a journal, a cut
    tips = [value for prefix in tract_times(repo) for _, value in in_tract(repo, tract_name(prefix)).local_refs(HEADS)]

    for repository, starts in ((made, [ids["n"]]), (repo, [tip for tip in tips if isinstance(tip, bytes)])):
        walked = list(ancestors(repository, starts))
        assert len(walked) > 5
        assert [(id, outlined(commit)) for id, commit in walked] == list(outlines(repository, starts))
    repo.close()


def test_a_pack_that_gc_did_not_write_gives_its_commits_outlines_together(tmp_path: Path) -> None:
    with Tract.open(tmp_path) as t:
        t.extend([{"role": "user", "content": f"message {number}"} for number in range(300)])
        repo = t.repository
        walked = list(first_parents(repo, repo.head()[1]))
        repo.decoded.commits.clear()

        found = list(first_outlines(repo, repo.head()[1]))

        assert [(id, one.parents, one.generation) for id, one in walked] == [
            (id, one.parents, one.generation) for id, one in found
        ]
        assert 300 == len(found)
        assert len(repo.decoded.commits) < 10


def test_an_empty_batch_lands_nothing() -> None:
    repo, _ = make_repo("a")
    before = state(repo)

    Batch(repo).land(reason="batch")

    assert before == state(repo)


def with_merges() -> tuple[Repository, dict[str, ObjectId]]:
    """``a ─ b ─ m ─ n`` with ``a ─ c ─ m`` and, from elsewhere, ``x ─ n``."""
    repo, _ = make_repo()
    ids: dict[str, ObjectId] = {}
    for time, (name, parents) in enumerate([("a", ""), ("b", "a"), ("c", "a"), ("m", "bc"), ("x", ""), ("n", "mx")]):
        generation = 1 + max([repo.commit(ids[p]).generation for p in parents], default=0)
        values = (tuple(ids[p] for p in parents), None, None, None, (), generation, time, name)
        made = new_commit(Commit(CommitOperation.MERGE, *values))
        repo.objects.write_many([made])
        ids[name] = made.id
    repo.refs.update([RefEdit(MAIN, ids["n"])], reason="test")
    return repo, ids


def test_ancestors_come_once_each_a_child_before_its_parents_and_else_the_newer_first() -> None:
    repo, ids = with_merges()

    assert ["n", "x", "m", "c", "b", "a"] == [commit.author for _, commit in ancestors(repo, [ids["n"]])]
    assert ["c", "b", "a"] == [commit.author for _, commit in ancestors(repo, [ids["b"], ids["c"], ids["b"]])]
    assert ["n", "m", "b", "a"] == [commit.author for _, commit in first_parents(repo, ids["n"])]
    assert [] == list(first_parents(repo, None))


def test_ancestry_is_what_the_parents_say() -> None:
    repo, ids = with_merges()

    reached = {(one, other) for one in ids for other in ids if is_ancestor(repo, ids[one], ids[other])}

    assert {"aa", "ab", "ac", "am", "an", "bb", "bm", "bn", "cc", "cm", "cn", "mm", "mn", "xx", "xn", "nn"} == {
        one + other for one, other in reached
    }


def test_an_edit_stores_no_node_that_no_commit_has() -> None:
    for length in range(20, 60):
        repo = memory_repository()
        for number in range(length):
            write_commits(repo, [Draft({"content_type": "dialogue", "role": "user", "text": str(number)})])
        tip = repo.head()[1]
        assert tip is not None
        edit = Draft(
            {"content_type": "dialogue", "role": "user", "text": "changed"},
            CommitOperation.EDIT,
            repo.commit(repo.commit(tip).parents[0]).parents[0],
        )
        write_commits(repo, [edit])

        stored = {id for id, kind in repo.objects.ids() if kind == "tree"}
        seen: set[bytes] = set()
        named = {
            id for commit, _ in ancestors(repo, [repo.head()[1] or b""]) for id in context_objects(repo, commit, seen)
        }
        assert stored <= named


def test_many_appends_at_once_are_the_commits_that_one_after_the_other_make() -> None:
    drafts = [
        Draft(
            {"text": f"m{number}"},
            message=None if number % 3 else "why",
            metadata={"n": number} if number % 4 == 0 else None,
            config={"model": "m"} if number % 2 else None,
            usage={"n": number} if number % 5 == 0 else None,
            time=1000 + number,
        )
        for number in range(100)
    ]
    alone = memory_repository(config=TractConfig(author="tester"))
    together = memory_repository(config=TractConfig(author="tester"))

    ids = [write_commits(alone, [draft])[0] for draft in drafts]

    assert ids == write_commits(together, drafts)
    assert [note_of(alone, id, CONFIG) for id in ids] == [note_of(together, id, CONFIG) for id in ids]
    assert [note_of(alone, id, USAGE) for id in ids] == [note_of(together, id, USAGE) for id in ids]
    for namespace in (CONFIG, USAGE):
        targets = [[event.target for event in note_history(repo, namespace)] for repo in (alone, together)]
        assert targets[0] == targets[1]
