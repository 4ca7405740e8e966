"""Tool pairs that a replay would tear apart: a call without its result, or the other way round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tract.compile.workspace import Workspace
from tract.history.context import context_at, entries
from tract.history.replay_plan import Concern, ReplayPlan
from tract.messages import pairing_warnings, tool_ids
from tract.messages.message import Message
from tract.objects.id import ObjectId
from tract.objects.model import Entry, NewObject, Object, read_blob
from tract.tokens.counts import message_in


def torn_pairs(space: Workspace, plan: ReplayPlan, source: ObjectId, *, is_loss: bool) -> list[Concern]:
    """The tool calls and results that have their other half where they come from, or where they are, and would lose it."""
    made = {new.id: new for step in plan.steps for new in step.blobs}
    before = entries(space.repo, context_at(space.repo, plan.onto))
    if not any(any(tool_ids(_message(space, blob, made))) for blob in _touched(plan, before)):
        return []

    def problems(context: Sequence[Entry]) -> dict[tuple[ObjectId, str], str]:
        found = pairing_warnings([_message(space, blob, made) for _, blob in context])
        return {(context[w.index][0], w.kind): w.detail for w in found if w.index is not None}

    after = problems(plan.context)
    there = entries(space.repo, context_at(space.repo, source))
    known = problems(before).keys() | problems(there).keys() if after else set()
    sources = {step.source for step in plan.steps}
    last = plan.steps[-1].source if plan.steps else source
    return [
        Concern("tool_pair_torn", message if message in sources else last, message, detail, is_loss)
        for (message, kind), detail in after.items()
        if (message, kind) not in known
    ]


def _touched(plan: ReplayPlan, before: Sequence[Entry]) -> Iterator[ObjectId]:
    """The contents that come, go, or stand where something comes after them: pairs without any of these are as they were."""
    yield from (blob for _, blob in before[-1:])
    yield from (step.content for step in plan.steps if step.content is not None)
    if any(step.context is not None for step in plan.steps):
        yield from (blob for _, blob in set(before) ^ set(plan.context))


def _message(space: Workspace, blob: ObjectId, made: Mapping[ObjectId, NewObject]) -> Message:
    """The message in a blob of the store, or in one that is still to be written."""
    new = made.get(blob)
    if new is None:
        return space.blobs.message(space.repo, blob)
    return message_in(read_blob(blob, Object(new.kind, new.payload)))
