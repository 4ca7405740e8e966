"""Keeping keys out of sight, in what a provider says as well."""

from __future__ import annotations

import json
from collections.abc import Iterable

_SHOWN = 200  # characters of a provider's text in a message
_SHORTEST = 6  # a shorter text is no secret, and would be found everywhere


class Secrets:
    """What must not be shown. It cannot be printed itself."""

    __slots__ = ("_texts",)

    def __init__(self, texts: Iterable[str]) -> None:
        long = {text for text in texts if len(text) >= _SHORTEST}
        escaped = {json.dumps(text)[1:-1] for text in long}  # as a body of JSON has it
        self._texts = tuple(sorted(long | escaped, key=len, reverse=True))

    def __repr__(self) -> str:
        return "Secrets(…)"

    def excerpt(self, text: str) -> str:
        """The start of *text* as one line that can be printed, without anything secret."""
        # First hidden, then cut: half a key is a secret too.
        for secret in self._texts:
            text = text.replace(secret, "***")
        line = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * _SHOWN]).split())
        return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
