"""``tract tracts``, and ``--tract`` on every command."""

from __future__ import annotations

import pytest

from tests.cli.conftest import HOSTILE, UNSAFE, Run

NAME = "user/42: holiday"


def test_tracts_are_made_listed_renamed_copied_deleted_and_restored(run: Run) -> None:
    assert (0, f"Made tract '{NAME}'\n") == run("tracts", "create", NAME)[::2]
    assert 0 == run("commit", "--tract", NAME, "--role", "user", "Where to?").status
    assert 0 == run("tracts", "rename", NAME, "b").status
    assert 0 == run("tracts", "copy", "b", NAME).status
    assert 0 == run("tracts", "delete", "b").status

    assert ["root", NAME] == [one["tract_id"] for one in run("tracts", "--json").json_lines]
    assert 0 == run("tracts", "restore", "b").status
    shown = run("tracts", "list", "--counts").out.splitlines()
    assert ["* ", "  ", "  "] == [line[:2] for line in shown]
    assert [f" {name} (on main, " in line for name, line in zip(("root", "b", NAME), shown, strict=True)] == [True] * 3
    assert "1 message, 10 tokens" in shown[1]


def test_every_command_takes_the_name_of_a_tract(run: Run) -> None:
    run("tracts", "create", NAME)
    run("commit", "--tract", NAME, "--role", "user", "Where to?")
    run("commit", "--role", "user", "In the root")

    assert "Where to?" in run("log", "--tract", NAME).out
    assert "Where to?" in run("--tract", NAME, "log").out
    assert "In the root" in run("log", "--tract=root").out
    assert "Where to?" in run("show", f"{NAME}::HEAD").out
    assert "Where to?" in run("diff", "main", f"{NAME}::main").out
    assert run("cat-file", "-p", f"{NAME}::HEAD").out == run("cat-file", "--tract", NAME, "-p", "HEAD").out
    assert 0 == run("cherry-pick", f"{NAME}::HEAD").status


@pytest.mark.parametrize(
    "argv",
    [
        ("log", "--tract", "nobody"),
        ("commit", "--tract", "nobody", "-m", "x", "hello"),
        ("show", "nobody::HEAD"),
        ("tracts", "delete", "nobody"),
        ("tracts", "restore", "nobody"),
        ("tracts", "create", "root"),
        ("tracts", "create", "x" * 256),
    ],
)
def test_a_tract_that_is_not_there_is_never_made_by_looking(run: Run, argv: tuple[str, ...]) -> None:
    done = run(*argv)

    assert 128 == done.status
    assert ["root"] == [one["tract_id"] for one in run("tracts", "--json").json_lines]


@pytest.mark.parametrize("argv", [("create",), ("rename", "a"), ("delete", "a", "b"), ("list", "a"), ("make", "a")])
def test_a_wrong_line_is_a_usage_error(run: Run, argv: tuple[str, ...]) -> None:
    assert 2 == run("tracts", *argv).status


def test_names_do_not_reach_the_terminal_as_they_are(run: Run) -> None:
    run("tracts", "create", HOSTILE)

    for done in (run("tracts"), run("tracts", "delete", HOSTILE), run("log", "--tract", HOSTILE)):
        assert not set(UNSAFE) & set(done.out + done.err)


def test_an_empty_root_says_that_there_may_be_other_tracts(run: Run) -> None:
    run("tracts", "create", NAME)

    assert "'tract tracts' lists the tracts" in run("log").err
