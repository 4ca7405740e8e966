"""Compressions: a summary takes the place of messages in a context; and finding the messages behind a summary.

    before      S  a  b  P  c  d  e         S is an instruction, P is pinned
                   └────────┘               a, b and c are summed up
    after       S  Σ     P     d  e
    old head  ◂── compress commit           Σ is a commit of its own, without parents:
    Σ         ◂──┘                          the compress commit names it as a merge names a branch

A compress commit adds no message itself. The messages that it removed are those in the context of its first parent that its own context lacks, so nothing is written twice, and they exist as long as that parent does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from tract.errors import BlobNotFoundError, CompressionError
from tract.history.commit import check_size, context_before
from tract.history.context import context_at, entries
from tract.history.notes import CONFIG
from tract.history.records import list_records
from tract.history.tree_edit import splice
from tract.history.walk import ancestors
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId, parse_id
from tract.objects.model import Commit, CommitOperation, Entry, NewObject, new_blob
from tract.refs.names import HEADS
from tract.repo import Repository
from tract.transaction import Transaction
from tract.tree import EMPTY, Context, nodes_of

SUMMARY = "summary"
"""The key in a summary commit's metadata that marks it as a summary."""

COMPRESSED = "compressed"
"""The key in a compress commit's metadata for the messages behind its summaries."""


class NewSummary(NamedTuple):
    """A summary still to be made: *value* is its content, which takes the place of the first of *sources*.

    *facts* are added to the summary's entry in the compress commit's metadata; *config* becomes a note about the summary.
    """

    value: Mapping[str, Any]
    sources: tuple[Entry, ...]
    facts: Mapping[str, Any]
    config: Mapping[str, Any] | None = None


def compress_reason(summaries: Sequence[NewSummary]) -> str:
    """The reflog's text for a compression."""
    count = sum(len(one.sources) for one in summaries)
    return f"compress: {count} message{'' if count == 1 else 's'}"


def commit_compression(
    tx: Transaction,
    branch: str,
    summaries: Sequence[NewSummary],
    dropped: Sequence[Entry] = (),
    *,
    metadata: Mapping[str, Any] = MappingProxyType({}),
    message: str | None = None,
) -> tuple[ObjectId, tuple[ObjectId, ...]]:
    """Commit a compression of *branch*, its summaries first, and move the branch to it; ``ORIG_HEAD`` keeps the old tip. Return the compress commit and the commits of the summaries.

    *dropped* are hidden messages that are removed without being summed up.
    The branch may have moved since the plan, as long as every message to be removed is still there with the same content; CompressionError if one is not.
    """
    tip = check_compressed(tx, branch)
    # First of all, because it may walk through more commits than the cache holds, and commits that are not written yet are only in the cache.
    records = list_records(tx.repo, tip, tx.objects)
    commits = [_commit_summary(tx, one) for one in summaries]
    nodes: list[NewObject] = []
    context = _compressed(tx.repo, tip, summaries, dropped, commits, nodes)
    tx.objects += nodes_of(tx.repo, context, nodes)
    count = sum(len(one.sources) for one in summaries)
    about = [{SUMMARY: id.hex(), **one.facts} for id, one in zip(commits, summaries, strict=True)]
    id = tx.commit(
        CommitOperation.COMPRESS,
        context,
        parents=(tip, *commits),
        message=message or count_text(count),
        metadata={COMPRESSED: about, **metadata},
        refs=records,
    )
    tx.move_branch(id, orig_head=True)
    for at, one in zip(commits, summaries, strict=True):
        if one.config:
            tx.note(CONFIG, at, dict(one.config))
    return id, tuple(commits)


def count_text(count: int) -> str:
    """The message of the commit for a compression of *count* messages."""
    return f"Compressed {count} message{'' if count == 1 else 's'}"


def check_compressed(tx: Transaction, branch: str) -> ObjectId:
    """The tip of HEAD's branch; CompressionError if that is not the *branch* of the compression."""
    if tx.branch != branch or tx.tip is None:
        raise CompressionError(f"the compression is of branch '{branch}', but HEAD is on '{tx.branch}'")
    return tx.tip


