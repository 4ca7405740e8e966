"""Conversations to compress, and what is left of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.making import Words
from tract import (
    CommitInfo,
    CompressResult,
    Tract,
)
from tract.history.context import context_at, entries


def make_tract(*said: str, path: Any = ":memory:", **options: Any) -> tuple[Tract, list[CommitInfo]]:
    """A tract with a message for each text: of the user, and the assistant in turn."""
    t = Tract.open(path, tokenizer=Words(), durability="process", **options)
    return t, [(t.user if at % 2 == 0 else t.assistant)(text) for at, text in enumerate(said)]


def words(text: str) -> int:
    return len(text.split())


def make_long(count: int = 6, path: Any = ":memory:") -> Tract:
    """A tract with so many messages, of ten words each."""
    t = Tract.open(path, tokenizer=Words(), durability="process")
    for at in range(count):
        (t.assistant if at % 2 else t.user)(f"fact {at} of many that are told here at length")
    return t


def ids(infos: Sequence[CommitInfo]) -> list[str]:
    return [info.commit_hash for info in infos]


def context(t: Tract) -> list[str]:
    """The ids of all messages at HEAD, hidden ones as well."""
    repo = t.repository
    return [commit.hex() for commit, _ in entries(repo, context_at(repo, repo.head()[1]))]


def result(id: str, text: str = "done") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": text}


def compress(t: Tract, content: str | None = "Σ", **options: Any) -> CompressResult:
    done = t.compress(content=content, **options)
    assert isinstance(done, CompressResult)
    return done
