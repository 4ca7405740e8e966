"""``tract orchestrate``: run the orchestrator once, or for as long as the command runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from tract.agents.orchestrator import NO_TRIGGERS, OrchestratorConfig, OrchestratorResult, TriggerConfig
from tract.agents.schedule import Schedule, read_at, read_every
from tract.cli.command import DONE, NEGATIVE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.fleet import FILTERS
from tract.cli.fleet_runs import Fleet
from tract.cli.inputs import MODEL_PARAMS, open_client
from tract.cli.prompting import cli_prompt, is_asking
from tract.errors import OrchestratorError, TractError

if TYPE_CHECKING:
    from tract.api.tract import Tract

_MODES = ("all", "watch", "log", "pause", "resume", "stop", "state")

_OF_WATCHING = ("on_commit_count", "on_token_threshold", "every", "at")


def run(console: Console, args: Args) -> int:
    mistake = _mistake(args)
    if mistake is not None:
        console.error(mistake)
        return USAGE
    if args.all:
        return _all(console, args)
    # New messages of agents are no reason not to curate the older ones.
    with console.open_tract(on_moved="append") as tract, ExitStack() as stack:
        if args.log:
            return _print_log(console, tract, args)
        if args.pause:
            tract.pause_orchestrator()
        elif args.stop:
            tract.stop_orchestrator()
        if args.pause or args.stop or args.state:
            console.line(tract.orchestrator_state)
            return DONE
        client = stack.enter_context(open_client(console, args)) if args.model or args.provider else None
        if client is not None:
            tract.configure_llm(client)
        config = _config(args)
        if args.watch:
            return _watch(console, tract, config, args)
        if args.resume:
            found = tract.resume_orchestrator(config=config)
            if found is None:
                console.line(tract.orchestrator_state)
                return DONE
            return _print(console, found, args)
        return _print(console, tract.orchestrate(config=config), args)


def _mistake(args: Args) -> str | None:
    """The error in the combination of options, or None."""
    modes = [name for name in _MODES if getattr(args, name)]
    if len(modes) > 1:
        return f"--{modes[0]} and --{modes[1]} are two commands: give one of them"
    given = [name for name in _OF_WATCHING if getattr(args, name) is not None]
    if given and not args.watch:
        return f"--{given[0].replace('_', '-')} goes with --watch"
    if args.at_once < 1 or ((args.at_once > 1 or args.max_cost_a_day is not None) and not args.all):
        return "--at-once, a number from 1 on, and --max-cost-a-day go with --all"
    if args.interval < 1:
        return f"--interval must be a whole number of seconds from 1 on, not {args.interval}"
    return None


def _all(console: Console, args: Args) -> int:
    """Run in each selected tract."""
    ending = threading.Event()
    with ExitStack() as stack:
        client = stack.enter_context(open_client(console, args)) if args.model or args.provider else None
        fleet = Fleet(console, args, _config(args), client, lambda found: _print(console, found, args))
        with told_to_end(ending):
            return fleet.look_after_all(ending)


def _config(args: Args) -> OrchestratorConfig:
    return OrchestratorConfig(
        callbacks=cli_prompt,
        autonomy_ceiling=args.autonomy,
        profile=args.profile,
        max_steps=args.max_steps,
        max_tool_calls=args.max_tool_calls,
        max_tokens=args.max_tokens,
        max_seconds=args.max_seconds,
        max_cost=args.max_cost,
        model=args.model,
    )


def _triggers(args: Args, tract: Tract) -> TriggerConfig:
    """The triggers of a watching process: from the command line, else from the tract's configuration, else the defaults."""
    kept = tract.triggers_in_force()
    usual = TriggerConfig() if kept == NO_TRIGGERS else kept
    count, share = args.on_commit_count, args.on_token_threshold
    return TriggerConfig(
        usual.on_commit_count if count is None else count or None,
        usual.on_token_threshold if share is None else _share(share),
    )


def _schedule(args: Args) -> Schedule | None:
    if args.every is None and args.at is None:
        return None
    every = None if args.every is None else read_every(args.every)
    return Schedule(every, None if args.at is None else read_at(args.at))


def _share(text: str) -> float | None:
    try:
        return float(text) or None
    except ValueError:
        raise OrchestratorError(f"on_token_threshold must be a share of the budget, not {text!r:.40}") from None


def _print(console: Console, found: OrchestratorResult, args: Args) -> int:
    if args.json:
        console.print_json(found)
    else:
        for step in found.steps:
            console.line(str(step))
        console.line(f"{found.run_id}: {found.stopped_because}")
    return NEGATIVE if found.stopped_because.startswith(("the model failed", "it failed")) else DONE


def _print_log(console: Console, tract: Tract, args: Args) -> int:
    for one in tract.orchestrator_runs(limit=args.limit):
        if args.json:
            console.print_json(one)
        else:
            console.body(str(one))
    return DONE