def _commit_summary(tx: Transaction, summary: NewSummary) -> ObjectId:
    """Make the commit that introduces a summary: its context is the summary alone."""
    blob = new_blob(dict(summary.value))
    check_size(tx.repo, blob)
    tx.objects.append(blob)
    count = len(summary.sources)
    about = {"messages": count, "first": summary.sources[0][0].hex(), "last": summary.sources[-1][0].hex()}
    return tx.commit(
        CommitOperation.APPEND,
        EMPTY,
        parents=(),
        content=blob.id,
        message=count_text(count),
        metadata={SUMMARY: about},
    )


def _compressed(
    repo: Repository,
    tip: ObjectId,
    summaries: Sequence[NewSummary],
    dropped: Sequence[Entry],
    commits: Sequence[ObjectId],
    made: list[NewObject],
) -> Context:
    """The context at *tip* without the removed messages, with the summaries in their places."""
    gone = [*(entry for one in summaries for entry in one.sources), *dropped]
    places = check_there(entries(repo, context_at(repo, tip)), gone)
    put: dict[int, Entry] = {}
    for id, one in zip(commits, summaries, strict=True):
        put[min(places[commit] for commit, _ in one.sources)] = (id, new_blob(dict(one.value)).id)
    context = context_before(repo, tip, made)
    for start, stop in reversed(runs_of(sorted(places.values()))):
        items = [put[at] for at in range(start, stop) if at in put]
        context = splice(repo, context, start, stop, items, made)
    return context


def check_there(items: Sequence[Entry], wanted: Sequence[Entry]) -> dict[ObjectId, int]:
    """The place of each message of *wanted* among *items*; CompressionError if one is gone or was edited."""
    known = {commit: (at, blob) for at, (commit, blob) in enumerate(items)}
    places: dict[ObjectId, int] = {}
    for commit, blob in wanted:
        at, now = known.get(commit, (-1, None))
        if now is None:
            raise CompressionError(f"message {commit.hex()[:16]} is no longer in the context; nothing was changed")
        if now != blob:
            raise CompressionError(
                f"message {commit.hex()[:16]} was edited since it was summed up; nothing was changed"
            )
        places[commit] = at
    return places


def runs_of(places: Sequence[int]) -> list[tuple[int, int]]:
    """Split rising numbers into runs: (first, one past the last)."""
    runs: list[tuple[int, int]] = []
    for at in places:
        if runs and runs[-1][1] == at:
            runs[-1] = (runs[-1][0], at + 1)
        else:
            runs.append((at, at + 1))
    return runs


# What a summary was made of


def is_summary(repo: Repository, id: ObjectId) -> bool:
    """True if commit *id* introduced a summary."""
    commit = repo.commit(id)
    return commit.operation is CommitOperation.APPEND and not commit.parents and SUMMARY in (commit.metadata or {})


def compression_of(repo: Repository, summary: ObjectId) -> ObjectId | None:
    """The compress commit that made the summary: the newest behind HEAD, else behind any branch, else in another tract; None if there is none."""
    return compressions_of(repo, [summary]).get(summary)


def compressions_of(repo: Repository, summaries: Iterable[ObjectId]) -> dict[ObjectId, ObjectId]:
    """The compress commits that made the *summaries*, as ``compression_of`` finds them, with one walk for all.

    A compress commit that removed no message does not count: it was replayed where the messages were missing.
    """
    wanted = set(summaries)
    found: dict[ObjectId, ObjectId] = {}
    for find in (_head, _branches, _elsewhere):
        starts = find(repo) if wanted else []
        for id, commit in ancestors(repo, starts) if wanted else ():
            if commit.operation is CommitOperation.COMPRESS:
                for summary in wanted.intersection(commit.parents[1:] or _told_summaries(commit)):
                    if _took_any(repo, id, summary):
                        found[summary] = id
                        wanted.discard(summary)
            if not wanted:
                break
    return found


