"""GCPolicy: runs gc after a compression, or from time to time; in its own thread, never inside a commit."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from tract.agents.actions import Action
from tract.agents.policies import Calm
from tract.agents.policy_log import PolicyLogEntry, Trigger
from tract.config import read_retention
from tract.errors import ConfigError, PolicyConfigError
from tract.history.times import moment
from tract.history.walk import first_parents
from tract.objects.model import CommitOperation
from tract.repo import Repository

_ASKED_EVERY = 16
"""The growth of the store is checked at least once in this many messages."""

_FURTHEST = 1000
"""The number of commits searched for a compression."""


class _Collecting(Protocol):
    @property
    def repository(self) -> Repository: ...
    def policy_log(self, *, limit: int | None = 50) -> list[PolicyLogEntry]: ...


@dataclass
class GCPolicy:
    """Runs gc after each compression, or if the last gc was *after* ago (a timedelta, or seconds).

    The retentions are those of ``gc``: how long unreachable objects, and the originals behind summaries, are kept.
    It waits until the store has grown by *min_garbage* bytes (a number, or a text such as ``"50M"``) since this process last ran gc.
    """

    after: Any = "compress"
    _: KW_ONLY
    orphan_retention_days: float | str | None = field(default=None, kw_only=True)
    archive_retention_days: float | str | None = field(default=None, kw_only=True)
    min_garbage: int | str = field(default="50M", kw_only=True)
    name: str = field(default="gc", kw_only=True)
    priority: int = field(default=600, kw_only=True)
    trigger: Trigger = field(default="commit", kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.after, timedelta):
            self.after = self.after.total_seconds()
        is_seconds = isinstance(self.after, (int, float)) and not isinstance(self.after, bool) and self.after > 0
        if self.after != "compress" and not is_seconds:
            raise PolicyConfigError(f"after must be 'compress' or a timedelta, not {self.after!r:.40}")
        try:
            for name in ("orphan_retention_days", "archive_retention_days"):
                if getattr(self, name) is not None:
                    read_retention(name, getattr(self, name))
            self._least = _bytes(self.min_garbage)
        except ConfigError as exc:
            raise PolicyConfigError(str(exc)) from exc
        self._size = 0
        self._due: bytes | None = None

    def evaluate(self, tract: _Collecting) -> Action | None:
        """Run gc if it is time."""
        repo = tract.repository
        stats = getattr(repo.objects, "stats", None)
        size = stats().size if stats is not None else 0
        if size < self._size:
            self._size = size
        if size - self._size < self._least:
            return None
        last = next((one for one in tract.policy_log(limit=None) if one.policy == self.name), None)
        reason = self._due_since(repo, 0 if last is None else int(last.created_at.timestamp() * 1_000_000))
        if reason is None:
            return None
        self._size = size
        arguments = {
            name: str(getattr(self, name))
            for name in ("orphan_retention_days", "archive_retention_days")
            if getattr(self, name) is not None
        }
        return Action("gc", arguments, reason)

    def calm(self) -> Calm:
        """Rest for some messages: any number of them is short, compared with the growth of the store that makes gc worthwhile."""
        return Calm(messages=_ASKED_EVERY)

    def _due_since(self, repo: Repository, last: int) -> str | None:
        if self.after != "compress":
            due = last + int(self.after * 1_000_000) <= repo.clock()
            return f"the store was last collected at {moment(last):%Y-%m-%d %H:%M}" if due else None
        for steps, (id, commit) in enumerate(first_parents(repo, repo.head()[1])):
            if commit.time <= last or steps > _FURTHEST or id == self._due:
                return None
            if commit.operation is CommitOperation.COMPRESS:
                self._due = id
                return f"compression {id.hex()[:10]} left its originals behind"
        return None


def _bytes(given: int | str) -> int:
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return given
    size = read_retention("min_garbage", given).size
    if size is None:
        raise ConfigError(f"min_garbage must be a number of bytes or a text such as '50M', not {given!r:.40}")
    return size
