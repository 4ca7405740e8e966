"""Which messages are removed without a model: tool outputs first, then the oldest exchanges; and a note about them.

These stay: instructions and pins, sessions (they hold decisions), the user's last request, open calls, and the newest messages.
It serves a policy, which acts at once and must come under the threshold; :mod:`tract.agents.rules` serves advice (decision 42).
The note names the tools that were called, the user's requests, and the files that were named in the last turns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tract.agents.leftout import KEPT_TURNS, MOST_ASKED, MOST_READ, LeftOut, files_left_out, note_of
from tract.curation.listing import MessageInfo
from tract.dataclass import dataclass
from tract.messages import tool_units

_KEPT = (10, 4, 2)
"""The number of newest messages that stay; a smaller one is tried if more must be removed."""

_LETTERS_A_TOKEN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The messages to remove, by their commits, with their *tokens*, and the *note* in their place; *why_not* says why there are no more."""

    commits: tuple[str, ...] = ()
    tokens: int = 0
    outputs: int = 0
    others: int = 0
    note: str = ""
    why_not: str = ""

    @property
    def note_tokens(self) -> int:
        """An estimate of the note's tokens, rather too high."""
        return len(self.note) // _LETTERS_A_TOKEN + 8


def select(messages: Sequence[MessageInfo], excess: float, keep: int | None = None) -> Selection:
    """The messages to remove so that *excess* tokens are gone; as many as may go, if that is less."""
    found = Selection(why_not="there is nothing to take out")
    for kept in _KEPT if keep is None else (keep,):
        found = _selected(messages, excess, kept)
        if found.tokens - found.note_tokens >= excess:
            break
    return found


def _selected(messages: Sequence[MessageInfo], excess: float, keep: int) -> Selection:
    units = tool_units([one.message for one in messages])
    stays = _staying(messages, keep, [row for at in units.waiting for row in units.of.get(at, (at,))])
    going: dict[int, bool] = {}
    freed = 0
    room = excess
    for is_tool in (True, False):
        for at in range(len(messages)):
            unit = units.of.get(at, (at,))
            if at in going or at != unit[0] or not stays.isdisjoint(unit):
                continue
            if is_tool != (len(unit) > 1):
                continue
            tokens = sum(messages[row].token_count for row in unit)
            if freed >= room + _note_room(len(going)):
                break
            going.update(dict.fromkeys(unit, is_tool))
            freed += tokens
    places = sorted(going)
    gone = [messages[at] for at in places]
    note = _note(messages, places, freed)
    return Selection(
        commits=tuple(one.commit_hash for one in gone),
        tokens=freed,
        outputs=sum(one.kind == "tool_call" for one in gone),
        others=sum(not is_tool for is_tool in going.values()),
        note=note,
        why_not=f"{len(messages) - len(gone)} messages are pinned, instruct, decide, wait for a result or are the newest",
    )


def note_of_range(messages: Sequence[MessageInfo], arguments: Mapping[str, Any]) -> str:
    """The rule's note about the messages that a compression with *arguments*, which name them by ids, removes from *messages*."""
    at_of = {one.commit_hash: at for at, one in enumerate(messages)}
    first = at_of.get(arguments.get("from_commit", ""), 0)
    last = at_of.get(arguments.get("to_commit", ""), len(messages) - 1 - (arguments.get("keep_recent") or 0))
    named = arguments.get("commits")
    rows = range(first, last + 1) if named is None else sorted(at_of[one] for one in named if one in at_of)
    kept = {*arguments.get("preserve", ())}
    places = [
        at
        for at in rows
        if not (messages[at].is_hidden or messages[at].is_protected or messages[at].commit_hash in kept)
    ]
    return _note(messages, places, sum(messages[at].token_count for at in places))


def _note_room(count: int) -> int:
    return 60 + 2 * count


def _staying(messages: Sequence[MessageInfo], keep: int, waiting: Iterable[int]) -> set[int]:
    shown = [at for at, one in enumerate(messages) if not one.is_hidden]
    stays = {at for at, one in enumerate(messages) if one.is_hidden or one.is_protected or one.kind == "session"}
    stays.update(shown[-keep:])
    stays.update(waiting)
    requests = [at for at in shown if messages[at].kind == "user"]
    stays.update(requests[-1:])
    return stays


def _note(messages: Sequence[MessageInfo], places: Sequence[int], freed: int) -> str:
    """A few lines about the removed messages; shortened if they would have no fewer tokens than those messages."""
    gone = [messages[at] for at in places]
    if not gone:
        return ""
    requests = [one.text for one in gone if one.kind == "user"]
    left_out = LeftOut(
        count=len(gone),
        files=_recent_files(messages, set(places)),
        tools=Counter(tool for one in gone for tool in one.tools),
        asked=requests[-MOST_ASKED:],
        more=len(requests) - MOST_ASKED,
        summaries=[one.text for one in gone if one.kind == "summary"][-1:],
    )
    return note_of(left_out, freed // 2 * _LETTERS_A_TOKEN)


def _recent_files(messages: Sequence[MessageInfo], gone: set[int]) -> list[str]:
    """The files that the last turns name, in words or in calls, and that no remaining message names."""
    answers = [at for at, one in enumerate(messages) if one.kind in ("answer", "tool_call")]
    first = max(answers[-KEPT_TURNS] if len(answers) >= KEPT_TURNS else 0, len(messages) - MOST_READ)
    named = [at for at in range(first, len(messages)) if messages[at].kind != "tool_result"]
    going, staying = ([messages[at].text for at in named if (at in gone) is goes] for goes in (True, False))
    return files_left_out(going, staying)
