"""Conflicts of a merge as people and resolvers see them: messages, texts, and what stands around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tract.compile.workspace import Workspace
from tract.curation.texts import TextFormat, text_of_value
from tract.history.priority import Priority, priority_of
from tract.history.three_way import ConflictKind, EntryConflict, Merged, appended
from tract.llm.types import ChatMessage, ResolveRequest
from tract.messages import message_text, render_openai, render_text
from tract.messages.message import Message
from tract.objects.id import ObjectId
from tract.objects.model import Entry
from tract.tokens.counts import message_in, readable_content

_AROUND = 3
"""How many messages before and after a conflict a resolver is shown."""


@dataclass(frozen=True, slots=True)
class MergeConflict:
    """One place that two sides treat differently.

    *commit_hash* names it, and is the message whose content a resolution becomes; *position* is its place in the merged context.
    *base*, *ours* and *theirs* are the texts on each side, None where a side has none; in *format* ``json`` they are whole messages.
    Where a side has several messages there, its text is all of them, one below the other.
    *base_contents* and its like are the contents themselves.
    """

    kind: ConflictKind
    commit_hash: str
    role: str
    position: int
    format: TextFormat
    base: str | None
    ours: str | None
    theirs: str | None
    base_contents: tuple[Any, ...] = field(repr=False)
    ours_contents: tuple[Any, ...] = field(repr=False)
    theirs_contents: tuple[Any, ...] = field(repr=False)
    request: ResolveRequest = field(repr=False)
    value: Mapping[str, Any] = field(repr=False)
    """The content, as a blob keeps it, that a text goes into."""

    @property
    def must_be_resolved(self) -> bool:
        """Whether the merge waits for it; what only overlaps stays as both sides have it unless somebody says otherwise."""
        return self.kind is not ConflictKind.OVERLAPPING


def overlap(space: Workspace, merged: Merged) -> EntryConflict | None:
    """What both sides appended, if both did, as a conflict for a resolver to look at.

    Skipped messages are not in it, for no model sees them, nor pinned ones, which must not change; they stay as they are.
    A text becomes the last of our messages that is nothing but text, or else of theirs; None where there is no such message.
    """
    ours, theirs = (tuple(filter(lambda entry: _is_normal(space, entry), side)) for side in appended(merged))
    if not ours or not theirs:
        return None
    for commit, blob in (*reversed(ours), *reversed(theirs)):
        if text_of_value(space.repo.blob(blob)).format == "text":
            return EntryConflict(ConflictKind.OVERLAPPING, commit, (), ours, theirs)
    return None


def _is_normal(space: Workspace, entry: Entry) -> bool:
    commit, blob = entry
    space.compiler.advance_notes(space.repo)
    note = space.compiler.priorities.get(space.repo, commit)
    return priority_of(note, space.repo.blob(blob)) is Priority.NORMAL


def describe_conflicts(
    space: Workspace, merged: Merged, conflicts: Sequence[EntryConflict], names: tuple[str, str], skipped: int = 0
) -> tuple[MergeConflict, ...]:
    """The conflicts with what is in them; *names* are those of our side and theirs, *skipped* the messages before those merged."""
    places = {commit: at for at, (commit, _) in enumerate(merged.entries)}
    return tuple(_describe(space, merged, conflict, places, names, skipped) for conflict in conflicts)


def _describe(
    space: Workspace,
    merged: Merged,
    conflict: EntryConflict,
    places: Mapping[ObjectId, int],
    names: tuple[str, str],
    skipped: int,
) -> MergeConflict:
    sides = [
        [dict(space.repo.blob(blob)) for _, blob in side] for side in (conflict.base, conflict.ours, conflict.theirs)
    ]
    place = places[conflict.commit]
    value = space.repo.blob(merged.entries[place][1])
    # A text on one side and tool calls on the other: whoever decides is shown the whole of both.
    plain = all(text_of_value(one).format == "text" for side in sides for one in side)
    format = text_of_value(value).format if plain or max(map(len, sides)) > 1 else "json"
    base, ours, theirs = (_side_text(side, format) for side in sides)
    base_contents, our_contents, their_contents = (tuple(map(readable_content, side)) for side in sides)
    return MergeConflict(
        conflict.kind,
        conflict.commit.hex(),
        message_in(value).role,
        skipped + place,
        format,
        base,
        ours,
        theirs,
        base_contents,
        our_contents,
        their_contents,
        _request(space, merged, conflict, sides, places, names),
        value,
    )


def _side_text(values: Sequence[Mapping[str, Any]], format: TextFormat) -> str | None:
    if not values:
        return None
    if len(values) == 1:
        return text_of_value(values[0], format).text
    return render_text([message_in(value) for value in values]).removesuffix("\n")


def _request(
    space: Workspace,
    merged: Merged,
    conflict: EntryConflict,
    sides: Sequence[Sequence[Mapping[str, Any]]],
    places: Mapping[ObjectId, int],
    names: tuple[str, str],
) -> ResolveRequest:
    involved = [places[commit] for commit, _ in (*conflict.ours, *conflict.theirs) if commit in places]
    first, last = min(involved), max(involved)
    before = merged.entries[max(0, first - _AROUND) : first]
    after = merged.entries[last + 1 : last + 1 + _AROUND]
    base, ours, theirs = (_as_chat([message_in(value) for value in side]) for side in sides)
    return ResolveRequest(
        conflict.kind.value,
        conflict.commit.hex(),
        base,
        ours,
        theirs,
        _chat(space, before),
        _chat(space, after),
        *names,
    )


def _chat(space: Workspace, around: Sequence[Entry]) -> tuple[ChatMessage, ...]:
    return tuple(chat_message(space.blobs.message(space.repo, blob)) for _, blob in around)


def _as_chat(messages: Sequence[Message]) -> ChatMessage | None:
    """What a side has in one place as one message: of several, their texts one below the other, in the last one's role."""
    if not messages:
        return None
    if len(messages) == 1:
        return chat_message(messages[0])
    return {"role": messages[-1].role, "content": render_text(messages).removesuffix("\n")}


def chat_message(message: Message) -> ChatMessage:
    """One message in OpenAI's chat form, for a model to read about; its text where it has no such form of its own."""
    rendered = render_openai([message]).value
    if len(rendered) == 1:
        found: ChatMessage = rendered[0]
        return found
    return {"role": message.role, "content": message_text(message)}
