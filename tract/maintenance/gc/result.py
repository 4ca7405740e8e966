"""What a gc did, or would do: the values that callers see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
