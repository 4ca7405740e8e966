"""LangGraph's ``SqliteSaver``: the whole state in each checkpoint, and with a ``DeltaChannel`` only what was written.

The plain saver is called itself, without a graph above it, which is the fastest way in; a delta needs the graph, and ``update_state`` is its fastest call that adds a message.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, TypedDict

from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Overwrite

from benchmarks.peers.peer import Durability, Message, Peer


class SaverPeer(Peer):
    lacks = "no hashes; every checkpoint has the whole conversation, so its bytes grow with the square"
    durability: ClassVar[dict[Durability, str]] = {
        "process": "WAL, synchronous=NORMAL",
        "full": "WAL, synchronous=FULL",
    }
    most = 1_000
    why_most = "149 MB at 1,000, 15 GB at 10,000"

    def open(self, folder: str, durability: Durability) -> None:
        self.conn = sqlite3.connect(os.path.join(folder, "checkpoints.sqlite"), check_same_thread=False)
        self.saver = SqliteSaver(self.conn)
        self.saver.setup()
        self.conn.execute(f"PRAGMA synchronous={'FULL' if durability == 'full' else 'NORMAL'}")
        self.config: Any = {"configurable": {"thread_id": "1", "checkpoint_ns": ""}}
        self.lines: dict[str, Any] = {"main": self.config}
        self.name = "main"
        self.begin()

    def begin(self) -> None:
        found = self.saver.get_tuple(self.config)
        self.state: list[Message] = found.checkpoint["channel_values"]["messages"] if found else []
        if found:
            self.config = found.config

    def close(self) -> None:
        self.conn.close()

    def append(self, message: Message) -> bool:
        self.state = [*self.state, message]
        self._put()
        return True

    def _put(self) -> None:
        checkpoint: Any = {
            "v": 4,
            "ts": datetime.now(UTC).isoformat(),
            "id": str(uuid6()),
            "channel_values": {"messages": self.state},
            "channel_versions": {},
            "versions_seen": {},
        }
        self.config = self.saver.put(self.config, checkpoint, {"source": "update", "step": len(self.state)}, {})
        self.places.append(self.config["configurable"]["checkpoint_id"])

    def append_many(self, messages: Sequence[Message]) -> None:
        return None

    def load(self) -> list[Message]:
        return self._load(self.config)

    def load_at(self, number: int, place: str | None) -> list[Message]:
        return self._load({"configurable": {"thread_id": "1", "checkpoint_ns": "", "checkpoint_id": place}})

    def _load(self, config: Any) -> list[Message]:
        found = self.saver.get_tuple(config)
        assert found is not None
        return found.checkpoint["channel_values"]["messages"]

    def fork(self, name: str) -> bool:
        here = self.config
        self._put()
        self.lines[name], self.config = self.config, here
        return True

    def switch(self, name: str) -> bool:
        self.lines[self.name] = self.config
        self.name, self.config = name, self.lines[name]
        return True

    def edit(self, number: int, places: Sequence[str], message: Message) -> bool:
        self.state = [*self.state[:number], message, *self.state[number + 1 :]]
        self._put()
        return True

    def gc(self) -> bool:
        self.conn.execute("VACUUM")
        return True


def _extend(state: list[Message], writes: Sequence[list[Message]]) -> list[Message]:
    result = list(state)
    for write in writes:
        result.extend(write)
    return result


_ROLES = {"human": "user", "ai": "assistant", "system": "system"}


def _plain(message: Any) -> Message:
    """What a provider takes; the graph makes messages of its own of what it was given."""
    if isinstance(message, dict):
        return message
    return {"role": _ROLES[message.type], "content": message.content}


class _State(TypedDict):
    messages: Annotated[list, DeltaChannel(_extend)]


class DeltaPeer(SaverPeer):
    lacks = "no hashes; beta; an append reads the whole state; forks write into the line they leave (langgraph issue 8551), so none here"
    most = 1_000
    why_most = "an append costs 10 ms and more from there on"

    def begin(self) -> None:
        builder = StateGraph(_State)
        builder.add_node("say", lambda _: {})
        builder.add_edge(START, "say")
        builder.add_edge("say", END)
        self.graph = builder.compile(checkpointer=self.saver)

    def append(self, message: Message) -> bool:
        return self._update([message])

    def _update(self, value: Any) -> bool:
        self.config = self.graph.update_state(self.config, {"messages": value}, as_node="say")
        self.places.append(self.config["configurable"]["checkpoint_id"])
        return True

    def append_many(self, messages: Sequence[Message]) -> None:
        return None

    def _load(self, config: Any) -> list[Message]:
        return [_plain(message) for message in self.graph.get_state(config).values["messages"]]

    def fork(self, name: str) -> None:
        return None

    def switch(self, name: str) -> None:
        return None

    def edit(self, number: int, places: Sequence[str], message: Message) -> bool:
        state = self.load()
        return self._update(Overwrite([*state[:number], message, *state[number + 1 :]]))
