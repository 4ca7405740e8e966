"""``tract tag``, ``branch`` and ``switch``."""

from __future__ import annotations

import pytest

from tract import Tract
from tract.history.branch import create_branch
from tract.objects.id import parse_id
from tract.repo import open_repository


@pytest.fixture
def talk(run, tmp_path):
    """Two commits on main; branch side is at the first."""
    run("commit", "one")
    run("commit", "two")
    with Tract.open(tmp_path) as t:
        first = parse_id(t.get_commit("HEAD~1").commit_hash)
    repo = open_repository(str(tmp_path / ".tract"))
    create_branch(repo, "side", first)
    repo.close()
    return run


def test_tags_are_made_and_listed(talk):
    assert (0, "", "") == talk("tag", "v2")
    talk("tag", "v1", "HEAD~1")

    assert "v1\nv2\n" == talk("tag").out
    commits = [entry["commit"] for entry in talk("log", "--json").json_lines]
    assert [{"name": "v1", "commit": commits[1]}, {"name": "v2", "commit": commits[0]}] == talk("tag", "--json").json_lines


def test_a_tag_does_not_move(talk):
    talk("tag", "v1")

    assert 0 == talk("tag", "v1").status
    outcome = talk("tag", "v1", "HEAD~1")
    assert 128 == outcome.status
    assert "already names" in outcome.err


@pytest.mark.parametrize("name", ["../x", "-x", "a b", "a\x1bb", "a..b"])
def test_a_bad_name_is_refused_and_safely_shown(talk, assert_safe, name):
    outcome = talk("tag", "--", name)

    assert 128 == outcome.status
    assert_safe(outcome)


def test_the_branch_head_is_on_has_a_star(talk):
    assert "* main\n  side\n" == talk("branch").out
    assert [("main", True), ("side", False)] == [(b["name"], b["current"]) for b in talk("branch", "--json").json_lines]


def test_switching_changes_what_is_seen(talk):
    outcome = talk("switch", "side")

    assert (0, "", "Switched to branch 'side'\n") == outcome
    assert ["one"] == [entry["text"] for entry in talk("log", "--json").json_lines]
    talk("commit", "else")
    assert ["else", "two", "one"] == sorted((e["text"] for e in talk("log", "--all", "--json").json_lines), key=["else", "two", "one"].index)
    assert (0, "", "Already on 'side'\n") == talk("switch", "side")


def test_a_branch_that_is_not_there_is_not_switched_to(talk):
    outcome = talk("switch", "nope")

    assert 128 == outcome.status
    assert "tract: there is no branch 'nope'\nhint: 'tract branch' lists the branches\n" == outcome.err
    assert "* main" in talk("branch").out
