"""``tract hooks``: settings changed and changed back, and a session recorded as it goes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tract import Tract
from tract.adapters.hooks.settings import PROGRAMS

SAMPLE = (Path(__file__).resolve().parents[2] / "docs" / "samples" / "claude-code.jsonl").read_text().splitlines(True)


def settings(tmp_path: Path) -> Any:
    return json.loads((tmp_path / ".claude" / "settings.json").read_text())


def event(path: Path, session: str = "s-1") -> str:
    return json.dumps({"session_id": session, "transcript_path": str(path), "hook_event_name": "Stop", "cwd": "/w"})


def hashes(folder: Path, tract: str) -> set[str]:
    """The commits of all branches: which of them is the main line changes when a turn is rewound."""
    with Tract.open(folder, tract_id=tract) as t:
        return {info.commit_hash for one in t.list_branches() for info in t.log(limit=None, start=one.name)}


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_hooks_are_installed_and_removed_without_a_trace(run, tmp_path, program):
    home = str(tmp_path / "home")
    path = Path(home if program == "codex" else tmp_path) / PROGRAMS[program].file
    path.parent.mkdir(parents=True)
    own = {"type": "command", "command": "echo mine"}
    before = json.dumps({"model": "m", "hooks": {PROGRAMS[program].events[0]: [{"hooks": [own]}]}}, indent=2) + "\n"
    path.write_text(before)
    path.chmod(0o644)

    installed = run("hooks", "install", program, "--yes", HOME=home)
    shown = run("hooks", "status", program, "--json", HOME=home)
    again = run("hooks", "install", program, "--yes", HOME=home)
    text = path.read_text()
    removed = run("hooks", "remove", program, "--yes", HOME=home)

    assert (0, 0, 0, 0) == (installed.status, shown.status, again.status, removed.status)
    assert "+" in installed.out
    assert list(PROGRAMS[program].events) == shown.json["programs"][0]["events"]
    assert "Nothing to do" in again.out
    assert "echo mine" in text
    assert before == path.read_text()
    assert 0o644 == path.stat().st_mode & 0o777


def test_nothing_is_changed_that_was_not_agreed_to(run, tmp_path):
    outcome = run("hooks", "install", "claude-code", stdin="")

    assert 1 == outcome.status
    assert "nothing was changed" in outcome.err
    assert not (tmp_path / ".claude").exists()


def test_settings_that_are_none_are_left_alone(run, tmp_path):
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "settings.json").write_text("{ // mine\n}")

    outcome = run("hooks", "install", "claude-code", "--yes")

    assert 128 == outcome.status
    assert "is no JSON, and is left alone" in outcome.err


def test_a_session_that_is_recorded_as_it_goes_is_what_an_import_makes_of_it(run, tmp_path):
    path = tmp_path / "session.jsonl"
    for end in (3, 7, 7, 12, len(SAMPLE)):
        path.write_text("".join(SAMPLE[:end]))
        assert 0 == run("hooks", "run", "claude-code", "--now", stdin=event(path)).status
    run("import", "--as", "tract", "--name", "whole", str(path))

    assert hashes(tmp_path, "whole") == hashes(tmp_path, "s-1")
    assert "s-1" in run("tracts").out
    with Tract.open(tmp_path, tract_id="s-1") as live, Tract.open(tmp_path, tract_id="whole") as whole:
        assert whole.head == live.head


def test_a_hook_never_fails_its_program_and_status_says_what_failed(run, tmp_path):
    wrong = run("hooks", "run", "claude-code", "--now", stdin="{")
    missing = run("hooks", "run", "claude-code", "--now", stdin=event(tmp_path / "none.jsonl"))

    assert [(0, "", ""), (0, "", "")] == [(one.status, one.out, one.err) for one in (wrong, missing)]
    assert "cannot read" in run("hooks", "status").err


def test_a_hook_hands_over_and_returns(tmp_path):
    Tract.open(tmp_path).close()
    path = tmp_path / "session.jsonl"
    path.write_text("".join(SAMPLE))
    command = [sys.executable, "-m", "tract", "-C", str(tmp_path), "hooks", "run", "claude-code"]

    done = subprocess.run(command, input=event(path), text=True, capture_output=True, check=False, timeout=30)

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
    for _ in range(200):
        if (tmp_path / ".tract" / "tracts" / "s-1" / "HEAD").exists():
            break
        time.sleep(0.1)
    else:
        raise AssertionError("nothing was recorded")
