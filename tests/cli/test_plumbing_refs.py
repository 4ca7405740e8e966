"""show-ref, symbolic-ref and update-ref."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from tests.cli.plumbing import LineStore
from tract import Tract
from tract.cli.commands import GROUPS
from tract.opening import open_repository
from tract.refs.store import RefEdit

NONE = "0" * 64


class Store(LineStore):
    """A store with three commits on main and the tag v1 at the first."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        with Tract.open(folder) as t:
            self.ids = [t.user(str(n)).commit_hash for n in range(3)]
            t.tag("v1", self.ids[0])

    def at(self, ref: str) -> str | None:
        status, lines, _ = self.run("show-ref", "-s", "--verify", ref)
        return lines[0] if status == 0 else None

    def detach(self) -> None:
        repo = open_repository(str(self.folder / ".tract"))
        repo.refs.update([RefEdit("HEAD", bytes.fromhex(self.ids[1]))], reason="checkout")
        repo.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def fails(store: Store, *argv: str) -> str:
    """The message of a command line that fails and changes nothing."""
    before = store.run("show-ref", "--head")
    status, lines, err = store.run(*argv)
    assert (128, []) == (status, lines)
    assert before == store.run("show-ref", "--head")
    assert all(line.startswith("hint: ") for line in err.splitlines()[1:])
    return err.splitlines()[0]


# show-ref


def test_refs_are_listed_in_order_of_name(store: Store) -> None:
    main_line, tag_line = f"{store.ids[2]} refs/heads/main", f"{store.ids[0]} refs/tags/v1"

    assert [main_line, tag_line] == store.lines("show-ref")
    assert [f"{store.ids[2]} HEAD", main_line, tag_line] == store.lines("show-ref", "--head")
    assert [main_line] == store.lines("show-ref", "--heads")
    assert [tag_line] == store.lines("show-ref", "--tags")
    assert [main_line, tag_line] == store.lines("show-ref", "--heads", "--tags")
    assert [{"id": store.ids[0], "ref": "refs/tags/v1"}] == list(
        map(json.loads, store.lines("show-ref", "--json", "v1"))
    )


def test_a_pattern_is_the_end_of_a_name_in_whole_parts(store: Store) -> None:
    assert 1 == len(store.lines("show-ref", "main"))
    assert 1 == len(store.lines("show-ref", "heads/main"))
    assert (1, [], "") == store.run("show-ref", "ain")
    assert (1, [], "") == store.run("show-ref", "--tags", "main")
    assert [f"{store.ids[2]} HEAD"] == store.lines("show-ref", "--head", "nosuch")
    assert (0, [], "") == store.run("show-ref", "-q", "main")


def test_verify_takes_whole_names(store: Store) -> None:
    assert [f"{store.ids[2]} refs/heads/main", f"{store.ids[2]} HEAD"] == store.lines(
        "show-ref", "--verify", "refs/heads/main", "HEAD"
    )
    assert "'main' is not a ref" in fails(store, "show-ref", "--verify", "main")
    assert (1, [], "") == store.run("show-ref", "--verify", "-q", "main")
    assert 2 == store.run("show-ref", "--verify")[0]


def test_a_tract_shows_its_own_refs_only(store: Store) -> None:
    with Tract.open(store.folder, tract_id="helper") as t:
        made = t.user("x").commit_hash

    assert [f"{made} refs/heads/main"] == store.lines("--tract", "helper", "show-ref")
    assert 2 == len(store.lines("show-ref"))


# symbolic-ref


def test_head_stands_for_its_branch(store: Store) -> None:
    assert ["refs/heads/main"] == store.lines("symbolic-ref", "HEAD")
    assert ["main"] == store.lines("symbolic-ref", "--short", "HEAD")


def test_head_can_be_put_on_a_branch_that_is_not_there_yet(store: Store) -> None:
    assert [] == store.lines("symbolic-ref", "-m", "a\nreason", "HEAD", "refs/heads/new")

    assert ["new"] == store.lines("symbolic-ref", "--short", "HEAD")
    with Tract.open(store.folder) as t:
        assert ("new", None) == (t.current_branch, t.head)
        made = t.user("first").commit_hash
    assert [made] == store.lines("rev-list", "HEAD")
    assert store.ids[2] == store.at("refs/heads/main")


