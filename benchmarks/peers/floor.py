"""The floor of loading: one file with the messages' own MessagePack in zstd frames of 64 KiB, nothing checked, nothing found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice
from typing import ClassVar

import msgpack
import zstandard

from benchmarks.peers.peer import Durability, Message, Peer

_FRAME = 65536


class FloorPeer(Peer):
    lacks = "no store: a file written once"
    durability: ClassVar[dict[Durability, str]] = {"process": "written"}
    most = 1_000_000

    def open(self, folder: str, durability: Durability) -> None:
        self.path = os.path.join(folder, "frames")

    def append_many(self, messages: Sequence[Message]) -> bool:
        compress = zstandard.ZstdCompressor(level=9).compress
        with open(self.path, "ab") as file:
            frame = b""
            for message in messages:
                frame += msgpack.packb(message)
                if len(frame) >= _FRAME:
                    _write_frame(file, compress(frame))
                    frame = b""
            _write_frame(file, compress(frame))
        return True

    def load(self) -> list[Message]:
        return self._read(None)

    def load_at(self, number: int, place: str | None) -> list[Message]:
        return self._read(number)

    def _read(self, number: int | None) -> list[Message]:
        with open(self.path, "rb") as file:
            data = file.read()
        decompress = zstandard.ZstdDecompressor().decompress
        found: list[Message] = []
        at = 0
        while at < len(data) and (number is None or len(found) < number):
            size = int.from_bytes(data[at : at + 4], "little")
            unpacker = msgpack.Unpacker()
            unpacker.feed(decompress(data[at + 4 : at + 4 + size]))
            found.extend(unpacker if number is None else islice(unpacker, number - len(found)))
            at += 4 + size
        return found


def _write_frame(file, frame: bytes) -> None:  # type: ignore[no-untyped-def]
    file.write(len(frame).to_bytes(4, "little") + frame)
