"""A table with a row of JSON a message: what one writes in an afternoon."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from typing import ClassVar

from benchmarks.peers.peer import Durability, Message, Peer


class TablePeer(Peer):
    lacks = "no hashes, no commits, no forks; an edit overwrites"
    durability: ClassVar[dict[Durability, str]] = {
        "process": "WAL, synchronous=NORMAL",
        "full": "WAL, synchronous=FULL",
    }
    most = 1_000_000

    def open(self, folder: str, durability: Durability) -> None:
        self.db = sqlite3.connect(os.path.join(folder, "messages.db"), isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute(f"PRAGMA synchronous={'FULL' if durability == 'full' else 'NORMAL'}")
        self.db.execute("CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, message TEXT NOT NULL)")

    def close(self) -> None:
        self.db.close()

    def append(self, message: Message) -> bool:
        self.db.execute("INSERT INTO messages (message) VALUES (?)", (json.dumps(message, ensure_ascii=False),))
        return True

    def append_many(self, messages: Sequence[Message]) -> bool:
        rows = [(json.dumps(message, ensure_ascii=False),) for message in messages]
        self.db.execute("BEGIN")
        self.db.executemany("INSERT INTO messages (message) VALUES (?)", rows)
        self.db.execute("COMMIT")
        return True

    def load(self) -> list[Message]:
        return [json.loads(text) for (text,) in self.db.execute("SELECT message FROM messages ORDER BY id")]

    def load_at(self, number: int, place: str | None) -> list[Message]:
        rows = self.db.execute("SELECT message FROM messages WHERE id <= ? ORDER BY id", (number,))
        return [json.loads(text) for (text,) in rows]

    def edit(self, number: int, places: Sequence[str], message: Message) -> bool:
        text = json.dumps(message, ensure_ascii=False)
        self.db.execute("UPDATE messages SET message = ? WHERE id = ?", (text, number + 1))
        return True

    def gc(self) -> bool:
        self.db.execute("VACUUM")
        return True
