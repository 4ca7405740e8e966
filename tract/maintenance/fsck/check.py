"""Checking a whole store, however damaged it is: each file on its own first, then what they say together.

    names, modes → format, settings → journal, packs, loose objects → every object by itself
                                    → operations → refs ↔ ref files → what the refs reach

Nothing is opened the usual way and nothing is written, so one damaged file hides no other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial

from blake3 import blake3

from tract.errors import (
    BlobNotFoundError,
    ConfigError,
    ContentValidationError,
    FormatVersionError,
    LockTimeoutError,
    NotARepositoryError,
    ObjectCorruptError,
    StorageError,
    UnsafeRepositoryError,
)
from tract.history.state import decode_state, is_state
from tract.maintenance.fsck.graph import Graph, Root
from tract.maintenance.fsck.journal import JournalScan, scan_journal
from tract.maintenance.fsck.layout import Layout, look_over
from tract.maintenance.fsck.pack import PackScan
from tract.maintenance.fsck.problems import Problem
from tract.maintenance.fsck.refs import RefRecord, check_ref_files, replay
from tract.maintenance.fsck.report import FsckReport, in_order
from tract.maintenance.fsck.store import FoundObject, FoundObjects, check_counts, check_loose
from tract.objects.id import ObjectId
from tract.objects.model import Operation, RefValue, check_payload, read_operation
from tract.refs.files import ref_at
from tract.refs.names import HEAD, ORIG_HEAD, TAGS, TRACTS
from tract.repo import read_config, read_format
from tract.storage import files
from tract.storage.counts import BlobCount, damaged_at
from tract.storage.shallow import NAME as SHALLOW
from tract.storage.shallow import Cut, decode_shallow, readable_cuts
from tract.transaction import STATES

JOURNAL = "objects/journal"
_LONGEST_LINE = 4096
_TRIES = 3


@dataclass(slots=True)
class Examination:
    """All that could be read of a store, and all that is wrong with it."""

    path: str
    layout: Layout
    problems: list[Problem] = field(default_factory=list)
    found: FoundObjects = field(default_factory=FoundObjects)
    journal: JournalScan | None = None
    packs: list[PackScan] = field(default_factory=list)
    record: RefRecord = field(default_factory=RefRecord)
    witnesses: dict[str, tuple[RefValue, bool]] = field(default_factory=dict)
    counts: dict[str, dict[ObjectId, BlobCount]] = field(default_factory=dict)
    cuts: dict[ObjectId, Cut] = field(default_factory=dict)
    cut_off: tuple[ObjectId, ...] = ()
    history: AbstractSet[ObjectId] = frozenset()
    reached: set[ObjectId] = field(default_factory=set)
    commits: int = 0

    @property
    def report(self) -> FsckReport:
        problems = in_order((*self.layout.problems, *self.problems))
        return FsckReport(self.path, problems, len(self.found), len(self.reached), self.commits, len(self.record.refs))


def check_repository(path: str) -> FsckReport:
    """Check the store at *path* (a folder ``.tract``) and say what is wrong with it.

    NotARepositoryError where nothing looks like a store, FormatVersionError for a store of another version.
    """
    return examine(path).report


def examine(path: str, *, locked: bool = False) -> Examination:
    """Read all of the store at *path* that can be read; *locked* says that the caller keeps writers and gc out.

    What a gc removed before it was read looks like damage: then all is read once more, and at last with gc kept out.
    """
    if locked:
        return _examine(path, locked=True)
    for _ in range(_TRIES):
        with suppress(BlobNotFoundError):
            found = _examine(path, locked=False)
            if _was_collected(found):
                continue
            if all(problem.kind != "index-missing" for problem in found.problems):
                return found
            break  # a gc may be about to write the index
    with _waiting(path, "gc"):
        return _examine(path, locked=False)


def _was_collected(found: Examination) -> bool:
    """Whether a pack or a loose object that was listed is there no more."""
    names = (*found.layout.under("objects/pack/pack-"), *_loose_names(found))
    return any(not files.is_there(os.path.join(found.path, name)) for name in names)


def _examine(path: str, *, locked: bool) -> Examination:
    if not files.is_there(path) or not os.path.isdir(path):
        raise NotARepositoryError(f"'{path}' is not a folder")
    with nullcontext() if locked else _waiting(path, "journal"):
        layout = look_over(path)
        if not {"format", JOURNAL, HEAD} & {*layout.files, *layout.directories} and "objects" not in layout.directories:
            raise NotARepositoryError(f"'{path}' is not a tract store: it has neither a format file nor objects")
        found = Examination(path, layout)
        # What writers change is read now; packs and loose objects never change, but gc can remove them.
        journal = _read(found, JOURNAL)
        shallow = _read(found, SHALLOW)
        lines = {
            name: data
            for place in _ref_places(layout)
            if (name := ref_at(found.path, place)) and (data := _read_listed(found, place, _LONGEST_LINE)) is not None
        }
    _check_format(found)
    _check_settings(found)
    _check_journal(found, journal)
    _check_packs(found)
    _check_loose_objects(found)
    _check_payloads(found)
    _check_refs(found, lines)
    _check_shallow(found, shallow)
    _check_graph(found)
    _check_states(found)
    _check_caches(found)
    return found


@contextmanager
def _waiting(path: str, lock_name: str) -> Iterator[None]:
    """Hold the lock of writers, so that journal and ref files are of one moment, or that of gc; without it where that cannot be."""
    name = os.path.join(path, "locks", lock_name)
    lock = None
    try:
        if os.path.isfile(name):
            lock = files.FileLock(name)
            lock.acquire()
    except (OSError, StorageError, LockTimeoutError):
        pass  # a store that may only be read is checked too
    try:
        yield
    finally:
        if lock is not None:
            lock.close()


def _read(found: Examination, name: str, limit: int | None = None) -> bytes | None:
    """The bytes of a file of the store, or None where there is none; what cannot be read is a problem."""
    return _read_listed(found, name, limit) if name in found.layout.files else None


def _read_listed(found: Examination, name: str, limit: int | None = None) -> bytes | None:
    """The same of one of the files that were listed: to look each up among tens of thousands takes long."""
    try:
        return files.read_file(os.path.join(found.path, name), limit)
    except FileNotFoundError:
        return None
    except (OSError, StorageError) as exc:
        detail = f"it cannot be read: {exc.strerror if isinstance(exc, OSError) else exc}"
        found.problems.append(Problem("unreadable", "error", "file", name, None, detail))
        return None


def _ref_places(layout: Layout) -> Iterator[str]:
    for name in layout.files:
        local = name.split("/", 2)[-1] if name.startswith("tracts/") else name
        if local in (HEAD, ORIG_HEAD) or (local.startswith("refs/") and not local.rsplit("/", 1)[-1].startswith(".")):
            yield name


def _check_format(found: Examination) -> None:
    if "format" not in found.layout.files:
        found.problems.append(
            Problem("format-missing", "error", "format", "format", None, "it is missing, so no store is opened")
        )
        return
    data = _read(found, "format", _LONGEST_LINE) or b""
    body, check = data[:-17], data[-17:]
    whole = data.count(b"\n") == 3 and check == f"{blake3(body).hexdigest()[:16]}\n".encode()
    try:
        read_format(found.path)
    except FormatVersionError:
        if whole:
            raise
    except (ObjectCorruptError, NotARepositoryError):
        whole = False
    if not whole:
        found.problems.append(
            Problem("format-damaged", "error", "format", "format", 0, "it does not match its checksum")
        )


def _check_settings(found: Examination) -> None:
    names = [
        name
        for name in found.layout.files
        if name.rsplit("/", 1)[-1] == "config.toml" and not name.startswith("aside/")
    ]
    if "config.toml" not in names:
        detail = "it is missing; every setting is the default"
        found.problems.append(
            Problem("config-missing", "warning", "settings", "config.toml", None, detail, "the settings")
        )
    for name in names:
        data = _read_listed(found, name) or b""
        try:
            read_config(os.path.join(found.path, name))
        except (ConfigError, StorageError) as exc:
            found.problems.append(Problem("config-damaged", "error", "settings", name, None, str(exc)))
            continue
        if not is_signed(data):
            detail = "it does not match its check line: it was edited by hand, or damaged"
            found.problems.append(
                Problem("config-changed", "warning", "settings", name, max(0, data.rfind(b"#")), detail)
            )


def is_signed(data: bytes) -> bool:
    """Whether the last line of a settings file is the check of those before it."""
    body = data[: data.rfind(b"# check ")]
    return data == body + f"# check {blake3(body).hexdigest()[:16]}\n".encode()


def _check_journal(found: Examination, data: bytes | None) -> None:
    if data is None:
        lost = "everything since the last pack was made"
        found.problems.append(
            Problem("journal-missing", "error", "journal", JOURNAL, None, "the journal is missing", lost)
        )
        return
    journal = found.journal = scan_journal(JOURNAL, data)
    found.problems.extend(journal.problems)
    for id, kind, offset, _ in journal.records:
        found.found.add(id, FoundObject(kind, JOURNAL, offset, partial(journal.load, offset)))


def _check_packs(found: Examination) -> None:
    names = found.layout.under("objects/pack/pack-")
    for name in names:
        if not name.endswith(".pack"):
            if name.removesuffix(".idx") + ".pack" not in names:
                detail = "its pack is missing"
                lost = "every object that only this pack had"
                found.problems.append(Problem("pack-missing", "error", "pack", name, None, detail, lost))
            continue
        try:
            pack = PackScan(found.path, name)
        except (OSError, StorageError) as exc:
            found.problems.append(Problem("unreadable", "error", "pack", name, None, f"it cannot be read: {exc}"))
            continue
        index_name = name.removesuffix(".pack") + ".idx"
        try:
            index = pack.check_index(found.path, index_name)
        except UnsafeRepositoryError:
            index = Problem(
                "index-missing", "warning", "index", index_name, None, "it is no file, so nobody reads the pack"
            )
        except (OSError, StorageError) as exc:
            index = Problem("unreadable", "error", "index", index_name, None, f"it cannot be read: {exc}")
        found.packs.append(pack)
        found.problems.extend([*pack.problems, *([index] if index is not None else [])])
        for id, (kind, ordinal) in pack.objects.items():
            found.found.add(id, FoundObject(kind, name, None, partial(pack.load, ordinal)))


def _loose_names(found: Examination) -> Iterator[str]:
    for name in found.layout.files:
        parts = name.split("/")
        if (
            len(parts) == 3
            and parts[0] == "objects"
            and len(parts[1]) == 2
            and len(parts[2]) == 62
            and parts[2][0] != "."
        ):
            yield name


def _check_loose_objects(found: Examination) -> None:
    for name in _loose_names(found):
        try:
            problem = check_loose(found.path, name, found.found)
        except (OSError, StorageError, ValueError) as exc:
            problem = Problem("unreadable", "error", "object", name, None, f"it cannot be read: {exc}")
        if problem is not None:
            found.problems.append(problem)


def _check_payloads(found: Examination) -> None:
    """Canonical encoding and shape, object by object."""
    for id, place in found.found.items():
        obj = place.load()
        try:
            check_payload(obj.kind, obj.payload)
        except ContentValidationError as exc:
            subject = f"{obj.kind} {id.hex()}"
            found.problems.append(Problem("object-shape", "error", subject, place.path, place.offset, str(exc)))


def _check_refs(found: Examination, lines: dict[str, bytes]) -> None:
    """Follow the operations, and hear the ref files as witnesses."""
    known = _readable_operations(found)
    journal = found.journal
    written = journal.operations if journal is not None else ()
    happened = written if journal is None or journal.is_damaged else journal.operations_before_end
    record, problems = _record(known, happened, written)
    found.witnesses, differing = check_ref_files(record, lines)
    if happened != written and any(
        problem.kind == "ref-file-ahead" and problem.severity == "error" for problem in differing
    ):
        # What looks like the torn end of a write was acknowledged: a synced ref file knows of it.
        record, problems = _record(known, written, written)
        found.witnesses, differing = check_ref_files(record, lines)
        detail = "the last transaction is not whole, but a ref file that was written after it knows of it"
        end = journal.end if journal is not None else None
        problems.append(Problem("transaction-damaged", "error", "journal", JOURNAL, end, detail))
    found.record = record
    found.problems.extend([*problems, *record.problems, *differing])


def _record(
    known: dict[ObjectId, Operation], written: Sequence[ObjectId], journal: Sequence[ObjectId]
) -> tuple[RefRecord, list[Problem]]:
    """The refs after the operations in *written* and those that lead to them.

    Where one is missing, the newest that nothing leads to any more comes before it; *journal* has those of the journal, which are in order as they are.
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
            problems.append(Problem("operation-missing", "error", subject, "", None, detail, lost))
            before = None
        while before is None and spare:
            before = spare.pop()
            before = None if before in used else before
        if before is None or before in used:
            break
        used.add(before)
        line.append(before)
    record = replay([(id, known[id]) for id in reversed(line)])
    record.is_whole = record.is_whole and not problems
    return record, problems


