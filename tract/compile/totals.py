"""Figures: the messages and tokens of a context, and the source of the token count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tract.compile.tables import NoteTables
from tract.compile.workspace import Workspace
from tract.dataclass import dataclass
from tract.history.context import chunks, context_at
from tract.history.notes import USAGE, note_tip
from tract.history.walk import first_parents
from tract.messages.pairing import is_of_tool
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, Entry
from tract.storage.counts import Totals
from tract.tokens.counted import REPLY_PRIMING
from tract.tokens.usage import counted_tokens, estimated_tokens

if TYPE_CHECKING:
    from tract.compile.snapshot import Counts, Snapshot

# Further back than this, reading the context is no slower.
_MOST_STEPS = 256


@dataclass(frozen=True, slots=True)
class TokenCount:
    """The tokens of a context: *total*, and its source, such as ``tiktoken:o200k_base`` or ``api:1234+56``.

    After ``api:`` stand the provider's count and the estimate for later messages; the estimate is negative if the context has shrunk since.
    """

    total: int
    source: str


def estimated_total(snapshot: Snapshot, counter: Counts) -> int:
    """A counter's tokens for the whole context: its messages, and the beginning of the answer."""
    return snapshot.columns.total(snapshot.length, counter) + (REPLY_PRIMING if snapshot.length else 0)


def token_total(space: Workspace, snapshot: Snapshot) -> TokenCount:
    """The tokens of a compiled context: the provider's count, and the counter's estimate of what changed since.

    Without recorded usage, it is the counter's own figure.
    """
    with space.lock:
        total = estimated_total(snapshot, space)
        if space.exact and space.totals.is_due:
            remember_totals(space, snapshot)
        return _with_usage(space, snapshot.key.commit, total, snapshot.columns.media(snapshot.length, space))


def request_total(space: Workspace, snapshot: Snapshot, request: Mapping[str, Any]) -> TokenCount:
    """The tokens of a request: the messages of *snapshot*, and its tools and instructions.

    A provider's count included its tools and instructions; otherwise they are estimated by the provider's published rules.
    """
    from tract.compile.request_change import settings_of, settings_tokens  # few ask for it

    with space.lock:
        found = token_total(space, snapshot)
        if found.source.startswith("api:"):
            return found
        settings = settings_of(request)
        has_system = any(
            message.role in ("system", "developer") for message in snapshot.columns.messages[: snapshot.length]
        )
        beside = settings_tokens(space.blobs.counter, settings, has_system=has_system)
        return TokenCount(found.total + beside, f"{found.source}, {beside} of tools and instructions estimated")


def _with_usage(space: Workspace, commit: ObjectId | None, total: int, media: int) -> TokenCount:
    """The count, based on the usage that a provider counted for this context or its beginning, if there is one.

    Usage from before a compression is not used: it counted a context that no longer exists.
    """
    counter = space.blobs.counter.name
    found = newest_usage(space, commit)
    if found is None or _is_compressed_since(space, commit, found[0]):
        return TokenCount(total, f"{counter}{_estimated(media)}")
    recorded_at, body = found
    then = estimated_tokens(body)
    if body.get("counter") != counter:
        then = estimated_total(space.compiler.compile(recorded_at), space)
    if media:  # media that the provider saw is in its count
        before = space.compiler.compile(recorded_at)
        media -= before.columns.media(before.length, space)
    counted = counted_tokens(body)
    return TokenCount(max(0, counted + total - then), f"api:{counted}{total - then:+d}{_estimated(media)}")


def _estimated(media: int) -> str:
    """The part of a source that says that so many pictures and files are estimates."""
    if media <= 0:
        return ""
    return f", {media} picture or file estimated" if media == 1 else f", {media} pictures or files estimated"


def newest_usage(space: Workspace, commit: ObjectId | None) -> tuple[ObjectId, Mapping[str, Any]] | None:
    """The newest usage recorded on the way to *commit*, and its commit."""
    tip = note_tip(space.repo, USAGE)
    space.usages.advance(space.repo, tip)
    if tip is None:
        return None
    seen_tip, seen_commit, seen = space.usage_seen
    answer = None
    for id, _ in first_parents(space.repo, commit):
        if seen_tip == tip and id == seen_commit:
            answer = seen
            break
        body = space.usages.get(space.repo, id)
        if body is not None and counted_tokens(body):  # zeros come with an answer that no provider gave
            answer = (id, body)
            break
    space.usage_seen = (tip, commit, answer)
    return answer


