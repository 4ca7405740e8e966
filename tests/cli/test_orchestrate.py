"""``tract orchestrate``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.making import call
from tract import Tract, TractConfig


@pytest.fixture
def long(run: Run, tmp_path: Path) -> Run:
    """A store with the outputs of many calls, for whose context little room is left."""
    with Tract.open(tmp_path, config=TractConfig(token_budget=2000)) as t:
        fill(t, 30)
    return run


def fill(t: Tract, count: int) -> None:
    for number in range(count):
        t.commit(call(f"c{number}"))
        t.tool_result(f"c{number}", f"output {number} " + "word " * 25)


def test_it_works_by_rule_asks_for_what_needs_approval_and_is_told_of(long: Run) -> None:
    done = long("orchestrate")

    assert done.status == 0
    assert ": nothing is left to do" in done.out
    logged = long("orchestrate", "--log")
    assert "it was asked for" in logged.out
    assert "ended: nothing is left to do" in logged.out
    assert long("orchestrate", "--log", "--json").json["stopped_because"] == "nothing is left to do"


def test_it_is_paused_resumed_and_stopped(long: Run) -> None:
    assert long("orchestrate", "--state").out == "idle\n"
    assert long("orchestrate", "--pause").out == "paused\n"
    refused = long("orchestrate")
    assert (refused.status, "the orchestrator is paused: resume or stop it" in refused.err) == (128, True)
    assert long("orchestrate", "--resume").status == 0
    assert long("orchestrate", "--stop").out == "stopped\n"
    assert long("orchestrate", "--watch", "--log").status == 2
    assert long("orchestrate", "--watch", "--interval", "-1").status == 2
    wrong = long("orchestrate", "--watch", "--on-token-threshold", "abc")
    assert (wrong.status, "on_token_threshold must be a share of the budget, not 'abc'" in wrong.err) == (128, True)
    assert long("orchestrate", "--on-token-threshold", "0.5").status == 2
    assert "written HH:MM, not '25:00'" in long("orchestrate", "--watch", "--at", "25:00").err
    assert "written as 30m, 6h or 1d, not 'often'" in long("orchestrate", "--watch", "--every", "often").err


def test_a_sidecar_works_beside_an_agent_until_it_is_told_to_end(run: Run, tmp_path: Path) -> None:
    with Tract.open(tmp_path, config=TractConfig(token_budget=100_000)) as t:
        t.user("go")
        environment = {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", os.getcwd())}
        sidecar = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tract",
                "-C",
                str(tmp_path),
                "orchestrate",
                "--watch",
                "--interval",
                "1",
                "--autonomy",
                "autonomous",
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            deadline = time.monotonic() + 20
            while not t.orchestrator_runs() and time.monotonic() < deadline:
                fill(t, 4)  # as an agent with a handle of its own
                t.assistant("and on")
                time.sleep(0.2)
        finally:
            sidecar.send_signal(signal.SIGTERM)
            out, err = sidecar.communicate(timeout=20)
        assert sidecar.returncode == 0, err
        assert "messages came since the last run" in t.orchestrator_runs()[-1].reason
        assert t.orchestrator_state == "idle"
        assert "nothing is left to do" in out
    assert run("fsck").status == 0


@pytest.mark.filterwarnings("ignore::tract.errors.BudgetWarning")
def test_one_command_looks_after_all_tracts_that_need_it(run: Run, tmp_path: Path) -> None:
    for name in ("full", "small"):
        with Tract.open(tmp_path, tract_id=name, config=TractConfig(token_budget=800)) as t:
            fill(t, 30 if name == "full" else 2)

    assert [one["tract_id"] for one in run("tracts", "--over-budget", "--json").json_lines] == ["full"]
    assert run("tracts", "--stale", "1d").out == ""
    done = run("orchestrate", "--all", "--over-budget", "--autonomy", "autonomous")
    assert (done.status, "full" in done.out, "small" in done.out) == (0, True, False)
    limited = run("orchestrate", "--all", "--max-tokens", "1", "--max-seconds", "0")
    assert limited.status != 0
