"""The same history brought elsewhere after every few messages: by ``tract push``, ``git push``, rclone, and copying a database.

    python -m benchmarks.remote_peers [--number 200] [--each 1] [--rclone /path/to/rclone] [--folder /tmp]

Everything goes from a folder to a folder, so nothing waits for a network: seconds are processor and disk, one after the other in one run.
The messages are those of ``../shared/corpus`` where it is, in their order, as JSON; else made up.
rclone copies the folder of the tract store; the database is SQLite, with a row a message, and copied whole by its own backup.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.subjects.corpus import CORPUS, conversations
from benchmarks.text import messages
from tract import Tract


class Figures(NamedTuple):
    """Seconds of each push, bytes that went over, and bytes that lie there at the end."""

    seconds: list[float]
    sent: int
    there: int


def said(number: int) -> tuple[str, list[str]]:
    """What is said, as JSON texts, and where it is from."""
    if not os.path.isdir(CORPUS):
        return "made-up messages", [json.dumps({"role": "user", "content": text}) for text in messages(number)]
    found: list[str] = []
    for one in conversations():
        found += [json.dumps(dict(turn.message), ensure_ascii=False) for turn in one.branches[0].turns]
        if len(found) >= number:
            break
    return "messages of the corpus", found[:number]


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def timed(parts: Iterator[None], push: Callable[[], object]) -> list[float]:
    """Seconds of each *push*, after each of *parts* was written."""
    found = []
    for _ in parts:
        began = time.perf_counter()
        push()
        found.append(time.perf_counter() - began)
    return found


def written(t: Tract, texts: list[str], each: int) -> Iterator[None]:
    """Commit *each* of the texts at a time."""
    for at in range(0, len(texts), each):
        with t.batch():
            for text in texts[at : at + each]:
                t.commit({"content_type": "freeform", "payload": {"json": text}})
        yield


def by_tract(texts: list[str], each: int, folder: Path) -> Figures:
    sent = 0
    with Tract.open(folder / "here", durability="process") as t:
        t.add_remote("origin", str(folder / "there"))

        def push() -> None:
            nonlocal sent
            sent += t.push().size

        seconds = timed(written(t, texts, each), push)
    return Figures(seconds, sent, size_of(folder / "there"))


def by_rclone(texts: list[str], each: int, folder: Path, program: str) -> Figures:
    sent = 0
    with Tract.open(folder / "here", durability="process") as t:

        def push() -> None:
            nonlocal sent
            command = [program, "sync", "--config", "/dev/null", "--use-json-log", "-v", "--stats-one-line"]
            done = subprocess.run(
                [*command, str(folder / "here"), str(folder / "there")], check=True, capture_output=True, text=True
            )
            last = [json.loads(line)["stats"]["bytes"] for line in done.stderr.splitlines() if '"stats"' in line]
            sent += last[-1]

        seconds = timed(written(t, texts, each), push)
    return Figures(seconds, sent, size_of(folder / "there"))


def by_git(texts: list[str], each: int, folder: Path) -> Figures:
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b"}
    environ |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    here, there = folder / "here", folder / "there"

    def git(*words: str, at: Path = here) -> None:
        subprocess.run(["git", *words], cwd=at, env=environ, check=True, capture_output=True)

    here.mkdir()
    git("init", "-q", "--bare", str(there), at=folder)
    git("init", "-q", "-b", "main")

    def write() -> Iterator[None]:
        for at in range(0, len(texts), each):
            for number, text in enumerate(texts[at : at + each], at):
                (here / f"{number}.json").write_text(text, encoding="utf-8")
                git("add", f"{number}.json")
                git("commit", "-q", "-m", "m")
            yield

    seconds = timed(write(), lambda: git("push", "-q", f"file://{there}", "main"))
    return Figures(seconds, 0, size_of(there / "objects"))


def by_database(texts: list[str], each: int, folder: Path) -> Figures:
    sent = 0
    here = sqlite3.connect(folder / "here.db")
    here.execute("PRAGMA journal_mode=WAL")
    here.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, message TEXT NOT NULL)")

    def write() -> Iterator[None]:
        for at in range(0, len(texts), each):
            here.executemany("INSERT INTO messages (message) VALUES (?)", [(text,) for text in texts[at : at + each]])
            here.commit()
            yield

    def push() -> None:
        nonlocal sent
        place = folder / "new.db"
        there = sqlite3.connect(place)
        here.backup(there)
        there.close()
        os.replace(place, folder / "there.db")
        sent += (folder / "there.db").stat().st_size

    seconds = timed(write(), push)
    here.close()
    return Figures(seconds, sent, (folder / "there.db").stat().st_size)


def show(name: str, found: Figures) -> None:
    ordered = sorted(found.seconds)
    sent = f"{found.sent:,} bytes went over" if found.sent else "what went over is not told"
    print(
        f"  {name}: {len(ordered) / sum(ordered):.1f} pushes/s, median {1000 * ordered[len(ordered) // 2]:.1f} ms;"
        f" {sent}, {found.there:,} lie there"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--each", type=int, default=1)
    parser.add_argument("--rclone", default=shutil.which("rclone"))
    parser.add_argument("--folder", default=None)
    args = parser.parse_args()
    what, texts = said(args.number)
    print(f"{len(texts)} {what}, {sum(len(text.encode()) for text in texts):,} bytes, a push after every {args.each}:")
    ways: dict[str, Callable[[Path], Figures]] = {
        "tract push": lambda folder: by_tract(texts, args.each, folder),
        "git push": lambda folder: by_git(texts, args.each, folder),
        "copying the database": lambda folder: by_database(texts, args.each, folder),
    }
    if args.rclone:
        ways["rclone of the folder"] = lambda folder: by_rclone(texts, args.each, folder, args.rclone)
    for name, way in ways.items():
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            show(name, way(Path(folder)))
    print(f"  load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
