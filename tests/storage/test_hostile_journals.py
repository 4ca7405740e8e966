"""Journals whose checksums are right and whose contents are not: an error of tract's, and soon."""

from __future__ import annotations

import struct
import time
import zlib
from pathlib import Path

import pytest

from tests.storage.conftest import operation
from tract.errors import ObjectCorruptError
from tract.maintenance.fsck.journal import scan_journal
from tract.objects.model import new_blob
from tract.storage.journal import Journal
from tract.storage.journal_format import FILE_HEADER_SIZE, MAGIC
from tract.storage.object_record import LOOSE_LIMIT, pack_record

NONCE = b"noncenon"


def journal(*transactions: bytes) -> bytes:
    head = MAGIC + NONCE
    head = (head + struct.pack("<I", zlib.crc32(head))).ljust(FILE_HEADER_SIZE, b"\0")
    return head + b"".join([transaction(7, 1, pack_record(operation("init")), 0), *transactions])


def transaction(flags: int, count: int, records: bytes, number: int) -> bytes:
    body = struct.pack("<IHHII", len(records), flags, 0, count, number) + records
    return NONCE + struct.pack("<I", zlib.crc32(body)) + body


@pytest.mark.parametrize("count", [2, 2**32 - 1])
def test_a_transaction_that_says_more_records_than_it_has_is_damage(tmp_path: Path, count: int) -> None:
    path = tmp_path / "journal"
    path.write_bytes(journal(transaction(3, count, pack_record(operation("more")), 1)))

    with pytest.raises(ObjectCorruptError, match="records it says"):
        Journal(str(path))


def test_a_journal_with_a_hole_every_few_bytes_is_checked_soon() -> None:
    data = journal(*(transaction(0, 0, b"", number) + b"\x01" for number in range(2200)))
    began = time.process_time()

    scan = scan_journal("journal", data)

    assert "journal-hole" in {problem.kind for problem in scan.problems}
    assert time.process_time() - began < 2  # 0.02 s; it grew with the third power of the holes


def test_records_that_unpack_to_much_are_damage_and_are_not_unpacked(tmp_path: Path) -> None:
    big = new_blob({"text": "x" * (64 * 1024 * 1024)})
    fits = new_blob({"text": "x" * (LOOSE_LIMIT - 100)})
    records = [pack_record(big)] * 20 + [pack_record(fits), pack_record(operation("more"))]
    data = journal(transaction(3, len(records), b"".join(records), 1))
    path = tmp_path / "journal"
    path.write_bytes(data)
    opened = Journal(str(path))
    began = time.process_time()

    with pytest.raises(ObjectCorruptError, match="1048576 at most"):
        opened.read(big.id)
    assert fits.payload == opened.read(fits.id).payload
    opened.close()
    assert {"record-damaged"} <= {problem.kind for problem in scan_journal("journal", data).problems}
    assert time.process_time() - began < 1  # 20 times 0.1 s before
