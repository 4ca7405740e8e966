"""Accounting: how many tokens a context has, how that is known, and what the budget says to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from tract.compile.compiled import CompiledContext, TokenCount, estimated_total
from tract.compile.compiler import is_of_tool
from tract.compile.message import CompileWarning, Message
from tract.compile.prefix import is_shown, prefix_change
from tract.compile.snapshot import Snapshot, View
from tract.compile.tables import NoteTables
from tract.compile.tokens import REPLY_PRIMING
from tract.compile.usage import TokenUsage, counted_tokens, estimated_tokens, read_usage, usage_body
from tract.compile.workspace import Workspace, compile_head
from tract.config import BudgetAction, TokenBudgetConfig
from tract.errors import BudgetExceededError
from tract.history.commit import Draft
from tract.history.context import chunks, context_at
from tract.history.notes import USAGE, NewNote, note_tip, write_note
from tract.history.priority import Priority
from tract.history.walk import first_parents
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation, Entry
from tract.revision import resolve_revision
from tract.storage.totals import Totals

# Further back than this, reading the context is no slower.
_MOST_STEPS = 256


def usage_of_answer(space: Workspace, answer: Draft, usage: TokenUsage) -> dict[str, Any]:
    """The usage note of an answer about to be committed."""
    before = compile_head(space)
    tokens = estimated_total(before, space) + _added_tokens(space, before, [answer])
    return usage_body(usage, answer=True, counter=space.blobs.counter.name, estimate=tokens)


def check_budget(space: Workspace, drafts: Sequence[Draft]) -> None:
    """Do what the budget says of a context that *drafts* would bring over it; BudgetExceededError when that is to refuse."""
    budget = space.repo.config.budget
    if budget is None:
        return
    before = compile_head(space)
    _check_total(space, budget, token_total(space, before).total, _added_tokens(space, before, drafts))


def check_budget_of_merge(space: Workspace, gone: Iterable[Entry], new: Iterable[tuple[ObjectId, Message]]) -> None:
    """The same for a context that loses the entries *gone* and gets *new* ones, each a message and its commit; skipped ones count nothing."""
    budget = space.repo.config.budget
    if budget is None:
        return
    before = compile_head(space)
    priorities = space.compiler.priorities

    def is_shown(commit: ObjectId) -> bool:
        note = priorities.get(space.repo, commit)
        return note is None or note["priority"] != Priority.SKIP

    added = sum(space.made_tokens(message) for commit, message in new if is_shown(commit))
    added -= sum(space.message_tokens(blob) for commit, blob in gone if is_shown(commit))
    if added > 0:  # what makes a context that is over it smaller is never in the way
        _check_total(space, budget, token_total(space, before).total, added)


def _check_total(space: Workspace, budget: TokenBudgetConfig, current: int, added: int) -> None:
    if current + added <= budget.max_tokens:
        return
    if budget.action is BudgetAction.REJECT:
        raise BudgetExceededError(current, added, budget.max_tokens)
    if budget.action is BudgetAction.CALLBACK and budget.callback is not None:
        budget.callback(current + added, budget.max_tokens)
        return
    space.warn(f"token budget exceeded: {current + added} of {budget.max_tokens} tokens")


def _added_tokens(space: Workspace, before: Snapshot, drafts: Sequence[Draft]) -> int:
    """By how many tokens *drafts* change the context *before*."""
    first = REPLY_PRIMING if drafts and not before.length else 0
    return first + sum(_change_of(space, before, one) for one in drafts)


def _change_of(space: Workspace, before: Snapshot, one: Draft) -> int:
    """By how many tokens *one* changes the context *before*: by none where it edits a message that is hidden."""
    tokens = space.blobs.count_value(one.value).message
    if one.operation is CommitOperation.APPEND or one.target is None:
        return tokens
    at = before.columns.place(one.target)
    return tokens - space.message_tokens(before.columns.blobs[at]) if at is not None and at < before.length else 0


def compiled(space: Workspace, snapshot: Snapshot) -> CompiledContext:
    """The snapshot as users see it."""
    return CompiledContext(
        snapshot,
        partial(_counts, space, snapshot),
        partial(token_total, space, snapshot),
        partial(prefix_change, space, snapshot),
        partial(_torn_pairs, space, snapshot),
    )


def _counts(space: Workspace, snapshot: Snapshot) -> Sequence[int]:
    with space.lock:
        snapshot.columns.total(snapshot.length, space)
        return View(snapshot.columns.counts, snapshot.length)


def _torn_pairs(space: Workspace, snapshot: Snapshot) -> tuple[CompileWarning, ...]:
    with space.lock:
        return snapshot.columns.pairing_warnings(snapshot.length)


def token_total(space: Workspace, snapshot: Snapshot) -> TokenCount:
    """The tokens of a compiled context: what a provider counted, and the counter's estimate of what changed since.

    Without recorded usage, the counter's own figure.
    """
    with space.lock:
        total = estimated_total(snapshot, space)
        if space.exact and space.totals.is_due:
            remember_totals(space, snapshot)
        return _with_usage(space, snapshot.key.commit, total)


def _with_usage(space: Workspace, commit: ObjectId | None, total: int) -> TokenCount:
    counter = space.blobs.counter.name
    found = newest_usage(space, commit)
    if found is None:
        return TokenCount(total, counter)
    recorded_at, body = found
    then = estimated_tokens(body)
    if body.get("counter") != counter:
        then = estimated_total(space.compiler.compile(space.repo, recorded_at), space)
    counted = counted_tokens(body)
    return TokenCount(max(0, counted + total - then), f"api:{counted}{total - then:+d}")


def newest_usage(space: Workspace, commit: ObjectId | None) -> tuple[ObjectId, Mapping[str, Any]] | None:
    """The usage recorded last on the way to *commit*, and the commit it was recorded for."""
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
        if body is not None:
            answer = (id, body)
            break
    space.usage_seen = (tip, commit, answer)
    return answer


class ContextTotals(NamedTuple):
    """A context in figures; *estimated* says how many messages' tokens nobody ever counted exactly, *pinned* how many somebody pinned; *counted* are the messages' tokens by the counter alone."""

    messages: int
    skipped: int
    tokens: TokenCount
    estimated: int
    pinned: int
    counted: int


def context_totals(space: Workspace, commit: ObjectId | None) -> ContextTotals:
    """The figures of the context at *commit*, from its tree and the counts alone: no message is read that was counted before.

    What was worked out before, here or a few messages ago, by whatever process, is not worked out again.
    """
    notes = space.compiler.advance_notes(space.repo)
    if space.compiler.is_custom:
        return _compiled_totals(space, commit)
    known, estimated = _known_totals(space, commit, notes) or _walked_totals(space, commit, notes)
    if known is None:
        return _compiled_totals(space, commit)
    if commit is not None and estimated:
        space.totals.put_estimated(commit, notes.priorities.tip, space.blobs.kept, known, estimated)
    elif commit is not None:
        space.totals.put(commit, notes.priorities.tip, known)
    tokens = _with_usage(space, commit, known.tokens + (REPLY_PRIMING if known.messages else 0))
    return ContextTotals(
        known.messages,
        known.skipped,
        _named(tokens, estimated, known.messages),
        estimated,
        known.pinned,
        known.tokens,
    )


def _known_totals(space: Workspace, commit: ObjectId | None, notes: NoteTables) -> tuple[Totals, int] | None:
    """The totals that are remembered, with the messages that were appended since, and how many messages are estimated."""
    kept = "" if space.exact else space.blobs.kept
    added: list[ObjectId] = []
    at = commit
    while at is not None and len(added) < _MOST_STEPS:
        known = space.totals.get(at, notes.priorities.tip)
        if known is not None:
            return _grown_totals(space, known, 0, added)
        guessed = None if space.exact else space.totals.get_estimated(at, notes.priorities.tip, kept)
        if guessed is not None:
            return _grown_totals(space, *guessed, added)
        found = space.repo.commit(at)
        if found.operation is not CommitOperation.APPEND or found.content is None or len(found.parents) != 1:
            return None
        if notes.priorities.has_any([at]) or (space.exact and space.blobs.known(found.content) is None):
            return None
        added.append(found.content)
        at = found.parents[0]
    return None


def _grown_totals(
    space: Workspace, known: Totals, estimated: int, added: Sequence[ObjectId]
) -> tuple[Totals, int] | None:
    if added and known.tools:
        return None  # one may answer a call that is hidden
    tokens = sum(space.message_tokens(blob) for blob in added)
    estimated += 0 if space.exact else sum(space.blobs.known(blob) is None for blob in added)
    return known._replace(messages=known.messages + len(added), tokens=known.tokens + tokens), estimated


def _walked_totals(space: Workspace, commit: ObjectId | None, notes: NoteTables) -> tuple[Totals | None, int]:
    """The totals by the context's tree, and how many messages are estimated; None where tool pairs may be torn."""
    repo = space.repo
    messages = skipped = pinned = tokens = estimated = 0
    for _, items in chunks(repo, context_at(repo, commit)):
        has_notes = notes.priorities.has_any(items[::2])
        for entry, blob in zip(items[::2], items[1::2], strict=True):
            if has_notes and notes.is_skipped(repo, entry):
                skipped += 1
                if is_of_tool(space.blobs.message(repo, blob)):
                    return None, 0  # what else is left out with it, only the compiler knows
                continue
            pinned += has_notes and notes.is_pinned(repo, entry)
            messages += 1
            estimated += not space.exact and space.blobs.known(blob) is None
            tokens += space.message_tokens(blob)
    return Totals(messages, skipped, pinned, tokens, tools=False), estimated


