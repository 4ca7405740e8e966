"""Bulk reads of a store in which nothing lies together: one object after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tract.objects.id import Kind, ObjectId
from tract.objects.model import Node, Object, Outline, read_nodes
from tract.storage.chunks import Chunks, chunks_of
from tract.storage.payloads import Payloads


class PlainReads:
    """``nodes``, ``chunks`` and ``blobs`` of an ``ObjectStore``, by way of its ``payloads``, and ``holding`` by way of ``ids`` and ``read``."""

    def ids(self) -> Iterator[tuple[ObjectId, Kind]]:
        raise NotImplementedError

    def read(self, id: ObjectId) -> Object:
        raise NotImplementedError

    def payloads(self, ids: Sequence[ObjectId], kind: Kind) -> list[bytes]:
        raise NotImplementedError

    def outlines_beside(self, id: ObjectId) -> dict[ObjectId, Outline]:
        return {}

    def holding(self, test: Callable[[bytes], object]) -> set[ObjectId]:
        return {id for id, kind in self.ids() if kind == "blob" and test(self.read(id).payload)}

    def nodes(self, ids: Sequence[ObjectId]) -> list[Node]:
        return read_nodes(ids, self.payloads(ids, "tree"))

    def chunks(self, ids: Sequence[ObjectId]) -> Chunks:
        return chunks_of(ids, self.nodes(ids))

    def blobs(self, ids: Sequence[ObjectId]) -> Payloads:
        return Payloads([self.payloads(ids, "blob")])
