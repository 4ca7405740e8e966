"""Checking a whole store, however damaged it is: each file on its own first, then what they say together.

    names, modes → format, settings → journal, packs, loose objects → every object by itself
                                    → operations → refs ↔ ref files → what the refs reach

Nothing is opened the usual way and nothing is written, so one damaged file hides no other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
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
from tract.maintenance.fsck.examination import Examination, FoundObject
from tract.maintenance.fsck.graph import Graph, Root
from tract.maintenance.fsck.journal import JournalScan, check_length, salvage_record, scan_journal
from tract.maintenance.fsck.layout import Layout, look_over
from tract.maintenance.fsck.pack import PackScan
from tract.maintenance.fsck.refs import RefRecord, check_ref_files, replay
from tract.maintenance.fsck.report import FsckReport, Problem
from tract.objects.codec import MAX_SIZE
from tract.objects.id import ObjectId, is_hex
from tract.objects.model import Object, Operation, check_payload, read_operation
from tract.refs.files import ref_at
from tract.refs.names import HEAD, ORIG_HEAD, TAGS, TRACTS
from tract.repo import is_signed, read_config, read_format
from tract.storage import files
from tract.storage.counts import damaged_at, read_counts
from tract.storage.journal import LONGEST, Mark, read_mark
from tract.storage.loose import LooseObjects
from tract.storage.reader import EVIDENCE
from tract.storage.shallow import NAME as SHALLOW
from tract.storage.shallow import decode_shallow, readable_cuts
from tract.transaction import STATES

JOURNAL = "objects/journal"
MARK = "locks/journal"
_LONGEST_LINE = 4096
_TRIES = 3


def check_repository(path: str) -> FsckReport:
    """Check the store at *path* (a folder ``.tract``) and say what is wrong with it.

    NotARepositoryError where nothing looks like a store, FormatVersionError for a store of another version.
    """
    found = examine(path)
    found.close()
    return found.report


def examine(path: str, *, locked: bool = False) -> Examination:
    """Read all of the store at *path* that can be read; *locked* says that the caller keeps writers and gc out.

    What a gc removed before it was read looks like damage: then all is read once more, and at last with gc kept out.
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
        mark = _read_mark(found)
        journal = _read_journal(found, JOURNAL)
        shallow = _read(found, SHALLOW)
        lines = {
            name: data
            for place in _ref_places(layout)
            if (name := ref_at(found.path, place)) and (data := _read(found, place, _LONGEST_LINE)) is not None
        }
    _check_format(found)
    _check_settings(found)
    _check_journal(found, journal, mark)
    _check_packs(found)
    _check_loose_objects(found)
    _check_payloads(found)
    _check_refs(found, lines)
    _check_shallow(found, shallow)
    _check_graph(found)
    _check_evidence(found)
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


# Reading


def _read(found: Examination, name: str, limit: int = LONGEST) -> bytes | None:
    """The bytes of a file of the store, or None where there is none; what cannot be read is a problem."""
    try:
        return files.read_file(os.path.join(found.path, name), limit)
    except FileNotFoundError:
        return None
    except (OSError, StorageError) as exc:
        if name in found.layout.files:  # what is no file was named already
            found.add("unreadable", "error", "file", name, None, _cannot_be_read(exc))
        return None


def _cannot_be_read(exc: Exception) -> str:
    return f"it cannot be read: {exc.strerror if isinstance(exc, OSError) else exc}"


def _read_journal(found: Examination, name: str) -> tuple[bytes, int] | None:
    """The bytes of a journal, without the hole that a sparse file may end in, and its length."""
    try:
        fd = files.open_read(os.path.join(found.path, name))
        try:
            return files.read_rest(fd, 0, LONGEST), files.size_of(fd)
        finally:
            files.close(fd)
    except FileNotFoundError:
        return None
    except (OSError, StorageError) as exc:
        found.add("unreadable", "error", "journal", name, None, _cannot_be_read(exc))
        return None


