"""The changes by which a context becomes a list, as a value; and the place where an answer begins in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tract.adapters.recording.given import PLACES, Given, as_dict
from tract.adapters.recording.matching import Script
from tract.compile.snapshot import Snapshot
from tract.dataclass import dataclass, replace
from tract.messages.message import item_role
from tract.objects.id import ObjectId
from tract.objects.message_format import JSON
from tract.tokens.usage import TokenUsage


@dataclass(frozen=True, slots=True)
class About:
    """The facts about the last answer that is recorded."""

    usage: Mapping[str, Any] | TokenUsage | None = None
    generation_config: Mapping[str, Any] | None = None
    request: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None

    @property
    def is_empty(self) -> bool:
        return self == About()


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes to make: the first *rows* of the snapshot are the first *items* of the list, and the rest as *script* says.

    *apart* are rows whose place has no meaning in the format: its instructions.
    """

    given: Given
    snapshot: Snapshot
    script: Script
    rows: int
    items: int
    apart: frozenset[int] = frozenset()

    def order(self) -> list[tuple[str, int]]:
        """The list from item *items* on: rows that stay (``row``), and items that are new (``new``)."""
        script = self.script
        found: list[tuple[str, int]] = []
        for item in range(self.items, len(self.given.items)):
            if item in script.edits:
                found.append(("row", script.edits[item]))
            elif item in script.kept:
                found += [("row", row) for row in script.kept[item]]
            else:
                found.append(("new", item))
        return [one for one in found if one[0] == "new" or one[1] not in self.apart]

    @property
    def new(self) -> list[int]:
        """The items that are new."""
        script = self.script
        every = range(self.items, len(self.given.items))
        return [item for item in every if item not in script.kept and item not in script.edits]

    def only_appends(self) -> bool:
        """Whether the list is the context, at most with more at its end."""
        return not self.script.edits and self.keeps_order()

    def keeps_order(self) -> bool:
        """The same, but messages may be edited."""
        script = self.script
        if script.dropped or script.moved:
            return False
        order = self.order()
        rows = [at for kind, at in order if kind == "row"]
        return rows == sorted(rows) and [kind for kind, _ in order] == ["row"] * len(rows) + ["new"] * (
            len(order) - len(rows)
        )

    def commit_of(self, row: int) -> ObjectId:
        """The commit that introduced the message of *row*."""
        return self.snapshot.columns.commits[row]


def answer_start(plan: Plan, about: About) -> int | None:
    """The item at which the answer to the request begins; None if there is none, or the context has it already.

    It is the model's last part of the list, without an earlier part that was sent again for the model to continue.
    """
    if about.request is None:
        return None
    items = plan.given.items
    start = len(items) - _said_last(items)
    sent = about.request.get(PLACES[plan.given.format])
    start += _said_last(sent) if isinstance(sent, list) else 0
    is_new = plan.items <= start < len(items) and not any(at in plan.script.kept for at in range(start, len(items)))
    return start if is_new else None


def _said_last(items: Sequence[JSON]) -> int:
    """The number of *items* at the end that are the model's."""
    count = 0
    while count < len(items) and (one := as_dict(items[-count - 1])) is not None and item_role(one) == "assistant":
        count += 1
    return count


def without_edits_behind(plan: Plan, start: int) -> Plan:
    """*plan* without edits by the answer: an answer replaces another as a new message, because an edit would answer nothing."""
    edits = {item: row for item, row in plan.script.edits.items() if item < start}
    dropped = [row for item, row in sorted(plan.script.edits.items()) if item >= start]
    script = replace(plan.script, edits=edits, dropped=sorted([*plan.script.dropped, *dropped]))
    return replace(plan, script=script)


def until(plan: Plan, end: int) -> Plan:
    """The same for the list up to item *end*, behind which everything is new."""
    given = plan.given
    return replace(plan, given=replace(given, items=given.items[:end]))
