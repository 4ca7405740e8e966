"""What policies add to a commit, in calls of functions: exact, so that no clock is needed."""

from __future__ import annotations

import cProfile
import pstats
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any

from benchmarks.policies import BUILTIN, LARGE, Unasked, firings, measure, quiet
from benchmarks.text import messages
from tract import Tract, TractConfig

TEXTS = messages(400)
COMMITS = 50


def calls(path: Path, count: int, policies: Sequence[Any] = (), *, cls: type[Tract] = Tract) -> float:
    """How many functions a commit calls, in a context of *count* messages."""
    with cls.open(path, durability="process", config=TractConfig(token_budget=LARGE)) as t:
        if policies:
            t.configure_policies(policies, autonomy="autonomous")
        for start in range(0, count, 500):
            t.extend([{"role": "user", "content": TEXTS[at % 400]} for at in range(start, min(start + 500, count))])
        for text in TEXTS[:60]:
            t.user(text)
        profile = cProfile.Profile()
        profile.enable()
        for text in TEXTS[60 : 60 + COMMITS]:
            t.user(text)
        profile.disable()
    return float(pstats.Stats(profile).total_calls) / COMMITS  # type: ignore[attr-defined]


def test_without_a_policy_a_commit_asks_in_few_calls(tmp_path: Path) -> None:
    assert calls(tmp_path / "a", 100) - calls(tmp_path / "b", 100, cls=Unasked) < 20  # their number varies by some five


def test_four_that_do_nothing_cost_the_same_however_long_the_context_is(tmp_path: Path) -> None:
    short, long = (
        calls(tmp_path / f"{size} four", size, BUILTIN) - calls(tmp_path / f"{size} none", size) for size in (100, 3000)
    )

    assert short < 600
    assert long < short + 60  # one count differs from the next by some ten


def instructions(t: Tract) -> float:
    """How many of Python's instructions a commit takes, the median of a few."""
    counts = []

    def count(frame: FrameType, event: str, _: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        counts[-1] += event == "opcode"
        return count

    for text in TEXTS[60:81]:
        counts.append(0)
        before = sys.gettrace()
        sys.settrace(count)
        try:
            t.user(text)
        finally:
            sys.settrace(before)
    return median(counts)


def test_an_orchestrator_whose_triggers_do_not_fire_adds_a_hundredth_to_a_commit(tmp_path: Path) -> None:
    """Some 60 of 9,700 instructions, where a microsecond is some 80."""
    without, with_one = (Tract.open(tmp_path / name, config=TractConfig(token_budget=LARGE)) for name in "ab")
    with without, with_one:
        for text in TEXTS[:60]:
            without.user(text)
            with_one.user(text)
        assert instructions(quiet(with_one)) - instructions(without) < 100


def test_the_benchmark_measures(tmp_path: Path) -> None:
    found = measure(tmp_path, 60, 1)
    assert set(found) == {
        "without the asking",
        "no policy",
        "no policy, a budget",
        "a quiet orchestrator, a budget",
        "tract's four, a budget",
        "four of one's own",
    }
    assert all(value > 0 for values in (found | firings(tmp_path, 1)).values() for value in values)