def _compiled_totals(space: Workspace, commit: ObjectId | None) -> ContextTotals:
    snapshot = space.compiler.compile(space.repo, commit)
    columns, length = snapshot.columns, snapshot.length
    estimated = 0 if space.exact else sum(space.blobs.known(blob) is None for blob in columns.blobs[:length])
    tokens = _named(token_total(space, snapshot), estimated, length)
    if commit is not None and not estimated and not space.compiler.is_custom and (space.exact or not columns.made):
        remember_totals(space, snapshot)
    counted = columns.total(length, space)
    return ContextTotals(length, len(snapshot.hidden), tokens, estimated, _count_pinned(space, snapshot), counted)


def remember_totals(space: Workspace, snapshot: Snapshot) -> None:
    """Keep the totals of a snapshot for other processes; not of one in an order of its own, nor of a compiler of the user's."""
    commit = snapshot.key.commit
    if commit is None or space.compiler.is_custom or not space.compiler.has_made(snapshot):
        return
    tokens = snapshot.columns.total(snapshot.length, space)
    totals = Totals(
        snapshot.length, len(snapshot.hidden), _count_pinned(space, snapshot), tokens, snapshot.hidden.tools
    )
    space.totals.put(commit, snapshot.key.priority, totals)


def _count_pinned(space: Workspace, snapshot: Snapshot) -> int:
    """How many messages that are shown somebody pinned."""
    notes = space.compiler.advance_notes(space.repo)
    shown = (commit for commit in notes.priorities.targets() if is_shown(snapshot, commit))
    return sum(notes.is_pinned(space.repo, commit) for commit in shown)


def _named(tokens: TokenCount, estimated: int, messages: int) -> TokenCount:
    """The count with a source that says how much of it is estimated."""
    if not estimated:
        return tokens
    return TokenCount(tokens.total, f"{tokens.source}, {estimated} of {messages} messages estimated")


def record_usage(space: Workspace, usage: Any, head_hash: str | None) -> CompiledContext:
    """Keep what the provider counted for the context at *head_hash* (HEAD where None), as a note on that commit."""
    repo = space.repo
    commit = resolve_revision(repo, head_hash or "HEAD")
    snapshot = space.compiler.compile(repo, commit)
    tokens = estimated_total(snapshot, space)
    body = usage_body(read_usage(usage), answer=False, counter=space.blobs.counter.name, estimate=tokens)
    write_note(repo, USAGE, NewNote(commit, body, repo.clock()), reason=f"record-usage: {commit.hex()[:16]}")
    return compiled(space, space.compiler.compile(repo, commit))
