"""Merges and replays with conflicts, kept in the store, gone on with and given up from Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.making import texts
from tract import CommandUnderWay, MergeResult, RebaseResult, ResolveRequest, RevertResult, Tract
from tract.errors import (
    CherryPickError,
    ContentValidationError,
    MergeConflictError,
    MergeError,
    ObjectCorruptError,
    RebaseError,
    RefMovedError,
    UnsafeRepositoryError,
)
from tract.history.documents import from_document
from tract.history.moves import RefMove, move_refs
from tract.history.state import encode_state


def make_tract(path: Path | str = ":memory:") -> Tract:
    """``main`` and ``draft``, which is checked out, have edited one message in two ways."""
    t = Tract.open(path, durability="process")
    first = t.user("a")
    t.branch("draft", switch=True)
    t.edit(first.commit_hash, "a draft")
    t.switch("main")
    t.edit(first.commit_hash, "a main")
    return t


def answer(request: ResolveRequest) -> str:
    assert request.ours is not None
    assert request.theirs is not None
    return f"{request.ours['content']} and {request.theirs['content']}"


def edit_file(file: str | None, text: str) -> None:
    """Resolve the one conflict in *file* with *text*."""
    assert file is not None
    lines = Path(file).read_text().splitlines()
    heads = [line for line in lines if line.startswith("@@@@@@@")]
    Path(file).write_text("\n".join([heads[0], text, heads[-1], ""]))


def test_a_merge_waits_in_the_store_and_goes_on_with_its_edited_file(tmp_path: Path) -> None:
    with make_tract(tmp_path) as t:
        kept = t.merge("draft", keep=True)
        with pytest.raises(MergeError, match="a merge is under way"):
            t.user("b")

    with Tract.open(tmp_path) as t:
        assert CommandUnderWay("merge", kept.file or "") == t.command_under_way()
        with pytest.raises(MergeConflictError):
            t.continue_command()
        edit_file(kept.file, "a both")
        done = t.continue_command()

        assert isinstance(done, MergeResult)
        assert done.is_committed
        assert ["a both"] == texts(t)
        assert t.command_under_way() is None
    assert not (tmp_path / ".tract" / "state").exists()


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_a_resolver_decides_what_the_file_leaves_open(place: str, tmp_path: Path) -> None:
    t = make_tract(":memory:" if place == "memory" else tmp_path)
    t.merge("draft", keep=True)

    done = t.continue_command(resolver=answer)

    assert isinstance(done, MergeResult)
    assert ["a main and a draft"] == texts(t)
    t.user("b")
    t.close()


def test_a_rebase_waits_and_goes_on(tmp_path: Path) -> None:
    with make_tract(tmp_path) as t:
        t.switch("draft")
        kept = t.rebase("main", keep=True)

        assert (False, 1) == (kept.is_done, len(kept.losses))
        edit_file(kept.file, "a both")
        done = t.continue_command(command="rebase")

        assert isinstance(done, RebaseResult)
        assert ["a both"] == texts(t)


def test_a_command_given_up_has_changed_nothing() -> None:
    t = make_tract()
    head = t.head
    t.switch("draft")
    t.cherry_pick("main", keep=True)

    assert "cherry-pick" == t.abort_command().command

    assert (head, "draft") == (t.get_commit("main").commit_hash, t.current_branch)
    t.user("b")


def test_a_revert_with_conflicts_waits_as_well() -> None:
    t = make_tract()
    edited = t.log(1)[0].commit_hash
    t.edit("HEAD", "a again")

    kept = t.revert(edited, keep=True)
    done = t.continue_command(resolver=lambda _: "a before")

    assert isinstance(done, RevertResult)
    assert (1, False, True) == (len(kept.losses), kept.is_done, done.is_done)
    assert ["a before"] == texts(t)


def test_what_is_not_under_way_can_be_neither_continued_nor_given_up() -> None:
    t = make_tract()

    for act, error in (
        (lambda: t.continue_command(), MergeError),
        (lambda: t.abort_command(), MergeError),
        (lambda: t.abort_command(command="rebase"), RebaseError),
        (lambda: t.continue_command(command="revert"), CherryPickError),
    ):
        with pytest.raises(error, match="is under way in tract 'root'"):
            act()


@pytest.mark.parametrize("command", ["mrege", 5, []])
def test_what_is_no_command_that_waits_is_named(command: object) -> None:
    t = make_tract()

    for act in (t.continue_command, t.abort_command):
        with pytest.raises(ContentValidationError, match="command must be one of merge, "):
            act(command=command)


def test_a_branch_that_moved_since_is_not_gone_on_with(tmp_path: Path) -> None:
    with make_tract(tmp_path) as t:
        t.switch("draft")
        kept = t.rebase("main", keep=True)
        edit_file(kept.file, "x")
        state = tmp_path / ".tract" / "state" / "rebase"
        aside = tmp_path / "aside"
        state.rename(aside)
        t.user("b")
        aside.rename(state)

        with pytest.raises(RefMovedError):
            t.continue_command()
        assert t.command_under_way() is not None


def move_back(t: Tract, branch: str) -> None:
    """Let *branch* be one commit further back than it is."""
    parent = t.get_commit(f"{branch}~1").commit_hash
    move_refs(t.repository, [RefMove(f"refs/heads/{branch}", bytes.fromhex(parent))], reason="test")


@pytest.mark.parametrize("change", ["moved", "deleted"])
def test_what_is_merged_is_what_it_was_when_the_merge_began(change: str, tmp_path: Path) -> None:
    with make_tract(tmp_path) as t:
        theirs = t.get_commit("draft").commit_hash
        edit_file(t.merge("draft", keep=True).file, "both")
        if change == "moved":
            move_back(t, "draft")
        else:
            t.delete_branch("draft", force=True)

        t.continue_command()

        assert ["both"] == texts(t)
        assert theirs == t.get_commit("HEAD").parent_hashes[1]


def test_a_branch_that_is_to_go_with_the_merge_stays_where_it_moved_on(tmp_path: Path) -> None:
    with make_tract(tmp_path) as t:
        edit_file(t.merge("draft", keep=True, delete_branch=True).file, "both")
        move_back(t, "draft")

        with pytest.raises(RefMovedError):
            t.continue_command()

        assert ["a main"] == texts(t)
        assert t.command_under_way() is not None


def test_a_merge_that_was_committed_before_its_process_died_is_not_made_again(tmp_path: Path) -> None:
    with make_tract(tmp_path) as t:
        edit_file(t.merge("draft", keep=True).file, "both")
        state = tmp_path / ".tract" / "state" / "merge"
        kept = state.read_bytes()
        t.continue_command()
        head = t.head
        state.parent.mkdir()
        state.write_bytes(kept)

        t.continue_command()

        assert head == t.head
        assert t.command_under_way() is None


def test_a_section_left_empty_removes_what_one_side_removed(tmp_path: Path) -> None:
    with Tract.open(tmp_path, durability="process") as t:
        first = t.user("a").commit_hash
        t.branch("draft", switch=True)
        t.revert(first)
        t.switch("main")
        t.edit(first, "a main")
        kept = t.merge("draft", keep=True)
        edit_file(kept.file, "")

        t.continue_command()

        assert ["edited-and-removed"] == [conflict.kind for conflict in kept.conflicts]
        assert [] == texts(t)


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    with make_tract(tmp_path) as t:
        file = Path(t.merge("draft", keep=True).file or "")
        edit_file(str(file), "x")
        file.symlink_to(file.rename(tmp_path / "elsewhere"))

        with pytest.raises(UnsafeRepositoryError):
            t.continue_command()

        assert ["a main"] == texts(t)


def test_what_was_decided_of_messages_that_were_pinned_since_is_not_committed(tmp_path: Path) -> None:
    with Tract.open(tmp_path, durability="process") as t:
        t.user("a")
        t.branch("draft", switch=True)
        t.user("d")
        t.switch("main")
        t.user("m")
        t.merge("draft", strategy="semantic", resolver=answer, keep=True, no_commit=True)
        t.annotate("HEAD", "pinned")

        with pytest.raises(MergeError, match="are not those that you resolved"):
            t.continue_command()

        assert ["a", "m"] == texts(t)


def test_a_damaged_state_names_its_file_and_can_be_given_up(tmp_path: Path) -> None:
    with make_tract(tmp_path) as t:
        t.merge("draft", keep=True)
        state = tmp_path / ".tract" / "state" / "merge"
        state.write_bytes(state.read_bytes().replace(b'"draft"', b'"craft"'))

        with pytest.raises(ObjectCorruptError, match=str(state)):
            t.continue_command()
        assert "check line" in (t.abort_command().problem or "")
        t.user("b")


def test_a_whole_state_of_the_wrong_shape_names_its_file_and_what_is_wrong(tmp_path: Path) -> None:
    with make_tract(tmp_path) as t:
        t.merge("draft", keep=True)
        state = tmp_path / ".tract" / "state" / "merge"
        document = json.loads(state.read_bytes().rsplit(b"# check", 1)[0])
        for change, problem in (
            ({"ours": "xyz"}, "'ours'"),
            ({"bases": {}}, "'bases'"),
            ({"more": 1}, "more"),
            ({"overlapping": 1}, "'overlapping'"),
        ):
            state.write_bytes(encode_state({**document, **change}))
            with pytest.raises(ObjectCorruptError, match=f"{state}.*MergeState.*{problem}"):
                t.continue_command()


@pytest.mark.parametrize(
    ("kind", "value"),
    [(bytes, "xyz"), (int, True), (str, 5), (tuple[int, ...], {}), (tuple[int, str], [1]), (int | None, "x")],
)
def test_a_document_that_does_not_fit_is_an_error(kind: object, value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        from_document(kind, value)
