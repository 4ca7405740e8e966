"""The state of the branches that a handle has seen, and the part of it that must be unchanged for it to commit."""

from __future__ import annotations

from typing import Literal

from tract.dataclass import dataclass, field
from tract.errors import RefMovedError
from tract.history.context import context_at, find_entry
from tract.history.notes import PRIORITY, note_tip
from tract.history.priority import brought_back
from tract.objects.id import ObjectId
from tract.objects.model import shown
from tract.refs.names import HEAD, NOTES
from tract.refs.store import ANY, Expect, Expected
from tract.repo import Repository


@dataclass(slots=True)
class Seen:
    """Where HEAD, the branches and the priorities were when a handle last looked, ANY if it never did: a commit on anything else would follow messages the caller never saw.

    *last* is the last commit seen on the branch of a handle that was opened by the branch's name; None if the branch has none yet, or the handle itself removed them.
    """

    place: Expected = ANY
    tips: dict[str, Expected] = field(default_factory=dict)
    priorities: ObjectId | Literal[Expect.ANY] | None = ANY
    last: ObjectId | None = None
    note_moves: int = -1
    """The number of moves of notes' refs then: while it is the same, the priorities have not moved."""
    at: str | None = None
    """The branch that HEAD was on when the last commit was asked for."""

    def look(self, repo: Repository, *, after_own: bool = False) -> None:
        """Remember where HEAD, its branch and the priorities are; *after_own* if the handle moved the branch itself."""
        branch, tip = repo.head()
        self.place = branch
        if branch is not None:
            self.tips[branch] = tip
        if self.note_moves != repo.refs.note_moves:
            self.look_at_notes(repo)
        if repo.branch is not None and (tip is not None or after_own):
            self.last = tip

    def look_at_own_commit(self, repo: Repository, tip: ObjectId) -> None:
        """The same after the handle's own commit *tip*, on the branch *at*."""
        at = self.place = self.at
        if at is not None:
            self.tips[at] = tip
        if self.note_moves != repo.refs.note_moves:
            self.look_at_notes(repo)
        if repo.branch is not None:
            self.last = tip

    def look_at_notes(self, repo: Repository) -> None:
        """Remember where the priorities are."""
        self.priorities, self.note_moves = note_tip(repo, PRIORITY), repo.refs.note_moves

    def look_at_own_note(self, repo: Repository) -> None:
        """Remember where the priorities are, after the handle itself set one; but not if others unhid a message meanwhile."""
        tip = note_tip(repo, PRIORITY)
        if self.priorities is not ANY and tip is not None:
            parents = repo.commit(tip).parents
            if self.knows_hidden(repo, parents[0] if parents else None):
                self.look_at_notes(repo)

    def knows_hidden(self, repo: Repository, tip: ObjectId | None) -> bool:
        """Whether the priorities at *tip* unhide no message that was hidden when the handle looked."""
        return self.priorities is ANY or not brought_back(repo, self.priorities, tip)

    def expected(self, repo: Repository, branch: str | None, tip: ObjectId | None, *, appends: bool) -> Expected:
        """Where the branch must be for this handle to move it, with HEAD on *branch* at *tip*; ANY if it never looked, or *appends*."""
        if tip is None:
            self.check_branch(repo)
        if appends:
            return ANY
        if self.place is not ANY and branch != self.place:
            raise RefMovedError(HEAD, shown(self.place), branch or shown(tip))
        return self.tips.get(branch or "", ANY)

    def check_branch(self, repo: Repository) -> None:
        """RefMovedError if the branch of a handle that was opened by its name was deleted: no commit creates it again."""
        if repo.branch is not None and self.last is not None and repo.ref(repo.branch) is None:
            if repo.ref(HEAD) == repo.branch:
                return  # others took its commits off
            raise RefMovedError(repo.branch, shown(self.last), None)

    def check_priorities(self, repo: Repository, tip: ObjectId | None) -> None:
        """RefMovedError if a message in the context at *tip* that was hidden when the handle looked is now shown."""
        now = note_tip(repo, PRIORITY)
        if self.priorities is ANY or now == self.priorities:
            return
        back = brought_back(repo, self.priorities, now)
        if back is None or any(find_entry(repo, context_at(repo, tip), one) for one in back):
            raise RefMovedError(NOTES + PRIORITY, shown(self.priorities), shown(now))

    def copy(self) -> Seen:
        """A copy, for a repository with its own moves."""
        return Seen(self.place, dict(self.tips), self.priorities, self.last)
