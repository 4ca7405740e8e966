"""Packs: sealed objects in zstd frames, with an index beside them.

A pack:

| part | bytes | what |
|---|---|---|
| header | 16 | ``"tract pack 1\\n"``, zero-filled |
| dictionary | … | a zstd dictionary for the frames of blobs, or nothing |
| frames | … | zstd frames, each with a checksum, of about 64 KiB unpacked |
| ids | 32 an object | in the order of the objects in the frames: an object's place in it is its ordinal |
| id checks | 4 for each 256 ids | CRC-32 of those ids |
| frame table | 32 a frame | offset (8), stored length (4), unpacked length (4), first ordinal (4), number of objects (4), kind (1), codec (1), zero (6) |
| trailer | 32 | number of frames (4), number of objects (4), offset of the ids (8), length of the dictionary (4), zero (12) |
| table check | 16 | the first 16 bytes of the BLAKE3 of id checks, frame table and trailer |
| seal | 32 | BLAKE3 of everything before |

All objects of a frame have one kind.
An unpacked frame is the objects' lengths (4 bytes each), then the objects back to back: with codec 0 payloads as they are, with codec 1 folded payloads.

A folded payload has, in the place of ids, how far back they are in the pack: commits and trees are mostly ids, ids do not shrink, and the ids of a history follow each other.

| part | bytes | what |
|---|---|---|
| number | 2 | of ids that were taken out |
| distances | 4 each, signed | the object's own ordinal minus the ordinal of the id |
| gaps | 2 each | bytes of the rest between one id and the next |
| rest | … | the payload without those ids |

The pack's index lies beside it, under the same name, ending in ``.idx`` (see pack_index.py).
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate, pairwise

from blake3 import blake3

from tract.errors import ObjectCorruptError
from tract.named_tuple import NamedTuple
from tract.objects.codec import MAX_SIZE
from tract.objects.id import ID_SIZE, KINDS, Kind, ObjectId
from tract.objects.ids import Ids, join_ids
from tract.objects.model import NewObject, Node, Object, Outline
from tract.objects.strict_reader import checked_node, outlines_in, read_node
from tract.storage.folding import ordinals_in, outline_in, put_back, rows_in, with_ordinals
from tract.storage.pack_index import SEAL_SIZE, ObjectIndex, check_magic
from tract.storage.payloads import Chunks, Run
from tract.storage.shared_file import SharedFile
from tract.storage.zstd import FrameCodec

PACK_MAGIC = b"tract pack 1\n".ljust(16, b"\0")
FRAME_SIZE = 64 * 1024

FRAME = struct.Struct("<QIIIIBB6x")
# A row as numbers of four bytes, and the places of two of its fields among them.
_WORDS_A_ROW = FRAME.size // 4
_STORED, _FIRST = 2, 4
TRAILER = struct.Struct("<IIQI12x")
CHECK_SIZE = 16
PACK_END = TRAILER.size + CHECK_SIZE + SEAL_SIZE
IDS_A_CHECK = 256
_KEPT_FRAMES = 32
_KEPT_BLOCKS = 512  # of 8 KiB
_KEPT_HINTS = 65536
# All rows of a longer frame table are checked once this many were read: in a pack with 30,000 frames the check takes 1.5 ms, and finding one message in a new process reads four.
_SHORT_TABLE = 1024
_FEW_FRAMES = 32
# The number of folded objects that are read together.
_MOST_FOLDED = 512
PLAIN = 0
FOLDED = 1


class FrameRow(NamedTuple):
    """A row of the frame table."""

    offset: int
    stored: int
    raw: int
    first: int
    number: int
    kind: int
    codec: int


class Frame(NamedTuple):
    """An unpacked frame: its objects are ``data[ends[n]:ends[n + 1]]``."""

    row: FrameRow
    data: bytes
    ends: list[int]


_NO_FRAME = Frame(FrameRow(0, 0, 0, 0, 0, 0, PLAIN), b"", [])


class _Gathering:
    """Collects ids, and reads ids that are consecutive in a pack at once; *read* returns ids back to back, from an ordinal on."""

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self._read = read
        self._parts: list[bytes] = []
        self._first = self._end = 0

    def add(self, first: int, number: int) -> None:
        """Add the ids from ordinal *first* on."""
        if first != self._end:
            self._read_on()
            self._first = self._end = first
        self._end += number

    def add_ids(self, ids: Sequence[ObjectId]) -> None:
        """Add ids that are known."""
        self._read_on()
        self._parts.append(join_ids(ids))

    def ids(self) -> Ids:
        """All ids, in the order in which they were added."""
        self._read_on()
        return Ids(b"".join(self._parts))

    def _read_on(self) -> None:
        if self._end > self._first:
            self._parts.append(self._read(self._first, self._end - self._first))
        self._first = self._end


class Pack:
    """An open pack, read through its index."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.index_path = path.removesuffix(".pack") + ".idx"
        self._blocks: dict[int, bytes] = {}
        self._frames: OrderedDict[int, Frame] = OrderedDict()
        # The ordinals of ids that were just unfolded: the objects that a tree names are read next.
        self._hints: dict[ObjectId, int] = {}
        self._file = SharedFile(path)
        try:
            self._read_tables()
            self._open_index()
        except BaseException:
            self._file.close()
            raise

    @property
    def size(self) -> int:
        """The bytes on disk of pack and index."""
        return self._size + self._index.size

    def _read_tables(self) -> None:
        """Read the tables at the end of the pack; ObjectCorruptError if they do not match their checksum."""
        size = self._size = self._file.size()
        check_magic(self.path, self._file.read_at(16, 0), PACK_MAGIC)
        if size < 16 + PACK_END:
            raise ObjectCorruptError(self.path, "it is shorter than any pack", size)
        end = self._file.read_at(PACK_END, size - PACK_END)
        frames, self.count, self._ids_start, dictionary = TRAILER.unpack_from(end)
        checks = -(-self.count // IDS_A_CHECK) * 4
        start = self._ids_start + self.count * ID_SIZE
        if start + checks + frames * FRAME.size + PACK_END != size or 16 + dictionary > size:
            raise ObjectCorruptError(self.path, "its trailer does not fit its length", size - PACK_END)
        tail = memoryview(self._file.read_at(size - PACK_END + TRAILER.size - start, start))
        tables = blake3(tail).digest()[:CHECK_SIZE]
        if tail[-TRAILER.size :] != end[: TRAILER.size] or tables != end[TRAILER.size : TRAILER.size + CHECK_SIZE]:
            raise ObjectCorruptError(self.path, "its tables do not match their checksum", start)
        self._id_checks = tail[:checks].cast("I")
        self._seal = end[-SEAL_SIZE:]
        self._set_frames(tail[checks : -TRAILER.size])
        self._set_dictionary(self._file.read_at(dictionary, 16))

    def _set_frames(self, table: bytes | memoryview) -> None:
        # Rows are made when they are first read: a large pack has thousands, and most commands read a few frames.
        self._table = table
        self._rows: dict[int, FrameRow] = {}
        self._firsts: Sequence[int] = memoryview(table).cast("I")[_FIRST::_WORDS_A_ROW]
        if len(self._firsts) <= _SHORT_TABLE:
            self._check_frames()

    def _check_frames(self) -> None:
        """Raise ObjectCorruptError if rows share a frame: a thousand rows with one frame would have it unpacked a thousand times."""
        words = memoryview(self._table).cast("I")
        if sum(words[_STORED::_WORDS_A_ROW]) > self._size:
            raise ObjectCorruptError(self.path, "its frames overlap", self._size - PACK_END - len(self._table))
        self._firsts = words[_FIRST::_WORDS_A_ROW].tolist()

    def _set_dictionary(self, dictionary: bytes) -> None:
        self._plain = FrameCodec()
        self._blobs = FrameCodec(dictionary=dictionary) if dictionary else self._plain

    def _open_index(self) -> None:
        self._index = ObjectIndex(self.index_path, self.count, self._seal)

    def read(self, id: ObjectId) -> Object | None:
        """Return the object, or None if this pack does not have it."""
        ordinal = self._find(id)
        return None if ordinal is None else self.object_at(ordinal)

    def payloads(self, ids: Sequence[ObjectId], at: int, kind: Kind) -> list[bytes]:
        """Return the payload of ``ids[at]`` and of the following ids, as long as it pays to read them together.

        The list is empty if this pack does not have the first; ObjectCorruptError if the first is of another kind.
        """
        ordinal = self._find(ids[at])
        if ordinal is None:
            return []
        row = self._frame_of(ordinal).row
        if self._kind(row) != kind:
            raise ObjectCorruptError(f"object {ids[at].hex()}", f"expected a {kind}, found a {self._kind(row)}")
        if row.codec == FOLDED:
            return [self.object_at(ordinal).payload]
        _, data, ends = self._frame_of(ordinal)
        first = ordinal - row.first
        number = self._count_run(ids, at, ordinal, min(row.number - first, len(ids) - at))
        return [data[start:end] for start, end in pairwise(ends[first : first + number + 1])]

    def run(self, ids: Sequence[ObjectId], at: int) -> Run | None:
        """Return the blob ``ids[at]`` and the following ones that lie behind it in its frame, as a Run; None if they are less than half of the frame.

        The frame is read but not unpacked: most of a context is only sent, and then each frame is needed for a moment.
        """
        ordinal = self._find(ids[at])
        if ordinal is None:
            return None
        place = bisect_right(self._firsts, ordinal) - 1
        row = self._row(place)
        first = ordinal - row.first
        most = min(row.number - first, len(ids) - at)
        if self._kind(row) != "blob" or row.codec != PLAIN or 2 * most < row.number:
            return None
        number = self._count_run(ids, at, ordinal, most)
        if 2 * number < row.number:
            return None
        return Run(partial(unpack_frame, self._read_frame(row), self._blobs, self.path, row), first, number)

    def nodes(self, ids: Sequence[ObjectId], at: int) -> list[Node]:
        """Return the tree node ``ids[at]`` and the following ones, as long as it pays to read them together; an empty list if the first is not folded here.

        A chunk of a context whose commits are consecutive in this pack, and whose blobs are too, is made without its payload: building the payload to take it apart again would be most of the time of reading a context.
        """
        return [self._node(id, part, ordinal) for id, part, ordinal in self._folded_nodes(ids, at, at + _MOST_FOLDED)]

    def _node(self, id: ObjectId, part: bytes, ordinal: int) -> Node:
        row = rows_in(part, ordinal)
        if row is None:
            return read_node(id, Object("tree", self._unfolded(part, ordinal)))
        items = [b""] * (2 * row.number)
        items[::2], items[1::2] = self._ids_from(row.commit, row.number), self._ids_from(row.blob, row.number)
        return Node(0, tuple(items))

    def chunks(self, ids: Sequence[ObjectId], at: int) -> Chunks | None:
        """Return the entries of the chunk ``ids[at]`` and the following ones, as far as they can be read together; None if the first is not folded here."""
        sizes: list[int] = []
        commits, blobs = _Gathering(self._table_from), _Gathering(self._table_from)
        for id, part, ordinal in self._folded_nodes(ids, at, len(ids)):
            row = rows_in(part, ordinal)
            if row is not None:
                commits.add(row.commit, row.number)
                blobs.add(row.blob, row.number)
                sizes.append(row.number)
            else:
                items = checked_node(id, self._node(id, part, ordinal), 0).items
                commits.add_ids(items[::2])
                blobs.add_ids(items[1::2])
                sizes.append(len(items) // 2)
        return Chunks(sizes, commits.ids(), blobs.ids()) if sizes else None

    def _folded_nodes(self, ids: Sequence[ObjectId], start: int, stop: int) -> Iterator[tuple[ObjectId, bytes, int]]:
        """Yield the folded tree nodes of *ids*, from position *start* to *stop*, with their folded bytes and ordinals; stop at the first id that is none in this pack."""
        row, data, ends = _NO_FRAME
        for number in range(start, min(stop, len(ids))):
            id = ids[number]
            ordinal = self._find(id)
            if ordinal is None:
                return
            at = ordinal - row.first
            if not 0 <= at < row.number:
                row, data, ends = self._frame_of(ordinal)
                if row.codec != FOLDED or self._kind(row) != "tree":
                    return
                at = ordinal - row.first
            yield id, data[ends[at] : ends[at + 1]], ordinal

    def _count_run(self, ids: Sequence[ObjectId], at: int, ordinal: int, most: int) -> int:
        """The number of *ids* from ``ids[at]`` on, at most *most*, that are the pack's ids from *ordinal* on."""
        if most < 2 or self.id_at(ordinal + 1) != ids[at + 1]:
            return 1
        table = self._table_from(ordinal, most)
        if table == join_ids(ids[at : at + most]):
            return most
        number = 2
        while number < most and table[number * ID_SIZE : (number + 1) * ID_SIZE] == ids[at + number]:
            number += 1
        return number

    def contains(self, id: ObjectId) -> bool:
        """True if this pack has the object; for another id this costs a search of the index and no more."""
        return self._find(id) is not None

    def ordinal_of(self, id: ObjectId) -> int | None:
        """The ordinal of the object; None if this pack does not have it."""
        return self._find(id)

    def _find(self, id: ObjectId) -> int | None:
        ordinal = self._hints.get(id)
        if ordinal is not None:
            return ordinal
        for ordinal in self._index.ordinals(id):
            if self.id_at(ordinal) == id:
                return ordinal
        return None

    def id_at(self, ordinal: int) -> ObjectId:
        """The id of the object with this ordinal."""
        if not 0 <= ordinal < self.count:
            raise ObjectCorruptError(self.path, f"it has no object number {ordinal}")
        number, at = divmod(ordinal, IDS_A_CHECK)
        block = self._blocks.get(number) or self._read_ids(number)
        return block[at * ID_SIZE : (at + 1) * ID_SIZE]

    def _ids_from(self, first: int, number: int) -> Ids:
        """The *number* ids from ordinal *first* on."""
        return Ids(self._table_from(first, number))

    def _table_from(self, first: int, number: int) -> bytes:
        """The *number* ids from ordinal *first* on, back to back."""
        block, at = divmod(first, IDS_A_CHECK)
        blocks = range(block, (first + number - 1) // IDS_A_CHECK + 1)
        found = b"".join([self._blocks.get(block) or self._read_ids(block) for block in blocks])
        table = found[at * ID_SIZE : (at + number) * ID_SIZE]
        if len(table) < number * ID_SIZE:
            raise ObjectCorruptError(self.path, f"it has no object number {self.count}")
        return table

    def _read_ids(self, block: int) -> bytes:
        """Read the ids that one check covers; the last blocks read are kept.

        They are read, not mapped: a process that touches the map of a file that was cut is killed (docs/decisions/0017).
        """
        start = self._ids_start + block * IDS_A_CHECK * ID_SIZE
        number = min(IDS_A_CHECK, self.count - block * IDS_A_CHECK)
        if number <= 0:
            raise ObjectCorruptError(self.path, f"it has no object number {block * IDS_A_CHECK}")
        ids = self._file.read_at(number * ID_SIZE, start)
        if zlib.crc32(ids) != self._id_checks[block]:
            raise ObjectCorruptError(self.path, "its table of ids does not match its checksum", start)
        if len(self._blocks) >= _KEPT_BLOCKS:
            del self._blocks[next(iter(self._blocks))]
        self._blocks[block] = ids
        return ids

    def find(self, prefix: str) -> list[ObjectId]:
        """The ids in this pack that begin with *prefix*, two or more hexadecimal digits."""
        found = map(self.id_at, self._index.ordinals_under(prefix))
        return [id for id in found if id.hex().startswith(prefix)]

    def ids(self) -> Iterator[tuple[ObjectId, Kind]]:
        """Yield every object in the pack, in order, without reading payloads."""
        for row in self._all_rows():
            kind = self._kind(row)
            for ordinal in range(row.first, row.first + row.number):
                yield self.id_at(ordinal), kind

    def index_rows(self, first: int) -> Iterator[tuple[int, int]]:
        """Yield, for the ids with the first byte *first*, in order of id: bytes 1 to 4 as a number, and the ordinal."""
        return zip(*self._index.rows(first), strict=True)

    def runs(self) -> Iterator[tuple[Kind, int, int]]:
        """Yield runs of objects of one kind: the kind, the first ordinal, and the number of objects."""
        return ((self._kind(row), row.first, row.number) for row in self._all_rows())

    def kind_at(self, ordinal: int) -> Kind:
        """The kind of the object with this ordinal; no payload is read."""
        return self._kind(self._row(bisect_right(self._firsts, ordinal) - 1))

    def objects(self) -> Iterator[NewObject]:
        """Yield every object in the pack, in order."""
        for row in self._all_rows():
            kind = self._kind(row)
            _, data, ends = self._frame_of(row.first)
            for at, id in enumerate(self._ids_from(row.first, row.number)):
                payload = data[ends[at] : ends[at + 1]]
                if row.codec == FOLDED:
                    payload = self._put_together(payload, row.first + at, self._ids_of)
                yield NewObject(id, kind, payload)

    def outlines_beside(self, id: ObjectId) -> dict[ObjectId, Outline]:
        """The outlines of the commits that lie in the frame of the commit *id*; empty if this pack does not have it.

        Most ids in a commit are those of its open entries, and they are not looked up.
        """
        ordinal = self._find(id)
        if ordinal is None:
            return {}
        row, data, ends = self._frame_of(ordinal)
        if self._kind(row) != "commit":
            return {}
        parts = [data[start:end] for start, end in pairwise(ends)]
        try:
            found = self._outlines_of(row, parts) if row.codec == FOLDED else outlines_in(parts, self.id_at)
        except (ValueError, TypeError, struct.error):
            return {}  # the normal read of the commit raises the error
        return dict(zip(self._ids_from(row.first, row.number), found, strict=True))

    def _outlines_of(self, row: FrameRow, parts: Sequence[bytes]) -> list[Outline]:
        """The outlines of the folded commits of a frame; the payloads of commits of a common form are not built for this."""
        short = [outline_in(part, at) for at, part in enumerate(parts, row.first)]
        parents = iter(self._ids_of([one[1] for one in short if one is not None]))
        contents = iter(self._ids_of([one[2] for one in short if one is not None]))
        payloads = [with_ordinals(parts[at], row.first + at) for at, one in enumerate(short) if one is None]
        others = iter(outlines_in(payloads, self.id_at))
        return [
            next(others) if one is None else Outline(one[0], (next(parents),), next(contents), one[3], one[4])
            for one in short
        ]

    def holding(self, test: Callable[[bytes], object]) -> set[ObjectId]:
        """The ids of blobs whose payload passes *test*, and of all blobs in damaged frames."""
        found: set[ObjectId] = set()
        for row in self._all_rows():
            if self._kind(row) != "blob":
                continue
            try:
                data, ends = self._unpack(row)
            except ObjectCorruptError:
                found.update(self._ids_from(row.first, row.number))  # the normal read of a blob raises the error
                continue
            if test(data):
                passed = [at for at in range(row.number) if test(data[ends[at] : ends[at + 1]])]
                found.update(self.id_at(row.first + at) for at in passed)
        return found

    def _row(self, number: int) -> FrameRow:
        """Row *number* of the frame table."""
        row = self._rows.get(number)
        if row is None:
            if not 0 <= number < len(self._firsts):
                raise ObjectCorruptError(self.path, f"it has no frame number {number}")
            if len(self._rows) == _FEW_FRAMES and len(self._firsts) > _SHORT_TABLE:
                self._check_frames()
            row = self._rows[number] = FrameRow._make(FRAME.unpack_from(self._table, number * FRAME.size))
        return row

    def _all_rows(self) -> Iterator[FrameRow]:
        return map(self._row, range(len(self._firsts)))

    def _kind(self, row: FrameRow) -> Kind:
        if not 1 <= row.kind <= len(KINDS):
            raise ObjectCorruptError(self.path, f"a frame holds objects of unknown kind {row.kind}", row.offset)
        return KINDS[row.kind - 1]

    def object_at(self, ordinal: int) -> Object:
        """The object with this ordinal."""
        row, data, ends = self._frame_of(ordinal)
        at = ordinal - row.first
        if not 0 <= at < row.number:
            raise ObjectCorruptError(self.path, f"no frame holds object number {ordinal}", row.offset)
        payload = data[ends[at] : ends[at + 1]]
        if row.codec == FOLDED:
            payload = self._unfolded(payload, ordinal)
        return Object(self._kind(row), payload)

    def folded_at(self, ordinal: int) -> bytes | None:
        """The folded bytes of the object with this ordinal; None if it is not folded."""
        row, data, ends = self._frame_of(ordinal)
        at = ordinal - row.first
        if row.codec != FOLDED or not 0 <= at < row.number:
            return None
        return data[ends[at] : ends[at + 1]]

    def _unfolded(self, folded: bytes, ordinal: int) -> bytes:
        return self._put_together(folded, ordinal, self._ids_at)

    def _put_together(
        self, folded: bytes, ordinal: int, ids_at: Callable[[Sequence[int]], Sequence[ObjectId]]
    ) -> bytes:
        try:
            return put_back(folded, ids_at(ordinals_in(folded, ordinal)))
        except ValueError as exc:
            raise ObjectCorruptError(self.path, str(exc), self._frame_of(ordinal).row.offset) from exc

    def _ids_at(self, ordinals: Sequence[int]) -> list[ObjectId]:
        """The ids with these ordinals. Their places are remembered, because the objects that an object names are mostly read next."""
        ids = self._ids_of(ordinals)
        if len(self._hints) > _KEPT_HINTS:
            self._hints.clear()
        self._hints.update(zip(ids, ordinals, strict=True))
        return ids

    def _ids_of(self, ordinals: Sequence[int]) -> list[ObjectId]:
        """The ids with these ordinals."""
        if _follow_each_other(ordinals):
            return list(self._ids_from(ordinals[0], len(ordinals)))
        blocks = self._blocks
        try:  # nearly always they are in memory; this takes a third of the time of ``id_at`` for each
            ids = [
                blocks[ordinal // IDS_A_CHECK][(at := ordinal % IDS_A_CHECK * ID_SIZE) : at + ID_SIZE]
                for ordinal in ordinals
            ]
        except KeyError:
            ids = []
        return ids if len(ids) == len(ordinals) and b"" not in ids else [self.id_at(ordinal) for ordinal in ordinals]

    def _frame_of(self, ordinal: int) -> Frame:
        number = bisect_right(self._firsts, ordinal) - 1
        return self._frames.get(number) or self._frame(number)

    def _frame(self, number: int) -> Frame:
        """The unpacked frame; the last few are kept."""
        row = self._row(number)
        data, ends = self._unpack(row)
        frame = self._frames[number] = Frame(row, data, ends)
        if len(self._frames) > _KEPT_FRAMES:
            self._frames.popitem(last=False)
        return frame

    def _unpack(self, row: FrameRow) -> tuple[bytes, list[int]]:
        codec = self._blobs if self._kind(row) == "blob" else self._plain
        return unpack_frame(self._read_frame(row), codec, self.path, row)

    def _read_frame(self, row: FrameRow) -> bytes:
        """The frame as it is stored; ObjectCorruptError if its row cannot be right."""
        if row.raw > MAX_SIZE + FRAME_SIZE or row.codec > FOLDED or row.raw < 4 * row.number:
            raise ObjectCorruptError(self.path, f"a frame of {row.raw} bytes and codec {row.codec}", row.offset)
        if row.offset + row.stored > self._ids_start:
            raise ObjectCorruptError(self.path, f"a frame of {row.stored} bytes does not fit in it", row.offset)
        return self._file.read_at(row.stored, row.offset)

    def forget(self) -> None:
        """Free the frames that were unpacked."""
        self._frames.clear()
        self._hints.clear()

    def release(self) -> None:
        """Free the frames that were unpacked and the ids that were read, for a caller that reads all of a store."""
        self.forget()
        self._blocks.clear()
        self._index.release()

    def close(self) -> None:
        """Close the files, and free what was read from them."""
        self.release()
        self._file.close()
        self._index.close()


def _follow_each_other(ordinals: Sequence[int]) -> bool:
    """True if there are two ordinals or more, and each is one above the one before."""
    if len(ordinals) < 2 or not 0 <= ordinals[0] == ordinals[-1] - len(ordinals) + 1:
        return False
    return ordinals == list(range(ordinals[0], ordinals[-1] + 1))


def unpack_frame(stored: bytes, codec: FrameCodec, path: str, row: FrameRow) -> tuple[bytes, list[int]]:
    """Return the unpacked bytes of a frame of the pack *path*, and where its objects end; ObjectCorruptError if it is damaged."""
    try:
        raw = codec.decompress(stored, row.raw)
    except ValueError as exc:
        raise ObjectCorruptError(path, str(exc), row.offset) from exc
    ends = list(accumulate(struct.unpack_from(f"<{row.number}I", raw), initial=4 * row.number))
    if ends[-1] != len(raw):
        raise ObjectCorruptError(path, "a frame's objects do not fill it", row.offset)
    return raw, ends
