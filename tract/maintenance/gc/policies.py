"""What is kept of which tract: each has its own settings, and one gc sees to all of them.

    config.toml               of the root tract, and of every tract that has none of its own
    tracts/<name>/config.toml of another

Tracts that go by the same file are one: a size is for all of them together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tract.config import FOR_EVER, Retention, TractConfig, read_retention
from tract.errors import ConfigError, GCError
from tract.objects.model import Commit
from tract.refs.files import tract_prefixes
from tract.refs.names import ref_path, split_tract
from tract.repo import Repository, read_config

RETENTION_DAYS = 7.0
_A_WEEK = Retention(days=RETENTION_DAYS)
_LONGEST = 2.0**62


@dataclass(frozen=True, slots=True)
class Policy:
    """What settings say of retention: how long *orphans* and *archives* are kept, and what of archives stays after that."""

    orphans: Retention = _A_WEEK
    archives: Retention = FOR_EVER
    keep_pinned: bool = True
    keep_merge_bases: bool = True


@dataclass(frozen=True, slots=True)
class Policies:
    """The different policies of a store; the first is the root tract's, *own* says which another tract has that has one of its own, by prefix."""

    policies: Sequence[Policy] = (Policy(),)
    own: Mapping[str, int] = field(default_factory=dict)

    def number_of(self, ref: str) -> int:
        """Which of them is for the ref *ref*, by its full name."""
        return self.own.get(split_tract(ref)[0], 0) if self.own else 0

    def of(self, ref: str) -> Policy:
        """The one that is for the ref *ref*."""
        return self.policies[self.number_of(ref)]

    @property
    def takes_archives(self) -> bool:
        """Whether any archive may go."""
        return any(policy.archives != FOR_EVER for policy in self.policies)

    @property
    def most_days(self) -> float:
        """The longest window that an orphan has; sizes are none."""
        return max(policy.orphans.days or 0.0 for policy in self.policies)


def read_policies(
    repo: Repository,
    *,
    orphans: float | str | None = None,
    archives: float | str | None = None,
    keep_pinned: bool | None = None,
    keep_merge_bases: bool | None = None,
) -> Policies:
    """What the settings of all tracts say now, but for what is not None, which is for all of them.

    GCError for what is no retention; ConfigError where settings cannot be read, for nothing says then what to keep.
    """
    asked_orphans = _asked("orphan retention", orphans)
    asked_archives = _asked("archive retention", archives)

    def policy_of(config: TractConfig) -> Policy:
        kept = config.archive_retention_days
        return Policy(
            asked_orphans or read_retention("orphan_retention_days", config.orphan_retention_days),
            asked_archives or (FOR_EVER if kept is None else read_retention("archive_retention_days", kept)),
            config.keep_pinned if keep_pinned is None else keep_pinned,
            config.keep_merge_bases if keep_merge_bases is None else keep_merge_bases,
        )

    policies = [policy_of(_root_settings(repo))]
    own: dict[str, int] = {}
    for prefix, config in _own_settings(repo):
        policy = policy_of(config)
        if policy in policies and _is_shared(policy, asked_orphans, asked_archives):
            own[prefix] = policies.index(policy)
        else:
            own[prefix] = len(policies)
            policies.append(policy)
    return Policies(tuple(policies), own)


def _asked(name: str, value: float | str | None) -> Retention | None:
    try:
        return None if value is None else read_retention(name, value)
    except ConfigError as exc:
        raise GCError(str(exc)) from exc


def _is_shared(policy: Policy, orphans: Retention | None, archives: Retention | None) -> bool:
    """Whether tracts with equal settings may go by one: sizes are for each, unless they were asked for of the whole store."""
    return (policy.orphans.size is None or orphans is not None) and (
        policy.archives.size is None or archives is not None
    )


def _root_settings(repo: Repository) -> TractConfig:
    if repo.path is None:
        return repo.config
    return _settings(os.path.join(repo.path, "config.toml")) or TractConfig()


def _own_settings(repo: Repository) -> list[tuple[str, TractConfig]]:
    """The tracts that have settings of their own, by prefix."""
    if repo.path is None:
        return []
    prefixes = tract_prefixes(repo.path)
    found = ((prefix, _settings(os.path.join(repo.path, ref_path(prefix), "config.toml"))) for prefix in prefixes)
    return [(prefix, config) for prefix, config in found if config is not None]


def _settings(path: str) -> TractConfig | None:
    with suppress(FileNotFoundError, NotADirectoryError):
        return read_config(path)
    return None


def check_retention(retention: Retention) -> None:
    """GCError for days that are less than none, or no number."""
    if retention.days is not None and not retention.days >= 0:
        raise GCError(f"retention must not be negative: {retention.days:g} days")


def nanoseconds(days: float) -> int:
    """Days as nanoseconds; for ever, as other long times, is longer than any store is old."""
    return int(min(_LONGEST, days * 86_400e9))


class Window:
    """How long the archives of a policy stay, seen from *now*, in nanoseconds since 1970; they are asked for from the newest on."""

    def __init__(self, kept: Retention, now: int) -> None:
        self.size = kept.size
        self._oldest = 0 if kept.days is None else (now - nanoseconds(kept.days)) // 1000
        self._is_full = False

    def has_time(self, commit: Commit) -> bool:
        """Whether the archive of the compress commit is young."""
        return self.size is None and commit.time >= self._oldest

    def has_room(self, measure: Callable[[], int]) -> bool:
        """Whether an archive, which is older than those before it, fits in beside them."""
        if self.size is None or self._is_full:
            return False
        self.size -= measure()
        self._is_full = self.size < 0
        return not self._is_full
