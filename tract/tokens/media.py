"""Pictures and files: their tokens, by the rules that the providers publish.

    OpenAI      a picture is fitted into 2,048 x 2,048, and its shorter side into 768: 85, and 170 for each
                tile of 512 x 512; 85 in low detail ("Images and vision", for GPT-4o, 4.1 and 5)
    Anthropic   width * height / 750, the longer side being 1,568 at most, and 1,600 at most ("Vision")
    PDF         1,500 to 3,000 a page ("PDF support" of Anthropic's): 2,250

A picture's own format decides which of the two rules counts it; other models of these providers, and Gemini, have other rules.
A picture that lies elsewhere, so that its size is unknown, counts as one of 1,024 x 1,024 (OpenAI), or as the largest (Anthropic).
A file that lies elsewhere, and sound, count nothing: their price depends on pages and seconds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from tract.messages.pictures import decoded, picture_size
from tract.objects.message_format import JSON

UNSEEN_OPENAI = 765
UNSEEN_ANTHROPIC = 1600
PAGE = 2250

_LOW = 85
_TILE = 170
_PAGES = rb"/Type\s*/Page(?![a-zA-Z])"


def openai_image_tokens(source: JSON, detail: JSON) -> int:
    """The tokens of an OpenAI picture; *source* is its URL, which may be a data URL."""
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
    """The tokens of an Anthropic picture, by its ``source``."""
    data = source.get("data") if isinstance(source, Mapping) else None
    size = picture_size(data) if isinstance(data, str) else None
    if size is None:
        return UNSEEN_ANTHROPIC
    width, height = _within(*size, 1568)
    return min(UNSEEN_ANTHROPIC, math.ceil(width * height / 750))


def file_tokens(data: JSON, media_type: JSON = None) -> int:
    """The tokens of a file by its base64 *data*, or a data URL; 0 if it is not a PDF, or lies elsewhere."""
    if not isinstance(data, str):
        return 0
    if data[:5].lower() == "data:":
        head, _, data = data.partition(",")
        media_type = head[5:].partition(";")[0]
    if media_type not in (None, "application/pdf"):
        return 0
    raw = decoded(data)
    return max(1, len(re.findall(_PAGES, raw))) * PAGE if raw.startswith(b"%PDF") else 0


def _within(width: float, height: float, most: int) -> tuple[float, float]:
    scale = min(1.0, most / max(width, height))
    return width * scale, height * scale


def _size_of_data_url(source: JSON) -> tuple[int, int] | None:
    if not isinstance(source, str) or source[:5].lower() != "data:":
        return None
    return picture_size(source.partition(",")[2])
