"""Bulk reads of a store in which nothing lies together: one object after the other."""

from __future__ import annotations

from collections.abc import Sequence

from tract.objects.id import Kind, ObjectId
from tract.objects.model import Node, read_nodes
from tract.storage.chunks import Chunks, chunks_of
from tract.storage.payloads import Payloads


class PlainReads:
    """``nodes``, ``chunks`` and ``blobs`` of an ``ObjectStore``, by way of its ``payloads``."""

    def payloads(self, ids: Sequence[ObjectId], kind: Kind) -> list[bytes]:
        raise NotImplementedError

    def nodes(self, ids: Sequence[ObjectId]) -> list[Node]:
        return read_nodes(ids, self.payloads(ids, "tree"))

    def chunks(self, ids: Sequence[ObjectId]) -> Chunks:
        return chunks_of(ids, self.nodes(ids))

    def blobs(self, ids: Sequence[ObjectId]) -> Payloads:
        return Payloads([self.payloads(ids, "blob")])
