"""Two states of tract side by side: ``python -m benchmarks.compare OTHER_CHECKOUT [--rounds N] [--messages N]``.

Each round runs the same work in both checkouts, one process after the other; the table has the least processor time of each (user and system), and the ratios of the least and of the medians.
Other work on the machine makes processor time longer too, through caches and clock.
The work uses only names that every state has: ``Tract`` and the command line.
A state that loads a module when it is first used pays for it in the first row of a kind; the row "again" is the same work with all modules loaded, for a cold load the median of ten.
A cold load begins with an open store; what opening costs has rows of its own.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent

WORK = """
import gc as collector, json, resource, statistics, subprocess, sys
from tract import Tract
folder, number = sys.argv[1], int(sys.argv[2])
figures = {}

def spent():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)

def timed(name, call, per=1):
    begun = spent()
    result = call()
    figures[name] = (spent() - begun) / per * 1e6
    return result

def message(at):
    return {"role": ("user", "assistant")[at % 2], "content": f"message {at} " + "some words to fill a line of talk " * 8}

with Tract.open(folder, durability="process") as t:
    for at in range(200):
        t.commit(message(at))
    collector.collect()
    timed("commit", lambda: [t.commit(message(at)) for at in range(200, number)], number - 200)
    t.compile().token_count
    collector.collect()
    timed("append + compile", lambda: [(t.commit(message(at)), t.compile().token_count) for at in range(1000)], 1000)
with Tract.open(folder, durability="full") as t:
    timed("commit, durable", lambda: [t.commit(message(at)) for at in range(300)], 300)
collector.collect()  # else it may come in the middle of what is measured, with all that was made before
def load(name):
    seen, opening = {}, name.replace("cold load", "opening")
    for at in range(11):
        again = ", again" if at else ""
        with timed(opening + again, lambda: Tract.open(folder)) as t:
            timed(name + again, lambda: t.compile().to_openai())
        for row in (opening + again, name + again):
            seen.setdefault(row, []).append(figures.pop(row))
        collector.collect()
    figures.update((row, statistics.median(times)) for row, times in seen.items())
def look(name, call):
    timed(name, call)
    timed(name + ", again", lambda: [call() for _ in range(20)], 20)
load("cold load")
first = "import sys; from tract import Tract; Tract.open(sys.argv[1]).compile().to_openai()"
def begin():
    subprocess.run([sys.executable, "-c", first, folder], check=True)
timed("process start to first request", begin)
with Tract.open(folder) as t:
    look("log of 20", lambda: t.log(20))
    look("status", t.status)
    timed("gc", t.gc)
collector.collect()
load("cold load from packs")
timed("process start to first request from packs", begin)
for name, command in (("tract log -n 20", ["log", "-n", "20"]), ("tract status", ["status"]), ("tract fsck", ["fsck"]), ("tract show", ["show"])):
    timed(name, lambda: subprocess.run([sys.executable, "-m", "tract", "-C", folder, *command], check=True, stdout=subprocess.DEVNULL))
print(json.dumps(figures))
"""


def measure(checkout: Path, number: int) -> dict[str, float]:
    """One process's figures, in microseconds."""
    with tempfile.TemporaryDirectory(prefix="tract-compare-") as folder:
        done = subprocess.run(
            [sys.executable, "-c", WORK, folder, str(number)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            capture_output=True,
            text=True,
            check=True,
        )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("other", type=Path, metavar="OTHER_CHECKOUT")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--messages", type=int, default=5000)
    options = parser.parse_args()
    for checkout in (options.other, HERE):  # else each start of the command line compiles what it loads
        compileall.compile_dir(checkout / "tract", quiet=1)
    rounds: dict[str, list[dict[str, float]]] = {"other": [], "this": []}
    for at in range(options.rounds):
        for name in ("other", "this") if at % 2 == 0 else ("this", "other"):
            rounds[name].append(measure(HERE if name == "this" else options.other.resolve(), options.messages))
    print(f"| {options.messages} messages, {options.rounds} rounds | {options.other} | here | ratio | of medians |")
    print("|---|---:|---:|---:|---:|")
    for what in rounds["this"][0]:
        before, after = ([one[what] for one in rounds[name]] for name in ("other", "this"))
        middle = statistics.median(after) / statistics.median(before)
        print(
            f"| {what} | {min(before):,.0f} µs | {min(after):,.0f} µs | {min(after) / min(before):.2f} | {middle:.2f} |"
        )


if __name__ == "__main__":
    main()
