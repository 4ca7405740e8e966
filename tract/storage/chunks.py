"""Chunks of contexts, read together: their entries as two columns of ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from tract.objects.id import ObjectId
from tract.objects.ids import Ids
from tract.objects.model import Node, checked_node


class Chunks(NamedTuple):
    """The entries of some chunks, flat, and how many each has."""

    sizes: Sequence[int]
    commits: Ids
    blobs: Ids


def chunks_of(ids: Sequence[ObjectId], nodes: Sequence[Node]) -> Chunks:
    """The entries of tree nodes that must all be chunks; ObjectCorruptError else."""
    items = [checked_node(id, node, 0).items for id, node in zip(ids, nodes, strict=True)]
    commits = b"".join(chain.from_iterable([part[::2] for part in items]))
    blobs = b"".join(chain.from_iterable([part[1::2] for part in items]))
    return Chunks([len(part) // 2 for part in items], Ids(commits), Ids(blobs))


def join_chunks(parts: Iterable[Chunks]) -> Chunks:
    """Several as one, in order."""
    found = list(parts)
    return Chunks(
        list(chain.from_iterable(part.sizes for part in found)),
        Ids(b"".join([part.commits.raw for part in found])),
        Ids(b"".join([part.blobs.raw for part in found])),
    )
