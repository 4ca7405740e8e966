"""Spawning a tract: the context and settings that it begins with."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice
from typing import Literal, TypedDict

from tract.compile.workspace import Workspace
from tract.config import TractConfig
from tract.curation.context_view import INSTRUCTIONS, ContextView
from tract.dataclass import dataclass, replace
from tract.errors import SpawnError
from tract.history.commit import Draft
from tract.history.context import context_at, count_entries, entries_from
from tract.history.priority import Priority
from tract.history.spawn import Link, NewChild, check_head, write_spawn
from tract.history.times import moment
from tract.history.tracts import own_settings
from tract.history.walk import first_parents
from tract.messages import tool_ids, tool_units
from tract.messages.message import Message
from tract.objects.content import DialogueContent
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation, Entry, NewObject
from tract.refs.names import LONGEST_NAME
from tract.repo import Repository
from tract.revision import Revision
from tract.tokens.counted import REPLY_PRIMING
from tract.tree import Context, build_context, nodes_of
from tract.writing.budget import check_budget, check_budget_of_new
from tract.writing.drafts import draft

Inheritance = Literal["head_snapshot", "full_clone", "selective"]
Select = Callable[[Message], bool] | Sequence[Revision] | Priority

_TAIL = 64
"""The number of last messages that are searched for calls without results."""


class SpawnOptions(TypedDict, total=False):
    """The options of ``Tract.spawn``, besides purpose and name."""

    inheritance: Inheritance
    select: Select | None
    max_tokens: int | None
    message: str | None
    display_name: str | None
    config: TractConfig | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnInfo:
    """A child, and where it comes from.

    *parent_commit_hash* is the parent's commit at the spawn; *collapse_commit* is the message that the child's work became.
    """

    parent_tract_id: str
    parent_commit_hash: str | None
    child_tract_id: str
    purpose: str
    inheritance: str
    display_name: str | None
    created_at: datetime
    status: Literal["open", "collapsed", "deleted", "not here"]
    collapse_commit: str | None


def info_of(link: Link, display_name: str | None = None) -> SpawnInfo:
    """A link as people see it."""
    return SpawnInfo(
        parent_tract_id=link.parent,
        parent_commit_hash=link.commit,
        child_tract_id=link.child,
        purpose=link.purpose,
        inheritance=link.inheritance,
        display_name=display_name,
        created_at=moment(link.created),
        status=_status(link),
        collapse_commit=link.collapse,
    )


def _status(link: Link) -> Literal["open", "collapsed", "deleted", "not here"]:
    if link.is_deleted:
        return "deleted"
    if link.is_elsewhere:
        return "not here"
    return "collapsed" if link.collapse else "open"


def spawn(
    space: Workspace,
    purpose: str,
    *,
    name: str | None = None,
    inheritance: Inheritance = "head_snapshot",
    select: Select | None = None,
    max_tokens: int | None = None,
    message: str | None = None,
    display_name: str | None = None,
    config: TractConfig | None = None,
) -> str:
    """Make a tract that begins with the context at HEAD, and with *message*, in one operation, and return its name; see ``Tract.spawn``.

    SpawnError if there is no context to spawn from, or no message fits; BudgetExceededError if *message* does not fit.
    """
    _check_request(purpose, inheritance, select, max_tokens, message)
    repo = space.repo
    config = _config(space, config, display_name)
    head = check_head(repo)
    waiting, calls = open_calls(space, context_at(repo, head))
    context, items, new = _inherited(space, head, waiting, select, max_tokens)
    first = None if message is None else draft(space, DialogueContent("user", message))
    if first is not None:
        _check_budget(space, first, items, config)
    name = _new_name(repo) if name is None else name
    child = NewChild(
        name=name,
        context=context,
        new=tuple(new),
        purpose=purpose,
        inheritance=inheritance,
        has_history=inheritance == "full_clone",
        call=calls[0] if len(calls) == 1 else None,
        config=config,
        first=first,
    )
    write_spawn(repo, child, head=head)
    return name


def _config(space: Workspace, given: TractConfig | None, display_name: str | None) -> TractConfig | None:
    """The child's settings: the given ones, else the parent's own; None if it has none."""
    if given is not None and not isinstance(given, TractConfig):
        raise SpawnError(f"config must be a TractConfig, not {type(given).__name__}")
    config = own_settings(space.repo, space.repo.prefix) if given is None else given
    return config if display_name is None else replace(config or space.config, display_name=display_name)


def _inherited(
    space: Workspace, head: ObjectId, waiting: int | None, select: Select | None, max_tokens: int | None
) -> tuple[Context | ObjectId, list[Entry] | None, list[NewObject]]:
    """The context that a child begins with, which is a commit's or a new one, with its messages and its new nodes."""
    if select is None and max_tokens is None:
        commit = head if waiting is None else _commit_before(space.repo, head, waiting)
        if commit is not None:
            return commit, None, []
    made: list[NewObject] = []
    items = _chosen(space, head, waiting, select, max_tokens)
    context = build_context(space.repo, items, made)
    return context, items, nodes_of(space.repo, context, made)


