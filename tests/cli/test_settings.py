"""Settings of a tract and of the user, aliases, and what completes a command line."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run
from tract import Tract


def lines(run: Run, *argv: str, **environ: str) -> list[str]:
    return run(*argv, **environ).out.splitlines()


def test_settings_are_set_read_and_given_their_default_again(run, tmp_path):
    file = f"{tmp_path}/.tract/config.toml"
    assert (1, "") == run("config", "token_budget")[:2]

    assert 0 == run("config", "token_budget", "5000").status
    assert 0 == run("config", "budget_action", "reject").status

    assert "5000\n" == run("config", "token_budget").out
    assert f"5000\t{file}\n" == run("config", "token_budget", "--show-origin").out
    assert {"name": "budget_action", "value": "reject", "origin": file} == run("config", "budget_action", "--json").json
    with Tract.open(tmp_path) as t:
        assert 5000 == t.status().token_budget_max
    assert 0 == run("config", "--unset", "token_budget").status
    assert {"value": "warn", "origin": "default"} == run("config", "--json").json["budget_action"]


def test_what_a_token_budget_does_is_not_set_without_one(run):
    refused = run("config", "budget_action", "reject")

    assert 128 == refused.status
    assert "budget_action needs a token budget: set token_budget first" in refused.err
    assert 0 == run("config", "--unset", "budget_action").status


def test_all_settings_are_listed_with_where_they_come_from(run, tmp_path):
    run("config", "keep_pinned", "false")

    listed = lines(run, "config", TRACT_AUTHOR_NAME="ida", HOME=str(tmp_path))

    assert f"keep_pinned = false  ({tmp_path}/.tract/config.toml)" in listed
    assert "author = ida  (TRACT_AUTHOR_NAME)" in listed
    assert "summary_window = 100000" in listed


def test_a_tract_gets_settings_of_its_own_when_one_is_changed(run):
    run("tracts", "create", "helper")
    run("config", "author", "ida")

    run("--tract", "helper", "config", "orphan_retention_days", "30")

    assert ["30", "ida"] == [run("config", "--tract", "helper", name).out.strip() for name in ("orphan_retention_days", "author")]  # fmt: skip
    assert "7\n" == run("config", "orphan_retention_days").out


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (("nope",), 128),
        (("nope", "3"), 128),
        (("token_budget", "many"), 128),
        (("default_branch", "a..b"), 128),
        (("tokenizer_encoding", "nope"), 128),
        (("--unset",), 2),
        (("--unset", "author", "x"), 2),
        (("alias.x", "log"), 128),
    ],
)
def test_what_is_no_setting_or_no_value_for_one_changes_nothing(run, tmp_path, argv, status):
    before = (tmp_path / ".tract" / "config.toml").read_bytes()

    assert status == run("config", *argv).status
    assert before == (tmp_path / ".tract" / "config.toml").read_bytes()


def test_an_alias_stands_for_a_command_and_hides_none(run, tmp_path):
    home = {"HOME": str(tmp_path / "home")}
    for text in ("one", "two"):
        run("commit", text)

    run("config", "alias.last", "log -n 1 --format=%s", **home)
    run("config", "alias.log", "status", **home)
    run("config", "alias.bad", "sh -c x", **home)

    assert "two\n" == run("last", **home).out
    assert "one\n" == run("last", "HEAD~1", **home).out
    assert "commit " == run("log", **home).out[:7]
    assert (128, "tract: the alias 'bad' begins with no command: 'sh -c x'\n") == (
        run("bad", **home).status,
        run("bad", **home).err,
    )
    assert ["log -n 1 --format=%s"] == lines(run, "config", "alias.last", **home)
    assert 0 == run("config", "--unset", "alias.last", **home).status
    assert 2 == run("last", **home).status


def test_settings_of_the_user_need_no_store(anywhere, tmp_path):
    home = {"XDG_CONFIG_HOME": str(tmp_path)}

    assert 0 == anywhere("config", "pager", "less -S", **home).status
    assert [f"pager = less -S  ({tmp_path}/tract/config.toml)"] == lines(anywhere, "config", **home)
    (tmp_path / "tract" / "config.toml").write_text("color = 3\n")
    assert "has an unknown setting 'color'" in anywhere("config", **home).err


def test_a_setting_may_be_given_to_one_command(run, tmp_path):
    before = (tmp_path / ".tract" / "config.toml").read_bytes()

    assert "zed" == run("-c", "author=zed", "commit", "hello", "--print-json", TRACT_AUTHOR_NAME="ida").json["author"]
    assert 128 == run("-c", "token_budget=5", "-c", "budget_action=reject", "commit", "one two three four").status
    assert "zed\t-c\n" == run("-c", "author=zed", "config", "author", "--show-origin", TRACT_AUTHOR_NAME="ida").out
    assert "hello\n" == run("-c", "alias.last=log -n1 --format=%s", "last").out
    assert "cat\t-c\n" == run("-c", "pager=cat", "config", "pager", "--show-origin").out
    assert before == (tmp_path / ".tract" / "config.toml").read_bytes()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("autor=x", "did you mean 'author'?"),
        ("author", "a name and a value"),
        ("token_budget=many", "must be a positive whole number"),
        ("orphan_retention_days=1", "give 'tract gc' an option instead"),
    ],
)
def test_a_setting_that_no_command_can_be_given_is_refused(run, given, words):
    outcome = run("-c", given, "log")

    assert (128, True) == (outcome.status, words in outcome.err), outcome.err
    assert 2 == run("-c", "author=ida", "init").status


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("tract --tract he", ["helper"]),
        ("tract log --tract he", ["helper"]),
        ("tract tracts delete he", ["helper"]),
        ("tract --tract helper switch o", ["of-helper"]),
        ("tract switch --tract helper o", ["of-helper"]),
        ("tract config token_b", ["token_budget"]),
        ("tract -c ed", ["editor"]),
    ],
)
def test_tracts_and_settings_are_completed_and_names_are_those_of_the_tract_that_was_typed(
    run, monkeypatch, words, found
):
    run("tracts", "create", "helper")
    run("--tract", "helper", "commit", "one")
    run("--tract", "helper", "branch", "of-helper")

    assert found == completed(run, monkeypatch, words)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("tract switch to", ["topic"]),
        ("tract show v", ["v1"]),
        ("tract merge --strat", ["--strategy"]),
        ("tract merge -X the", ["theirs"]),
        ("tract annotate HEAD sk", ["skip"]),
    ],
)
def test_branches_tags_options_and_choices_are_completed(run, monkeypatch, words, found):
    run("commit", "one")
    run("branch", "topic")
    run("tag", "v1")

    assert found == completed(run, monkeypatch, words)


def test_recent_commits_are_completed(run, monkeypatch):
    run("commit", "one")
    id = run("rev-parse", "HEAD").out[:10]

    assert [id] == completed(run, monkeypatch, f"tract show {id[:6]}")


def completed(run: Run, monkeypatch: pytest.MonkeyPatch, words: str) -> list[str]:
    """What a shell is told that *words* can become; typer reads that from the process's environment."""
    asked = {"_TRACT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    return lines(run, _TRACT_COMPLETE="complete_bash")


def test_who_asks_for_a_list_as_of_git_is_told_where_it_is(run):
    run("init")

    assert "'tract config' lists the settings" in run("config", "list").err
