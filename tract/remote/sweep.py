"""Garbage collection in a remote, next to writers that do not know of it.

    list packs ─▸ read all heads ─▸ packs that no head names and that are older than the grace are condemned
                                     └─ a later run, a wait later: packs that are condemned and still unnamed are deleted

Three rules let writers go on (tract/remote/sending.py): a pack's name is never used again; a writer takes over packs only of heads it has just read; and after a push that took a good part of the grace, the writer checks after its swap that what it sent is still there, and sends it again if not.
Only one collector runs at a time: it holds a lease, a key that is swapped.
Times are the store's own, from its listings.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from tract.dataclass import dataclass, replace
from tract.errors import RemoteError, RemoteRefusedError
from tract.named_tuple import NamedTuple
from tract.objects.json import parse_json
from tract.refs.buffered import BufferedObjects
from tract.remote.address import GC, INTENTS, PACKS, TRACTS
from tract.remote.closure import needed
from tract.remote.fetch import fetch
from tract.remote.finding import Asked, roots_of
from tract.remote.head import Head
from tract.remote.link import GRACE, KnownHead, Link, nobody
from tract.remote.notes import by_namespace
from tract.remote.sending import Sent, land_head, send_needed
from tract.remote.shallow import RemoteObjects, notes_of_head
from tract.remote.transport import Listed, Stored
from tract.repo import Repository
from tract.report.text import Shown, count_of
from tract.tree import Context, build_list

WAIT = 24 * 3600.0
"""The least number of seconds between condemning a pack and deleting it."""

_LEASE = GC + "lease"
_CONDEMNED = GC + "condemned"
_LEASE_SECONDS = 3600.0


class Unnamed(NamedTuple):
    """A pack that no head names: its *size* in bytes, its *age* in seconds, and the time when it was condemned, in seconds since 1970, None if it was not."""

    key: str
    size: int
    age: float
    condemned: float | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SweepPlan(Shown):
    """What a collection would do: packs in *delete* are deleted, those in *condemn* can be deleted by a later run, those in *young* stay; *now* is the store's time."""

    remote: str
    now: float
    named: int
    delete: tuple[Unnamed, ...]
    condemn: tuple[Unnamed, ...]
    young: tuple[Unnamed, ...]

    @property
    def size(self) -> int:
        """The bytes that are deleted."""
        return sum(one.size for one in self.delete)

    def __repr__(self) -> str:
        return f"SweepPlan({self.remote!r}: {count_of(len(self.delete), 'pack')} to delete, {len(self.condemn)} to condemn, {self.named} named)"


def plan_sweep(link: Link, *, grace: float = GRACE, wait: float = WAIT) -> SweepPlan:
    """Plan a collection; nothing is changed except for a key that shows the store's time."""
    now = _store_time(link)
    # Packs first, heads after: a pack that a new head named in between counts as named.
    packs = [one for one in _list(link, PACKS) if one.key.startswith(PACKS)]
    named = {pack.key for head in all_heads(link) for pack in head.packs}
    condemned = _condemned(link)
    unnamed = [
        Unnamed(one.key, one.size, now - one.time, condemned.get(one.key)) for one in packs if one.key not in named
    ]
    old = [one for one in unnamed if one.age >= grace]
    ripe = {one.key for one in old if wait <= 0 or (one.condemned is not None and now - one.condemned >= wait)}
    return SweepPlan(
        remote=link.name,
        now=now,
        named=len(named),
        delete=tuple(one for one in old if one.key in ripe),
        condemn=tuple(one for one in old if one.key not in ripe),
        young=tuple(one for one in unnamed if one.age < grace),
    )


def sweep(link: Link, *, grace: float = GRACE, wait: float = WAIT) -> SweepPlan:
    """Condemn packs, and delete those condemned long enough; return the plan that was carried out.

    RemoteRefusedError if another collector is running.
    """
    with _Lease(link):
        plan = plan_sweep(link, grace=grace, wait=wait)
        kept = {one.key: plan.now if one.condemned is None else one.condemned for one in plan.condemn}
        _condemn(link, kept)
        for one in plan.delete:
            link.patiently(lambda key=one.key: link.transport.delete(key))  # type: ignore[misc]
            link.forget_pack(one.key)
    return plan


def all_heads(link: Link) -> list[Head]:
    """Every head, read now; RemoteError if one cannot be read, because the packs that it names are then unknown."""
    keys = dict.fromkeys(one.key.partition("/log/")[0] for one in _list(link, TRACTS) if INTENTS not in one.key)
    known = [link.look_at(key) for key in keys]
    return [one.head for one in known if one is not None]


def _list(link: Link, prefix: str) -> list[Listed]:
    return link.patiently(lambda: list(link.transport.list(prefix)))


