"""What a disk may hold after a power cut: the states that recorded changes leave open.

The model is strict; it promises no more than POSIX does:

    a write that was not synced      is there, is missing, is torn at any byte or block, or is zeros or garbage where the file grew
    a name that was not synced       is there or is missing, each on its own; a rename within a folder is one change
    fsync, fdatasync of a file       bring out its bytes and size, but not its name
    fsync of a folder                brings out the names in it, but not its own
    a sync that failed               brings out nothing for certain, and no later one makes up for it
"""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Iterator
from typing import NamedTuple

from blake3 import blake3

from tests.faults.crash_recorder import Change

BLOCK = 512
PAGE = 4096


class Fate(NamedTuple):
    """What became of one change that was not synced.

    *how* is ``all``, ``none``, ``cut`` (only the first *size* bytes), ``blocks`` (some blocks of *size* bytes, *seed* says which), ``zeros`` or ``garbage`` (in place of what was beyond the synced size).
    """

    how: str
    size: int = 0
    seed: int = 0


ALL = Fate("all")
NONE = Fate("none")

Item = tuple[int, int]
"""A change that is not synced: its file or folder, and its number among those of that one."""


class _File:
    def __init__(self) -> None:
        self.durable = b""
        self.pending: list[Change] = []
        # So many of them were there when a sync failed: only writing them anew brings them out.
        self.orphans = 0

    def synced(self) -> None:
        data = bytearray(self.durable)
        for change in self.pending[self.orphans :]:
            _apply(data, change, ALL, 0)
        self.pending = [part for orphan in self.pending[: self.orphans] for part in self._left(orphan)]
        self.orphans = len(self.pending)
        self.durable = bytes(data)

    def _left(self, orphan: Change) -> list[Change]:
        """The parts of an orphan that nothing after the failed sync wrote anew."""
        parts = [(orphan.offset, orphan.offset + len(orphan.data))]
        for later in self.pending[self.orphans :]:
            if later.kind != "write":
                continue
            start, end = later.offset, later.offset + len(later.data)
            parts = [piece for a, b in parts for piece in ((a, min(b, start)), (max(a, end), b)) if piece[0] < piece[1]]
        return [
            Change("write", orphan.node, offset=a, data=orphan.data[a - orphan.offset : b - orphan.offset])
            for a, b in parts
        ]

    def content(self, fates: dict[Item, Fate], node: int) -> bytes:
        data = bytearray(self.durable)
        for number, change in enumerate(self.pending):
            _apply(data, change, fates.get((node, number), NONE), len(self.durable))
        return bytes(data)


def _apply(data: bytearray, change: Change, fate: Fate, durable: int) -> None:
    if fate.how == "none":
        return
    if change.kind == "truncate":
        if change.offset < len(data):
            del data[change.offset :]
        else:
            data.extend(bytes(change.offset - len(data)))
        return
    start, written = change.offset, change.data
    if fate.how == "cut":
        written = written[: fate.size]
    elif fate.how in ("zeros", "garbage"):
        skipped = max(0, durable - start)
        start, size = start + skipped, max(0, len(written) - skipped)
        written = bytes(size) if fate.how == "zeros" else random.Random(fate.seed).randbytes(size)
    if len(data) < start + len(written):
        data.extend(bytes(start + len(written) - len(data)))
    if fate.how != "blocks":
        data[start : start + len(written)] = written
        return
    chance = random.Random(fate.seed)
    at = 0
    while at < len(written):
        end = min(len(written), at + fate.size - (start + at) % fate.size)
        if chance.random() < 0.5:
            data[start + at : start + end] = written[at:end]
        at = end


class _Folder:
    def __init__(self) -> None:
        self.durable: dict[str, int] = {}
        self.pending: list[Change] = []

    def names(self, fates: dict[Item, Fate], node: int) -> dict[str, int]:
        names = dict(self.durable)
        for number, change in enumerate(self.pending):
            if fates.get((node, number), NONE).how == "all":
                _enter(names, change)
        return names


def _enter(names: dict[str, int], change: Change) -> None:
    if change.kind == "rename":
        names.pop(change.name, None)
        names[change.target] = change.other
    elif change.kind == "unlink":
        names.pop(change.name, None)
    else:
        names[change.name] = change.other


