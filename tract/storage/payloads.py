"""Bulk reads of a store: chunks of contexts, as two columns of ids; and payloads, which stay as they were read until a caller looks at one.

    most of a frame          one piece: a Run, not unpacked yet
    journal, some of a frame one piece: a list

Most of a context is only sent.
The sender goes over the pieces once, and unpacks one frame after another in the processor's cache, so they are never all in memory at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, pairwise

from tract.annotations import TypeAlias, final, overload
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.ids import Ids
from tract.objects.model import Node
from tract.objects.strict_reader import checked_node


class Chunks(NamedTuple):
    """The entries of several chunks, flat; *sizes* has the number of entries of each chunk."""

    sizes: Sequence[int]
    commits: Ids
    blobs: Ids


def chunks_of(ids: Sequence[ObjectId], nodes: Sequence[Node]) -> Chunks:
    """The entries of tree nodes; ObjectCorruptError if one is not a chunk."""
    items = [checked_node(id, node, 0).items for id, node in zip(ids, nodes, strict=True)]
    commits = b"".join(chain.from_iterable([part[::2] for part in items]))
    blobs = b"".join(chain.from_iterable([part[1::2] for part in items]))
    return Chunks([len(part) // 2 for part in items], Ids(commits), Ids(blobs))


def join_chunks(parts: Iterable[Chunks]) -> Chunks:
    """Join several into one, in order."""
    found = list(parts)
    return Chunks(
        list(chain.from_iterable(part.sizes for part in found)),
        Ids(b"".join([part.commits.raw for part in found])),
        Ids(b"".join([part.blobs.raw for part in found])),
    )


class Laid(NamedTuple):
    """Payloads that lie back to back in *data*: each from one of *ends* to the next."""

    data: bytes
    ends: list[int]

    def cut(self) -> list[bytes]:
        """The payloads, cut into separate byte strings."""
        data = self.data
        return [data[start:end] for start, end in pairwise(self.ends)]

    def behind(self, head: bytes) -> list[bytes] | None:
        """Each payload without *head* in front; None if one does not begin with *head*."""
        data, ends = self
        found = [data[start:end].removeprefix(head) for start, end in pairwise(ends)]
        taken = ends[-1] - ends[0] - sum(map(len, found))
        return found if taken == len(found) * len(head) else None


class Run(NamedTuple):
    """*number* payloads that lie back to back in a frame, from the frame's number *first* on.

    *unpack* returns the frame's bytes, and where each of its payloads ends, after an entry for where the first begins; ObjectCorruptError if the frame is damaged.
    """

    unpack: Callable[[], tuple[bytes, list[int]]]
    first: int
    number: int

    def laid(self) -> Laid:
        """Unpack the frame and return the payloads as they lie in it."""
        data, ends = self.unpack()
        return Laid(data, ends[self.first : self.first + self.number + 1])


Piece: TypeAlias = Run | list[bytes]


@final
class Payloads(Sequence[bytes]):
    """A list of payloads in pieces, which are unpacked and cut when one is first read; ObjectCorruptError if that finds damage."""

    __slots__ = ("_length", "_passed", "_pieces")

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._pieces: list[Piece] = [piece for piece in pieces if piece]
        self._length = sum(piece.number if isinstance(piece, Run) else len(piece) for piece in self._pieces)
        self._passed = False

    def parts(self, most: int) -> Iterator[Laid | list[bytes]]:
        """Yield all payloads, in order: those of a frame together, as they lie in it, others *most* at a time.

        A frame is unpacked when its turn comes. From the second call on frames stay unpacked, because a caller that comes twice comes again.
        """
        if self._passed:
            self._cut()
        self._passed = True
        pieces, at = self._pieces, 0
        for piece in pieces:
            if self._pieces is not pieces:  # a caller read one payload meanwhile: all are cut now
                whole = self._cut()
                yield from (whole[start : start + most] for start in range(at, len(whole), most))
                return
            if isinstance(piece, Run):
                yield piece.laid()
                at += piece.number
            else:
                yield from (piece[start : start + most] for start in range(0, len(piece), most))
                at += len(piece)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        return self._cut()[at]

    def _cut(self) -> list[bytes]:
        pieces = self._pieces
        if len(pieces) == 1 and not isinstance(pieces[0], Run):
            return pieces[0]
        whole: list[bytes] = []
        for piece in pieces:
            whole += piece.laid().cut() if isinstance(piece, Run) else piece
        self._pieces = [whole]  # in one step, because another thread may be reading
        return whole
