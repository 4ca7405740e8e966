"""Finding what a remote has: its heads, by name or from a listing, and its tracts.

A listing only says which heads there are, and which may have changed; what a head says is read from the head.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tract.errors import RemoteError, TractError
from tract.objects.id import Kind, ObjectId
from tract.refs.names import TAGS, branch_ref, check_ref, tract_prefix
from tract.remote.address import INTENTS, LINKS, TRACTS, part_name, tract_key
from tract.remote.head import Head
from tract.remote.link import KnownHead, Link
from tract.remote.together import ask_together

_LOG = "/log/"


class Asked(NamedTuple):
    """What to fetch: *tracts* by name, None for all; *branches* by name, None for all, and then what belongs to none too.

    With *as_clone* the branches and settings become the store's own. *depth* leaves out what is behind the last so many commits of each branch.
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
    found: dict[str, str] = {}
    for start in starts:
        listed = link.patiently(lambda start=start: list(link.transport.list(start)))  # type: ignore[misc]
        for one in listed:
            if INTENTS in one.key:
                continue
            found[one.key.partition(_LOG)[0]] = "" if _LOG in one.key else one.version
    heads = _look_at_all(link, found)
    if asked.branches is not None:
        heads = [head for head in heads if head.branch is None or head.branch in asked.branches]
    return _checked(link, heads)


def tract_names(link: Link) -> list[str]:
    """The names of the tracts there, in order; from the listing alone, but for those whose keys are cut."""
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


def _look_at_all(link: Link, listed: Mapping[str, str]) -> list[Head]:
    """The heads under the keys *listed*; those whose version is the one that is remembered are not asked for."""

    def look(key: str) -> KnownHead | None:
        known = link.remembered_at(key)
        version = listed[key].strip('"')
        if known is not None and version and known.version.strip('"') == version:
            return known
        return link.look_at(key)

    return [known.head for known in ask_together(look, list(listed)) if known is not None]


def _checked(link: Link, heads: Sequence[Head]) -> list[Head]:
    """*heads*, whose names can be names here."""
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
    """What a head names, all of which must be in its packs."""
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
