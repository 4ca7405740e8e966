"""A line of JSON a message, appended to a file that stays open."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from itertools import islice
from typing import ClassVar

from benchmarks.peers.peer import Durability, Message, Peer


class JsonlPeer(Peer):
    lacks = "no hashes, no commits; an edit rewrites the file and the old text is gone; a fork is a copy"
    durability: ClassVar[dict[Durability, str]] = {"process": "written", "full": "written, fdatasync"}
    most = 1_000_000

    def open(self, folder: str, durability: Durability) -> None:
        self.folder = folder
        self.sync = durability == "full"
        self._go_to("main")

    def _go_to(self, name: str) -> None:
        self.path = os.path.join(self.folder, name + ".jsonl")
        self.file = open(self.path, "ab", buffering=0)  # noqa: SIM115 - it stays open

    def close(self) -> None:
        self.file.close()

    def append(self, message: Message) -> bool:
        self.file.write(json.dumps(message, ensure_ascii=False).encode() + b"\n")
        if self.sync:
            os.fdatasync(self.file.fileno())
        return True

    def append_many(self, messages: Sequence[Message]) -> bool:
        self.file.write(b"".join(json.dumps(message, ensure_ascii=False).encode() + b"\n" for message in messages))
        if self.sync:
            os.fdatasync(self.file.fileno())
        return True

    def load(self) -> list[Message]:
        with open(self.path, "rb") as file:
            return [json.loads(line) for line in file]

    def load_at(self, number: int, place: str | None) -> list[Message]:
        with open(self.path, "rb") as file:
            return [json.loads(line) for line in islice(file, number)]

    def fork(self, name: str) -> bool:
        shutil.copyfile(self.path, os.path.join(self.folder, name + ".jsonl"))
        return True

    def switch(self, name: str) -> bool:
        self.file.close()
        self._go_to(name)
        return True

    def edit(self, number: int, places: Sequence[str], message: Message) -> bool:
        with open(self.path, "rb") as file:
            lines = list(file)
        lines[number] = json.dumps(message, ensure_ascii=False).encode() + b"\n"
        with open(self.path + ".new", "wb") as file:
            file.writelines(lines)
            if self.sync:
                file.flush()
                os.fdatasync(file.fileno())
        os.replace(self.path + ".new", self.path)
        self.file.close()
        self.file = open(self.path, "ab", buffering=0)  # noqa: SIM115
        return True
