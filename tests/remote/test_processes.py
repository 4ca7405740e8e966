"""Two processes with folders of their own, one conversation in a remote, and a hand that kills them."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.making import texts
from tract import Tract
from tract.maintenance.fsck.check import check_repository
from tract.remote.remotes import open_link
from tract.remote.verify import verify_remote

WORKER = str(Path(__file__).with_name("worker.py"))


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
    for who in "abc":
        problems = check_repository(str(tmp_path / who / ".tract")).problems
        assert [] == [one for one in problems if one.severity == "error"]
