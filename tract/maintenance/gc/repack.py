"""Writing what stays into new packs, and following what is needed again meanwhile."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from tract.maintenance.gc.catalogue import ABSENT, ARCHIVED, MESSAGE, NONE, REACHED, UNSEEN, Catalogue, Recent, Settled
from tract.maintenance.gc.mark import REPORT_EVERY, Found, Groups, Progress, add_found, new_groups
from tract.maintenance.gc.plan import GCPlan, database, operation_refs
from tract.maintenance.gc.rewrite import ReflogFilter, fold_operations, operations_after, operations_since
from tract.objects.id import KINDS, Kind, ObjectId
from tract.objects.model import Commit, NewObject, Operation, RefChange, RefValue
from tract.reflog import RELEASED
from tract.refs.names import HEADS, split_tract
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.storage.folding import Folded
from tract.storage.pack_writer import Packing
from tract.storage.shallow import Cut, write_shallow
from tract.storage.zstd import train_dictionary
from tract.transaction import transaction

_DICTIONARY_SIZE = 32 * 1024
_LEAST_SAMPLES = 500
_MOST_SAMPLES = 8000
_MOST_SAMPLE_BYTES = 8 * 1024 * 1024
_LONGEST_SAMPLE = 4096

# What happened while the packs were written is followed without the lock until this little is left, or so often.
_FEW_OPERATIONS = 64
_MOST_ROUNDS = 8


class Repack:
    """A plan that is being done: its marks, with what was reached again since, and the operations that were written anew."""

    def __init__(self, repo: Repository, plan: GCPlan, level: int) -> None:
        self._repo = repo
        self._level = level
        self.plan = plan
        self.marker = plan.marker.copy()
        # What was missing may have been written since.
        self.marker.marks[:] = self.marker.marks.replace(bytes([ABSENT]), bytes([UNSEEN]))
        self._filter = ReflogFilter(self._is_gone)
        self._seen = plan.last
        self._last_operation = plan.previous
        self.settled = plan.settled
        self.written: set[str] = set()

    def write_packs(self, progress: Progress | None) -> None:
        """Write the pack with everything that is reachable, and those of what is kept for a while."""
        plan = self.plan
        operations = self.kept_operations()
        first = next(operations, None)
        if first is not None or any(plan.reachable.values()):
            dictionary = _train(plan.catalogue, plan.reachable["blob"])
            rest = chain([] if first is None else [first], operations)
            name = self.write_pack(plan.reachable, rest, dictionary=dictionary, progress=progress)
            self.settled = (*self.settled, Settled(name, plan.tips, plan.files))
        for written, groups in plan.kept.items():
            self.write_pack(groups, written=written)

    def catch_up(self) -> None:
        """Write what others did meanwhile, without the lock, until little is left."""
        for _ in range(_MOST_ROUNDS):
            self._repo.refs.refresh()
            since = self._since()
            if len(since) <= _FEW_OPERATIONS:
                break
            self._seen = self._repo.refs.last
            self.write_pack(self._saved(since), self._filter.kept(since))

    def write_saved(self, in_work: Iterable[ObjectId]) -> None:
        """Write what the last operations and the commits *in_work* need of what was to go; only for the holder of the lock."""
        saved = self.save(in_work)
        if any(saved.values()):
            self.write_pack(saved)

    def save(self, in_work: Iterable[ObjectId]) -> Groups:
        """Mark the same, and give it back."""
        return self._saved(self._since(), in_work)

    def write_history(self) -> list[NewObject]:
        """The operations that the reflog keeps, made anew for a store that has no packs."""
        made = list(fold_operations(self.kept_operations(), self._last_operation))
        self._last_operation = made[-1].id if made else self._last_operation
        return made

    def journal(self) -> tuple[list[NewObject], NewObject]:
        """What a new journal begins with: the operations that are in no pack, where refs are, and the keyframe of both."""
        head = list(fold_operations(self._filter.kept(self._since()), self._last_operation))
        keyframe, chunks = operation_refs(self._repo).keyframe(head[-1].id if head else self._last_operation, "gc")
        return [*head, *chunks], keyframe

    def _since(self) -> list[Operation]:
        return operations_after(self._repo, self._seen)

    def kept_operations(self) -> Iterator[Operation]:
        """The operations that the reflog keeps, oldest first, without what goes."""
        ids = map(self.plan.catalogue.id_of, reversed(self.plan.operations))
        return self._filter.kept(operations_since(self._repo, ids, self.plan.reflog_since))

    def write_pack(
        self,
        groups: Groups,
        operations: Iterable[Operation] = (),
        *,
        dictionary: bytes = b"",
        written: int | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Write a pack of *groups* and *operations*, which go on from those that were written before; its name."""
        folded = fold_operations(operations, self._last_operation)
        contents = _PackContents(self.plan.catalogue, groups, folded, progress)
        name = database(self._repo).write_pack(
            contents.packing(), level=self._level, dictionary=dictionary, written=written
        )
        self._last_operation = contents.last_operation or self._last_operation
        self.written.add(name)
        return name

    def _saved(self, since: Sequence[Operation], in_work: Iterable[ObjectId] = ()) -> Groups:
        """What is needed again of all that was to be dropped: by the operations *since*, and by commands under way.

        A ref was put on an old commit, or a text was said once more. The walk costs what is new.
        """
        plan, catalogue = self.plan, self.plan.catalogue
        changes = [change for operation in since for change in operation.changes]
        values = [change.new for change in changes]
        values += [change.old for change in changes if not plan.is_archived(change.old)]
        roots = [catalogue.admit(value) for value in values if isinstance(value, bytes)]
        if any(self._is_new_branch(change) for change in changes):
            roots += chain.from_iterable(map(self.marker.parents, plan.expired))
        roots += [number for id in in_work if (number := catalogue.number_of(id)) is not None]
        saved = new_groups()
        needed = (one for one in self._reach(roots) if plan.drops(catalogue.id_of(one[0])))
        add_found(saved, needed, catalogue.loose_numbers)
        return saved

    def _reach(self, roots: Sequence[int]) -> Iterator[Found]:
        yield from self.marker.walk(roots)
        yield from self.marker.keep_messages(self.marker.named)
        yield from self.marker.keep_edits(self.plan.edits)

    def _is_new_branch(self, change: RefChange) -> bool:
        """Whether a branch was put into an archive that was to go: then none goes, so that the branch has merge bases with others."""
        return split_tract(change.name)[1].startswith(HEADS) and self.plan.is_archived(change.new)

    def _is_gone(self, value: RefValue | None) -> bool:
        """Whether *value* is a commit that goes, or of which only the message stays, and that is not needed again."""
        return isinstance(value, bytes) and self.plan.mark_of(value) <= MESSAGE and not self._is_whole(value)

    def _is_whole(self, id: ObjectId) -> bool:
        return self.marker.mark_of(self.plan.catalogue.admit(id)) == REACHED

    def release_refs(self) -> None:
        """Delete each ``ORIG_HEAD`` that still names what goes; only for the holder of the lock."""
        edits = [
            RefEdit(name, None, value)
            for name, value in self.plan.released
            if self._repo.refs.read(name) == value and not self._is_whole(value)
        ]
        if edits:
            with transaction(self._repo, RELEASED, moves="refs") as tx:
                tx.edits += edits

    def stays(self, id: ObjectId) -> bool:
        """Whether the object stays, be it only as a message."""
        return self.marker.stays(self.plan.catalogue.number_of(id))

    def may_go(self, id: ObjectId) -> bool:
        """Whether a loose object is in a pack now, or still not needed."""
        return self.plan.mark_of(id) == REACHED or self.marker.mark_of(self.plan.catalogue.admit(id)) <= ARCHIVED

    def ends(self) -> list[tuple[ObjectId, Commit]]:
        """The compress commits that stay, and whose archives go."""
        found = [(self.plan.catalogue.id_of(number), number) for number in self.plan.expired]
        return [(id, self.marker.commit(number)) for id, number in found if self.marker.stays(number)]

    def cuts(self) -> dict[ObjectId, Cut]:
        """What ``shallow`` says when all is gone that does not stay; new cuts are of today.

        A commit is in it when, and only when, something that it names is not kept whole.
        """
        before, catalogue, stays = self._repo.shallow.cuts, self.plan.catalogue, self.stays
        numbers = {*self.marker.marked(MESSAGE), *self.plan.expired, *map(catalogue.admit, before)}
        commits = {catalogue.id_of(number): self.marker.commit(number) for number in filter(self.marker.stays, numbers)}
        alone = {id for id, commit in commits.items() if not all(map(stays, _context_and_target(commit)))}
        date = time.strftime("%Y-%m-%d", time.gmtime())
        cuts: dict[ObjectId, Cut] = {}
        for id, commit in commits.items():
            is_whole = all(stays(parent) and parent not in alone for parent in commit.parents)
            if id in alone or not is_whole:
                cut = Cut("all" if id in alone else "parents", date)
                known = before.get(id)
                cuts[id] = known if known is not None and known.grade == cut.grade else cut
        return cuts


