"""The index of keys: derived from the notes, and rebuilt if anything is wrong with it.

It answers two questions without reading the notes, of which there may be a million:

    key        ->  the notes that say it
    a commit   ->  the nearest commit with a key behind it by first parents, and one further behind (see tract/history/keys.py)

On disk it is a list of runs, ``cache/keys-<tract>-<number>``; each has what was added since the run before it.
The last runs are merged if they are about equally long, so there are few. key_run.py has the bytes of a run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

from blake3 import blake3

from tract.errors import StorageError
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.storage import files
from tract.storage.key_run import (
    HALF,
    NAME,
    NONE,
    ROW,
    SAID,
    DamagedRunError,
    KeyRun,
    all_rows,
    encoded_run,
    read_run,
    rows_in,
)

_MOST_IN_MEMORY = 192
_MOST_KEPT = 1024
"""A run with up to this many rows stays in the memory of the process that wrote it: its filter lets one of sixteen other names through, and reading rows from the disk takes 20 µs."""
_MERGED_TOGETHER = 4
_MOST_LINKS = 8192


class Link(NamedTuple):
    """The place of a commit with a key among the commits with keys behind it by first parents.

    *parent* and *jump* are the first 16 bytes of the ids of two of them, empty if there is none.
    *depth* is the number of commits with keys behind it; *merges* is not 0 if commits may have come in beside the first parents.
    """

    parent: bytes
    jump: bytes
    depth: int
    merges: int


@lru_cache(maxsize=4096)
def name_of_key(key: str) -> bytes:
    """The name of a key's rows."""
    return bytes(blake3(b"key\0" + key.encode()).digest(NAME))


class IndexReplacedError(Exception):
    """The known runs have been replaced: bring the index up to the notes, and ask again."""


