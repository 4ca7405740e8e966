"""Notes of another tract about commits that a merge, a pick or an expansion brings into this one.

lead   a ─ b ───────── m        m brings c and d, and the child's notes about the two
        ╲             ╱
child    S ─ c ─ d ──┘          notes about a and b, which both tracts have, stay where they were written
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from tract.dataclass import replace
from tract.history.notes import CONFIG, KEY, ORIGIN, PRIORITY, REQUEST, USAGE, note_tip, noted_entries
from tract.history.reachability import reachable
from tract.history.walk import is_ancestor
from tract.objects.id import ObjectId, parse_id
from tract.objects.note import read_event
from tract.refs.names import HEADS, NOTES, split_tract, tract_name
from tract.repo import Repository
from tract.transaction import Transaction

BROUGHT = (PRIORITY, CONFIG, USAGE, KEY, ORIGIN, REQUEST)
"""The namespaces whose notes come along with a commit."""


def tracts_with(repo: Repository, commit: ObjectId) -> list[Repository]:
    """The other tracts with a branch at the commit, else those with the commit in a branch's history; none if this tract has it itself."""
    own = {value for _, value in repo.local_refs(HEADS) if isinstance(value, bytes)}
    if commit in own or any(is_ancestor(repo, commit, tip) for tip in own):
        return []
    tips: dict[str, set[ObjectId]] = {}
    for name, value in repo.refs.list():
        prefix, local = split_tract(name)
        if prefix != repo.prefix and local.startswith(HEADS) and isinstance(value, bytes):
            tips.setdefault(prefix, set()).add(value)
    found = [prefix for prefix, values in tips.items() if commit in values]
    if not found:
        found = [prefix for prefix, values in tips.items() if any(is_ancestor(repo, commit, tip) for tip in values)]
    return [replace(repo, tract=tract_name(prefix), prefix=prefix, branch=None) for prefix in found]


def brought_notes(repo: Repository, theirs: ObjectId, ours: ObjectId | None) -> list[tuple[str, ObjectId, ObjectId]]:
    """The notes of other tracts about commits behind *theirs* that *ours* does not reach: namespace, commit and note."""
    others = tracts_with(repo, theirs)
    if not others:
        return []
    commits = {id for id, _ in reachable(repo, [theirs], [] if ours is None else [ours])}
    return [one for other in others for one in notes_about(other, commits)]


def notes_about(other: Repository, commits: Collection[ObjectId]) -> Iterator[tuple[str, ObjectId, ObjectId]]:
    """Yield the notes of the tract *other* about *commits*: namespace, commit and note; for requests, also the notes that they build upon."""
    for namespace in BROUGHT:
        tip = note_tip(other, namespace)
        listed = list(noted_entries(other, tip))
        wanted = {blob for commit, blob in listed if commit in commits}
        if namespace == REQUEST:
            wanted = _with_earlier(other, wanted)
        for commit, blob in listed:
            if blob in wanted:
                yield namespace, commit, blob


def _with_earlier(other: Repository, notes: Collection[ObjectId]) -> set[ObjectId]:
    """Notes about requests, and the notes that they name instead of repeating their content."""
    found: set[ObjectId] = set()
    waiting = list(notes)
    while waiting:
        blob = waiting.pop()
        if blob not in found and other.objects.contains(blob):
            found.add(blob)
            body: dict[str, Any] = read_event(blob, other.blob(blob)).body
            named = (parse_id(body[key]) for key in ("as", "since") if isinstance(body.get(key), str))
            waiting += [id for id in named if id is not None]
    return found


def take_notes(tx: Transaction, notes: Collection[tuple[str, ObjectId, ObjectId]]) -> None:
    """Add these notes to this tract's lists, except those already there."""
    known: dict[str, set[ObjectId]] = {}
    for namespace, commit, blob in notes:
        if namespace not in known:
            tip = tx.ref(NOTES + namespace)
            known[namespace] = {one for _, one in noted_entries(tx.repo, tip if isinstance(tip, bytes) else None)}
        if blob not in known[namespace]:
            known[namespace].add(blob)
            tx.take_note(namespace, commit, blob)
