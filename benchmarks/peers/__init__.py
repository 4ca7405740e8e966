"""The peers: each an adapter that does the same work in its own way, as its documentation says.

A peer's module is imported only in the processes that measure it, so one that is not installed costs its rows and nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

from benchmarks.peers.peer import Durability, Message, Peer


class Entry(NamedTuple):
    """Where a peer is, and which distributions its version is said with."""

    module: str
    name: str
    distributions: tuple[str, ...] = ()


PEERS: dict[str, Entry] = {
    "tract": Entry("with_tract", "TractPeer", ("tract-ai",)),
    "tract, tokens not asked for": Entry("with_tract", "UncountedPeer", ("tract-ai",)),
    "floor: frames, unpacked": Entry("floor", "FloorPeer", ("zstandard", "msgpack")),
    "JSONL": Entry("jsonl", "JsonlPeer"),
    "sqlite3 table": Entry("sqlite_table", "TablePeer"),
    "sqlite3 commit store": Entry("sqlite_commits", "CommitsPeer", ("blake3",)),
    "SQLiteSession": Entry("openai_sessions", "SessionPeer", ("openai-agents",)),
    "AdvancedSQLiteSession": Entry("openai_sessions", "AdvancedPeer", ("openai-agents",)),
    "SqliteSaver": Entry("langgraph_saver", "SaverPeer", ("langgraph", "langgraph-checkpoint-sqlite")),
    "SqliteSaver, DeltaChannel": Entry("langgraph_saver", "DeltaPeer", ("langgraph", "langgraph-checkpoint-sqlite")),
    "llm LogStore": Entry("llm_logs", "LogStorePeer", ("llm", "sqlite-utils")),
    "pygit2": Entry("with_pygit2", "ChainPeer", ("pygit2",)),
    "pygit2, whole trees": Entry("with_pygit2", "TreePeer", ("pygit2",)),
    "dulwich": Entry("with_dulwich", "DulwichPeer", ("dulwich",)),
    "git commit": Entry("with_git", "GitPeer"),
    "git fast-import": Entry("with_git", "FastImportPeer"),
}
"""All of them, in the order of the tables."""

WITHOUT_EXTRAS = ("tract", "JSONL", "sqlite3 table", "sqlite3 commit store", "git commit", "git fast-import")
"""Those that need no more than tract itself, and git where there is one."""


def peer_class(name: str) -> type[Peer]:
    """The adapter of a peer; ImportError when what it needs is not installed."""
    entry = PEERS[name]
    found: type[Peer] = getattr(import_module(f"benchmarks.peers.{entry.module}"), entry.name)
    return found


__all__ = ["PEERS", "WITHOUT_EXTRAS", "Durability", "Entry", "Message", "Peer", "peer_class"]
