"""Samples of the long runs: gc beside writers, processes killed at any moment, an agent that never stops.

They are programs of their own, for they fork.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def run(name: str, *options: str, timeout: int = 600) -> Any:
    """What the script found; it must have found nothing wrong. *timeout* is in seconds."""
    command = [sys.executable, str(ROOT / "scripts" / name), "--json", *options]
    if MEMORY is not None:
        command += ["--folder", MEMORY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert (0, "") == (done.returncode, done.stderr), done.stderr + done.stdout
    return json.loads(done.stdout)


@pytest.mark.parametrize("durability", ["process", "full"])
def test_gc_in_a_loop_disturbs_no_writer(durability):
    found = run("gc-race", "--seconds", "3", "--durability", durability)

    assert found["commits"] > 50
    assert found["gcs"] > 1
    assert found["reads"] > 5
    assert found["wait_p99_ms"] < 1000  # a machine under test is busy; scripts/gc-race says what holds on a quiet one


def test_nothing_acknowledged_is_lost_by_killing():
    found = run("kill-9", "--kills", "60", "--every", "60", "--journal", "32768")

    assert 60 == found["kills"]
    assert found["acknowledged"] > 60


def test_an_agent_that_never_stops_stays_small():
    found = run("soak", "--commits", "3000", "--every", "250", "--context", "100", "--retention", "0", "--slack", "2")

    rows = found["rows"]
    assert 12 == len(rows)
    assert rows[-1]["objects"] < 2000
    assert rows[-1]["files"] <= rows[3]["files"]


@pytest.mark.slow
def test_ten_thousand_kills():
    assert 10_000 == run("kill-9", timeout=3600)["kills"]


@pytest.mark.slow
def test_a_minute_of_gc_beside_four_writers():
    assert run("gc-race")["wait_p99_ms"] < 100
