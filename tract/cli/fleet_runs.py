"""``tract orchestrate --all``: a run in each selected tract, several at once, within common limits."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tract.agents.orchestrator import OrchestratorCallbacks, OrchestratorConfig, OrchestratorResult
from tract.agents.runs import cost_since
from tract.cli.command import DONE, NEGATIVE, Args
from tract.cli.console import Console
from tract.cli.fleet import chosen_tracts
from tract.dataclass import dataclass, replace
from tract.errors import TractError
from tract.llm.types import LLMClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from tract.api.tract import Tract


@dataclass(slots=True)
class Purse:
    """The rest of the limits of all runs together; None is no limit. *until* is a time of ``time.monotonic``."""

    until: float | None
    tokens: int | None
    cost: float | None

    def share(self, parts: int) -> OrchestratorConfig | None:
        """The limits of one run while up to *parts* may be under way, which are taken out of the purse; None if nothing is left."""
        seconds = None if self.until is None else self.until - time.monotonic()
        tokens = None if self.tokens is None else self.tokens // parts
        cost = None if self.cost is None else self.cost / parts
        if any(one is not None and one <= 0 for one in (seconds, tokens, cost)):
            return None
        self.tokens = None if self.tokens is None else self.tokens - (tokens or 0)
        self.cost = None if self.cost is None else self.cost - (cost or 0)
        return OrchestratorConfig(max_seconds=seconds, max_tokens=tokens, max_cost=cost)

    def give_back(self, share: OrchestratorConfig, tokens: int, cost: float) -> None:
        """Put back the unused part of a run's share."""
        self.tokens = None if self.tokens is None else self.tokens + (share.max_tokens or 0) - tokens
        self.cost = None if self.cost is None else self.cost + (share.max_cost or 0) - cost


@dataclass(slots=True)
class _UnderWay:
    name: str
    tract: Tract
    share: OrchestratorConfig
    stack: ExitStack


class Fleet:
    """The runs of one command: *config* is common to them, *tell* prints a run's result and says whether it failed."""

    def __init__(
        self,
        console: Console,
        args: Args,
        config: OrchestratorConfig,
        client: LLMClient | None,
        tell: Callable[[OrchestratorResult], int],
    ) -> None:
        # One terminal cannot ask two questions at once; actions that need approval then wait.
        self._config = config if args.at_once == 1 else replace(config, callbacks=OrchestratorCallbacks())
        self._console, self._args, self._client, self._tell = console, args, client, tell
        self._under_way: dict[Future[OrchestratorResult], _UnderWay] = {}
        self._status = DONE

    def look_after_all(self, ending: threading.Event) -> int:
        """Begin a run for one tract after the other, while the limits last and *ending* is not set."""
        console, args = self._console, self._args
        with console.open_repository() as repo:
            names = [info.tract_id for info in chosen_tracts(console, repo, args)]
            spent = 0.0 if args.max_cost_a_day is None else cost_since(repo, _start_of_day())
        purse = _purse(args, spent)
        own = console.tract
        with ThreadPoolExecutor(args.at_once, thread_name_prefix="tract fleet") as pool:
            for at, name in enumerate(names):
                while len(self._under_way) >= args.at_once:
                    self._collect(purse)
                share = purse.share(args.at_once - len(self._under_way))
                while share is None and self._under_way:
                    self._collect(purse)
                    share = purse.share(args.at_once)
                if share is None or ending.is_set():
                    why = "it was told to end" if ending.is_set() else "the limits are reached"
                    console.warn(f"{why}: {len(names) - at} of {len(names)} tracts were not worked on")
                    self._status = NEGATIVE
                    break
                console.tract = name
                self._begin(pool, name, share, ending)
            while self._under_way:
                self._collect(purse)
        console.tract = own
        return self._status

    def _begin(self, pool: ThreadPoolExecutor, name: str, share: OrchestratorConfig, ending: threading.Event) -> None:
        stack = ExitStack()
        try:
            tract = stack.enter_context(self._console.open_tract(on_moved="append"))
        except TractError as exc:
            self._fail(name, exc)
            return
        tract.configure_llm(self._client)
        tract.end_runs_when(ending.is_set)
        config = replace(
            self._config, max_seconds=share.max_seconds, max_tokens=share.max_tokens, max_cost=share.max_cost
        )
        made = pool.submit(tract.orchestrate, config=config)
        self._under_way[made] = _UnderWay(name, tract, share, stack)

    def _collect(self, purse: Purse) -> None:
        """Wait for a run to end, and report it."""
        for done in wait(self._under_way, return_when=FIRST_COMPLETED).done:
            one = self._under_way.pop(done)
            with one.stack:
                try:
                    found = done.result()
                except TractError as exc:
                    purse.give_back(one.share, 0, 0.0)
                    self._fail(one.name, exc)
                    continue
                purse.give_back(one.share, found.tokens_used, found.cost)
            if not self._args.json:
                self._console.line(self._console.paint(one.name, "bold"))
            self._status = self._tell(found) or self._status

    def _fail(self, name: str, exc: TractError) -> None:
        self._console.error(f"tract '{name}': {exc}")
        self._status = NEGATIVE


def _purse(args: Args, spent: float) -> Purse:
    until = None if args.max_seconds is None else time.monotonic() + args.max_seconds
    day = None if args.max_cost_a_day is None else max(0.0, args.max_cost_a_day - spent)
    costs = [one for one in (args.max_cost, day) if one is not None]
    return Purse(until, args.max_tokens, min(costs) if costs else None)


def _start_of_day() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
