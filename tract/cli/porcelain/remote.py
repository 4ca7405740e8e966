"""``tract remote``: other places that the store is kept in."""

from __future__ import annotations

from collections.abc import Sequence

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.config import RemoteConfig
from tract.remote.remotes import add_remote, describe, probed, remember_probe, remote_named, remotes, remove_remote

_NAMES = {None: 0, "list": 0, "add": 2, "remove": 1, "probe": 1}
"""How many names each action takes."""


def run(console: Console, args: Args) -> int:
    if len(args.names) != _NAMES[args.action]:
        takes = {0: "no name", 1: "the name of a remote", 2: "a name and an address"}[_NAMES[args.action]]
        console.error(f"'tract remote {args.action or 'list'}' takes {takes}")
        return USAGE
    act = {None: _list, "list": _list, "add": _add, "remove": _remove, "probe": _probe}[args.action]
    return act(console, args)


def _list(console: Console, args: Args) -> int:
    with console.open_repository() as repo:
        for one in remotes(repo):
            if args.json:
                console.print_json(describe(one))
            else:
                probed_as = "" if one.conditions is None else f"  ({one.conditions})"
                console.line(console.paint(one.name, "green"), f"\t{one.url}", console.paint(probed_as, "dim"))
    return DONE


def _add(console: Console, args: Args) -> int:
    options = options_in(args.option)
    if options is None:
        console.error("an option is NAME=VALUE")
        return USAGE
    name, url = args.names
    if "://" not in url:
        url = console.path(url)
    remote = RemoteConfig(
        name=name, url=url, options=options, **({} if args.timeout is None else {"timeout": args.timeout})
    )
    with console.open_repository() as repo:
        added = add_remote(repo, remote, probing=not args.no_probe)
    _tell(console, args, added, f"Added '{name}'")
    return DONE


def _remove(console: Console, args: Args) -> int:
    with console.open_repository() as repo:
        remove_remote(repo, args.names[0])
    if args.json:
        console.print_json({"action": "remove", "name": args.names[0]})
    else:
        console.note(f"Removed '{args.names[0]}'; nothing was changed there")
    return DONE


def _probe(console: Console, args: Args) -> int:
    with console.open_repository() as repo:
        remote = probed(remote_named(repo, args.names[0]))
        remember_probe(repo, remote)
    _tell(console, args, remote, f"Probed '{remote.name}'")
    return DONE


def _tell(console: Console, args: Args, remote: RemoteConfig, done: str) -> None:
    if args.json:
        console.print_json(describe(remote))
        return
    console.note(f"{done}: {_SAID[remote.conditions]}")


_SAID = {
    None: "it was not probed; the first push does that",
    "if-match": "heads are swapped by their versions",
    "if-match-bare": "heads are swapped by their versions, sent without quotes",
    "create-only": "heads are logs of keys that are only created",
    "none": "its store does not keep writers apart, so it can only be read",
}


def options_in(texts: Sequence[str]) -> dict[str, str] | None:
    """The options in ``name=value`` texts; None where one is none."""
    parts = [text.partition("=") for text in texts]
    return {name: value for name, _, value in parts} if all(name and equals for name, equals, _ in parts) else None


COMMAND = Command(
    run,
    (
        Param(
            "action", metavar="ACTION", choices=("list", "add", "remove", "probe"), help="What to do; without it, list."
        ),
        Param("names", many=True, metavar="NAME", help="The remote, and for add its address."),
        Param(
            "option",
            ("-o", "--option"),
            many=True,
            metavar="NAME=VALUE",
            help="An option of the store: region=eu-central-1, endpoint=https://…, allow_http=true.",
        ),
        Param("timeout", ("--timeout",), int, metavar="SECONDS", help="How long to wait for an answer (30)."),
        Param("no_probe", ("--no-probe",), bool, help="Add it without asking anything of it now."),
        Param("json", ("--json",), bool, help="Print JSON, a remote a line."),
    ),
    """
An address is s3://bucket/path, gs://bucket/path, az://container/path, file:///folder or a folder. Buckets need 'tract-ai[remote]'.
A remote is probed when it is added, with writers that race: some stores answer 'done' and overwrite all the same, and are refused for pushes.
Credentials are taken from the environment, as each provider's own tools do, and kept nowhere.

  $ tract remote add origin s3://bucket/team -o region=eu-central-1
  $ tract remote
  $ tract remote probe origin
""",
)
