"""Policies: what they add to a commit, and what a firing costs.

    python -m benchmarks.policies [--sizes 100,100000] [--rounds 20] [--folder /tmp]

In each round every subject makes some commits in turn, in a store of its own with so many messages; medians of the rounds, in processor time, and of the differences within a round.
``without the asking`` is a handle that never looks whether there are policies: what a commit was before there were any.
A firing is a commit whose policy acts: one message is pinned, or the context compressed by rule from 80 % of the budget to 50 %.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.text import messages
from tract import (
    Action,
    ArchivePolicy,
    BranchPolicy,
    CompressPolicy,
    OrchestratorConfig,
    PinPolicy,
    Tract,
    TractConfig,
    TriggerConfig,
)
from tract.agents.policies import register_policy_class

COMMITS = 40
"""In a round, of each subject."""

BUILTIN = (CompressPolicy(0.8), PinPolicy(), BranchPolicy(), ArchivePolicy())
LARGE = 100_000_000
"""A budget that is never used up."""


@dataclass(frozen=True)
class Idle:
    """A policy of one's own that wants nothing."""

    name: str
    priority: int = 10
    trigger: str = "commit"

    def evaluate(self, _: Tract) -> Action | None:
        return None


register_policy_class("Idle", Idle)


class Unasked(Tract):
    """A handle that never looks whether there are policies."""

    def _fire(self, *_: Any) -> None:
        pass

    def _check_required(self) -> None:
        pass


def build(folder: Path, size: int) -> int:
    """A store of so many messages; the tokens of its context."""
    texts = messages(min(size, 2000))
    with Tract.open(folder, durability="process") as t:
        for start in range(0, size, 1000):
            t.extend(
                [{"role": "user", "content": texts[at % len(texts)]} for at in range(start, min(start + 1000, size))]
            )
        return t.compile().token_count


def opened(
    folder: Path, name: str, source: Path, *, budget: int | None = None, policies: Any = None, cls: Any = Tract
) -> Tract:
    """A handle on a copy of *source* of its own, with *policies*, when all were asked once."""
    shutil.copytree(source, folder / name)
    config = None if budget is None else TractConfig(token_budget=budget)
    t: Tract = cls.open(folder / name, durability="process", config=config)
    if policies is not None:
        t.configure_policies(policies, autonomy="autonomous")
    t.user("begin")
    return t


def quiet(t: Tract) -> Tract:
    """The same with an orchestrator whose triggers do not fire."""
    t.configure_orchestrator(OrchestratorConfig(triggers=TriggerConfig(1_000_000_000, 0.9)))
    t.user("begin")
    return t


def per_commit(t: Tract, texts: list[str]) -> float:
    """Microseconds of processor time; threads of tract's own count too."""
    begun = time.process_time()
    for text in texts:
        t.user(text)
    return (time.process_time() - begun) / len(texts) * 1e6


def measure(folder: Path, size: int, rounds: int) -> dict[str, list[float]]:
    """Microseconds a commit, round by round, of each subject."""
    build(folder / "source", size)
    source = folder / "source"
    idle = [Idle(f"idle {number}") for number in range(4)]
    subjects = {
        "without the asking": opened(folder, "unasked", source, cls=Unasked),
        "no policy": opened(folder, "none", source),
        "no policy, a budget": opened(folder, "budget", source, budget=LARGE),
        "a quiet orchestrator, a budget": quiet(opened(folder, "quiet", source, budget=LARGE)),
        "tract's four, a budget": opened(folder, "builtin", source, budget=LARGE, policies=BUILTIN),
        "four of one's own": opened(folder, "own", source, policies=idle),
    }
    found: dict[str, list[float]] = {name: [] for name in subjects}
    for turn in range(rounds + 2):
        texts = messages(COMMITS, seed=turn)
        for name, t in subjects.items():
            took = per_commit(t, texts)
            if turn > 1:  # the first are to get warm
                found[name].append(took)
    for t in subjects.values():
        t.close()
    return found


def firings(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Microseconds of a firing: the commit that pins, and the one that compresses."""
    source = folder / "source"
    pins = opened(folder, "pins", source, policies=[PinPolicy(patterns=[{"text": "^critical"}])])
    found: dict[str, list[float]] = {"pins a message": [], "compresses": []}
    for turn in range(rounds):
        found["pins a message"].append(timed(lambda turn=turn: pins.user(f"critical {turn}")))  # type: ignore[misc]
    pins.close()
    with Tract.open(source) as t:
        tokens = t.compile().token_count
    for turn in range(min(rounds, 5)):
        t = opened(folder, f"compresses {turn}", source, budget=int(tokens / 0.79), policies=[CompressPolicy(0.8)])
        found["compresses"].append(timed(lambda t=t: t.user("word " * (tokens // 50 + 20))))  # type: ignore[misc]
        assert t.policy_log()[0].outcome == "executed", t.policy_log()
        t.close()
        shutil.rmtree(folder / f"compresses {turn}")
    return found


def timed(act: Callable[[], object]) -> float:
    """Microseconds of processor time."""
    begun = time.process_time()
    act()
    return (time.process_time() - begun) * 1e6


def against(found: dict[str, list[float]], name: str, base: str) -> float:
    """The median of what *name* takes more than *base* in the same round."""
    return statistics.median(one - other for one, other in zip(found[name], found[base], strict=True))


BASES = {
    "no policy": "without the asking",
    "a quiet orchestrator, a budget": "no policy, a budget",
    "tract's four, a budget": "no policy, a budget",
    "four of one's own": "no policy",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.policies", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="100,100000")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--folder", default=None)
    options = parser.parse_args()
    for size in map(int, options.sizes.split(",")):
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            folder = Path(name)
            found = measure(folder, size, options.rounds)
            print(f"\n| {size:,} messages: a commit | processor time | more, in the same round |\n|---|---:|---:|")
            for subject, values in found.items():
                more = f"{against(found, subject, BASES[subject]):+.1f} µs" if subject in BASES else ""
                print(f"| {subject} | {statistics.median(values):.1f} µs | {more} |")
            for subject, values in firings(folder, options.rounds).items():
                print(f"| a firing that {subject} | {statistics.median(values) / 1000:.2f} ms | |")


if __name__ == "__main__":
    main()
