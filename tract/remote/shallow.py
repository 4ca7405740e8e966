"""Cloning without history: the last commits, their whole contexts, and nothing behind them.

    …  c ─ d ─ e ─ f            depth 2: e and f are whole, e's parents are cut, and of a to d only what contexts name is kept
       ╰────── cut

The missing history is recorded as cuts, as after a gc: so nothing takes its absence for damage, and whatever needs it reports the cut.
Objects are read from the remote's packs by the frame: a pack is read whole only if most of it is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from tract.errors import ObjectCorruptError, RemoteError
from tract.objects.id import KINDS, Kind, ObjectId
from tract.objects.model import Commit, NewObject, Node, Object, named_by
from tract.objects.strict_reader import read_commit, read_node
from tract.remote.head import Head, HeadNote, PackName
from tract.remote.link import Link, MissingPackError
from tract.remote.packs import FrameRow, PackIndex, read_frame
from tract.remote.together import ask_together
from tract.storage.shallow import Cut, kept_part


class RemoteObjects:
    """The objects in some packs, read when they are asked for."""

    def __init__(self, link: Link, packs: Sequence[PackName]) -> None:
        self._link = link
        indexes = list(ask_together(link.index, packs))
        self._places: dict[ObjectId, tuple[PackName, PackIndex, FrameRow]] = {}
        self._kinds: dict[ObjectId, Kind] = {}
        for pack, index in zip(packs, indexes, strict=True):
            link.remember_pack(pack.key, [index.id(number) for number in range(len(index))])
            for row in index.frames:
                for number in range(row.first, row.first + row.number):
                    self._places[index.id(number)] = pack, index, row
                    self._kinds[index.id(number)] = KINDS[index.kinds[number] - 1]
        self._read: dict[ObjectId, NewObject] = {}
        self._frames: set[tuple[str, int]] = set()

    def read_many(self, ids: Iterable[ObjectId]) -> None:
        """Read the frames that have *ids*, several at once."""
        wanted: dict[tuple[str, int], tuple[PackName, PackIndex, FrameRow]] = {}
        for id in ids:
            place = self._places.get(id)
            if place is not None and (place[0].key, place[2].offset) not in self._frames:
                wanted[place[0].key, place[2].offset] = place
        for objects in ask_together(self._frame, list(wanted.values())):
            self._read.update((new.id, new) for new in objects)
        self._frames.update(wanted)

    def _frame(self, place: tuple[PackName, PackIndex, FrameRow]) -> list[NewObject]:
        pack, index, row = place

        def ask() -> list[NewObject]:
            data = self._link.transport.get_range(pack.key, row.offset, row.size)
            if data is None:
                raise MissingPackError(self._link.name, pack.key)
            try:
                return list(read_frame(data, row, index, pack.key))
            except ObjectCorruptError as exc:
                raise RemoteError(f"remote '{self._link.name}': {exc}") from exc

        return self._link.patiently(ask)

    def get(self, id: ObjectId) -> NewObject | None:
        """Return an object; None if none of the packs has it."""
        if id not in self._read and id in self._places:
            self.read_many([id])
        return self._read.get(id)


def shallow_objects(
    objects: RemoteObjects,
    tips: Sequence[ObjectId],
    depth: int,
    has: Callable[[ObjectId], bool],
    cuts: dict[ObjectId, Cut],
) -> Iterator[NewObject]:
    """Yield what the last *depth* commits of each of *tips* need, without the history behind them; *cuts* receives the new cuts.

    An object that the store *has* is left out, and so is what it needs.
    """
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    whole: dict[ObjectId, int] = {}
    level = [tip for tip in tips if not has(tip)]
    for number in range(depth):
        if not level:
            break
        objects.read_many(level)
        following: list[ObjectId] = []
        for id in level:
            new = objects.get(id)
            if id in whole or new is None:
                continue
            whole[id] = number
            commit = read_commit(id, Object("commit", new.payload))
            known = cuts.get(id)
            parents = () if known is not None else commit.parents
            if number + 1 == depth and any(not has(parent) for parent in parents):
                cuts[id] = Cut("parents", day)
            elif parents:
                following += [parent for parent in parents if not has(parent)]
        level = following
    yield from _all_needed(objects, whole, has, cuts, day)


def _all_needed(
    objects: RemoteObjects,
    whole: dict[ObjectId, int],
    has: Callable[[ObjectId], bool],
    cuts: dict[ObjectId, Cut],
    day: str,
) -> Iterator[NewObject]:
    seen: set[ObjectId] = set()
    level: list[tuple[ObjectId, Kind, bool]] = [(id, "commit", True) for id in whole]
    while level:
        objects.read_many(id for id, _, _ in level)
        following: list[tuple[ObjectId, Kind, bool]] = []
        for id, kind, is_whole in level:
            new = None if id in seen else objects.get(id)
            if new is None:
                continue  # the check that everything is there reports it
            seen.add(id)
            yield new
            if kind == "blob":
                continue
            value: Commit | Node
            if kind == "tree":
                value = read_node(id, Object("tree", new.payload))
            else:
                if not is_whole and id not in cuts:
                    cuts[id] = Cut("all", day)
                value = kept_part(read_commit(id, Object("commit", new.payload)), cuts.get(id))
            for named, named_kind, role in named_by(value):
                if role in ("noted", "parent") or named in seen or has(named):
                    continue
                if role == "context" and named not in whole:
                    whole[named] = 0
                    cuts.setdefault(named, Cut("parents", day))
                following.append((named, named_kind, named in whole))
        level = following


def notes_of_head(objects: RemoteObjects, head: Head) -> Iterator[HeadNote]:
    """Yield all notes of a head, including those in its lists."""
    for namespace, folded in head.folded.items():
        level = [folded.tree] if folded.tree is not None else []
        while level:
            objects.read_many(level)
            below: list[ObjectId] = []
            for id in level:
                new = objects.get(id)
                node = None if new is None else read_node(id, Object("tree", new.payload))
                if node is not None and node.level:
                    below += node.items[::2]
                elif node is not None:
                    rows = zip(node.items[::2], node.items[1::2], strict=True)
                    yield from (HeadNote(namespace, target, blob) for target, blob in rows)
            level = below
        rows = zip(folded.open[::2], folded.open[1::2], strict=True)
        yield from (HeadNote(namespace, target, blob) for target, blob in rows)
    yield from head.notes
