"""A monitoring agent that never stops (scenario X.4): 100,000 alerts, the critical ones pinned, the context compressed and the store collected by tract itself.

    python -m benchmarks.monitoring                          both ways; prints tables, and writes docs/monitoring.svg
    python -m benchmarks.monitoring --by policies --turns 2000     a look; writes nothing

``policies``: CompressPolicy, PinPolicy and GCPolicy in the agent's own process.
``orchestrator``: ``tract orchestrate --watch`` in a process of its own, killed with SIGKILL and started again ten times; the agent pins, and has a default handle. Behind it stands CompressPolicy in the agent's process, at 95 % of the budget, for when the other has no time of the processor.

The agent waits *model* seconds for each answer, so that the other process can keep up as it would beside a real one.
At the end every critical alert must be in the context, byte for byte and under its own id, no answer may have been refused, and fsck must find nothing.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.long_run import Row, chart, size_of
from benchmarks.text import ALERT_WORDS
from tract import (
    BudgetWarning,
    CompressPolicy,
    GCPolicy,
    LockTimeoutError,
    PinPolicy,
    RefMovedError,
    Tract,
    TractConfig,
)
from tract.agents.orchestrator import is_done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tract import CommitInfo

BUDGET = 200_000
COMPRESS_AT = {"policies": 0.8, "orchestrator": 0.7}
WAYS = tuple(COMPRESS_AT)
BACKSTOP = 0.95
MODEL = {"policies": 0.002, "orchestrator": 0.006}
"""Seconds that an answer takes: beside another process enough for that to keep up; in eight hours it would be 0.29."""

KEPT_DAYS = 10 / 86_400
"""How long the originals of summaries are kept: ten seconds of a run of minutes are the hour of eight hours."""

PLOT = Path(__file__).resolve().parent.parent / "docs" / "monitoring.svg"


class Sample(NamedTuple):
    """The state after *turn*: tokens of the context, bytes on disk, and of the turns since the last sample the median and the longest, in ms without the model."""

    turn: int
    tokens: int
    size: int
    usual_ms: float
    longest_ms: float


@dataclass
class Outcome:
    """What a run came to; *refused* are answers that could not be committed, *waits* those that were said again because the store's lock was not free for 30 s, *pins* the criticals, all found again."""

    way: str
    turns: int
    budget: int
    samples: list[Sample] = field(default_factory=list)
    pins: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    kills: int = 0
    waits: int = 0
    compressions: int = 0
    backstops: int = 0
    collections: int = 0
    seconds: float = 0.0

    @property
    def highest(self) -> int:
        """The most tokens that a sample had."""
        return max(one.tokens for one in self.samples)

    def largest(self, start: float, stop: float) -> int:
        """The most bytes on disk between two shares of the run."""
        return max(one.size for one in self.samples if start <= one.turn / self.turns <= stop)


def run(
    way: str,
    folder: Path,
    turns: int,
    *,
    model: float | None = None,
    kills: int = 10,
    budget: int = BUDGET,
    interval: float = 1,
) -> Outcome:
    """Be the agent for so many *turns*, with an orchestrator that looks every *interval* seconds; AssertionError where a promise is broken."""
    warnings.simplefilter("ignore", BudgetWarning)  # the most tokens are looked at below
    outcome = Outcome(way, turns, budget)
    model = MODEL[way] if model is None else model
    started = time.monotonic()
    config = TractConfig(
        token_budget=budget,
        tokenizer_encoding="estimate",
        archive_retention_days=KEPT_DAYS,
        orphan_retention_days=KEPT_DAYS,
    )
    with Tract.open(folder, config=config, durability="process") as t:
        t.system("You watch the alerts of a plant. Say what each means and what to do.")
        t.configure_policies(autonomy="autonomous")
        if way == "policies":
            t.configure_policies(
                [
                    CompressPolicy(COMPRESS_AT[way]),
                    PinPolicy(patterns=[{"text": "severity: critical"}]),
                    GCPolicy(archive_retention_days=KEPT_DAYS, orphan_retention_days=KEPT_DAYS, min_garbage="4M"),
                ]
            )
            _be_agent(t, outcome, model, lambda _: None)
            if t._apart is not None:
                t._apart.join(60)
        else:
            t.configure_policies([CompressPolicy(BACKSTOP)])
            with _sidecar(folder, interval) as process:
                _wait(lambda: is_done(t.repository, "watch"))

                def kill(turn: int) -> None:
                    if kills and outcome.kills < kills and turn >= (outcome.kills + 1) * turns // (kills + 1):
                        process.kill_and_restart()
                        outcome.kills += 1

                _be_agent(t, outcome, model, kill)
                if interval < 60:
                    _wait(lambda: t.status().token_count < COMPRESS_AT[way] * budget)
        outcome.seconds = time.monotonic() - started
    _check(folder, outcome)
    return outcome


