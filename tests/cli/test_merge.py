"""``tract merge``: forward, three-way, conflicts in a file, --continue and --abort."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run, texts
from tests.llm.server import LLMServer, llm_process, llm_server
from tract.maintenance.fsck.check import check_repository

__all__ = ["llm_process", "llm_server"]


def id_of(run: Run, revision: str = "HEAD") -> str:
    return run("rev-parse", revision).out.strip()


@pytest.fixture
def parted(run: Run) -> Run:
    """main and draft each have a message of their own after the first; HEAD is on main."""
    run("commit", "a")
    run("branch", "draft")
    run("commit", "m1")
    run("switch", "draft")
    run("commit", "d1")
    run("switch", "main")
    return run


@pytest.fixture
def conflicting(parted: Run) -> Run:
    """Both have edited the first message as well."""
    first = id_of(parted, "HEAD~1")
    parted("edit", first, "a main")
    parted("switch", "draft")
    parted("edit", first, "a draft")
    parted("switch", "main")
    return parted


def conflict_file(folder: Path) -> Path:
    return folder / ".tract" / "state" / "MERGE_CONFLICTS.md"


def resolve(folder: Path, text: str) -> None:
    """Put *text* in the place of everything between the two lines with @."""
    path = conflict_file(folder)
    path.write_text(re.sub(r"(?ms)^(@@@@@@@ \w+ 1/1 [^\n]*\n).*^(@@@@@@@ \w+ end)", rf"\1{text}\n\2", path.read_text()))


def test_a_branch_that_is_behind_moves_forward(run: Run) -> None:
    run("commit", "a")
    run("switch", "-c", "draft")
    run("commit", "b")
    run("switch", "main")

    done = run("merge", "draft")

    assert (0, "Fast-forward") == (done.status, done.out.splitlines()[1])
    assert ["a", "b"] == texts(run)
    assert "merge draft: fast-forward" in run("reflog").out


def test_parted_branches_are_merged(parted: Run) -> None:
    draft = id_of(parted, "draft")[:10]

    done = parted("merge", "draft", "-m", "why", "--delete-branch")

    told = [f"[main {id_of(parted)[:10]}] why", " 1 message added", f"Deleted branch draft (was {draft})."]
    assert (0, told) == (done.status, done.out.splitlines())
    assert ["a", "m1", "d1"] == texts(parted)
    assert ["* main"] == parted("branch").out.splitlines()


def test_flags_say_whether_there_is_a_merge_commit(run: Run) -> None:
    run("commit", "a")
    run("switch", "-c", "draft")
    run("commit", "b")
    run("switch", "main")

    assert "Merge branch 'draft' into main" in run("merge", "--no-ff", "draft").out
    run("commit", "c")
    run("switch", "draft")
    run("commit", "d")
    refused = run("merge", "--ff-only", "main")
    assert (128, "tract: cannot fast-forward 'draft' to 'main': they have parted") == (
        refused.status,
        refused.err.splitlines()[0],
    )


def test_a_conflict_moves_nothing_and_waits_in_a_file(conflicting: Run, tmp_path: Path) -> None:
    before = id_of(conflicting)

    done = conflicting("merge", "draft")

    assert 1 == done.status
    assert re.match(r"CONFLICT \(both-edited\): message [0-9a-f]{10} \(user, message 1\)", done.out)
    assert before == id_of(conflicting)
    path = conflict_file(tmp_path)
    assert 0o600 == path.stat().st_mode & 0o777
    assert f"Merge of 'draft' under way: 1 conflict in '{path}'" in conflicting("status").out
    assert {"source": "draft", "conflicts": 1, "file": str(path)} == conflicting("status", "--json").json["merge"]


def test_the_edited_file_is_what_the_merge_becomes(conflicting: Run, tmp_path: Path) -> None:
    conflicting("merge", "draft", "-m", "settled", "--delete-branch")
    resolve(tmp_path, "a of both\nin two lines")

    done = conflicting("merge", "--continue")

    assert (0, "settled") == (done.status, done.out.splitlines()[0].partition("] ")[2])
    assert ["a of both\nin two lines", "m1", "d1"] == texts(conflicting)
    assert not conflict_file(tmp_path).exists()
    assert conflicting("status", "--json").json["merge"] is None
    assert ["* main"] == conflicting("branch").out.splitlines()
    assert () == check_repository(str(tmp_path / ".tract")).problems


def test_a_marker_that_is_left_is_a_conflict_still(conflicting: Run, tmp_path: Path) -> None:
    conflicting("merge", "draft")
    edited = conflict_file(tmp_path).read_text().replace("a draft", "half done")
    conflict_file(tmp_path).write_text(edited)

    done = conflicting("merge", "--continue")

    assert 1 == done.status
    assert "section 1" in done.err
    assert "a line with a marker left" in done.err
    assert edited == conflict_file(tmp_path).read_text()
    assert ["a main", "m1"] == texts(conflicting)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.unlink(), "is gone"),
        (lambda path: path.write_bytes(b"\xff"), "is not UTF-8 at byte 0"),
    ],
)
def test_a_file_that_was_damaged_stops_the_merge_and_it_can_still_be_given_up(
    conflicting: Run, tmp_path: Path, damage: Callable[[Path], object], words: str
) -> None:
    conflicting("merge", "draft")
    damage(conflict_file(tmp_path))

    done = conflicting("merge", "--continue")

    assert (128, True) == (done.status, words in done.err)
    assert 0 == conflicting("merge", "--abort").status
    assert 1 == conflicting("merge", "draft").status


def test_a_merge_that_was_given_up_leaves_nothing(conflicting: Run, tmp_path: Path) -> None:
    conflicting("merge", "draft")

    done = conflicting("merge", "--abort")

    assert (0, "The merge is given up; nothing was changed\n") == (done.status, done.err)
    assert not (tmp_path / ".tract" / "state").exists()
    assert "no merge is under way" in conflicting("merge", "--abort").err
    assert "no merge is under way" in conflicting("merge", "--continue").err
    assert 0 == conflicting("commit", "on with it").status


@pytest.mark.parametrize(
    "argv",
    [("commit", "x"), ("switch", "draft")],
)
def test_while_a_merge_is_under_way_nothing_else_moves_the_branch(conflicting: Run, argv: tuple[str, ...]) -> None:
    conflicting("merge", "draft")

    done = conflicting(*argv)

    assert (128, "tract: a merge is under way in tract 'root'") == (done.status, done.err.splitlines()[0])
    assert "'tract merge --continue' goes on with it, 'tract merge --abort' gives it up" in done.err


def merge_that_died_before_it_could_say_so(conflicting: Run, folder: Path) -> Path:
    """A merge that is committed, and whose state is still there; the state's file."""
    conflicting("merge", "draft")
    resolve(folder, "both")
    state = folder / ".tract" / "state" / "merge"
    kept = state.read_bytes()
    conflicting("merge", "--continue")
    state.parent.mkdir()
    state.write_bytes(kept)
    return state


