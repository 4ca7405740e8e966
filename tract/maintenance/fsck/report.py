"""What a check of a store found, as a value."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tract.maintenance.fsck.problems import Problem

_ORDER = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True, slots=True)
class FsckReport:
    """Everything that is not as it should be, the worst first, and how much was looked at.

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
        """Whether there is nothing worse than a note."""
        return not self.errors and not self.warnings

    def having(self, more: tuple[Problem, ...]) -> FsckReport:
        """The report with *more* problems in it."""
        return replace(self, problems=in_order((*self.problems, *more)))


def in_order(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """The worst first, and by file and place; what follows from damage comes after it."""
    return tuple(sorted(problems, key=lambda p: (_ORDER[p.severity], not p.path, p.path, p.offset or 0)))