def _head(repo: Repository) -> list[ObjectId]:
    return [tip for tip in (repo.head()[1],) if tip is not None]


def _branches(repo: Repository) -> list[ObjectId]:
    return [value for _, value in repo.local_refs("refs/") if isinstance(value, bytes)]


def _elsewhere(repo: Repository) -> list[ObjectId]:
    """The branches of other tracts: a child's summaries come with its messages."""
    return [value for name, value in repo.refs.list() if HEADS in name and isinstance(value, bytes)]


def _took_any(repo: Repository, compression: ObjectId, summary: ObjectId) -> bool:
    """True if messages were removed for the *summary*, or if that can no longer be told."""
    try:
        return bool(summaries_of(repo, compression)[summary])
    except CompressionError:
        return True


def _told_summaries(commit: Commit) -> Iterator[ObjectId]:
    """The summaries that a compress commit's metadata names: after gc cut its history it has no parents."""
    told = (commit.metadata or {}).get(COMPRESSED)
    for one in told if isinstance(told, list) else ():
        named = parse_id(one[SUMMARY]) if isinstance(one, dict) and isinstance(one.get(SUMMARY), str) else None
        if named is not None:
            yield named


def summaries_of(repo: Repository, compression: ObjectId) -> dict[ObjectId, tuple[Entry, ...]]:
    """Each summary of a compress commit with the messages it stands for, as they were then, in order.

    A hidden message that was removed belongs to the summary before it. CompressionError if the originals are gone, or if *compression* is not a compress commit.
    """
    commit = repo.commit(compression)
    cut = repo.shallow.cuts.get(compression)
    if cut is not None and commit.operation is CommitOperation.COMPRESS:
        raise CompressionError(
            f"the messages that commit {compression.hex()[:16]} compressed are not kept any more: gc cut it on {cut.date}"
        )
    if commit.operation is not CommitOperation.COMPRESS or len(commit.parents) < 2:
        raise CompressionError(f"commit {compression.hex()[:16]} is not a compression")
    try:
        before = entries(repo, context_at(repo, commit.parents[0]))
    except BlobNotFoundError as exc:
        raise CompressionError(
            f"the messages that commit {compression.hex()[:16]} compressed are not kept any more"
        ) from exc
    kept = {id for id, _ in entries(repo, context_at(repo, compression))}
    told = (commit.metadata or {}).get(COMPRESSED)
    firsts = (
        {one.get("first"): one.get(SUMMARY) for one in told if isinstance(one, dict)} if isinstance(told, list) else {}
    )
    summaries = {id.hex(): id for id in commit.parents[1:]}
    found: dict[ObjectId, list[Entry]] = {id: [] for id in commit.parents[1:]}
    current = commit.parents[1]
    for entry in before:
        if entry[0] not in kept:
            current = summaries.get(firsts.get(entry[0].hex()) or "", current)
            found[current].append(entry)
    return {id: tuple(sources) for id, sources in found.items()}


def sources_by_summary(repo: Repository, messages: Iterable[ObjectId]) -> dict[ObjectId, tuple[Entry, ...]]:
    """The messages that each summary among *messages* stands for; () if the originals are no longer kept."""
    summaries = [id for id in messages if is_summary(repo, id)]
    found: dict[ObjectId, tuple[Entry, ...]] = dict.fromkeys(summaries, ())
    for summary, compression in compressions_of(repo, summaries).items():
        with suppress(CompressionError):
            found[summary] = summaries_of(repo, compression)[summary]
    return found


def known_compression_of(repo: Repository, summary: ObjectId) -> ObjectId:
    """The compress commit that made the summary; CompressionError if *summary* is not a summary, or its originals are no longer kept."""
    compression = compression_of(repo, summary)
    if compression is not None:
        return compression
    if is_summary(repo, summary):
        raise CompressionError(f"the messages that summary {summary.hex()[:16]} stands for are not kept any more")
    raise CompressionError(f"commit {summary.hex()[:16]} is not a summary that a compression of this tract brought")
