"""Token budgets, and usage reported by providers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tract.compile.compiled import CompiledContext, compiled
from tract.compile.snapshot import Snapshot
from tract.compile.tables import tables_at
from tract.compile.totals import estimated_total, token_total
from tract.compile.workspace import Workspace, compile_head
from tract.config import BudgetAction, TokenBudgetConfig
from tract.errors import BudgetExceededError, BudgetWarning, ConfigError
from tract.history.commit import Draft
from tract.history.context import context_at
from tract.history.notes import CONFIG, USAGE, NewNote, note_tip, write_note
from tract.history.priority import Priority
from tract.history.records import message_before
from tract.history.tree_diff import TreeChange, diff_contexts
from tract.history.walk import is_ancestor
from tract.messages.message import Message, message_in
from tract.objects.codec import unpack
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation, Entry, NewObject
from tract.revision import Revision, resolve_revision
from tract.tokens.counted import REPLY_PRIMING
from tract.tokens.usage import TokenUsage, read_usage, usage_body


def usage_of_answer(space: Workspace, answer: Draft, usage: TokenUsage) -> dict[str, Any]:
    """The usage note of an answer about to be committed: the provider counted the context that the caller saw, without commits of others since."""
    before = _seen_context(space)
    tokens = estimated_total(before, space) + _added_tokens(space, before, [answer])
    return usage_body(usage, answer=True, counter=space.blobs.counter.name, estimate=tokens)


def _seen_context(space: Workspace) -> Snapshot:
    """The context that was sent, as far as it is known: without later commits of others, and with the messages that were hidden then."""
    repo = space.repo
    head = repo.head()[1]
    seen, shown = space.seen, space.shown
    if seen is not None and head is not None and seen != head and is_ancestor(repo, seen, head):
        return space.compiler.compile(seen)
    priorities = space.compiler.advance_notes().priorities.tip
    if shown is not None and shown[0] == head and shown[1] != priorities:
        return space.compiler.compile(head, tables_at(repo, shown[1], note_tip(repo, CONFIG)))
    return compile_head(space)


def check_budget(space: Workspace, drafts: Sequence[Draft]) -> None:
    """Apply the budget to a context that *drafts* would bring over it; BudgetExceededError if it refuses."""
    budget = _budget_of(space)
    if budget is None:
        return
    before = compile_head(space)
    _check_total(space, budget, token_total(space, before).total, _added_tokens(space, before, drafts))


def check_budget_of_new(space: Workspace, tokens: int, first: Draft) -> None:
    """The same for a new context whose messages have *tokens*, to which *first* is added."""
    budget = _budget_of(space)
    if budget is not None:
        _check_total(space, budget, tokens + REPLY_PRIMING, space.made_tokens(message_in(first.value)))


def check_budget_of_merge(space: Workspace, gone: Iterable[Entry], new: Iterable[tuple[ObjectId, Message]]) -> None:
    """The same for a context that loses the entries *gone* and gets *new* ones, each a message and its commit; skipped ones do not count."""
    budget = _budget_of(space)
    if budget is None:
        return
    before = compile_head(space)
    priorities = space.compiler.priorities

    def is_shown(commit: ObjectId) -> bool:
        note = priorities.get(space.repo, commit)
        return note is None or note["priority"] != Priority.SKIP

    added = sum(space.made_tokens(message) for commit, message in new if is_shown(commit))
    added -= sum(space.message_tokens(blob) for commit, blob in gone if is_shown(commit))
    if added > 0:
        _check_total(space, budget, token_total(space, before).total, added)


def check_budget_of_moving(space: Workspace, old: ObjectId | None, new: ObjectId) -> None:
    """The same for a branch that moves from *old* to *new*."""
    if space.repo.config.budget is not None:
        changes = diff_contexts(space.repo, context_at(space.repo, old), context_at(space.repo, new))
        check_budget_of_changes(space, changes)


def check_budget_of_changes(space: Workspace, changes: Iterable[TreeChange], blobs: Sequence[NewObject] = ()) -> None:
    """The same for *changes* of the context; *blobs* are contents not written yet."""
    repo = space.repo
    if repo.config.budget is None:
        return
    made = {blob.id: unpack(blob.payload) for blob in blobs}
    gone: set[Entry] = set()
    new: set[Entry] = set()
    for change in changes:
        gone.update(change.old)
        new.update(change.new)
    messages = (
        (commit, message_in(made[blob]) if blob in made else space.blobs.message(blob)) for commit, blob in new - gone
    )
    check_budget_of_merge(space, gone - new, messages)


def _budget_of(space: Workspace) -> TokenBudgetConfig | None:
    """The token budget; ConfigError if its action is a callback, and none was given since the store was opened."""
    budget = space.repo.config.budget
    if budget is not None and budget.action is BudgetAction.CALLBACK and budget.callback is None:
        raise ConfigError(
            "the token budget's action is a callback, but none was given: a callback is not saved with the settings"
        )
    return budget


def _is_answer(space: Workspace, id: ObjectId) -> bool:
    """Whether the commit introduced, or edited, a message of the model's."""
    blob = space.repo.commit(id).content
    is_message = space.repo.commit(id).operation in (CommitOperation.APPEND, CommitOperation.EDIT)
    return is_message and blob is not None and space.blobs.message(blob).role == "assistant"