def _store_time(link: Link) -> float:
    """The time by the store's clock; no other clock counts."""
    key = f"{GC}clock-{os.urandom(8).hex()}"
    link.patiently(lambda: link.transport.create(key, b"what time is it?") or None)
    try:
        found = next((one.time for one in _list(link, GC) if one.key == key), None)
        if found is None:
            raise RemoteError(f"remote '{link.name}' does not list a key that was just written")
        return float(found)
    finally:
        link.patiently(lambda: link.transport.delete(key))


def _condemned(link: Link) -> dict[str, float]:
    found = link.patiently(lambda: link.transport.get(_CONDEMNED))
    if not isinstance(found, Stored):
        return {}
    try:
        return {str(key): float(when) for key, when in parse_json(found.data).items()}
    except (ValueError, AttributeError, TypeError):
        return {}  # its packs are condemned again, and stay there longer


def _condemn(link: Link, keys: dict[str, float]) -> None:
    data = json.dumps(keys).encode()
    found = link.patiently(lambda: link.transport.get(_CONDEMNED))
    if isinstance(found, Stored):
        if found.data != data:
            link.patiently(lambda: link.transport.swap(_CONDEMNED, data, found.version))
    elif keys:
        link.patiently(lambda: link.transport.create(_CONDEMNED, data))


class _Lease:
    """The right to collect, for a ``with`` block."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._token = os.urandom(16).hex()
        self._version: str | None = None

    def __enter__(self) -> _Lease:
        link = self._link
        found = link.patiently(lambda: link.transport.get(_LEASE))
        if not isinstance(found, Stored):
            self._version = link.transport.create(_LEASE, self._body("held"))
        elif found.data.endswith(b"free\n") or self._is_old():
            self._version = link.transport.swap(_LEASE, self._body("held"), found.version)
        if self._version is None:
            raise RemoteRefusedError(f"another gc of remote '{link.name}' is running")
        return self

    def _is_old(self) -> bool:
        now = _store_time(self._link)
        held = next((one.time for one in _list(self._link, GC) if one.key == _LEASE), now)
        return now - held > _LEASE_SECONDS

    def _body(self, word: str) -> bytes:
        return f"{self._token} {word}\n".encode()

    def __exit__(self, *_: object) -> None:
        if self._version is not None:
            version = self._version
            self._link.patiently(lambda: self._link.transport.swap(_LEASE, self._body("free"), version))


@dataclass(frozen=True, slots=True)
class Repacked:
    """A head whose packs were rewritten: how many it had and has, and the number of objects dropped because nothing needs them."""

    tract: str
    branch: str | None
    packs_before: int
    packs: int
    dropped: int


def repack(link: Link, repo: Repository, told: Callable[[int, int], None] = nobody) -> list[Repacked]:
    """Rewrite the packs of every head, with exactly what it needs; ``sweep`` removes the old ones.

    RemoteRefusedError if this store has cut history that is whole there: it would be lost.
    Everything is fetched first, so that only objects that this store has proved are packed. A head that others move meanwhile stays as it is.
    """
    fetch(link, repo, Asked(None), told)
    done: list[Repacked] = []
    heads = all_heads(link)
    for number, head in enumerate(heads, 1):
        known = link.look(head.tract, head.branch)
        if known is not None and known.head.packs:
            found = _repack_one(link, repo, known)
            done += [] if found is None else [found]
        told(number, len(heads))
    return done


def _repack_one(link: Link, repo: Repository, known: KnownHead) -> Repacked | None:
    head = known.head
    before = {id for pack in head.packs for id in link.ids(pack)}
    made = BufferedObjects(repo.objects)
    own = replace(repo, objects=made)
    notes = by_namespace(notes_of_head(RemoteObjects(link, head.packs), head))
    folded = {name: Context(*build_list(own, rows, made.new, "notes")) for name, rows in notes.items()}
    new = replace(head, folded=folded, notes=())
    need = needed(own, roots_of(new), lambda _: False)
    if not need.cuts.keys() <= head.cuts.keys():
        raise RemoteRefusedError(
            f"remote '{link.name}' cannot be repacked from here: this store lacks history that the remote has"
        )
    ids = {id for id, _ in need.objects}
    if len(head.packs) == 1 and ids == before:
        return None
    packs = send_needed(link, own, need.objects, (), Sent())
    push = os.urandom(16)
    new = new.after(push, by=repo.author, time=repo.clock(), packs=tuple(packs))
    landed, _ = land_head(link, new, push, known.version)
    if not landed:
        return None
    return Repacked(head.tract, head.branch, len(head.packs), len(packs), len(before - ids))
