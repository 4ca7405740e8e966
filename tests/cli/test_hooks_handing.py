"""What the programs call, as they call it: a shell that lets them go at once, and what is recorded behind their backs."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.test_hooks import SAMPLE, count, event, hashes, held, is_held, wait_for
from tract import Tract
from tract.adapters.hooks.program_settings import hook_command

SHELLS = [["/bin/sh", "-c"], ["bash", "-c"], ["bash", "-lc"]]


def call(folder: Path, text: str, *, cwd: Path | None = None, shell: list[str] = SHELLS[0], program: str = "claude-code") -> float:  # fmt: skip
    """Call as a program does, which reads the streams to their end; how many seconds it waited."""
    begun = time.perf_counter()
    command = hook_command(sys.executable, str(folder), program)
    done = subprocess.run([*shell, command], input=text, text=True, capture_output=True, timeout=60, cwd=cwd)
    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
    return time.perf_counter() - begun


def imported(folder: Path, path: Path) -> set[str]:
    with Tract.open(folder) as t:
        t.import_transcript(path, place="tract", name="whole")
    return hashes(folder, "whole")


def processes(words: str) -> list[int]:
    """The processes, but for this one, whose command lines have *words*."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            line = (one / "cmdline").read_bytes()
        except OSError:
            continue
        if words.encode() in line and int(one.name) != os.getpid():
            found.append(int(one.name))
    return found


def ended(words: str) -> Callable[[], bool]:
    return lambda: not processes(words)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_program_is_let_go_before_the_interpreter_has_begun(tmp_path, shell):
    slow = tmp_path / "an interpreter's start"
    slow.write_text(f"#!/bin/sh\nsleep 3\ncat >'{tmp_path}/part'\nmv '{tmp_path}/part' '{tmp_path}/got'\n")
    slow.chmod(0o755)
    text = '{"a": "é % \\\\n \\" $HOME `x`", "long": "' + "x" * 300_000 + '"}'

    begun = time.perf_counter()
    done = subprocess.run([*shell, hook_command(str(slow), "/w", "gemini")], input=text, text=True, capture_output=True, timeout=60)  # fmt: skip
    waited = time.perf_counter() - begun

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
    assert 3 > waited
    wait_for((tmp_path / "got").exists)
    assert text == (tmp_path / "got").read_text()


@pytest.mark.parametrize("ending", [(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT), (signal.SIGTERM,)])
@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_handed_over_is_recorded_though_the_programs_processes_are_ended(tmp_path, shell, ending):
    Tract.open(tmp_path).close()
    path = tmp_path / "session.jsonl"
    path.write_text("".join(SAMPLE))
    command = hook_command(sys.executable, str(tmp_path), "claude-code")
    program = subprocess.Popen([*shell, command], stdin=subprocess.PIPE, start_new_session=True)

    program.communicate(event(path).encode(), timeout=60)
    for each in ending:
        with suppress(ProcessLookupError):
            os.killpg(program.pid, each)

    wait_for(lambda: count(tmp_path) > 8)


