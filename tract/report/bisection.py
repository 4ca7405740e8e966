"""Bisection with a program as the judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Literal

from tract.compile.compiled import CompiledContext
from tract.compile.views import compile_at
from tract.compile.workspace import Workspace, context_commit
from tract.errors import BisectError
from tract.history.bisect import Bisection, next_step
from tract.report.info import CommitInfo
from tract.report.log import describe

Judge = Callable[[CompiledContext], bool | None]


def first_bad(
    looking: Callable[[], AbstractContextManager[Workspace]],
    good: str | Sequence[str],
    bad: str,
    test: Judge,
    notes: Literal["now", "then"],
) -> CommitInfo:
    """The first commit between *good* and *bad* whose context does not pass *test*.

    *looking* is held while the workspace is used, and not while the test runs, which may take its time.
    """
    with looking() as space:
        known = Bisection().marked("bad", context_commit(space.repo, bad))
        for name in (good,) if isinstance(good, str) else good:
            known = known.marked("good", context_commit(space.repo, name))
    while True:
        with looking() as space:
            step = next_step(space.repo, known)
            if step.is_found:
                return describe(space, step.commit)
            context = compile_at(space, at_commit=step.commit.hex(), notes=notes)
        passed = test(context)
        if isinstance(passed, str):  # what a model said: "bad" is as true as "good"
            raise BisectError(f"the test answers with True, False or None, not with {passed[:40]!r}")
        known = known.marked("skip" if passed is None else "good" if passed else "bad", step.commit, step)
