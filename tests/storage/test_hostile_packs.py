"""Packs and indexes whose checksums are right and whose tables are not: an error of tract's, in little memory and soon."""

from __future__ import annotations

import os
import struct
import time
import zlib
from contextlib import closing
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3

from tests.storage.conftest import blob
from tract.errors import ObjectCorruptError
from tract.maintenance.fsck.pack import PackScan
from tract.storage.pack import CHECK_SIZE, FRAME, PACK_MAGIC, TRAILER, Pack
from tract.storage.pack_index import SEAL_SIZE, index_bytes, seal_of
from tract.storage.pack_writer import Group, write_pack

IDS = [bytes([n]) * 32 for n in range(1, 41)]
MANY_IDS = [blake3(bytes([n % 256, n // 256])).digest() for n in range(2000)]


def put_pack(folder: Path, frame: bytes, rows: list[tuple[int, int, int, int, int]]) -> str:
    """A pack of one object a row: (offset, stored, raw, first, number)."""
    ids = (IDS if len(rows) <= len(IDS) else MANY_IDS)[: len(rows)]
    checks = b"".join(struct.pack("<I", zlib.crc32(b"".join(ids[at : at + 256]))) for at in range(0, len(ids), 256))
    table = b"".join(FRAME.pack(*row, 1, 0) for row in rows)
    data = PACK_MAGIC + frame + b"".join(ids)
    tail = checks + table + TRAILER.pack(len(rows), len(ids), 16 + len(frame), 0)
    data += tail + blake3(tail).digest()[:CHECK_SIZE]
    seal = blake3(data).digest()
    (folder / "one.pack").write_bytes(data + seal)
    (folder / "one.idx").write_bytes(index_bytes(ids, seal))
    return str(folder / "one.pack")


def read_all(path: str) -> None:
    pack = Pack(path)
    try:
        for id in IDS[:1]:
            pack.read(id)
    finally:
        pack.close()


@pytest.mark.parametrize(
    "row",
    [(2**64 - 1, 9, 9, 0, 1), (16, 2**32 - 1, 9, 0, 1), (2**40, 9, 9, 0, 1), (16, 9, 9, 5, 1), (16, 9, 9, 0, 0)],
)
def test_a_frame_that_lies_elsewhere_is_damage(tmp_path: Path, row: tuple[int, int, int, int, int]) -> None:
    with pytest.raises(ObjectCorruptError):
        read_all(put_pack(tmp_path, b"123456789", [row]))


@pytest.mark.parametrize("fanout", [[0] * 255 + [2], [2**32 - 1] * 256, [1] * 255 + [0]])
def test_an_index_whose_fanout_leads_out_of_it_is_damage(tmp_path: Path, fanout: list[int]) -> None:
    new = blob("x")
    path = write_pack(str(tmp_path), [Group("blob", [new.id])], iter([new.payload]))
    index = path.removesuffix(".pack") + ".idx"
    data = Path(index).read_bytes()[:-SEAL_SIZE]
    data = data[:56] + struct.pack("<256I", *fanout) + data[56 + 1024 :]
    os.chmod(index, 0o600)
    Path(index).write_bytes(data + seal_of(data, data[-1024:]))

    with pytest.raises(ObjectCorruptError, match="fanout"):
        Pack(path)


def test_many_rows_about_one_frame_are_not_unpacked_each(tmp_path: Path) -> None:
    size = 64 * 1024 * 1024
    frame = zstandard.ZstdCompressor(write_checksum=True).compress(struct.pack("<I", size - 4) + bytes(size - 4))
    path = put_pack(tmp_path, frame, [(16, len(frame), size, n, 1) for n in range(40)])
    began = time.process_time()

    with pytest.raises(ObjectCorruptError, match="overlap"):
        Pack(path)
    with closing(PackScan(str(tmp_path), "one.pack")) as scan:
        assert "its frames overlap" in {problem.detail for problem in scan.problems}
    assert time.process_time() - began < 2  # 0.2 s; each row cost 0.1 s and 64 MiB before


def test_of_many_rows_about_one_frame_few_are_unpacked(tmp_path: Path) -> None:
    raw = struct.pack("<I", 4096) + os.urandom(4096)
    frame = zstandard.ZstdCompressor(write_checksum=True).compress(raw)
    pack = Pack(put_pack(tmp_path, frame, [(16, len(frame), len(raw), n, 1) for n in range(2000)]))
    unpacked: list[bytes] = []

    with closing(pack), pytest.raises(ObjectCorruptError, match="overlap"):
        unpacked.extend(pack.payloads([id], 0, "blob")[0] for id in MANY_IDS)
    with closing(PackScan(str(tmp_path), "one.pack")) as scan:
        assert "its frames overlap" in {problem.detail for problem in scan.problems}

    assert 0 < len(unpacked) < 100
    assert {raw[4:]} == set(unpacked)


def test_an_object_of_a_pack_with_many_frames_is_in_its_own(tmp_path: Path) -> None:
    raws = [struct.pack("<I", 4) + struct.pack("<I", n) for n in range(2000)]
    frames = [zstandard.ZstdCompressor(write_checksum=True).compress(raw) for raw in raws]
    starts = [16 + sum(map(len, frames[:n])) for n in range(2000)]
    rows = [(start, len(frames[n]), len(raws[n]), n, 1) for n, start in enumerate(starts)]

    with closing(Pack(put_pack(tmp_path, b"".join(frames), rows))) as pack:
        for n in (*range(1999, 0, -100), 0, *range(2000)):
            assert [raws[n][4:]] == pack.payloads([MANY_IDS[n]], 0, "blob")


def test_a_frame_that_says_it_holds_more_objects_than_the_pack_is_damage(tmp_path: Path) -> None:
    number = 600
    raw = struct.pack(f"<{number}I", *[0] * number)
    frame = zstandard.ZstdCompressor(write_checksum=True).compress(raw)
    rows = [(16, len(frame), len(raw), 0, number), (16, len(frame), len(raw), number, 0)]
    pack = Pack(put_pack(tmp_path, frame, rows))

    try:
        with pytest.raises(ObjectCorruptError, match="no object number 256"):
            pack.payloads(IDS[:2] * number, 0, "blob")
    finally:
        pack.close()
