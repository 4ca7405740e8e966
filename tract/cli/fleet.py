"""The tracts of a store that need attention: those unchanged for a while, and those over their budget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tract.cli.command import Args, Param
from tract.cli.console import Console
from tract.cli.workspace import looking_workspace
from tract.compile.workspace import Workspace
from tract.dataclass import replace
from tract.history.read_time import read_time
from tract.history.tracts import in_tract, settings_in
from tract.repo import Repository
from tract.report.tracts import TractInfo, list_tracts

FILTERS = (
    Param("stale", ("--stale",), metavar="AGE", help="Only tracts that did not change for this long: 1d, 12h, 2w."),
    Param("over_budget", ("--over-budget",), bool, help="Only tracts whose context has more tokens than their budget."),
)


def chosen_tracts(console: Console, repo: Repository, args: Args, *, counts: bool = False) -> Iterator[TractInfo]:
    """The tracts of the store that *args* select; with their figures if *counts*, or if the selection needs tokens."""
    before = None if args.stale is None else read_time(args.stale)

    @contextmanager
    def workspace_in(other: Repository) -> Iterator[Workspace]:
        inside = in_tract(other, other.tract)
        yield looking_workspace(replace(inside, config=settings_in(inside)), console.warn)

    for info in list_tracts(repo, workspace_in=workspace_in if counts or args.over_budget else None):
        if before is not None and (info.last_changed is None or info.last_changed > before):
            continue
        if args.over_budget:
            budget = settings_in(in_tract(repo, info.tract_id)).budget
            if budget is None or (info.token_count or 0) <= budget.max_tokens:
                continue
        yield info
