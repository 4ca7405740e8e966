"""Summing up without a model: which of the oldest messages are removed, and the note that takes their place.

These stay: instructions, pins, session contents, the last request of the user, calls that wait for their results, and the model's last turns; the note names the files of those turns.
Beside this, :mod:`tract.agents.builtin.selection` chooses for a policy: by the same rule, for another purpose (decision 42).
The cost depends on the messages that stay, not on those removed, so it can be computed after every message of a long conversation.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate, islice

from tract.agents.actions import Action
from tract.agents.leftout import KEPT_TURNS, MOST_ASKED, MOST_READ, LeftOut, files_left_out, note_of
from tract.agents.subject import Advice, Subject
from tract.compile.supposed import Supposed
from tract.curation.context_view import INSTRUCTIONS
from tract.messages.message import message_from_raw
from tract.messages.parts import Text
from tract.messages.turns import message_text, turn_of
from tract.named_tuple import NamedTuple
from tract.report.text import count_of

_TURNS = (KEPT_TURNS, 10, 5)
"""Numbers of last turns to keep; the largest that reaches the target is used."""

_NOTE_TOKENS = 300
"""The approximate length of a note."""

_FEW = 12
_LOOKED_AT = 50
_PATH = re.compile(r"[\w.@~+-]*/[\w./@~+-]+|\b[\w-]+\.[A-Za-z]\w{0,5}\b")


def paths_in(text: str) -> set[str]:
    """The texts in *text* that look like names of files."""
    return {found.strip("./") for found in _PATH.findall(text)}


def compressing(subject: Subject, target: int, why: str) -> Advice | None:
    """The advice to sum up the oldest messages: as few as leave *target* tokens, or as many as may go if that is impossible; None if it saves little."""
    wanted = subject.tokens + _NOTE_TOKENS - target
    passage = None
    for turns in _TURNS:
        passage = Passage.before(subject, subject.measures.turn_before(turns))
        if passage.tokens(passage.stop) >= wanted:
            passage = passage.shortened(wanted)
            break
    if passage is None or not passage.size:
        return None
    note = _note_of(subject, passage)
    role = "user" if passage.opens_conversation else "assistant"
    message = message_from_raw({"role": role, "content": note}, "openai")
    written = subject.space.made_tokens(message)
    going = passage.saving(Supposed(None, message, written)) + written
    if written > going // 2:
        return None
    first, last = passage.first, passage.last
    preserved = [subject.commit_of(row) for row in passage.stays if first < row < last]
    arguments = {
        "from_commit": subject.commit_of(first),
        "to_commit": subject.commit_of(last),
        "content": note,
        **({"preserve": preserved} if preserved else {}),
    }
    reason = f"{why}; {count_of(passage.size, 'message')} of {subject.snapshot.length} are summed up by rule"
    action = Action("compress", arguments, reason, content_by="rule")
    return Advice(0, action, going - written, subject.cost(first, going - written))


class Passage(NamedTuple):
    """The rows before *stop* without those that stay, which are sorted; *kept_tokens* has the running sums of their tokens."""

    subject: Subject
    stop: int
    stays: list[int]
    kept_tokens: list[int]

    @classmethod
    def before(cls, subject: Subject, stop: int) -> Passage:
        """The messages before row *stop* that may be summed up."""
        stays = sorted(_staying(subject, stop))
        return cls(subject, stop, stays, [0, *accumulate(map(subject.tokens_of, stays))])

    def shortened(self, wanted: int) -> Passage:
        """As many of the first turns as have *wanted* tokens; whole turns, so that no call loses its results."""
        turns = self.subject.measures.turns
        ends = turns[: bisect_left(turns, self.stop)]
        at = bisect_left(ends, wanted, key=self.tokens)
        return self if at == len(ends) else self._replace(stop=ends[at])

    def tokens(self, stop: int) -> int:
        """The tokens to be removed before row *stop*."""
        return self.subject.tokens_before(stop) - self.kept_tokens[bisect_left(self.stays, stop)]

    def has(self, row: int) -> bool:
        """Whether the message in a row is removed, and the model sees it."""
        at = bisect_left(self.stays, row)
        return not self.subject.is_hidden(row) and (at == len(self.stays) or self.stays[at] != row)

    def saving(self, note: Supposed) -> int:
        """The tokens saved if *note* replaces the removed messages, including the changes to their neighbours."""
        subject = self.subject
        end = subject.settled_behind(self.stop)
        at = bisect_left(self.stays, self.first)
        before, behind = self.stays[:at], [row for row in self.stays[at:] if row < self.stop]
        behind += range(self.stop, min(end + 1, subject.snapshot.length))
        messages = [*subject.supposed(before, subject.left), note, *subject.supposed(behind, subject.left)]
        sent = zip(messages, subject.sent(messages), strict=True)
        after = sum(tokens for one, tokens in sent if one.row is None or one.row < end)
        return subject.tokens_up_to(end) - after

    @property
    def opens_conversation(self) -> bool:
        """Whether only instructions are shown before the removed messages."""
        messages, first = self.subject.measures.columns.messages, self.first
        before = (row for row in self.stays if row < first and not self.subject.is_hidden(row))
        return all(messages[row].role in INSTRUCTIONS for row in before)

    @property
    def size(self) -> int:
        """The number of messages removed."""
        hidden = sum(
            row < self.stop and self.subject.is_hidden(row) and row not in self.stays for row in self.subject.left
        )
        return self.stop - bisect_left(self.stays, self.stop) - hidden

    @property
    def first(self) -> int:
        """The first row removed."""
        return next(row for row in range(self.stop) if self.has(row))

    @property
    def last(self) -> int:
        """The last row removed."""
        return next(row for row in range(self.stop - 1, -1, -1) if self.has(row))


def _staying(subject: Subject, stop: int) -> set[int]:
    """The rows that must not be summed up, with the tool messages that belong to them, and those of units across *stop*."""
    measures = subject.measures
    stays = {*measures.instructions, *measures.sessions, *measures.requests[-1:], *subject.pinned_rows()}
    stays |= {ref.row for ref in measures.pairing.open}
    late = measures.outputs[len(measures.outputs_before(stop)) :]
    stays |= {row for one in late for row in one.call_rows}
    waiting = list(stays)
    while waiting:
        for one in measures.outputs_at.get(waiting.pop(), ()):
            new = {one.row, *one.call_rows} - stays
            stays |= new
            waiting += new
    return stays


def _note_of(subject: Subject, passage: Passage) -> str:
    """A note in the place of the removed messages: the user's requests, the tools called and their subjects, and the model's last words."""
    measures = subject.measures
    stays = set(passage.stays)
    requests = bisect_left(measures.requests, passage.stop)
    asked = list(islice((row for row in measures.requests[:requests] if row not in stays), MOST_ASKED))
    more = requests - len(asked) - sum(row < passage.stop and measures.kinds[row] == "user" for row in stays)
    going = [
        one for one in measures.outputs_before(passage.stop) if one.row not in stays and not subject.is_hidden(one.row)
    ]
    tools = Counter([call.tool for one in going for call in one.calls])
    last_calls = (call for one in reversed(going) for call in one.calls)
    paths = dict.fromkeys(islice((path for call in last_calls for path in sorted(paths_in(call.arguments))), _FEW))
    summaries = [row for row in measures.summaries if row < passage.stop and passage.has(row)]
    gone = LeftOut(
        count=passage.size,
        files=tuple(dict.fromkeys([*paths, *_recent_files(subject, passage)])),
        tools=tools,
        asked=[_text_of(subject, row) for row in asked],
        more=more,
        summaries=[_text_of(subject, row) for row in summaries],
        last_said=_last_said(subject, passage),
    )
    return note_of(gone)


def _recent_files(subject: Subject, passage: Passage) -> list[str]:
    """The files that the last turns name, in words or in calls, and that no remaining message names."""
    measures = subject.measures
    start = max(measures.turn_before(KEPT_TURNS), subject.snapshot.length - MOST_READ)
    if start >= passage.stop:
        return []
    rows = [row for row in range(start, subject.snapshot.length) if measures.kinds[row] != "tool_result"]
    going, staying = (
        [
            message_text(measures.columns.messages[row])
            for row in rows
            if (row < passage.stop and passage.has(row)) is goes
        ]
        for goes in (True, False)
    )
    return files_left_out(going, staying)


def _last_said(subject: Subject, passage: Passage) -> Iterator[str]:
    """The last of the model's words that are removed, if there are recent ones."""
    kinds = subject.measures.kinds
    for row in range(passage.stop - 1, max(-1, passage.stop - 1 - _LOOKED_AT), -1):
        if kinds[row] in ("answer", "tool_call") and passage.has(row):
            said = _text_of(subject, row)
            if said.strip():
                yield said
                return


def _text_of(subject: Subject, row: int) -> str:
    """The words of the message in a row, without its calls."""
    parts = turn_of(subject.measures.columns.messages[row]).parts
    return "\n".join(part.text for part in parts if isinstance(part, Text))
