"""Accounting: how many tokens a context has, how that is known, and what the budget says to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from tract.compile.cache import count_content, readable_content
from tract.compile.compiled import CompiledContext, TokenCount, estimated_total
from tract.compile.compiler import SKIP
from tract.compile.snapshot import Snapshot
from tract.compile.tokens import REPLY_PRIMING
from tract.compile.usage import TokenUsage, counted_tokens, read_usage, usage_body
from tract.compile.workspace import Workspace, compile_head, current_blob
from tract.config import BudgetAction
from tract.errors import BudgetExceededError
from tract.history.commit import Draft
from tract.history.context import chunks, context_at
from tract.history.notes import PRIORITY, USAGE, NewNote, note_tip, write_note
from tract.history.walk import first_parents
from tract.objects.content import from_value
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.revision import resolve_revision


def usage_of_answer(space: Workspace, value: dict[str, Any], usage: TokenUsage) -> dict[str, Any]:
    """The usage note of an answer about to be committed."""
    content = from_value(value, space.types)
    before = estimated_total(compile_head(space), space.message_tokens)
    tokens = before + count_content(space.blobs.counter, content).message
    return usage_body(usage, answer=True, counter=space.blobs.counter.name, estimate=tokens)


def check_budget(space: Workspace, drafts: Sequence[Draft]) -> None:
    """Do what the budget says of a context that *drafts* would bring over it; BudgetExceededError when that is to refuse."""
    budget = space.repo.config.budget
    if budget is None:
        return
    current = token_total(space, compile_head(space)).total
    added = sum(_added_tokens(space, one) for one in drafts)
    if current + added <= budget.max_tokens:
        return
    if budget.action is BudgetAction.REJECT:
        raise BudgetExceededError(current, added, budget.max_tokens)
    if budget.action is BudgetAction.CALLBACK and budget.callback is not None:
        budget.callback(current + added, budget.max_tokens)
        return
    space.warn(f"token budget exceeded: {current + added} of {budget.max_tokens} tokens")


def _added_tokens(space: Workspace, one: Draft) -> int:
    tokens = count_content(space.blobs.counter, readable_content(one.value)).message
    if one.operation is CommitOperation.EDIT and one.target is not None:
        tokens -= space.message_tokens(current_blob(space.repo, one.target))
    return tokens


def compiled(space: Workspace, snapshot: Snapshot) -> CompiledContext:
    """The snapshot as users see it."""
    return CompiledContext(snapshot, space.message_tokens, partial(token_total, space, snapshot))


def token_total(space: Workspace, snapshot: Snapshot) -> TokenCount:
    """The tokens of a compiled context: what a provider counted, and the counter's estimate of what changed since.

    Without recorded usage, the counter's own figure.
    """
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
    priorities = space.compiler.priorities
    priorities.advance(space.repo, note_tip(space.repo, PRIORITY))
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
