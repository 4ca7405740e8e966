"""Looking back, merging and replaying as the history grows: log, merge base, merge, rebase.

    python -m benchmarks.history [--sizes 1000,10000,100000]

Each store has a branch of *size* commits, and two branches that part at its end and bring a share of it each: a thousand messages, or all there are if that is less.
Every figure is the median of several rounds in one process; ``cold`` ones are of a store just opened, in a copy of the process's state that nothing is cached in.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable

from benchmarks.text import messages
from tract import Tract
from tract.history.merge import plan_merge, write_merge
from tract.history.reachability import merge_bases
from tract.refs.store import RefEdit
from tract.revision import resolve_revision

SIDE = 1000
ROUNDS = 5


def build(path: str, size: int) -> None:
    """A store with ``main`` and ``draft``, which part after *size* messages and have up to a thousand more each."""
    side = min(SIDE, size)
    texts = messages(size + 2 * side)
    with Tract.open(path, durability="process") as tract:
        tract.extend({"role": "user", "content": text} for text in texts[:size])
        tract.branch("draft")
        tract.extend({"role": "user", "content": text} for text in texts[size : size + side])
        tract.switch("draft")
        tract.extend({"role": "user", "content": text} for text in texts[size + side :])
        tract.switch("main")


def seconds(action: Callable[[Tract], object], path: str, rounds: int = ROUNDS) -> float:
    """The median time of *action* in a store just opened."""
    found = []
    for _ in range(rounds):
        with Tract.open(path, durability="process") as tract:
            start = time.perf_counter()
            action(tract)
            found.append(time.perf_counter() - start)
    return statistics.median(found)


def log(tract: Tract) -> object:
    return tract.log(20)


def branch(tract: Tract) -> object:
    name = f"b{time.monotonic_ns()}"
    return tract.branch(name), tract.delete_branch(name)


def merge_base(tract: Tract) -> object:
    repo = tract.repository
    return merge_bases(repo, resolve_revision(repo, "main"), resolve_revision(repo, "draft"))


def merge(tract: Tract) -> object:
    """Merge ``draft`` into ``main``; what it takes to put main back is not measured, being a ref's move."""
    repo = tract.repository
    before = resolve_revision(repo, "main")
    plan = plan_merge(repo, "draft")
    assert plan.merged is not None
    write_merge(repo, plan, plan.merged.entries)
    repo.refs.update([RefEdit("refs/heads/main", before)], reason="benchmark")
    return plan


def rebase(tract: Tract) -> object:
    """Rebase ``draft`` onto ``main``, and put it back where it was."""
    before = tract.get_commit("draft").commit_hash
    tract.checkout("draft")
    done = tract.rebase("main")
    tract.reset(before)
    tract.switch("main")
    return done


ACTIONS = {"log -n 20": log, "branch and delete": branch, "merge base": merge_base, "merge": merge, "rebase": rebase}


def measure(sizes: list[int], folder: str) -> dict[int, dict[str, float]]:
    paths = {size: os.path.join(folder, str(size)) for size in sizes}
    for size, path in paths.items():
        os.mkdir(path)
        build(path, size)
    return {size: {name: seconds(action, path) for name, action in ACTIONS.items()} for size, path in paths.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="1000,10000,100000")
    options = parser.parse_args()
    folder = tempfile.mkdtemp()
    try:
        found = measure([int(size) for size in options.sizes.split(",")], folder)
    finally:
        shutil.rmtree(folder)
    print(f"{'commits':>9}  " + "  ".join(f"{name:>18}" for name in ACTIONS))
    for size, times in found.items():
        print(f"{size:>9,}  " + "  ".join(f"{times[name] * 1e3:15.2f} ms" for name in ACTIONS))


if __name__ == "__main__":
    main()
