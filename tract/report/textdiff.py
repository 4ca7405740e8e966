"""The differences between two texts, line by line and word by word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Literal

from tract.history.diff import longest_rising
from tract.named_tuple import NamedTuple

Mark = Literal[" ", "-", "+"]

_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
_MOST_PAIRS = 4_000_000
"""With more pairs of lines than this, not all are compared: lines that occur once on both sides divide the texts first."""

_MOST_WORDS = 2_000
"""A word diff of longer passages would take seconds, and no one could read it."""


class Piece(NamedTuple):
    """A line, or a run of words: kept (a blank), removed (``-``) or added (``+``)."""

    mark: Mark
    text: str


class Hunk(NamedTuple):
    """Lines that changed, with some around them; *start_before* and *start_after* are the first lines' places, from 1."""

    start_before: int
    count_before: int
    start_after: int
    count_after: int
    lines: tuple[Piece, ...]

    @property
    def header(self) -> str:
        """As in git: ``@@ -1,3 +1,4 @@``."""
        return f"@@ -{_range(self.start_before, self.count_before)} +{_range(self.start_after, self.count_after)} @@"


class _Run(NamedTuple):
    """Items ``before[a:b]`` opposite ``after[c:d]``; *same* if they are equal."""

    same: bool
    a: int
    b: int
    c: int
    d: int


def lines_of(text: str) -> list[str]:
    """The lines of a text; none of an empty one."""
    return text.split("\n") if text else []


def line_hunks(before: str, after: str, context: int = 3) -> tuple[Hunk, ...]:
    """The hunks that lead from one text to the other, with *context* lines around each change."""
    old, new = lines_of(before), lines_of(after)
    return tuple(_hunk(group, old, new) for group in _grouped(_runs(old, new), max(0, context)))


def word_pieces(before: str, after: str) -> tuple[Piece, ...]:
    """The words that lead from one text to the other, in runs."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if len(old) > _MOST_WORDS or len(new) > _MOST_WORDS:
        return tuple(Piece(mark, text) for mark, text in (("-", before), ("+", after)) if text)  # type: ignore[arg-type]  # mypy widens the marks of a display
    pieces: list[Piece] = []
    for run in _runs(old, new):
        if run.same:
            pieces.append(Piece(" ", "".join(old[run.a : run.b])))
            continue
        if run.b > run.a:
            pieces.append(Piece("-", "".join(old[run.a : run.b])))
        if run.d > run.c:
            pieces.append(Piece("+", "".join(new[run.c : run.d])))
    return tuple(pieces)


def _range(start: int, count: int) -> str:
    return str(start) if count == 1 else f"{start},{count}"


def _runs(old: Sequence[str], new: Sequence[str]) -> list[_Run]:
    """Both lists from start to end, in runs that are the same and runs that are not, in turn."""
    joined: list[_Run] = []
    for run in _raw_runs(old, new, 0, 0):
        if run.a == run.b and run.c == run.d:
            continue
        last = joined[-1] if joined else None
        if last is not None and last.same == run.same:
            joined[-1] = _Run(run.same, last.a, run.b, last.c, run.d)
        else:
            joined.append(run)
    return joined


def _raw_runs(old: Sequence[str], new: Sequence[str], a: int, c: int) -> Iterator[_Run]:
    start = 0
    most = min(len(old), len(new))
    while start < most and old[start] == new[start]:
        start += 1
    end = 0
    while end < most - start and old[-1 - end] == new[-1 - end]:
        end += 1
    yield _Run(True, a, a + start, c, c + start)
    yield from _middle(old[start : len(old) - end], new[start : len(new) - end], a + start, c + start)
    yield _Run(True, a + len(old) - end, a + len(old), c + len(new) - end, c + len(new))


def _middle(old: Sequence[str], new: Sequence[str], a: int, c: int) -> Iterator[_Run]:
    if not old or not new:
        yield _Run(False, a, a + len(old), c, c + len(new))
    elif len(old) * len(new) <= _MOST_PAIRS:
        for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            yield _Run(tag == "equal", a + i, a + j, c + k, c + m)
    else:
        anchors = _anchors(old, new)
        if not anchors:
            yield _Run(False, a, a + len(old), c, c + len(new))
            return
        at_old = at_new = 0
        for i, k in [*anchors, (len(old), len(new))]:
            yield from _raw_runs(old[at_old:i], new[at_new:k], a + at_old, c + at_new)
            at_old, at_new = i, k  # the anchor itself is the first line of the next part


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Places of lines that occur once on both sides, as many as are in the same order."""
    once = {line for line, count in Counter(old).items() if count == 1}
    once &= {line for line, count in Counter(new).items() if count == 1}
    places = {line: at for at, line in enumerate(new) if line in once}
    pairs = {places[line]: at for at, line in enumerate(old) if line in once}
    return [(pairs[at], at) for at in longest_rising([places[line] for line in old if line in once])]


def _grouped(runs: Sequence[_Run], context: int) -> Iterator[list[_Run]]:
    """The runs of each hunk: changes no further apart than twice the context, and the context."""
    group: list[_Run] = []
    for at, run in enumerate(runs):
        if not run.same:
            group.append(run)
            continue
        length = run.b - run.a
        if group and (at == len(runs) - 1 or length > 2 * context):
            keep = min(context, length)
            yield [*group, _Run(True, run.a, run.a + keep, run.c, run.c + keep)]
            group = []
        if at < len(runs) - 1:
            keep = length if group else min(context, length)
            group.append(_Run(True, run.b - keep, run.b, run.d - keep, run.d))
    if any(not run.same for run in group):
        yield group


def _hunk(group: Sequence[_Run], old: Sequence[str], new: Sequence[str]) -> Hunk:
    lines: list[Piece] = []
    for run in group:
        if run.same:
            lines += (Piece(" ", line) for line in old[run.a : run.b])
        else:
            lines += (Piece("-", line) for line in old[run.a : run.b])
            lines += (Piece("+", line) for line in new[run.c : run.d])
    first, last = group[0], group[-1]
    before, after = last.b - first.a, last.d - first.c
    # If a side has no line, git names the one before.
    return Hunk(first.a + (before > 0), before, first.c + (after > 0), after, tuple(lines))
