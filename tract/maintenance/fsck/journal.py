"""Reading all of a journal: its problems, and every object in it that its id still proves.

The store stops reading at the first wrong byte (storage/journal_format.py has the format and its rules); here everything behind it is read too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tract.dataclass import KW_ONLY, dataclass, field, replace
from tract.errors import ContentValidationError, FormatVersionError, ObjectCorruptError
from tract.maintenance.fsck.report import Problem
from tract.named_tuple import NamedTuple
from tract.objects.id import KINDS, Kind, ObjectId, object_id
from tract.objects.model import Object
from tract.objects.strict_reader import check_payload
from tract.storage.journal import FIRST_STEP
from tract.storage.journal_format import (
    FILE_HEADER_SIZE,
    KNOWN_FLAGS,
    OPERATION,
    SYNCED,
    TRANSACTION,
    Mark,
    Span,
    end_of_bytes,
    read_header,
    read_spans,
    whole_transaction,
)
from tract.storage.object_record import HEADER, HEADER_SIZE, LOOSE_LIMIT, unpack_record
from tract.storage.zstd import ZSTD_MAGIC, FrameCodec

# The beginning of a record: kind, codec, two zeros.
_RECORD_HEAD = re.compile(rb"[\x01-\x04][\x00\x01]\x00\x00", re.DOTALL)
# A hostile file may look like records everywhere: this many times its length is tried, and no more.
_MOST_TRIED = 32
_MOST_REMAINS = 1000
_KEPT_OF_EACH = 4096


_NO_MARK = Mark(b"", 0, 0)


class FoundRecord(NamedTuple):
    """An object of the journal that its id proves; *size* is the size of its record, in bytes."""

    id: ObjectId
    kind: Kind
    offset: int
    size: int


@dataclass(slots=True)
class JournalScan:
    """The content of a journal, or of a file of bytes that a writer set aside from one.

    *end* is where reading stops. *is_damaged* is true if there is more damage than a torn end: then the transactions behind *end* happened too.
    *lost_end* says that more was written at the end than can be read.
    *is_tail* marks the part behind *end* of the journal itself, if a power cut may have left it so.
    *remains* has the bytes of records that no id proves, by the id they claim.
    """

    path: str
    data: bytes = field(repr=False)
    _: KW_ONLY
    records: list[FoundRecord] = field(default_factory=list)
    remains: dict[ObjectId, bytes] = field(default_factory=dict, repr=False)
    problems: list[Problem] = field(default_factory=list)
    end: int = FILE_HEADER_SIZE
    is_damaged: bool = False
    lost_end: bool = False
    is_tail: bool = False
    mark: Mark = _NO_MARK

    @property
    def operations(self) -> tuple[ObjectId, ...]:
        """All whole operations, in order."""
        return tuple(record.id for record in self.records if record.kind == "operation")

    @property
    def operations_before_end(self) -> tuple[ObjectId, ...]:
        """The operations before *end*, which reads see."""
        return tuple(record.id for record in self.records if record.kind == "operation" and record.offset < self.end)

    @property
    def torn(self) -> bytes:
        """The bytes behind *end*, without the zeros written ahead."""
        tail = self.data[self.end :]
        return tail[: end_of_bytes(tail)]

    def split_tail(self) -> JournalScan:
        """Keep only the records before *end*; return those behind it as a separate scan."""
        tail = replace(self, records=[one for one in self.records if one.offset >= self.end], problems=[], is_tail=True)
        self.records = [one for one in self.records if one.offset < self.end]
        return tail

    def load(self, offset: int) -> Object:
        """Return the object of the record at *offset*, one of *records*."""
        found = _object_at(self.data, offset, len(self.data)) or salvage_record(self.data, offset, len(self.data))
        if found is None:
            raise ObjectCorruptError(self.path, "it has no record that matches its id", offset)
        return found[1]

    def add_error(self, kind: str, subject: str, offset: int, detail: str, lost: str = "") -> None:
        self.is_damaged = True
        self.problems.append(Problem(kind, "error", subject, path=self.path, offset=offset, detail=detail, lost=lost))


def scan_journal(path: str, data: bytes) -> JournalScan:
    """Scan all of a journal's bytes."""
    scan = JournalScan(path, data)
    nonce = _find_nonce(scan)
    spans: list[Span] = []
    try:
        spans.extend(read_spans(data, FILE_HEADER_SIZE, nonce, 0))
    except ValueError as exc:
        scan.add_error("journal-hostile", "journal", FILE_HEADER_SIZE, str(exc), "what was in it")
    holes = [span for span in spans if span.flags is None]
    scan.end = holes[0].start if holes else spans[-1].end if spans else FILE_HEADER_SIZE
    whole = [span for span in spans if span.flags is not None and span.end <= scan.end]
    synced = [span for span in whole if (span.flags or 0) & SYNCED]
    scan.mark = Mark(nonce, len(whole), synced[-1].number + 1 if synced else 0)
    last_synced = max((span.start for span in spans if (span.flags or 0) & SYNCED), default=-1)
    for number, span in enumerate(spans):
        if span.flags is not None:
            _take(scan, span)
        else:
            _take_hole(scan, span, spans[number + 1] if number + 1 < len(spans) else None, last_synced)
    if not scan.operations:
        scan.add_error("journal-empty", "journal", FILE_HEADER_SIZE, "no operation in it is whole", "what was in it")
    return scan


