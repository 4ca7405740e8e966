"""ArchivePolicy: branches without recent commits are archived."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from tract.agents.actions import Action
from tract.agents.policies import Calm
from tract.agents.policy_log import Trigger
from tract.agents.proposals import ProposalTable
from tract.agents.reviews import reviews
from tract.config import TractConfig
from tract.errors import PolicyConfigError
from tract.history.reflog import ReflogEntry
from tract.history.times import moment
from tract.history.walk import is_ancestor
from tract.objects.id import ObjectId
from tract.refs.names import HEADS, TAGS
from tract.repo import Repository

_LONGEST = 100_000
_AGAIN = 60_000_000
"""The time between two checks of the branches, in microseconds."""


class _Archiving(Protocol):
    @property
    def repository(self) -> Repository: ...
    @property
    def config(self) -> TractConfig: ...

    reflog: Callable[[str], list[ReflogEntry]]


@dataclass
class ArchivePolicy:
    """Archives branches that have at least *min_commits* commits and had none for *stale_days*.

    It never archives the branch of HEAD, the default branch, or a branch with a pending proposal; a branch that was made or moved recently is not stale.
    """

    stale_days: float = 7
    min_commits: int = 1
    prefix: str = "archive/"
    name: str = field(default="archive", kw_only=True)
    priority: int = field(default=500, kw_only=True)
    trigger: Trigger = field(default="commit", kw_only=True)

    def __post_init__(self) -> None:
        is_number = isinstance(self.stale_days, (int, float)) and not isinstance(self.stale_days, bool)
        if not is_number or not 0 <= self.stale_days <= _LONGEST:
            raise PolicyConfigError(f"stale_days must be a number of days, not {self.stale_days!r:.40}")
        if type(self.min_commits) is not int or self.min_commits < 0:
            raise PolicyConfigError(f"min_commits must be a whole number, not {self.min_commits!r:.40}")
        if self.prefix != "archive/":
            raise PolicyConfigError(f"prefix must be 'archive/', where archived branches are, not {self.prefix!r:.40}")
        self._looked: int | None = None

    def evaluate(self, tract: _Archiving) -> Action | None:
        """Archive the first stale branch."""
        repo = tract.repository
        clock = repo.clock()
        if self._looked is not None and clock - self._looked < _AGAIN:
            return None
        now = moment(clock)
        for name, at in repo.local_refs(HEADS):
            branch = name.removeprefix(HEADS)
            if name in (repo.branch, repo.head()[0]) or branch == tract.config.default_branch or isinstance(at, str):
                continue
            commit = repo.commit(at)
            since = moment(commit.time)
            if now - since < timedelta(days=self.stale_days) or commit.generation < self.min_commits:
                continue
            moved = tract.reflog(branch)
            since = max([since, *(one.time for one in moved[:1])])
            if now - since >= timedelta(days=self.stale_days) and not _is_under_way(repo, branch):
                return Action("archive", {"name": branch}, self._reason(repo, branch, at, since))
        self._looked = clock
        return None

    def calm(self) -> Calm | None:
        """Rest until branches are checked again."""
        return None if self._looked is None else Calm(until=self._looked + _AGAIN)

    def _reason(self, repo: Repository, branch: str, at: ObjectId, since: datetime) -> str:
        head = repo.head()[1]
        merged = head is not None and is_ancestor(repo, at, head)
        tags = [name.removeprefix(TAGS) for name, value in repo.local_refs(TAGS) if value == at]
        beside = "" if merged else "; it has work that HEAD does not have"
        beside += f"; tagged {', '.join(tags)}" if tags else ""
        return f"no commit on '{branch}' since {since:%Y-%m-%d}{beside}"


def _is_under_way(repo: Repository, branch: str) -> bool:
    """Whether a proposal, a compression or a merge about the branch waits."""
    waiting = [one for one in ProposalTable().read(repo).values() if one.status == "pending"]
    return any(one.branch == branch for one in (*waiting, *reviews(repo)))
