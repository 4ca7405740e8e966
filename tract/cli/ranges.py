"""Which revisions a command is given, and which it is to leave out."""

from __future__ import annotations

from collections.abc import Sequence

NOT = "--not"
"""Turns around what the revisions behind it mean, up to the next one."""


def turned(revisions: Sequence[str]) -> list[str]:
    """*revisions* without ``--not``: those behind it with a ``^``, or without the one they had; a range ``A..B`` becomes ``A`` and ``^B``."""
    found: list[str] = []
    is_turned = False
    for text in revisions:
        if text == NOT:
            is_turned = not is_turned
        elif not is_turned:
            found.append(text)
        elif text.startswith("^"):
            found.append(text[1:])
        else:
            left, dots, right = text.partition("..")
            is_range = dots and not right.startswith(".")
            found += [left or "HEAD", f"^{right or 'HEAD'}"] if is_range else [f"^{text}"]
    return found
