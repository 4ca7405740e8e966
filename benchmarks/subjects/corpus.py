"""(10) Real conversations: every one of a folder of them, imported."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, Bench, Row, rows_of, size_of, used
from benchmarks.peers import Peer, peer_class
from benchmarks.peers.with_tract import TractPeer
from tract.adapters.importing import Importer
from tract.adapters.transcripts import Conversation, read_transcript
from tract.errors import ImportFormatError

TITLE = "Real conversations, imported"
CORPUS = ROOT.parent / "shared" / "corpus"


def conversations() -> list[Conversation]:
    found: list[Conversation] = []
    for path in sorted(CORPUS.rglob("*.json*")):
        try:
            found += read_transcript(path).conversations
        except ImportFormatError:
            continue  # there are files beside the conversations
    return found


def measure(peer: type[Peer], *, folder: str) -> dict[str, Any]:
    """Messages a second and bytes, of all conversations, read beforehand: for tract a branch each, for a peer one after the other in one history."""
    read = conversations()
    said: Any = [dict(turn.message) for one in read for turn in one.branches[0].turns]
    raw = sum(len(json.dumps(message, ensure_ascii=False).encode()) + 1 for message in said)
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        one = peer()
        one.open(inside, "process")
        cpu, start = used(), time.perf_counter()
        if isinstance(one, TractPeer):
            importer = Importer(one.tract.repository, count=one.counts)
            number = sum(importer.take(each).messages for each in read)
            importer.finish()
        else:
            if one.append_many(said) is None:
                return {}
            number = len(said)
        wall, cpu = time.perf_counter() - start, used() - cpu
        one.close()
        before = size_of(inside)["bytes"]
        one = peer()
        one.open(inside, "process")
        packed = one.gc()
        one.close()
        after = size_of(inside)["bytes"]
    return {
        "messages": number,
        "a second": number / wall,
        "cpu µs": cpu / number * 1e6,
        "bytes before": before / raw,
        "after gc": after / raw if packed else None,
    }


def run(bench: Bench) -> list[Row]:
    if not os.path.isdir(CORPUS) or bench.quick:
        return []
    able = (
        "tract",
        "tract, tokens not asked for",
        "JSONL",
        "sqlite3 table",
        "sqlite3 commit store",
        "SQLiteSession",
        "git fast-import",
    )
    names = [name for name in bench.peers if name in able and peer_class(name)]
    found = bench.interleaved("corpus", names, lambda _: {"folder": bench.folder}, bench.rounds(3))
    return rows_of("corpus", f"all of {Path(CORPUS).name}, as it was published", found)