def _check_request(
    purpose: str, inheritance: Inheritance, select: Select | None, max_tokens: int | None, message: str | None
) -> None:
    """SpawnError for an invalid request."""
    if not isinstance(purpose, str) or not purpose.strip():
        raise SpawnError(f"a spawn's purpose must be text, not {purpose!r:.40}")
    if inheritance not in ("head_snapshot", "full_clone", "selective"):
        raise SpawnError(f"inheritance must be head_snapshot, full_clone or selective, not {inheritance!r:.40}")
    if (select is None) == (inheritance == "selective"):
        raise SpawnError("'select' goes only with inheritance='selective'")
    if (select is not None and not (isinstance(select, (Priority, Sequence)) or callable(select))) or type(
        select
    ) is str:
        raise SpawnError(f"select must be a function, a list of revisions or a Priority, not {select!r:.40}")
    if max_tokens is not None and (type(max_tokens) is not int or max_tokens < 1):
        raise SpawnError(f"max_tokens must be a positive whole number, not {max_tokens!r:.40}")
    if message is not None and (not isinstance(message, str) or not message.strip()):
        raise SpawnError(f"a spawn's message must be text, not {message!r:.40}")


def _new_name(repo: Repository) -> str:
    """A name that contains the parent's, unless it would be too long for a name."""
    end = os.urandom(4).hex()
    name = f"{repo.tract}/{end}"
    return name if len(name.encode()) <= LONGEST_NAME else f"spawned/{end}"


def _check_budget(space: Workspace, first: Draft, items: Sequence[Entry] | None, config: TractConfig | None) -> None:
    """Apply the child's budget to its first message, on *items* or on the whole context."""
    space = space.on(space.repo if config is None else replace(space.repo, config=config))
    if items is None:
        check_budget(space, [first])
    elif space.config.budget is not None:
        notes = space.compiler.advance_notes()
        shown = [blob for commit, blob in items if not notes.is_skipped(space.repo, commit)]
        check_budget_of_new(space, sum(map(space.message_tokens, shown)), first)


def _commit_before(repo: Repository, head: ObjectId, place: int) -> ObjectId | None:
    """The commit behind *head* whose context is the first *place* messages of *head*'s; None if *place* is 0, or messages were not only appended since."""
    for id, commit in islice(first_parents(repo, head), _TAIL):
        if count_entries(repo, context_at(repo, id)) == place:
            return id if place else None
        if commit.operation not in (CommitOperation.APPEND, CommitOperation.RECORD):
            break
    return None


def open_calls(space: Workspace, context: Context) -> tuple[int | None, list[str]]:
    """The place of the first message with a call that lacks its result, among the last messages, and the ids of all such calls."""
    start = max(0, count_entries(space.repo, context) - _TAIL)
    messages = [space.blobs.message(blob) for _, blob in entries_from(space.repo, context, start)]
    waiting = tool_units(messages).waiting
    if not waiting:
        return None, []
    open_ids: list[str] = []
    for at in waiting:
        # Only a later message answers a call: some servers give every turn's calls the same ids.
        answered = {id for message in messages[at + 1 :] for id in tool_ids(message)[1]}
        open_ids += [id for id in tool_ids(messages[at])[0] if id not in answered]
    return start + waiting[0], open_ids


def _chosen(
    space: Workspace, head: ObjectId, waiting: int | None, select: Select | None, max_tokens: int | None
) -> list[Entry]:
    """The entries that a child begins with, in whole tool units; if they are too long, the instructions and the newest others."""
    view = ContextView(space, head)
    units = view.units()
    places = set(range(len(view) if waiting is None else waiting))
    if select is not None:
        wanted = places & _selected(view, select)
        places &= {one for at in wanted for one in units.of.get(at, (at,))}
    if max_tokens is not None:
        places = _fitting(view, places, units.of, max_tokens)
    if not places:
        raise SpawnError("nothing to spawn with: no message is chosen")
    return [view.items[at] for at in sorted(places)]


def _selected(view: ContextView, select: Select) -> set[int]:
    """The places of the messages that *select* chooses."""
    if isinstance(select, Priority):
        return {at for at in range(len(view)) if view.priority(at) is select}
    if callable(select):
        return {at for at in range(len(view)) if select(view.message(at))}
    return {view.place_of(revision, SpawnError) for revision in select}


def _fitting(view: ContextView, places: set[int], units: dict[int, tuple[int, ...]], room: int) -> set[int]:
    """The instructions, and the newest other messages that fit, in whole units; SpawnError if none fits."""
    cost = {at: 0 if view.is_hidden(at) else view.tokens(at) for at in places}
    kept = {at for at in places if not view.is_hidden(at) and view.message(at).role in INSTRUCTIONS}
    left = room - REPLY_PRIMING - sum(cost[at] for at in kept)
    others = sorted(places - kept, reverse=True)
    for at in others:
        unit = {one for one in units.get(at, (at,)) if one in places} - kept
        need = sum(cost[one] for one in unit)
        if need > left:
            break
        left -= need
        kept |= unit
    if left < 0 or (others and not kept.intersection(others)):
        raise SpawnError(f"nothing fits into {room} tokens beside the instructions")
    return kept
