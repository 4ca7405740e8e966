"""(7) Whole processes: from start to end of ``log -n 20``, ``status`` and ``commit``."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.harness import Bench, Row, environment, rows_of, used
from benchmarks.peers import Peer, peer_class
from benchmarks.peers.with_git import ENVIRONMENT

TITLE = "Whole processes"
_SESSION = "import asyncio; from agents import SQLiteSession; print(asyncio.run(SQLiteSession('main', 'sessions.db').get_items({limit})))"
_LOGS = "from llm.cli import cli; cli(['logs', 'list', '-n', '20', '-d', 'logs.db'])"


def commands(bench: Bench, number: int) -> dict[str, tuple[list[str], str]]:
    """Name, words and folder of each; the git repository has a thousand commits."""
    tract, here = [sys.executable, "-m", "tract"], bench.folder
    store = bench.store("tract", number)
    found = {
        "python -c pass": ([sys.executable, "-c", "pass"], here),
        "python -c 'import typer'": ([sys.executable, "-c", "import typer"], here),
        "tract log -n 20": ([*tract, "log", "-n", "20"], store),
        "tract status": ([*tract, "status"], store),
        "tract commit": ([*tract, "commit", "--role", "user", "one more message"], store),
        "tract --help": ([*tract, "--help"], store),
    }
    if "git commit" in bench.peers:
        repository = bench.store("git commit", min(number, bench.size(1_000, 20)))
        found["git log -n 20"] = (["git", "log", "-n", "20"], repository)
        found["git status"] = (["git", "status"], repository)
        found["git commit"] = (["git", "commit", "-q", "--allow-empty", "-m", "one more"], repository)
    if "SQLiteSession" in bench.peers:
        sessions = bench.store("SQLiteSession", number)
        found["SQLiteSession, the last 20"] = ([sys.executable, "-c", _SESSION.format(limit=20)], sessions)
    return found


def measure(peer: type[Peer]) -> dict[str, Any]:
    raise NotImplementedError("whole processes are measured by whoever starts them")


def run(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    for number in (10, 100_000) if not bench.quick else (10,):
        times: dict[str, list[dict[str, Any]]] = {}
        table = commands(bench, number)
        if number <= peer_class("tract").most:
            subprocess.run(
                [sys.executable, "-m", "tract", "status"],
                cwd=table["tract status"][1],
                env=_env(),
                check=True,
                stdout=subprocess.DEVNULL,
            )  # so that tokens are counted
        for _ in range(bench.size(21, 3)):
            for name, (words, folder) in table.items():
                times.setdefault(name, []).append(_once(lambda w=words, f=folder: _start(w, f)))
        rows += rows_of("commands", f"a store of {number:,} commits", times)
    return rows


def _once(what: Callable[[], object]) -> dict[str, Any]:
    cpu, start = used(), time.perf_counter()
    what()
    return {"wall ms": (time.perf_counter() - start) * 1e3, "cpu ms": (used() - cpu) * 1e3}


def _start(words: list[str], folder: str) -> None:
    subprocess.run(words, cwd=folder, env=_env(), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _env() -> dict[str, str]:
    return {**ENVIRONMENT, **environment()}
