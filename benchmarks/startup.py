"""Whole processes: how long a command takes beside Python itself, and beside ``import typer``.

    python -m benchmarks.startup [--sizes 10,100000] [--rounds 15] [--python .venv/bin/python]

Each round starts every command once, in turn, in a store of each size; medians of processor time and of wall time, and ratios of the first.
*--python* is the interpreter that is started: an editable install makes every start of Python dearer, the others too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time

from benchmarks.text import messages
from tract import Tract

PYTHON = "python -c pass"
TYPER = "python -c 'import typer'"
COMMANDS = (
    *(("log", "-n", "20"), ("status",), ("show",), ("branch",), ("switch", "main"), ("tag",), ("diff",)),
    *(
        ("compile",),
        ("edit", "HEAD", "good day"),
        ("pin", "HEAD"),
        ("commit", "hello"),
        ("compress", "--dry-run"),
        ("--help",),
    ),
)
MOST = 1_000  # commits, for those below: in larger stores it is the context that takes the time
OF_WHOLE_CONTEXTS = (("compile",), ("compress", "--dry-run"))


def commands(python: str, stores: dict[int, str]) -> dict[str, list[str]]:
    """The words of each, by name."""
    found = {PYTHON: [python, "-c", "pass"], TYPER: [python, "-c", "import typer"]}
    for size, store in stores.items():
        for words in COMMANDS:
            if size > MOST and words in OF_WHOLE_CONTEXTS:
                continue
            found[f"tract {' '.join(words)}, {size:,} commits"] = [python, "-m", "tract", "-C", store, *words]
    return found


def start(words: list[str]) -> tuple[float, float]:
    """Seconds of processor time and of wall time that a process takes, from its start to its end."""
    silent = [(os.POSIX_SPAWN_OPEN, at, os.devnull, os.O_WRONLY, 0) for at in (1, 2)]
    began = time.perf_counter()
    pid = os.posix_spawn(words[0], words, os.environ, file_actions=silent)
    _, status, used = os.wait4(pid, 0)
    took = time.perf_counter() - began
    assert status == 0, words
    return used.ru_utime + used.ru_stime, took


def measure(table: dict[str, list[str]], rounds: int) -> dict[str, tuple[float, float]]:
    """Median seconds of each: processor time and wall time; a round before them warms the caches."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in table}
    for at in range(rounds + 1):
        for name, words in table.items():
            found = start(words)
            if at:
                times[name].append(found)
    return {
        name: (statistics.median(cpu for cpu, _ in found), statistics.median(wall for _, wall in found))
        for name, found in times.items()
    }


def make_store(folder: str, size: int) -> str:
    """A store of so many commits, whose tokens were counted, as after any agent's turn."""
    path = os.path.join(folder, str(size))
    os.mkdir(path)
    with Tract.open(path, durability="process") as tract:
        tract.extend({"role": "user", "content": text} for text in messages(size))
        assert tract.compile().token_count > 0
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="10,100000")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    folder = tempfile.mkdtemp()
    try:
        stores = {int(size): make_store(folder, int(size)) for size in options.sizes.split(",")}
        medians = measure(commands(options.python, stores), options.rounds)
    finally:
        shutil.rmtree(folder)
    print(f"{os.cpu_count()} cores, {options.rounds} rounds")
    for name, (cpu, wall) in medians.items():
        print(
            f"{name:36} {cpu * 1e3:6.1f} ms CPU  {wall * 1e3:6.1f} ms  {cpu / medians[PYTHON][0]:5.2f}x python  {cpu / medians[TYPER][0]:5.2f}x typer"
        )


if __name__ == "__main__":
    main()
