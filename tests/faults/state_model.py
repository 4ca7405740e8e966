"""What a store should be, in lists and dicts: the model that the state machine holds the real one against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tract import Priority

MAIN = "main"


class Said(NamedTuple):
    """A message: who says what. Said by ``system``, it is an instruction, which is pinned unless a note says otherwise."""

    role: str
    text: str

    def __repr__(self) -> str:
        text = repr(self.text) if len(self.text) < 20 else f"{self.text[0]!r} * {len(self.text)}"
        return f"Said({self.role!r}, {text})"


class Entry(NamedTuple):
    """A message of a context: the commit that introduced it, and what it says now."""

    id: str
    said: Said


@dataclass(frozen=True)
class Commit:
    """A commit, the context it holds, and the priorities there were when it was made.

    *made_with* is the last commit of the operation that made it.
    """

    id: str
    parent: str | None
    said: Said
    target: str | None
    context: tuple[Entry, ...]
    priorities: dict[str, Priority]
    made_with: str

    @property
    def is_edit(self) -> bool:
        return self.target is not None


Life = Literal["kept", "unsure", "dropped"]
"""Whether a commit must be there; of what a gc that was killed may have taken nobody knows."""


@dataclass
class TractModel:
    """One tract: HEAD is on *branch*, which need not exist."""

    name: str
    branch: str = MAIN
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    lives: dict[str, Life] = field(default_factory=dict)
    notes: dict[str, list[Priority]] = field(default_factory=dict)

    @property
    def tip(self) -> str | None:
        return self.branches.get(self.branch)

    def context(self, commit: str | None) -> tuple[Entry, ...]:
        return () if commit is None else self.commits[commit].context

    def line(self, commit: str | None) -> Iterator[Commit]:
        """The commit and those behind it, newest first."""
        while commit is not None:
            found = self.commits[commit]
            yield found
            commit = found.parent

    def kept(self) -> list[str]:
        """The commits that must be there, oldest first."""
        return [id for id, life in self.lives.items() if life == "kept"]

    def messages(self) -> list[str]:
        """The commits that introduced a message and must be there."""
        return [id for id in self.kept() if not self.commits[id].is_edit]

    def versions(self, message: str) -> list[str]:
        """The commit that introduced the message and its edits behind HEAD, oldest first."""
        edits = [commit.id for commit in self.line(self.tip) if commit.target == message]
        return [message, *reversed(edits)]

    def priorities(self) -> dict[str, Priority]:
        """The newest note of every message that has one."""
        return {id: notes[-1] for id, notes in self.notes.items()}

    def hidden(self) -> frozenset[str]:
        """The messages that no model is sent."""
        return frozenset(id for id, priority in self.priorities().items() if priority is Priority.SKIP)

    def priority(self, commit: str, priorities: dict[str, Priority] | None = None) -> Priority:
        standard = Priority.PINNED if self.commits[commit].said.role == "system" else Priority.NORMAL
        return (self.priorities() if priorities is None else priorities).get(commit, standard)

    def shown(self, commit: str | None, *, then: bool = False) -> list[Entry]:
        """What a model is sent at the commit, with the priorities of now or of then."""
        notes = self.commits[commit].priorities if then and commit is not None else self.priorities()
        return [entry for entry in self.context(commit) if notes.get(entry.id) is not Priority.SKIP]

    # What changes it

    def append(self, ids: Sequence[str], said: Sequence[Said], targets: Sequence[str | None]) -> None:
        """Commits on HEAD's branch, made in one operation."""
        for id, words, target in zip(ids, said, targets, strict=True):
            parent = self.tip
            self.commits[id] = Commit(
                id, parent, words, target, _with(self.context(parent), id, words, target), self.priorities(), ids[-1]
            )
            self.lives[id] = "kept"
            self.branches[self.branch] = id

    def annotate(self, message: str, priority: Priority) -> None:
        self.notes.setdefault(message, []).append(priority)

    def collect(self, *, killed: bool = False) -> None:
        """Drop what no ref of the tract reaches, or where the gc was killed perhaps."""
        reached = {commit.id for tip in (*self.branches.values(), *self.tags.values()) for commit in self.line(tip)}
        for id, life in self.lives.items():
            if id not in reached and life != "dropped":
                self.lives[id] = "unsure" if killed else "dropped"

    def knows_then(self, commit: str) -> bool:
        """Whether the operation that made the commit is on record: gc forgets the moves to what it drops."""
        return self.lives[self.commits[commit].made_with] == "kept"


def _with(before: tuple[Entry, ...], id: str, said: Said, target: str | None) -> tuple[Entry, ...]:
    if target is None:
        return (*before, Entry(id, said))
    return tuple(Entry(target, said) if entry.id == target else entry for entry in before)


@dataclass
class HandleModel:
    """What one open tract knows of where its branches are and of what was *hidden*; a branch that is not in *seen* it never looked at, and *place* is the one HEAD was on.

    A gc that drops commits may drop the notes that say what was hidden: *is_unsure* then, and what comes after is told too often rather than not at all.
    """

    tract: TractModel
    appends: bool
    seen: dict[str, str | None] = field(default_factory=dict)
    place: str | None = None
    hidden: frozenset[str] = frozenset()
    is_unsure: bool = False

    def look(self) -> None:
        self.seen[self.tract.branch] = self.tract.tip
        self.place = self.tract.branch
        self.hidden, self.is_unsure = self.tract.hidden(), False

    def annotate(self, *notes: tuple[str, Priority]) -> None:
        """Notes of its own, after which it knows what is hidden, but for what others brought back before."""
        knows = self.hidden <= self.tract.hidden() or self.is_unsure
        for message, priority in notes:
            self.tract.annotate(message, priority)
        if knows:
            self.hidden = self.tract.hidden()

    @property
    def is_stale(self) -> bool:
        """Whether the branch moved since this handle looked, or a message came back into its context, and it wants to be told."""
        branch = self.tract.branch
        if self.appends or self.place not in (None, branch):
            return not self.appends
        back = self.hidden - self.tract.hidden()
        has_back = any(entry.id in back for entry in self.tract.context(self.tract.tip))
        return branch in self.seen and (has_back or self.seen[branch] != self.tract.tip)
