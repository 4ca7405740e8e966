"""Each file of a store by itself: the objects in it that can be proved, and its problems."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from blake3 import blake3

from tract.errors import (
    BlobNotFoundError,
    ConfigError,
    ContentValidationError,
    FormatVersionError,
    NotARepositoryError,
    ObjectCorruptError,
    StorageError,
    UnsafeRepositoryError,
)
from tract.maintenance.fsck.examination import Examination, FoundObject
from tract.maintenance.fsck.journal import JournalScan, check_length, salvage_record, scan_journal
from tract.maintenance.fsck.layout import Layout
from tract.maintenance.fsck.pack import PackScan
from tract.maintenance.fsck.report import Problem
from tract.objects.codec import MAX_SIZE
from tract.objects.id import ObjectId, is_hex
from tract.objects.model import Object
from tract.objects.strict_reader import check_payload
from tract.opening import read_format
from tract.refs.names import HEAD, ORIG_HEAD, TRACTS
from tract.settings import is_signed, read_config
from tract.storage import files
from tract.storage.journal_format import LONGEST, Mark, read_mark
from tract.storage.loose import LooseObjects
from tract.storage.store_reader import EVIDENCE

JOURNAL = "objects/journal"
MARK = "locks/journal"
LONGEST_LINE = 4096


def read_file(found: Examination, name: str, limit: int = LONGEST) -> bytes | None:
    """The bytes of a file of the store, or None if it is missing; a file that cannot be read is a problem."""
    try:
        return files.read_file(os.path.join(found.path, name), limit)
    except FileNotFoundError:
        return None
    except (OSError, StorageError) as exc:
        if name in found.layout.files:  # anything else than a file was reported already
            found.add("unreadable", "error", "file", name, None, _cannot_be_read(exc))
        return None


def _cannot_be_read(exc: Exception) -> str:
    return f"it cannot be read: {exc.strerror if isinstance(exc, OSError) else exc}"


def journal_bytes(found: Examination, name: str) -> tuple[bytes, int] | None:
    """The bytes of a journal, without the hole at the end of a sparse file, and its length."""
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


def mark_of(found: Examination) -> Mark | None:
    try:
        return read_mark(os.path.join(found.path, MARK))
    except ValueError as exc:
        detail = f"{exc}; the next writer writes it again"
        found.add("mark-damaged", "warning", "mark of the last writer", MARK, 0, detail)
    except (OSError, StorageError) as exc:
        found.add("unreadable", "error", "file", MARK, None, _cannot_be_read(exc))
    return None


def ref_places(layout: Layout) -> Iterator[str]:
    for name in layout.files:
        local = name.split("/", 2)[-1] if name.startswith(TRACTS) else name
        if local in (HEAD, ORIG_HEAD) or (local.startswith("refs/") and not local.rsplit("/", 1)[-1].startswith(".")):
            yield name


def loose_names(found: Examination) -> Iterator[str]:
    for name in found.layout.under("objects/"):
        folder, _, rest = name.removeprefix("objects/").partition("/")
        if len(folder) == 2 and len(rest) == 62 and is_hex(folder + rest):
            yield name


def check_format(found: Examination) -> None:
    if "format" not in found.layout.files:
        found.add("format-missing", "error", "format", "format", None, "it is missing, so the store cannot be opened")
        return
    data = read_file(found, "format", LONGEST_LINE) or b""
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


def check_settings(found: Examination) -> None:
    own = [name for name in found.layout.files if name.endswith("/config.toml") and not name.startswith("aside/")]
    if "config.toml" not in found.layout.files:
        detail = "it is missing, so the store cannot be opened"
        found.add("config-missing", "error", "settings", "config.toml", None, detail, "the settings")
    else:
        own.append("config.toml")
    for name in own:
        data = read_file(found, name) or b""
        try:
            read_config(os.path.join(found.path, name))
        except (ConfigError, StorageError) as exc:
            found.add("config-damaged", "error", "settings", name, None, str(exc))
            continue
        if not is_signed(data):
            detail = "it does not match its check line: it was edited by hand, or damaged"
            found.add("config-changed", "warning", "settings", name, max(0, data.rfind(b"#")), detail)


def check_journal(found: Examination, read: tuple[bytes, int] | None, mark: Mark | None) -> None:
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
    # For readers, nothing behind a hole that a power cut may have left has happened.
    if not any(problem.severity == "error" for problem in journal.problems):
        found.tail = journal.split_tail()
    add_records(found, journal)


def add_records(found: Examination, scan: JournalScan) -> None:
    """Add the objects of a journal to those found."""
    for id, kind, offset, _ in scan.records:
        found.found.add(id, FoundObject(kind, scan.path, offset, partial(scan.load, offset)))


def _note_lost_end(journal: JournalScan, mark: Mark) -> None:
    """Note that the journal's end is torn or missing although it was acknowledged: the last writer's mark says so."""
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
        journal.problems.append(
            Problem("journal-hole", "warning", subject, path=journal.path, offset=journal.end, detail=detail)
        )


def check_packs(found: Examination) -> None:
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
        problem = Problem(
            "index-missing",
            "warning",
            "index",
            path=name,
            offset=None,
            detail="it is not a file, so the pack is not read",
        )
    except (OSError, StorageError) as exc:
        problem = Problem("unreadable", "error", "index", path=name, offset=None, detail=_cannot_be_read(exc))
    if problem is not None and problem.kind == "index-missing" and all(id in found.found for id in pack.found):
        problem = Problem(
            "leftover",
            "note",
            "pack",
            path=pack.name,
            offset=None,
            detail="a killed process left it; everything in it is elsewhere too",
        )
    if problem is not None:
        found.problems.append(problem)


def check_loose_objects(found: Examination) -> None:
    loose = LooseObjects(os.path.join(found.path, "objects"))
    for name in loose_names(found):
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
    if obj is None:  # gc removed it meanwhile
        raise BlobNotFoundError(id.hex())
    return obj


def salvage_loose(path: str, name: str) -> Object | None:
    """Return the object in a damaged loose file, if the file's name still proves it."""
    id = bytes.fromhex(name.removeprefix("objects/").replace("/", ""))
    data = files.read_file(os.path.join(path, name), LONGEST)
    found = salvage_record(data, 16, len(data), id, MAX_SIZE)
    return found[1] if found is not None and found[0] == id else None


def check_evidence(found: Examination) -> None:
    """Check the transactions behind a hole, and the bytes that writers set aside. Reads do not use them, so they come last: nothing else counts as whole because of them."""
    if found.tail is not None and found.tail.is_damaged:
        found.evidence.append(found.tail)
        add_records(found, found.tail)
    for name in found.layout.under(f"objects/{EVIDENCE}"):
        read = journal_bytes(found, name)
        if read is None:
            continue
        scan = scan_journal(name, read[0])
        found.evidence.append(scan)
        missing = [record for record in scan.records if record.id not in found.found]
        detail = f"a writer set it aside from a damaged journal; {len(missing)} objects in it are nowhere else"
        found.add("journal-evidence", "warning", "journal", name, None, detail)
        add_records(found, scan)


def check_payloads(found: Examination) -> None:
    """Check the canonical encoding and the shape of every object."""
    for id, place in found.found.items():
        obj = place.load()
        try:
            check_payload(obj.kind, obj.payload)
        except ContentValidationError as exc:
            found.add("object-shape", "error", f"{obj.kind} {id.hex()}", place.path, place.offset, str(exc))
