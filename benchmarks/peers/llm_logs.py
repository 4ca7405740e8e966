"""simonw's ``llm``: its ``LogStore``, messages named by a hash over themselves and their parent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar

import sqlite_utils
from llm.logs import LogStore
from llm.parts import Message as Said
from llm.parts import TextPart

from benchmarks.peers.peer import Durability, Message, Peer


class LogStorePeer(Peer):
    lacks = "an edit is a new chain of all that follows; no gc of its own"
    durability: ClassVar[dict[Durability, str]] = {
        "process": "WAL (set for it), synchronous=NORMAL, one transaction",
        "full": "WAL (set for it), synchronous=FULL, one transaction",
    }
    most = 10_000
    why_most = "it loads with a variable a message, of which SQLite takes 32,766"
    names_each = False

    def open(self, folder: str, durability: Durability) -> None:
        self.db = sqlite_utils.Database(os.path.join(folder, "logs.db"))
        self.db.enable_wal()
        self.db.execute(f"PRAGMA synchronous={'FULL' if durability == 'full' else 'NORMAL'}")
        self.store = LogStore(self.db)
        self.threads = {row["name"]: row["id"] for row in self.db["threads"].rows}
        if "main" not in self.threads:
            self.threads["main"] = self.store.create_thread(name="main")
        self.thread = self.threads["main"]

    def close(self) -> None:
        self.db.close()

    def append(self, message: Message) -> bool:
        return self.append_many([message])

    def append_many(self, messages: Sequence[Message]) -> bool:
        with self.db.atomic():
            tip = self.store.append(self.thread, [_said(message) for message in messages])
        self.places += [tip or ""] * len(messages)
        return True

    def load(self) -> list[Message]:
        return [_plain(said) for said in self.store.thread_messages(self.thread)]

    def load_at(self, number: int, place: str | None) -> list[Message]:
        return [_plain(said) for said in self.store.load_chain(place)]

    def fork(self, name: str) -> bool:
        tip = self.store.thread_tip(self.thread)
        self.threads[name] = self.store.fork(tip or "", name=name, forked_from=self.thread)
        return True

    def switch(self, name: str) -> bool:
        self.thread = self.threads[name]
        return True

    def edit(self, number: int, places: Sequence[str], message: Message) -> bool:
        following = self.store.thread_messages(self.thread)[number + 1 :]
        with self.db.atomic():
            tip = self.store.ensure_chain([_said(message), *following], parent=places[number - 1])
            self.thread = self.store.fork(tip or "", name="edited", forked_from=self.thread)
        return True

    def gc(self) -> bool:
        self.db.vacuum()
        return True


def _said(message: Message) -> Said:
    return Said(role=message["role"], parts=[TextPart(text=message["content"])])


def _plain(said: Said) -> Message:
    return {"role": said.role, "content": said.parts[0].text}
