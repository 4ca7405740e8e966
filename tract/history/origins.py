"""Origins: the notes as they were when a commit was made.

Every change of a ref is an operation, so the values of the notes' refs right after the operation that made a commit are on record.

    operations   main: ∅→a   priority: ∅→1   main: a→c   config: ∅→2
    made         a: {}                       b, c: {priority: 1}
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tract.history.notes import notes_between
from tract.objects.id import ObjectId
from tract.objects.model import Operation, RefValue
from tract.refs.names import HEADS, NOTES
from tract.repo import Repository

Tips = Mapping[str, ObjectId]
"""The tips of the notes, by namespace."""


def notes_when_noted(repo: Repository, namespace: str, target: ObjectId) -> Tips | None:
    """The notes' tips after the operation that wrote the newest note about *target*; None if that operation is not kept, or there is no such note."""
    start = repo.prefix + NOTES
    refs = {name: value for name, value in repo.refs.list(start) if isinstance(value, bytes)}
    for _, operation in repo.refs.history():
        for change in operation.changes:
            if change.name != start + namespace or not isinstance(change.new, bytes):
                continue
            old = change.old if isinstance(change.old, bytes) else None
            if target in dict(notes_between(repo, old, change.new, most=sys.maxsize) or ()):
                return {name.removeprefix(start): value for name, value in refs.items()}
        for change in operation.changes:
            refs.pop(change.name, None)
            if change.name.startswith(start) and isinstance(change.old, bytes):
                refs[change.name] = change.old
    return None


class Origins:
    """For any commit, the notes' tips after the operation that first brought it to a branch.

    Operations are read at the first question, later only new ones; commits are read only as far as a question needs them.
    """

    def __init__(self, repo: Repository) -> None:
        self._repo = repo
        self._moves: list[tuple[ObjectId, Tips]] = []  # where a branch moved, and the notes' tips right after
        self._notes: dict[str, dict[str, ObjectId]] = {}  # the notes' tips of each tract, by its prefix
        self._before: list[ObjectId] = []
        self._made: dict[ObjectId, Tips] = {}
        self._last: ObjectId | None = None

    def is_made(self, commit: ObjectId) -> bool:
        """True if *commit* exists; the commits of a batch do not until it lands."""
        return self._repo.objects.contains(commit)

    def notes_then(self, commit: ObjectId) -> Tips | None:
        """The tips when *commit* was made; None if the operation that made it is not kept."""
        if self._repo.refs.last != self._last:
            self._advance()
        found = self._made.get(commit)
        if found is None:
            found = self._find(commit)
            if found is not None:
                self._made[commit] = found
        return found

    def _find(self, commit: ObjectId) -> Tips | None:
        """The tips after the first move to *commit*, or to a commit that reaches it."""
        least = self._repo.commit(commit).generation
        seen: set[ObjectId] = set()
        if any(_reaches(self._repo, tip, commit, least, seen) for tip in self._before):
            return None
        for tip, tips in self._moves:
            if _reaches(self._repo, tip, commit, least, seen):
                return tips
        return None

    def _advance(self) -> None:
        added: list[Operation] = []
        for id, operation in self._repo.refs.history():
            if id == self._last:
                break
            added.append(operation)
        else:
            self._begin(added)
        for operation in reversed(added):
            self._take(operation)
        self._last = self._repo.refs.last

    def _begin(self, operations: list[Operation]) -> None:
        """Start from the refs before all *operations*, which are those that are kept, newest first."""
        self._moves, self._made = [], {}
        refs: dict[str, RefValue | None] = dict(self._repo.refs.list())
        for operation in operations:
            refs.update((change.name, change.old) for change in operation.changes)
        self._notes = {}
        for name, value in refs.items():
            self._note_tip(name, value)
        self._before = [value for name, value in refs.items() if HEADS in name and isinstance(value, bytes)]

    def _take(self, operation: Operation) -> None:
        for change in operation.changes:
            self._note_tip(change.name, change.new)
        for change in operation.changes:
            prefix, is_branch, _ = change.name.partition(HEADS)
            if is_branch and isinstance(change.new, bytes):
                self._moves.append((change.new, dict(self._notes.get(prefix, {}))))

    def _note_tip(self, name: str, value: RefValue | None) -> None:
        """Record the value of the ref *name*, if it is a ref of notes."""
        prefix, is_notes, namespace = name.partition(NOTES)
        if not is_notes:
            return
        tips = self._notes.setdefault(prefix, {})
        if isinstance(value, bytes):
            tips[namespace] = value
        else:
            tips.pop(namespace, None)


def _reaches(repo: Repository, start: ObjectId, commit: ObjectId, least: int, seen: set[ObjectId]) -> bool:
    """True if *start* is *commit*, of generation *least*, or reaches it; commits in *seen* are known not to."""
    work = [start]
    while work:
        id = work.pop()
        if id == commit:
            return True
        if id in seen or not repo.objects.contains(id):
            continue
        seen.add(id)
        found = repo.commit(id)
        if found.generation > least:
            work.extend(found.parents)
    return False