def _read_mark(found: Examination) -> Mark | None:
    try:
        return read_mark(os.path.join(found.path, MARK))
    except ValueError as exc:
        detail = f"{exc}; the next writer writes it anew"
        found.add("mark-damaged", "warning", "mark of the last writer", MARK, 0, detail)
    except (OSError, StorageError) as exc:
        found.add("unreadable", "error", "file", MARK, None, _cannot_be_read(exc))
    return None


def _ref_places(layout: Layout) -> Iterator[str]:
    for name in layout.files:
        local = name.split("/", 2)[-1] if name.startswith(TRACTS) else name
        if local in (HEAD, ORIG_HEAD) or (local.startswith("refs/") and not local.rsplit("/", 1)[-1].startswith(".")):
            yield name


def _loose_names(found: Examination) -> Iterator[str]:
    for name in found.layout.under("objects/"):
        folder, _, rest = name.removeprefix("objects/").partition("/")
        if len(folder) == 2 and len(rest) == 62 and is_hex(folder + rest):
            yield name


# Files, each on its own


def _check_format(found: Examination) -> None:
    if "format" not in found.layout.files:
        found.add("format-missing", "error", "format", "format", None, "it is missing, so no store is opened")
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
        found.add("format-damaged", "error", "format", "format", 0, "it does not match its checksum")


def _check_settings(found: Examination) -> None:
    own = [name for name in found.layout.files if name.endswith("/config.toml") and not name.startswith("aside/")]
    if "config.toml" not in found.layout.files:
        detail = "it is missing, so no store is opened"
        found.add("config-missing", "error", "settings", "config.toml", None, detail, "the settings")
    else:
        own.append("config.toml")
    for name in own:
        data = _read(found, name) or b""
        try:
            read_config(os.path.join(found.path, name))
        except (ConfigError, StorageError) as exc:
            found.add("config-damaged", "error", "settings", name, None, str(exc))
            continue
        if not is_signed(data):
            detail = "it does not match its check line: it was edited by hand, or damaged"
            found.add("config-changed", "warning", "settings", name, max(0, data.rfind(b"#")), detail)


def _check_journal(found: Examination, read: tuple[bytes, int] | None, mark: Mark | None) -> None:
    if read is None:
        lost = "everything since the last pack was made"
        found.add("journal-missing", "error", "journal", JOURNAL, None, "the journal cannot be read", lost)
        return
    data, size = read
    journal = found.journal = scan_journal(JOURNAL, data)
    check_length(journal, size)
    if mark is not None and mark.nonce == journal.mark.nonce and mark.written > journal.mark.written:
        _note_lost_end(journal, mark)
    found.problems.extend(journal.problems)
    for id, kind, offset, _ in journal.records:
        found.found.add(id, FoundObject(kind, JOURNAL, offset, partial(journal.load, offset)))


def _note_lost_end(journal: JournalScan, mark: Mark) -> None:
    """The journal's end is torn or gone, and it was acknowledged: its last writer left word of it."""
    journal.lost_end = (
        len(journal.operations) - len(journal.operations_before_end) < mark.written - journal.mark.written
    )
    journal.problems[:] = [problem for problem in journal.problems if problem.kind != "torn-end"]
    number = mark.written - journal.mark.written
    synced = mark.durable > journal.mark.written
    subject = f"transaction {journal.mark.written}"
    detail = (
        f"the last {number} transactions that were written cannot be read"
        if number > 1
        else "it is not whole, and it was written"
    )
    if any(problem.kind in ("transaction-damaged", "journal-hole") for problem in journal.problems):
        return
    if synced:
        journal.add_error("transaction-damaged", subject, journal.end, detail)
    else:
        journal.is_damaged = True
        journal.problems.append(Problem("journal-hole", "warning", subject, journal.path, journal.end, detail))


