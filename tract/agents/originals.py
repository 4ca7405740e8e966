"""The archives of a branch: the originals of its compressions, and which of them are older than they are kept."""

from __future__ import annotations

from datetime import timedelta

from tract.compile.workspace import Workspace
from tract.config import read_retention
from tract.dataclass import dataclass, field
from tract.history.walk import first_outlines
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.repo import Repository

_FURTHEST = 20_000
"""So many commits back compressions are looked for."""


@dataclass(slots=True)
class ArchiveTable:
    """The compressions behind *tip*, with their times, the newest first; what came since costs what it has."""

    tip: ObjectId | None = None
    found: list[tuple[ObjectId, int]] = field(default_factory=list)

    def advance(self, repo: Repository, tip: ObjectId | None) -> None:
        """Look behind *tip*."""
        new: list[tuple[ObjectId, int]] = []
        known: list[tuple[ObjectId, int]] = []
        for steps, (id, commit) in enumerate(first_outlines(repo, tip)):
            if id == self.tip:
                known = self.found
                break
            if steps >= _FURTHEST:
                break
            if commit.operation == CommitOperation.COMPRESS:
                new.append((id, commit.time))
        self.tip, self.found = tip, [*new, *known]

    def waiting(self, space: Workspace) -> int:
        """How many archives are older than the tract keeps them, and still there."""
        kept = space.config.archive_retention_days
        days = None if kept is None else read_retention("archive_retention_days", kept).days
        if days is None or days == float("inf"):
            return 0
        oldest = space.repo.clock() - round(timedelta(days=days).total_seconds() * 1_000_000)
        return sum(time < oldest and id not in space.repo.shallow.cuts for id, time in self.found)
