"""``tract policy``: the policies of a tract, and their actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console, one_line
from tract.cli.proposals import read_changes, shown_arguments
from tract.cli.rendering import SHORT
from tract.errors import PolicyConfigError

if TYPE_CHECKING:
    from tract.agents.policies import Policy
    from tract.agents.policy_log import PolicyLogEntry
    from tract.api.tract import Tract

_ACTIONS = ("list", "add", "remove", "log", "test", "pause", "resume", "trust")
_STYLES = {"executed": "green", "proposed": "yellow", "skipped": "dim", "error": "red"}


def run(console: Console, args: Args) -> int:
    needs_name = args.action in ("add", "remove", "test")
    if needs_name != (args.name is not None):
        console.error(f"'{args.action}' {'needs' if needs_name else 'takes no'} name of a policy")
        return USAGE
    with console.open_tract() as tract:
        match args.action:
            case "list":
                _list(console, tract, args)
            case "add":
                tract.register_policy(_new(args.name, args))
            case "remove":
                tract.unregister_policy(args.name)
            case "log":
                _print_entries(console, tract.policy_log(limit=args.limit), args)
            case "test":
                _print_entries(console, tract.test_policy(_named(tract, args), at=args.at, since=args.since), args)
            case "pause":
                tract.pause_policies()
            case "resume":
                tract.resume_policies()
            case "trust":
                tract.trust_policies()
    return DONE


def _print_entries(console: Console, found: Sequence[PolicyLogEntry], args: Args) -> None:
    for one in found:
        _print_entry(console, one, args)
    if not found and not args.json:
        console.line("no firings" if args.action == "log" else "it would have done nothing")


def _list(console: Console, tract: Tract, args: Args) -> None:
    found = tract.policies()
    if args.json:
        for one in found:
            console.print_json(one)
        return
    console.line("Autonomy: ", console.paint(tract.autonomy_in_force(), "bold"))
    if not found:
        console.line("no policies")
    for one in found:
        when = {"commit": "after a commit", "compile": "before a compile", None: ""}[one.trigger]
        console.line(console.paint(one.name, "bold"), f"  {one.kind}  {when}".rstrip())
        if one.parameters:
            told = ", ".join(f"{name}={value!r}" for name, value in one.parameters.items())
            console.line("  ", one_line(told, max(20, console.width - 2)))
        if one.problem is not None:
            console.line("  ", console.paint(f"does nothing: {one.problem}", "yellow"))


def _named(tract: Tract, args: Args) -> Policy:
    """The named policy of the tract, or a new one of tract's own classes."""
    from tract.agents.policies import build_policy
    from tract.agents.policy_settings import PolicySetting

    for one in tract.policies():
        if one.name == args.name:
            return build_policy(PolicySetting(one.name, one.kind, {**one.parameters, **read_changes(args.set)}))
    return _new(args.name, args)


def _new(kind: str, args: Args) -> Policy:
    from tract.agents.policies import make_policy

    try:
        return make_policy(kind, read_changes(args.set))
    except PolicyConfigError as exc:
        raise PolicyConfigError(f"'{args.name}' is not a policy of this tract, and cannot be made: {exc}") from exc


def _print_entry(console: Console, one: PolicyLogEntry, args: Args) -> None:
    if args.json:
        console.print_json(one)
        return
    from tract.agents.actions import without_name

    what = "" if one.action is None else f"{one.action.name}({shown_arguments(one.action)})"
    lead = f"{one.created_at:%Y-%m-%d %H:%M:%S} {(one.commit_hash or '')[:SHORT]} "
    console.line(
        lead, console.paint(one.outcome, _STYLES[one.outcome]), f" {one.policy} ", one_line(what, console.width)
    )
    if one.proposal_id is not None:
        console.line("  ", console.paint(one.proposal_id, "yellow"), f" {one.proposal_status or 'is gone'}")
    told = one.error or one.reason
    told = told if one.action is None else without_name(one.action, told)
    if told:
        console.line("  ", one_line(told, max(20, console.width - 2)))


COMMAND = Command(
    run,
    (
        Param("action", choices=_ACTIONS, default="list", help="What to do (default: list)."),
        Param("name", metavar="POLICY", help="The name of a policy; for add its class, such as CompressPolicy."),
        Param(
            "set",
            ("--set",),
            metavar="KEY=VALUE",
            many=True,
            help="For add and test: a parameter of the policy; the value is JSON or a text.",
        ),
        Param(
            "at", ("--at",), default="HEAD", metavar="REVISION", help="For test: the commit to look at, or the last."
        ),
        Param("since", ("--since",), metavar="REVISION", help="For test: look at every commit after this one."),
        Param("limit", ("-n", "--max-count"), int, default=50, metavar="N", help="For log: how many entries."),
        Param("json", ("--json",), bool, help="Print a JSON document for each, one on a line."),
    ),
    """
A policy looks at the tract after each commit, or before the context is compiled to be sent, and asks for an action. The autonomy decides whether the action runs or is proposed ('tract config autonomy manual', 'collaborative' or 'autonomous').
Policies that came with a clone or an import do nothing until 'tract policy trust'.

  $ tract policy add CompressPolicy --set threshold=0.8
  $ tract policy test CompressPolicy --since HEAD~20
  $ tract policy log -n 10
""",
    pages=True,
)