def write_cuts(repo: Repository, cuts: Mapping[ObjectId, Cut]) -> None:
    """Let ``shallow`` say *cuts*; before anything goes that they are about."""
    if cuts != repo.shallow.cuts:
        if repo.path is not None:
            write_shallow(repo.path, cuts)
            repo.look_at_shallow()
        else:
            repo.decoded.forget(repo.shallow.put(cuts))


def _context_and_target(commit: Commit) -> tuple[ObjectId, ...]:
    return (*commit.open, *(id for id in (commit.tree, commit.target) if id is not None))


def _train(catalogue: Catalogue, blobs: array[int]) -> bytes:
    """A dictionary for the blobs: it makes up for what a frame cannot see of the others."""
    if len(blobs) < _LEAST_SAMPLES:
        return b""
    chosen = blobs[:: max(1, len(blobs) // _MOST_SAMPLES)]
    samples = [payload[:_LONGEST_SAMPLE] for payload in catalogue.payloads(chosen)]
    while (size := sum(map(len, samples))) > _MOST_SAMPLE_BYTES:
        samples = samples[::2]
    return train_dictionary(samples, _DICTIONARY_SIZE) if size > 16 * _DICTIONARY_SIZE else b""


class _PackContents:
    """What goes into a new pack: *groups*, and *operations* that are made while it is written."""

    def __init__(
        self, catalogue: Catalogue, groups: Groups, operations: Iterable[NewObject], progress: Progress | None
    ) -> None:
        self._catalogue = catalogue
        self._groups = {kind: groups[kind] for kind in KINDS if groups[kind]}
        if "tree" in self._groups:
            self._groups["tree"] = groups["tree"][
                ::-1
            ]  # a walk finds a tree before those it names, and names should look back
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
        """The payloads, mostly folded as they lie: to put their ids together and take them apart again would be half of all work."""
        for number in numbers:
            folded = self._catalogue.folded(number, self._ordinals[number], self._ordinals)
            yield self._catalogue.read(number).payload if folded is None else folded
            self._report()

    def _report(self) -> None:
        self._done += 1
        if self._progress is not None and not self._done % REPORT_EVERY:
            self._progress("packing", self._done, self._count)

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
