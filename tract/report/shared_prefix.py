"""The part of the last call to a model that a provider still has in its cache."""

from __future__ import annotations

from collections.abc import Sequence

from tract.compile.tables import tables_at
from tract.compile.totals import ContextTotals, newest_usage
from tract.compile.workspace import Workspace
from tract.history.notes import CONFIG, PRIORITY, USAGE, note_tip
from tract.history.origins import notes_when_noted
from tract.history.walk import first_parents
from tract.messages.pairing import is_of_tool
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation


class SharedPrefix(NamedTuple):
    """The shared beginning of the context and the last call, in *messages* and *tokens*; the call had *sent* tokens."""

    messages: int
    tokens: int
    sent: int


def prefix_of_last_call(space: Workspace, tip: ObjectId | None, totals: ContextTotals) -> SharedPrefix | None:
    """The beginning that the context at *tip*, with figures *totals*, shares with the context of the newest recorded usage; None if there is none."""
    repo = space.repo
    found = newest_usage(space, tip)
    if found is None:
        return None
    recorded_at, body = found
    then = notes_when_noted(repo, USAGE, recorded_at)
    if then is None:
        return None
    sent: ObjectId | None = recorded_at
    if body.get("answer"):
        if recorded_at in repo.shallow.cuts:
            return None  # the context it answered was cut
        parents = repo.commit(recorded_at).parents
        sent = parents[0] if parents else None
    if then.get(PRIORITY) == note_tip(repo, PRIORITY):
        shared = _appended_to(space, tip, sent, totals)
        if shared is not None:
            return shared
    from tract.compile.prefix import prefix_change  # a conversation mostly only grows

    before = space.compiler.compile(sent, tables_at(repo, then.get(PRIORITY), then.get(CONFIG)))
    change = prefix_change(space, space.compiler.compile(tip), before)
    return SharedPrefix(change.common_messages, change.common_tokens, change.previous_tokens)


def _appended_to(
    space: Workspace, tip: ObjectId | None, sent: ObjectId | None, totals: ContextTotals
) -> SharedPrefix | None:
    """The whole of the sent context, if only appends were made since; None if that cannot be told cheaply."""
    if space.compiler.is_custom:
        return None
    messages, tokens = totals.messages, totals.counted
    since: list[tuple[ObjectId, ObjectId]] = []
    for id, commit in first_parents(space.repo, tip):
        if id == sent:
            change = _change_since(space, sent, since)
            return None if change is None else SharedPrefix(messages, tokens - change, tokens - change)
        if commit.operation is CommitOperation.RECORD:
            continue
        if commit.operation is not CommitOperation.APPEND or commit.content is None or len(commit.parents) > 1:
            return None
        if totals.skipped and _may_be_left_out(space, id, commit.content):
            return None
        messages -= 1
        since.append((id, commit.content))
        tokens -= space.message_tokens(commit.content)
    return SharedPrefix(0, 0, 0) if sent is None else None


def _change_since(space: Workspace, sent: ObjectId | None, since: Sequence[tuple[ObjectId, ObjectId]]) -> int | None:
    """By how many tokens, beyond their own, the messages appended *since* changed the sent context; None if that cannot be told cheaply."""
    if not since:
        return 0
    from tract.compile.tail import change_of_commits, row_of  # most often no message came since the last call

    return change_of_commits(space, sent, [row_of(space, *one) for one in reversed(since)])


def _may_be_left_out(space: Workspace, message: ObjectId, blob: ObjectId) -> bool:
    """Whether the message, or the other half of its tool pair, may have been hidden."""
    return space.compiler.priorities.has_any([message]) or is_of_tool(space.blobs.message(blob))
