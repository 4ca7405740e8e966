"""``tract hooks``: settings changed and changed back, and a session recorded as it goes."""

from __future__ import annotations

import fcntl
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tract import Tract
from tract.adapters.hooks.parting import is_hook
from tract.adapters.hooks.programs import PROGRAMS

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


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_a_settings_file_that_was_made_for_the_hooks_goes_with_them(run, tmp_path, program):
    home = tmp_path / "home"
    home.mkdir()
    path = (home if program == "codex" else tmp_path) / PROGRAMS[program].file
    assert 0 == run("hooks", "install", program, "--yes", HOME=str(home)).status
    assert path.exists()

    removed = run("hooks", "remove", program, "--yes", HOME=str(home))
    again = run("hooks", "remove", program, "--yes", HOME=str(home))

    assert (0, 0, False) == (removed.status, again.status, path.parent.exists())
    assert "Nothing to do" in again.out


def test_where_the_settings_are_a_link_it_stays_and_leads_to_no_hooks(run, tmp_path):
    real, path = tmp_path / "dotfiles.json", tmp_path / ".claude" / "settings.json"
    path.parent.mkdir()
    path.symlink_to(real)
    run("hooks", "install", "claude-code", "--yes")
    assert "hooks run" in real.read_text()

    run("hooks", "remove", "claude-code", "--yes")

    assert path.is_symlink()
    assert "{}\n" == real.read_text()


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
    assert "is not JSON, so it is left alone" in outcome.err


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
    assert re.search(
        r"the last problem of a recording: \d{4}-\d\d-\d\d \d\d:\d\d: cannot read", run("hooks", "status").err
    )


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


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"model": "m", // mine\n}', "is not JSON"),
        ('{"model": "m"', "is not JSON"),
        ("[1]", "is not a JSON object"),
        ('{"hooks": []}', "'hooks' is not an object"),
        ('{"hooks": {"Stop": {"command": "x"}}}', "'hooks.Stop' is not a list"),
        ("\ufeff{} trailing", "is not JSON"),
    ],
)
@pytest.mark.parametrize("action", ["install", "remove"])
def test_settings_that_cannot_be_changed_are_kept_to_the_byte(run, tmp_path, text, says, action):
    path = tmp_path / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text(text)

    outcome = run("hooks", action, "claude-code", "--yes")

    if action == "install":
        assert 128 == outcome.status
        assert says in outcome.err
    assert "Traceback" not in outcome.err
    assert text == path.read_text()


def test_hooks_of_others_stay_in_their_order_and_a_link_stays_a_link(run, tmp_path):
    real, path = tmp_path / "dotfiles.json", tmp_path / ".claude" / "settings.json"
    path.parent.mkdir()
    other = {"matcher": "Bash", "hooks": [{"type": "command", "command": "say tract hooks", "timeout": 5}]}
    given = {"é": 1.0, "hooks": {"Stop": [other], "PreToolUse": [other], "odd": "text"}, "last": None}
    before = json.dumps(given, indent=2, ensure_ascii=False) + "\n"
    real.write_text(before)
    path.symlink_to(real)

    run("hooks", "install", "claude-code", "--yes")
    installed = json.loads(real.read_text())
    run("hooks", "remove", "claude-code", "--yes")

    assert path.is_symlink()
    assert [other] == installed["hooks"]["Stop"][:-1]
    assert [other] == installed["hooks"]["PreToolUse"]
    assert before == real.read_text()


def test_settings_that_are_read_only_are_left_alone(run, tmp_path):
    path = tmp_path / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text("{}")
    path.chmod(0o444)

    outcome = run("hooks", "install", "claude-code", "--yes")

    assert (128, "{}") == (outcome.status, path.read_text())
    assert "is read-only" in outcome.err


def test_settings_that_are_a_folder_are_told(run, tmp_path):
    (tmp_path / ".claude" / "settings.json").mkdir(parents=True)

    outcome = run("hooks", "install", "claude-code", "--yes")

    assert 128 == outcome.status
    assert "cannot read" in outcome.err


