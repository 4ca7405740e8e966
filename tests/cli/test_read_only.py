"""``--read-only``: nothing at all is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run


def everything(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder of the store with its size and when it was changed."""
    found = [folder, *folder.rglob("*")]
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in found}


@pytest.fixture
def talk(run: Run) -> Run:
    run("commit", "one")
    run("commit", "two")
    run("switch", "-c", "side", "HEAD~1")
    run("commit", "three")
    run("switch", "main")
    return run


LOOKING = (
    "status", "status --json", "log --graph --all", "log -p", "show", "show --json", "diff HEAD~1", "diff --stat HEAD~1",
    "blame", "search one", "reflog", "compile", "compile --json", "compile --sent HEAD", "usage", "branch -v", "tag", "tracts --counts",
    "config", "fsck", "merge -n side", "undo -n", "compress -n --keep-recent 0", "rev-list --objects HEAD", "cat-file -p HEAD",
    "gc -n", "prune -n", "ls-tree HEAD", "for-each-ref", "show-ref", "fast-export", "count-objects",
)  # fmt: skip
WRITING = (
    "init", "commit x", "edit HEAD x", "pin HEAD", "skip HEAD", "annotate HEAD skip", "branch x", "branch -D side", "switch side",
    "checkout HEAD~1", "tag x", "reset HEAD~1", "undo", "merge side --no-ff", "rebase side", "cherry-pick side", "revert HEAD",
    "compress --content x --keep-recent 0", "reorder HEAD", "gc", "prune", "config author x", "tracts create x", "update-ref refs/heads/x HEAD",
    "symbolic-ref HEAD refs/heads/side", "bisect start HEAD",
)  # fmt: skip


@pytest.mark.parametrize("line", LOOKING)
def test_what_looks_works_and_writes_nothing(talk: Run, tmp_path: Path, line: str) -> None:
    before = everything(tmp_path / ".tract")

    outcome = talk("--read-only", *line.split())

    assert outcome.status in (0, 1), outcome
    assert before == everything(tmp_path / ".tract")


@pytest.mark.parametrize("line", WRITING)
def test_what_writes_is_refused(talk: Run, tmp_path: Path, line: str) -> None:
    before = everything(tmp_path / ".tract")

    outcome = talk(*line.split(), TRACT_READ_ONLY="1")

    assert 128 == outcome.status, outcome
    assert outcome.err.startswith("tract: ")
    assert "was opened read-only" in outcome.err
    assert before == everything(tmp_path / ".tract")
