"""Copying objects from where they lie into a new pack."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import chain
from typing import TypeAlias

from tract.objects.id import KINDS, Kind, ObjectId
from tract.objects.model import NewObject
from tract.storage.catalogue import NONE, Catalogue, Recent
from tract.storage.folding import Folded
from tract.storage.pack_writer import Packing
from tract.storage.zstd import train_dictionary

REPORT_EVERY = 4096

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of objects done and the total (0 if it is not known)."""

Groups: TypeAlias = "dict[Kind, array[int]]"  # array takes no parameter when it runs
"""Numbers of objects by kind, in the order in which to pack them."""

_DICTIONARY_SIZE = 32 * 1024
_LEAST_SAMPLES = 500
_MOST_SAMPLES = 8000
_MOST_SAMPLE_BYTES = 8 * 1024 * 1024
_LONGEST_SAMPLE = 4096


def new_groups() -> Groups:
    """Empty groups."""
    return {kind: array("I") for kind in KINDS}


def add_found(groups: Groups, found: Iterable[tuple[int, Kind]], left_out: Container[int] = ()) -> None:
    """Add the objects *found*, except those in *left_out*."""
    for number, kind in found:
        if number not in left_out:
            groups[kind].append(number)


def train_for(catalogue: Catalogue, blobs: array[int]) -> bytes:
    """Train a dictionary for the blobs: it replaces what a frame cannot see of other frames."""
    if len(blobs) < _LEAST_SAMPLES:
        return b""
    chosen = blobs[:: max(1, len(blobs) // _MOST_SAMPLES)]
    samples = [payload[:_LONGEST_SAMPLE] for payload in catalogue.payloads(chosen)]
    while (size := sum(map(len, samples))) > _MOST_SAMPLE_BYTES:
        samples = samples[::2]
    return train_dictionary(samples, _DICTIONARY_SIZE) if size > 16 * _DICTIONARY_SIZE else b""


class Repacking:
    """The content of a new pack: the objects *groups*, and *operations* that are made while the pack is written.

    A walk finds trees before the trees that they name; they are packed in reverse, because names should look back.
    """

    def __init__(
        self, catalogue: Catalogue, groups: Groups, operations: Iterable[NewObject], progress: Progress | None
    ) -> None:
        self._catalogue = catalogue
        self._groups = {kind: groups[kind] for kind in KINDS if groups[kind]}
        if "tree" in self._groups:
            self._groups["tree"] = groups["tree"][::-1]
        self._operations = operations
        self._progress = progress
        self._count = sum(map(len, self._groups.values()))
        self._done = 0
        self._made: dict[ObjectId, int] = {}
        size = max(catalogue.size, 1 + max(map(max, self._groups.values()), default=0))
        self._ordinals = array("I", [NONE]) * size
        for ordinal, number in enumerate(chain.from_iterable(self._groups.values())):
            self._ordinals[number] = ordinal

    @property
    def last_operation(self) -> ObjectId | None:
        """The last of the operations that were written."""
        return next(reversed(self._made), None)

    def packing(self) -> Packing:
        groups: list[tuple[Kind, Iterator[bytes | Folded]]] = []
        for kind, numbers in self._groups.items():
            groups.append((kind, self._payloads(numbers) if kind == "blob" else self._folded(numbers)))
        ordinals = Recent(self._ordinal_of)
        return Packing([*groups, ("operation", self._make_operations())], self._ids(), ordinals.__getitem__)

    def _ids(self) -> Iterator[ObjectId]:
        yield from map(self._catalogue.id_of, chain.from_iterable(self._groups.values()))
        yield from self._made
        self._catalogue.release()

    def _payloads(self, numbers: array[int]) -> Iterator[bytes]:
        for payload in self._catalogue.payloads(numbers):
            yield payload
            self._report()

    def _folded(self, numbers: array[int]) -> Iterator[bytes | Folded]:
        """Yield the payloads, most of them folded as they lie: putting their ids back and taking them out again would be half of all work."""
        for number in numbers:
            folded = self._catalogue.folded(number, self._ordinals[number], self._ordinals)
            yield self._catalogue.read(number).payload if folded is None else folded
            self._report()

    def _report(self) -> None:
        self._done += 1
        if self._progress is not None and not self._done % REPORT_EVERY:
            self._progress(self._done, self._count)

    def _make_operations(self) -> Iterator[bytes]:
        for new in self._operations:
            self._made[new.id] = self._count + len(self._made)
            yield new.payload

    def _ordinal_of(self, id: ObjectId) -> int | None:
        number = self._catalogue.number_of(id)
        if number is None or number >= len(self._ordinals):
            return self._made.get(id)
        ordinal = self._ordinals[number]
        return ordinal if ordinal != NONE else self._made.get(id)
