"""A small sample of the benchmark of health: it measures what it says."""

from __future__ import annotations

from pathlib import Path

from benchmarks.health import measure


def test_the_figures_of_a_short_context(tmp_path: Path) -> None:
    found = measure(tmp_path, 400, 3)

    assert found.messages == 400
    assert 0 < found.warm[0] < found.tokens_cold[1]