def _is_compressed_since(space: Workspace, commit: ObjectId | None, recorded_at: ObjectId) -> bool:
    """Whether messages of the context at *recorded_at* were compressed on the way to *commit*."""
    seen_commit, seen_at, seen = space.compressed_seen
    if seen_at != recorded_at:
        seen_commit = None
    found = False
    for id, one in first_parents(space.repo, commit):
        if id == recorded_at:
            break
        if id == seen_commit:
            found = seen
            break
        if one.operation is CommitOperation.COMPRESS:
            found = True
            break
    space.compressed_seen = (commit, recorded_at, found)
    return found


class ContextTotals(NamedTuple):
    """A context in figures.

    *estimated* is the number of messages whose tokens are only estimated, *pinned* the number of pinned messages; *counted* is the counter's own figure for all messages.
    """

    messages: int
    skipped: int
    tokens: TokenCount
    estimated: int
    pinned: int
    counted: int


def context_totals(space: Workspace, commit: ObjectId | None) -> ContextTotals:
    """The figures of the context at *commit*, from its tree and the stored counts: a message that was counted before is not read.

    Totals that any process computed before, for this commit or a few messages earlier, are reused.
    """
    notes = space.compiler.advance_notes()
    if space.compiler.is_custom:
        return snapshot_totals(space, space.compiler.compile(commit))
    known, estimated = _known_totals(space, commit, notes) or _walked_totals(space, commit, notes)
    if known is None:
        return snapshot_totals(space, space.compiler.compile(commit))
    if commit is not None and estimated:
        space.totals.put_estimated(commit, notes.priorities.tip, space.blobs.kept, known, estimated)
    elif commit is not None:
        space.totals.put(commit, notes.priorities.tip, known)
    tokens = _with_usage(space, commit, known.tokens + (REPLY_PRIMING if known.messages else 0), known.media)
    return ContextTotals(
        known.messages,
        known.skipped,
        _named(tokens, estimated, known.messages),
        estimated,
        known.pinned,
        known.tokens,
    )


def _known_totals(space: Workspace, commit: ObjectId | None, notes: NoteTables) -> tuple[Totals, int] | None:
    """The stored totals plus the messages appended since, and the number of estimated messages; None if no totals are stored."""
    kept = "" if space.exact else space.blobs.kept
    added: list[tuple[ObjectId, ObjectId]] = []
    at = commit
    while at is not None and len(added) < _MOST_STEPS:
        known = space.totals.get(at, notes.priorities.tip)
        if known is not None:
            return _grown_totals(space, at, known, 0, added)
        guessed = None if space.exact else space.totals.get_estimated(at, notes.priorities.tip, kept)
        if guessed is not None:
            return _grown_totals(space, at, *guessed, added)
        found = space.repo.commit(at)
        if found.operation is CommitOperation.RECORD and len(found.parents) == 1:
            at = found.parents[0]
            continue
        if found.operation is not CommitOperation.APPEND or found.content is None or len(found.parents) != 1:
            return None
        if notes.priorities.has_any([at]) or (space.exact and space.blobs.known(found.content) is None):
            return None
        added.append((at, found.content))
        at = found.parents[0]
    return None


def _grown_totals(
    space: Workspace, at: ObjectId, known: Totals, estimated: int, added: Sequence[tuple[ObjectId, ObjectId]]
) -> tuple[Totals, int] | None:
    if added and known.tools:
        return None  # one may answer a call that is hidden
    change: int | None = 0
    if added:
        from tract.compile.tail import change_of_commits, row_of  # most often the stored totals need no change

        change = change_of_commits(space, at, [row_of(space, *one) for one in reversed(added)])
    if change is None:
        return None
    counts = [space.count_of(blob) for _, blob in added]
    estimated += 0 if space.exact else sum(space.blobs.known(blob) is None for _, blob in added)
    grown = known._replace(
        messages=known.messages + len(added),
        tokens=known.tokens + sum(one.message for one in counts) + change,
        media=known.media + sum(one.media for one in counts),
    )
    return grown, estimated


