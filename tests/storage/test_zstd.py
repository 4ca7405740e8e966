"""zstd frames from a damaged or hostile file: refused, and in little memory."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tract.errors import ObjectCorruptError
from tract.objects.id import object_id
from tract.objects.model import new_blob
from tract.storage.object_record import HEADER, HEADER_SIZE, pack_record, unpack_record
from tract.storage.zstd import FrameCodec, compress_record, decompress

MIB = 1024 * 1024
BOMB = zstandard.ZstdCompressor(level=3).compress(bytes(256 * MIB))
HIDDEN = zstandard.ZstdCompressor(level=3, write_content_size=False).compress(bytes(16 * MIB))
# 13 bytes that claim 16 TiB.
CLAIM = b"\x28\xb5\x2f\xfd\xe0" + (1 << 44).to_bytes(8, "little")


@pytest.mark.parametrize("frame", [BOMB, HIDDEN, CLAIM, CLAIM + b"\x01\0\0", b"", b"\x28\xb5\x2f\xfd", b"junk" * 9])
@pytest.mark.parametrize("size", [0, 1, 1000])
def test_a_frame_of_another_size_is_refused_in_little_memory(frame: bytes, size: int) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ValueError):
            decompress(frame, size)
        with pytest.raises(ValueError):
            FrameCodec().decompress(frame, size)
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


def test_a_frame_that_yields_more_or_less_than_it_claims_is_refused() -> None:
    frame = bytearray(compress_record(b"a" * 200))
    assert 200 == zstandard.frame_content_size(bytes(frame))
    at = frame.index(200)
    for claim in (1, 199, 201, 255):
        frame[at] = claim
        with pytest.raises(ValueError):
            decompress(bytes(frame), claim)


def test_nothing_may_follow_a_frame() -> None:
    frame = compress_record(b"a" * 200)

    for extra in (b"\0", frame, b"\x50\x2a\x4d\x18\0\0\0\0"):
        with pytest.raises(ValueError):
            decompress(frame + extra, 200)


@given(st.binary(max_size=100), st.integers(0, 200))
def test_random_bytes_raise_only_value_error(data: bytes, size: int) -> None:
    try:
        assert size == len(decompress(data, size))
    except ValueError:
        return


@pytest.mark.parametrize("text", ["short", "long " * 100])
def test_a_record_reads_back_and_every_flipped_bit_is_seen_or_changes_nothing(text: str) -> None:
    new = new_blob({"text": text})
    record = pack_record(new)

    assert ("blob", new.payload) == unpack_record(new.id, record[:HEADER_SIZE], record[HEADER_SIZE:], "file", 0)
    for at in range(len(record) * 8):
        damaged = bytearray(record)
        damaged[at // 8] ^= 1 << at % 8
        try:
            found = unpack_record(new.id, bytes(damaged[:HEADER_SIZE]), bytes(damaged[HEADER_SIZE:]), "file", 7)
        except ObjectCorruptError:
            continue
        assert ("blob", new.payload) == found


def test_a_record_that_claims_too_much_is_refused() -> None:
    payload = bytes(1000)
    id = object_id("blob", payload)
    for size in (2**32 - 1, 257 * MIB):
        header = HEADER.pack(1, 1, 0, len(CLAIM), size, id)
        with pytest.raises(ObjectCorruptError):
            unpack_record(id, header, CLAIM, "file", 0)


@pytest.mark.parametrize("policy", [None, "cffi_fallback"])
def test_the_library_is_loaded_without_its_package_and_is_the_same_to_who_imports_that(policy: str | None) -> None:
    program = """
        import sys
        from tract.storage.zstd import compress_record, decompress
        assert b"a" * 900 == decompress(compress_record(b"a" * 900), 900)
        print("zstandard" in sys.modules, "platform" in sys.modules)
        import zstandard
        import zstandard.backend_c
        from tract.storage.zstd import _zstd
        assert b"b" * 900 == decompress(zstandard.compress(b"b" * 900), 900)
        print(zstandard.ZstdError is zstandard.backend_c.ZstdError is _zstd().ZstdError)
    """
    environment = os.environ | ({} if policy is None else {"PYTHON_ZSTANDARD_IMPORT_POLICY": policy})
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    assert [f"{policy is not None}", f"{policy is not None}", "True"] == done.stdout.split()
