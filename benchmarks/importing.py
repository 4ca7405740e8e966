"""Imports beside ``json.loads`` of the same bytes: ``python -m benchmarks.importing [--rounds 5] [FILE…]``.

Three shapes are made up, of 4 MB each: a coding agent's session, chats of many short messages, chats of a few long ones; and 300 chats of six messages.
Files that are named are measured too (``../shared/corpus/…``).
Tokens are not counted, as in ``tract import``. Processor time; medians of rounds in which both were measured; the store's size before gc beside the file's.
*Bare* is what no import can do without: reading the JSON, and for each object that was made one call of msgpack and one of BLAKE3, with zstd over all of them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgpack
import zstandard
from blake3 import blake3

from benchmarks.text import messages
from tract import Tract
from tract.adapters.importing import import_file
from tract.objects.codec import unpack
from tract.storage.pack import FRAME_SIZE
from tract.storage.pack_writer import QUICK_LEVEL

SIZE = 4_000_000


def session(size: int) -> str:
    """A session of Claude Code: a record a line, each answer with its model and its usage."""
    lines: list[str] = []
    texts = iter(messages(size // 1000, 1200))
    parent: str | None = None
    made = 0
    while made < size:
        number = len(lines)
        id = str(uuid.UUID(int=number + 1))
        record: dict[str, Any] = {
            "parentUuid": parent, "isSidechain": False, "userType": "external", "cwd": "/work/project",
            "sessionId": "5b1f9f3c-0000-4000-8000-000000000000", "version": "2.1.0", "gitBranch": "main", "uuid": id,
            "timestamp": f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.000Z",
        }  # fmt: skip
        if number % 2:
            use = {"type": "tool_use", "id": f"toolu_{number}", "name": "Read", "input": {"file_path": f"/src/{number}.py", "limit": number}}  # fmt: skip
            usage = {"input_tokens": 4, "cache_creation_input_tokens": 200, "cache_read_input_tokens": 40 * number, "output_tokens": 80}  # fmt: skip
            said = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": "claude-opus-4", "content": [{"type": "text", "text": next(texts)}, use], "stop_reason": "tool_use", "usage": usage}  # fmt: skip
            record |= {"type": "assistant", "requestId": f"req_{number}", "message": said}
        elif number:
            result = {"type": "tool_result", "tool_use_id": f"toolu_{number - 1}", "content": next(texts)}
            record |= {"type": "user", "message": {"role": "user", "content": [result]}, "toolUseResult": {"stdout": result["content"]}}  # fmt: skip
        else:
            record |= {"type": "user", "message": {"role": "user", "content": "Read all of it."}}
        lines.append(json.dumps(record))
        made += len(lines[-1])
        parent = id
    return "\n".join(lines)


def chats(size: int, turns: int, length: int) -> str:
    """Chats of *turns* messages of *length* characters each, in one list."""
    texts = messages(size // (length + 40), length)
    roles = ("user", "assistant")
    every = [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)]
    return json.dumps([{"messages": every[at : at + turns]} for at in range(0, len(every), turns)])


def load(path: Path) -> None:
    """What ``json.loads`` takes for the file."""
    data = path.read_bytes()
    if path.suffix == ".jsonl":
        for line in data.splitlines():
            json.loads(line)
    else:
        json.loads(data)


def bare(values: Sequence[tuple[str, Any]]) -> None:
    """The libraries' calls for objects of these kinds and values, and nothing else."""
    pack = msgpack.Packer(use_bin_type=True).pack
    compress = zstandard.ZstdCompressor(level=QUICK_LEVEL, write_checksum=True).compress
    payloads: dict[str, list[bytes]] = {}
    for kind, value in values:
        payload = pack(value)
        blake3(b"%s %d\0%s" % (kind.encode(), len(payload), payload)).digest()
        payloads.setdefault(kind, []).append(payload)
    for one in payloads.values():
        raw = b"".join(one)
        for at in range(0, len(raw), FRAME_SIZE):
            compress(raw[at : at + FRAME_SIZE])


def seconds(work: Callable[[], object]) -> float:
    """Processor time."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def measure(path: Path, rounds: int) -> str:
    """A row of the table."""
    loads: list[float] = []
    imports: list[float] = []
    waits: list[float] = []
    bares: list[float] = []
    size = made = 0
    for _ in range(rounds):
        loads.append(seconds(lambda: load(path)))
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "store"
            with Tract.open(store) as t:
                begun = time.perf_counter()
                imports.append(seconds(lambda t=t: import_file(t.repository, path)))  # type: ignore[misc]
                waits.append(time.perf_counter() - begun)
                objects = t.repository.objects
                values = [(kind, unpack(objects.read(id).payload)) for id, kind in objects.ids()]
                made = len(values)
                bares.append(loads[-1] + seconds(partial(bare, values)))
            size = sum(file.stat().st_size for file in (store / ".tract" / "objects").rglob("*") if file.is_file())
    ratio = statistics.median(one / other for one, other in zip(imports, loads, strict=True))
    least = statistics.median(one / other for one, other in zip(bares, loads, strict=True))
    weight = path.stat().st_size
    return (
        f"{path.name:28} {weight / 1e6:6.1f} MB  loads {statistics.median(loads) * 1e3:6.1f} ms"
        f"  import {statistics.median(imports) * 1e3:7.1f} ms ({statistics.median(waits):.2f} s in all)  {ratio:5.1f} x, bare {least:4.1f}"
        f"  store {size / weight:5.2f} x, {made:,} objects"
    )


def samples(folder: Path) -> Iterator[Path]:
    """The files that are made up."""
    for name, text in (
        ("session.jsonl", lambda: session(SIZE)),
        ("short-messages.json", lambda: chats(SIZE, 30, 300)),
        ("long-messages.json", lambda: chats(SIZE, 30, 4000)),
        ("300-chats-of-6.json", lambda: chats(300 * 6 * 340, 6, 300)),
    ):
        path = folder / name
        path.write_text(text(), encoding="utf-8")
        yield path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.importing", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for path in (*samples(Path(folder)), *options.files):
            print(measure(path, options.rounds), flush=True)


if __name__ == "__main__":
    main()
