"""Finding what a remote has: its heads, by name or from a listing, and its tracts.

A listing only tells which heads exist, and which may have changed; the content is read from the head itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tract.errors import RemoteError, TractError
from tract.named_tuple import NamedTuple
from tract.objects.id import Kind, ObjectId
from tract.refs.names import TAGS, branch_ref, check_ref, tract_prefix
from tract.remote.address import INTENTS, LINKS, TRACTS, part_name, tract_key
from tract.remote.head import Head
from tract.remote.link import Link
from tract.remote.together import ask_together

_LOG = "/log/"


class Asked(NamedTuple):
    """What to fetch: *tracts* by name, None for all; *branches* by name, None for all, which includes what belongs to no branch.

    With *as_clone* the branches and settings become the store's own. With *depth*, only that many of the last commits of each branch are fetched.
    """

    tracts: Sequence[str] | None
    branches: Sequence[str] | None = None
    as_clone: bool = False
    depth: int | None = None


def find_heads(link: Link, asked: Asked) -> list[Head]:
    """The heads that are asked for, as they are now."""
    if asked.tracts is not None and asked.branches is not None:
        names = [(tract, branch) for tract in asked.tracts for branch in asked.branches]
        known = list(ask_together(lambda name: link.look(*name), names))
        return _checked(link, [one.head for one in known if one is not None])
    starts = [TRACTS] if asked.tracts is None else [tract_key(tract) for tract in asked.tracts]
    heads = _look_at_all(link, list_heads(link, starts))
    if asked.branches is not None:
        heads = [head for head in heads if head.branch is None or head.branch in asked.branches]
    return _checked(link, heads)


def list_heads(link: Link, starts: Sequence[str]) -> dict[str, str]:
    """The keys of the heads that begin with one of *starts*, with their versions; the version is "" for logs, and for stores that list none."""
    found: dict[str, str] = {}
    for start in starts:
        listed = link.patiently(lambda start=start: list(link.transport.list(start)))  # type: ignore[misc]
        for one in listed:
            if INTENTS not in one.key:
                found[one.key.partition(_LOG)[0]] = "" if _LOG in one.key else one.version.strip('"')
    return found


def tract_names(link: Link) -> list[str]:
    """The names of the remote's tracts, in order, from the listing; only for keys that are cut a head is read."""
    keys: dict[str, str] = {}
    for one in link.patiently(lambda: list(link.transport.list(TRACTS))):
        part = one.key.removeprefix(TRACTS).split("/")[1:2]
        if part and INTENTS not in one.key:
            keys.setdefault(part[0], one.key.partition(_LOG)[0])
    names = [part_name(part) or _name_at(link, key) for part, key in keys.items()]
    return sorted(name for name in names if name is not None)


def _name_at(link: Link, key: str) -> str | None:
    known = link.look_at(key)
    return None if known is None else known.head.tract


def _look_at_all(link: Link, listed: dict[str, str]) -> list[Head]:
    """The heads under the keys *listed*; a head whose version is the remembered one is not requested."""
    link.listed = listed
    try:
        known = {key: link.remembered_at(key) for key in listed}
        asked = [key for key, one in known.items() if one is None or one.version.strip('"') != listed[key]]
        known |= dict(zip(asked, ask_together(link.look_at, asked), strict=True))
    finally:
        link.listed = {}
    return [one.head for one in known.values() if one is not None]


def _checked(link: Link, heads: Sequence[Head]) -> list[Head]:
    """Return *heads* if their names are allowed here, else raise RemoteError."""
    for head in heads:
        try:
            tract_prefix(head.tract)
            if head.branch is not None:
                check_ref(branch_ref(head.branch))
            for name in head.refs:
                check_ref(name)
                if not name.startswith((TAGS, LINKS)):
                    raise RemoteError(f"'{name}' is neither a tag nor a link, and does not travel")
        except TractError as exc:
            raise RemoteError(f"remote '{link.name}': {exc}") from exc
    return list(heads)


def roots_of(head: Head) -> Iterator[tuple[ObjectId, Kind]]:
    """Yield the objects that a head names, all of which must be in its packs."""
    if head.commit is not None:
        yield head.commit, "commit"
    for note in head.notes:
        yield note.blob, "blob"
    for found in head.folded.values():
        if found.tree is not None:
            yield found.tree, "tree"
        for blob in found.open[1::2]:
            yield blob, "blob"
    for id in head.refs.values():
        if id is not None:
            yield id, "commit"
