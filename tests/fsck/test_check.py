"""A store that is as it should be raises no alarm, and what is wrong with one is named with its place."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.making import Words
from tract import Tract
from tract.errors import FormatVersionError, NotARepositoryError, ObjectCorruptError
from tract.maintenance.fsck.check import check_repository, examine
from tract.maintenance.fsck.conversation import conversation_problems, count_problems
from tract.maintenance.gc.collect import collect
from tract.maintenance.gc.options import read_options
from tract.objects.model import Commit, CommitOperation, Node, new_blob, new_commit, new_node, new_object
from tract.opening import open_repository
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.transaction import transaction
from tract.tree import EMPTY, build_context


def open_tract(folder: Path, **options: Any) -> Tract:
    return Tract.open(folder, tokenizer=Words(), **options)


def say(t: Tract, *texts: str) -> list[str]:
    return [t.commit({"role": "user", "content": text}).commit_hash for text in texts]


def problems(folder: Path) -> list[tuple[str, str]]:
    """Kind and severity of all that is worse than a note."""
    report = check_repository(str(folder / ".tract"))
    return [(problem.severity, problem.kind) for problem in report.problems if problem.severity != "note"]


def new_store(folder: Path) -> None:
    open_tract(folder).close()


def messages_of_all_sorts(folder: Path) -> None:
    with open_tract(folder) as t:
        ids = say(t, *(f"message {n}" for n in range(70)))
        t.commit({"role": "user", "content": "better"}, operation="edit", response_to=ids[3])
        t.commit({"role": "user", "content": "better still"}, operation="edit", response_to=ids[69])
        for id in ids[:40]:
            t.annotate(id, "skip")
        t.commit({"role": "user", "content": "set"}, generation_config={"model": "m"})
        t.tag("v1")
        t.tag("old", ids[5])
        t.compile()


def a_batch(folder: Path) -> None:
    with open_tract(folder) as t, t.batch():
        say(t, *(f"message {n}" for n in range(200)))
        t.annotate(say(t, "pin me")[0], "pinned")


def other_tracts(folder: Path) -> None:
    for name in (None, "helper", "other"):
        with open_tract(folder, tract_id=name) as t:
            say(t, "hello")


def large_objects(folder: Path) -> None:
    with open_tract(folder) as t:
        say(t, "x" * 2_000_000, "y" * 1_500_000)


def unsynced_commits(folder: Path) -> None:
    with open_tract(folder, durability="process") as t:
        say(t, "a", "b")


def sealed_journals(folder: Path) -> None:
    with open_tract(folder) as t:
        for n in range(11):
            say(t, f"{n} " + os.urandom(250_000).hex())


def collected(folder: Path) -> None:
    messages_of_all_sorts(folder)
    repo = open_repository(str(folder / ".tract"))
    collect(repo, read_options(repo, orphans=0))
    repo.close()
    with open_tract(folder) as t:
        say(t, "after")


@pytest.mark.parametrize(
    "make",
    [
        new_store,
        messages_of_all_sorts,
        a_batch,
        other_tracts,
        large_objects,
        unsynced_commits,
        sealed_journals,
        collected,
    ],
)
def test_a_store_that_is_as_it_should_be_raises_no_alarm(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path)

    assert [] == problems(tmp_path)


def test_a_store_that_is_open_raises_no_alarm(tmp_path: Path) -> None:
    with open_tract(tmp_path) as t:
        say(t, "a")
        assert [] == problems(tmp_path)


def test_a_gc_that_takes_away_what_is_being_checked_raises_no_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected(tmp_path)
    with closing(open_repository(str(tmp_path / ".tract"))) as repo:
        repo.objects.write_many([new_blob({"content_type": "freeform", "payload": {}})])
    seen = []

    def collect_now(found: Any) -> None:
        seen.append(found.layout.under("objects/pack/"))
        if len(seen) <= 2:
            with closing(open_repository(str(tmp_path / ".tract"))) as repo:
                collect(repo, read_options(repo, orphans=0), aggressive=len(seen) == 1)

    monkeypatch.setattr("tract.maintenance.fsck.check.check_format", collect_now)

    assert [] == problems(tmp_path)
    assert seen[0] != seen[-1]


def test_checking_writes_nothing(tmp_path: Path) -> None:
    messages_of_all_sorts(tmp_path)
    (tmp_path / ".tract" / "refs" / "heads" / "main").write_bytes(b"damaged")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("*") if path.is_file()}

    check_repository(str(tmp_path / ".tract"))

    assert before == {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in tmp_path.rglob("*") if p.is_file()}


def test_the_torn_end_of_a_killed_writer_is_a_warning_and_loses_nothing(tmp_path: Path) -> None:
    with open_tract(tmp_path) as t:
        say(t, "a")
    journal = tmp_path / ".tract" / "objects" / "journal"
    data = journal.read_bytes()
    end = len(data.rstrip(b"\0"))
    journal.write_bytes(data[:end] + data[16:24] + b"half a transaction" + data[end + 26 :])

    report = check_repository(str(tmp_path / ".tract"))

    (problem,) = report.problems
    assert ("warning", "torn-end", "objects/journal", end) == (
        problem.severity,
        problem.kind,
        problem.path,
        problem.offset,
    )
    assert "" == problem.lost


def test_damage_is_named_with_file_and_offset_and_what_is_lost(tmp_path: Path) -> None:
    with open_tract(tmp_path) as t:
        say(t, "a message with some text in it", "b", "c")
    journal = tmp_path / ".tract" / "objects" / "journal"
    data = bytearray(journal.read_bytes())
    at = data.index(b"a message with some text")
    data[at] ^= 1
    journal.write_bytes(data)

    report = check_repository(str(tmp_path / ".tract"))

    damaged, missing = report.errors
    assert ("transaction-damaged", "objects/journal") == (damaged.kind, damaged.path)
    assert damaged.offset is not None
    assert damaged.offset < at
    assert "missing-object" == missing.kind
    assert missing.lost.startswith("content ")


@pytest.mark.parametrize(
    ("name", "mode", "kind"), [("config.toml", 0o644, "mode"), ("refs", 0o755, "mode"), (".", 0o750, "mode")]
)
def test_a_file_that_others_may_read_is_a_warning(name: str, mode: int, kind: str, tmp_path: Path) -> None:
    new_store(tmp_path)
    (tmp_path / ".tract" / name).chmod(mode)

    assert [("warning", kind)] == problems(tmp_path)


def test_a_symbolic_link_is_an_error_and_not_followed(tmp_path: Path) -> None:
    new_store(tmp_path)
    (tmp_path / ".tract" / "refs" / "heads" / "main").symlink_to("/etc/passwd")

    assert [("error", "not-a-file")] == problems(tmp_path)


def test_what_is_left_over_or_unknown_is_a_note(tmp_path: Path) -> None:
    new_store(tmp_path)
    for name in ("objects/.tmp-1-2-journal", "notes.txt"):
        (tmp_path / ".tract" / name).touch(0o600)

    report = check_repository(str(tmp_path / ".tract"))

    assert ["unknown-file", "leftover"] == [problem.kind for problem in report.problems]
    assert report.is_clean


def test_a_pack_without_an_index_that_nothing_needs_is_what_a_large_transaction_left(tmp_path: Path) -> None:
    with open_tract(tmp_path) as t:
        say(t, "a")
        made = [new_blob({"content_type": "dialogue", "role": "user", "text": f"never landed {n}"}) for n in range(9)]
        t.repository.objects._write_pack(made, quick=True)  # type: ignore[attr-defined]  # and then it was killed
        (index,) = (tmp_path / ".tract/objects/pack").glob("*.idx")
        index.unlink()
        say(t, "b")

    assert [] == problems(tmp_path)
    assert ["leftover"] == [one.kind for one in check_repository(str(tmp_path / ".tract")).problems]


def test_settings_edited_by_hand_are_a_warning_and_those_without_sense_an_error(tmp_path: Path) -> None:
    new_store(tmp_path)
    config = tmp_path / ".tract" / "config.toml"
    config.write_text("token_budget = 5\n" + config.read_text())
    assert [("warning", "config-changed")] == problems(tmp_path)

    config.write_text("token_budget = 'five'\n")
    assert [("error", "config-damaged")] == problems(tmp_path)


def test_a_store_of_another_version_is_refused_and_another_folder_too(tmp_path: Path) -> None:
    new_store(tmp_path)
    with pytest.raises(NotARepositoryError):
        check_repository(str(tmp_path))

    from blake3 import blake3

    body = b"tract 1\n" + b"0" * 32 + b"\n"
    (tmp_path / ".tract" / "format").write_bytes(body + blake3(body).hexdigest()[:16].encode() + b"\n")
    with pytest.raises(FormatVersionError):
        check_repository(str(tmp_path / ".tract"))


# Rules that no byte on the disk breaks: written with the store's own hands.


def with_commit(folder: Path, make: Callable[[Repository, bytes, Commit], Commit]) -> list[tuple[str, str]]:
    """What is wrong when a branch is moved to a commit that *make* makes of its tip."""
    with open_tract(folder) as t:
        say(t, *(f"message {n}" for n in range(40)))
    repo = open_repository(str(folder / ".tract"))
    tip = repo.refs.read("refs/heads/main")
    assert isinstance(tip, bytes)
    new = new_commit(make(repo, tip, repo.commit(tip)))
    repo.refs.update([RefEdit("refs/heads/main", new.id)], reason="test", objects=[new])
    repo.close()
    return problems(folder)


def kinds(found: list[tuple[str, str]]) -> set[str]:
    return {kind for _, kind in found}


def test_a_commit_with_a_wrong_generation_is_an_error(tmp_path: Path) -> None:
    found = with_commit(tmp_path, lambda _, tip, commit: commit._replace(parents=(tip,), generation=7))

    assert "generation" in kinds(found)


def test_a_commit_whose_context_lost_a_message_is_an_error(tmp_path: Path) -> None:
    def shorter(_: Repository, tip: bytes, commit: Commit) -> Commit:
        return commit._replace(parents=(tip,), generation=commit.generation + 1)

    # Where the lost message was the first of its chunk, its chunk is empty and only the count is wrong.
    assert ("error", "context-count") in with_commit(tmp_path, shorter)


def test_an_edit_whose_message_is_not_there_is_a_warning(tmp_path: Path) -> None:
    def edit(repo: Repository, tip: bytes, commit: Commit) -> Commit:
        entries = [(tip, commit.content or b"")]
        whole = [*zip(commit.open[::2], commit.open[1::2], strict=True), *entries]
        new: list[Any] = []
        context = build_context(repo, whole, new) if commit.tree is None else None
        before = context or EMPTY
        return commit._replace(
            operation=CommitOperation.EDIT,
            parents=(tip,),
            target=commit.parents[0],
            tree=commit.tree if context is None else before.tree,
            open=(*commit.open, tip, commit.content or b"") if context is None else before.open,
            generation=commit.generation + 1,
        )

    assert ("warning", "edit-without-target") in with_commit(tmp_path, edit)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("no-content", {"content": None}),
        ("parents", {"operation": CommitOperation.MERGE, "content": None}),
        ("parents", {"operation": CommitOperation.REVERT, "content": None, "parents": (), "generation": 1}),
        ("context-entries", {"operation": CommitOperation.REORDER, "content": None}),
    ],
)
def test_a_commit_that_is_not_what_its_operation_makes_is_an_error(
    kind: str, wrong: dict[str, Any], tmp_path: Path
) -> None:
    def make(_: Repository, tip: bytes, commit: Commit) -> Commit:
        return commit._replace(**{"parents": (tip,), "generation": commit.generation + 1, **wrong})

    assert ("error", kind) in with_commit(tmp_path, make)


@pytest.mark.parametrize("wrong", ["nothing", "another last"])
def test_a_list_of_notes_that_does_not_begin_with_its_own_note_is_an_error(wrong: str, tmp_path: Path) -> None:
    with open_tract(tmp_path) as t:
        first, last = (bytes.fromhex(id) for id in say(t, "a", "b"))
        with transaction(t.repository, "note", moves="refs") as tx:
            tx.note_new("config", [(first, {"model": "m"}, 1), (last, {"model": "n"}, 2)])
    assert [] == problems(tmp_path)
    with closing(open_repository(str(tmp_path / ".tract"))) as repo:
        tip = repo.refs.read("refs/notes/config")
        assert isinstance(tip, bytes)
        note = repo.commit(tip)
        new = new_commit(note._replace(open=() if wrong == "nothing" else note.open[:2]))
        repo.refs.update([RefEdit("refs/notes/config", new.id)], reason="test", objects=[new])

    assert [("error", "context-entries")] == problems(tmp_path)


@pytest.mark.parametrize("wrong", ["no event", "another's", "of another kind", "twice"])
def test_an_entry_of_a_list_of_notes_that_is_none_of_it_is_named_and_never_read(wrong: str, tmp_path: Path) -> None:
    with open_tract(tmp_path) as t:
        first, last = (bytes.fromhex(id) for id in say(t, "a", "b"))
        t.annotate(first.hex(), "pinned", reason="first")
        repo = t.repository
        tip = repo.refs.read("refs/notes/priority")
        assert isinstance(tip, bytes)
        note = repo.commit(tip)
        known = note.content
        assert known is not None
        event = {**repo.blob(known), "target": last.hex()}
        blob = {
            "no event": lambda: new_blob({"target": last.hex(), "body": {"priority": "skip"}}),
            "another's": lambda: new_blob({**event, "target": first.hex(), "time": 1}),
            "of another kind": lambda: new_blob({**event, "namespace": "usage"}),
            "twice": lambda: new_blob(event),
        }[wrong]()
        entries = (last, blob.id) * (2 if wrong == "twice" else 1)
        new = new_commit(
            note._replace(
                parents=(tip,),
                generation=note.generation + 1,
                target=last,
                content=blob.id,
                open=(*note.open, *entries),
            )
        )
        repo.refs.update([RefEdit("refs/notes/priority", new.id)], reason="test", objects=[blob, new])

    found = [one for one in check_repository(str(tmp_path / ".tract")).errors if one.subject.startswith("note ")]
    assert [("note-twice" if wrong == "twice" else "note-shape", f"note {blob.id.hex()}")] == [
        (one.kind, one.subject) for one in found
    ]
    assert found[0].path == "objects/journal"
    with open_tract(tmp_path) as t:
        if wrong == "of another kind":  # it says what it says, and goes nowhere
            t.add_remote("origin", tmp_path / "remote")
            with pytest.raises(ObjectCorruptError):
                t.push()
            return
        reads: list[Callable[[], object]] = [lambda: t.get_annotations(last.hex())]
        if wrong != "twice":  # of two that are one, what counts is the same
            reads += [t.compile, t.pinned]
        for read in reads:
            with pytest.raises(ObjectCorruptError):
                read()


def test_an_edit_that_its_context_does_not_have_is_said_to_be_that(tmp_path: Path) -> None:
    with open_tract(tmp_path) as t:
        say(t, "a", "b")
        repo = t.repository
        tip = repo.head()[1]
        assert tip is not None
        commit = repo.commit(tip)
        context = (*commit.open, tip, commit.content or b"")
        blob = new_blob({"content_type": "dialogue", "role": "user", "text": "other"})
        edit = new_commit(commit._replace(operation=CommitOperation.EDIT, parents=(tip,), content=blob.id,
                                          target=commit.parents[0], open=context, generation=3))  # fmt: skip
        repo.refs.update([RefEdit("refs/heads/main", edit.id)], reason="test", objects=[blob, edit])

    (problem,) = check_repository(str(tmp_path / ".tract")).warnings
    assert "the message it edits has another content in its context" in problem.detail


def test_an_edit_to_what_the_message_says_already_raises_no_alarm(tmp_path: Path) -> None:
    with open_tract(tmp_path) as t:
        ids = say(t, *(f"message {n}" for n in range(40)))
        for n in (0, 39):
            t.commit({"role": "user", "content": f"message {n}"}, operation="edit", response_to=ids[n])

    assert [] == problems(tmp_path)


def test_a_tree_that_is_cut_at_the_wrong_place_is_an_error(tmp_path: Path) -> None:
    def cut(repo: Repository, tip: bytes, commit: Commit) -> Commit:
        node = new_node(Node(0, (tip, commit.content)))
        repo.objects.write_many([node])
        return commit._replace(parents=(tip,), generation=commit.generation + 1, tree=node.id, open=())

    assert {"tree-cut", "context-count"} <= kinds(with_commit(tmp_path, cut))


def test_an_object_that_is_not_canonical_is_an_error(tmp_path: Path) -> None:
    new_store(tmp_path)
    repo = open_repository(str(tmp_path / ".tract"))
    repo.objects.write_many([new_object("blob", b"\x81\xa1a\xcc\x01")])
    repo.close()

    assert [("error", "object-shape")] == problems(tmp_path)


def test_a_note_on_a_branch_and_a_message_on_a_notes_ref_are_errors(tmp_path: Path) -> None:
    with open_tract(tmp_path) as t:
        (id,) = say(t, "a")
    repo = open_repository(str(tmp_path / ".tract"))
    repo.refs.update([RefEdit("refs/notes/priority", bytes.fromhex(id))], reason="test")
    repo.close()

    assert [("error", "ref-value")] == problems(tmp_path)


# The conversation itself.


def conversation(folder: Path) -> list[tuple[str, str]]:
    return [(p.severity, p.kind) for p in conversation_problems(examine(str(folder / ".tract")))]


CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}


def test_a_tool_result_without_its_call_is_a_warning(tmp_path: Path) -> None:
    with open_tract(tmp_path) as t:
        t.commit({"role": "user", "content": "hi"})
        t.commit({"role": "tool", "tool_call_id": "c1", "content": "42"})

    assert [("warning", "unpaired_tool_result")] == conversation(tmp_path)
    assert [] == problems(tmp_path)


def test_a_call_and_its_result_raise_no_alarm_also_when_one_or_both_are_skipped(tmp_path: Path) -> None:
    with open_tract(tmp_path) as t:
        call = t.commit(CALL)
        result = t.commit({"role": "tool", "tool_call_id": "c1", "content": "42"})
        say(t, *(f"message {n}" for n in range(50)))
        assert [] == conversation(tmp_path)

        for hidden in ([result], [call], [call, result]):
            for half in (call, result):
                t.annotate(half.commit_hash, "skip" if half in hidden else "normal")
            assert [] == conversation(tmp_path)


def test_a_blob_that_is_no_message_is_an_error(tmp_path: Path) -> None:
    def broken(repo: Repository, _: bytes, commit: Commit) -> Commit:
        blob = new_blob({"content_type": "message"})
        repo.objects.write_many([blob])
        return commit._replace(parents=(), content=blob.id, tree=None, open=(), generation=1)

    assert [] == with_commit(tmp_path, broken)
    assert [("error", "content-shape")] == conversation(tmp_path)


def test_a_record_among_messages_is_an_error(tmp_path: Path) -> None:
    def record(repo: Repository, _: bytes, commit: Commit) -> Commit:
        blob = new_blob({"content_type": "record", "kind": "k", "payload": 1})
        repo.objects.write_many([blob])
        return commit._replace(parents=(), content=blob.id, tree=None, open=(), generation=1)

    with_commit(tmp_path, record)
    assert [("error", "content-shape")] == conversation(tmp_path)


def test_a_message_that_a_context_has_twice_is_an_error(tmp_path: Path) -> None:
    def twice(_: Repository, tip: bytes, commit: Commit) -> Commit:
        entry = (tip, commit.content or b"")
        word: Any = "weigh-anew"
        return commit._replace(operation=word, parents=(), content=None, tree=None, open=entry * 2, generation=1)

    with_commit(tmp_path, twice)
    assert ("error", "message-twice") in conversation(tmp_path)


def test_kept_token_counts_that_are_wrong_are_found_by_counting_again(tmp_path: Path) -> None:
    class Longer(Words):
        def count(self, text: str) -> int:
            return len(text)

    with open_tract(tmp_path) as t:
        say(t, "three words here")
        assert t.compile().token_count
    found = examine(str(tmp_path / ".tract"))

    assert [] == list(count_problems(found, Words()))
    assert ["counts-wrong"] == [problem.kind for problem in count_problems(found, Longer())]
