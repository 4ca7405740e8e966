"""A program's own compactions, as compressions: the messages it removed from the context stay behind their replacement.

a compaction        one summary, in the place of all messages except those that the program kept
a microcompaction   a summary for each message with a cleared result: the same message with a few words in the result's place
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tract.adapters.transcripts.conversations import Turn
from tract.dataclass import replace
from tract.history.commit import Draft
from tract.history.compression import NewSummary, commit_compression, compress_reason
from tract.history.context import context_at, entries
from tract.history.keys import find_key
from tract.history.new_keys import KeysOfCommits
from tract.history.times import microseconds
from tract.objects.kept import message_value
from tract.objects.model import Entry
from tract.repo import Repository
from tract.transaction import transaction

CLEARED = "[Old tool result content cleared]"
"""The text that Claude Code sends in the place of a result cleared by a microcompaction."""


def summarise(repo: Repository, turn: Turn) -> bool:
    """Put *turn* in the place of the messages it summarises; False if there are none."""
    branch, tip = repo.head()
    kept = {found.best for key in turn.keeps if (found := find_key(repo, key, tip)) is not None}
    sources = tuple(entry for entry in entries(repo, context_at(repo, tip)) if entry[0] not in kept)
    if not sources or branch is None:
        return False
    summary = NewSummary(message_value(turn.message, turn.format), sources, _facts(sources))
    metadata = {"imported": turn.metadata} if turn.metadata else {}
    _compress(repo, turn, branch, [summary], metadata=metadata)
    return True


def clear_results(repo: Repository, turn: Turn) -> None:
    """Replace the results of the calls that *turn* clears with the text that the program sends instead."""
    branch, tip = repo.head()
    summaries = []
    for entry in entries(repo, context_at(repo, tip)):
        value = _without_results(repo, entry, turn.clears)
        if value is not None:
            summaries.append(NewSummary(value, (entry,), _facts((entry,))))
    if summaries and branch is not None:
        _compress(repo, turn, branch, summaries, message="microcompaction")


def _compress(repo: Repository, turn: Turn, branch: str, summaries: Sequence[NewSummary], **about: Any) -> None:
    """Commit the compression at the time of *turn*; if *turn* is the summary, under its key."""
    time = repo.clock() if turn.time is None else microseconds(turn.time, "time")
    with transaction(replace(repo, clock=lambda: time), compress_reason(summaries)) as tx:
        keys = KeysOfCommits(tx)
        commit, _ = commit_compression(tx, branch, summaries, **about)
        if turn.summarises and turn.key is not None:
            keys.add_new([(Draft(dict(summaries[0].value), key=turn.key), commit, tx.repo.commit(commit))])
    keys.landed()


def _facts(sources: Sequence[Entry]) -> dict[str, Any]:
    """A compress commit's metadata about a summary, besides its id."""
    return {"messages": len(sources), "first": sources[0][0].hex(), "last": sources[-1][0].hex()}


def _without_results(repo: Repository, entry: Entry, calls: frozenset[str]) -> dict[str, Any] | None:
    """The entry's value without the results of *calls*; None if it has none of them."""
    value = repo.blob(entry[1])
    message = value.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        return None
    emptied = [
        {**block, "content": CLEARED}
        if isinstance(block, dict) and block.get("tool_use_id") in calls and block.get("content") != CLEARED
        else block
        for block in content
    ]
    return None if emptied == content else {**value, "message": {**message, "content": emptied}}