def test_a_detached_head_is_no_symbolic_ref(store: Store) -> None:
    store.detach()

    assert "tract: ref 'HEAD' is not a symbolic ref" == fails(store, "symbolic-ref", "HEAD")
    assert (1, [], "") == store.run("symbolic-ref", "-q", "HEAD")
    assert ["HEAD"] == store.lines("rev-parse", "--abbrev-ref", "HEAD")
    assert 128 == store.run("symbolic-ref", "refs/heads/main")[0]


@pytest.mark.parametrize(
    "ref", ["refs/tags/v1", "main", "refs/heads/a..b", "refs/heads/", "refs/heads/\x1b", "HEAD", ""]
)
def test_head_goes_on_branches_only(store: Store, ref: str) -> None:
    assert "\x1b" not in fails(store, "symbolic-ref", "HEAD", ref)
    assert ["refs/heads/main"] == store.lines("symbolic-ref", "HEAD")


def test_only_head_can_be_symbolic(store: Store) -> None:
    fails(store, "symbolic-ref", "refs/heads/x", "refs/heads/main")


# update-ref


def test_a_ref_is_made_moved_and_deleted(store: Store) -> None:
    assert [] == store.lines("update-ref", "refs/heads/x", "HEAD~1")
    assert store.ids[1] == store.at("refs/heads/x")

    store.lines("update-ref", "refs/heads/x", "v1", store.ids[1])
    assert store.ids[0] == store.at("refs/heads/x")

    store.lines("update-ref", "-d", "refs/heads/x", "v1")
    assert store.at("refs/heads/x") is None


@pytest.mark.parametrize("none", [NONE, ""])
def test_no_old_value_means_there_must_be_no_such_ref(store: Store, none: str) -> None:
    store.lines("update-ref", "refs/heads/x", "HEAD", none)

    message = fails(store, "update-ref", "refs/heads/x", "HEAD~1", none)

    assert f"tract: ref 'refs/heads/x' moved: expected none, found {store.ids[2][:16]}; nothing was changed" == message


@pytest.mark.parametrize(
    "argv",
    [
        ("refs/heads/main", "HEAD", "HEAD~1"),
        ("refs/heads/nosuch", "HEAD", "HEAD"),
        ("-d", "refs/heads/main", "HEAD~1"),
        ("-d", "refs/heads/nosuch", "HEAD"),
        ("HEAD", "HEAD~1", "HEAD~1"),
    ],
)
def test_a_ref_that_is_not_where_it_was_expected_stays(store: Store, argv: tuple[str, ...]) -> None:
    assert "moved: expected" in fails(store, "update-ref", *argv)


def test_head_on_a_branch_means_the_branch(store: Store) -> None:
    store.lines("update-ref", "HEAD", "HEAD~1", "HEAD")

    assert store.ids[1] == store.at("refs/heads/main")
    assert ["refs/heads/main"] == store.lines("symbolic-ref", "HEAD")


def test_a_detached_head_moves_itself_and_cannot_be_deleted(store: Store) -> None:
    store.detach()
    fails(store, "update-ref", "-d", "HEAD")

    store.lines("update-ref", "HEAD", "v1")

    assert (store.ids[0], store.ids[2]) == (store.at("HEAD"), store.at("refs/heads/main"))


def test_deleting_what_is_not_there_is_no_error(store: Store) -> None:
    assert [] == store.lines("update-ref", "-d", "refs/heads/nosuch")
    assert [] == store.lines("update-ref", "refs/heads/nosuch", NONE)


def test_a_deleted_branch_leaves_its_commits_and_an_unborn_head(store: Store) -> None:
    store.lines("update-ref", "-d", "HEAD")

    assert store.at("HEAD") is None
    with Tract.open(store.folder) as t:
        assert t.head is None
    store.lines("update-ref", "HEAD", store.ids[2], NONE)
    assert store.ids[2] == store.at("HEAD")


