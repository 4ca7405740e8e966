"""Tool call ids as Anthropic takes them: letters, digits, ``_`` and ``-``, each only once in a conversation."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

_FORBIDDEN = re.compile(r"[^a-zA-Z0-9_-]")


class CallIds:
    """Which id each call gets, and which call each result answers, met in the conversation's order.

    Ids in *taken*, those of Anthropic's own messages, are given to no other call; an id that comes again gets a number.
    Results of calls with one id go to them in order; calls of an answer that is over no longer wait once a new one has their id.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._used = set(taken)
        self._times: dict[str, int] = {}
        self._latest: dict[str, str] = {}
        self._waiting: dict[str, tuple[int, deque[str]]] = {}
        self._answer = 0

    def begin_answer(self) -> None:
        """Say that the calls to come are of another answer than those so far."""
        self._answer += 1

    def of_call(self, id: str) -> str:
        """The id for a new call."""
        clean = _clean(id)
        unique = clean
        while unique in self._used:
            self._times[clean] = self._times.get(clean, 1) + 1
            unique = f"{clean}_{self._times[clean]}"
        self._used.add(unique)
        self._wait(id, unique)
        return unique

    def keep_call(self, id: str) -> None:
        """Take note of a call that keeps its id."""
        self._wait(id, id)

    def _wait(self, id: str, given: str) -> None:
        answer, calls = self._waiting.get(id, (-1, deque()))
        if answer != self._answer:
            calls = deque()
        calls.append(given)
        self._waiting[id] = (self._answer, calls)
        self._latest[id] = given

    def of_result(self, id: str) -> str:
        """The id of the call that a result answers."""
        return self.known_call(id) or _clean(id)

    def known_call(self, id: str) -> str | None:
        """The id of the call so far that a result answers; None when there is none."""
        _, calls = self._waiting.get(id, (0, None))
        return calls.popleft() if calls else self._latest.get(id)


def _clean(id: str) -> str:
    return _FORBIDDEN.sub("_", id) or "call"
