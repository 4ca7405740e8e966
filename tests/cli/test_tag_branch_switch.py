"""``tract tag``, ``branch`` and ``switch``."""

from __future__ import annotations

import pytest


@pytest.fixture
def talk(run):
    """Two commits on main; branch side is at the first."""
    run("commit", "one")
    run("commit", "two")
    run("branch", "side", "HEAD~1")
    return run


def ids(run) -> list[str]:
    """The commits behind HEAD, newest first."""
    return [entry["commit_hash"] for entry in run("log", "--json").json_lines]


def beside(run) -> None:
    """Let side be beside main, with a commit of its own."""
    run("switch", "side")
    run("commit", "aside")
    run("switch", "main")


# Tags


def test_tags_are_made_and_listed(talk):
    assert (0, "", "") == talk("tag", "v2")
    talk("tag", "v1", "HEAD~1")

    assert "v1\nv2\n" == talk("tag").out
    two, one = ids(talk)
    assert [{"name": "v1", "commit_hash": one}, {"name": "v2", "commit_hash": two}] == talk("tag", "--json").json_lines


def test_tags_are_listed_by_pattern_and_by_what_they_contain(talk):
    two, one = ids(talk)
    for name, revision in (("v1", one), ("v2", two), ("x", two)):
        talk("tag", name, revision)

    assert "v1\nv2\n" == talk("tag", "-l", "v*").out
    assert "v2\nx\n" == talk("tag", "--contains", "HEAD").out
    assert "v1\n" == talk("tag", "--merged", "side").out == talk("tag", "--no-contains").out
    assert f"v1              {one[:10]} user: one\n" == talk("tag", "-n", "v1").out


def test_a_tag_may_be_moved_and_say_why(talk):
    talk("tag", "v1")

    assert 128 == talk("tag", "v1", "HEAD~1").status
    assert 0 == talk("tag", "-f", "-m", "the better one", "v1", "HEAD~1").status
    assert "v1@{0}: tag: v1: the better one\n" in talk("reflog", "v1").out


def test_the_branches_of_other_tracts_are_listed_when_asked_for(run):
    run("commit", "one")
    run("tracts", "create", "a helper")
    run("--tract", "a helper", "commit", "two")

    assert ["* main", "  a helper::main"] == run("branch", "-a").out.splitlines()
    assert "* main\n" == run("branch").out


def test_tags_are_deleted(talk):
    talk("tag", "v1")
    talk("tag", "v2")
    two = ids(talk)[0]

    assert 128 == talk("tag", "-d", "v1", "v3").status
    assert (
        f"Deleted tag 'v1' (was {two[:10]})\nDeleted tag 'v2' (was {two[:10]})\n" == talk("tag", "-d", "v1", "v2").out
    )
    assert "" == talk("tag").out


@pytest.mark.parametrize("name", ["../x", "-x", "a b", "a\x1bb", "a..b"])
def test_a_bad_name_is_refused_and_safely_shown(talk, name):
    for command in ("tag", "branch"):
        outcome = talk(command, "--", name)

        assert 128 == outcome.status
        assert 1 == outcome.err.count("\n") - outcome.err.count("hint: ")
    outcome = talk("switch", "-c", name)
    assert 128 == outcome.status


# Branches


def test_the_branch_head_is_on_has_a_star(talk):
    assert "* main\n  side\n" == talk("branch").out
    assert [("main", True), ("side", False)] == [
        (b["name"], b["is_current"]) for b in talk("branch", "--json").json_lines
    ]
    assert "main\n" == talk("branch", "--show-current").out


def test_a_detached_head_has_a_line_of_its_own(talk):
    talk("checkout", "side~0")
    one = ids(talk)[0]

    assert f"* (HEAD detached at {one[:10]})\n  main\n  side\n" == talk("branch").out
    assert f"* (HEAD detached at {one[:10]}) {one[:10]} user: one" == talk("branch", "-v").out.splitlines()[0]
    assert "" == talk("branch", "--show-current").out


def test_branches_are_listed_with_their_commits(talk):
    two, one = ids(talk)

    assert f"* main {two[:10]} user: two\n  side {one[:10]} user: one\n" == talk("branch", "-v").out


def test_branches_are_listed_by_what_they_have(talk):
    beside(talk)

    assert "* main\n" == talk("branch", "--contains").out == talk("branch", "--merged").out
    assert "  side\n" == talk("branch", "--no-merged").out == talk("branch", "--no-contains", "main").out
    assert "  side\n" == talk("branch", "--merged", "side").out == talk("branch", "--merged=side", "s*").out
    assert "  side\n" == talk("branch", "--list", "s*").out
    assert "* main\n  side\n" == talk("branch", "--contains", "main~1", "*").out
    assert "" == talk("branch", "--list", "nope").out
    assert 128 == talk("branch", "--contains", "nope").status


def test_a_branch_is_made_and_not_switched_to(talk):
    assert (0, "", "") == talk("branch", "new")
    assert 0 == talk("branch", "old", "HEAD~1").status

    assert "* main\n  new\n  old\n  side\n" == talk("branch").out
    assert ids(talk)[1] == talk("rev-parse", "old").out.strip()