def _readable_operations(found: Examination) -> dict[ObjectId, Operation]:
    known: dict[ObjectId, Operation] = {}
    for id, place in found.found.items():
        if place.kind == "operation":
            try:
                known[id] = read_operation(id, place.load())
            except ObjectCorruptError as exc:
                found.problems.append(
                    Problem("object-shape", "error", f"operation {id.hex()}", place.path, place.offset, exc.detail)
                )
    return known


def _check_shallow(found: Examination, data: bytes | None) -> None:
    """Which commits had their history cut; of a damaged file what can be read is believed."""
    if data is None:
        return
    try:
        found.cuts = decode_shallow(data, SHALLOW)
    except ObjectCorruptError as exc:
        found.cuts = readable_cuts(data)
        lost = "of which commits the history was cut"
        found.problems.append(Problem("shallow-damaged", "error", "shallow", SHALLOW, exc.offset, exc.detail, lost))
    for id in found.cuts:
        place = found.found.get(id)
        if place is None or place.kind != "commit":
            detail = "it names no commit of the store"
            found.problems.append(Problem("shallow-stale", "warning", f"commit {id.hex()}", SHALLOW, None, detail))


def _check_graph(found: Examination) -> None:
    graph = Graph(found.found, found.cuts)
    refs = found.record.refs
    # Tags last: one may be on a message of which, a context that is walked before tells, nothing else is kept.
    names = sorted(refs, key=lambda name: (TAGS in name, name))
    roots = [Root(name, value) for name in names if isinstance(value := refs[name], bytes)]
    graph.walk(roots)
    for name, values in sorted(found.record.values.items()):
        earlier = (value for value in values if isinstance(value, bytes))
        graph.walk(Root(f"the reflog of {name}", value, "warning") for value in earlier)
    graph.check_messages()
    _check_targets(found, graph)
    found.problems.extend(graph.problems)
    found.reached = graph.reached.union(id for id, _ in found.record.operations)
    found.commits = len(graph.commits)
    found.history = graph.commits.keys()
    found.cut_off = graph.cut_off


