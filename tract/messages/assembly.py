"""Items of several roles become messages of alternating ones, and instructions apart: for the providers that want them so.

    items      system  user  user  assistant  system  user  assistant
    groups             └─ one ─┘  └─ one ──┘          └one┘ └─ open: may go on
    messages   what each group is joined to           instructions   those of the system items

Groups that are over stay as they were joined, so that a message more costs what it adds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from tract.objects.message_format import JSON

_T = TypeVar("_T")


class Assembled(NamedTuple):
    """The messages in a list of the caller's, the instructions, the items that are instructions behind messages, and the numbers of the messages with cache marks."""

    messages: list[Any]
    system: list[Any]
    moved: list[Any]
    marked: list[int]


class _Point(NamedTuple):
    """A place to go back to: the item that a group begins with, the role of the group before it, and the lengths of what there was."""

    start: int
    before: str | None
    lengths: tuple[int, ...]


_BEGINNING = _Point(0, None, (0, 0, 0, 0))
_APART = 32
"""Places to go back to are so many messages apart: so many are joined anew at most."""


class Assembly(Generic[_T]):
    """The messages that *items* are; the list may grow, and be cut with :meth:`take_back`.

    *role* gives an item's role, *joined* the messages that neighbours of one role are.
    *stays* says whether an item of role ``system`` is a message between the role before it and the item behind, None where there is none; *is_marked* whether a message has cache marks.
    Without these two no such item is one, and no message has marks.
    """

    def __init__(
        self,
        items: list[_T],
        role: Callable[[_T], str],
        joined: Callable[[Sequence[_T]], Sequence[JSON]],
        *,
        stays: Callable[[_T, str, _T | None], bool] | None = None,
        is_marked: Callable[[JSON], bool] | None = None,
    ) -> None:
        self._items, self._role, self._joined = items, role, joined
        self._stays, self._is_marked = stays, is_marked
        self._done = Assembled([], [], [], [])
        self._points = [_BEGINNING]
        self._next = _BEGINNING  # the open group begins here

    def take_back(self, items: int) -> None:
        """Be as before the items from number *items* on, which are there no more."""
        if self._next.start + 1 < items or not self._next.start:
            return  # the groups before are over all the same
        while self._points[-1].start + 1 >= items and len(self._points) > 1:
            self._points.pop()
        self._next = self._points[-1]
        for done, length in zip(self._done, self._next.lengths, strict=True):
            del done[length:]

    def assembled(self) -> Assembled:
        """All that there is now."""
        start, before, _ = self._next
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
            if members and role != before:
                if at == last and role == "system":
                    return self._with((members, system, moved), ([one], [], []))  # what comes behind it may move it
                self._add(self._done, members, system, moved)
                self._go_on(at, before)
                members, system, moved = [], [], []
            members.append(one)
            before = role
        return self._with((members, system, moved))

    def _is_message(self, at: int, before: str | None) -> bool:
        """Whether item *at*, which is an instruction, is a message."""
        if self._stays is None or before is None:
            return False
        behind = self._items[at + 1] if at + 1 < len(self._items) else None
        return self._stays(self._items[at], before, behind)

    def _go_on(self, at: int, before: str | None) -> None:
        """Begin a group with item *at*: all before are over."""
        self._next = _Point(at, before, ())
        if len(self._done.messages) - self._points[-1].lengths[0] >= _APART:
            self._points.append(_Point(at, before, tuple(map(len, self._done))))

    def _with(self, *groups: tuple[list[_T], list[_T], list[_T]]) -> Assembled:
        found = Assembled(*(part[:] for part in self._done))
        for group in groups:
            self._add(found, *group)
        return found

    def _add(self, to: Assembled, members: list[_T], system: list[_T], moved: list[_T]) -> None:
        messages = self._joined(members) if members else ()
        if self._is_marked is not None:
            to.marked.extend(at for at, message in enumerate(messages, len(to.messages)) if self._is_marked(message))
        to.messages.extend(messages)
        to.system.extend(system)
        to.moved.extend(moved)
