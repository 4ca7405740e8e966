"""Accounting: how many tokens a context has, how that is known, and what the budget says to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from tract.compile.compiled import CompiledContext, TokenCount, estimated_total
from tract.compile.compiler import SKIP
from tract.compile.snapshot import Snapshot, View
from tract.compile.tokens import REPLY_PRIMING
from tract.compile.usage import TokenUsage, counted_tokens, read_usage, usage_body
from tract.compile.workspace import Workspace, compile_head
from tract.config import BudgetAction
from tract.errors import BudgetExceededError
from tract.history.commit import Draft
from tract.history.context import chunks, context_at
from tract.history.notes import USAGE, NewNote, note_tip, write_note
from tract.history.walk import first_parents
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.revision import resolve_revision


def usage_of_answer(space: Workspace, answer: Draft, usage: TokenUsage) -> dict[str, Any]:
    """The usage note of an answer about to be committed."""
    before = compile_head(space)
    tokens = estimated_total(before, space.message_tokens) + _added_tokens(space, before, [answer])
    return usage_body(usage, answer=True, counter=space.blobs.counter.name, estimate=tokens)


def check_budget(space: Workspace, drafts: Sequence[Draft]) -> None:
    """Do what the budget says of a context that *drafts* would bring over it; BudgetExceededError when that is to refuse."""
    budget = space.repo.config.budget
    if budget is None:
        return
    before = compile_head(space)
    current = token_total(space, before).total
    added = _added_tokens(space, before, drafts)
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
    at = before.columns.index.get(one.target, before.length)
    return tokens - space.message_tokens(before.columns.blobs[at]) if at < before.length else 0


def compiled(space: Workspace, snapshot: Snapshot) -> CompiledContext:
    """The snapshot as users see it."""
    return CompiledContext(snapshot, partial(_counts, space, snapshot), partial(token_total, space, snapshot))


def _counts(space: Workspace, snapshot: Snapshot) -> Sequence[int]:
    with space.lock:
        snapshot.columns.total(snapshot.length, space.message_tokens)
        return View(snapshot.columns.counts, snapshot.length)


def token_total(space: Workspace, snapshot: Snapshot) -> TokenCount:
    """The tokens of a compiled context: what a provider counted, and the counter's estimate of what changed since.

    Without recorded usage, the counter's own figure.
    """
    with space.lock:
        return _with_usage(space, snapshot.key.commit, estimated_total(snapshot, space.message_tokens))


def _with_usage(space: Workspace, commit: ObjectId | None, total: int) -> TokenCount:
    counter = space.blobs.counter.name
    found = _newest_usage(space, commit)
    if found is None:
        return TokenCount(total, counter)
    recorded_at, body = found
    then = int(body["estimate"])
    if body["counter"] != counter:
        then = estimated_total(space.compiler.compile(space.repo, recorded_at), space.message_tokens)
    counted = counted_tokens(body)
    return TokenCount(max(0, counted + total - then), f"api:{counted}{total - then:+d}")


def _newest_usage(space: Workspace, commit: ObjectId | None) -> tuple[ObjectId, Mapping[str, Any]] | None:
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
    """A context in figures; *estimated* says how many messages' tokens nobody ever counted exactly."""

    messages: int
    skipped: int
    tokens: TokenCount
    estimated: int


def context_totals(space: Workspace, commit: ObjectId | None) -> ContextTotals:
    """The figures of the context at *commit*, from its tree and the counts alone: no message is read that was counted before."""
    if space.compiler.is_custom:
        snapshot = space.compiler.compile(space.repo, commit)
        return ContextTotals(snapshot.length, snapshot.hidden, token_total(space, snapshot), 0)
    space.compiler.advance_notes(space.repo)
    priorities = space.compiler.priorities
    messages = skipped = total = estimated = 0
    for _, items in chunks(space.repo, context_at(space.repo, commit)):
        for entry, blob in zip(items[::2], items[1::2], strict=True):
            note = priorities.get(space.repo, entry)
            if note is not None and note.get("priority") == SKIP:
                skipped += 1
                continue
            messages += 1
            estimated += not space.exact and space.blobs.known(blob) is None
            total += space.message_tokens(blob)
    tokens = _with_usage(space, commit, total + (REPLY_PRIMING if messages else 0))
    if estimated:
        tokens = TokenCount(tokens.total, f"{tokens.source}, {estimated} of {messages} messages estimated")
    return ContextTotals(messages, skipped, tokens, estimated)


def record_usage(space: Workspace, usage: Any, head_hash: str | None) -> CompiledContext:
    """Keep what the provider counted for the context at *head_hash* (HEAD where None), as a note on that commit."""
    repo = space.repo
    commit = resolve_revision(repo, head_hash or "HEAD")
    snapshot = space.compiler.compile(repo, commit)
    tokens = estimated_total(snapshot, space.message_tokens)
    body = usage_body(read_usage(usage), answer=False, counter=space.blobs.counter.name, estimate=tokens)
    write_note(repo, USAGE, NewNote(commit, body, repo.clock()), reason=f"record-usage: {commit.hex()[:16]}")
    return compiled(space, space.compiler.compile(repo, commit))
