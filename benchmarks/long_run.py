"""An agent that never stops: 100,000 turns within a budget, compressing at 80 %, criticals pinned, gc with a short window.

    python -m benchmarks.long_run                     all of it; prints a table, and writes docs/long-run.svg
    python -m benchmarks.long_run --turns 2000        a look; writes nothing

The budget refuses what would exceed it, so a run that ends was within it at every commit.
At the end every critical alert must be in the context, byte for byte and under its own id.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.text import ALERT_WORDS
from tract import TokenBudgetConfig, Tract, TractConfig

BUDGET = 20_000
COMPRESS_AT = 0.8
RECENT = 10
PLOT = Path(__file__).resolve().parent.parent / "docs" / "long-run.svg"


class Sample(NamedTuple):
    """The state after a gc, or with *before_gc* just before it: the turn, tokens of the context, bytes on disk, seconds since the start."""

    turn: int
    tokens: int
    size: int
    seconds: float
    before_gc: bool


class Outcome(NamedTuple):
    """What a run came to; *highest* is the most tokens a context had, *pins* the criticals, all found again at the end."""

    samples: tuple[Sample, ...]
    turns: int
    highest: int
    compressions: int
    collections: int
    pins: int


def size_of(folder: Path) -> int:
    """The bytes of all files of a store."""
    return sum(os.stat(os.path.join(at, name)).st_size for at, _, names in os.walk(folder) for name in names)


def run(
    folder: Path,
    turns: int,
    *,
    window_days: float = 10 / 86_400,
    gc_every: int = 4,
    critical_every: int = 2500,
    budget: int = BUDGET,
) -> Outcome:
    """Be the agent for so many *turns*; gc after every so many compressions. AssertionError where a promise is broken."""
    chance = random.Random(4)
    config = TractConfig(token_budget=TokenBudgetConfig(budget, "reject"), tokenizer_encoding="estimate")
    samples: list[Sample] = []
    pins: dict[str, str] = {}
    started = time.monotonic()
    highest = compressions = collections = 0

    def sample(turn: int, tokens: int, *, before_gc: bool) -> None:
        samples.append(Sample(turn, tokens, size_of(folder / ".tract"), time.monotonic() - started, before_gc))

    with Tract.open(folder, config=config, durability="process") as t:
        t.system("You watch the alerts of a plant. Say what each means and what to do.")
        for turn in range(turns):
            alert = f"alert {turn}: " + " ".join(chance.choices(ALERT_WORDS, k=24))
            if turn % critical_every == 0:
                alert = f"CRITICAL {alert}"
                pins[t.user(alert).commit_hash] = alert
                t.annotate("HEAD", "pinned", reason="severity: critical")
            else:
                t.user(alert)
            t.assistant(f"noted {turn}: " + " ".join(chance.choices(ALERT_WORDS, k=16)))
            tokens = t.status().token_count
            highest = max(highest, tokens)
            if tokens >= COMPRESS_AT * budget:
                t.compress(
                    content=f"{turn + 1} alerts so far, most of them about {chance.choice(ALERT_WORDS)}.",
                    keep_recent=RECENT,
                )
                compressions += 1
                if compressions % gc_every == 0:
                    sample(turn, tokens, before_gc=True)
                    t.gc(orphan_retention_days=window_days, archive_retention_days=window_days)
                    collections += 1
                    sample(turn, t.status().token_count, before_gc=False)
    with Tract.open(folder) as t:
        context = t.compile()
        said = dict(zip(context.commit_hashes, (message.content for message in context.messages), strict=True))
        assert highest <= budget, f"a context had {highest} tokens"
        assert pins.items() <= said.items(), "a critical alert is not as it was"
    return Outcome(tuple(samples), turns, highest, compressions, collections, len(pins))


class Row(NamedTuple):
    """A diagram: its title, and lines with a name, a colour and points, each a share of the turns and a value."""

    title: str
    lines: list[tuple[str, str, list[tuple[float, float]]]]


def plot(outcome: Outcome) -> str:
    """The disk and the context over the turns, as an SVG."""
    at = [sample.turn / outcome.turns for sample in outcome.samples]
    sizes = [(x, float(sample.size)) for x, sample in zip(at, outcome.samples, strict=True)]
    tokens = [(x, float(sample.tokens)) for x, sample in zip(at, outcome.samples, strict=True)]
    rows = [
        Row("bytes on disk, before and after each gc", [("", "#2b6cb0", sizes)]),
        Row(f"tokens of the context (budget {BUDGET:,})", [("", "#2f855a", tokens)]),
    ]
    return chart(rows, outcome.turns)


def chart(rows: list[Row], turns: int) -> str:
    """Diagrams over the turns, one below the other, as an SVG."""
    wide, high, left, gap = 720, 150, 70, 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide + left + 20} {len(rows) * (high + gap) + 30}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, row in enumerate(rows):
        top = 30 + number * (high + gap)
        largest = max(value for _, _, points in row.lines for _, value in points)
        parts += [
            f'<text x="{left}" y="{top - 8}">{row.title}</text>',
            f'<path d="M{left} {top}V{top + high}H{left + wide}" fill="none" stroke="#888"/>',
        ]
        for place, (name, colour, values) in enumerate(row.lines):
            points = " ".join(
                f"{left + wide * x:.1f},{top + high * (1 - value / (1.1 * largest)):.1f}" for x, value in values
            )
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
            if name:
                x = left + wide - 110 * (len(row.lines) - place)
                parts.append(f'<text x="{x}" y="{top - 8}" fill="{colour}">{name}</text>')
        for share in (0, 0.5, 1):
            y = top + high * (1 - share / 1.1)
            figure = f"{share * largest:,.0f}" if largest >= 10 else f"{share * largest:.2f}"
            parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{figure}</text>')
        for share in (0, 0.25, 0.5, 0.75, 1):
            x = left + wide * share
            parts.append(f'<text x="{x:.1f}" y="{top + high + 16}" text-anchor="middle">{share * turns:,.0f}</text>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=100_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(Path(folder), args.turns)
    step = max(1, len(outcome.samples) // 40)
    print("   turn   tokens  bytes on disk  seconds")
    for sample in outcome.samples[1::2][:: max(1, step // 2)]:
        print(f"{sample.turn:7} {sample.tokens:8} {sample.size:14,} {sample.seconds:8.1f}")
    before = max(sample.size for sample in outcome.samples)
    print(
        f"{outcome.turns} turns, {outcome.compressions} compressions, {outcome.collections} gcs, {outcome.pins} pins, all verbatim; "
        f"at most {outcome.highest} tokens and {before:,} bytes"
    )
    if args.turns >= 100_000:
        PLOT.write_text(plot(outcome), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
