"""Two processes with folders of their own, one conversation in a remote, and a hand that kills them."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.making import texts
from tract import Tract
from tract.maintenance.fsck.check import check_repository
from tract.remote.remotes import open_link
from tract.remote.verify import verify_remote

WORKER = str(Path(__file__).with_name("worker.py"))
APPENDER = str(Path(__file__).with_name("appender.py"))


def start(url: str, folder: Path, who: str, turns: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, WORKER, url, str(folder), who, str(turns)]
    with folder.with_suffix(".err").open("ab") as errors:
        return subprocess.Popen(command, env={"PYTHONPATH": ":".join(sys.path)}, stderr=errors)


@pytest.mark.parametrize(("turns", "kills"), [(30, 2), pytest.param(200, 10, marks=pytest.mark.slow)])
def test_two_processes_take_turns_through_a_remote_though_they_are_killed(
    tmp_path: Path, turns: int, kills: int
) -> None:
    url = f"file://{tmp_path}/remote"
    running = {who: start(url, tmp_path / who, who, turns) for who in "ab"}
    chance = random.Random(5)
    end = time.monotonic() + 60 + 2 * turns
    while any(one.poll() is None for one in running.values()) and time.monotonic() < end:
        time.sleep(0.1 if not kills else chance.uniform(0.3, 0.7))
        for who, one in running.items():
            if one.poll() not in (None, 0, -9):
                raise AssertionError((tmp_path / who).with_suffix(".err").read_text())
            if one.poll() == -9:
                running[who] = start(url, tmp_path / who, who, turns)
        victim = running[chance.choice("ab")]
        if kills and victim.poll() is None:
            kills -= 1
            victim.kill()
            victim.wait()
    assert [0, 0] == [one.wait(5) for one in running.values()]

    with Tract.clone(url, tmp_path / "c") as t:
        said = texts(t)
        assert [f"{'ab'[number % 2]}-{number}" for number in range(turns)] == said
        assert [{"turn": n} for n in range(turns)] == [one.generation_config for one in reversed(t.log(None))]
        assert verify_remote(open_link(t.repository, "origin")).is_clean
    acknowledged = [line for who in "ab" for line in (tmp_path / f"{who}.said").read_text().split()]
    assert len(acknowledged) == len(set(acknowledged))
    assert set(acknowledged) <= set(said)
    for folder in (tmp_path / who for who in "abc"):
        if folder.exists():  # one may have been ended before it made its store
            problems = check_repository(str(folder / ".tract")).problems
            assert [] == [one for one in problems if one.severity == "error"]


def append(url: str, folder: Path, who: str, threads: int, each: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, APPENDER, url, str(folder), who, str(threads), str(each)]
    with folder.with_suffix(".err").open("ab") as errors:
        return subprocess.Popen(command, env={"PYTHONPATH": ":".join(sys.path)}, stderr=errors)


@pytest.mark.parametrize(
    ("ending", "rounds"),
    [
        (signal.SIGKILL, 2),
        (signal.SIGINT, 2),
        pytest.param(signal.SIGKILL, 40, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 40, marks=pytest.mark.slow),
    ],
)
def test_writers_that_are_ended_at_any_moment_leave_every_acknowledged_commit_there_once(
    tmp_path: Path, ending: signal.Signals, rounds: int
) -> None:
    """Whoever leads is ended too; what waits then lands by another, or with the next opening."""
    url = f"file://{tmp_path}/remote"
    with Tract.open(tmp_path / "first", remote=url, sync="commit") as t:
        t.user("begin")
    chance = random.Random(ending)
    running: dict[str, subprocess.Popen[bytes]] = {}
    for who in "abc":
        (tmp_path / f"{who}.said").touch()
    for number in range(rounds):
        for who in "abc":
            one = running.get(who)
            if one is None or one.poll() is not None:
                running[who] = append(url, tmp_path / who, f"{who}{number}", 3, 20)
        time.sleep(chance.uniform(0.5, 2.5))
        victim = chance.choice("abc")
        running[victim].send_signal(ending)
        running[victim].wait(60)
    for who, one in running.items():
        assert one.wait(180) in (0, -ending, 130), (tmp_path / f"{who}.err").read_text()

    with Tract.open(tmp_path / "last", remote=url, sync="commit", on_moved="append") as t:
        t.user("end")
        said = Counter(texts(t))
        assert [] == [text for text, times in said.items() if times > 1]
        for info in t.log(None):
            text = t.get_content(info).text
            if text not in ("begin", "end"):
                assert {"at": int(text.rpartition("-")[2])} == info.generation_config
                assert text.startswith(info.author)
        assert verify_remote(open_link(t.repository, "origin")).is_clean
    acknowledged = [line for who in "abc" for line in (tmp_path / f"{who}.said").read_text().split()]
    assert len(acknowledged) > 10
    assert set(acknowledged) <= set(said)
    for folder in (tmp_path / who for who in "abc"):
        if folder.exists():  # one may have been ended before it made its store
            problems = check_repository(str(folder / ".tract")).problems
            assert [] == [one for one in problems if one.severity == "error"]