def _check_packs(found: Examination) -> None:
    names = found.layout.under("objects/pack/pack-")
    listed = {*names}
    for name in names:
        if not name.endswith(".pack"):
            if name.removesuffix(".idx") + ".pack" not in listed:
                lost = "every object that only this pack had"
                found.add("pack-missing", "error", "pack", name, None, "its pack is missing", lost)
            continue
        try:
            pack = PackScan(found.path, name)
        except (OSError, StorageError) as exc:
            found.add("unreadable", "error", "pack", name, None, _cannot_be_read(exc))
            continue
        found.packs.append(pack)
        found.problems.extend(pack.problems)
        _check_index(found, pack, name.removesuffix(".pack") + ".idx")
        for id, (kind, ordinal) in pack.found.items():
            found.found.add(id, FoundObject(kind, name, None, partial(pack.load, ordinal)))


def _check_index(found: Examination, pack: PackScan, name: str) -> None:
    try:
        problem = pack.check_index(found.path, name)
    except UnsafeRepositoryError:
        problem = Problem("index-missing", "warning", "index", name, None, "it is no file, so nobody reads the pack")
    except (OSError, StorageError) as exc:
        problem = Problem("unreadable", "error", "index", name, None, _cannot_be_read(exc))
    if problem is not None and problem.kind == "index-missing" and all(id in found.found for id in pack.found):
        problem = Problem(
            "leftover", "note", "pack", pack.name, None, "a killed process left it; all in it is elsewhere"
        )
    if problem is not None:
        found.problems.append(problem)


def _check_loose_objects(found: Examination) -> None:
    loose = LooseObjects(os.path.join(found.path, "objects"))
    for name in _loose_names(found):
        text = name.removeprefix("objects/").replace("/", "")
        id = bytes.fromhex(text)
        try:
            obj = loose.read(id)
        except ObjectCorruptError as exc:
            if salvage_loose(found.path, name) is not None:
                found.mendable.add(id)
            lost = "" if id in found.mendable else f"object {text[:16]}"
            found.add("loose-damaged", "error", f"object {text}", name, exc.offset, exc.detail, lost)
        except (OSError, StorageError) as exc:
            found.add("unreadable", "error", "object", name, None, _cannot_be_read(exc))
        else:
            if obj is not None:
                found.found.add(id, FoundObject(obj.kind, name, 16, partial(_read_again, loose, id)))


def _read_again(loose: LooseObjects, id: ObjectId) -> Object:
    obj = loose.read(id)
    if obj is None:  # gc took it since
        raise BlobNotFoundError(id.hex())
    return obj


def salvage_loose(path: str, name: str) -> Object | None:
    """The object in a damaged file of its own, if its name still proves it."""
    id = bytes.fromhex(name.removeprefix("objects/").replace("/", ""))
    data = files.read_file(os.path.join(path, name), LONGEST)
    found = salvage_record(data, 16, len(data), id, MAX_SIZE)
    return found[1] if found is not None and found[0] == id else None


def _check_evidence(found: Examination) -> None:
    """What writers set aside. Nobody reads it, so it is looked at last: nothing else is whole because of what is there."""
    for name in found.layout.under(f"objects/{EVIDENCE}"):
        read = _read_journal(found, name)
        if read is None:
            continue
        scan = scan_journal(name, read[0])
        found.evidence.append(scan)
        missing = [record for record in scan.records if record.id not in found.found]
        detail = f"a writer set it aside from a damaged journal; {len(missing)} objects in it are nowhere else"
        found.add("journal-evidence", "warning", "journal", name, None, detail)
        for id, kind, offset, _ in scan.records:
            found.found.add(id, FoundObject(kind, name, offset, partial(scan.load, offset)))


def _check_payloads(found: Examination) -> None:
    """Canonical encoding and shape, object by object."""
    for id, place in found.found.items():
        obj = place.load()
        try:
            check_payload(obj.kind, obj.payload)
        except ContentValidationError as exc:
            found.add("object-shape", "error", f"{obj.kind} {id.hex()}", place.path, place.offset, str(exc))


# Operations and refs