def _check_targets(found: Examination, graph: Graph) -> None:
    """A ref's own rules: notes on notes refs and nowhere else; HEAD on a branch."""
    for name, value in sorted(found.record.refs.items()):
        local = name.split("/", 2)[-1] if name.startswith("tracts/") else name
        detail = None
        if isinstance(value, str):
            if local != HEAD or not value.startswith("refs/heads/"):
                detail = f"it is symbolic and holds '{value}'"
        elif value in graph.commits:
            is_note = graph.commits[value].operation == "note"
            if is_note != local.startswith("refs/notes/") and not local.startswith("refs/archive/"):
                detail = f"it holds {value.hex()[:16]}, which is {'a' if is_note else 'no'} note"
        if detail is not None:
            found.problems.append(Problem("ref-value", "error", f"ref '{name}'", name, None, detail))


def _check_states(found: Examination) -> None:
    """What commands under way have written down; the texts beside them are their users' to edit."""
    for name in found.layout.files:
        parts = name.split("/")
        if parts[-2:-1] == [STATES] and name.startswith((STATES, TRACTS)) and is_state(parts[-1]):
            data = _read_listed(found, name) or b""
            try:
                decode_state(data, name)
            except ObjectCorruptError as exc:
                lost = f"how far a {parts[-1]} had come; no commit"
                found.problems.append(Problem("state-damaged", "error", "state", name, exc.offset, exc.detail, lost))


def _check_caches(found: Examination) -> None:
    for name in found.layout.under("cache/counts-"):
        data = _read(found, name)
        if data is not None:
            found.counts[name], problems = check_counts(name, data)
            found.problems.extend(problems)
    for name in found.layout.under("cache/totals"):
        data = _read(found, name)
        damaged = None if data is None else damaged_at(data)
        if damaged is not None:
            detail = "a row does not match its checksum"
            found.problems.append(Problem("counts-damaged", "warning", "totals of contexts", name, damaged, detail))