def check_length(scan: JournalScan, size: int) -> None:
    """Note a file whose length is none that its writers make."""
    if size % FIRST_STEP:
        detail = f"its length of {size} bytes is not a multiple of {FIRST_STEP}: the zeros at its end were cut off"
        scan.problems.append(
            Problem("journal-length", "warning", "journal", path=scan.path, offset=size, detail=detail)
        )


def _find_nonce(scan: JournalScan) -> bytes:
    """The nonce of the file; if the header is damaged, that of the first transaction."""
    head = scan.data[:FILE_HEADER_SIZE]
    try:
        return read_header(scan.path, head)
    except ObjectCorruptError as exc:
        scan.add_error("journal-header", "journal", exc.offset or 0, exc.detail)
    except FormatVersionError as exc:
        scan.add_error("journal-header", "journal", 0, str(exc))
    first = scan.data[FILE_HEADER_SIZE : FILE_HEADER_SIZE + 8]
    return first if whole_transaction(scan.data, FILE_HEADER_SIZE, first) else head[16:24].ljust(8, b"\0")


def _take(scan: JournalScan, span: Span) -> None:
    """Add the records of a whole transaction."""
    subject = f"transaction {span.number}"
    flags = span.flags or 0
    if flags & ~KNOWN_FLAGS or any(scan.data[span.start + 18 : span.start + 20]):
        scan.add_error("transaction-flags", subject, span.start + 16, "it has unknown flags")
    at = span.start + TRANSACTION.size
    last: FoundRecord | None = None
    for _ in range(span.records):
        last = _take_record(scan, at, span.end)
        if last is None:
            detail, lost = "a record of it does not match its id", "the object in it"
            scan.add_error("record-damaged", subject, at, detail, lost)
            return
        at += last.size
    if at != span.end:
        scan.add_error("record-damaged", subject, at, "its records do not fill it")
    if bool(flags & OPERATION) != (last is not None and last.kind == "operation"):
        scan.add_error("transaction-flags", subject, span.start + 16, "its last record is not what its flags say")


def _take_record(scan: JournalScan, at: int, end: int) -> FoundRecord | None:
    found = _object_at(scan.data, at, end)
    if found is None:
        return None
    id, obj, size = found
    record = FoundRecord(id, obj.kind, at, size)
    scan.records.append(record)
    return record


def _take_hole(scan: JournalScan, hole: Span, following: Span | None, last_synced: int) -> None:
    """Note a hole, and add the objects in it that their ids still prove."""
    end = min(hole.end, len(scan.data))
    # The last object of a torn end may end in zeros, which look like those written ahead.
    found = list(_salvage(scan, hole.start, end, len(scan.data) if following is None else end))
    scan.records += found
    kept = f"{len(found)} objects in it can still be read" if found else "nothing in it can be read"
    subject = f"transaction {hole.number}"
    if following is None:
        detail = f"the journal ends in a transaction that is not whole, of {end - hole.start} bytes; {kept}"
        if hole.start == FILE_HEADER_SIZE:
            # A journal gets its name together with its first transaction: this is no unfinished write.
            scan.add_error("transaction-damaged", subject, hole.start, detail)
            return
        scan.problems.append(Problem("torn-end", "warning", subject, path=scan.path, offset=hole.start, detail=detail))
        return
    detail = f"it is not whole, but a later one at offset {following.start} is; {kept}"
    if last_synced >= following.start or hole.start == FILE_HEADER_SIZE:
        scan.add_error("transaction-damaged", subject, hole.start, detail)
    else:
        # A power cut under durability 'process' leaves the same.
        scan.is_damaged = True
        scan.problems.append(
            Problem("journal-hole", "warning", subject, path=scan.path, offset=hole.start, detail=detail)
        )


