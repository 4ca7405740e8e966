"""The revisions a command includes, and those it excludes."""

from __future__ import annotations

from collections.abc import Sequence

NOT = "--not"
"""Inverts the revisions behind it, up to the next one."""


def turned(revisions: Sequence[str]) -> list[str]:
    """*revisions* without ``--not``: those behind it get a ``^``, or lose the one they had; a range ``A..B`` becomes ``A`` and ``^B``."""
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
