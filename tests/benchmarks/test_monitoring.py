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