def test_no_commit_stops_before_the_merge_and_keeps_what_was_decided(conflicting: Run) -> None:
    before = id_of(conflicting)

    done = conflicting("merge", "--no-commit", "-X", "theirs", "draft")

    assert (0, before) == (done.status, id_of(conflicting))
    assert "no conflicts; 'tract merge --continue' commits it" in conflicting("status").out
    assert 0 == conflicting("merge", "--continue").status


def test_a_dry_run_says_what_would_happen(conflicting: Run, tmp_path: Path) -> None:
    would = conflicting("merge", "--dry-run", "draft", "--json")

    assert 1 == would.status
    assert ("conflict", False, ["a main"]) == (
        would.json["kind"],
        would.json["is_committed"],
        [one["ours"] for one in would.json["conflicts"]],
    )
    assert not (tmp_path / ".tract" / "state").exists()
    assert "without a conflict" in conflicting("merge", "-n", "-X", "ours", "draft").out
    assert ["a main", "m1"] == texts(conflicting)


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        (("merge",), 2, "give either what to merge, or --continue, or --abort"),
        (("merge", "draft", "--abort"), 2, "give either what to merge, or --continue, or --abort"),
        (("merge", "nowhere"), 128, "no commit named 'nowhere'"),
        (("merge", "draft~0", "--delete-branch"), 128, "cannot delete 'draft~0': it is not a branch"),
        (("merge", "draft", "--strategy", "best"), 2, "best"),
    ],
)
def test_what_cannot_be_merged_is_one_line(parted: Run, argv: tuple[str, ...], status: int, words: str) -> None:
    before = id_of(parted)

    done = parted(*argv)

    assert (status, before) == (done.status, id_of(parted))
    assert words in done.err


@pytest.mark.parametrize("source", ["main", "HEAD~1"])
def test_what_is_merged_already_is_no_error(parted: Run, source: str) -> None:
    assert (0, "Already up to date.\n", "") == parted("merge", source)
    assert "up-to-date" == parted("merge", source, "--json").json["kind"]


