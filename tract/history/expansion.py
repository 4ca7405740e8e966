"""Expanding a summary: its original messages come back, and the summary is removed.

    now        S  Σ  P  d' e  f        since the compression d was edited and f appended
    expanded   S  a  b  P  c  d' e  f

The original entries come back under their own ids; later changes to other messages stay.
A message that stands for a child's work can be expanded too: the child's messages take its place (tract/history/collapse.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tract.errors import BlobNotFoundError, BranchExistsError, CompressionError
from tract.history.collapse import Collapse, collapse_of, messages_of
from tract.history.commit import commit_context
from tract.history.compression import SUMMARY, compression_of, is_summary, known_compression_of, summaries_of
from tract.history.context import context_at, entries
from tract.history.foreign import notes_about, take_notes
from tract.history.notes import CONFIG, ORIGIN, PRIORITY, REQUEST, noted_entries
from tract.history.spawn import name_now
from tract.history.three_way import merge_contexts
from tract.history.tracts import in_tract
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId, parse_id
from tract.objects.model import COLLAPSE, EXPANDED, CommitOperation, Entry
from tract.refs.names import branch_ref
from tract.refs.store import ANY, Expected
from tract.repo import Repository
from tract.transaction import Moves, transaction


class Expansion(NamedTuple):
    """The plan of expanding *summary* at *head*: *sources* are the messages that come back, *context* is the whole context after it.

    *compression* is the commit that made the summary; *collapse* is set if the summary stands for a child's work.
    """

    head: ObjectId
    summary: ObjectId
    compression: ObjectId
    sources: tuple[Entry, ...]
    context: tuple[Entry, ...]
    collapse: Collapse | None = None


def plan_expansion(repo: Repository, summary: ObjectId) -> Expansion:
    """Plan the expansion of the summary in the context at HEAD; nothing is written.

    CompressionError if it is not a summary, is not in the context, or its originals are gone.
    """
    _, head = repo.head()
    if head is None:
        raise CompressionError("nothing to expand: there is no commit yet")
    now = entries(repo, context_at(repo, head))
    collapse = collapse_of(repo, summary, head)
    if collapse is not None:
        return _plan_for_work(repo, head, now, summary, collapse)
    compression = known_compression_of(repo, summary)
    _check_there(repo, now, summary)
    sources = summaries_of(repo, compression)[summary]
    _check_kept(repo, sources)
    base = entries(repo, context_at(repo, compression))
    before = entries(repo, context_at(repo, repo.commit(compression).parents[0]))
    restored = _restored(before, base, sources)
    stand_ins = _stand_ins(repo, now, dict(base))
    names = {commit: first for first, commit in stand_ins.items()}
    since = [(names.get(commit, commit), blob) for commit, blob in now]
    # Those that come back are the first side: messages appended since come after them.
    merged = merge_contexts(base, restored, since).entries
    context = tuple((stand_ins.get(commit, commit), blob) for commit, blob in merged if commit != summary)
    return Expansion(head, summary, compression, sources, context)


def _plan_for_work(
    repo: Repository, head: ObjectId, now: Sequence[Entry], message: ObjectId, collapse: Collapse
) -> Expansion:
    """Plan the expansion of a message that stands for a child's work: the child's messages that are not here yet take its place."""
    _check_there(repo, now, message)
    sources = messages_of(repo, collapse)
    _check_kept(repo, sources)
    there = {commit for commit, _ in now}
    back = [entry for entry in sources if entry[0] not in there]
    context = (one for entry in now for one in (back if entry[0] == message else [entry]))
    return Expansion(head, message, collapse.commit, sources, tuple(context), collapse)


def _check_there(repo: Repository, now: Sequence[Entry], summary: ObjectId) -> None:
    """Raise CompressionError unless the summary is in the context *now*."""
    if summary not in dict(now):
        outer = _summary_over(repo, now, summary)
        why = f": summary {outer.hex()[:16]} stands for it" if outer is not None else ""
        raise CompressionError(f"summary {summary.hex()[:16]} is not in the context at HEAD{why}")


def _stand_ins(repo: Repository, now: Sequence[Entry], base: Mapping[ObjectId, ObjectId]) -> dict[ObjectId, ObjectId]:
    """The summaries made since, by the message of *base* in whose place they stand, so that a merge knows where they belong."""
    found: dict[ObjectId, ObjectId] = {}
    for commit, _ in now:
        first = commit
        while first not in base and is_summary(repo, first):
            about = (repo.commit(first).metadata or {})[SUMMARY]
            named = (
                parse_id(about["first"]) if isinstance(about, dict) and isinstance(about.get("first"), str) else None
            )
            if named is None or not repo.objects.contains(named):
                break
            first = named
        if first != commit and first in base:
            found[first] = commit
    present = {commit for commit, _ in now}
    return {first: commit for first, commit in found.items() if first not in present}


def _summary_over(repo: Repository, items: Sequence[Entry], message: ObjectId) -> ObjectId | None:
    """The summary among *items* that stands for *message*, directly or through another summary; None if there is none."""
    for id, _ in items:
        stack = [id] if is_summary(repo, id) else []
        while stack:
            compression = compression_of(repo, stack.pop())
            inside = (
                []
                if compression is None
                else [one for sources in summaries_of(repo, compression).values() for one, _ in sources]
            )
            if message in inside:
                return id
            stack += [one for one in inside if is_summary(repo, one)]
    return None


def _restored(before: Sequence[Entry], after: Sequence[Entry], sources: Sequence[Entry]) -> Sequence[Entry]:
    """The context *after* a compression with *sources* back in their places, and all its summaries still there."""
    kept, back = dict(after), dict(sources)
    both = [(commit, kept[commit]) for commit, _ in before if commit in kept]
    mine = [(commit, kept.get(commit, blob)) for commit, blob in before if commit in kept or commit in back]
    return merge_contexts(both, mine, after).entries


def _check_kept(repo: Repository, sources: tuple[Entry, ...]) -> None:
    for commit, blob in sources:
        for id in (commit, blob):
            if not repo.objects.contains(id):
                detail = f"message {commit.hex()[:16]} is not kept any more"
                raise CompressionError(f"the summary cannot be expanded: {detail}") from BlobNotFoundError(id.hex())


def write_expansion(
    repo: Repository, expansion: Expansion, *, branch: str | None = None, expected: Expected = ANY
) -> ObjectId:
    """Commit the expansion on HEAD's branch, or as the first commit of a new *branch*, without moving HEAD.

    RefMovedError if HEAD's branch moved since the plan, or is not at *expected*; BranchExistsError if *branch* exists.
    """
    reason = f"expand: {_message(expansion)}"
    moves: Moves = "branch" if branch is None else "refs"
    notes = [] if expansion.collapse is None else _notes_of_work(repo, expansion, expansion.collapse)
    with transaction(repo, reason, moves=moves, expected=expansion.head) as tx:
        tx.check_expected(expected)
        if branch is not None and tx.ref(branch_ref(branch)) is not None:
            raise BranchExistsError(f"branch '{branch}' exists already")
        metadata = {EXPANDED: expansion.summary.hex(), "messages": len(expansion.sources)}
        if expansion.collapse is not None:
            metadata[COLLAPSE] = expansion.collapse.child
            take_notes(tx, notes)
        id = commit_context(
            tx,
            expansion.context,
            CommitOperation.REVERT,
            target=expansion.compression,
            message=f"Expanded {_message(expansion)}",
            metadata=metadata,
        )
        if branch is None:
            tx.move_branch(id, orig_head=True)
        else:
            tx.move(branch_ref(branch), id, None)
    return id


def _notes_of_work(repo: Repository, expansion: Expansion, collapse: Collapse) -> list[tuple[str, ObjectId, ObjectId]]:
    """The child's notes about its messages. Priorities are those of the time of the collapse, because messages hidden then must not be shown here; configs, origins and requests are the present ones, if the child still exists. Keys stay with a branch's history, and usage where it was spent."""
    back = {commit for commit, _ in expansion.sources}
    name = name_now(repo, collapse.spawn)
    found: list[tuple[str, ObjectId, ObjectId]] = []
    if name is not None:
        about = notes_about(in_tract(repo, name), back)
        found += [one for one in about if one[0] in (CONFIG, ORIGIN, REQUEST)]
    if collapse.priorities is not None and repo.objects.contains(collapse.priorities):
        listed = noted_entries(repo, collapse.priorities)
        found += [(PRIORITY, commit, blob) for commit, blob in listed if commit in back]
    return found


def _message(expansion: Expansion) -> str:
    count = len(expansion.sources)
    return f"summary {expansion.summary.hex()[:10]} of {count} message{'' if count == 1 else 's'}"