def _watch(console: Console, tract: Tract, config: OrchestratorConfig, args: Args) -> int:
    """Check the triggers again and again, until SIGTERM or Ctrl-C, after which the call under way is finished."""
    ending = threading.Event()
    tract.end_runs_when(ending.is_set)
    failed: str | None = None
    with tract.watching(_triggers(args, tract), _schedule(args)), told_to_end(ending):
        while not ending.is_set():
            try:
                found = tract.orchestrate_if_due("watch", config=config)
                if found is not None:
                    _print(console, found, args)
                    console.flush()
                failed = None
            except TractError as exc:
                if str(exc) != failed:
                    console.error(str(exc))
                failed = str(exc)
            ending.wait(args.interval)
    return DONE


@contextmanager
def told_to_end(ending: threading.Event) -> Iterator[None]:
    """Inside, SIGTERM and Ctrl-C set *ending*, and interrupt a question to a person."""

    def end(_: int, __: FrameType | None) -> None:
        ending.set()
        if is_asking():  # the proposal in question stays pending
            raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


COMMAND = Command(
    run,
    (
        Param(
            "all",
            ("--all",),
            bool,
            help="Run once in each tract of the store; the limits on tokens, cost and seconds apply to all of them together.",
        ),
        *FILTERS,
        Param("watch", ("--watch",), bool, help="Keep running next to the agents, and work whenever a trigger fires."),
        Param("log", ("--log",), bool, help="Show what the runs did."),
        Param(
            "pause", ("--pause",), bool, help="Let the current run end after its current call, and hold all triggers."
        ),
        Param("resume", ("--resume",), bool, help="Continue the paused run."),
        Param("stop", ("--stop",), bool, help="Let the current run end after its current call, and drop it."),
        Param("state", ("--state",), bool, help="Print the state: idle, running, paused or stopped."),
        Param(
            "autonomy",
            ("--autonomy",),
            default="collaborative",
            choices=("manual", "collaborative", "autonomous"),
            help="The most it may do without approval; the tract's own autonomy is a limit as well.",
        ),
        Param(
            "profile",
            ("--profile",),
            default="self",
            choices=("read", "self", "supervisor", "full"),
            help="Which operations a model has.",
        ),
        Param(
            "on_commit_count",
            ("--on-commit-count",),
            int,
            metavar="N",
            help="With --watch: run after N messages (default 20); 0 means never.",
        ),
        Param(
            "on_token_threshold",
            ("--on-token-threshold",),
            metavar="SHARE",
            help="With --watch: run when this share of the budget is used (default 0.7); 0 means never.",
        ),
        Param(
            "every",
            ("--every",),
            metavar="AGE",
            help="With --watch: also run when the last run is this long ago: 30m, 6h, 1d.",
        ),
        Param("at", ("--at",), metavar="HH:MM", help="With --watch: also run each day at this time."),
        Param(
            "interval",
            ("--interval",),
            int,
            default=5,
            metavar="SECONDS",
            help="With --watch: the time between two checks.",
        ),
        Param(
            "max_steps",
            ("--max-steps",),
            int,
            default=10,
            metavar="N",
            help="The greatest number of questions to the model.",
        ),
        Param(
            "max_tool_calls",
            ("--max-tool-calls",),
            int,
            default=30,
            metavar="N",
            help="The greatest number of tool calls.",
        ),
        Param(
            "max_tokens",
            ("--max-tokens",),
            int,
            metavar="N",
            help="The most tokens, input and output, that the model may use.",
        ),
        Param("max_cost", ("--max-cost",), int, metavar="N", help="The greatest cost, in uncached input tokens."),
        Param(
            "max_cost_a_day",
            ("--max-cost-a-day",),
            int,
            metavar="N",
            help="With --all: the greatest cost of all runs in the store since midnight UTC.",
        ),
        Param(
            "at_once",
            ("--at-once",),
            int,
            default=1,
            metavar="N",
            help="With --all: how many tracts are worked on at the same time, each with its own calls to the model.",
        ),
        Param("max_seconds", ("--max-seconds",), int, metavar="N", help="The longest time, in seconds."),
        Param("limit", ("-n", "--max-count"), int, default=20, metavar="N", help="With --log: how many runs."),
        *MODEL_PARAMS,
        Param("json", ("--json",), bool, help="Print a JSON document for each run, one on a line."),
    ),
    """
Without --provider or --model no model is asked: the rule planner hides outputs that are no longer needed, and sums up the oldest messages.
An action that needs approval is asked about at the terminal, or waits: see 'tract proposals'.

  $ tract orchestrate
  $ tract orchestrate --all --over-budget --max-seconds 600
  $ tract orchestrate --all --stale 1d --provider anthropic --at-once 4 --max-cost-a-day 5000000
  $ tract orchestrate --watch --every 6h --at 03:30
  $ tract orchestrate --log
  $ tract orchestrate --pause
""",
    pages=False,
)