def _check_refs(found: Examination, lines: dict[str, bytes]) -> None:
    """Follow the operations, and compare them with the ref files."""
    known = _readable_operations(found)
    journal = found.journal
    is_lost = journal is not None and journal.lost_end
    written = journal.operations if journal is not None else ()

    def read(id: ObjectId) -> Object | None:
        place = found.found.get(id)
        return None if place is None else place.load()

    happened = written if journal is None or journal.is_damaged else journal.operations_before_end
    record, problems = _record(known, happened, written, read)
    found.ref_files, differing = check_ref_files(record, lines)
    if happened != written and any(one.kind == "ref-file-ahead" and one.severity == "error" for one in differing):
        # What looks like the torn end of a write was acknowledged: a synced ref file knows of it.
        record, problems = _record(known, written, written, read)
        found.ref_files, differing = check_ref_files(record, lines)
        is_lost = True
        detail = "the last transaction is not whole, but a ref file that was written after it knows of it"
        end = journal.end if journal is not None else None
        problems.append(Problem("transaction-damaged", "error", "journal", JOURNAL, end, detail))
    if is_lost:
        record.known_since = set()
    found.record = record
    found.problems.extend([*problems, *record.problems, *differing])


def _record(
    known: dict[ObjectId, Operation],
    written: Sequence[ObjectId],
    journal: Sequence[ObjectId],
    read: Callable[[ObjectId], Object | None],
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
    record = replay([(id, known[id]) for id in reversed(line)], read)
    record.is_whole = record.is_whole and not problems
    return record, problems


def _readable_operations(found: Examination) -> dict[ObjectId, Operation]:
    known: dict[ObjectId, Operation] = {}
    for id, place in found.found.items():
        if place.kind == "operation":
            with suppress(ObjectCorruptError):  # its shape is a problem already
                known[id] = read_operation(id, place.load())
    return known


# What the refs reach, and what is derived


def _check_shallow(found: Examination, data: bytes | None) -> None:
    """Which commits had their history cut; of a damaged file what can be read is believed."""
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
    # Tags last: one may be on a message of which, a context that is walked before tells, nothing else is kept.
    names = sorted(refs, key=lambda name: (TAGS in name, name))
    graph.walk([Root(name, value) for name in names if isinstance(value := refs[name], bytes)])
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
        local = name.split("/", 2)[-1] if name.startswith(TRACTS) else name
        detail = None
        if isinstance(value, str):
            if local != HEAD or not value.startswith("refs/heads/"):
                detail = f"it is symbolic and holds '{value}'"
        elif value in graph.commits:
            is_note = graph.commits[value].operation == "note"
            if is_note != local.startswith("refs/notes/") and not local.startswith("refs/archive/"):
                detail = f"it holds {value.hex()[:16]}, which is {'a' if is_note else 'no'} note"
        if detail is not None:
            found.add("ref-value", "error", f"ref '{name}'", name, None, detail)


def _check_states(found: Examination) -> None:
    """What commands under way have written down; the texts beside them are their users' to edit."""
    for name in found.layout.files:
        parts = name.split("/")
        if parts[-2:-1] == [STATES] and name.startswith((STATES, TRACTS)) and is_state(parts[-1]):
            try:
                decode_state(_read(found, name) or b"", name)
            except ObjectCorruptError as exc:
                lost = f"how far a {parts[-1]} had come; no commit"
                found.add("state-damaged", "error", "state", name, exc.offset, exc.detail, lost)


def _check_caches(found: Examination) -> None:
    """Only warnings: a cache that is damaged is thrown away by the next process that reads it."""
    for name in found.layout.under("cache/counts-"):
        problems: list[tuple[int, str]] = []
        data = _read(found, name)
        if data is not None:
            found.counts[name] = read_counts(data, lambda at, detail: problems.append((at, detail)))  # noqa: B023
        for at, detail in problems:
            found.add("counts-damaged", "warning", "token counts", name, at, detail)
    for name in found.layout.under("cache/totals"):
        data = _read(found, name)
        damaged = None if data is None else damaged_at(data)
        if damaged is not None:
            detail = "a row does not match its checksum"
            found.add("counts-damaged", "warning", "totals of contexts", name, damaged, detail)
