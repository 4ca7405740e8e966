"""What gc is told, and what it tells: the retention settings of every tract in a store, and what a gc did.

    config.toml               of the root tract, and of every tract that has none of its own
    tracts/<name>/config.toml of another

Tracts that use the same file share their options: a size is for all of them together.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from tract.config import FOR_EVER, Retention, TractConfig, read_retention
from tract.errors import ConfigError, GCError
from tract.history.tracts import CONFIG_FILE, own_settings
from tract.refs.names import ref_path, split_tract
from tract.refs.ref_files import tract_prefixes
from tract.repo import Repository
from tract.settings import read_config

_WEEK = Retention(days=7.0)
_THREE_MONTHS = Retention(days=90.0)
_LONGEST = 2.0**62


@dataclass(frozen=True, slots=True)
class TractOptions:
    """How long unreachable objects (*orphans*) and what compressions replaced (*archives*) are kept.

    *keep_pinned* keeps pinned messages of an archive that expires, *keep_merge_bases* the archives that merges need.
    """

    orphans: Retention = _WEEK
    archives: Retention = FOR_EVER
    keep_pinned: bool = True
    keep_merge_bases: bool = True


@dataclass(frozen=True, slots=True)
class GCOptions:
    """The different options of a store's tracts: *each* begins with the root tract's; *own* has the index of those of every tract that has settings of its own, by prefix.

    The reflog reaches back as far as *reflog* says, or as the longest retention of orphans.
    """

    each: Sequence[TractOptions] = (TractOptions(),)
    own: Mapping[str, int] = field(default_factory=dict)
    reflog: Retention = _THREE_MONTHS

    def index_of(self, ref: str) -> int:
        """The index of the options for the ref *ref*, which is a full name."""
        return self.own.get(split_tract(ref)[0], 0) if self.own else 0

    def of(self, ref: str) -> TractOptions:
        """The options for the ref *ref*."""
        return self.each[self.index_of(ref)]

    @property
    def reflog_days(self) -> float:
        """How many days the operations are kept."""
        return max(one.days or 0.0 for one in (self.reflog, *(one.orphans for one in self.each)))

    @property
    def takes_archives(self) -> bool:
        """Whether any archive may expire."""
        return any(one.archives != FOR_EVER for one in self.each)

    def without_archives(self) -> GCOptions:
        """The same, but that no archive expires."""
        return replace(self, each=[replace(one, archives=FOR_EVER) for one in self.each])


def read_options(
    repo: Repository,
    *,
    orphans: float | str | None = None,
    archives: float | str | None = None,
    keep_pinned: bool | None = None,
    keep_merge_bases: bool | None = None,
) -> GCOptions:
    """What the settings of all tracts say now; an argument that is not None holds for all of them instead.

    GCError for an argument that is no retention; ConfigError where settings cannot be read, because nothing says then what to keep.
    """
    asked_orphans = _asked("orphan retention", orphans)
    asked_archives = _asked("archive retention", archives)

    def options_of(config: TractConfig) -> TractOptions:
        kept = config.archive_retention_days
        return TractOptions(
            asked_orphans or read_retention("orphan_retention_days", config.orphan_retention_days),
            asked_archives or (FOR_EVER if kept is None else read_retention("archive_retention_days", kept)),
            config.keep_pinned if keep_pinned is None else keep_pinned,
            config.keep_merge_bases if keep_merge_bases is None else keep_merge_bases,
        )

    each = [options_of(_root_settings(repo))]
    own: dict[str, int] = {}
    for prefix, config in _own_settings(repo):
        one = options_of(config)
        # A size that a file says is for the tracts that go by that file, one that is asked for is for the whole store.
        has_own_size = bool(
            (asked_orphans is None and one.orphans.size) or (asked_archives is None and one.archives.size)
        )
        if one not in each or has_own_size:
            each.append(one)
            own[prefix] = len(each) - 1
        else:
            own[prefix] = each.index(one)
    return GCOptions(tuple(each), own)


def nanoseconds(days: float) -> int:
    """Days as nanoseconds; for ever, and other long times, are longer than any store is old."""
    return int(min(_LONGEST, days * 86_400e9))


def _asked(name: str, value: float | str | None) -> Retention | None:
    try:
        return None if value is None else read_retention(name, value)
    except ConfigError as exc:
        raise GCError(str(exc)) from exc


def _root_settings(repo: Repository) -> TractConfig:
    if repo.path is None:
        return repo.config
    path = os.path.join(repo.path, "config.toml")
    found = _settings(path)
    if found is None:
        raise ConfigError(f"'{path}' is missing")
    return found


def _own_settings(repo: Repository) -> list[tuple[str, TractConfig]]:
    """The tracts that have settings of their own, by prefix."""
    if repo.path is None:
        names = [name.removesuffix(CONFIG_FILE) for name in repo.states if name.endswith(CONFIG_FILE)]
        return [(prefix, config) for prefix in names if (config := own_settings(repo, prefix)) is not None]
    prefixes = tract_prefixes(repo.path)
    found = ((prefix, _settings(os.path.join(repo.path, ref_path(prefix), "config.toml"))) for prefix in prefixes)
    return [(prefix, config) for prefix, config in found if config is not None]


def _settings(path: str) -> TractConfig | None:
    with suppress(FileNotFoundError, NotADirectoryError):
        return read_config(path)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """What goes with the archive of one compression: *commit* is the compress commit, *size* in bytes before compression.

    *parted* are branches that may have no merge base with another one any more, by their full names.
    """

    commit: str
    created_at: datetime
    commits: int
    messages: int
    objects: int
    size: int
    parted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldArchive:
    """An archive that expired and stays all the same, because *branches* (full names) lead behind its compression another way.

    Without *branches* orphans need it: it goes when they do.
    """

    commit: str
    created_at: datetime
    branches: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GCResult:
    """What a gc did, or with *dry_run* would do.

    *reachable*, *kept* (unreachable, but young) and *dropped* are numbers of objects; operations are in none of them.
    *size_before* and *size_after* are bytes on disk of packs, journal and loose objects; a dry run cannot know the size after it, and says None.
    *dropped_size* is the size of what is dropped, in bytes before compression: so a dry run says the same as the run after it.
    *archives* is what goes with each archive of a compression, the newest first; all else that is dropped are orphans.
    *held* are archives that expired, but that merges or orphans need.
    """

    reachable: int
    kept: int
    dropped: int
    packs_before: int
    packs_after: int
    size_before: int
    size_after: int | None
    seconds: float
    dry_run: bool = False
    dropped_size: int = 0
    archives: tuple[Archive, ...] = ()
    held: tuple[HeldArchive, ...] = ()
