"""``tract policy``, and the setting of the autonomy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tract import Action, Tract
from tract.agents.policies import _BUILTIN


class SkipSecrets:
    """Skips what has SECRET in it."""

    name = "secrets"
    priority = 10
    trigger = "commit"

    def evaluate(self, tract: Tract) -> Action | None:
        for one in tract.messages():
            if "SECRET" in one.text and one.priority == "normal":
                return Action("annotate", {"target": [one.commit_hash], "priority": "skip"}, "it has a secret")
        return None


@pytest.fixture
def policed(run: Run, tmp_path: Path) -> Run:
    """A store with a policy that hides secrets."""
    with Tract.open(tmp_path) as t:
        t.configure_policies([SkipSecrets()])
    return run


def test_policies_are_asked_by_the_command_line_too_and_tell_what_they_did(policed: Run) -> None:
    assert policed("commit", "hello").status == 0
    assert policed("commit", "a SECRET").status == 0

    assert [m["content"] for m in policed("compile", "--json").json["messages"]] == ["hello"]
    logged = policed("policy", "log")
    assert "executed secrets annotate(target=" in logged.out
    assert "it has a secret" in logged.out
    assert policed("policy", "log", "--json").json["outcome"] == "executed"


def test_a_policy_is_tried_on_what_was_committed(policed: Run) -> None:
    policed("policy", "pause")
    for text in ("hello", "a SECRET", "more", "another SECRET"):
        policed("commit", text)

    tried = policed("policy", "test", "secrets", "--since", "HEAD~3", "--json").json_lines

    assert [(one["outcome"], one["action"]["name"]) for one in tried] == [("proposed", "annotate")] * 2
    assert len(policed("compile", "--json").json["messages"]) == 4


def test_policies_are_listed_paused_and_taken_away(policed: Run) -> None:
    assert "secrets  SkipSecrets  after a commit" in policed("policy").out
    policed("policy", "pause")
    assert "does nothing: policies are paused" in policed("policy").out
    policed("policy", "resume")
    assert "does nothing" not in policed("policy").out
    policed("policy", "remove", "secrets")
    assert policed("policy", "--json").out == ""
    assert "there is no policy named 'secrets'" in policed("policy", "remove", "secrets").err


def test_the_autonomy_is_a_setting(policed: Run) -> None:
    assert policed("config", "autonomy").out == "collaborative\n"
    assert policed("config", "autonomy", "manual").status == 0
    policed("commit", "a SECRET")

    assert "Autonomy: manual" in policed("policy").out
    assert "annotate by secrets" in policed("proposals").out
    (one,) = policed("proposals", "--json").json_lines
    assert f"  {one['id']} pending\n" in policed("policy", "log").out
    policed("reject", one["id"])
    assert f"  {one['id']} rejected\n" in policed("policy", "log").out
    assert (
        "autonomy must be manual, collaborative or autonomous, not 'loose'"
        in policed("config", "autonomy", "loose").err
    )
    policed("config", "--unset", "autonomy")
    assert policed("config", "autonomy").out == "collaborative\n"


@pytest.mark.parametrize(
    ("line", "status", "error"),
    [
        (("policy", "add"), 2, "'add' needs name of a policy"),
        (("policy", "log", "x"), 2, "'log' takes no name of a policy"),
        (("policy", "add", "os:system"), 128, "its class 'os:system' is not registered here"),
        (("policy", "test", "nothing"), 128, "'nothing' is not a policy of this tract"),
    ],
)
def test_what_is_no_policy_is_refused(policed: Run, line: tuple[str, ...], status: int, error: str) -> None:
    done = policed(*line)

    assert (done.status, error in done.err) == (status, True), done.err


def test_an_unknown_class_comes_with_the_names_of_tracts_own(policed: Run) -> None:
    hint = policed("policy", "add", "branch").err.splitlines()[-1]

    assert all(name in hint for name in _BUILTIN), hint