def hook(folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "tract", "-C", str(folder), "hooks", "run", "claude-code", *more]


def wait_for(done: Any) -> None:
    for _ in range(300):
        if done():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within 30 s")


def count(folder: Path, tract: str = "s-1") -> int:
    if not (folder / ".tract" / "tracts" / tract / "HEAD").exists():
        return 0
    with Tract.open(folder, tract_id=tract) as t:
        return len(t.compile().messages)


@contextmanager
def held(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_a_hook_returns_while_the_store_is_locked_and_records_when_it_is_free(tmp_path):
    Tract.open(tmp_path).close()
    path = tmp_path / "session.jsonl"
    path.write_text("".join(SAMPLE[:8]))

    with held(tmp_path / ".tract" / "locks" / "journal"):
        for end in (8, 10, len(SAMPLE)):
            path.write_text("".join(SAMPLE[:end]))
            done = subprocess.run(hook(tmp_path), input=event(path), text=True, capture_output=True, check=False, timeout=10)  # fmt: skip
            assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
        assert 0 == count(tmp_path)

    wait_for(lambda: count(tmp_path) > 8)
    subprocess.run(hook(tmp_path, "--now"), input=event(path), text=True, check=True)
    with Tract.open(tmp_path) as t:
        t.import_transcript(path, place="tract", name="whole")
    assert hashes(tmp_path, "whole") == hashes(tmp_path, "s-1")


def test_of_those_that_wait_for_their_turn_one_stays(tmp_path):
    Tract.open(tmp_path).close()
    path = tmp_path / "session.jsonl"
    path.write_text("".join(SAMPLE))
    hooks = tmp_path / ".tract" / "cache" / "hooks"
    hooks.mkdir(parents=True)

    with held(hooks / "s-1.now"):
        first = subprocess.Popen(hook(tmp_path, "--now"), stdin=subprocess.PIPE, text=True)
        first.stdin.write(event(path))
        first.stdin.close()
        wait_for(lambda: is_held(hooks / "s-1.next"))
        subprocess.run(hook(tmp_path, "--now"), input=event(path), text=True, check=True, timeout=10)
        assert 0 == count(tmp_path)

    assert 0 == first.wait(30)
    assert 0 < count(tmp_path)


def is_held(path: Path) -> bool:
    try:
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


@pytest.mark.parametrize("rounds", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_what_a_killed_hook_left_the_next_reads(tmp_path, rounds):
    Tract.open(tmp_path).close()
    path = tmp_path / "session.jsonl"
    rng = random.Random(rounds)
    begun = time.perf_counter()
    subprocess.run(hook(tmp_path, "--now"), input=event(tmp_path / "none.jsonl"), text=True, check=True)
    usual = time.perf_counter() - begun

    for number in range(rounds):
        path.write_text("".join(SAMPLE[: 2 + number * (len(SAMPLE) - 2) // rounds]))
        one = subprocess.Popen(hook(tmp_path, "--now"), stdin=subprocess.PIPE, text=True)
        one.stdin.write(event(path))
        one.stdin.close()
        time.sleep(usual * rng.uniform(0.3, 1.5))
        one.kill()
        one.wait()
    path.write_text("".join(SAMPLE))
    subprocess.run(hook(tmp_path, "--now"), input=event(path), text=True, check=True)
    with Tract.open(tmp_path) as t:
        t.import_transcript(path, place="tract", name="whole")

    assert hashes(tmp_path, "whole") == hashes(tmp_path, "s-1")


def test_a_hook_is_let_go_before_it_loads_what_it_needs():
    program = "import sys; import tract.__main__; print(*[one for one in sys.modules if one.startswith('tract')])"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ["tract", "tract.__main__", "tract.adapters", "tract.adapters.hooks", "tract.adapters.hooks.parting"] == sorted(done.stdout.split())  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        ("hooks", "run", "claude-code"),
        ("-C", "run", "-C", "hooks", "hooks", "run", "codex", "--scan"),
        ("hooks", "run", "--now"),
    ],
)
def test_a_hooks_command_line_is_known(words):
    assert is_hook(list(words))


@pytest.mark.parametrize("words", [("hooks", "run", "--now", "--json"), ("hooks", "status"), ("commit", "hooks", "run"), ("hooks", "run", "--help"), ("--tract", "x", "hooks", "run")])  # fmt: skip
def test_another_command_line_is_none_of_a_hook(words):
    assert not is_hook(list(words))


@pytest.mark.parametrize(("words", "environment"), [(["hooks", "run", "--now"], {"TRACT_READ_ONLY": "1"}), (["--read-only", "hooks", "run", "--now"], {})])  # fmt: skip
def test_what_is_read_only_is_left_to_a_later_turn(tmp_path, words, environment):
    Tract.open(tmp_path).close()
    path = tmp_path / "session.jsonl"
    path.write_text("".join(SAMPLE))
    command = [sys.executable, "-m", "tract", "-C", str(tmp_path)]
    before = {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}

    done = subprocess.run([*command, *words], input=event(path), text=True, capture_output=True, env={**os.environ, **environment}, check=False)  # fmt: skip

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
    assert before == {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
    subprocess.run([*command, "hooks", "run", "--now"], input=event(path), text=True, check=True)
    assert count(tmp_path) > 8


def test_a_hook_finds_its_store_in_folders_of_any_name(tmp_path):
    folder = tmp_path / "run" / "hooks"
    folder.mkdir(parents=True)
    Tract.open(folder).close()
    path = tmp_path / "session.jsonl"
    path.write_text("".join(SAMPLE))
    command = [sys.executable, "-m", "tract", "-C", "run", "-C", "hooks", "hooks", "run", "claude-code"]

    subprocess.run(command, cwd=tmp_path, input=event(path), text=True, check=True)

    wait_for(lambda: count(folder))


def test_a_turn_is_recorded_with_what_it_needs_and_nothing_else(tmp_path):
    Tract.open(tmp_path).close()
    path = tmp_path / "session.jsonl"
    for end in (6, len(SAMPLE)):
        path.write_text("".join(SAMPLE[:end]))
        program = f"import os, sys; from tract.adapters.hooks.running import run_hook; run_hook(['-C', {str(tmp_path)!r}, 'hooks', 'run'], {event(path)!r}, os.environ); print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = done.stdout.split()
    kept_out = ("tract.cli", "tract.compile", "tract.messages.mending", "tract.messages.sent_history", "tract.curation", "tract.api", "tract.llm", "tract.tokens.count", "sqlite3", "pathlib", "subprocess", "dataclasses", "inspect", "typing", "threading", "weakref", "signal", "tract.history.documents", "tract.objects.content")  # fmt: skip
    assert count(tmp_path) > 6
    assert [] == [name for name in loaded if name.startswith(kept_out)]
    assert 95 >= len([name for name in loaded if name.startswith("tract")])


def test_what_hooks_keep_is_the_stores_own_and_nobody_elses(run, tmp_path):
    path = tmp_path / "session.jsonl"
    path.write_text("".join(SAMPLE))
    run("hooks", "run", "claude-code", "--now", stdin="{")
    run("hooks", "run", "claude-code", "--now", stdin=event(path))
    run("policy", "set", "compress", "threshold=0.8", "--yes")
    run("status")

    assert {"hooks", "hooks.log"} <= {one.name for one in (tmp_path / ".tract" / "cache").iterdir()}
    assert "no problems" in run("fsck").out


def test_a_transcript_that_is_a_pipe_is_not_waited_for(run, tmp_path):
    path = tmp_path / "session.jsonl"
    os.mkfifo(path)

    outcome = run("hooks", "run", "claude-code", "--now", stdin=event(path))

    assert (0, "", "") == (outcome.status, outcome.out, outcome.err)
    assert "it is not a regular file" in run("hooks", "status").err


def test_status_says_that_a_line_could_not_be_read(run, tmp_path):
    path = tmp_path / "session.jsonl"
    path.write_bytes("".join(SAMPLE).encode().replace(b"role", b"ro\xffle", 1) + b'{"type": "user"\n')

    run("hooks", "run", "claude-code", "--now", stdin=event(path))

    assert 0 < count(tmp_path)
    assert "lines of the transcript could not be read completely" in run("hooks", "status").err


@pytest.mark.parametrize(
    "text",
    [
        '{\n\t"model": "m",\n\t"allow": ["a", "b"]\n}\n',
        '{\n    "a": 1.50,\n    "big": 123456789012345678901234567890,\n    "e": 1e3\n}',
        '{\r\n  "a": 1\r\n}\r\n',
        '{"b":1,"a":{"c":[1,2]}}',
        '{"a": "\\ud800 \\u00e9", "b": 1e999}\n',
        '{"a": 1, "a": 2}',
        '\ufeff{\r\n  "a": 1\r\n}\r\n',
        '{\n  "hooks": {\n    "Other": []\n  },\n  "z": [1]\n}\n',
        '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "echo tract hooks run x; other"}]}]}}',
    ],
)
@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_settings_of_any_layout_are_restored_to_the_byte(run, tmp_path, program, text):
    home = tmp_path / "home ünï 🎉"
    path = (home if program == "codex" else tmp_path) / PROGRAMS[program].file
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode())

    installed = run("hooks", "install", program, "--yes", HOME=str(home))
    known = list(json.loads(path.read_bytes()))
    removed = run("hooks", "remove", program, "--yes", HOME=str(home))

    assert (0, 0) == (installed.status, removed.status)
    assert "hooks" in known
    assert text.encode() == path.read_bytes()


def test_only_the_hooks_are_written_anew(run, tmp_path):
    path = tmp_path / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text('{\n\t"a": [1, 2.50],\n\t"hooks": {"Stop": []},\n\t"z": {"y": 1}\n}\n')

    run("hooks", "install", "claude-code", "--yes")

    lines = path.read_text().splitlines()
    assert ["{", '\t"a": [1, 2.50],', '\t"hooks": {', '\t\t"Stop": ['] == lines[:4]
    assert ["\t},", '\t"z": {"y": 1}', "}"] == lines[-3:]


def test_the_hooks_of_a_store_in_a_folder_whose_name_has_two_lines_are_known(run, tmp_path):
    folder = tmp_path / "two\nlines"
    Tract.open(folder).close()
    path = folder / ".claude" / "settings.json"

    run("-C", str(folder), "hooks", "install", "claude-code", "--yes")
    before = path.read_text()
    run("-C", str(folder), "hooks", "install", "claude-code", "--yes")
    assert before == path.read_text()
    run("-C", str(folder), "hooks", "remove", "claude-code", "--yes")

    assert not path.exists()


def test_a_hook_that_was_changed_by_hand_is_taken_out(run, tmp_path):
    path = tmp_path / ".claude" / "settings.json"
    run("hooks", "install", "claude-code", "--yes")
    path.write_text(path.read_text().replace('"command": "', '"timeout": 9, "command": "nice '))

    run("hooks", "remove", "claude-code", "--yes")

    assert not path.exists()


@pytest.mark.parametrize("action", ["install", "remove", "status"])
def test_settings_that_are_no_file_are_neither_waited_for_nor_replaced(tmp_path, action):
    Tract.open(tmp_path).close()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "settings.json").symlink_to(pipe)
    command = [sys.executable, "-m", "tract", "-C", str(tmp_path), "hooks", action, "claude-code"]

    done = subprocess.run([*command, *(["--yes"] if action != "status" else [])], capture_output=True, text=True, timeout=30)  # fmt: skip

    assert 128 == done.returncode
    assert "it is not a regular file" in done.stderr
    assert pipe.is_fifo()


def test_a_link_to_itself_is_told_with_its_name_once(run, tmp_path):
    path = tmp_path / ".claude" / "settings.json"
    path.parent.mkdir()
    path.symlink_to(path)

    outcome = run("hooks", "install", "claude-code", "--yes")

    assert 128 == outcome.status
    assert 1 == outcome.err.count("settings.json")
