"""Checking a whole store, however damaged: each file on its own first, then all of them against each other.

    names, modes → format, settings → journal, packs, loose objects → every object by itself
                                    → operations → refs ↔ ref files → what the refs reach

Nothing is opened in the usual way and nothing is written, so one damaged file hides no other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress

from tract.errors import (
    BlobNotFoundError,
    LockTimeoutError,
    NotARepositoryError,
    ObjectCorruptError,
    StorageError,
)
from tract.history.state import decode_state, is_state
from tract.maintenance.fsck.connectivity import Graph, Root
from tract.maintenance.fsck.contents import (
    JOURNAL,
    LONGEST_LINE,
    add_records,
    check_evidence,
    check_format,
    check_journal,
    check_loose_objects,
    check_packs,
    check_payloads,
    check_settings,
    journal_bytes,
    loose_names,
    mark_of,
    read_file,
    ref_places,
)
from tract.maintenance.fsck.examination import Examination
from tract.maintenance.fsck.journal import JournalScan
from tract.maintenance.fsck.layout import look_over
from tract.maintenance.fsck.note_lists import note_problems
from tract.maintenance.fsck.refs import RefRecord, check_ref_files, replay
from tract.maintenance.fsck.report import FsckReport, Problem
from tract.objects.id import ObjectId
from tract.objects.model import Object, Operation
from tract.objects.strict_reader import read_operation
from tract.refs.names import HEAD, STATES, TAGS, TRACTS
from tract.refs.ref_files import ref_at
from tract.storage import files
from tract.storage.counts import damaged_at, read_counts
from tract.storage.locks import FileLock
from tract.storage.shallow import NAME as SHALLOW
from tract.storage.shallow import decode_shallow, readable_cuts
from tract.storage.store_reader import EVIDENCE

_TRIES = 3


def check_repository(path: str) -> FsckReport:
    """Check the store at *path* (a folder ``.tract``) and report what is wrong with it.

    NotARepositoryError if nothing there looks like a store, FormatVersionError for a store of another version.
    """
    found = examine(path)
    found.close()
    return found.report


def examine(path: str, *, locked: bool = False) -> Examination:
    """Read everything of the store at *path* that can be read; *locked* says that the caller keeps writers and gc out.

    A file that a gc removed before it was read looks like damage: then all is read again, and the last time with gc kept out.
    """
    if locked:
        return _examine(path, locked=True)
    for _ in range(_TRIES):
        with suppress(BlobNotFoundError, FileNotFoundError):
            found = _examine(path, locked=False)
            if _was_collected(found):
                found.close()
                continue
            if all(problem.kind != "index-missing" for problem in found.problems):
                return found
            found.close()
            break  # a gc may be about to write the index
    with _waiting(path, "gc"):
        return _examine(path, locked=False)


def _was_collected(found: Examination) -> bool:
    """True if a pack or a loose object that was listed is gone."""
    names = (*found.layout.under("objects/pack/pack-"), *loose_names(found))
    return any(not files.is_there(os.path.join(found.path, name)) for name in names)


def _examine(path: str, *, locked: bool) -> Examination:
    if not files.is_there(path) or not os.path.isdir(path):
        raise NotARepositoryError(f"'{path}' is not a folder")
    with nullcontext() if locked else _waiting(path, "journal"):
        layout = look_over(path)
        if not {"format", JOURNAL, HEAD} & {*layout.files, *layout.directories} and "objects" not in layout.directories:
            raise NotARepositoryError(f"'{path}' is not a tract store: it has neither a format file nor objects")
        found = Examination(path, layout)
        # Files that writers change are read now; packs and loose objects never change, but gc can remove them.
        mark = mark_of(found)
        journal = journal_bytes(found, JOURNAL)
        shallow = read_file(found, SHALLOW)
        lines = {
            name: data
            for place in ref_places(layout)
            if (name := ref_at(found.path, place)) and (data := read_file(found, place, LONGEST_LINE)) is not None
        }
    check_format(found)
    check_settings(found)
    check_journal(found, journal, mark)
    check_packs(found)
    check_loose_objects(found)
    check_payloads(found)
    _check_refs(found, lines)
    _check_shallow(found, shallow)
    _check_graph(found)
    _find_leftover_packs(found)
    check_evidence(found)
    _check_states(found)
    _check_caches(found)
    return found


@contextmanager
def _waiting(path: str, lock_name: str) -> Iterator[None]:
    """Hold the lock of writers, so that journal and ref files are of one moment, or the lock of gc; go on without it if it cannot be taken."""
    name = os.path.join(path, "locks", lock_name)
    lock = None
    try:
        if os.path.isfile(name):
            lock = FileLock(name)
            lock.acquire()
    except (OSError, StorageError, LockTimeoutError):
        pass  # a store that may only be read is checked too
    try:
        yield
    finally:
        if lock is not None:
            lock.close()


# Operations and refs


def _check_refs(found: Examination, lines: dict[str, bytes]) -> None:
    """Follow the operations, and compare them with the ref files."""
    journal = found.journal
    record, problems, differing = _compare_refs(found, lines)
    if found.tail is not None and any(one.kind == "ref-file-ahead" and one.severity == "error" for one in differing):
        # This looks like the torn end of a write, but the write was acknowledged: a synced ref file knows of it.
        assert journal is not None
        detail = "the last transaction is incomplete, but a ref file that was written after it names it"
        found.add("transaction-damaged", "error", "journal", JOURNAL, journal.end, detail)
        journal.records += found.tail.records
        journal.lost_end = True
        found.tail = None
        add_records(found, journal)
        record, problems, differing = _compare_refs(found, lines)
    if found.tail is not None and found.tail.is_damaged:
        _note_gaps(found.tail, record)
    elif journal is not None and journal.lost_end:
        record.known_since = set()
    found.record = record
    found.problems.extend([*problems, *record.problems, *differing])


def _compare_refs(found: Examination, lines: dict[str, bytes]) -> tuple[RefRecord, list[Problem], list[Problem]]:
    def read(id: ObjectId) -> Object | None:
        place = found.found.get(id)
        return None if place is None else place.load()

    written = found.journal.operations if found.journal is not None else ()
    record, problems = _record(_readable_operations(found), written, written, read)
    found.ref_files, differing = check_ref_files(record, lines)
    return record, problems, differing


def _note_gaps(tail: JournalScan, record: RefRecord) -> None:
    """Note which refs a missing operation may have moved: one before, among or behind those of the tail."""
    last = record.operations[-1][0] if record.operations else None
    known_since: set[str] | None = None
    for id in tail.operations:
        operation = read_operation(id, tail.load(next(one.offset for one in tail.records if one.id == id)))
        if operation.previous != last:
            known_since = set()
        if known_since is not None:
            known_since.update(change.name for change in operation.changes)
        last = id
    record.known_since = set() if tail.lost_end else known_since


def _record(
    known: dict[ObjectId, Operation],
    written: Sequence[ObjectId],
    journal: Sequence[ObjectId],
    read: Callable[[ObjectId], Object | None],
) -> tuple[RefRecord, list[Problem]]:
    """The refs after the operations in *written* and those that lead to them.

    If an operation in the chain is missing, the newest operation that no other leads to continues the chain; *journal* has the journal's operations, which are in order already.
    """
    line = [id for id in reversed(written) if id in known]  # newest first, as the chain goes
    used = {*line, *journal}
    spare = sorted((id for id in known if id not in used), key=lambda id: known[id].time)
    problems: list[Problem] = []
    while True:
        before = known[line[-1]].previous if line else None
        if line and before is None:
            break
        if before is not None and before not in known:
            subject, detail = f"operation {before.hex()}", "it is missing, and a later one follows it"
            lost = "what it did to the refs, and what the reflog says of it"
            problems.append(
                Problem("operation-missing", "error", subject, path="", offset=None, detail=detail, lost=lost)
            )
            before = None
        while before is None and spare:
            before = spare.pop()
            before = None if before in used else before
        if before is None or before in used:
            break
        used.add(before)
        line.append(before)
    record = replay([(id, known[id]) for id in reversed(line)], read)
    record.is_whole = record.is_whole and not problems
    return record, problems


def _readable_operations(found: Examination) -> dict[ObjectId, Operation]:
    known: dict[ObjectId, Operation] = {}
    for id, place in found.found.items():
        if place.kind == "operation":
            with suppress(ObjectCorruptError):  # the wrong shape is a problem already
                known[id] = read_operation(id, place.load())
    return known


# What the refs reach, and what is derived


def _check_shallow(found: Examination, data: bytes | None) -> None:
    """Read which commits had their history cut; of a damaged file, the readable lines count."""
    if data is None:
        return
    try:
        found.cuts = decode_shallow(data, SHALLOW)
    except ObjectCorruptError as exc:
        found.cuts = readable_cuts(data)
        lost = "of which commits the history was cut"
        found.add("shallow-damaged", "error", "shallow", SHALLOW, exc.offset, exc.detail, lost)
    for id in found.cuts:
        place = found.found.get(id)
        if place is None or place.kind != "commit":
            found.add(
                "shallow-stale", "warning", f"commit {id.hex()}", SHALLOW, None, "it names no commit of the store"
            )


def _check_graph(found: Examination) -> None:
    graph = Graph(found.found, found.cuts)
    refs = found.record.refs
    # Tags last: a tag may name a message that gc kept without its history, which a context walked before shows.
    names = sorted(refs, key=lambda name: (TAGS in name, name))
    graph.walk([Root(name, value) for name in names if isinstance(value := refs[name], bytes)])
    for name, values in sorted(found.record.values.items()):
        earlier = (value for value in values if isinstance(value, bytes))
        graph.walk(Root(f"the reflog of {name}", value, "warning") for value in earlier)
    graph.check_messages()
    _check_targets(found, graph)
    found.problems.extend([*graph.problems, *note_problems(found, graph)])
    found.reached = graph.reached.union(id for id, _ in found.record.operations)
    found.commits = len(graph.commits)
    found.history = graph.commits.keys()
    found.cut_off = graph.cut_off


def _find_leftover_packs(found: Examination) -> None:
    """Find packs without an index whose objects are not needed: a killed process left them from a large transaction."""
    journal, tail = found.journal, found.tail
    is_whole = (
        journal is not None and not journal.is_damaged and (tail is None or not (tail.is_damaged or tail.records))
    )
    if not is_whole or found.layout.under(f"objects/{EVIDENCE}"):
        return  # objects that cannot be read may need it
    packs = {pack.name.removesuffix(".pack") + ".idx": pack for pack in found.packs}
    for at, problem in enumerate(found.problems):
        pack = packs.get(problem.path) if problem.kind == "index-missing" else None
        if pack is not None and pack.found and found.reached.isdisjoint(pack.found):
            detail = "a killed process left it; nothing needs what is in it"
            found.problems[at] = Problem("leftover", "note", "pack", path=pack.name, offset=None, detail=detail)


def _check_targets(found: Examination, graph: Graph) -> None:
    """Check each ref's own rules: notes on refs of notes and nowhere else; HEAD on a branch."""
    for name, value in sorted(found.record.refs.items()):
        local = name.split("/", 2)[-1] if name.startswith(TRACTS) else name
        detail = None
        if isinstance(value, str):
            if local != HEAD or not value.startswith("refs/heads/"):
                detail = f"it is symbolic and holds '{value}'"
        elif value in graph.commits:
            is_note = graph.commits[value].operation == "note"
            if is_note != local.startswith(("refs/notes/", "refs/remote-notes/")) and not local.startswith(
                "refs/archive/"
            ):
                detail = f"it holds {value.hex()[:16]}, which is {'a' if is_note else 'not a'} note"
        if detail is not None:
            found.add("ref-value", "error", f"ref '{name}'", name, None, detail)


