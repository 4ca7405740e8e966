"""A small sample of the monitoring benchmark: the same promises, in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.monitoring import WAYS, plot, report, run


@pytest.mark.parametrize("way", WAYS)
def test_a_day_of_alerts_in_small(way: str, tmp_path: Path) -> None:
    turns = 250
    outcome = run(way, tmp_path, turns, model=0.002, kills=1, budget=16_000)

    assert outcome.compressions > 0
    assert outcome.kills == (way == "orchestrator")
    assert len(outcome.pins) >= 40
    assert report(outcome).startswith(f"{way}: 250 turns in ")
    assert plot([outcome]).count("<polyline") == 3


def test_where_the_orchestrator_has_no_time_what_stands_behind_it_keeps_the_budget(tmp_path: Path) -> None:
    outcome = run("orchestrator", tmp_path, 250, model=0.001, kills=0, budget=8_000, interval=3600)

    assert outcome.backstops > 0
    assert outcome.highest <= outcome.budget
