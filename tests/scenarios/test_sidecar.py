"""``tract orchestrate --watch`` when it is told to end, killed, paused or begun twice, in the middle of a model's call."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agents.test_loop import calling
from tests.cli.conftest import runner
from tests.llm.server import LLMServer, llm_process, llm_server, text
from tests.making import make_tract, texts
from tests.sidecar import Sidecar, sidecar, wait
from tract import Tract, TractConfig
from tract.agents.orchestrator import is_done

__all__ = ["llm_process", "llm_server"]

WISH = ("compress", {"content": "what was said", "from_commit": "2", "to_commit": "10"})
OPTIONS = ("--interval", "1", "--on-commit-count", "5")


@pytest.fixture
def t(tmp_path: Path) -> Iterator[Tract]:
    """An agent's own handle."""
    with make_tract(path=tmp_path, config=TractConfig(token_budget=100_000), verify_cache=False) as found:
        found.configure_policies(autonomy="autonomous")
        found.system("You mend programs.")
        for number in range(12):
            found.user(f"turn {number}")
        yield found


def slowly(*calls: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """An answer that takes a while."""
    return {**calling(*calls, say="they are old"), "delay": 1.5}


def in_a_call(t: Tract, beside: Sidecar, server: LLMServer) -> None:
    """Give it something to do, and wait until it asks its model."""
    beside.wait_until(lambda: is_done(t.repository, "watch"))
    for number in range(6):
        t.user(f"one more, {number}")
    beside.wait_until(lambda: len(server.requests()) == 1)


def test_the_call_under_way_comes_to_its_end_and_the_next_one_begins_where_it_was(
    t: Tract, tmp_path: Path, llm_server: LLMServer
) -> None:
    llm_server.script(slowly(WISH), text("done"))
    with sidecar(tmp_path, *OPTIONS, server=llm_server) as beside:
        in_a_call(t, beside, llm_server)
        ended = beside.end()

    assert (ended.status, ended.err) == (0, "")
    assert texts(t)[:3] == ["You mend programs.", "what was said", "turn 9"]
    assert [run.stopped_because for run in t.orchestrator_runs()] == ["its process was told to end"]
    assert t.orchestrator_state == "idle"
    with sidecar(tmp_path, *OPTIONS, server=llm_server) as beside:
        beside.wait_until(lambda: len(t.orchestrator_runs()) == 2)
        assert beside.end().status == 0
    assert t.orchestrator_runs()[0].reason == "6 messages came since the last run"


def test_one_that_is_killed_is_in_nobody_s_way_and_the_next_run_writes_it_down(
    t: Tract, tmp_path: Path, llm_server: LLMServer
) -> None:
    llm_server.script(slowly(WISH), calling(WISH, say="they are old"), text("done"))
    with sidecar(tmp_path, *OPTIONS, server=llm_server) as beside:
        in_a_call(t, beside, llm_server)
        assert t.orchestrator_state == "running"
        assert beside.end(signal.SIGKILL).status == -signal.SIGKILL
    assert t.orchestrator_state == "idle"
    t.assistant("the agent goes on")

    with sidecar(tmp_path, *OPTIONS, server=llm_server) as beside:
        beside.wait_until(lambda: len(t.orchestrator_runs()) == 2)
        assert beside.end().status == 0

    again, killed = t.orchestrator_runs()
    assert killed.stopped_because == "its process died; the steps are those that landed"
    assert killed.reason == "6 messages came since the last run"
    assert killed.run_id != again.run_id
    assert again.stopped_because == "nothing is left to do"
    assert texts(t)[1] == "what was said"
    assert runner(tmp_path)("fsck").status == 0


def test_one_that_is_paused_stays_so_over_a_kill_and_goes_on_where_it_was(
    t: Tract, tmp_path: Path, llm_server: LLMServer
) -> None:
    llm_server.script(
        slowly(WISH), calling(("annotate", {"target": "3", "priority": "skip"}), say="it too"), text("done")
    )
    person = runner(tmp_path)
    with sidecar(tmp_path, *OPTIONS, server=llm_server) as beside:
        in_a_call(t, beside, llm_server)
        assert person("orchestrate", "--pause").out == "paused\n"
        beside.wait_until(lambda: t.orchestrator_runs())
        beside.end(signal.SIGKILL)
    for number in range(9):
        t.user(f"and on, {number}")

    with sidecar(tmp_path, *OPTIONS, server=llm_server) as beside:
        beside.wait_until(lambda: is_done(t.repository, "watch"))
        refused = person("orchestrate")
        assert (refused.status, "resume or stop it" in refused.err) == (128, True)
        assert len(llm_server.requests()) == 1
        options = ("--provider", "openai", "--model", "any", "--autonomy", "autonomous")
        environ = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": llm_server.url}
        resumed = person("orchestrate", "--resume", *options, **environ)
        assert (resumed.status, resumed.err) == (0, "")
        assert beside.end().status == 0

    parts = t.orchestrator_runs()
    assert [one.stopped_because for one in parts] == ["nothing is left to do", "it was paused"]
    assert parts[0].run_id == parts[1].run_id
    assert "compress" in str(llm_server.requests()[1].messages), "it is told what it did before"
    assert t.orchestrator_state == "idle"


def test_a_second_one_is_told_and_a_run_by_hand_is_not_in_its_way(t: Tract, tmp_path: Path) -> None:
    person = runner(tmp_path)
    with sidecar(tmp_path, *OPTIONS) as beside:
        beside.wait_until(lambda: is_done(t.repository, "watch"))
        second = person("orchestrate", "--watch")
        assert second.status == 128
        assert "the triggers are being watched in another process" in second.err
        assert "SIGTERM ends the process with --watch" in second.err
        assert person("orchestrate").status == 0
        assert beside.end().status == 0
    with sidecar(tmp_path, *OPTIONS) as beside:
        wait(lambda: is_done(t.repository, "watch"))
