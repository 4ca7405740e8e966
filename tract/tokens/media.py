"""Pictures and files: how many tokens they are, by the rules that the providers publish.

    OpenAI      a picture that fits into 2,048 x 2,048 and whose shorter side is 768 at most then: 85, and 170 for each
                tile of 512 x 512; 85 in low detail ("Images and vision", for GPT-4o, 4.1 and 5)
    Anthropic   width * height / 750, the longer side being 1,568 at most, and 1,600 at most ("Vision")
    PDF         1,500 to 3,000 a page ("PDF support" of Anthropic's): 2,250

By which of the two a picture counts its own format says; other models of these providers, and Gemini, have other rules.
A picture whose size nobody can see, for it lies elsewhere, counts as one of 1,024 x 1,024 (OpenAI), or as the largest (Anthropic).
A file that lies elsewhere, and sound, count nothing: what they are charged depends on pages and seconds.
"""

from __future__ import annotations

import binascii
import math
import re
import struct
from collections.abc import Mapping

from tract.objects.message_format import JSON

UNSEEN_OPENAI = 765
UNSEEN_ANTHROPIC = 1600
PAGE = 2250

_LOW = 85
_TILE = 170
_HEAD = 256 * 1024  # base64 characters of a picture in which its size is looked for
_PAGES = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")


def openai_image_tokens(source: JSON, detail: JSON) -> int:
    """The tokens of a picture of OpenAI's: *source* is its URL, with the data in it or not."""
    if detail == "low":
        return _LOW
    size = _size_of_data_url(source)
    if size is None:
        return UNSEEN_OPENAI
    width, height = _within(*size, 2048)
    short = min(width, height)
    scale = min(1.0, 768 / short)
    tiles = math.ceil(width * scale / 512) * math.ceil(height * scale / 512)
    return _LOW + _TILE * tiles


def anthropic_image_tokens(source: JSON) -> int:
    """The tokens of a picture of Anthropic's, by its ``source``."""
    data = source.get("data") if isinstance(source, Mapping) else None
    size = _size(data) if isinstance(data, str) else None
    if size is None:
        return UNSEEN_ANTHROPIC
    width, height = _within(*size, 1568)
    return min(UNSEEN_ANTHROPIC, math.ceil(width * height / 750))


def file_tokens(data: JSON, media_type: JSON = None) -> int:
    """The tokens of a file by its base64 *data*, or a data URL; 0 where it is no PDF, or lies elsewhere."""
    if not isinstance(data, str):
        return 0
    if data[:5].lower() == "data:":
        head, _, data = data.partition(",")
        media_type = head[5:].partition(";")[0]
    if media_type not in (None, "application/pdf"):
        return 0
    raw = _decoded(data)
    return max(1, len(_PAGES.findall(raw))) * PAGE if raw.startswith(b"%PDF") else 0


def _within(width: float, height: float, most: int) -> tuple[float, float]:
    scale = min(1.0, most / max(width, height))
    return width * scale, height * scale


def _size_of_data_url(source: JSON) -> tuple[int, int] | None:
    if not isinstance(source, str) or source[:5].lower() != "data:":
        return None
    return _size(source.partition(",")[2])


def _size(data: str) -> tuple[int, int] | None:
    """Width and height of a picture in base64; None where they cannot be seen."""
    raw = _decoded(data[:_HEAD])
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


def _decoded(data: str) -> bytes:
    """The bytes of base64 text, as far as they are some."""
    whole = data[: len(data) // 4 * 4]
    try:
        return binascii.a2b_base64(whole)
    except (binascii.Error, ValueError):
        return b""
