"""The options and results of gc: how long each tract of a store keeps what, and what a gc did.

    config.toml               of the root tract, and of every tract that has none of its own
    tracts/<name>/config.toml of another

Tracts that use the same file share their options: a size is for all of them together.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from tract.config import FOR_EVER, Retention, TractConfig, read_retention
from tract.dataclass import dataclass, field, replace
from tract.errors import ConfigError, GCError
from tract.history.tracts import CONFIG_FILE, own_settings
from tract.refs.names import split_tract
from tract.refs.ref_files import tract_prefixes
from tract.repo import Repository
from tract.settings import read_config

DAY = 86_400.0

_WEEK = Retention(days=7.0)
_THREE_MONTHS = Retention(days=90.0)
_LONGEST = 2.0**62

# A pack of orphans that are kept for ever, or by a size, spans an eighth of this many days.
_LONG_DAYS = 3650.0
_SIZED_DAYS = 90.0


@dataclass(frozen=True, slots=True)
class TractOptions:
    """How long unreachable objects (*orphans*) and messages that compressions replaced (*archives*) are kept.

    *keep_pinned* keeps pinned messages of an archive that expires, *keep_merge_bases* the archives that merges need.
    *tract* is the prefix of a tract whose own settings give a size, so that no other tract shares that size.
    """

    orphans: Retention = _WEEK
    archives: Retention = FOR_EVER
    keep_pinned: bool = True
    keep_merge_bases: bool = True
    tract: str = ""


@dataclass(frozen=True, slots=True)
class GCOptions:
    """The options of a store's tracts: those of the *root* tract, and by prefix those of every tract with its own settings.

    The reflog goes back as far as *reflog* says, or as the longest retention of orphans.
    """

    root: TractOptions = TractOptions()
    own: Mapping[str, TractOptions] = field(default_factory=dict)
    reflog: Retention = _THREE_MONTHS

    @property
    def each(self) -> Sequence[TractOptions]:
        """The distinct options, each once."""
        return list(dict.fromkeys((self.root, *self.own.values())))

    def of(self, ref: str) -> TractOptions:
        """The options for *ref*, a full ref name."""
        return self.own.get(split_tract(ref)[0], self.root) if self.own else self.root

    @property
    def reflog_days(self) -> float:
        """The number of days for which operations are kept."""
        return max(one.days or 0.0 for one in (self.reflog, *(one.orphans for one in self.each)))

    @property
    def takes_archives(self) -> bool:
        """True if any archive may expire."""
        return any(one.archives != FOR_EVER for one in self.each)

    def without_archives(self) -> GCOptions:
        """The same options, except that no archive expires."""
        own = {prefix: replace(one, archives=FOR_EVER) for prefix, one in self.own.items()}
        return GCOptions(replace(self.root, archives=FOR_EVER), own, self.reflog)


def read_options(
    repo: Repository,
    *,
    orphans: float | str | None = None,
    archives: float | str | None = None,
    keep_pinned: bool | None = None,
    keep_merge_bases: bool | None = None,
) -> GCOptions:
    """The options from the settings of all tracts; an argument that is not None applies to all tracts instead.

    GCError for an argument that is not a retention; ConfigError if settings cannot be read, because then nothing says what to keep.
    """
    asked_orphans = _asked("orphan retention", orphans)
    asked_archives = _asked("archive retention", archives)

    def options_of(config: TractConfig, prefix: str = "") -> TractOptions:
        kept = config.archive_retention_days
        said_orphans = read_retention("orphan_retention_days", config.orphan_retention_days)
        said_archives = FOR_EVER if kept is None else read_retention("archive_retention_days", kept)
        # A size from a file is for the tracts that use the file; a size from an argument is for the whole store.
        has_size = (asked_orphans is None and said_orphans.size) or (asked_archives is None and said_archives.size)
        return TractOptions(
            asked_orphans or said_orphans,
            asked_archives or said_archives,
            config.keep_pinned if keep_pinned is None else keep_pinned,
            config.keep_merge_bases if keep_merge_bases is None else keep_merge_bases,
            prefix if has_size else "",
        )

    root, own = _settings(repo)
    return GCOptions(options_of(root), {prefix: options_of(config, prefix) for prefix, config in own})


def _settings(repo: Repository) -> tuple[TractConfig, list[tuple[str, TractConfig]]]:
    """The root tract's settings, and by prefix those of the tracts that have their own."""
    if repo.path is None:
        root = repo.config
        prefixes = [name.removesuffix(CONFIG_FILE) for name in repo.states if name.endswith(CONFIG_FILE)]
    else:
        path = os.path.join(repo.path, CONFIG_FILE)
        try:
            root = read_config(path)
        except FileNotFoundError:
            raise ConfigError(f"'{path}' is missing") from None
        prefixes = list(tract_prefixes(repo.path))
    found = ((prefix, own_settings(repo, prefix)) for prefix in prefixes)
    return root, [(prefix, config) for prefix, config in found if config is not None]


def _asked(name: str, value: float | str | None) -> Retention | None:
    try:
        return None if value is None else read_retention(name, value)
    except ConfigError as exc:
        raise GCError(str(exc)) from exc


def nanoseconds(days: float) -> int:
    """Days as nanoseconds; for ever, and other long times, become a time longer than any store is old."""
    return int(min(_LONGEST, days * DAY * 1e9))


class Window:
    """What one retention keeps: objects younger than *since*, or those that fit into *room* bytes. *step* is the time that one of its packs spans, a power of two of nanoseconds."""

    def __init__(self, retention: Retention, now: int) -> None:
        days = _SIZED_DAYS if retention.days is None else min(retention.days, _LONG_DAYS)
        self.since = now - nanoseconds(retention.days) if retention.days is not None else nanoseconds(math.inf)
        self.room = -1 if retention.size is None else retention.size
        self.step = 1 << (max(1, nanoseconds(days)) // 8).bit_length()

    def is_young(self, written: int) -> bool:
        return written > self.since

    def fits(self, size: Callable[[], int]) -> bool:
        """True if that many bytes more fit; after the first that does not fit, nothing else does."""
        if self.room >= 0:
            self.room -= size()
        return self.room >= 0


def keeper(windows: Sequence[Window], written: int, size: Callable[[], int]) -> Window | None:
    """The first of *windows* that keeps an object *written* then and of that *size*."""
    young = [one for one in windows if one.is_young(written)]
    return next(iter(young or [one for one in windows if one.fits(size)]), None)  # each has a little less room now


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
