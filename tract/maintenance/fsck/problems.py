"""What a check of a store finds wrong, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as docs/format.md says.

    An ``error`` is damage; a ``warning`` is what nobody should rely on, or what a killed process leaves behind; a ``note`` is harmless.
    *path* is relative to the store; *offset* is in bytes, or None where no place in the file is meant.
    *lost* says what cannot be had any more; it is empty when nothing is lost.
    """

    kind: str
    severity: Severity
    subject: str
    path: str
    offset: int | None
    detail: str
    lost: str = ""