@pytest.mark.parametrize(
    "ref",
    ["x", "", "refs/x", "refs/heads/", "refs/heads/a b", "refs/heads/../../x", "refs/heads/-x", "refs/heads/\u202e",
     "refs/heads/x.lock", "tracts/t/refs/heads/main", "refs/heads/main/x", "refs/heads/MAIN", "../HEAD"],
)  # fmt: skip
def test_a_ref_must_have_a_whole_and_good_name(store: Store, ref: str) -> None:
    message = fails(store, "update-ref", ref, "HEAD")

    assert all(char.isprintable() for char in message)


def test_a_value_must_name_a_commit(store: Store) -> None:
    assert "nosuch" in fails(store, "update-ref", "refs/heads/x", "nosuch")
    assert "nosuch" in fails(store, "update-ref", "refs/heads/x", "HEAD", "nosuch")
    (blob,) = store.lines("rev-parse", "HEAD^{blob}")
    assert "is a blob" in fails(store, "update-ref", "refs/heads/x", blob)


def test_notes_and_branches_do_not_change_places(store: Store) -> None:
    with Tract.open(store.folder) as t:
        t.annotate("HEAD", "pinned")

    assert "it is a note" in fails(store, "update-ref", "refs/heads/x", "refs/notes/priority")
    assert "it is not a note" in fails(store, "update-ref", "refs/notes/priority", "HEAD")


def test_the_reason_is_kept_on_one_line(store: Store) -> None:
    store.lines("update-ref", "-m", "because\n\x1b[2J  so", "refs/heads/x", "HEAD")

    repo = open_repository(str(store.folder / ".tract"))
    _, operation = next(iter(repo.refs.history()))
    repo.close()
    assert "because \x1b[2J so" == operation.reason
    assert 2 == store.run("update-ref", "-m", " ", "refs/heads/x", "HEAD~1")[0]


def test_update_ref_moves_the_refs_of_the_tract_that_is_meant(store: Store) -> None:
    with Tract.open(store.folder, tract_id="helper") as t:
        t.user("x")

    store.lines("--tract", "helper", "update-ref", "refs/heads/copy", store.ids[1])

    assert store.at("refs/heads/copy") is None
    assert [store.ids[1]] == store.lines("--tract", "helper", "rev-parse", "copy")


@pytest.mark.parametrize(
    "argv",
    [(), ("refs/heads/x",), ("refs/heads/x", "HEAD", "HEAD", "HEAD"), ("-d",), ("-d", "refs/heads/x", "HEAD", "HEAD")],
)
def test_update_ref_says_how_it_is_used(store: Store, argv: tuple[str, ...]) -> None:
    assert 2 == store.run("update-ref", *argv)[0]


def test_names_and_moves_of_refs_are_told_to_machines(run):
    run("commit", "one")
    head = run("rev-parse", "HEAD").out.strip()

    good, bad = (run("check-ref-format", "--json", name) for name in ("refs/heads/x", "refs/heads/x y"))
    assert (0, [{"name": "refs/heads/x", "ok": True}]) == (good.status, good.json_lines)
    assert (1, [{"name": "refs/heads/x y", "ok": False}]) == (bad.status, bad.json_lines)
    assert [{"name": "x", "ok": True}] == run("check-ref-format", "--branch", "--json", "x").json_lines
    assert [{"ref": "refs/heads/x", "id": head}] == run("update-ref", "--json", "refs/heads/x", "HEAD").json_lines
    assert [{"ref": "refs/heads/x", "id": None}] == run("update-ref", "--json", "-d", "refs/heads/x").json_lines


@pytest.mark.parametrize("entry", [entry for group in GROUPS for entry in group.commands.values()], ids=str)
def test_every_command_prints_json(entry):
    flags = {flag for param in import_module(entry.module).COMMAND.params for flag in param.flags}

    assert flags & {"--json", "--print-json"}  # commit and edit read a message from --json