def test_branches_are_deleted_when_merged_or_by_force(talk):
    beside(talk)
    talk("branch", "merged")
    before = talk("branch").out

    outcome = talk("branch", "-d", "merged", "side")
    assert 128 == outcome.status
    assert (
        "tract: branch 'side' is not merged into HEAD\n"
        "hint: 'tract branch -D <branch>' deletes it anyway, and 'tract undo' brings it back\n"
    ) == outcome.err
    assert before == talk("branch").out
    outcome = talk("branch", "-D", "main")
    assert (128, "tract: branch 'main' cannot be deleted: HEAD is on it\n") == (outcome.status, outcome.err)

    side = talk("rev-parse", "side").out.strip()
    assert f"Deleted branch side (was {side[:10]}).\n" == talk("branch", "-D", "side").out
    talk("undo")
    assert before == talk("branch").out


def test_branches_are_renamed(talk):
    assert (0, "", "") == talk("branch", "-m", "trunk")
    talk("branch", "-m", "side", "edge")
    assert "  edge\n* trunk\n" == talk("branch").out

    outcome = talk("branch", "-m", "edge", "trunk")
    assert 128 == outcome.status
    assert outcome.err.startswith("tract: branch 'trunk' exists already\n")
    talk("branch", "free")
    assert 0 == talk("branch", "-M", "edge", "free").status
    assert "  free\n* trunk\n" == talk("branch").out


@pytest.mark.parametrize(
    "argv",
    [
        ("branch", "-d"),
        ("branch", "-m"),
        ("branch", "-m", "a", "b", "c"),
        ("branch", "a", "b", "c"),
        ("branch", "-d", "-m", "side"),
        ("branch", "-d", "--list", "side"),
        ("tag", "-d"),
        ("tag", "a", "b", "c"),
        ("tag", "-d", "-l", "a"),
        ("switch",),
        ("switch", "-c", "x", "--detach"),
        ("switch", "a", "b"),
        ("checkout",),
        ("reset", "--soft", "--hard"),
        ("reset", "a", "b"),
        ("reflog", "a", "b"),
        ("undo", "a"),
    ],
)
def test_a_command_line_that_makes_no_sense_moves_nothing(talk, argv):
    before = talk("show-ref").out

    assert 2 == talk(*argv).status

    assert before == talk("show-ref").out


# Switching


def test_switching_changes_what_is_seen(talk):
    outcome = talk("switch", "side")

    assert (0, "", "Switched to branch 'side'\n") == outcome
    assert ["one"] == [entry["text"] for entry in talk("log", "--json").json_lines]
    talk("commit", "else")
    assert ["else", "two", "one"] == sorted(
        (e["text"] for e in talk("log", "--all", "--json").json_lines), key=["else", "two", "one"].index
    )
    assert (0, "", "Already on 'side'\n") == talk("switch", "side")


def test_a_branch_that_is_not_there_is_not_switched_to(talk):
    outcome = talk("switch", "nope")

    assert 128 == outcome.status
    assert (
        "tract: there is no branch 'nope'\nhint: 'tract branch' lists the branches, 'tract checkout' takes any revision\n"
    ) == outcome.err
    assert "* main" in talk("branch").out


def test_switching_may_make_the_branch(talk):
    assert (0, "", "Switched to a new branch 'new'\n") == talk("switch", "-c", "new", "side")
    assert ["one"] == [entry["text"] for entry in talk("log", "--json").json_lines]

    outcome = talk("switch", "-c", "main")
    assert 128 == outcome.status
    assert outcome.err.startswith("tract: branch 'main' exists already\n")
    assert "new\n" == talk("branch", "--show-current").out


def test_switching_back(talk):
    assert "tract: there is no previous branch: HEAD was nowhere else yet" == talk("switch", "-").err.splitlines()[0]
    talk("switch", "side")

    assert "Switched to branch 'main'\n" == talk("switch", "-").err
    assert "Switched to branch 'side'\n" == talk("switch", "-").err


def test_a_new_store_can_begin_on_another_branch(run):
    assert (0, "", "Switched to a new branch 'trunk'\n") == run("switch", "-c", "trunk")
    run("commit", "one")

    assert "* trunk\n" == run("branch").out


@pytest.mark.parametrize(
    "argv",
    [
        ("tag", "side"),
        ("branch", "v1"),
        ("switch", "-c", "v1"),
        ("checkout", "-b", "v1"),
        ("branch", "-m", "side", "v1"),
    ],
)
def test_a_name_that_is_a_tag_and_a_branch_is_warned_of(talk, argv):
    assert "" == talk("tag", "v1", "HEAD~1").err

    done = talk(*argv)

    assert 0 == done.status
    assert f"warning: '{'side' if argv[0] == 'tag' else 'v1'}' is a tag and a branch" in done.err


def test_the_current_branch_is_a_line_of_json_too(talk):
    assert [{"name": "main", "commit_hash": ids(talk)[0], "is_current": True}] == talk(
        "branch", "--show-current", "--json"
    ).json_lines
    talk("checkout", "HEAD~1")
    assert "" == talk("branch", "--show-current", "--json").out
