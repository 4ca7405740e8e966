"""The values that a check of a store returns."""

from __future__ import annotations

from typing import Literal, TypeAlias

from tract.dataclass import KW_ONLY, dataclass, replace

Severity: TypeAlias = Literal["error", "warning", "note"]

_ORDER = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as docs/format.md says.

    An ``error`` is damage; a ``warning`` is something not to rely on, or what a killed process leaves behind; a ``note`` is harmless.
    *path* is relative to the store; *offset* is in bytes, or None if no place in the file is meant.
    *lost* says what can no longer be read; it is empty if nothing is lost.
    """

    kind: str
    severity: Severity
    subject: str
    _: KW_ONLY
    path: str
    offset: int | None
    detail: str
    lost: str = ""


@dataclass(frozen=True, slots=True)
class FsckReport:
    """All problems of a store, the worst first, and how much was checked.

    *objects* could be read and match their ids; *reachable* of them are reached from a ref or the reflog.
    """

    path: str
    problems: tuple[Problem, ...]
    objects: int
    reachable: int
    commits: int
    refs: int

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "warning")

    @property
    def is_clean(self) -> bool:
        """True if there is nothing worse than a note."""
        return not self.errors and not self.warnings

    def having(self, more: tuple[Problem, ...]) -> FsckReport:
        """The report with *more* problems in it."""
        return replace(self, problems=in_order((*self.problems, *more)))


def in_order(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Sort the worst first, then by file and place; consequences of damage come after it."""
    return tuple(sorted(problems, key=lambda p: (_ORDER[p.severity], not p.path, p.path, p.offset or 0)))