class Disk:
    """The disk as it is after some changes: what is on it for certain, and what only may be."""

    def __init__(self) -> None:
        self._files: dict[int, _File] = {}
        self._folders: dict[int, _Folder] = {0: _Folder()}
        self._tree: dict[int, dict[str, int]] = {0: {}}
        self._advanced = 0
        self._hashes: dict[int, dict[tuple[Fate, ...], bytes]] = {}

    def advance(self, change: Change) -> None:
        """Take in one more change."""
        kind, node = change.kind, change.node
        self._advanced += 1
        change = change._replace(number=self._advanced)
        if kind in ("write", "truncate"):
            self._files[node].pending.append(change)
        elif kind == "sync":
            self._files[node].synced()
        elif kind == "failed" and node in self._files:
            self._files[node].orphans = len(self._files[node].pending)
        elif kind == "names":
            folder = self._folders[node]
            for pending in folder.pending:
                _enter(folder.durable, pending)
            folder.pending = []
        elif kind in ("create", "mkdir", "unlink", "rename"):
            self._advance_names(change)
        self._hashes.pop(node, None)

    def _advance_names(self, change: Change) -> None:
        names = self._tree[change.node]
        if change.kind == "rename":
            moved = names[change.name]
            if change.other == change.node:
                self._folders[change.node].pending.append(change._replace(other=moved))
            else:
                gone = Change("unlink", change.node, change.name, number=change.number)
                self._folders[change.node].pending.append(gone)
                there = Change("create", change.other, change.target, moved, number=change.number)
                self._folders[change.other].pending.append(there)
            del names[change.name]
            self._tree[change.other][change.target] = moved
            return
        self._folders[change.node].pending.append(change)
        if change.kind == "unlink":
            del names[change.name]
            return
        names[change.name] = change.other
        if change.kind == "mkdir":
            self._folders[change.other] = _Folder()
            self._tree[change.other] = {}
        else:
            self._files[change.other] = _File()

    def pending(self) -> dict[Item, Change]:
        """Everything that may be missing, oldest first within its file or folder."""
        found: dict[Item, Change] = {}
        for nodes in (self._folders, self._files):
            for node, one in nodes.items():
                found.update({(node, number): change for number, change in enumerate(one.pending)})
        return found

    def durable_size(self, node: int) -> int:
        return len(self._files[node].durable)

    def hash(self, fates: dict[Item, Fate]) -> bytes:
        """Stands for the state that *fates* make: equal for two that are the same on the disk."""
        return self._hash(0, fates)

    def _hash(self, node: int, fates: dict[Item, Fate]) -> bytes:
        if node not in self._folders:
            file = self._files[node]
            key = tuple(fates.get((node, number), NONE) for number in range(len(file.pending)))
            known = self._hashes.setdefault(node, {})
            if key not in known:
                known[key] = blake3(file.content(fates, node)).digest()
            return known[key]
        names = sorted(self._folders[node].names(fates, node).items())
        return blake3(b"".join(name.encode() + b"\0" + self._hash(child, fates) for name, child in names)).digest()

    def write(self, path: str, fates: dict[Item, Fate], node: int = 0) -> None:
        """Lay the state out in the folder *path*, which must not be there."""
        os.mkdir(path, 0o700)
        for name, child in self._folders[node].names(fates, node).items():
            target = f"{path}/{name}"
            if child in self._folders:
                self.write(target, fates, child)
                continue
            fd = os.open(target, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.write(fd, self._files[child].content(fates, child))
            finally:
                os.close(fd)


def remove(path: str) -> None:
    """Remove a laid-out state; three times as fast as shutil, for there are thousands."""
    for entry in list(os.scandir(path)):
        if stat.S_ISDIR(entry.stat(follow_symlinks=False).st_mode):
            remove(entry.path)
        else:
            os.unlink(entry.path)
    os.rmdir(path)


def systematic_fates(disk: Disk) -> Iterator[dict[Item, Fate]]:
    """The states near one moment that most often go wrong: each change alone missing, alone there, the first that is missing, or torn at telling places."""
    items = disk.pending()
    everything = dict.fromkeys(items, ALL)
    yield everything
    yield {}
    names = {item: ALL for item, change in items.items() if change.kind not in ("write", "truncate")}
    yield names
    yield {item: ALL for item in items if item not in names}
    for item in reversed(items):
        yield {**everything, item: NONE}
        yield {item: ALL}
        yield {other: ALL for other in items if items[other].number < items[item].number}
    for item, change in reversed(items.items()):
        for fate in _torn_fates(change, disk):
            yield {**everything, item: fate}
            yield {**names, item: fate}


def _torn_fates(change: Change, disk: Disk) -> Iterator[Fate]:
    if change.kind != "write":
        return
    size = len(change.data)
    page = PAGE - change.offset % PAGE
    for cut in sorted({1, 8, 28, size // 2, page, size - 1}):
        if 0 < cut < size:
            yield Fate("cut", cut)
    if size > BLOCK:
        yield Fate("blocks", BLOCK, size)
    if change.offset + size > disk.durable_size(change.node):
        yield Fate("zeros")
        yield Fate("garbage", 0, size)


def random_fates(disk: Disk, chance: random.Random) -> dict[Item, Fate]:
    """One state of the disk, by lot; most changes of one state share a tendency to be there or not."""
    survival = chance.choice((0.1, 0.5, 0.9))
    fates = {}
    for item, change in disk.pending().items():
        if change.kind == "write" and chance.random() < 0.3:
            fates[item] = _random_tear(change, chance)
        else:
            fates[item] = ALL if chance.random() < survival else NONE
    return fates


def _random_tear(change: Change, chance: random.Random) -> Fate:
    how = chance.choice(("cut", "blocks", "zeros", "garbage"))
    size = chance.choice((BLOCK, PAGE)) if how == "blocks" else chance.randrange(len(change.data) + 1)
    return Fate(how, size, chance.getrandbits(32))
