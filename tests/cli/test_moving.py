"""``tract checkout``, ``reset``, ``reflog`` and ``undo``."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.fixture
def talk(run):
    """Three commits on main; tag v1 is at the second."""
    for text in ("one", "two", "three"):
        run("commit", text)
    run("tag", "v1", "HEAD~1")
    return run


def ids(run) -> list[str]:
    """The commits behind HEAD, newest first."""
    return [entry["commit_hash"][:10] for entry in run("log", "--json").json_lines]


def texts(run) -> list[str]:
    return [entry["text"] for entry in run("log", "--json").json_lines]


# Checkout


def test_a_commit_is_looked_at_and_left_again(talk):
    _three, two, one = ids(talk)

    outcome = talk("checkout", "v1")
    assert (0, "", f"HEAD is now at {two} user: two") == (*outcome[:2], outcome.err.splitlines()[0])
    assert "'tract switch -c <name>' makes one here" in outcome.err
    assert ["two", "one"] == texts(talk)

    assert (
        f"Previous HEAD position was {two} user: two\nHEAD is now at {one} user: one\n"
        == talk("checkout", "HEAD~1").err
    )
    assert f"Previous HEAD position was {one} user: one\nSwitched to branch 'main'\n" == talk("checkout", "main").err
    assert f"HEAD is now at {one} user: one\n" == talk("checkout", "-").err.splitlines(keepends=True)[0]


def test_committing_on_no_branch_says_how_to_go_on(talk):
    talk("checkout", "v1")
    before = talk("rev-parse", "HEAD").out

    outcome = talk("commit", "four")

    assert 128 == outcome.status
    assert "hint: 'tract switch -c <name>' makes a branch here, 'tract switch <branch>' goes to one\n" in outcome.err
    assert before == talk("rev-parse", "HEAD").out
    talk("switch", "-c", "here")
    assert 0 == talk("commit", "four").status
    assert ["four", "two", "one"] == texts(talk)


def test_checkout_makes_branches_too(talk):
    assert "Switched to a new branch 'here'\n" == talk("checkout", "-b", "here", "v1").err
    assert "Already on 'here'\n" == talk("checkout", "here").err
    assert "HEAD is now at" in talk("switch", "--detach", "main").err


def test_where_head_went_is_told_to_machines(talk):
    two = talk("rev-parse", "v1").out.strip()

    assert {"branch_name": None, "head_hash": two, "is_detached": True} == talk("checkout", "v1", "--json").json
    assert {"branch_name": "new", "head_hash": two, "is_detached": False} == talk("switch", "-c", "new", "--json").json
    assert {"branch_name": "new", "head_hash": two, "is_detached": False} == talk(
        "reset", "--hard", "--json", "v1"
    ).json
    assert "main" == talk("switch", "--json", "main").json["branch_name"]


# Reset


def test_a_soft_reset_says_where_head_is_and_orig_head_where_it_was(talk):
    three, _two, one = ids(talk)

    assert (0, "", f"HEAD is now at {one} user: one\n") == talk("reset", "HEAD~2")
    assert three == talk("rev-parse", "--short", "ORIG_HEAD").out.strip()[:10]


def test_a_hard_reset_is_forgotten(talk):
    _three, _two, one = ids(talk)
    talk("tag", "-d", "v1")

    assert (0, "", f"HEAD is now at {one} user: one\n") == talk("reset", "--hard", "HEAD~2")

    assert f"{one} HEAD@{{0}}: reset --hard: moving to HEAD~2\n{one} HEAD@{{1}}: commit: one\n" == talk("reflog").out
    assert 128 == talk("rev-parse", "ORIG_HEAD").status


@pytest.mark.parametrize("revision", ["nope", "\x1b[31m"])
def test_what_names_nothing_moves_nothing(talk, revision):
    before = talk("show-ref", "--head").out

    for command in (
        ("reset",),
        ("reset", "--hard"),
        ("checkout",),
        ("switch", "--detach"),
        ("branch", "new"),
        ("tag", "new"),
    ):
        outcome = talk(*command, revision)
        assert 128 == outcome.status
        assert outcome.err.startswith("tract: no commit named ")

    assert before == talk("show-ref", "--head").out


# Reflog


def test_the_reflog_says_why_and_shows_what_was_said(talk):
    three, two, one = ids(talk)
    talk("checkout", "v1")
    talk("switch", "-")

    assert [
        f"{three} HEAD@{{0}}: checkout: moving from {talk('rev-parse', 'v1').out[:16]} to main",
        f"{two} HEAD@{{1}}: checkout: moving from main to v1",
        f"{three} HEAD@{{2}}: commit: three",
        f"{two} HEAD@{{3}}: commit: two",
        f"{one} HEAD@{{4}}: commit: one",
    ] == talk("reflog").out.splitlines()
    assert f"{three} main@{{0}}: commit: three\n" == talk("reflog", "show", "main", "-n", "1").out
    assert ["HEAD@{0}", "HEAD@{1}"] == [line["selector"] for line in talk("reflog", "-2", "--json").json_lines]


def test_a_new_store_has_an_empty_reflog(run):
    assert (0, "", "") == run("reflog")


# Undo


def test_an_undo_is_shown_and_done_and_taken_back(talk):
    _three, two, _one = ids(talk)

    assert f"would undo: tag: v1\n  refs/tags/v1  {two} -> deleted\n" == talk("undo", "--dry-run").out
    assert "v1\n" == talk("tag").out
    assert (0, f"undo: tag: v1\n  refs/tags/v1  {two} -> deleted\n", "") == talk("undo")
    assert "" == talk("tag").out
    assert f"would redo: tag: v1\n  refs/tags/v1  none -> {two}\n" == talk("redo", "--dry-run").out
    assert (0, f"redo: tag: v1\n  refs/tags/v1  none -> {two}\n", "") == talk("redo")
    assert "v1\n" == talk("tag").out


def test_several_undos_at_once_print_what_each_takes_back(talk):
    talk("tag", "v2")
    talk("commit", "-m", "four", "four")

    done = talk("undo", "2")

    assert ["undo: commit: four", "undo: tag: v2"] == done.out.splitlines()[:2]
    assert "tract: there are only 2 to redo in tract 'root'; nothing was moved\n" == talk("redo", "3").err
    assert 0 == talk("redo", "2").status
    assert 128 == talk("redo").status


def test_an_undo_for_machines(talk):
    head = talk("rev-parse", "HEAD").out.strip()
    talk("commit", "four")

    plan = talk("undo", "--json").json

    assert ("commit", [("refs/heads/main", head)], False) == (
        plan["reason"],
        [(move["ref"], move["then"]) for move in plan["moves"]],
        plan["dry_run"],
    )


def test_a_new_store_has_nothing_to_undo(run):
    assert (128, "", "tract: there is nothing to undo in tract 'root'\n") == run("undo")


HEAVY = ("typer", "rich", "pydantic", "httpx", "tiktoken", "regex", "asyncio", "tract.api.tract")


@pytest.mark.usefixtures("talk")
def test_going_elsewhere_loads_nothing_heavy(tmp_path):
    commands = [
        ["switch", "-c", "x"],
        ["checkout", "v1"],
        ["branch", "-v"],
        ["tag", "-n"],
        ["reset", "HEAD~1"],
        ["reflog"],
        ["undo"],
    ]
    program = f"import sys; from tract.cli.main import main; print(*map(main, {commands!r}), [m for m in {HEAVY!r} if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)})  # fmt: skip

    assert "0 0 0 0 0 0 0 []" == done.stdout.splitlines()[-1]


def test_a_branch_is_emptied_and_another_begins_without_commits(talk):
    done = talk("reset", "HEAD~3")
    assert (0, "HEAD is now before the first commit\n") == (done.status, done.err)

    assert 2 == talk("switch", "--orphan", "a", "-c", "b").status
    assert 0 == talk("switch", "--orphan", "fresh").status
    assert "No commits yet" in talk("status").out
