"""When a run begins by itself: triggers, schedules, and what a failure, another process or a proposal that waits makes of them."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.agents.test_orchestrator import FREE, make, scripted
from tests.making import make_tract, texts
from tract import OrchestratorConfig, Tract, TriggerConfig
from tract.agents.orchestrator import LAST_RETRY, OrchestratorCallbacks, change_status, retry_after
from tract.agents.schedule import Schedule, read_at, read_every
from tract.errors import LLMRateLimitError, OrchestratorError, PolicyWarning

pytestmark = pytest.mark.filterwarnings("ignore::tract.errors.BudgetWarning")


def talk(t: Tract, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        t.user(f"question {number} " + "word " * 20)
        t.assistant(f"answer {number} " + "word " * 20)


# Schedules


def test_a_run_is_due_when_the_last_one_is_long_enough_ago() -> None:
    every = Schedule(timedelta(hours=6))
    noon = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)

    assert every.why_due(None, noon, noon) == "it runs every 6:00:00"
    assert every.why_due(noon, noon, noon + timedelta(hours=5, minutes=59)) is None
    assert every.why_due(noon, noon, noon + timedelta(hours=6)) == "it runs every 6:00:00"


def test_a_run_is_due_once_a_day_at_its_time() -> None:
    daily = Schedule(at=time(3, 30))
    noon = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
    night = datetime(2026, 5, 2, 3, 30, tzinfo=UTC)

    assert daily.why_due(None, noon, noon + timedelta(hours=15)) is None
    assert daily.why_due(None, noon, night) == "it runs at 03:30"
    assert daily.why_due(night + timedelta(seconds=1), noon, night + timedelta(hours=23)) is None
    assert daily.why_due(night, noon, night + timedelta(days=1)) == "it runs at 03:30"
    assert daily.why_due(noon - timedelta(days=3), noon, noon + timedelta(hours=1)) == "it runs at 03:30"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("6h", 21_600), ("1d", 86_400), (" 2w", 1_209_600)]
)
def test_times_between_runs_are_read(text: str, seconds: int) -> None:
    assert read_every(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "0h", "-1h", "6", "h", "1.5h", "1000000000d", "\x1b[31m1h"])
def test_what_is_no_time_between_runs_is_refused(text: str) -> None:
    with pytest.raises(OrchestratorError, match="a time between runs is written as 30m, 6h or 1d"):
        read_every(text)


@pytest.mark.parametrize("text", ["", "24:00", "3", "3:3:3", "noon"])
def test_what_is_no_time_of_the_day_is_refused(text: str) -> None:
    with pytest.raises(OrchestratorError, match="a time of the day is written HH:MM"):
        read_at(text)


def test_who_watches_runs_by_the_schedule() -> None:
    t = make(budget=None)
    t.user("one")
    with t.watching(TriggerConfig(None, None), Schedule(timedelta(hours=1))):
        first = t.orchestrate_if_due()
        assert first is not None
        assert t.orchestrate_if_due() is None
        change_status(t.repository, ran_at=t.repository.clock() - 3_600_000_001)
        again = t.orchestrate_if_due()
        assert again is not None
    assert {run.reason for run in t.orchestrator_runs()} == {"it runs every 1:00:00"}


# Who watches


def test_the_triggers_of_who_watches_are_gone_with_it(tmp_path: Path) -> None:
    with make(path=tmp_path, budget=None) as t, make_tract(path=tmp_path, verify_cache=False) as sidecar:
        t.user("long ago")
        with sidecar.watching(TriggerConfig(4, None)):
            talk(t, 1)
            assert sidecar.orchestrate_if_due() is None
            talk(t, 2, start=1)
            assert sidecar.orchestrate_if_due() is not None
        talk(t, 10, start=3)
        assert len(t.orchestrator_runs()) == 1


def test_who_begins_to_watch_looks_anew_at_a_context_that_is_above_the_threshold(tmp_path: Path) -> None:
    with make(path=tmp_path, budget=3000) as t, make_tract(path=tmp_path, verify_cache=False) as sidecar:
        t.configure_orchestrator(OrchestratorConfig(triggers=TriggerConfig(None, 0.7)))
        talk(t, 60)
        assert [step.split(":")[0] for run in t.orchestrator_runs() for step in run.steps] == ["1. compress"]
        assert len(t.proposals()) == 1

        with sidecar.watching():
            done = sidecar.orchestrate_if_due(config=FREE)

        assert done is not None
        assert [(one.action.name, one.proposal) for one in done.steps] == [("compress", None)]
        assert t.status().token_count < 2100


def test_what_was_rejected_is_not_done_at_any_autonomy() -> None:
    t = make()
    talk(t, 20)
    t.orchestrate()
    t.reject_proposal(None, "keep it all")

    assert t.orchestrate(config=FREE).steps == ()


def test_a_context_that_a_run_brought_down_fires_again_however_fast_it_grows() -> None:
    """The agent goes on while the run is at work, so that at its end the context is above the threshold again."""
    t = make()
    said: list[int] = []

    def growing(_: Any) -> None:
        if not said:
            said.append(1)
            talk(t, 20, start=100)

    config = OrchestratorConfig(callbacks=OrchestratorCallbacks(None, growing), autonomy_ceiling="autonomous")
    talk(t, 20)
    with t.watching(TriggerConfig(None, 0.7)):
        model = scripted(("too long", ("compress", {"content": "short", "keep_recent": 2})), "done")
        t.configure_llm(model)
        first = t.orchestrate_if_due(config=config)
        assert first is not None
        assert t.status().token_count > 700
        assert t.orchestrate_if_due(config=config) is not None


# Failures


def test_after_a_failure_the_triggers_wait_longer_and_longer() -> None:
    assert [retry_after(n) for n in (1, 2, 3, 4)] == [30, 60, 120, 240]
    assert retry_after(50) == LAST_RETRY

    t = make(budget=None)
    asked: list[int] = []

    def failing(*_: Any, **__: Any) -> str:
        asked.append(1)
        raise LLMRateLimitError("slow down")

    t.configure_orchestrator(OrchestratorConfig(triggers=TriggerConfig(2, None)), failing)
    talk(t, 1)
    with pytest.warns(PolicyWarning, match="slow down"):
        t.compile()
    talk(t, 3)
    t.compile()
    assert len(asked) == 1

    change_status(t.repository, retry_at=t.repository.clock() - 1)
    t.user("go on")
    with pytest.warns(PolicyWarning, match="slow down"):
        t.compile()
    assert len(asked) == 2
    change_status(t.repository, retry_at=t.repository.clock() - 1)
    t.configure_orchestrator(OrchestratorConfig(triggers=TriggerConfig(2, None)), scripted("nothing is left"))
    t.user("go on")
    assert len(texts(t)) == 11
    assert t.orchestrator_runs()[0].stopped_because == "nothing is left to do"


def test_the_token_threshold_is_tried_again_after_a_failure() -> None:
    t = make()
    model = scripted(LLMRateLimitError("slow down"), "nothing is left")
    t.configure_orchestrator(OrchestratorConfig(triggers=TriggerConfig(None, 0.7)), model)
    talk(t, 20)
    with pytest.warns(PolicyWarning, match="slow down"):
        t.compile()
    change_status(t.repository, retry_at=t.repository.clock() - 1)

    t.user("go on")
    t.compile()

    assert t.orchestrator_runs()[0].stopped_because.endswith("tokens: it said 'nothing is left'")