def _be_agent(t: Tract, outcome: Outcome, model: float, after_turn: object) -> None:
    chance = random.Random(4)
    every = max(1, outcome.turns // 200)
    critical_every = max(1, outcome.turns // 40)
    times: list[float] = []
    for turn in range(outcome.turns):
        is_critical = turn % critical_every == 0
        alert = f"alert {turn}, severity: {'critical' if is_critical else 'low'}: {' '.join(chance.choices(ALERT_WORDS, k=24))}"
        begun = time.perf_counter()
        made = _patiently(outcome, t.user, alert)
        if is_critical:
            outcome.pins[made.commit_hash] = alert
            if outcome.way == "orchestrator":
                t.annotate(made.commit_hash, "pinned", reason="severity: critical")
        t.compile()
        asked = time.perf_counter()
        time.sleep(model)
        answered = time.perf_counter()
        try:
            _patiently(outcome, t.assistant, f"noted {turn}: {' '.join(chance.choices(ALERT_WORDS, k=16))}")
        except RefMovedError:
            outcome.refused += 1
        times.append(time.perf_counter() - answered + asked - begun)
        if (turn + 1) % every == 0:
            size = size_of(Path(str(t.path)))
            milliseconds = sorted(1000 * one for one in times)
            tokens = t.status().token_count
            outcome.samples.append(Sample(turn + 1, tokens, size, median(milliseconds), milliseconds[-1]))
            times.clear()
            if os.environ.get("TRACT_BENCH_PROGRESS"):
                print(outcome.samples[-1], file=sys.stderr, flush=True)
        after_turn(turn)  # type: ignore[operator]


def _patiently(outcome: Outcome, say: Callable[[str], CommitInfo], text: str) -> CommitInfo:
    """Say it again where the lock was not free within its 30 s, as on a machine that has no time for the other process."""
    while True:
        try:
            return say(text)
        except LockTimeoutError:
            outcome.waits += 1


def _wait(is_so: Callable[[], bool]) -> None:
    """Wait until that is so; AssertionError after a minute."""
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, "the sidecar does nothing"
        time.sleep(0.05)


class _Process:
    """``tract orchestrate --watch`` beside the agent."""

    def __init__(self, folder: Path, interval: float) -> None:
        self._command = [sys.executable, "-m", "tract", "-C", str(folder), "orchestrate", "--watch"]
        self._command += ["--interval", str(interval), "--autonomy", "autonomous", "--on-commit-count", "0"]
        self._log = (folder / "sidecar.log").open("ab")
        self.start()

    def start(self) -> None:
        self._child = subprocess.Popen(self._command, stdout=self._log, stderr=self._log, env={**os.environ})

    def kill_and_restart(self) -> None:
        self._child.kill()
        self._child.wait()
        self.start()

    def end(self) -> None:
        self._child.terminate()
        try:
            status = self._child.wait(60)
        finally:
            self._child.kill()
            self._log.close()
        assert status == 0, f"the sidecar ended with {status}: {Path(self._log.name).read_text()[-2000:]}"


@contextmanager
def _sidecar(folder: Path, interval: float) -> Iterator[_Process]:
    process = _Process(folder, interval)
    try:
        yield process
    finally:
        process.end()


def _check(folder: Path, outcome: Outcome) -> None:
    with Tract.open(folder) as t:
        context = t.compile(policies=False)
        said = dict(zip(context.commit_hashes, (message.content for message in context.messages), strict=True))
        outcome.compressions, outcome.backstops, outcome.collections = _counted(t, outcome.way)
    assert outcome.pins.items() <= said.items(), "a critical alert is not as it was"
    assert outcome.refused == 0, f"{outcome.refused} answers were refused"
    log = folder / "sidecar.log"
    told = log.read_text()[-2000:] if log.exists() else ""
    assert outcome.highest <= outcome.budget, f"the context had {outcome.highest} tokens; {told}"
    checked = subprocess.run(
        [sys.executable, "-m", "tract", "-C", str(folder), "fsck"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def _counted(t: Tract, way: str) -> tuple[int, int, int]:
    """How often the context was compressed, by what stands behind too, and the store collected."""
    done = [one.policy for one in t.policy_log(limit=None) if one.outcome == "executed"]
    if way == "policies":
        return done.count("compress"), 0, done.count("gc")
    steps = [step for one in t.orchestrator_runs(limit=None) for step in one.steps]
    return sum("compress:" in step for step in steps), done.count("compress"), sum("gc:" in step for step in steps)


def plot(outcomes: list[Outcome]) -> str:
    """Context, disk and time of a turn over the turns, as an SVG; a colour for each way."""
    colours = {"policies": "#2b6cb0", "orchestrator": "#c05621"}
    rows = []
    for title, figure in (
        (f"tokens of the context (budget {BUDGET:,})", lambda one: one.tokens),
        ("bytes on disk", lambda one: one.size),
        ("ms a turn, median of each 500, without the model", lambda one: one.usual_ms),
    ):
        lines = [
            (f"{one.way}", colours[one.way], [(s.turn / one.turns, figure(s)) for s in one.samples]) for one in outcomes
        ]
        rows.append(Row(title, lines))
    return chart(rows, max(one.turns for one in outcomes))


def report(one: Outcome) -> str:
    """What a run came to, in lines."""
    usual = median(sample.usual_ms for sample in one.samples)
    longest = max(sample.longest_ms for sample in one.samples)
    return "\n".join(
        [
            f"{one.way}: {one.turns:,} turns in {one.seconds:.0f} s; {one.compressions} compressions, {one.backstops} by what stands behind, {one.collections} gcs, {one.kills} kills; "
            f"{len(one.pins)} pins, all verbatim; {one.refused} answers refused, {one.waits} said again after 30 s",
            f"  context: at most {one.highest:,} of {one.budget:,} tokens",
            f"  disk: at most {one.largest(0.1, 0.3):,} bytes between 10 and 30 %, {one.largest(0.8, 1):,} between 80 and 100 %",
            f"  a turn: {usual:.2f} ms at the median, first fifth {median(s.usual_ms for s in one.samples[: len(one.samples) // 5]):.2f}, last fifth {median(s.usual_ms for s in one.samples[-len(one.samples) // 5 :]):.2f}; the longest {longest:.0f} ms",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=100_000)
    parser.add_argument("--by", choices=WAYS, action="append")
    parser.add_argument("--model", type=float, metavar="SECONDS", help="how long an answer takes")
    parser.add_argument("--kills", type=int, default=10)
    args = parser.parse_args()
    outcomes = []
    for way in args.by or WAYS:
        with tempfile.TemporaryDirectory() as folder:
            outcomes.append(run(way, Path(folder), args.turns, model=args.model, kills=args.kills))
        print(report(outcomes[-1]), flush=True)
    if args.turns >= 100_000 and len(outcomes) == len(WAYS):
        PLOT.write_text(plot(outcomes), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
