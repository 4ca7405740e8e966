"""Decoders of the files under ``objects/`` and ``cache/``.

A checksum keeps most changes away from the code behind it, and a hostile file has a right one: the targets called *sealed* mend the checksums of what they are given.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable
from contextlib import closing
from itertools import pairwise

import zstandard
from blake3 import blake3

from tests.fuzz.object_targets import sample_objects
from tests.fuzz.target import Target, check, put, refusing, scratch
from tract.maintenance.fsck.contents import salvage_loose
from tract.maintenance.fsck.journal import scan_journal
from tract.maintenance.fsck.pack import PackScan
from tract.objects.id import ID_SIZE, object_id
from tract.objects.model import NewObject, new_blob
from tract.storage.counts import (
    BlobCount,
    CountsReader,
    Totals,
    add_counts,
    add_totals,
    damaged_at,
    load_totals,
    read_counts,
)
from tract.storage.journal import Journal, create_journal
from tract.storage.journal_format import FILE_HEADER_SIZE, MAGIC, TRANSACTION
from tract.storage.loose import LooseObjects
from tract.storage.object_record import HEADER, HEADER_SIZE, pack_record, unpack_record
from tract.storage.pack import CHECK_SIZE, FRAME, IDS_A_CHECK, PACK_END, TRAILER, Pack
from tract.storage.pack_index import SEAL_SIZE, index_bytes, seal_of
from tract.storage.pack_writer import Group, write_pack
from tract.storage.zstd import FrameCodec, compress_record, decompress
from tract.tokens.vocabularies import pack_tokens, unpack_ranks

_NONCE = b"noncenon"
_RECORDS = TRANSACTION.size


def _bytes_of(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _some_objects() -> list[NewObject]:
    return [*sample_objects()[:6], new_blob({"text": "the same again " * 20}), sample_objects()[6]]


# Frames and records


def _frame(data: bytes) -> None:
    """Four bytes say how long the frame must be unpacked, one how much of the rest is a dictionary."""
    size, dictionary = int.from_bytes(data[:4], "little"), data[4:5]
    cut = 5 + (dictionary[0] if dictionary else 0)
    # Nobody asks for more than a payload may have.
    size = min(size, 1 << 28)
    if cut > 5:
        refusing(FrameCodec(dictionary=data[5:cut]).decompress, data[cut:], size)
    else:
        refusing(decompress, data[5:], size)


def _frames() -> tuple[bytes, ...]:
    text = b"a message, again and again " * 9
    alone = struct.pack("<IB", len(text), 0) + compress_record(text)
    learned = struct.pack("<IB", len(text), 27) + text[:27] + FrameCodec(dictionary=text[:27]).compress(text)
    return alone, learned


def _record(data: bytes) -> None:
    check(len(data) >= HEADER_SIZE, "shorter than a record's header")
    unpack_record(data[12:44], data[:HEADER_SIZE], data[HEADER_SIZE:], "file", 0)


def _record_sealed(data: bytes) -> None:
    """The same with the length and the id that fit the rest, where that is a payload as it is."""
    check(len(data) >= HEADER_SIZE, "shorter than a record's header")
    body = data[HEADER_SIZE:]
    kind, codec = data[0] % 4 + 1, data[1] % 3
    id = object_id(("blob", "tree", "commit", "operation")[kind - 1], body)
    size = len(body) if codec == 0 else int.from_bytes(data[8:12], "little")
    unpack_record(id, HEADER.pack(kind, codec, 0, len(body), size, id), body, "file", 0)


# The journal


def _read_journal(path: str) -> None:
    journal = Journal(path)
    try:
        for id in list(journal.index):
            journal.read(id)
            journal.kind(id)
        journal.scan()
    finally:
        journal.close()


def _journal(data: bytes) -> None:
    scan = scan_journal("journal", data)
    for record in scan.records:
        scan.load(record.offset)
    assert scan.torn is not None
    _read_journal(put("journal", data))
    check(not scan.is_damaged, "damaged")


def _journal_sealed(data: bytes) -> None:
    """A journal whose header and first transaction are right, and then a transaction with *data* in it."""
    check(len(data) >= 8, "shorter than a transaction")
    flags, count, records = int.from_bytes(data[:2], "little"), int.from_bytes(data[2:6], "little"), data[8:]
    whole = _head() + _transaction(7, 1, pack_record(sample_objects()[6]), 0) + _transaction(flags, count, records, 1)
    _journal(whole)


def _head() -> bytes:
    head = MAGIC + _NONCE
    return (head + struct.pack("<I", zlib.crc32(head))).ljust(FILE_HEADER_SIZE, b"\0")


def _transaction(flags: int, count: int, records: bytes, number: int) -> bytes:
    body = struct.pack("<IHHII", len(records), flags, 0, count, number) + records
    return _NONCE + struct.pack("<I", zlib.crc32(body)) + body


def _journals() -> tuple[bytes, ...]:
    path = str(scratch() / "seed-journal")
    create_journal(path, _some_objects())
    data = _bytes_of(path).rstrip(b"\0")
    last = _transaction(3, 1, pack_record(sample_objects()[7]), 1)
    torn = data + data[16:24] + last[8:-3]
    again = _head() + _transaction(7, 1, pack_record(sample_objects()[6]), 0) + last
    return data, torn, again


def _transactions() -> tuple[bytes, ...]:
    objects = [*_some_objects()[:-1], sample_objects()[7]]
    records = b"".join(map(pack_record, objects))
    return (struct.pack("<HIH", 3, len(objects), 0) + records,)


# Packs


def _read_pack(folder: str, name: str, ids: Iterable[bytes]) -> None:
    pack = Pack(os.path.join(folder, name))
    try:
        for id, _ in pack.ids():
            pack.find(id.hex()[:6])
            pack.read(id)
        for _ in pack.objects():
            pass
        for id in ids:
            pack.read(id)
            pack.contains(id)
        pack.forget()
    finally:
        pack.close()


def _pack_and_index(pack: bytes, index: bytes) -> None:
    put("one.pack", pack)
    put("one.idx", index)
    with closing(PackScan(str(scratch()), "one.pack")) as scan:
        for _, ordinal in scan.found.values():
            scan.load(ordinal)
        problem = scan.check_index(str(scratch()), "one.idx")
        _read_pack(str(scratch()), "one.pack", scan.found)
    check(not scan.is_damaged and problem is None, "damaged")


def _packs() -> tuple[bytes, ...]:
    return (_bytes_of(_seed_pack()),)


def _seed_pack() -> str:
    folder = scratch() / "seed-packs"
    folder.mkdir(exist_ok=True)
    made = sorted(folder.glob("*.pack"))
    if made:
        return str(made[0])
    objects = _some_objects()
    kinds = dict.fromkeys(new.kind for new in objects)
    groups = [Group(kind, [new.id for new in objects if new.kind == kind]) for kind in kinds]
    payloads = [new.payload for kind in kinds for new in objects if new.kind == kind]
    return write_pack(str(folder), groups, iter(payloads))


def _seed_index() -> bytes:
    return _bytes_of(_seed_pack().removesuffix(".pack") + ".idx")


def _pack_sealed(data: bytes) -> None:
    """A pack without its checksums (table check and seal at the end, checks of ids), which are put there, and its index."""
    check(len(data) >= TRAILER.size, "shorter than a trailer")
    frames, count, start, _ = TRAILER.unpack_from(data, len(data) - TRAILER.size)
    end, checks = start + count * ID_SIZE, -(-count // IDS_A_CHECK) * 4
    ids: list[bytes] = []
    if end + checks + frames * FRAME.size + TRAILER.size == len(data):
        ids = [data[at : at + ID_SIZE] for at in range(start, end, ID_SIZE)]
        blocks = [b"".join(ids[at : at + IDS_A_CHECK]) for at in range(0, count, IDS_A_CHECK)]
        data = data[:end] + struct.pack(f"<{len(blocks)}I", *map(zlib.crc32, blocks)) + data[end + checks :]
        tail = data[end:]
    else:
        tail = data[-TRAILER.size :]
    data += blake3(tail).digest()[:CHECK_SIZE]
    seal = blake3(data).digest()
    _pack_and_index(data + seal, index_bytes(ids, seal))


def _index_sealed(data: bytes) -> None:
    """Whatever the fanout says, the rows match their checks."""
    head, rows = data[:1080].ljust(1080, b"\0"), data[1080:]
    ends = [8 * end for end in struct.unpack_from("<256I", head, 56)]
    checks = [zlib.crc32(rows[start:end]) for start, end in pairwise((0, *ends))]
    end = struct.pack("<256I", *checks)
    _pack_and_index(_packs()[0], head + rows + end + seal_of(head, end))


# Loose objects, caches, vocabularies


def _loose(data: bytes) -> None:
    """The record says which object it claims to be, and that is the one that is asked for."""
    id = data[28:60].ljust(32, b"\0")
    folder = scratch() / "loose"
    loose = LooseObjects(str(folder / "objects"))
    os.makedirs(os.path.dirname(loose.path_of(id)), exist_ok=True)
    try:
        with open(loose.path_of(id), "wb") as file:
            file.write(data)
        salvage_loose(str(folder), f"objects/{id.hex()[:2]}/{id.hex()[2:]}")
        assert loose.find(id.hex()[:4])
        loose.read(id)
    finally:
        os.unlink(loose.path_of(id))


def _looses() -> tuple[bytes, ...]:
    bodies = [b"tract object 1\n".ljust(16, b"\0") + pack_record(new) for new in _some_objects()]
    return tuple(body + blake3(body).digest()[:16] for body in bodies)


def _loose_sealed(data: bytes) -> None:
    _loose(data + blake3(data).digest()[:16])


def _counts(data: bytes) -> None:
    problems: list[str] = []
    read_counts(data, lambda _, detail: problems.append(detail))
    path = put("counts", data)
    reader = CountsReader(path)
    for at in range(33):  # so many that are not there make it read all
        reader.look_up(bytes([at]) * 32)
    check(not problems and os.path.exists(path), "damaged")


def _counts_sealed(data: bytes) -> None:
    """The file's name, a number of rows, and rows; the checksum is put between."""
    check(len(data) >= 20, "shorter than a block")
    _counts(data[:20] + struct.pack("<I", zlib.crc32(data[20:])) + data[20:])


