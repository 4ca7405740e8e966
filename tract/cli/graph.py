"""The graph beside a log: a column for each line of history that is still to come.

*        a commit
|\\       a merge: a column opens for its second parent
| *
|/       two lines came from one commit: the right one closes
*
"""

from __future__ import annotations

from collections.abc import Sequence

from tract.objects.id import ObjectId


class Graph:
    """A graph, drawn commit by commit, a child always before its parents."""

    def __init__(self) -> None:
        self._columns: list[ObjectId] = []  # the commit that each column leads to, none twice
        self._edges: list[str] = []
        self._ended: int | None = None  # the column that just ended without a row that shows it

    def before(self, id: ObjectId) -> list[str]:
        """The rows to draw above the commit: without them, it could seem to lead to the row above it."""
        edges = self.edges()
        if id not in self._columns and self._ended == len(self._columns):
            edges.append(_row(len(self._columns)).rstrip())
        return edges

    def add(self, id: ObjectId, parents: Sequence[ObjectId]) -> tuple[str, str]:
        """The text before the commit's first line, and before its other lines."""
        self._ended = None
        if id not in self._columns:
            self._columns.append(id)
        at = self._columns.index(id)
        lead = _row(len(self._columns), at, "*")
        below = _row(len(self._columns), at, "|" if parents else " ")
        self._lead_on(at, parents)
        return lead, below

    def pass_by(self, id: ObjectId, parents: Sequence[ObjectId]) -> None:
        """Draw no star for the commit: lines that lead to it lead on to its parents."""
        if id in self._columns:
            self._lead_on(self._columns.index(id), parents)

    def edges(self) -> list[str]:
        """The rows between the last added commit and the next."""
        edges, self._edges = self._edges, []
        return edges

    def bars(self) -> str:
        """The text beside an empty line before the next commit."""
        return _row(len(self._columns)).rstrip()

    def _lead_on(self, at: int, parents: Sequence[ObjectId]) -> None:
        """Lead column *at* to *parents*: a column opens to its right for each after the first; if two lead to one commit, the right one closes."""
        if not parents:
            self._drop(at)
            return
        self._columns[at] = parents[0]
        for parent in parents[1:]:
            self._open(at, parent)
        for parent in parents:
            places = [place for place, column in enumerate(self._columns) if column == parent]
            if len(places) > 1:
                self._close(places[1], places[0])

    def _open(self, at: int, parent: ObjectId) -> None:
        """Open a column for *parent* to the right of column *at*."""
        width = len(self._columns)
        self._edges.append(_drawn({2 * k: "|" for k in range(at + 1)} | {2 * k + 1: "\\" for k in range(at, width)}))
        self._columns.insert(at + 1, parent)

    def _close(self, at: int, into: int) -> None:
        """End column *at* in column *into*, which is to its left."""
        row = {2 * k: "|" for k in range(at)}
        row |= {2 * k + 1: "_" for k in range(into, at - 1)}
        row |= {2 * k - 1: "/" for k in range(at, len(self._columns))}
        self._edges.append(_drawn(row))
        del self._columns[at]

    def _drop(self, at: int) -> None:
        """End column *at*: there is nothing before its commit."""
        if at < len(self._columns) - 1:
            row = {2 * k: "|" for k in range(at)} | {2 * k - 1: "/" for k in range(at + 1, len(self._columns))}
            self._edges.append(_drawn(row))
        else:
            self._ended = at
        del self._columns[at]


def _row(width: int, at: int = -1, mark: str = "|") -> str:
    return "".join(f"{mark if column == at else '|'} " for column in range(width))


def _drawn(row: dict[int, str]) -> str:
    return "".join(row.get(place, " ") for place in range(max(row, default=-1) + 1))