def _check_total(space: Workspace, budget: TokenBudgetConfig, current: int, added: int) -> None:
    space.budget_used = current + added
    if current + added <= budget.max_tokens or added < 0:  # a change that makes a context smaller is never refused
        return
    if budget.action is BudgetAction.REJECT:
        raise BudgetExceededError(current, added, budget.max_tokens)
    if budget.action is BudgetAction.CALLBACK:
        assert budget.callback is not None  # see _budget_of
        budget.callback(current + added, budget.max_tokens)
        return
    text = f"token budget exceeded: {current + added} of {budget.max_tokens} tokens"
    space.warn(BudgetWarning(text))


def _added_tokens(space: Workspace, before: Snapshot, drafts: Sequence[Draft]) -> int:
    """By how many tokens *drafts* change the context *before*."""
    messages = [one for one in drafts if one.operation is not CommitOperation.RECORD]
    first = REPLY_PRIMING if messages and not before.length else 0
    tokens = first + sum(_change_of(space, before, one) for one in messages)
    appended = [one.value for one in messages if one.operation is CommitOperation.APPEND]
    counts = [space.blobs.count_value(value) for value in appended]
    if not any(one.depends for one in counts) and not before.columns.is_waiting(before.length, space):
        return tokens
    from tract.compile.tail import Row, change_of_appending  # a context without tools needs none of it

    rows = [Row(message_in(value), count.message, None) for value, count in zip(appended, counts, strict=True)]
    return tokens + change_of_appending(space, before, rows)


def _change_of(space: Workspace, before: Snapshot, one: Draft) -> int:
    """By how many tokens *one* changes the context *before*: 0 if it edits a hidden message."""
    tokens = space.blobs.count_value(one.value).message
    if one.operation is CommitOperation.APPEND or one.target is None:
        return tokens
    at = before.columns.place(one.target)
    return tokens - space.message_tokens(before.columns.blobs[at]) if at is not None and at < before.length else 0


def record_usage(space: Workspace, usage: Any, head_hash: Revision | None) -> CompiledContext:
    """Store the provider's count for the context at *head_hash* (None: HEAD), as a note on that commit.

    If that is an answer, or records behind one, and the usage has output, it belongs to that answer: its tokens are part of the context.
    """
    repo = space.repo
    commit = message_before(repo, resolve_revision(repo, "HEAD" if head_hash is None else head_hash))
    snapshot = space.compiler.compile(commit)
    tokens = estimated_total(snapshot, space)
    told = read_usage(usage)
    answer = told.output_tokens > 0 and _is_answer(space, commit)
    body = usage_body(told, answer=answer, counter=space.blobs.counter.name, estimate=tokens)
    note = NewNote(commit, body, repo.clock())
    write_note(repo, USAGE, note, reason=f"record-usage: {commit.hex()[:16]}", table=space.usages)
    return compiled(space, space.compiler.compile(commit))
