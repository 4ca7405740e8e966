"""A commit store in sqlite3: messages by their hash, commits that name their parent, refs moved by compare-and-swap.

The least that has what tract's history has; a commit is one transaction.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from typing import ClassVar

from blake3 import blake3

from benchmarks.peers.peer import Durability, Message, Peer

_TABLES = """
CREATE TABLE IF NOT EXISTS blobs (id BLOB PRIMARY KEY, data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS commits (id BLOB PRIMARY KEY, parent BLOB, blob BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS refs (name TEXT PRIMARY KEY, target BLOB) WITHOUT ROWID;
"""
_WALK = """
WITH RECURSIVE chain(parent, blob, depth) AS (
    SELECT parent, blob, 0 FROM commits WHERE id = ?
    UNION ALL SELECT c.parent, c.blob, depth + 1 FROM commits c JOIN chain ON c.id = chain.parent
) SELECT b.data FROM chain JOIN blobs b ON b.id = chain.blob ORDER BY depth DESC
"""


class CommitsPeer(Peer):
    lacks = "no edits but by new commits for all that follows; no tokens, no gc of its own"
    durability: ClassVar[dict[Durability, str]] = {
        "process": "WAL, synchronous=NORMAL",
        "full": "WAL, synchronous=FULL",
    }

    def open(self, folder: str, durability: Durability) -> None:
        self.db = sqlite3.connect(os.path.join(folder, "commits.db"), isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute(f"PRAGMA synchronous={'FULL' if durability == 'full' else 'NORMAL'}")
        self.db.executescript(_TABLES)
        self.db.execute("INSERT OR IGNORE INTO refs VALUES ('main', NULL)")
        self.branch = "main"
        self.tip = self._target("main")

    def close(self) -> None:
        self.db.close()

    def _target(self, name: str) -> bytes | None:
        (found,) = self.db.execute("SELECT target FROM refs WHERE name = ?", (name,)).fetchone()
        return found

    def _insert(self, message: Message, parent: bytes | None) -> bytes:
        data = json.dumps(message, ensure_ascii=False)
        blob = blake3(data.encode()).digest()
        id = blake3((parent or b"") + blob).digest()
        self.db.execute("INSERT OR IGNORE INTO blobs VALUES (?, ?)", (blob, data))
        self.db.execute("INSERT OR IGNORE INTO commits VALUES (?, ?, ?)", (id, parent, blob))
        return id

    def _commit(self, messages: Sequence[Message], parent: bytes | None) -> list[str]:
        """The commits of *messages* on *parent*; the branch moves from where it was seen to the last of them."""
        self.db.execute("BEGIN IMMEDIATE")
        made = []
        for message in messages:
            parent = self._insert(message, parent)
            made.append(parent.hex())
        moved = self.db.execute(
            "UPDATE refs SET target = ? WHERE name = ? AND target IS ?", (parent, self.branch, self.tip)
        )
        if moved.rowcount != 1:
            self.db.execute("ROLLBACK")
            raise RuntimeError("the branch moved")
        self.db.execute("COMMIT")
        self.tip = parent
        return made

    def append(self, message: Message) -> bool:
        self.places += self._commit([message], self.tip)
        return True

    def append_many(self, messages: Sequence[Message]) -> bool:
        self.places += self._commit(messages, self.tip)
        return True

    def load(self) -> list[Message]:
        return [json.loads(data) for (data,) in self.db.execute(_WALK, (self.tip,))]

    def load_at(self, number: int, place: str | None) -> list[Message]:
        return [json.loads(data) for (data,) in self.db.execute(_WALK, (bytes.fromhex(place or ""),))]

    def fork(self, name: str) -> bool:
        self.db.execute("INSERT INTO refs VALUES (?, ?)", (name, self.tip))
        return True

    def switch(self, name: str) -> bool:
        self.branch, self.tip = name, self._target(name)
        return True

    def edit(self, number: int, places: Sequence[str], message: Message) -> bool:
        following = self.load()[number + 1 :]
        parent = bytes.fromhex(places[number - 1]) if number else None
        self._commit([message, *following], parent)
        return True

    def gc(self) -> bool:
        self.db.execute("VACUUM")
        return True