def _salvage(scan: JournalScan, start: int, end: int, limit: int) -> Iterator[FoundRecord]:
    """Yield the objects between *start* and *end* that an id proves, with bytes before *limit*; what looks like a record but is not proved goes to ``remains``."""
    at = start + TRANSACTION.size  # records are back to back, so one with a damaged header is found too
    left = _MOST_TRIED * (end - start) + LOOSE_LIMIT
    while left > 0 and at < end:
        found = salvage_record(scan.data, at, limit)
        if found is not None:
            id, obj, size = found
            yield FoundRecord(id, obj.kind, at, size)
            at += size
            continue
        left -= HEADER_SIZE + _note_remains(scan, at, end)
        match = _RECORD_HEAD.search(scan.data, at + 1, end)
        at = end if match is None else match.start()


def _note_remains(scan: JournalScan, at: int, end: int) -> int:
    """Keep the first bytes of what may have been an object, to tell its first words; return the number of bytes this took to read."""
    if at + HEADER_SIZE > end:
        return 0
    code, codec, _, stored, size, id = HEADER.unpack_from(scan.data, at)
    looked_at = sum(length for length in (stored, size) if length <= end - at)
    if stored <= end - at - HEADER_SIZE and 1 <= code <= len(KINDS) and len(scan.remains) < _MOST_REMAINS:
        body = scan.data[at + HEADER_SIZE : at + HEADER_SIZE + stored]
        scan.remains.setdefault(id, _unpacked_anyway(body) if codec else body[:_KEPT_OF_EACH])
    return int(looked_at)


def _unpacked_anyway(body: bytes) -> bytes:
    found = FrameCodec().measure(body, 0)
    return b"" if found is None else found[1][:_KEPT_OF_EACH]


def salvage_record(
    data: bytes, at: int, end: int, expected: ObjectId | None = None, limit: int = LOOSE_LIMIT
) -> tuple[ObjectId, Object, int] | None:
    """Return id, object and size of the record at *at*, even if a field of its header is damaged; None if no id proves it.

    Its id is the one that it claims, or the *expected* one, or one that appears elsewhere in *data*.
    """
    if at + HEADER_SIZE > end:
        return None
    code, codec, _, stored, size, claimed = HEADER.unpack_from(data, at)
    body = at + HEADER_SIZE
    for length, as_codec in dict.fromkeys(((stored, codec), (size, 0), (stored, 0), (-1, 1))):
        payload, taken = _payload(data, body, end, length, as_codec, limit)
        if payload is None:
            continue
        codes = dict.fromkeys((code, *range(1, len(KINDS) + 1)))
        for kind in (KINDS[one - 1] for one in codes if 1 <= one <= len(KINDS)):
            id = object_id(kind, payload)
            if id in (claimed, expected):
                return id, Object(kind, payload), HEADER_SIZE + taken
            if is_payload(kind, payload) and data.find(id) >= 0:
                return id, Object(kind, payload), HEADER_SIZE + taken
    return None


def is_payload(kind: Kind, payload: bytes) -> bool:
    """True if the bytes have the shape of an object of that kind."""
    try:
        check_payload(kind, payload)
    except ContentValidationError:
        return False
    return True


def _payload(data: bytes, body: int, end: int, length: int, codec: int, limit: int) -> tuple[bytes | None, int]:
    """Unpack the record with its body at *body*, taken as *codec* and *length*; return the payload and the number of bytes it takes."""
    if codec == 0:
        return (data[body : body + length], length) if 0 <= length <= min(end - body, limit) else (None, 0)
    found = FrameCodec().measure(data, body) if data[body : body + 4] == ZSTD_MAGIC else None
    if found is None or len(found[1]) > limit or body + found[0] > end:
        return None, 0
    return found[1], found[0]


def _object_at(data: bytes, at: int, end: int) -> tuple[ObjectId, Object, int] | None:
    """Return id, object and size of the record at *at*, or None if no record there is proved by its id."""
    if at + HEADER_SIZE > end:
        return None
    header = data[at : at + HEADER_SIZE]
    _, codec, zero, stored, size, id = HEADER.unpack(header)
    if zero or at + HEADER_SIZE + stored > end or (codec == 0 and stored != size):
        return None
    try:
        body = data[at + HEADER_SIZE : at + HEADER_SIZE + stored]
        return id, unpack_record(id, header, body, "", at, LOOSE_LIMIT), HEADER_SIZE + stored
    except ObjectCorruptError:
        return None