def _walked_totals(space: Workspace, commit: ObjectId | None, notes: NoteTables) -> tuple[Totals | None, int]:
    """The totals by the context's tree, and the number of estimated messages; totals are None if tool pairs may be torn."""
    repo = space.repo
    skipped = pinned = estimated = media = 0
    shown: list[Entry] = []
    tokens: list[int] = []
    odd: list[int] = []
    for _, items in chunks(repo, context_at(repo, commit)):
        has_notes = notes.priorities.has_any(items[::2])
        for entry, blob in zip(items[::2], items[1::2], strict=True):
            if has_notes and notes.is_skipped(repo, entry):
                skipped += 1
                if is_of_tool(space.blobs.message(blob)):
                    return None, 0  # only the compiler knows what else is left out with it
                continue
            pinned += has_notes and notes.is_pinned(repo, entry)
            estimated += not space.exact and space.blobs.known(blob) is None
            count = space.count_of(blob)
            if count.depends:
                odd.append(len(shown))
            shown.append((entry, blob))
            tokens.append(count.message)
            media += count.media
    total = sum(tokens)
    if odd:
        from tract.compile.tail import change_of_all  # a context without tools needs none of it

        total += change_of_all(space, shown, tokens, odd)
    return Totals(len(shown), skipped, pinned, total, tools=False, media=media), estimated


def snapshot_totals(space: Workspace, snapshot: Snapshot) -> ContextTotals:
    """The same for a context that is compiled anyway: messages not counted before are counted now."""
    commit, columns, length = snapshot.key.commit, snapshot.columns, snapshot.length
    estimated = 0 if space.exact else sum(space.blobs.known(blob) is None for blob in columns.blobs[:length])
    tokens = _named(token_total(space, snapshot), estimated, length)
    if commit is not None and not estimated and not space.compiler.is_custom and (space.exact or not columns.made):
        remember_totals(space, snapshot)
    counted = columns.total(length, space)
    return ContextTotals(length, len(snapshot.hidden), tokens, estimated, _count_pinned(space, snapshot), counted)


def count_commits(space: Workspace, tip: ObjectId | None) -> int:
    """The number of commits up to and including *tip*, without records: by first parents, and at merges along the longest line.

    The records are counted once; later calls continue from the last count.
    """
    if tip is None:
        return 0
    records = _count_records(space, tip, space.repo.commit)
    return space.repo.commit(tip).generation - (records or 0)


def follow_records(space: Workspace, tip: ObjectId | None) -> None:
    """Count the records behind *tip* as far as commits are in memory, so that the next question for their number need not read those commits again."""
    if tip is not None:
        _count_records(space, tip, space.repo.decoded.commits.get)


def _count_records(space: Workspace, tip: ObjectId, read: Callable[[ObjectId], Commit | None]) -> int | None:
    """The number of records behind *tip*; None if *read* lacks a commit that is needed to reach the last count."""
    records = 0
    at: ObjectId | None = tip
    while at is not None:
        known = space.totals.get_records(at)
        if known is not None:
            records += known
            break
        commit = read(at)
        if commit is None:
            return None
        records += commit.operation is CommitOperation.RECORD
        at = commit.parents[0] if commit.parents else None
    space.totals.put_records(tip, records)
    return records


def remember_totals(space: Workspace, snapshot: Snapshot) -> None:
    """Store the totals of a snapshot for other processes, unless it has another order or a user's own compiler made it."""
    commit = snapshot.key.commit
    if commit is None or space.compiler.is_custom or not space.compiler.has_made(snapshot):
        return
    tokens = snapshot.columns.total(snapshot.length, space)
    totals = Totals(
        snapshot.length,
        len(snapshot.hidden),
        _count_pinned(space, snapshot),
        tokens,
        snapshot.hidden.tools,
        snapshot.columns.media(snapshot.length, space),
    )
    space.totals.put(commit, snapshot.key.priority, totals)


def _count_pinned(space: Workspace, snapshot: Snapshot) -> int:
    """The number of shown messages that are pinned."""
    notes = space.compiler.advance_notes()
    shown = (commit for commit in notes.priorities.targets() if snapshot.shows(commit))
    return sum(notes.is_pinned(space.repo, commit) for commit in shown)


def _named(tokens: TokenCount, estimated: int, messages: int) -> TokenCount:
    """The count, with a source that says how many messages are estimated."""
    if not estimated:
        return tokens
    return TokenCount(tokens.total, f"{tokens.source}, {estimated} of {messages} messages estimated")
