"""The size of a picture, read from its first bytes: PNG, GIF, JPEG and WebP."""

from __future__ import annotations

import binascii
import struct

_HEAD = 256 * 1024  # base64 characters of a picture in which its size is looked for


def picture_size(data: str) -> tuple[int, int] | None:
    """Width and height in pixels of a picture in base64; None if they cannot be read."""
    raw = decoded(data[:_HEAD])
    found: tuple[int, int] | None = None
    try:
        if raw.startswith(b"\x89PNG\r\n\x1a\n"):
            found = struct.unpack_from(">II", raw, 16)
        elif raw[:6] in (b"GIF87a", b"GIF89a"):
            found = struct.unpack_from("<HH", raw, 6)
        elif raw.startswith(b"\xff\xd8"):
            found = _jpeg_size(raw)
        elif raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
            found = _webp_size(raw)
    except struct.error:
        return None
    return found if found is not None and min(found) > 0 else None


def _jpeg_size(raw: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 < len(raw):
        if raw[at] != 0xFF:
            return None
        kind = raw[at + 1]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", raw, at + 5)
            return width, height
        at += 1 if kind == 0xFF else 2 + struct.unpack_from(">H", raw, at + 2)[0]
    return None


def _webp_size(raw: bytes) -> tuple[int, int] | None:
    match raw[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(raw[24:27], "little"), 1 + int.from_bytes(raw[27:30], "little")
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", raw, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            bits = struct.unpack_from("<I", raw, 21)[0]
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None


def decoded(data: str) -> bytes:
    """The bytes of base64 text, as far as it can be decoded."""
    whole = data[: len(data) // 4 * 4]
    try:
        return binascii.a2b_base64(whole)
    except (binascii.Error, ValueError):
        return b""
