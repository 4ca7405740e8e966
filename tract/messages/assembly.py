"""Items of several roles become messages of alternating roles, and instructions apart: for the providers that want them so.

    items      system  user  user  assistant  system  user  assistant
    groups             └─ one ─┘  └─ one ──┘          └one┘ └─ open: may go on
    messages   what each group is joined to           instructions   those of the system items

Finished groups stay joined, so that the cost of a new message depends only on that message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from tract.named_tuple import NamedTuple
from tract.objects.message_format import JSON

_T = TypeVar("_T")


class Assembled(NamedTuple):
    """The assembled messages, the instructions, the instructions that stood behind messages, and the numbers of the messages with cache marks.

    *messages* is a list of the caller's own.
    """

    messages: list[Any]
    system: list[Any]
    moved: list[Any]
    marked: list[int]


class _Point(NamedTuple):
    """A state to go back to: the first item of a group, the role of the group before it, and the lengths of the four lists."""

    start: int
    before: str | None
    lengths: tuple[int, ...]


_BEGINNING = _Point(0, None, (0, 0, 0, 0))
_APART = 32
"""Points are at least this many messages apart, which limits how many messages are joined again."""


class Assembly(Generic[_T]):
    """The messages made of *items*; the list may grow, and may be cut with :meth:`take_back`.

    *role* gives an item's role; *joined* gives the messages made of neighbours of one role.
    *stays* gets an item of role ``system``, the role before it and the item behind it (None if it is last), and says whether the item stays a message; *is_marked* says whether a message has cache marks.
    Without these two, no such item stays and no message has marks. *is_marked* is asked only about items whose numbers are in ``may_have_marks``.
    """

    def __init__(
        self,
        items: list[_T],
        role: Callable[[_T], str],
        joined: Callable[[Sequence[_T]], Sequence[JSON]],
        *,
        stays: Callable[[_T, str, _T | None], bool] | None = None,
        is_marked: Callable[[JSON], bool] = bool,
    ) -> None:
        self._items, self._role, self._joined = items, role, joined
        self._stays, self._is_marked = stays, is_marked
        self.may_have_marks: set[int] = set()
        self._done = Assembled([], [], [], [])
        self._points = [_BEGINNING]
        self._start, self._before = 0, _BEGINNING.before  # the open group begins here, behind one of that role

    def take_back(self, items: int) -> None:
        """Return to the state before item number *items*; the list has no items from that number on."""
        self.may_have_marks.difference_update(range(items, len(self._items)))
        if self._start + 1 < items or not self._start:
            return  # the groups before are over all the same
        while self._points[-1].start + 1 >= items and len(self._points) > 1:
            self._points.pop()
        self._start, self._before, lengths = self._points[-1]
        for done, length in zip(self._done, lengths, strict=True):
            del done[length:]

    def assembled(self) -> Assembled:
        """The messages made of all the items."""
        start, before = self._start, self._before
        members: list[_T] = []
        system: list[_T] = []
        moved: list[_T] = []
        items, role_of, last = self._items, self._role, len(self._items) - 1
        for at in range(start, last + 1):
            one = items[at]
            role = role_of(one)
            if role == "system" and not self._is_message(at, before):
                system.append(one)
                if before is not None:
                    moved.append(one)
                continue
            if role != before and members:
                if at == last and role == "system":  # what comes behind it may move it
                    found = self._with(start, at, members, system, moved)
                    self._add(found, at, at + 1, [one], [], [])
                    return found
                self._add(self._done, start, at, members, system, moved)
                if system:
                    system, moved = [], []
                start = self._start = at
                self._before = before
                if len(self._done.messages) - self._points[-1].lengths[0] >= _APART:
                    self._points.append(_Point(at, before, tuple(map(len, self._done))))
                members = [one]
            else:
                members.append(one)
            before = role
        return self._with(start, last + 1, members, system, moved)

    def _is_message(self, at: int, before: str | None) -> bool:
        """Whether item *at*, an instruction, stays a message."""
        if self._stays is None or before is None:
            return False
        behind = self._items[at + 1] if at + 1 < len(self._items) else None
        return self._stays(self._items[at], before, behind)

    def _with(self, start: int, stop: int, members: list[_T], system: list[_T], moved: list[_T]) -> Assembled:
        found = Assembled(*(part[:] for part in self._done))
        self._add(found, start, stop, members, system, moved)
        return found

    def _add(self, to: Assembled, start: int, stop: int, members: list[_T], system: list[_T], moved: list[_T]) -> None:
        """Join the *members* of a group, taken from the items *start* to *stop*, and add the result to *to*."""
        if members:
            messages = self._joined(members)
            if self.may_have_marks and not self.may_have_marks.isdisjoint(range(start, stop)):
                to.marked.extend(at for at, one in enumerate(messages, len(to.messages)) if self._is_marked(one))
            to.messages.extend(messages)
        if system:
            to.system.extend(system)
            to.moved.extend(moved)
