"""The messages a provider is sent for a history, kept so that the cost of a new message depends only on that message.

    messages ──pairing──▸ steps ──mending──▸ pieces ──fitting, converting──▸ items ──▸ a request
               History    Arrangement                  Sending.update                  Sending.request

A step is an answer with the results behind it, or a single other message.
The items written for a step stay until a message comes that belongs to it; then everything from that step on is taken back and written again.
Items are shared with the messages, and with every request made of them: no caller may change them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from tract.errors import ContentValidationError
from tract.messages.form import Form
from tract.messages.mending import Arrangement, Messages
from tract.messages.message import CompileWarning, Message, message_from_raw
from tract.messages.pairing import Pairing
from tract.messages.parts import Notes, Rendered
from tract.messages.sentences import warnings_of
from tract.messages.tool_names import Target
from tract.messages.writing import Writer, writer_for
from tract.named_tuple import NamedTuple
from tract.objects.message_format import JSON

if TYPE_CHECKING:
    from tract.messages.fit_responses import Answers

_PLAIN_ROLES = frozenset({"system", "developer", "user", "assistant"})


class Rows(Messages, Protocol):
    """The messages of a history, with a fast way to read the plain ones."""

    def sent(self, start: int, stop: int) -> Iterable[Sequence[Message | dict[str, JSON]]]:
        """Messages *start* to *stop*, in batches; a dict is a chat completions message that the caller may keep."""


class MessageRows(list[Message]):
    """A list of messages as the rows of a history."""

    def sent(self, start: int, stop: int) -> Iterable[Sequence[Message | dict[str, JSON]]]:
        return [[_chat_or_message(message) for message in self[start:stop]]]


def _chat_or_message(message: Message) -> Message | dict[str, JSON]:
    return dict(message.raw) if message.format == "openai" and not message.is_error else message


class History:
    """The facts about messages that do not depend on the receiver: which result answers which call, and which messages are plain text."""

    def __init__(self) -> None:
        self.pairing = Pairing()
        self.plain: list[dict[str, JSON] | None] = []
        self._others: list[int] = []  # the messages that are not plain
        self.answered: list[int] = []
        """For every result that was taken in, the message with its call, in order."""

    def take_in(self, rows: Rows, length: int) -> None:
        """Read the messages up to *length*."""
        for values in rows.sent(len(self.plain), length):
            if not self.pairing.open and _are_plain(values):
                self.plain += values  # type: ignore[arg-type]  # they are dicts
                continue
            for row, value in enumerate(values, len(self.plain)):
                is_plain = isinstance(value, dict) and _are_plain((value,))
                if not is_plain or self.pairing.open:
                    self.answered += [call.row for call, _ in self.pairing.add(row, rows[row])]
                if not is_plain:
                    self._others.append(row)
                self.plain.append(value if is_plain else None)  # type: ignore[arg-type]  # as above

    def end_of_plain(self, row: int) -> int:
        """The first message from *row* on that is not plain text; if there is none, the number of messages."""
        at = bisect_left(self._others, row)
        return self._others[at] if at < len(self._others) else len(self.plain)


def _are_plain(values: Sequence[Any]) -> bool:
    """Whether all are messages with a known role and visible text, and nothing else: every provider takes these unchanged."""
    try:
        texts = [*map(_content_of, values)]
        return (
            _PLAIN_ROLES.issuperset(map(_role_of, values))
            and sum(map(len, values)) == 2 * len(texts)
            and all(texts)
            and not any(map(str.isspace, texts))
        )
    except (KeyError, TypeError):
        return False


_role_of: Callable[[Any], Any] = itemgetter("role")
_content_of: Callable[[Any], Any] = itemgetter("content")


_Placed: TypeAlias = tuple[int, str, int, CompileWarning]
"""A warning behind its sort key: its message, its kind, and a running number."""


class _Written(NamedTuple):
    """The lengths and the state before a step was written, to which a take-back returns."""

    row: int
    items: int
    warnings: int
    state: Any


class Unit(NamedTuple):
    """Messages that are written together, and the items written for them; no other message has a part in these items."""

    rows: range
    items: range


class _ThoughtsAsWords(Messages):
    """The messages as in rules 1: a committed thought was sent as words of the assistant."""

    def __init__(self, rows: Messages) -> None:
        self._rows = rows

    def __getitem__(self, at: int) -> Message:
        message = self._rows[at]
        if not message.is_thought:
            return message
        return message_from_raw({"role": "assistant", "content": message.raw["content"][0]["thinking"]}, "openai")


class Sending:
    """The items that one provider is sent for the first messages of a history."""

    def __init__(self, form: Form, history: History, answers: Answers | None = None) -> None:
        self._rules = form.rules
        self._history = history
        self._arrangement = Arrangement(form.target, history.pairing)
        self._writer: Writer = writer_for(form, answers)
        self._steps: list[_Written] = []
        self._warnings: list[_Placed] = []
        self._rows = 0
        self._answered = 0
        self._open: frozenset[int] = frozenset()
        self._late: dict[int, int] = {}
        """For a step, by its first message: the last message that is written with it although it stands behind others."""
        self._uneven: list[int] = []
        """The number of items before each step that has more or fewer items than messages."""
        self._may_go_on = False
        self._finished: Rendered | None = None

    def update(self, rows: Messages, length: int) -> None:
        """Write the messages that were added; the history has taken in all of them."""
        if length == self._rows:
            return
        if self._rules == 1:
            rows = _ThoughtsAsWords(rows)
        self._finished = None
        self._take_back(self._first_changed())
        row = self._rows
        while row < length:
            row = self._write_plain(row) or self._write_step(rows, row, length)
        self._rows = length
        pairing = self._history.pairing
        self._open = frozenset(ref.row for ref in pairing.open)

    def _first_changed(self) -> int:
        """The first message whose items may have changed; all items from it on are written again."""
        answered = self._history.answered
        first = min([self._rows, *self._open, *answered[self._answered :]])
        self._answered = len(answered)
        if self._may_go_on and self._steps:
            first = min(first, self._steps[-1].row)
        return first

    def _take_back(self, row: int) -> None:
        if row >= self._rows:
            return
        at = bisect_right(self._steps, row, key=lambda step: step.row) - 1
        step = self._steps[at]
        del self._steps[at:]
        del self._warnings[step.warnings :]
        self._writer.take_back(step.items, step.state[0])
        self._arrangement.ids.take_back(step.state[1])
        self._rows = step.row
        self._late = {row: late for row, late in self._late.items() if row < step.row}
        while self._uneven and self._uneven[-1] >= step.items:
            self._uneven.pop()

    def _write_plain(self, row: int) -> int | None:
        """Write the plain messages from *row* on, each of which stands for itself, and return the row behind them; None if *row* is not plain."""
        stop = self._history.end_of_plain(row)
        if stop == row:
            return None
        self._begin(row)
        self._writer.write_plain(self._history.plain[row:stop], row)  # type: ignore[arg-type]  # all of these are dicts
        self._may_go_on = False
        return stop

    def _begin(self, row: int) -> None:
        state = (self._writer.state, self._arrangement.ids.mark())
        self._steps.append(_Written(row, len(self._writer.items), len(self._warnings), state))

    def _write_step(self, rows: Messages, row: int, length: int) -> int:
        self._begin(row)
        notes = Notes()
        step = self._arrangement.step(rows, row, length, notes)
        self._writer.write(step, notes, is_last=step.stop == length)
        self._add_warnings(self._warnings, notes)
        self._may_go_on = bool(step.answer)
        late = max(piece.row for piece in (*step.answer, *step.rest)) if step.answer or step.rest else row
        if late >= step.stop:
            self._late[row] = late
        before = self._steps[-1].items
        if len(self._writer.items) - before != step.stop - row:
            self._uneven.append(before)
        return step.stop

    @property
    def marked(self) -> Sequence[int]:
        """The numbers of the request's messages with cache marks."""
        return self._writer.marked

    def units(self, item: int = 0) -> Iterator[Unit]:
        """The units, from the one with *item* on: each message that stands for itself, and each step, with its items.

        A step with a late result extends to that result.
        """
        whole: list[Unit] = []
        until = -1
        for unit in self._single_units(item if not self._late else 0):
            until = max(until, self._late.get(unit.rows.start, -1))
            whole.append(unit)
            if unit.rows.stop > until:
                joined = Unit(range(whole[0].rows.start, unit.rows.stop), range(whole[0].items.start, unit.items.stop))
                whole = []
                if joined.items.stop > item or joined.items.start == joined.items.stop >= item:
                    yield joined

    def _single_units(self, item: int) -> Iterator[Unit]:
        steps = self._steps
        at = bisect_left(steps, item, key=lambda step: step.items)
        if at == len(steps) or steps[at].items > item:
            at = max(0, at - 1)
        for number in range(at, len(steps)):
            step = steps[number]
            last = number + 1 == len(steps)
            rows = range(step.row, self._rows if last else steps[number + 1].row)
            items = range(step.items, len(self._writer.items) if last else steps[number + 1].items)
            if self._history.plain[step.row] is not None and len(rows) == len(items):
                for nth in range(max(0, item - items.start), len(rows)):
                    yield Unit(rows[nth : nth + 1], items[nth : nth + 1])
            else:
                yield Unit(rows, items)

    @property
    def first_uneven(self) -> int | None:
        """The number of items before the first step that has more or fewer items than messages; None if there is no such step."""
        return self._uneven[0] if self._uneven else None

    @property
    def items(self) -> Sequence[Any]:
        """The items written so far, in the writer's own form."""
        return self._writer.items

    def request(self) -> Rendered:
        """The request, a new list or dict whose items are shared, and all warnings about it."""
        if self._finished is None:
            notes, placed = Notes(), self._warnings[:]
            value = self._writer.request(notes)
            self._add_warnings(placed, notes)
            placed.sort()
            self._finished = Rendered(value, tuple(map(itemgetter(3), placed)))
        value, warnings = self._finished
        if isinstance(value, dict):
            return Rendered({key: item[:] if isinstance(item, list) else item for key, item in value.items()}, warnings)
        return Rendered(value[:], warnings)

    def _add_warnings(self, to: list[_Placed], notes: Notes) -> None:
        for one in warnings_of(notes, self._writer.target):
            to.append((-1 if one.index is None else one.index, one.kind, len(to), one))


class Sendings:
    """The :class:`Sending` of one history for each provider, made at the first request for it."""

    def __init__(self, answers: Answers | None = None) -> None:
        self._history = History()
        self._answers = answers
        self._sendings: dict[Form, Sending] = {}
        self._rows = 0

    @property
    def rows(self) -> int:
        """The number of messages taken in."""
        return self._rows

    def to(self, form: Form, rows: Rows, length: int) -> Sending:
        """The :class:`Sending` in *form* of the first *length* messages; *length* never shrinks."""
        self._history.take_in(rows, length)
        self._rows = length
        sending = self._sendings.get(form)
        if sending is None:
            sending = self._sendings[form] = Sending(form, self._history, self._answers)
        sending.update(rows, length)
        return sending


def refuse_nothing(rendered: Rendered, target: Target, length: int) -> None:
    """Raise ContentValidationError if there are messages (*length* is not 0) and none of them can be sent."""
    value = rendered.value
    messages = value.get("messages", value.get("contents")) if isinstance(value, dict) else value
    if length and not messages:
        reasons = "; ".join(map(str, rendered.warnings)) or "none has content"
        raise ContentValidationError(f"no message can be sent to {target}: {reasons:.300}")
