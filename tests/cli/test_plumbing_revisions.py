"""rev-parse and rev-list."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.plumbing import LineStore
from tests.making import move_ref
from tract import Tract
from tract.objects.model import Commit, CommitOperation, new_commit
from tract.opening import open_repository
from tract.refs.store import ANY
from tract.repo import Repository


def make_store(folder: Path, count: int = 3) -> tuple[LineStore, list[str]]:
    """A store of *count* messages on main, with their commits, oldest first."""
    with Tract.open(folder) as t:
        ids = [t.user(str(n)).commit_hash for n in range(count)]
    return LineStore(folder), ids


def add_commit(repo: Repository, branch: str, *parents: str) -> str:
    """A commit with no content on those parents, and a branch at it."""
    ids = tuple(map(bytes.fromhex, parents))
    generation = 1 + max((repo.commit(id).generation for id in ids), default=0)
    new = new_commit(Commit(CommitOperation.MERGE, ids, None, None, None, (), generation, generation, "a", branch))
    repo.objects.write_many([new])
    move_ref(repo, f"refs/heads/{branch}", new.id, expected=ANY, reason="test")
    return new.id.hex()


def make_forked_store(folder: Path) -> tuple[LineStore, dict[str, str]]:
    """base ── a1 ── a2 ── merge, base ── b1 ── merge; the merge is on branch merge."""
    store, (base,) = make_store(folder, 1)
    repo = open_repository(str(folder / ".tract"))
    ids = {"base": base}
    for name, parents in (("a1", ["base"]), ("b1", ["base"]), ("a2", ["a1"]), ("merge", ["a2", "b1"])):
        ids[name] = add_commit(repo, name, *(ids[parent] for parent in parents))
    repo.close()
    return store, ids


# rev-parse


def test_names_become_ids_one_a_line(tmp_path: Path) -> None:
    store, ids = make_store(tmp_path)
    with Tract.open(tmp_path) as t:
        t.tag("v1", "HEAD~2")

    assert [ids[2], ids[0], ids[1], ids[2]] == store.lines("rev-parse", "HEAD", "v1", "@~1", ids[2][:8])


def test_ranges_print_what_they_leave_out_after_the_rest(tmp_path: Path) -> None:
    store, ids = make_store(tmp_path)

    assert [ids[2], f"^{ids[0]}"] == store.lines("rev-parse", "HEAD~2..HEAD")
    assert [ids[2], f"^{ids[1]}"] == store.lines("rev-parse", "HEAD~1..")
    assert [f"^{ids[0]}"] == store.lines("rev-parse", "^HEAD~2")
    assert 128 == store.run("rev-parse", "HEAD~2...HEAD")[0]


@pytest.mark.parametrize(
    "name",
    ["nosuch", "HEAD~9", "HEAD^2", "HEAD^{tree}", "HEAD^{blob}^{tree}", "", "^", "abc", "0" * 64, "..x", "\x1b[2J"],
)
def test_a_name_that_means_nothing_is_one_line_or_quiet(tmp_path: Path, name: str) -> None:
    store, _ = make_store(tmp_path)

    status, lines, err = store.run("rev-parse", name)
    assert (128, []) == (status, lines)
    assert err.startswith("tract: ")
    assert "\x1b" not in err
    assert err.splitlines()[1:] == [line for line in err.splitlines() if line.startswith("hint: ")]
    assert (1, [], "") == store.run("rev-parse", "--verify", "-q", name)


@pytest.mark.parametrize(
    "argv", [("--verify",), ("--verify", "HEAD", "HEAD"), ("--verify", "HEAD~1..HEAD"), ("--short", "HEAD", "HEAD")]
)
def test_verify_takes_one_revision(tmp_path: Path, argv: tuple[str, ...]) -> None:
    store, _ = make_store(tmp_path)

    status, lines, err = store.run("rev-parse", *argv)

    assert (128, [], "tract: expected a single revision\n") == (status, lines, err)
    assert (1, [], "") == store.run("rev-parse", "-q", *argv)


def test_a_short_id_is_a_prefix_that_finds_the_object(tmp_path: Path) -> None:
    store, ids = make_store(tmp_path)

    assert [ids[2][:10]] == store.lines("rev-parse", "--short", "HEAD")
    assert [ids[2][:16]] == store.lines("rev-parse", "--short", "--abbrev=16", "HEAD")
    assert [ids[2]] == store.lines("rev-parse", "--abbrev=99", "HEAD")
    (short,) = store.lines("rev-parse", "--abbrev", "1", "HEAD")
    assert [ids[2]] == store.lines("rev-parse", short)


def test_refs_are_named_in_short_and_in_full(tmp_path: Path) -> None:
    store, _ = make_store(tmp_path)
    with Tract.open(tmp_path) as t:
        t.tag("v1")

    assert ["main", "v1", "main"] == store.lines("rev-parse", "--abbrev-ref", "HEAD", "v1", "HEAD~1", "refs/heads/main")
    full = ["refs/heads/main", "refs/tags/v1", "refs/heads/main"]
    assert full == store.lines("rev-parse", "--symbolic-full-name", "@", "v1", "HEAD~1", "main")
    assert 128 == store.run("rev-parse", "--abbrev-ref", "nosuch")[0]
    assert 2 == store.run("rev-parse", "--abbrev-ref", "--symbolic-full-name", "HEAD")[0]


def test_a_branch_called_like_a_tag_keeps_what_tells_them_apart(tmp_path: Path) -> None:
    store, _ = make_store(tmp_path)
    with Tract.open(tmp_path) as t:
        t.tag("main", "HEAD~1")

    assert ["heads/main", "main"] == store.lines("rev-parse", "--abbrev-ref", "HEAD", "refs/tags/main")


def test_another_tract_has_names_of_its_own(tmp_path: Path) -> None:
    store, _ = make_store(tmp_path)
    with Tract.open(tmp_path, tract_id="helper") as t:
        made = t.user("hello").commit_hash

    assert [made] == store.lines("--tract", "helper", "rev-parse", "HEAD")
    assert 128 == store.run("--tract", "helper", "rev-parse", "HEAD~1")[0]


# rev-list


def test_commits_are_listed_from_newest_to_oldest(tmp_path: Path) -> None:
    store, ids = make_store(tmp_path)

    assert ids[::-1] == store.lines("rev-list", "HEAD")
    assert ids == store.lines("rev-list", "--reverse", "HEAD")
    assert ids[:0:-1] == store.lines("rev-list", "-n", "2", "HEAD")
    assert ids[:0:-1] == store.lines("rev-list", "-2", "HEAD")
    assert [] == store.lines("rev-list", "-n0", "HEAD")
    assert ["3"] == store.lines("rev-list", "--count", "HEAD")
    assert ["2"] == store.lines("rev-list", "--count", "-n2", "HEAD")
    assert [f"{ids[1]} {ids[0]}", ids[0]] == store.lines("rev-list", "--parents", "HEAD~1")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["merge"], {"merge", "a1", "a2", "b1", "base"}),
        (["a2..merge"], {"merge", "b1"}),
        (["merge", "^a2"], {"merge", "b1"}),
        (["^a2", "^b1", "merge"], {"merge"}),
        (["merge..a2"], set()),
        (["a2", "b1", "^base"], {"a1", "a2", "b1"}),
        (["a2", "a2", "a1"], {"a1", "a2", "base"}),
        (["--first-parent", "merge"], {"merge", "a2", "a1", "base"}),
        (["--first-parent", "merge", "^b1"], {"merge", "a2", "a1"}),
        (["--first-parent", "merge", "^merge"], set()),
        (["--all"], {"merge", "a1", "a2", "b1", "base"}),
        (["--all", "^merge"], set()),
    ],
    ids=lambda names: " ".join(sorted(names)),
)
def test_a_range_is_what_the_one_reaches_and_the_other_does_not(
    tmp_path: Path, argv: list[str], expected: set[str]
) -> None:
    store, ids = make_forked_store(tmp_path)
    names = {id: name for name, id in ids.items()}
    with Tract.open(tmp_path):
        listed = [names[id] for id in store.lines("rev-list", *(arg.replace("base", ids["base"]) for arg in argv))]

    assert expected == set(listed)
    assert len(expected) == len(listed)
    before = {"merge": {"a2", "b1"}, "a2": {"a1"}, "a1": {"base"}, "b1": {"base"}}
    for child, parents in before.items():
        for parent in parents & set(listed):
            assert child not in listed or listed.index(child) < listed.index(parent)


def test_all_has_the_notes_too(tmp_path: Path) -> None:
    store, ids = make_store(tmp_path)
    with Tract.open(tmp_path) as t:
        t.annotate("HEAD", "pinned")

    assert ["4"] == store.lines("rev-list", "--count", "--all")
    assert ids[2] in store.lines("rev-list", "--all")


def test_objects_are_those_of_the_contexts_each_once(tmp_path: Path) -> None:
    with Tract.open(tmp_path) as t:
        for n in range(60):
            t.user(str(n))
        t.edit("HEAD~30", "changed")
    store = LineStore(tmp_path)
    listed = store.lines("rev-list", "--objects", "HEAD")
    repo = open_repository(str(tmp_path / ".tract"))
    stored = {id.hex() for id, kind in repo.objects.ids() if kind != "operation"}
    repo.close()

    assert stored == set(listed)
    assert len(stored) == len(listed)
    assert store.lines("rev-list", "HEAD") == listed[:61]
    assert [str(len(listed))] == store.lines("rev-list", "--objects", "--count", "HEAD")
    assert {"HEAD", *listed} - {*store.lines("rev-list", "--objects", "HEAD~1")} >= {
        *store.lines("rev-list", "--objects", "HEAD~1..HEAD")
    }


def test_rev_list_needs_something_to_list(tmp_path: Path) -> None:
    store, _ = make_store(tmp_path)

    assert 2 == store.run("rev-list")[0]
    assert 128 == store.run("rev-list", "nosuch")[0]
    assert 128 == store.run("rev-list", "HEAD", "^nosuch")[0]
    assert [] == store.lines("rev-list", "^HEAD")


def test_an_empty_store_has_nothing_to_list(tmp_path: Path) -> None:
    store, _ = make_store(tmp_path, 0)

    assert ["0"] == store.lines("rev-list", "--all", "--count")
    assert 128 == store.run("rev-list", "HEAD")[0]
    assert 128 == store.run("rev-parse", "HEAD")[0]
