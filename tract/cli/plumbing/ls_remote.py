"""``tract ls-remote``: list the refs of a remote."""

from __future__ import annotations

from tract.cli.command import DONE, NEGATIVE, Args, Command, Param
from tract.cli.console import Console
from tract.config.remote_config import RemoteConfig
from tract.refs.names import HEADS, ROOT, tract_prefix
from tract.remote.finding import Asked, find_heads, tract_names
from tract.remote.link import Link
from tract.remote.remotes import as_marked, open_link
from tract.repo import Repository


def run(console: Console, args: Args) -> int:
    with console.open_repository() as repo:
        link = as_marked(_open(repo, args.remote))
        if args.tracts:
            names = tract_names(link)
            for name in names:
                if args.json:
                    console.print_json({"tract": name})
                else:
                    console.line(name)
            return DONE if names else NEGATIVE
        heads = find_heads(link, Asked(None))
    rows: list[tuple[str, str, str, str]] = []
    for head in heads:
        if head.branch is not None and head.commit is not None:
            rows.append((head.tract, HEADS + head.branch, head.commit.hex(), head.by))
        rows += [(head.tract, name, id.hex(), head.by) for name, id in head.refs.items() if id is not None]
    for tract, name, id, by in sorted(rows, key=lambda row: (row[0] != ROOT, row)):
        if args.json:
            console.print_json({"tract": tract, "ref": name, "commit_hash": id, "by": by})
        else:
            console.line(f"{id}\t{tract_prefix(tract)}{name}")
    return DONE if rows else NEGATIVE


def _open(repo: Repository, remote: str) -> Link:
    if "://" in remote:
        return Link(repo, RemoteConfig(name="here", url=remote))
    return open_link(repo, remote)


COMMAND = Command(
    run,
    (
        Param("remote", metavar="REMOTE", default="origin", help="The remote, or an address. Default: origin."),
        Param(
            "tracts",
            ("--tracts",),
            bool,
            help="List only the names of the tracts, with one request for every thousand keys.",
        ),
        Param("json", ("--json",), bool, help="Print a JSON document for each ref, one on a line."),
    ),
    """
Prints all branches and tags of every tract in the remote, with their commits. The exit status is 1 if there are none.

  $ tract ls-remote
  $ tract ls-remote file:///backup/team
""",
)
