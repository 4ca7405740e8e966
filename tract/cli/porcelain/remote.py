"""``tract remote``: manage the other places of the store."""

from __future__ import annotations

from collections.abc import Sequence

from tract.cli.command import DONE, NEGATIVE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.progress import Progress
from tract.config import read_retention
from tract.config.remote_config import RemoteConfig
from tract.errors import ConfigError
from tract.remote.link import GRACE
from tract.remote.push import ready_link
from tract.remote.remotes import (
    add_remote,
    as_marked,
    describe,
    open_link,
    probed,
    remember_probe,
    remote_named,
    remotes,
    remove_remote,
)
from tract.report.text import count_of

WAIT = 24 * 3600.0

_NAMES = {None: 0, "list": 0, "add": 2, "remove": 1, "probe": 1, "verify": 1, "gc": 1}
"""The number of names that each action takes."""


def run(console: Console, args: Args) -> int:
    if len(args.names) != _NAMES[args.action]:
        takes = {0: "no name", 1: "the name of a remote", 2: "a name and an address"}[_NAMES[args.action]]
        console.error(f"'tract remote {args.action or 'list'}' takes {takes}")
        return USAGE
    act = {None: _list, "list": _list, "add": _add, "remove": _remove, "probe": _probe, "verify": _verify, "gc": _gc}[
        args.action
    ]
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
        console.note(f"Removed '{args.names[0]}'; the remote itself was not changed")
    return DONE


def _probe(console: Console, args: Args) -> int:
    with console.open_repository() as repo:
        remote = probed(remote_named(repo, args.names[0]))
        remember_probe(repo, remote)
    _tell(console, args, remote, f"Probed '{remote.name}'")
    return DONE


def _verify(console: Console, args: Args) -> int:
    from tract.remote.verify import verify_remote

    with console.open_repository() as repo, Progress(console, f"reading {args.names[0]}") as progress:
        report = verify_remote(as_marked(open_link(repo, args.names[0])), progress.show)
    if args.json:
        console.print_json(report)
        return DONE if report.is_clean else NEGATIVE
    for one in report.problems:
        style = "red" if one.severity == "error" else "dim"
        console.line(console.paint(f"{one.severity}:", style), f" {one.key}: {one.detail}")
    errors = sum(one.severity == "error" for one in report.problems)
    console.line(
        f"checked {count_of(report.heads, 'head')}, {count_of(report.packs, 'pack')}, "
        f"{count_of(report.objects, 'object')}: {count_of(errors, 'error') if errors else 'no errors'}"
    )
    return DONE if report.is_clean else NEGATIVE


def _gc(console: Console, args: Args) -> int:
    from tract.remote.sweep import plan_sweep, repack, sweep

    try:
        grace = GRACE if args.grace is None else seconds_of("--grace", args.grace)
        wait = WAIT if args.wait is None else seconds_of("--wait", args.wait)
    except ConfigError as exc:
        console.error(str(exc))
        return USAGE
    with console.open_repository() as repo:
        link = ready_link(repo, args.names[0])
        repacked = []
        if args.repack and not args.dry_run:
            with Progress(console, f"repacking {args.names[0]}") as progress:
                repacked = repack(link, repo, progress.show)
        plan = (plan_sweep if args.dry_run else sweep)(link, grace=grace, wait=wait)
    if args.json:
        console.print_json(plan, repacked=repacked, dry_run=args.dry_run)
        return DONE
    for one in repacked:
        console.line(
            f"repacked {one.tract} {one.branch or '(meta)'}: {count_of(one.packs_before, 'pack')} became {one.packs}, without {count_of(one.dropped, 'unneeded object')}"
        )
    verb, condemned = ("would delete", "would condemn") if args.dry_run else ("deleted", "condemned")
    console.line(
        f"{verb} {count_of(len(plan.delete), 'pack')} ({plan.size} bytes); {condemned} {len(plan.condemn)}; "
        f"kept {count_of(plan.named, 'pack')} that heads name and {len(plan.young)} that may belong to a push under way"
    )
    return DONE


def seconds_of(name: str, text: str) -> float:
    """The seconds in ``7d``, ``12h`` or ``0``."""
    kept = read_retention(name, text)
    if kept.days is None:
        raise ConfigError(f"{name} must be a time, such as 7d or 12h, not '{text}'")
    return kept.days * 24 * 3600


def _tell(console: Console, args: Args, remote: RemoteConfig, done: str) -> None:
    if args.json:
        console.print_json(describe(remote))
        return
    console.note(f"{done}: {_SAID[remote.conditions]}")


_SAID = {
    None: "it was not tested; the first push does that",
    "if-match": "a push replaces a head only if nobody else changed it (If-Match)",
    "if-match-bare": "a push replaces a head only if nobody else changed it (If-Match without quotes)",
    "create-only": "a head is a log of keys, each of which is created only once",
    "none": "its store cannot keep concurrent writers apart, so it is read-only",
}


def options_in(texts: Sequence[str]) -> dict[str, str] | None:
    """The options in ``name=value`` texts; None if one is not of that form."""
    parts = [text.partition("=") for text in texts]
    return {name: value for name, _, value in parts} if all(name and equals for name, equals, _ in parts) else None


COMMAND = Command(
    run,
    (
        Param(
            "action",
            metavar="ACTION",
            choices=("list", "add", "remove", "probe", "verify", "gc"),
            help="What to do; without it, list.",
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
        Param("no_probe", ("--no-probe",), bool, help="Add it without contacting it now."),
        Param("dry_run", ("-n", "--dry-run"), bool, help="For gc: only say what would be deleted."),
        Param(
            "grace",
            ("--grace",),
            metavar="TIME",
            help="For gc: how long an unnamed pack stays (default 7d), because a push may be under way.",
        ),
        Param("wait", ("--wait",), metavar="TIME", help="For gc: how long a condemned pack stays (default 1d)."),
        Param(
            "repack",
            ("--repack",),
            bool,
            help="For gc: first write the packs of every head again, without objects it does not need.",
        ),
        Param("json", ("--json",), bool, help="Print a JSON document for each remote, one on a line."),
    ),
    """
An address is s3://bucket/path, gs://bucket/path, az://container/path, file:///folder or a folder. Buckets need 'tract-ai[remote]'.
When a remote is added, writers that race test it: some stores report success and still overwrite each other's data; these are refused for pushes.
Credentials come from the environment, as for each provider's own tools, and are stored nowhere.

  $ tract remote add origin s3://bucket/team -o region=eu-central-1
  $ tract remote
  $ tract remote probe origin

'verify' reads all of a remote and checks every head, pack and object. 'gc' deletes packs that no head names: one run condemns them, and a later run deletes them. Others may push meanwhile.

  $ tract remote verify origin
  $ tract remote gc origin --dry-run
""",
)
