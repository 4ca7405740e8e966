"""The vocabularies of OpenAI's tokenizers, packed, so that counting needs no network.

A data file is ``<name>.bin.zst``, one zstd frame with a checksum; unpacked it is, in this order:

    4      n, the number of tokens, little endian
    n      each token's length in bytes, in the order of rank, 0 for one of 256 bytes and more
    4 * z  the lengths of those, little endian, z being the number of zeros above
    rest   the tokens, one after the other

A token's rank is its place; the ranks run from 0 without a gap.
``scripts/pack-vocabularies`` makes the files and checks them against the checksums of the official ones.

zstd is used and not xz because, for o200k_base, it takes 843 KB instead of 816 KB, but 2 ms to unpack instead of 35, in every process that counts.
The files are tiktoken's, under the licence in ``LICENSE-tiktoken``.
"""

from __future__ import annotations

import io
import os
import struct
from binascii import b2a_base64
from collections.abc import Sequence

from tract.errors import TokenizerError

OFFICIAL_SHA256 = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}
"""The SHA-256 of the official ``.tiktoken`` file of each vocabulary (tiktoken_ext/openai_public.py)."""

_COUNT = struct.Struct("<I")
_LONGEST = 64 * 1024 * 1024


def load_ranks(name: str) -> dict[bytes, int]:
    """The rank of each token of vocabulary *name*, in the order of rank; TokenizerError if its file is missing or damaged."""
    try:
        # A plain open: this is data of the package, not of a store, and installers may link it.
        with open(vocabulary_path(name), "rb") as file:
            return unpack_ranks(file.read())
    except (OSError, ValueError) as exc:
        raise TokenizerError(f"vocabulary '{name}' cannot be loaded: {exc}") from exc


def vocabulary_path(name: str) -> str:
    """The path of the data file of vocabulary *name*; TokenizerError if there is no such vocabulary."""
    if name not in OFFICIAL_SHA256:
        raise TokenizerError(f"no vocabulary named '{name}'; known are {', '.join(OFFICIAL_SHA256)}")
    return os.path.join(os.path.dirname(__file__), f"{name}.bin.zst")


def pack_tokens(tokens: Sequence[bytes]) -> bytes:
    """The data file for *tokens*, given in the order of rank; the same for the same tokens and version of zstd."""
    import zstandard  # as below

    lengths = bytes(len(token) if len(token) < 256 else 0 for token in tokens)
    long_lengths = b"".join(_COUNT.pack(len(token)) for token in tokens if len(token) >= 256)
    packed = _COUNT.pack(len(tokens)) + lengths + long_lengths + b"".join(tokens)
    return zstandard.ZstdCompressor(level=22, write_checksum=True).compress(packed)


def unpack_ranks(data: bytes) -> dict[bytes, int]:
    """The ranks in a data file; ValueError if it is not one."""
    import zstandard  # if every token was counted before, no vocabulary is unpacked

    try:
        if zstandard.frame_content_size(data) > _LONGEST:
            raise ValueError(f"not a packed vocabulary: it would have more than {_LONGEST} bytes")
        packed = zstandard.ZstdDecompressor().decompress(data)
        (count,) = _COUNT.unpack_from(packed)
    except (zstandard.ZstdError, struct.error) as exc:
        raise ValueError(f"not a packed vocabulary: {exc}") from exc
    start = _COUNT.size + count
    lengths: Sequence[int] = packed[_COUNT.size : start]
    if long := lengths.count(0):
        bodies = start + _COUNT.size * long
        if bodies > len(packed):
            raise ValueError("not a packed vocabulary: it is cut off")
        long_lengths = (length for (length,) in _COUNT.iter_unpack(packed[start:bodies]))
        lengths = [length or next(long_lengths) for length in lengths]
        start = bodies
    body = packed[start:]
    # Reading them off a stream is the quickest of six ways tried: 25 ms for the 200,000 of o200k_base, slicing takes 45.
    ranks = dict(zip(map(io.BytesIO(body).read, lengths), range(count), strict=True))
    if len(ranks) != count or sum(lengths) != len(body):
        raise ValueError(f"not a packed vocabulary: {count} tokens are promised, {len(ranks)} different ones found")
    return ranks


def official_text(name: str) -> bytes:
    """The official ``.tiktoken`` file of vocabulary *name*, rebuilt: a line of base64 and rank for each token."""
    return b"".join(b"%b %d\n" % (b2a_base64(token, newline=False), rank) for token, rank in load_ranks(name).items())


def official_sha256(name: str) -> str:
    """The SHA-256 of the rebuilt official file, in hexadecimal; equal to ``OFFICIAL_SHA256[name]`` unless the data is wrong."""
    import hashlib  # only to check: it loads OpenSSL, which no count needs

    return hashlib.sha256(official_text(name)).hexdigest()
