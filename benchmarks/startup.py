"""Whole processes: how long a command takes beside Python itself, and beside ``import typer``.

    python -m benchmarks.startup [--sizes 10,100000] [--rounds 15] [--python .venv/bin/python]
    python -m benchmarks.startup --against <another worktree> [--rounds 40] [--only merge,fsck]

Each round starts every command once, in turn, in a store of each size; medians of processor time and of wall time, and ratios of the first.
*--python* is the interpreter that is started: an editable install makes every start of Python dearer, the others too.
*--against* compares this source with that of another worktree: every command, in a small store that each made by itself, in pairs that follow one
another at once, the other one first in every second pair. Printed is the median of what the pairs differ by, in processor time, the least of each, and
how many modules each loads.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
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

# A line of every command that both sides of a comparison may have; PACK is the file of a pack.
PAIRED = """--help|init|import chat.json|commit hello|edit HEAD hello|status|log|show|diff side|blame|bisect start HEAD HEAD~2|reflog
compile|usage|annotate HEAD skip|pin HEAD|skip HEAD|compress --dry-run|compress --keep-recent 2 --content short|expand HEAD~4
reorder HEAD~1 --after HEAD|branch|branch new|switch side|checkout side|tag|tag new|reset HEAD~1|undo|merge side|rebase side
cherry-pick side|revert HEAD|fsck|gc|cat-file -p HEAD|check-ref-format refs/heads/x|count-objects|fast-export|fast-import
for-each-ref|hash-object note.json|ls-tree HEAD|merge-base main side|prune|rev-list HEAD|rev-parse HEAD|show-ref|symbolic-ref HEAD
update-ref refs/heads/new HEAD|verify-pack PACK"""
SMALL = """init|commit one|commit two|commit three|compress --content numbers|commit four|gc|switch -c side|commit five|commit six|switch main
commit seven|commit eight|commit nine|compile"""


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.replace("\n", "|").split("|")]


def commands(python: str, stores: dict[int, str]) -> dict[str, list[str]]:
    """The words of each, by name."""
    found = {PYTHON: [python, "-c", "pass"], TYPER: [python, "-c", "import typer"]}
    for size, store in stores.items():
        for words in COMMANDS:
            if size > MOST and words in OF_WHOLE_CONTEXTS:
                continue
            found[f"tract {' '.join(words)}, {size:,} commits"] = [python, "-m", "tract", "-C", store, *words]
    return found


def start(
    words: list[str], *, input: str = os.devnull, output: str = os.devnull, **environ: str
) -> tuple[float, float]:
    """Seconds of processor time and of wall time that a process takes, from its start to its end."""
    silent = [
        (os.POSIX_SPAWN_OPEN, 0, input, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    began = time.perf_counter()
    pid = os.posix_spawn(words[0], words, os.environ | environ, file_actions=silent)
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


class Side:
    """A worktree, with a small store that it made."""

    def __init__(self, python: str, tree: str, folder: str) -> None:
        self.python = python
        # Bytecode is written, whatever the environment says, and where no older one is: else what is measured is the compiler.
        self.environ = {
            "PYTHONPATH": os.path.abspath(tree),
            "PYTHONSAFEPATH": "1",  # not this folder, which would come first
            "PYTHONPYCACHEPREFIX": os.path.join(folder, "bytecode"),
            "PYTHONDONTWRITEBYTECODE": "",
        }
        self.made = os.path.join(folder, "made")
        self.copy = os.path.join(folder, "copy")
        os.makedirs(self.made)
        for name, text in (
            ("chat.json", '[{"role": "user", "content": "hello"}]'),
            ("note.json", '{"content_type": "dialogue", "role": "user", "text": "hello"}'),
        ):
            with open(os.path.join(self.made, name), "w") as file:
                file.write(text)
        for words in lines(SMALL):
            start([python, "-m", "tract", "-C", self.made, *words], **self.environ)
        self.stream = os.path.join(folder, "stream")  # what fast-import reads
        start([python, "-m", "tract", "-C", self.made, "fast-export"], output=self.stream, **self.environ)
        self.pack = next(
            os.path.join(at, name)
            for at, _, names in os.walk(self.made)
            for name in sorted(names)
            if name.endswith(".pack")
        ).replace(self.made, self.copy)

    def fresh(self, words: list[str]) -> list[str]:
        """The line as it is given to a copy of the store."""
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.made, self.copy)
        return ["-C", self.copy, *(self.pack if word == "PACK" else word for word in words)]

    def time(self, words: list[str]) -> float:
        return start([self.python, "-m", "tract", *self.fresh(words)], input=self.stream, **self.environ)[0]

    def modules(self, words: list[str]) -> int:
        program = f"import sys; from tract.cli.main import main; assert main({self.fresh(words)!r}) == 0; print('', len(sys.modules))"
        with open(self.stream) as stream:
            done = subprocess.run([self.python, "-c", program], capture_output=True, text=True, check=True, stdin=stream, env=os.environ | self.environ)  # fmt: skip
        return int(done.stdout.split()[-1])


def compare(python: str, other: str, rounds: int, only: list[str]) -> None:
    """Print what each command takes more here than with the other worktree; those that take most more are first."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        before, now = (
            Side(python, tree, os.path.join(folder, name)) for name, tree in (("before", other), ("now", os.curdir))
        )
        for words in lines(PAIRED):
            if only and words[0] not in only:
                continue
            counted = before.modules(words), now.modules(words)
            pairs = []
            for at in range(-2, rounds):  # two before the first warm the caches
                sides = (before, now) if at % 2 else (now, before)
                times = {side: side.time(words) for side in sides}
                if at >= 0:
                    pairs.append((times[before], times[now]))
            apart = [b - a for a, b in pairs]
            rows.append((statistics.median(apart), min(a for a, _ in pairs), min(b for _, b in pairs), counted, words))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {rounds} pairs; ms of processor time, modules")
    for apart, least, least_now, (were, are), words in sorted(rows, reverse=True):
        print(
            f"{apart * 1e3:+6.1f}  least {least * 1e3:6.1f} -> {least_now * 1e3:6.1f}  modules {were:3} -> {are:3}  {' '.join(words)}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="10,100000")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--against", metavar="WORKTREE")
    parser.add_argument("--only", default="", metavar="COMMAND,...")
    options = parser.parse_args()
    if options.against:
        compare(options.python, options.against, options.rounds, [*filter(None, options.only.split(","))])
        return
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
