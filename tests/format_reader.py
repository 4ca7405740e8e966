"""A reader of stores written from docs/format.md alone: it imports nothing of tract's.

    python -m tests.format_reader STORE          what the page's sample has beside it, as JSON

It takes no lock and writes nothing. What the page calls damage raises ValueError.
"""

from __future__ import annotations

import json
import re
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import zstandard
from blake3 import blake3

from tests.format_pairs import shown

KINDS = {1: "blob", 2: "tree", 3: "commit", 4: "operation"}


def demand(holds: object, what: str) -> None:
    if not holds:
        raise ValueError(what)


def object_id(kind: str, payload: bytes) -> bytes:
    return blake3(b"%s %d\0%s" % (kind.encode(), len(payload), payload)).digest()


class Store:
    """The objects of a store, and its refs by their whole names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects: dict[bytes, tuple[str, bytes]] = {}
        line, identity, check, *_ = (folder / "format").read_text().split("\n")
        demand(line == "tract 2", f"format version {line!r}")
        demand(check == blake3(f"{line}\n{identity}\n".encode()).hexdigest()[:16], "format is damaged")
        self._read_packs()
        self._read_loose()
        operations = self._read_journal()
        self.cuts = self._read_shallow()
        self.refs = self._replay(operations)

    def _read_packs(self) -> None:
        for path in sorted((self.folder / "objects" / "pack").glob("*.pack")):
            if path.with_suffix(".idx").exists():
                self._read_pack(path.read_bytes())

    def _read_pack(self, data: bytes) -> None:
        demand(data[:16] == b"tract pack 1\n".ljust(16, b"\0"), "a pack's header")
        demand(data[-32:] == blake3(data[:-32]).digest(), "a pack's seal")
        frames, count, ids_at, dictionary_size = struct.unpack("<IIQI12x", data[-80:-48])
        ids = [data[ids_at + 32 * n :][:32] for n in range(count)]
        table_at = ids_at + 32 * count + 4 * -(-count // 256)
        dictionary = zstandard.ZstdCompressionDict(data[16 : 16 + dictionary_size])
        for n in range(frames):
            offset, stored, size, first, number, kind, form = struct.unpack_from("<QIIIIBB6x", data, table_at + 32 * n)
            own = {"dict_data": dictionary} if kind == 1 and dictionary_size else {}
            frame = zstandard.ZstdDecompressor(**own).decompress(data[offset : offset + stored], size)
            at = 4 * number
            for place, length in enumerate(struct.unpack_from(f"<{number}I", frame)):
                payload = frame[at : at + length]
                at += length
                if form == 1:
                    payload = unfold(payload, first + place, ids)
                self._add(KINDS[kind], payload, ids[first + place])

    def _read_loose(self) -> None:
        for path in (self.folder / "objects").glob("[0-9a-f][0-9a-f]/*"):
            data = path.read_bytes()
            demand(data[:16] == b"tract object 1\n".ljust(16, b"\0"), "a loose object's header")
            demand(data[-16:] == blake3(data[:-16]).digest()[:16], "a loose object's check")
            self._read_record(data[16:-16])

    def _read_record(self, data: bytes) -> tuple[bytes, int]:
        """Add the object of the record that *data* begins with; its id, and where the record ends."""
        kind, codec, _, stored, size, id = struct.unpack_from("<BBHII32s", data)
        payload = data[44 : 44 + stored]
        if codec == 1:
            payload = zstandard.ZstdDecompressor().decompress(payload, size)
        self._add(KINDS[kind], payload, id)
        return id, 44 + stored

    def _add(self, kind: str, payload: bytes, id: bytes) -> None:
        demand(object_id(kind, payload) == id, f"object {id.hex()}")
        self.objects[id] = kind, payload

    def _read_journal(self) -> list[bytes]:
        """The operations of the journal's transactions, oldest first."""
        data = (self.folder / "objects" / "journal").read_bytes()
        demand(data[:16] == b"tract journal 1\n", "the journal's header")
        demand(zlib.crc32(data[:24]) == struct.unpack_from("<I", data, 24)[0], "the journal's header")
        nonce, at = data[16:24], 64
        operations: list[bytes] = []
        number = 0
        while data[at : at + 8] == nonce:
            check, length, flags, _, count, own = struct.unpack_from("<IIHHII", data, at + 8)
            if own != number or zlib.crc32(data[at + 12 : at + 28 + length]) != check:
                break
            records, start, id = data[at + 28 : at + 28 + length], 0, b""
            for _ in range(count):
                id, size = self._read_record(records[start:])
                start += size
            if flags & 2:
                operations.append(id)
            at, number = at + 28 + length, number + 1
        demand(operations, "the journal's first transaction is not whole")
        return operations

    def _read_shallow(self) -> dict[bytes, str]:
        path = self.folder / "shallow"
        if not path.exists():
            return {}
        *lines, check = path.read_text().splitlines()
        body = "".join(f"{line}\n" for line in lines)
        demand(check == f"# check {blake3(body.encode()).hexdigest()[:16]}", "shallow is damaged")
        return {bytes.fromhex(line.split()[0]): line.split()[1] for line in lines}

    def _replay(self, operations: list[bytes]) -> dict[str, bytes | str]:
        refs: dict[str, bytes | str] = {}
        for id in operations:
            _, _, _, _, changes, whole, *more = self.value(id)
            for name, old, new in changes:
                if whole is None:
                    demand(refs.get(name) == old, f"ref {name} was elsewhere")
                    refs.pop(name) if new is None else refs.update({name: new})
            if whole is not None:
                refs = dict(whole)
                for chunk in more[1] if len(more) == 2 else []:
                    for part, _, _, own in self.value(chunk)[1]:
                        refs.update({f"tracts/{part}/{name}": value for name, value in own})
        return refs

    def value(self, id: bytes) -> Any:
        return msgpack.unpackb(self.objects[id][1], strict_map_key=True)

    # Tracts, commits and contexts

    def tracts(self) -> dict[str, str]:
        """The prefix of each tract's refs, by its name."""
        found = {"root": ""}
        for name in self.refs:
            if name.startswith("tracts/"):
                part = name.split("/")[1]
                plain = re.sub("%([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), part).encode("latin-1").decode()
                found[plain] = f"tracts/{part}/"
        return found

    def parents(self, id: bytes) -> list[bytes]:
        return [] if id in self.cuts else self.value(id)[1]

    def entries(self, tree: bytes | None, rest: list[Any]) -> list[tuple[bytes, Any]]:
        flat = [*self._leaves(tree), *rest]
        return list(zip(flat[::2], flat[1::2], strict=True))

    def _leaves(self, tree: bytes | None) -> Iterator[Any]:
        if tree is not None:
            level, items, *_ = self.value(tree)
            if level == 0:
                yield from items
            else:
                for child in items[::2]:
                    yield from self._leaves(child)

    def context(self, id: bytes) -> list[tuple[bytes, bytes]]:
        operation, _, content, target, tree, rest, *_ = self.value(id)
        if operation == "spawn" and target is not None and tree is None and not rest:
            return self.context(target)
        own = [(id, content)] if operation == "append" and content is not None else []
        return self.entries(tree, rest) + own

    def log(self, tip: bytes) -> list[bytes]:
        """Everything behind *tip*: the newest time first, but a child always before its parents."""
        children: dict[bytes, int] = {}
        stack, met = [tip], {tip}
        while stack:
            for parent in self.parents(stack.pop()):
                children[parent] = children.get(parent, 0) + 1
                if parent not in met:
                    met.add(parent)
                    stack.append(parent)
        ready, order = [tip], []
        while ready:
            ready.sort(key=lambda id: (-self.value(id)[7], -self.value(id)[6], id), reverse=True)
            id = ready.pop()
            order.append(id)
            for parent in self.parents(id):
                children[parent] -= 1
                if not children[parent]:
                    ready.append(parent)
        return order

    def notes(self, prefix: str, namespace: str) -> dict[bytes, Any]:
        """What counts of what the namespace says about each commit."""
        tip = self.refs.get(f"{prefix}refs/notes/{namespace}")
        said: dict[bytes, dict[bytes, Any]] = {}
        if isinstance(tip, bytes):
            _, _, _, _, tree, rest, *_ = self.value(tip)
            for target, blob in self.entries(tree, rest):
                said.setdefault(target, {})[blob] = self.value(blob)
        result = {}
        for target, events in said.items():
            out = {bytes.fromhex(other) for event in events.values() for other in event["replaces"]}
            left = sorted((event["time"], id) for id, event in events.items() if id not in out)
            result[target] = events[left[-1][1]]["body"]
        return result

    def records(self, tip: bytes) -> list[bytes]:
        found: list[bytes] = []
        for id in self.log(tip):
            commit = self.value(id)
            if commit[0] == "record":
                found.append(id)
            elif commit[0] == "compress" and id in self.cuts and len(commit) > 11:
                found += [record for record, _ in reversed(self.entries(*commit[11]))]
        return list(dict.fromkeys(found))

    def needs(self, record: bytes) -> list[tuple[bytes, str]]:
        commit = self.value(record)
        return self.entries(*commit[11]) if len(commit) > 11 else []


def unfold(folded: bytes, ordinal: int, ids: list[bytes]) -> bytes:
    (number,) = struct.unpack_from("<H", folded)
    distances = struct.unpack_from(f"<{number}i", folded, 2)
    gaps = struct.unpack_from(f"<{number}H", folded, 2 + 4 * number)
    at, parts = 2 + 6 * number, []
    for distance, gap in zip(distances, gaps, strict=True):
        parts += [folded[at : at + gap], b"\xc4\x20", ids[ordinal - distance]]
        at += gap
    return b"".join(parts) + folded[at:]


def message(blob: dict[str, Any]) -> dict[str, Any] | None:
    """The chat message of a content, by the page's table; None for a provider's message of another format."""

    def compact(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    match blob:
        case {"content_type": "message", "format": "openai", "message": dict(raw)}:
            return raw
        case {"content_type": "message"}:
            return None
        case {"content_type": "instruction", "text": text}:
            return {"role": "system", "content": text}
        case {"content_type": "dialogue", "role": role, "text": text}:
            name = {"name": blob["name"]} if "name" in blob else {}
            return {"role": role, "content": text, **name}
        case {"content_type": "tool_io", "direction": "result"}:
            id = blob.get("call_id") or "call_" + blob["tool_name"]
            return {"role": "tool", "tool_call_id": id, "content": compact(blob["payload"])}
        case {"content_type": "tool_io"}:
            id = blob.get("call_id") or "call_" + blob["tool_name"]
            function = {"name": blob["tool_name"], "arguments": compact(blob["payload"])}
            return {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": id, "type": "function", "function": function}],
            }
        case {"content_type": "output", "text": text}:
            return {"role": "assistant", "content": text}
        case {"content_type": "artifact", "content": text}:
            if "language" in blob:
                fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
                text = f"{fence}{blob['language']}\n{text}\n{fence}"
            return {"role": "assistant", "content": text}
        case {"content_type": "freeform", "payload": payload}:
            return {"role": "assistant", "content": compact(payload)}
        case {"content_type": "session"}:
            parts = [f"Session ({blob['session_type']}): {blob['summary']}"]
            for title, key in (
                ("Decisions", "decisions"),
                ("Failed approaches", "failed_approaches"),
                ("Next steps", "next_steps"),
            ):
                if blob[key]:
                    parts.append("\n".join([f"{title}:", *(f"- {item}" for item in blob[key])]))
            return {"role": "system", "content": "\n\n".join(parts)}
    return {
        "role": "assistant",
        "content": compact({key: value for key, value in blob.items() if key != "content_type"}),
    }


def answers(store: Store) -> dict[str, Any]:
    """What lies beside the page's sample store, for any store."""
    return {"format": 2, "tracts": {name: _tract(store, prefix) for name, prefix in store.tracts().items()}}


def _tract(store: Store, prefix: str) -> dict[str, Any]:
    own = {
        name.removeprefix(prefix): value
        for name, value in sorted(store.refs.items())
        if name.startswith(prefix) and (prefix or not name.startswith("tracts/"))
    }
    priority = store.notes(prefix, "priority")
    hidden = {commit for commit, body in priority.items() if body["priority"] == "skip"}
    return {
        "refs": {name: value.hex() if isinstance(value, bytes) else value for name, value in own.items()},
        "notes": {
            name.removeprefix("refs/notes/"): {
                id.hex(): body for id, body in sorted(store.notes(prefix, name.removeprefix("refs/notes/")).items())
            }
            for name in own
            if name.startswith("refs/notes/")
        },
        "branches": {
            name.removeprefix("refs/heads/"): _branch(store, value, hidden)
            for name, value in own.items()
            if name.startswith("refs/heads/") and isinstance(value, bytes)
        },
    }


def _branch(store: Store, tip: bytes, hidden: set[bytes]) -> dict[str, Any]:
    context = store.context(tip)
    left = shown([store.value(blob) for _, blob in context], [commit in hidden for commit, _ in context])
    values = [(commit, value) for (commit, _), value in zip(context, left, strict=True) if value is not None]
    messages = [message(value) for _, value in values if value.get("content_type") != "reasoning"]
    return {
        "log": [_row(store, id) for id in store.log(tip)],
        "context": [{"commit": commit.hex(), "blob": blob.hex()} for commit, blob in context],
        "shown": [commit.hex() for commit, _ in values],
        "openai": None if None in messages else messages,
        "records": [
            {"commit": id.hex(), "refs": [ref.hex() for ref, _ in store.needs(id)]} for id in store.records(tip)
        ],
    }


def _row(store: Store, id: bytes) -> dict[str, Any]:
    operation, _, _, _, _, _, generation, time, author, text, metadata, *_ = store.value(id)
    return {
        "id": id.hex(),
        "operation": operation,
        "parents": [parent.hex() for parent in store.parents(id)],
        "generation": generation,
        "time": time,
        "author": author,
        "message": text,
        "metadata": metadata,
    }


if __name__ == "__main__":
    print(json.dumps(answers(Store(Path(sys.argv[1]))), indent=1, ensure_ascii=False))
