"""The names and ids that a request may use for tools and their calls, by provider.

| | openai | responses | anthropic | gemini |
|---|---|---|---|---|
| a call's id | 1 to 40 characters | 1 to 64 | ``[a-zA-Z0-9_-]+``, 64 | anything |
| unique | in an answer | in the request | in the request | in the request |
| a tool's name | ``[a-zA-Z0-9_-]``, 64 | the same | the same, 128 | ``[a-zA-Z_][a-zA-Z0-9_.:-]*``, 64 |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from blake3 import blake3

from tract.messages.parts import Notes
from tract.objects.message_format import JSON

Target: TypeAlias = Literal["openai", "responses", "anthropic", "gemini"]
TARGETS: tuple[Target, ...] = ("openai", "responses", "anthropic", "gemini")
"""The formats that are rendered."""


def legacy_call_id(name: JSON) -> str:
    """The id for a call and a result that come without one: both name the tool, so they still find each other."""
    return f"call_{name}"


_LONGEST_ID: Mapping[Target, int | None] = {"openai": 40, "responses": 64, "anthropic": 64, "gemini": None}
_FORBIDDEN_IN_IDS = r"[^a-zA-Z0-9_-]"


class CallIds:
    """The ids of the calls of one request; ids given since a :meth:`mark` can be taken back.

    An id is never empty, never longer than the receiver takes, and unique: of several calls with one id, all but the first get a number.
    In chat completions it needs to be unique only within an answer, because calls of different answers are told apart by their place.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._longest = _LONGEST_ID[target]
        self._times: dict[str, int] = {}
        self._log: list[tuple[str, int]] = []

    def mark(self) -> int:
        """The present state, for :meth:`take_back`."""
        return len(self._log)

    def take_back(self, mark: int) -> None:
        """Go back to the state of *mark*."""
        while len(self._log) > mark:
            id, times = self._log.pop()
            if times:
                self._times[id] = times
            else:
                del self._times[id]

    def begin_answer(self) -> None:
        """Start a new answer: the next calls belong to it."""
        if self._target == "openai":
            self._times, self._log = {}, []

    def give(self, id: str, tool: str) -> str:
        """The id for a new call of *tool*; *id* is its recorded id, or "" if it has none."""
        wanted = self._fitting(id, tool)

        id, number = wanted, self._times.get(wanted, 0)
        while id in self._times:
            number += 1
            id = self._with_ending(wanted, f"_{number}")
        self._set(wanted, max(number, 1))
        if id != wanted:
            self._set(id, 1)
        return id

    def _set(self, id: str, times: int) -> None:
        self._log.append((id, self._times.get(id, 0)))
        self._times[id] = times

    def _fitting(self, id: str, tool: str) -> str:
        id = id or re.sub(_FORBIDDEN_IN_IDS, "_", legacy_call_id(tool or None))
        if self._target == "anthropic":
            id = re.sub(_FORBIDDEN_IN_IDS, "_", id)
        if self._longest is None or len(id) <= self._longest:
            return id
        return self._with_ending(id, f"_{_digest(id)}")

    def _with_ending(self, id: str, ending: str) -> str:
        return (id if self._longest is None else id[: self._longest - len(ending)]) + ending


_NAMES: Mapping[Target, tuple[str, int]] = {
    "openai": (r"[^a-zA-Z0-9_-]", 64),
    "responses": (r"[^a-zA-Z0-9_-]", 64),
    "anthropic": (r"[^a-zA-Z0-9_-]", 128),
    "gemini": (r"[^a-zA-Z0-9_.:-]|^(?=[^a-zA-Z_])", 64),
}
"""What the name of a tool must not have, and how long it may be."""


def fitting_name(name: str, target: Target, index: int, notes: Notes) -> str:
    """The name of a tool in a form that *target* takes."""
    forbidden, longest = _NAMES[target]
    fit = re.sub(forbidden, "_", name) or "unknown_tool"
    if len(fit) > longest:
        fit = f"{fit[: longest - 9]}_{_digest(name)}"
    if fit != name:
        notes.add(index, "tool_name_changed", f"{name!r:.80} as {fit!r}")
    return fit


def _digest(text: str) -> str:
    return blake3(text.encode(errors="surrogatepass")).hexdigest(4)