def _check_states(found: Examination) -> None:
    """Check the states of commands under way; the texts beside them are for their users to edit."""
    for name in found.layout.files:
        parts = name.split("/")
        if parts[-2:-1] == [STATES] and name.startswith((STATES, TRACTS)) and is_state(parts[-1]):
            try:
                decode_state(read_file(found, name) or b"", name)
            except ObjectCorruptError as exc:
                lost = f"how far a {parts[-1]} had come; no commit"
                found.add("state-damaged", "error", "state", name, exc.offset, exc.detail, lost)


def _check_caches(found: Examination) -> None:
    """Check the caches, with warnings only: a process that reads a damaged cache throws it away."""
    for name in found.layout.under("cache/counts-"):
        problems: list[tuple[int, str]] = []
        data = read_file(found, name)
        if data is not None:
            found.counts[name] = read_counts(data, lambda at, detail: problems.append((at, detail)))  # noqa: B023
        for at, detail in problems:
            found.add("counts-damaged", "warning", "token counts", name, at, detail)
    for name in found.layout.under("cache/totals"):
        data = read_file(found, name)
        damaged = None if data is None else damaged_at(data)
        if damaged is not None:
            detail = "a row does not match its checksum"
            found.add("counts-damaged", "warning", "totals of contexts", name, damaged, detail)