def test_a_detached_head_is_told_to_go_to_a_branch(parted: Run) -> None:
    parted("checkout", "HEAD~1")

    done = parted("merge", "draft")

    assert 128 == done.status
    assert "cannot merge: HEAD is at commit" in done.err
    assert "tract switch" in done.err


def test_histories_that_never_met_need_to_be_asked_for(parted: Run) -> None:
    parted("symbolic-ref", "HEAD", "refs/heads/other")
    parted("commit", "x")

    assert "they have no commit in common" in parted("merge", "main").err
    assert 0 == parted("merge", "--allow-unrelated-histories", "main").status


def test_giving_up_a_merge_that_was_committed_says_so(conflicting: Run, tmp_path: Path) -> None:
    state = merge_that_died_before_it_could_say_so(conflicting, tmp_path)

    done = conflicting("merge", "--abort")

    assert (0, False) == (done.status, state.exists())
    assert f"done already: {id_of(conflicting)[:10]}" in done.err


def test_an_undo_that_is_refused_prints_nothing_of_what_it_would_do(conflicting: Run) -> None:
    conflicting("merge", "draft")

    done = conflicting("undo")

    assert (128, "") == (done.status, done.out)
    assert "a merge is under way" in done.err


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (("merge", "draft", "--ff-only"), "without --ff-only they are merged"),
        (("merge", "--continue"), "'tract merge <branch>' begins one"),
        (("rebase", "--abort"), "'tract rebase <upstream>' begins one"),
    ],
)
def test_a_hint_fits_what_went_wrong(parted: Run, argv: tuple[str, ...], hint: str) -> None:
    assert hint in parted(*argv).err


def test_a_model_decides_and_the_commit_says_which_it_was(conflicting: Run, llm_server: LLMServer) -> None:
    llm_server.script("RESOLVED\na of both", "KEEP")

    done = conflicting(
        "merge", "-X", "semantic", "draft", "--model", "small", OPENAI_API_KEY="key", OPENAI_BASE_URL=llm_server.url
    )

    assert 0 == done.status
    assert "(user, message 1): a of both" in done.out
    commit = conflicting("log", "-n", "1", "--json").json
    assert "merge-conflict" == commit["metadata"]["resolved_by"]["prompt"]


def test_what_a_model_decided_waits_until_the_merge_goes_on(conflicting: Run, llm_server: LLMServer) -> None:
    before = id_of(conflicting)
    llm_server.script("RESOLVED\na of both", "RESOLVED\nm1 and d1")
    keys = {"OPENAI_API_KEY": "key", "OPENAI_BASE_URL": llm_server.url}
    waiting = conflicting("merge", "-X", "semantic", "--no-commit", "draft", **keys)
    assert (0, before) == (waiting.status, id_of(conflicting))
    assert 2 == waiting.out.count("Resolved message")

    assert 0 == conflicting("merge", "--continue").status  # asks nobody again

    assert ["a of both", "m1 and d1"] == texts(conflicting)
    assert 2 == len(llm_server.requests())


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (None, 128, "neither OPENAI_API_KEY nor ANTHROPIC_API_KEY is set"),
        ("Sure!", 128, "begins with neither"),
    ],
)
def test_a_model_that_cannot_be_asked_or_answers_nonsense_moves_nothing(
    conflicting: Run, llm_server: LLMServer, answer: str | None, status: int, words: str
) -> None:
    before = id_of(conflicting)
    if answer is not None:
        llm_server.script(answer)
    keys = {} if answer is None else {"OPENAI_API_KEY": "key", "OPENAI_BASE_URL": llm_server.url}

    done = conflicting("merge", "-X", "semantic", "draft", **keys)

    assert (status, "") == (done.status, done.out)
    assert words in done.err.splitlines()[0]
    assert before == id_of(conflicting)
    assert 128 == conflicting("merge", "--abort").status  # none is under way


def test_with_json_the_ends_of_a_merge_are_documents_too(conflicting: Run, tmp_path: Path) -> None:
    conflicting("merge", "draft")

    left = conflicting("merge", "--continue", "--json")
    given_up = conflicting("merge", "--abort", "--json")

    assert (1, False, str(conflict_file(tmp_path))) == (left.status, left.json["is_done"], left.json["file"])
    assert (0, "merge", None) == (given_up.status, given_up.json["command"], given_up.json["commit_hash"])