def _count_files() -> tuple[bytes, ...]:
    path = str(scratch() / "seed-counts")
    if not os.path.exists(path):
        add_counts(path, {bytes([n]) * 32: BlobCount(n, n + 3) for n in range(5)})
    return (_bytes_of(path),)


def _totals(data: bytes) -> None:
    path = put("totals", data)
    load_totals(path)
    check(damaged_at(data) is None and os.path.exists(path), "damaged")


def _totals_sealed(data: bytes) -> None:
    rows = [data[at : at + 60] for at in range(0, len(data), 60)]
    _totals(b"".join(struct.pack("<I", zlib.crc32(row)) + row for row in rows))


def _totals_files() -> tuple[bytes, ...]:
    path = str(scratch() / "seed-totals")
    if not os.path.exists(path):
        add_totals(path, {bytes([n]) * 32: Totals(n, 1, 0, 2**40, n % 2 == 0) for n in range(3)})
    return (_bytes_of(path),)


def _vocabulary(data: bytes) -> None:
    refusing(unpack_ranks, data)


def _vocabulary_sealed(data: bytes) -> None:
    refusing(unpack_ranks, zstandard.ZstdCompressor(level=1).compress(data))


def _vocabularies() -> tuple[bytes, ...]:
    return (pack_tokens([b"a", b"bc", b"long" * 80]),)