class KeyIndex:
    """The index of one tract. *start* is the beginning of its runs' paths, or None if it is in memory only.

    *tip* is the tip of the notes up to which the index goes; what was added since the last run is in memory.
    With a *base*, the index holds what a batch adds to *base*, in memory only.
    """

    def __init__(self, start: str | None = None, base: KeyIndex | None = None, *, read_only: bool = False) -> None:
        self._read_only = read_only
        self._start = start
        self._base = base
        self._added: dict[bytes, list[bytes]] = {}
        self._count = 0
        self._links: dict[bytes, Link] = {}  # links that were looked up or added lately
        # what is still to be added, by its key: the note, the commit, and a function for the commit's link
        self._waiting: dict[str, tuple[ObjectId, ObjectId, Callable[[], Link]]] = {}
        self._runs: list[KeyRun] | None = None
        self._ignored: set[str] = set()
        self._open: dict[str, int] | None = None  # the descriptors of runs that are read again and again
        self._tip: ObjectId | None = None
        self.walked: dict[tuple[ObjectId, ObjectId], bool] = {}
        """For pairs of commits that only a walk could answer: whether the first is in the history of the second."""

    @property
    def tip(self) -> ObjectId | None:
        if self._runs is None:
            self._begin_again()
        return self._tip

    def beside(self) -> KeyIndex:
        """An index for a batch on top of this one."""
        self._settle()
        return KeyIndex(None, self)

    def add_key(self, key: str, note: ObjectId) -> None:
        """Add that the blob *note* says *key*."""
        name = name_of_key(key)
        self._add(name, ROW.pack(name, note[:NAME], note[NAME:], 0, 0))

    def add_made(self, key: str, note: ObjectId, commit: ObjectId, link: Callable[[], Link]) -> None:
        """Add that the blob *note* says *key* of *commit*, and the commit's *link*. Both are added only when a caller asks for more than whether a note says the key."""
        if key in self._waiting:
            self._settle()
        self._waiting[key] = note, commit, link

    def _settle(self) -> None:
        """Add what was put off, in its order."""
        if self._base is not None:
            self._base._settle()
        waiting, self._waiting = self._waiting, {}
        for key, (note, commit, link) in waiting.items():
            self.add_key(key, note)
            self.add_link(commit, link())

    def add_link(self, commit: ObjectId, link: Link) -> None:
        """Add the *link* of *commit*."""
        name = commit[:NAME]
        self._add(name, ROW.pack(name, link.parent or HALF, link.jump or HALF, link.depth, link.merges))
        self._remember(name, link)

    def _add(self, name: bytes, row: bytes) -> None:
        self._added.setdefault(name, []).append(row)
        self._count += 1

    def _remember(self, name: bytes, link: Link) -> Link:
        if len(self._links) >= _MOST_LINKS:
            self._links.clear()
        self._links[name] = link
        return link

    def has(self, key: str) -> bool:
        """True if a note says *key*, or another key with the same name."""
        base = self._base
        if key in self._waiting or (base is not None and key in base._waiting):
            return True
        return not self._is_bare() and bool(self._rows(name_of_key(key)))

    def notes(self, key: str) -> list[ObjectId]:
        """The blobs of the notes that say *key*. Two keys may share a name, so the caller must check them."""
        self._settle()
        rows = [] if self._is_bare() else self._rows(name_of_key(key))
        if not rows:
            return []
        return list(dict.fromkeys(first + second for _, first, second, _, _ in map(ROW.unpack, rows)))

    def _is_bare(self) -> bool:
        """True if the index has no rows: the first import into a store asks for thousands of keys, and need not hash them."""
        if self._runs is None:
            self._begin_again()
        return not (self._runs or self._added) and (self._base is None or self._base._is_bare())

    def link(self, name: bytes, *, is_expected: bool = True) -> Link | None:
        """The link of the commit whose id begins with *name*; None if it has no key. With *is_expected*, the rows are searched without asking a filter first."""
        name = name[:NAME]
        if self._waiting or self._base is not None:
            self._settle()
        found = self._links.get(name)
        if found is not None:
            return found
        rows = self._rows(name, is_link=True, is_expected=is_expected)
        if not rows:
            return None
        _, parent, jump, depth, merges = ROW.unpack(rows[-1])
        link = Link(b"" if parent == HALF else parent, b"" if jump == HALF else jump, depth, merges)
        return self._remember(name, link)

    def advanced(self, tip: ObjectId | None) -> None:
        """Record that the index now goes up to the notes' *tip*."""
        if self._runs is None:
            self._begin_again()
        self._tip = tip

    def clear(self) -> None:
        """Forget everything, so that it is rebuilt."""
        self._ignored.update(run.path for run in self._runs or ())
        self._forget()
        self._runs, self._tip = [], None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Keep the files of the runs open inside a ``with`` block that asks for link after link."""
        opened: dict[str, int] = {}
        self._open = opened
        try:
            yield
        finally:
            self._open = None
            for fd in opened.values():
                files.close(fd)

    def _rows(self, name: bytes, *, is_link: bool = False, is_expected: bool = False) -> list[bytes]:
        """All rows of *name*. A link has one row, most likely in the oldest run, the longest."""
        if self._runs is None:
            self._begin_again()
        try:
            found = [] if self._base is None else self._base._rows(name, is_link=is_link, is_expected=is_expected)
        except IndexReplacedError:
            self._begin_again()
            raise
        place = int.from_bytes(name[:8], "big")
        for run in self._runs or ():
            try:
                if run.kept is not None:
                    found += run.kept.get(name, ())
                elif run.may_have(place, is_expected=is_expected):
                    found += self._rows_of(run, name, place)
                if is_link and found:
                    return found
            except (DamagedRunError, FileNotFoundError) as exc:
                if isinstance(exc, DamagedRunError):
                    self._ignored.add(run.path)
                self._begin_again()
                raise IndexReplacedError from exc
        return found + self._added.get(name, [])

    def _rows_of(self, run: KeyRun, name: bytes, place: int) -> list[bytes]:
        """The rows of *name* in a run; *place* is the number that the name begins with."""
        fd = None if self._open is None else self._open.get(run.path)
        if fd is not None:
            return rows_in(fd, run, name, place)
        fd = files.open_read(run.path)
        stays_open = False
        try:
            run.check(fd)
            found = rows_in(fd, run, name, place)
            if self._open is not None:
                self._open[run.path], stays_open = fd, True
            return found
        finally:
            if not stays_open:
                files.close(fd)

    def _begin_again(self) -> None:
        """Drop what is in memory and load what is on disk."""
        self._forget()
        self._runs = self._read_runs()
        self._tip = _tip_of(self._runs) if self._base is None else self._base.tip

    def _forget(self) -> None:
        self._added, self._count = {}, 0
        self._links.clear()
        self._waiting.clear()

    def _files(self) -> list[str]:
        """The paths of this tract's runs, oldest first."""
        assert self._start is not None
        folder, name = os.path.split(self._start)
        try:
            return sorted(os.path.join(folder, one) for one in files.list_directory(folder) if one.startswith(name))
        except FileNotFoundError:
            return []

    def _read_runs(self) -> list[KeyRun]:
        """The runs on disk, oldest first, as far as each continues the one before it."""
        known = {run.path: run for run in self._runs or ()}
        runs: list[KeyRun] = []
        for path in self._files() if self._start is not None else ():
            run = None if path in self._ignored else read_run(path)
            if run is None or run.start != (runs[-1].end if runs else NONE):
                break
            was = known.get(path)
            runs.append(was if was is not None and was[:SAID] == run[:SAID] else run)
        return runs

    def is_long(self, most: int | None = None) -> bool:
        """True if *most* rows or more are only in memory; None stands for as many as a handle that stays open may keep."""
        return self._count + 2 * len(self._waiting) >= (_MOST_IN_MEMORY if most is None else most)

    def save(self, most: int | None = None) -> bool:
        """Write the rows in memory as a run, if they are *most* or more. Only for the holder of the store's lock.

        Return False if another process wrote a run meanwhile, or a run is damaged; this index then starts again from what is on disk.
        """
        if self._read_only or self._start is None or self._tip is None or not self.is_long(most):
            return True
        self._settle()
        runs = self._read_runs()
        if _tip_of(runs) != _tip_of(self._runs or []):
            self._begin_again()
            return False
        rows = sorted(row for rows in self._added.values() for row in rows)
        start = runs[-1].end if runs else NONE
        merged = _merged_with(runs, len(rows))
        if merged:
            try:
                rows = sorted([row for run in merged for row in all_rows(run)] + rows)
            except DamagedRunError:
                self._ignored.update(run.path for run in merged)
                self._begin_again()
                return False
            start = merged[0].start
            del runs[-len(merged) :]
        path = f"{self._start}{1 + (int(runs[-1].path[-8:]) if runs else 0):08}"
        files.write_file(path, memoryview(encoded_run(rows, start, self._tip)), sync=False)
        self._ignored.discard(path)
        for other in self._files():
            if other > path:  # merged, damaged, or left behind
                files.unlink(other)
        written = read_run(path)
        if written is None:
            raise StorageError(f"cannot read back '{path}'")
        if len(rows) <= _MOST_KEPT:
            written = written._replace(kept=_by_name(rows) if merged else self._added)
        self._runs = [*runs, written]
        self._added, self._count = {}, 0
        return True


def _by_name(rows: list[bytes]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for row in rows:
        found.setdefault(row[:NAME], []).append(row)
    return found


def _merged_with(runs: list[KeyRun], rows: int) -> list[KeyRun]:
    """The last runs that a new run of *rows* rows is to be merged with; none while there are few of that length."""
    at = len(runs)
    while at and runs[at - 1].rows <= _MERGED_TOGETHER * rows:
        at -= 1
        rows += runs[at].rows
    return runs[at:] if len(runs) - at >= _MERGED_TOGETHER - 1 else []


def _tip_of(runs: list[KeyRun]) -> ObjectId | None:
    return runs[-1].end if runs and runs[-1].end != NONE else None
