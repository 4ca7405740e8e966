"""tract rebase, cherry-pick and revert, as a user types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run, texts


@pytest.fixture
def tract(anywhere: Run) -> Run:
    """A store with a message on main and on side, and another on both after they parted."""
    assert anywhere("init").status == 0
    anywhere("commit", "--role", "user", "what is the fee?")
    anywhere("branch", "side")
    anywhere("commit", "--role", "assistant", "it is 5")
    return anywhere


def ids(tract: Run, revision: str = "HEAD") -> list[str]:
    """The commits behind a revision, newest first."""
    return [line["commit_hash"] for line in tract("log", "--json", revision).json_lines]


def part(tract: Run) -> None:
    """Have both branches edit the first message."""
    first = ids(tract)[-1]
    tract("edit", first, "what is the monthly fee?")
    tract("switch", "side")
    tract("commit", "--role", "user", "and the limit?")
    tract("edit", first, "what is the yearly fee?")


def resolve(folder: Path, name: str, text: str) -> None:
    """Edit a file with one conflict as a user would."""
    path = folder / ".tract/state" / name
    lines = path.read_text().split("\n")
    marks = [at for at, line in enumerate(lines) if line.startswith("@@@@@@@")]
    path.write_text("\n".join([*lines[: marks[0] + 1], text, *lines[marks[1] :]]))


def test_a_rebase_lists_what_it_made(tract: Run) -> None:
    tract("switch", "side")
    tract("commit", "--role", "user", "and the limit?")
    old = ids(tract)[0]

    done = tract("rebase", "main")

    new = ids(tract)[0]
    assert f"{old[:10]} -> {new[:10]} user: and the limit?\nBranch 'side' is at {new[:10]}: 1 commit made\n" == done.out
    assert ["what is the fee?", "it is 5", "and the limit?"] == texts(tract)
    assert "Branch 'side' is up to date\n" == tract("rebase", "main").out


def test_a_dry_run_says_it_and_moves_nothing(tract: Run) -> None:
    tract("switch", "side")
    tract("commit", "--role", "user", "and the limit?")
    before = ids(tract)

    found = tract("rebase", "--dry-run", "--json", "main")

    assert (0, False, [{"source_hash": before[0], "commit_hash": None}]) == (
        found.status,
        found.json["is_done"],
        found.json["replayed"],
    )
    assert "Would make 1 commit on branch 'side'" in tract("rebase", "-n", "main").out
    assert before == ids(tract)


def test_a_conflict_waits_in_a_file_until_it_is_resolved(tract: Run, tmp_path: Path) -> None:
    part(tract)
    before = ids(tract)

    stopped = tract("rebase", "main")
    assert 1 == stopped.status
    assert f"CONFLICT: commit {before[0][:10]}" in stopped.out
    assert "REBASE_CONFLICTS.md" in tract("status").out
    assert 1 == tract("rebase", "--continue").status

    resolve(tmp_path, "REBASE_CONFLICTS.md", "what are the fees?")
    done = tract("rebase", "--continue")

    assert 0 == done.status
    assert ["what are the fees?", "it is 5", "and the limit?"] == texts(tract)
    assert "under way" not in tract("status").out
    assert 128 == tract("rebase", "--continue").status


@pytest.mark.parametrize("command", ["rebase", "cherry-pick", "revert"])
def test_a_commit_while_one_waits_is_refused_and_told_how_to_go_on(tract: Run, tmp_path: Path, command: str) -> None:
    part(tract)
    tract(
        *{"rebase": ("rebase", "main"), "cherry-pick": ("cherry-pick", "main"), "revert": ("revert", "HEAD")}[command]
    )
    if command == "revert":  # which has nothing to ask here
        (tmp_path / ".tract/state").mkdir()
        (tmp_path / ".tract/state/revert").write_text("{}")
    before = ids(tract)

    for refused in (tract("commit", "one more"), tract("edit", before[-1], "else")):
        assert (128, f"tract: a {command} is under way in tract 'root'") == (
            refused.status,
            refused.err.splitlines()[0],
        )
        assert f"'tract {command} --continue' goes on with it, 'tract {command} --abort' gives it up" in refused.err
    assert before == ids(tract)

    assert 0 == tract(command, "--abort").status
    assert 0 == tract("commit", "one more").status


def rebase_that_died_before_it_could_say_so(tract: Run, folder: Path) -> list[str]:
    """A rebase that is done, and whose state is still there; the ids it led to."""
    part(tract)
    tract("rebase", "main")
    resolve(folder, "REBASE_CONFLICTS.md", "x")
    state = (folder / ".tract/state/rebase").read_bytes()
    tract("rebase", "--continue")
    (folder / ".tract/state").mkdir()
    (folder / ".tract/state/rebase").write_bytes(state)
    return ids(tract)


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (("rebase",), 2),
        (("rebase", "main", "--abort"), 2),
        (("cherry-pick",), 2),
        (("revert", "--continue", "--abort"), 2),
        (("revert", "-m", "x", "HEAD"), 2),
        (("rebase", "nowhere"), 128),
        (("cherry-pick", "nowhere"), 128),
        (("revert", "nowhere"), 128),
        (("revert", "-m", "2", "HEAD"), 128),
        (("cherry-pick", "HEAD"), 128),
        (("cherry-pick", "HEAD..HEAD"), 128),
        (("rebase", "--continue"), 128),
    ],
)
def test_what_cannot_be_is_one_line_and_moves_nothing(tract: Run, argv: tuple[str, ...], status: int) -> None:
    before = ids(tract)

    refused = tract(*argv)

    assert status == refused.status
    assert "Traceback" not in refused.err
    assert before == ids(tract)


def test_an_interactive_rebase_is_told_by_the_names_of_its_steps(tract: Run) -> None:
    outcome = tract("rebase", "-i", "main")

    assert (2, "") == (outcome.status, outcome.out)
    assert "'tract revert' drops one" in outcome.err


def test_a_dry_run_tells_of_conflicts_as_the_command_does(tract: Run) -> None:
    part(tract)

    found = tract("rebase", "--dry-run", "main")

    assert 1 == found.status
    assert found.out.startswith("CONFLICT: commit ")
    assert "Would make" not in found.out


def test_a_replay_whose_branch_moved_says_how_to_begin_it_anew(tract: Run, tmp_path: Path) -> None:
    part(tract)
    tract("rebase", "main")
    tract("update-ref", "refs/heads/side", ids(tract)[1])

    done = tract("rebase", "--continue")

    assert 128 == done.status
    assert "'tract rebase --abort' gives it up, to begin it anew" in done.err
    assert (tmp_path / ".tract/state/REBASE_CONFLICTS.md").exists()


def test_giving_up_a_rebase_that_was_done_says_so(tract: Run, tmp_path: Path) -> None:
    after = rebase_that_died_before_it_could_say_so(tract, tmp_path)

    done = tract("rebase", "--abort")

    assert (0, after) == (done.status, ids(tract))
    assert f"done already: {after[0][:10]}" in done.err


def test_a_revert_names_what_it_takes_back(tract: Run) -> None:
    said = ids(tract)[0]
    tract("revert", "HEAD")
    tract("revert", "HEAD")

    again, back = tract("log", "-n", "2", "--oneline").out.splitlines()

    assert f'revert [revert of {said[:10]}]: Revert "it is 5"' in back
    assert 'Reapply "it is 5"' in again


def test_a_merge_can_be_reverted_as_the_hint_says(tract: Run) -> None:
    tract("switch", "side")
    tract("commit", "and the limit?")
    tract("merge", "main")

    assert "tract revert -m 1" in tract("revert", "HEAD").err
    assert 0 == tract("revert", "-m", "1", "HEAD").status


def test_with_json_the_ends_of_a_replay_are_documents_too(tract: Run) -> None:
    part(tract)
    tract("rebase", "main")

    left = tract("rebase", "--continue", "--json")
    given_up = tract("rebase", "--abort", "--json")

    assert (1, False) == (left.status, left.json["is_done"])
    assert left.json["file"].endswith("REBASE_CONFLICTS.md")
    assert (0, "rebase", None) == (given_up.status, given_up.json["command"], given_up.json["commit_hash"])
