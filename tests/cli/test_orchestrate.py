"""``tract orchestrate``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.llm.server import LLMServer, fail, llm_process, llm_server, text
from tests.making import call
from tract import Tract, TractConfig

__all__ = ["llm_process", "llm_server"]


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
    assert (0, "idle\n") == long("orchestrate", "--resume")[:2]
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


# A fleet with a model


@pytest.fixture
def fleet(tmp_path: Path) -> list[str]:
    """Six tracts of a store."""
    names = [f"agent {number}" for number in range(6)]
    for name in names:
        with Tract.open(tmp_path, tract_id=name) as t:
            t.user("one")
            t.user("two")
    return names


def asking(run: Run, server: LLMServer, *options: str) -> Any:
    environ = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": server.url}
    return run("orchestrate", "--all", "--provider", "openai", "--model", "any", *options, **environ)


def test_so_many_calls_to_the_model_are_under_way_at_once_and_no_more(
    run: Run, fleet: list[str], llm_server: LLMServer
) -> None:
    llm_server.script(*(text("nothing is left", delay=0.8) for _ in range(7)))

    done = asking(run, llm_server, "--at-once", "3")

    assert (done.status, done.err) == (0, "")
    assert all(name in done.out for name in fleet)
    times = sorted(question.at for question in llm_server.requests())
    assert len(times) == 7  # the root tract, too
    assert times[1] - times[0] < 0.8
    assert all(later - before > 0.75 for before, later in zip(times, times[3:], strict=False))


@pytest.mark.usefixtures("fleet")
def test_what_the_fleet_costs_a_day_is_capped_over_commands(run: Run, llm_server: LLMServer) -> None:
    llm_server.script(
        *(text("nothing is left", usage={"prompt_tokens": 100, "completion_tokens": 0}) for _ in range(9))
    )

    first = asking(run, llm_server, "--max-cost-a-day", "250")
    second = asking(run, llm_server, "--max-cost-a-day", "250")

    assert first.status == 1
    assert "the limits are reached: 4 of 7 tracts were not worked on" in first.err
    assert "the limits are reached: 7 of 7 tracts were not worked on" in second.err
    assert len(llm_server.requests()) == 3
    assert asking(run, llm_server, "--max-cost", "150").status == 1
    assert len(llm_server.requests()) == 5


@pytest.mark.usefixtures("fleet")
def test_a_model_that_fails_for_one_tract_is_told_and_the_others_are_looked_after(
    run: Run, llm_server: LLMServer
) -> None:
    llm_server.script("nothing is left", fail(400, "no such thing"), *(["nothing is left"] * 5))

    done = asking(run, llm_server)

    assert done.status == 1
    assert done.out.count("nothing is left to do") == 6
    assert "the model failed" in done.out


def test_options_that_go_with_others_say_so(run: Run) -> None:
    assert run("orchestrate", "--at-once", "2").status == 2
    assert run("orchestrate", "--all", "--at-once", "0").status == 2
    assert run("orchestrate", "--max-cost-a-day", "2").status == 2
