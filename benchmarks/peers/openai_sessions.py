"""The sessions of openai-agents: ``SQLiteSession`` and ``AdvancedSQLiteSession``.

They are asynchronous, so a run of appends is one coroutine; each call still goes through a thread, as they are made.
They have no setting for how durable a write is: SQLite's default is FULL. For ``process`` their connections are told NORMAL, which is faster.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from agents import SQLiteSession
from agents.extensions.memory import AdvancedSQLiteSession

from benchmarks.peers.peer import Durability, Message, Peer


class _Tuned:
    level: ClassVar[str] = "FULL"

    @staticmethod
    def _configure_connection(conn: sqlite3.Connection) -> None:
        SQLiteSession._configure_connection(conn)
        conn.execute(f"PRAGMA synchronous={_Tuned.level}")


class _Session(_Tuned, SQLiteSession):
    pass


class _Advanced(_Tuned, AdvancedSQLiteSession):
    pass


class SessionPeer(Peer):
    lacks = (
        "no hashes, no commits, no forks; a message in the middle is edited by writing all anew, and the old is gone"
    )
    durability: ClassVar[dict[Durability, str]] = {
        "process": "WAL, synchronous=NORMAL (set for it)",
        "full": "WAL, synchronous=FULL (its default)",
    }

    def open(self, folder: str, durability: Durability) -> None:
        _Tuned.level = "FULL" if durability == "full" else "NORMAL"
        self.runner = asyncio.Runner()
        self.session: Any = self.make(os.path.join(folder, "sessions.db"))

    def make(self, path: str) -> Any:
        return _Session("main", path)

    def close(self) -> None:
        self.session.close()
        self.runner.close()

    def append(self, message: Message) -> bool:
        self.runner.run(self.session.add_items([message]))
        return True

    def append_all(self, messages: Sequence[Message]) -> list[float]:
        async def all_of_them() -> list[float]:
            times = []
            for message in messages:
                start = time.perf_counter()
                await self.session.add_items([message])
                times.append(time.perf_counter() - start)
            return times

        return self.runner.run(all_of_them())

    def append_many(self, messages: Sequence[Message]) -> bool:
        self.runner.run(self.session.add_items(list(messages)))
        return True

    def load(self) -> list[Message]:
        return self.runner.run(self.session.get_items())

    def load_at(self, number: int, place: str | None) -> list[Message]:
        return self.load()[:number]

    def edit(self, number: int, places: Sequence[str], message: Message) -> bool:
        items = self.load()
        items[number] = message
        self.runner.run(self.session.clear_session())
        return self.append_many(items)


class AdvancedPeer(SessionPeer):
    lacks = "no hashes, no commits; forks only before a user's turn, so one turn shorter; an edit is a fork and all that follows again"

    def make(self, path: str) -> Any:
        return _Advanced(session_id="main", db_path=path, create_tables=True)

    def fork(self, name: str) -> bool:
        turns = self.runner.run(self.session.get_conversation_turns())
        self.runner.run(self.session.create_branch_from_turn(turns[-1]["turn"], name))
        self.runner.run(self.session.switch_to_branch("main"))
        return True

    def switch(self, name: str) -> bool:
        self.runner.run(self.session.switch_to_branch(name))
        return True

    def edit(self, number: int, places: Sequence[str], message: Message) -> bool:
        following = self.load()[number + 1 :]
        self.runner.run(self.session.create_branch_from_turn(number // 2 + 1))
        return self.append_many([message, *following])