TARGETS = (
    Target("zstd-frame", _frame, _frames),
    Target("record", _record, lambda: tuple(map(pack_record, _some_objects()))),
    Target(
        "record-sealed",
        _record_sealed,
        lambda: tuple(pack_record(new) for new in _some_objects() if len(new.payload) < 96),
    ),
    Target("journal", _journal, _journals),
    Target("journal-sealed", _journal_sealed, _transactions),
    Target("pack", lambda data: _pack_and_index(data, _seed_index()), _packs, weight=4),
    Target("pack-sealed", _pack_sealed, lambda: tuple(data[: -CHECK_SIZE - SEAL_SIZE] for data in _packs())),
    Target("index", lambda data: _pack_and_index(_packs()[0], data), lambda: (_seed_index(),), weight=4),
    Target("index-sealed", _index_sealed, lambda: (_seed_index()[: -1024 - SEAL_SIZE],)),
    Target("loose-object", _loose, _looses, weight=4),
    Target("loose-object-sealed", _loose_sealed, lambda: tuple(data[:-16] for data in _looses())),
    Target("counts", _counts, _count_files, weight=4),
    Target("counts-sealed", _counts_sealed, lambda: tuple(data[:20] + data[24:] for data in _count_files()), weight=4),
    Target("totals", _totals, _totals_files, weight=4),
    Target(
        "totals-sealed", _totals_sealed, lambda: tuple(data[4:64] + data[68:128] for data in _totals_files()), weight=4
    ),
    Target("vocabulary", _vocabulary, _vocabularies, weight=2),
    Target(
        "vocabulary-sealed",
        _vocabulary_sealed,
        lambda: (zstandard.ZstdDecompressor().decompress(_vocabularies()[0]),),
        weight=4,
    ),
)

assert PACK_END == TRAILER.size + CHECK_SIZE + SEAL_SIZE