def test_the_modules_of_the_project_are_not_taken_for_those_of_the_hook(tmp_path):
    Tract.open(tmp_path).close()
    path = tmp_path / "session.jsonl"
    path.write_text("".join(SAMPLE))
    for name in ("tract", "json", "msgpack", "random", "types"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the project')")

    call(tmp_path, event(path), cwd=tmp_path)

    wait_for(lambda: count(tmp_path) > 8)


@pytest.mark.parametrize("rounds", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_what_a_killed_one_was_handed_the_next_reads(tmp_path, rounds):
    Tract.open(tmp_path).close()
    path = tmp_path / "session.jsonl"
    path.write_text("".join(SAMPLE[:2]))
    begun = time.perf_counter()
    call(tmp_path, event(path))
    wait_for(ended(str(tmp_path)))
    usual = time.perf_counter() - begun
    rng = random.Random(rounds)

    killed = 0
    for number in range(rounds):
        path.write_text("".join(SAMPLE[: 3 + number * (len(SAMPLE) - 3) // rounds]))
        call(tmp_path, event(path))
        time.sleep(usual * rng.uniform(0, 0.8))
        for one in processes(str(tmp_path)):
            os.kill(one, signal.SIGKILL)
            killed += 1
        wait_for(ended(str(tmp_path)))
    path.write_text("".join(SAMPLE))
    call(tmp_path, event(path))
    wait_for(ended(str(tmp_path)))

    assert killed
    assert imported(tmp_path, path) == hashes(tmp_path, "s-1")


def test_many_events_of_two_sessions_at_once_are_recorded_in_order(tmp_path):
    Tract.open(tmp_path).close()
    paths = {name: tmp_path / f"{name}.jsonl" for name in ("s-1", "s-2")}

    for end in (2, 5, 8, 11, len(SAMPLE)):
        for name, path in paths.items():
            path.write_text("".join(SAMPLE[:end]))
            call(tmp_path, event(path, name))
            call(tmp_path, event(path, name))
    wait_for(ended(str(tmp_path)))

    whole = imported(tmp_path, paths["s-1"])
    assert [whole, whole] == [hashes(tmp_path, name) for name in paths]
    assert not (tmp_path / ".tract" / "cache" / "hooks.log").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00", '{"session_id": "s-1"}', '{"session_id": 1, "transcript_path": "/x"}', "null"])  # fmt: skip
def test_what_is_no_event_fails_nobody_and_status_tells(run, tmp_path, text):
    Tract.open(tmp_path).close()

    call(tmp_path, text)

    wait_for(lambda: "event" in run("hooks", "status").err)


def test_an_event_of_megabytes_is_taken_whole(tmp_path):
    Tract.open(tmp_path).close()
    path = tmp_path / "session.jsonl"
    path.write_text("".join(SAMPLE))

    call(tmp_path, json.dumps({**json.loads(event(path)), "last_assistant_message": "words " * 1_000_000}, indent=1))

    wait_for(lambda: count(tmp_path) > 8)


def test_one_that_knows_that_the_turn_is_done_does_not_leave_it_to_one_that_does_not(tmp_path):
    Tract.open(tmp_path).close()
    path = tmp_path / "session.jsonl"
    lines = [json.loads(line) for line in SAMPLE]
    for one in lines:
        if "message" in one:
            one["message"].pop("stop_reason", None)  # so that the event alone says that it is
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    under_way = event(path).replace("Stop", "PreCompact")
    hooks = tmp_path / ".tract" / "cache" / "hooks"
    hooks.mkdir(parents=True)

    with held(hooks / "s-1.now"):
        call(tmp_path, under_way)
        wait_for(lambda: is_held(hooks / "s-1.soon"))
        call(tmp_path, event(path))
        wait_for(lambda: is_held(hooks / "s-1.next"))
        call(tmp_path, event(path))
    wait_for(ended(str(tmp_path)))

    assert imported(tmp_path, path) == hashes(tmp_path, "s-1")


# Codex's hooks are the user's: those of two projects stand side by side


def test_codex_records_each_session_in_the_store_of_its_own_folder(run, tmp_path):
    home, path = tmp_path / "home", tmp_path / "rollout.jsonl"
    meta = {"timestamp": "2026-01-01T00:00:00Z", "type": "session_meta", "payload": {"id": "r", "cwd": "/w"}}
    said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
    line = {"timestamp": "2026-01-01T00:00:01Z", "type": "response_item", "payload": said}
    path.write_text(json.dumps(meta) + "\n" + json.dumps(line) + "\n")
    projects = {name: tmp_path / name for name in ("one", "one more", "two")}
    for folder in projects.values():
        Tract.open(folder).close()
        (folder / "src").mkdir()
        assert 0 == run("-C", str(folder), "hooks", "install", "codex", "--yes", HOME=str(home)).status
    settings = home / ".codex" / "hooks.json"
    commands = [hook["command"] for group in json.loads(settings.read_text())["hooks"]["Stop"] for hook in group["hooks"]]  # fmt: skip
    assert 3 == len(commands)

    for name, folder in (*projects.items(), ("none", tmp_path)):
        told = json.dumps({"session_id": f"of-{name}", "transcript_path": str(path), "hook_event_name": "Stop", "cwd": str(folder / "src")})  # fmt: skip
        for command in commands:
            subprocess.run(["/bin/sh", "-c", command], input=told, text=True, check=True, cwd=tmp_path)
    wait_for(ended(str(tmp_path)))

    found = {name: sorted(one.name for one in (folder / ".tract" / "tracts").glob("of-*")) for name, folder in projects.items()}  # fmt: skip
    assert {"one": ["of-one"], "one more": ["of-one-more"], "two": ["of-two"]} == found


def test_codex_hooks_of_a_project_are_put_in_looked_at_and_taken_out_by_themselves(run, tmp_path):
    home = tmp_path / "home"
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        Tract.open(folder).close()

    def act(folder: Path, *words: str) -> str:
        return run("-C", str(folder), "hooks", *words, "codex", *(["--yes"] if words[0] != "status" else []), HOME=str(home)).out  # fmt: skip

    act(one, "install")
    alone = (home / ".codex" / "hooks.json").read_text()
    assert "not installed" in act(two, "status")
    act(two, "install")
    assert "Nothing to do" in act(one, "install")
    assert "codex: Stop" in act(two, "status")
    act(two, "remove")

    assert "Nothing to do" in act(two, "remove")
    assert "codex: Stop" in act(one, "status")
    assert alone == (home / ".codex" / "hooks.json").read_text()
    act(one, "remove")
    assert not (home / ".codex").exists()


# What status says


def test_what_an_older_tract_put_in_is_told_and_replaced(run, tmp_path):
    path = tmp_path / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": f"/gone/python -m tract -C {tmp_path} hooks run claude-code"}]}]}}))  # fmt: skip

    told = run("hooks", "status", "claude-code")
    run("hooks", "install", "claude-code", "--yes")
    after = run("hooks", "status", "claude-code")

    assert "calls another command than 'tract hooks install claude-code' would install now" in told.err
    assert "" == after.err
    assert "/gone/python" not in path.read_text()


def test_status_says_of_each_program_what_it_can(run, tmp_path):
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "settings.json").write_text("{ // mine")
    run("hooks", "install", "gemini", "--yes")
    run("hooks", "run", "claude-code", "--now", stdin="{")

    shown, as_json = run("hooks", "status"), run("hooks", "status", "--json")

    assert (0, 0) == (shown.status, as_json.status)
    assert "gemini: AfterAgent, PreCompress" in shown.out
    assert "is not JSON" in shown.err
    assert "a hook's event is a JSON object" in shown.err
    assert "is not JSON" in as_json.json["programs"][0]["error"]
    assert ["AfterAgent", "PreCompress"] == as_json.json["programs"][2]["events"]


def test_status_says_that_nothing_is_called_or_that_there_is_no_store(run, tmp_path):
    path = tmp_path / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text('{"disableAllHooks": true}')
    before = run("hooks", "status")
    run("hooks", "install", "claude-code", "--yes")
    disabled = run("hooks", "status")
    (tmp_path / ".tract").rename(tmp_path / "elsewhere")

    without = run("hooks", "status")

    assert "" == before.err
    assert "'disableAllHooks' is set" in disabled.err
    assert "there is no store here" not in disabled.err
    assert "there is no store here" in without.err


@pytest.mark.parametrize("wrong", ["newer", "damaged", "no cache"])
def test_status_says_what_failed_in_a_store_that_cannot_be_written(run, tmp_path, wrong):
    Tract.open(tmp_path).close()
    path, store = tmp_path / "session.jsonl", tmp_path / ".tract"
    path.write_text("".join(SAMPLE))
    (store / "cache").rmdir()
    if wrong == "newer":
        (store / "format").write_text((store / "format").read_text().replace("tract 2", "tract 99"))
    if wrong == "damaged":
        (store / "format").write_bytes(b"\x00" * 100)

    call(tmp_path, event(path) if wrong != "no cache" else "{")

    said = {"newer": "format version '99'", "damaged": "format", "no cache": "a hook's event"}[wrong]
    wait_for(lambda: said in run("hooks", "status").err)
