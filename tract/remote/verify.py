"""Verifying a remote, an fsck for a bucket: every head, every pack that a head names, every object, and that everything that heads need is there.

Nothing is changed; packs of a push under way, which no head names yet, are no problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from tract.dataclass import dataclass, field
from tract.errors import ObjectCorruptError, RemoteError
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.note import read_event
from tract.opening import memory_repository
from tract.refs.names import NOTES, check_ref
from tract.remote.address import GC, INTENTS, MARKER, PACKS, PROBES, ROOT, TRACTS, head_key, is_pack_key
from tract.remote.finding import roots_of
from tract.remote.head import Head, PackName
from tract.remote.intents import decode_intent, landed_in
from tract.remote.link import Link, nobody
from tract.remote.notes import read_list
from tract.remote.receive import Incoming, receive
from tract.remote.transport import Listed, Stored
from tract.report.text import Shown, count_of

Kind = Literal[
    "head-damaged",
    "intent-damaged",
    "waiting",
    "pack-missing",
    "pack-size",
    "pack-damaged",
    "object-missing",
    "note-damaged",
    "unnamed",
    "unknown",
]


class RemoteProblem(NamedTuple):
    """Something that is wrong; *severity* ``note`` is for what does no harm."""

    kind: Kind
    severity: Literal["error", "note"]
    key: str
    detail: str


@dataclass(slots=True, repr=False, kw_only=True)
class RemoteReport(Shown):
    """What was found in a remote: its heads, packs and bytes, and the *problems*, the worst first."""

    remote: str
    heads: int = 0
    packs: int = 0
    objects: int = 0
    size: int = 0
    unnamed: int = 0
    problems: list[RemoteProblem] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """True if there is nothing worse than a note."""
        return all(one.severity == "note" for one in self.problems)

    def __repr__(self) -> str:
        errors = sum(one.severity == "error" for one in self.problems)
        return f"RemoteReport({self.remote!r}: {count_of(self.heads, 'head')}, {count_of(self.packs, 'pack')}, {count_of(errors, 'error')})"


def verify_remote(link: Link, told: Callable[[int, int], None] = nobody) -> RemoteReport:
    """Read all of a remote, and report what is wrong with it."""
    report = RemoteReport(remote=link.name)
    listed = {one.key: one for one in link.patiently(lambda: list(link.transport.list(ROOT)))}
    keys = dict.fromkeys(key.partition("/log/")[0] for key in listed if key.startswith(TRACTS) and INTENTS not in key)
    heads = [head for key in keys if (head := _head(link, key, report)) is not None]
    named = {pack.key: pack for head in heads for pack in head.packs}
    _check_keys(report, listed, named)
    _check_intents(link, [key for key in listed if INTENTS in key], heads, report)
    sound = [pack for pack in named.values() if _check_pack(report, listed, pack)]
    incoming = _read_all(link, sound, report, told)
    broken = {one.key for one in report.problems}
    for head in heads:
        _check_head(report, head, incoming, broken)
    report.heads, report.packs, report.objects = len(heads), len(named), len(incoming)
    report.size = sum(one.size for one in listed.values())
    report.problems.sort(key=lambda one: (one.severity != "error", one.key))
    return report


def _head(link: Link, key: str, report: RemoteReport) -> Head | None:
    try:
        known = link.look_at(key)
    except RemoteError as exc:
        report.problems.append(RemoteProblem("head-damaged", "error", key, str(exc)))
        return None
    return None if known is None else known.head


def _check_keys(report: RemoteReport, listed: dict[str, Listed], named: dict[str, PackName]) -> None:
    for key in listed:
        if is_pack_key(key):
            report.unnamed += key not in named
        elif not key.startswith((TRACTS, GC, PROBES)) and key != MARKER:
            report.problems.append(RemoteProblem("unknown", "note", key, "this key does not belong to a remote"))
    if report.unnamed:
        detail = f"{count_of(report.unnamed, 'pack')} that no head names: part of a push under way, or garbage for gc"
        report.problems.append(RemoteProblem("unnamed", "note", PACKS, detail))


def _check_intents(link: Link, keys: Sequence[str], heads: Sequence[Head], report: RemoteReport) -> None:
    """Check for invalid intents, which no writer carries, and count the intents that wait."""
    landed = {id for head in heads for id in landed_in(head)}
    waiting = 0
    for key in keys:
        found = link.patiently(lambda key=key: link.transport.get(key))  # type: ignore[misc]
        if not isinstance(found, Stored):
            continue  # it landed meanwhile
        try:
            waiting += decode_intent(found.data, key).id not in landed
        except ObjectCorruptError as exc:
            report.problems.append(RemoteProblem("intent-damaged", "error", key, exc.detail))
    if waiting:
        detail = f"{count_of(waiting, 'intent')} that no head has yet: the next client that commits or opens a store applies it"
        report.problems.append(RemoteProblem("waiting", "note", TRACTS, detail))


def _check_pack(report: RemoteReport, listed: dict[str, Listed], pack: PackName) -> bool:
    found = listed.get(pack.key)
    if found is None:
        report.problems.append(RemoteProblem("pack-missing", "error", pack.key, "a head names it, but it is missing"))
        return False
    if found.size != pack.size:
        detail = f"it has {found.size} bytes instead of {pack.size}"
        report.problems.append(RemoteProblem("pack-size", "error", pack.key, detail))
        return False
    return True


def _read_all(
    link: Link, packs: Sequence[PackName], report: RemoteReport, told: Callable[[int, int], None]
) -> Incoming:
    incoming = Incoming(memory_repository(), None)
    for number, pack in enumerate(packs, 1):
        try:
            receive(link, [pack], incoming, is_new=True, told=nobody)
        except RemoteError as exc:
            report.problems.append(RemoteProblem("pack-damaged", "error", pack.key, str(exc)))
        told(number, len(packs))
    return incoming


def _check_head(report: RemoteReport, head: Head, incoming: Incoming, broken: Iterable[str]) -> None:
    """Check that everything that a head needs is in the packs that it names, as far as these can be read."""
    key = head_key(head.tract, head.branch)
    missing: list[ObjectId] = []
    try:
        missing = incoming.lacking(roots_of(head), head.cuts)
    except RemoteError as exc:
        report.problems.append(RemoteProblem("object-missing", "error", key, str(exc)))
    if missing:
        because = ", because one of its packs is damaged" if any(pack.key in broken for pack in head.packs) else ""
        detail = (
            f"{count_of(len(missing), 'object')} that it needs cannot be read, first {missing[0].hex()[:16]}{because}"
        )
        report.problems.append(RemoteProblem("object-missing", "error", key, detail))
        return
    reader = incoming.reader()
    try:
        rows = [
            (name, target, blob) for name, found in head.folded.items() for target, blob in read_list(reader, found)
        ]
        for namespace, target, blob in [*rows, *head.notes]:
            check_ref(NOTES + namespace)
            event = read_event(blob, reader.blob(blob))
            if (event.namespace, event.target) != (namespace, target):
                raise RemoteError(f"note {blob.hex()[:16]} is about another commit than its list says")
    except Exception as exc:  # noqa: BLE001  # whatever it is, it is the remote's, and told
        report.problems.append(RemoteProblem("note-damaged", "error", key, str(exc)))
