"""Prefixes: how much of the last sent context the new one still begins with, and which commit changed the rest.

    previous   system  user  assistant  tool  user
    now        system  user  ASSISTANT  tool  user  user
               └─ common ─┘  └──── invalidated ────┘

Providers cache prompts by their beginning: from the first message that differs on, everything is read again at the full price.
Model, tools and instructions come before the messages (compile/request_change.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from tract.compile.request_change import request_change, settings_of, settings_tokens
from tract.compile.sent_request import request_of_context
from tract.compile.snapshot import Snapshot
from tract.compile.workspace import Workspace, context_commit, notes_then
from tract.dataclass import dataclass, replace
from tract.history.walk import first_parents
from tract.messages import Rendered, render_anthropic, render_gemini
from tract.messages.message import Message
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation
from tract.repo import Repository
from tract.revision import Revision

Reason = Literal["messages_changed", "tools_changed", "model_changed", "system_changed"]

_SYSTEM = ("system", "developer")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixChange:
    """What a context costs a provider's prompt cache that holds the previous one.

    The first *common_messages* messages are the same; *invalidated_tokens* of the *previous_tokens* come after them, and would have to be read again.
    *reason* is Anthropic's word for the cause, or None if one context is the beginning of the other.
    *first_changed_message* is the commit that introduced the first differing message; *first_changed_commit* is the change itself: an edit, a note, a compression, or that message if the histories diverge there.
    If the requests are known, the tokens include their tools and instructions, and *detail* says what changed in a request; then no commit is the cause.
    """

    common_messages: int
    common_tokens: int
    invalidated_tokens: int
    first_changed_commit: str | None
    reason: Reason | None
    previous_tokens: int = 0
    first_changed_message: str | None = None
    detail: str | None = None


def prefix_change(
    space: Workspace,
    snapshot: Snapshot,
    previous: Snapshot | Revision,
    request_before: Mapping[str, Any] | None = None,
    request_now: Mapping[str, Any] | None = None,
) -> PrefixChange:
    """The cost of sending *snapshot* with a cache that holds *previous*; a revision stands for its context when the commit was made.

    Settings beside the messages are compared if *request_now* has them; without *request_before*, the settings recorded for the earlier context are used.
    """
    with space.lock:
        if not isinstance(previous, Snapshot):
            commit = context_commit(space.repo, previous)
            previous = space.compiler.compile(commit, notes_then(space, commit))
        change = _messages_change(space, snapshot, previous)
        if request_now is None:
            return change
        return _with_requests(space, snapshot, previous, request_before, request_now, change)


def _with_requests(
    space: Workspace,
    snapshot: Snapshot,
    previous: Snapshot,
    before: Mapping[str, Any] | None,
    now: Mapping[str, Any],
    change: PrefixChange,
) -> PrefixChange:
    """*change*, plus the cost of differences in the requests beside the messages."""
    if before is None:
        found = request_of_context(space, previous.key.commit, snapshot.key.commit)
        if found is None:
            return change  # no request was recorded
        before = found.settings
    counter = space.blobs.counter
    old, new = settings_of(before), settings_of(now)
    earlier, later = _with_system(old, new, previous), _with_system(new, old, snapshot)
    has_system = any(message.role in _SYSTEM for message in previous.columns.messages[: previous.length])
    beside = settings_tokens(counter, earlier, has_system=has_system)
    total = change.previous_tokens + beside
    changed = request_change(counter, earlier, later)
    if changed is None:
        return replace(change, previous_tokens=total, common_tokens=change.common_tokens + beside)
    reason, detail, tokens = changed
    return PrefixChange(
        common_messages=0,
        common_tokens=tokens,
        invalidated_tokens=total - tokens,
        first_changed_commit=None,
        reason=reason,
        previous_tokens=total,
        detail=detail,
    )


def _with_system(settings: Mapping[str, Any], other: Mapping[str, Any], snapshot: Snapshot) -> Mapping[str, Any]:
    """*settings* with the instructions from the messages, if *other* names its instructions and this request leaves them to its messages."""
    writers: Mapping[str, Callable[[Sequence[Message]], Rendered]] = {
        "system": render_anthropic,
        "system_instruction": render_gemini,
    }
    for name, write in writers.items():
        if name in other and name not in settings:
            rendered = write(snapshot.columns.messages[: snapshot.length]).value
            settings = {**settings, name: rendered[name]} if name in rendered else settings
    return settings


def _messages_change(space: Workspace, snapshot: Snapshot, previous: Snapshot) -> PrefixChange:
    total = previous.columns.total(previous.length, space)
    common = common_length(snapshot, previous)
    tokens = previous.columns.total(common, space)
    if common in (snapshot.length, previous.length):
        return PrefixChange(
            common_messages=common,
            common_tokens=tokens,
            invalidated_tokens=0,
            first_changed_commit=None,
            reason=None,
            previous_tokens=total,
        )
    message = _changed_message(snapshot, previous, common)
    culprit = _culprit(space.repo, snapshot, previous, common)
    return PrefixChange(
        common_messages=common,
        common_tokens=tokens,
        invalidated_tokens=total - tokens,
        first_changed_commit=(culprit or message).hex(),
        reason=_reason(snapshot, previous, common),
        previous_tokens=total,
        first_changed_message=message.hex(),
    )


def common_length(one: Snapshot, other: Snapshot) -> int:
    """The number of messages with which both begin."""
    least = min(one.length, other.length)
    if one.columns is other.columns:
        return least
    mine, others = one.columns.messages, other.columns.messages
    for at in range(least):
        if not mine.is_same(others, at):
            return at
    return least


def _changed_message(snapshot: Snapshot, previous: Snapshot, at: int) -> ObjectId:
    """The message that differs in *snapshot*: removed, added, or edited."""
    old, new = previous.columns.commits[at], snapshot.columns.commits[at]
    return new if snapshot.shows(old) else old


def _reason(snapshot: Snapshot, previous: Snapshot, at: int) -> Reason:
    old, new = previous.columns, snapshot.columns
    changed = []
    if old.commits[at] == new.commits[at] or not snapshot.shows(old.commits[at]):
        changed.append(old.messages[at].role)
    if old.commits[at] == new.commits[at] or not previous.shows(new.commits[at]):
        changed.append(new.messages[at].role)
    roles = changed or [old.messages[at].role, new.messages[at].role]
    return "system_changed" if any(role in _SYSTEM for role in roles) else "messages_changed"


def _culprit(repo: Repository, snapshot: Snapshot, previous: Snapshot, at: int) -> ObjectId | None:
    """The commit that changed message *at*; None if the histories diverge there."""
    old, new = previous.columns.commits[at], snapshot.columns.commits[at]
    if old == new and previous.columns.blobs[at] != snapshot.columns.blobs[at]:
        return _edit(repo, snapshot, at) or _edit(repo, previous, at)
    target = old if old in snapshot.hidden.blobs else new if new in previous.hidden.blobs else None
    if target is not None or old == new:
        return _note(repo, snapshot, previous, target)
    for id, commit in _since(repo, snapshot, previous):
        if commit.operation in (CommitOperation.COMPRESS, CommitOperation.MERGE):
            return id
    return None


def _edit(repo: Repository, snapshot: Snapshot, at: int) -> ObjectId | None:
    """The edit that gave message *at* its present content."""
    target, blob = snapshot.columns.commits[at], snapshot.columns.blobs[at]
    for id, commit in first_parents(repo, snapshot.key.commit):
        if id == target:
            return None
        if commit.operation is CommitOperation.EDIT and commit.target == target and commit.content == blob:
            return id
    return None


def _note(repo: Repository, snapshot: Snapshot, previous: Snapshot, target: ObjectId | None) -> ObjectId | None:
    """The newest priority set on *target* between the two contexts; failing that, on any message, which may be the other half of its tool pair."""
    for wanted in (target, None):
        for start, end in ((snapshot, previous), (previous, snapshot)):
            for id, commit in first_parents(repo, start.key.priority):
                if id == end.key.priority:
                    break
                if wanted in (None, commit.target):
                    return id
    return None


def _since(repo: Repository, snapshot: Snapshot, previous: Snapshot) -> Iterator[tuple[ObjectId, Commit]]:
    """The commits of *snapshot*'s history, newest first, back to *previous*'s tip or its generation."""
    if previous.key.commit is None:
        return
    least = repo.commit(previous.key.commit).generation
    for id, commit in first_parents(repo, snapshot.key.commit):
        if id == previous.key.commit or commit.generation < least:
            return
        yield id, commit
