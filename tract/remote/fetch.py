"""Fetching: heads, then the packs that they name and this store lacks, then one operation for each tract.

    list, or heads by name ─▸ heads ─▸ packs ─▸ each object hashed, all that they need looked for ─▸ refs/remotes/<remote>/…, notes joined

Correctness never depends on a listing: it only tells which heads exist, and which may have changed.
A missing pack is first assumed to have been replaced by a compaction: the head is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from tract.dataclass import dataclass, replace
from tract.errors import ObjectCorruptError, RemoteError, TractError
from tract.history.notes import noted_entries
from tract.history.walk import is_ancestor
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.objects.note import read_event
from tract.refs.names import HEAD, HEADS, NOTES, REMOTE_NOTES, TAGS, branch_ref, check_ref, tract_prefix
from tract.refs.store import RefEdit
from tract.remote.branches import tracking_ref
from tract.remote.finding import Asked, find_heads, roots_of
from tract.remote.head import Head, HeadNote
from tract.remote.link import Link, MissingPackError, nobody
from tract.remote.notes import append_notes, by_namespace, note_lists, read_list
from tract.remote.receive import Incoming, receive, receiving
from tract.remote.settings_sync import begin_settings, take_settings
from tract.remote.shallow import RemoteObjects, notes_of_head, shallow_objects
from tract.repo import Repository
from tract.storage.shallow import Cut
from tract.transaction import Transaction, transaction

FetchStatus = Literal["new", "updated", "forced", "deleted", "rejected"]

_ATTEMPTS = 4
_FOR_EVER = 2**62
_NO_COMMIT = bytes(32)


@dataclass(frozen=True, slots=True)
class FetchedRef:
    """What a fetch found: a branch of the remote, or a tag; ids are hexadecimal or None.

    A ``rejected`` tag names a different commit in this store, and was left as it is.
    """

    tract: str
    ref: str
    old: str | None
    new: str | None
    status: FetchStatus


@dataclass(slots=True)
class Fetched:
    """The result of a fetch."""

    refs: list[FetchedRef]
    objects: int = 0
    notes: int = 0


def fetch(link: Link, repo: Repository, asked: Asked, told: Callable[[int, int], None] = nobody) -> Fetched:
    """Fetch what *asked* names from the remote; everything is proved before anything of it is in the store."""
    found = Fetched([])
    heads = find_heads(link, asked)
    for attempt in range(_ATTEMPTS):
        try:
            _bring(link, repo, heads, asked, found, told)
            return found
        except MissingPackError:
            again = [link.look(head.tract, head.branch) for head in heads]
            now = [known.head for known in again if known is not None]
            if now == heads or attempt + 1 == _ATTEMPTS:
                raise
            heads = now
    return found


def _bring(
    link: Link,
    repo: Repository,
    heads: Sequence[Head],
    asked: Asked,
    found: Fetched,
    told: Callable[[int, int], None],
) -> None:
    heads = [head for head in heads if asked.as_clone or _is_news(link, repo, head)]
    if asked.depth is not None or _is_shallow(link, repo, heads):
        _bring_shallow(link, repo, heads, asked, found)
        return
    packs = {pack.key: pack for head in heads for pack in head.packs}
    unknown = [pack for pack in packs.values() if not link.knows(pack)]
    cuts = {id: cut for head in heads for id, cut in head.cuts.items()}
    roots = [root for head in heads for root in roots_of(head)]
    is_new = not any(isinstance(value, bytes) for _, value in repo.refs.list())
    with receiving(repo, sum(pack.size for pack in unknown)) as incoming:
        receive(link, unknown, incoming, is_new=is_new, told=told)
        missing = incoming.lacking(roots, cuts)
        if missing:
            # The remembered content of packs may be missing here: gc may have removed objects since.
            wanted = set(missing)
            again = [pack for pack in packs.values() if not wanted.isdisjoint(link.ids(pack))]
            for pack in again:
                link.forget_pack(pack.key)
            receive(link, list(packs.values()), incoming, is_new=False, told=told)
            missing = incoming.lacking(roots, cuts)
        _check_whole(link, missing)
        _land_all(link, repo, heads, cuts, incoming, asked, found)


def _check_whole(link: Link, missing: Sequence[ObjectId]) -> None:
    if missing:
        raise RemoteError(
            f"remote '{link.name}' is damaged: object {missing[0].hex()[:16]} is in none of the packs that its heads name"
        )


def _land_all(
    link: Link,
    repo: Repository,
    heads: Sequence[Head],
    cuts: Mapping[ObjectId, Cut],
    incoming: Incoming,
    asked: Asked,
    found: Fetched,
) -> None:
    notes = _notes(link, incoming, heads)
    by_tract: dict[str, list[Head]] = {}
    for head in heads:
        by_tract.setdefault(head.tract, []).append(head)
    for tract, own in by_tract.items():
        _land(link, repo, tract, own, notes, cuts, incoming, asked, found)
    found.objects += len(incoming)


def _is_shallow(link: Link, repo: Repository, heads: Sequence[Head]) -> bool:
    """True if the store has cut history, and some packs are unknown to it: most of their objects may be behind the cut."""
    return bool(repo.shallow.cuts) and any(not link.knows(pack) for head in heads for pack in head.packs)


def _bring_shallow(link: Link, repo: Repository, heads: Sequence[Head], asked: Asked, found: Fetched) -> None:
    """Do the same, but take from the packs only what is needed here, and with *depth* nothing behind that."""
    packs = list({pack.key: pack for head in heads for pack in head.packs}.values())
    cuts = {id: cut for head in heads for id, cut in head.cuts.items()}
    objects = RemoteObjects(link, packs)
    tips = [head.commit for head in heads if head.commit is not None]
    kept: list[Head] = []
    with receiving(repo, sum(pack.size for pack in packs)) as incoming:
        depth = asked.depth or _FOR_EVER
        for new in shallow_objects(objects, tips, depth, incoming.was_here, cuts):
            incoming.add(new)
        for head in heads:
            notes = [
                note for note in notes_of_head(objects, head) if incoming.has(note.target) or note.target == _NO_COMMIT
            ]
            for note in notes:
                blob = objects.get(note.blob)
                if blob is not None and not incoming.was_here(note.blob):
                    incoming.add(blob)
            refs = {name: id for name, id in head.refs.items() if id is None or incoming.has(id)}
            kept.append(replace(head, folded={}, notes=tuple(notes), refs=refs))
        roots = [root for head in kept for root in roots_of(head)]
        _check_whole(link, incoming.lacking(roots, cuts))
        _land_all(link, repo, kept, cuts, incoming, asked, found)


def _is_news(link: Link, repo: Repository, head: Head) -> bool:
    """True if a head may have something that this store has not taken in."""
    own = replace(repo, tract=head.tract, prefix=tract_prefix(head.tract), branch=None)
    if head.branch is None:
        return True
    if own.refs.read(tracking_ref(own, link.name, head.branch)) != head.commit:
        return True
    there = note_lists(own, link.name).there
    known = {name: link.noted.at(own, _noted_ref(link, own, name), tip) for name, tip in there.items()}
    return any(note.blob not in known.get(note.namespace, ()) for note in head.notes)


def _noted_ref(link: Link, repo: Repository, namespace: str) -> str:
    return f"{repo.prefix}{REMOTE_NOTES}{link.name}/{namespace}"


def _notes(link: Link, incoming: Incoming, heads: Sequence[Head]) -> dict[str, list[HeadNote]]:
    """All notes in the heads, by tract; RemoteError for one that is not a note."""
    reader = incoming.reader()
    found: dict[str, list[HeadNote]] = {}
    for head in heads:
        notes = found.setdefault(head.tract, [])
        taken = link.joined.get(head.tract, ())
        for namespace, folded in head.folded.items():
            if folded in taken:
                continue
            notes += [HeadNote(namespace, target, blob) for target, blob in read_list(reader, folded)]
        notes += head.notes
    for notes in found.values():
        for note in notes:
            if note.blob not in incoming:
                continue
            try:
                check_ref(NOTES + note.namespace)
                event = read_event(note.blob, reader.blob(note.blob))
            except (ObjectCorruptError, TractError) as exc:
                raise RemoteError(f"remote '{link.name}': {exc}") from exc
            if event.target != note.target or event.namespace != note.namespace:
                raise RemoteError(
                    f"remote '{link.name}': note {note.blob.hex()[:16]} is about another commit than its list says"
                )
    return found


def _land(
    link: Link,
    repo: Repository,
    tract: str,
    heads: Sequence[Head],
    notes: Mapping[str, Sequence[HeadNote]],
    cuts: Mapping[ObjectId, Cut],
    incoming: Incoming,
    asked: Asked,
    found: Fetched,
) -> None:
    """Take in the heads of one tract: one operation, objects first."""
    own = replace(repo, tract=tract, prefix=tract_prefix(tract), branch=None)
    with transaction(own, f"fetch: {link.name}", moves="refs") as tx:
        tx.repo = replace(incoming.reader(), tract=tract, prefix=own.prefix, branch=None)
        own.take_cuts(cuts, incoming.__contains__)
        incoming.land(tx)
        refs = [*_branch_edits(link, tx, heads), *_tag_edits(tx, heads)]
        _check_targets(link, tx, heads)
        for ref, edit in refs:
            found.refs.append(ref)
            if edit is not None:
                tx.edits.append(edit)
        if asked.as_clone:
            _own_branches(tx, heads)
        _begin_tract(link, tx, heads, as_clone=asked.as_clone)
        found.notes += _join(link, tx, notes.get(tract, ()))
    link.joined[tract] = link.joined.get(tract, set()).union(*(head.folded.values() for head in heads))


def _check_targets(link: Link, tx: Transaction, heads: Iterable[Head]) -> None:
    """Raise RemoteError if a branch, a tag or a link on the remote is at a note."""
    for head in heads:
        at = [(HEADS + (head.branch or ""), head.commit), *head.refs.items()]
        for name, id in at:
            if id is not None and tx.repo.commit(id).operation is CommitOperation.NOTE:
                raise RemoteError(f"remote '{link.name}': '{name}' of tract '{head.tract}' is at a note")


def _branch_edits(link: Link, tx: Transaction, heads: Iterable[Head]) -> Iterator[tuple[FetchedRef, RefEdit | None]]:
    repo = tx.repo
    for head in heads:
        if head.branch is None:
            continue
        ref = tracking_ref(repo, link.name, head.branch)
        old = repo.refs.read(ref)
        was = old if isinstance(old, bytes) else None
        if was == head.commit:
            continue
        status: FetchStatus = "updated"
        if head.commit is None:
            status = "deleted"
        elif was is None:
            status = "new"
        elif not (repo.objects.contains(was) and is_ancestor(repo, was, head.commit)):
            status = "forced"
        local = ref.removeprefix(repo.prefix)
        yield (
            FetchedRef(repo.tract, local, _hex(was), _hex(head.commit), status),
            RefEdit(ref, head.commit, was),
        )


def _hex(id: ObjectId | None) -> str | None:
    return None if id is None else id.hex()


def _tag_edits(tx: Transaction, heads: Iterable[Head]) -> Iterator[tuple[FetchedRef, RefEdit | None]]:
    """Yield the tags and links that are new here; one with another value here stays."""
    for head in heads:
        for name, id in head.refs.items():
            here = tx.ref(name)
            was = here if isinstance(here, bytes) else None
            if id is None or was == id:
                continue
            if was is None:
                shown = FetchedRef(tx.repo.tract, name, None, id.hex(), "new")
                yield shown, RefEdit(tx.repo.prefix + name, id, None)
            elif name.startswith(TAGS):
                yield FetchedRef(tx.repo.tract, name, was.hex(), id.hex(), "rejected"), None


def _own_branches(tx: Transaction, heads: Iterable[Head]) -> None:
    """Create the remote's branches in this store, except names that exist."""
    for head in heads:
        if head.branch is not None and head.commit is not None and tx.ref(HEADS + head.branch) is None:
            tx.move(HEADS + head.branch, head.commit, None)


def _begin_tract(link: Link, tx: Transaction, heads: Sequence[Head], *, as_clone: bool) -> None:
    """Give a tract that is new here its HEAD and its settings."""
    repo = tx.repo
    meta = next((head for head in heads if head.branch is None), None)
    names = sorted(head.branch for head in heads if head.branch is not None and head.commit is not None)
    default = None if meta is None else meta.default
    if default is None or default not in names:
        default = "main" if "main" in names or not names else names[0]
    here = tx.ref(HEAD)
    is_new = here is None or (isinstance(here, str) and tx.ref(here) is None and not repo.local_refs(HEADS))
    if here is None and not names and not (meta is not None and any(meta.refs.values())):
        return  # it was deleted there
    if is_new and names and here != branch_ref(default):
        tx.edits.append(RefEdit(repo.prefix + HEAD, branch_ref(default), here))
    if meta is not None and (here is None or as_clone):
        begin_settings(link, repo, meta.settings, is_new=here is None)
    elif meta is not None:
        take_settings(link, repo, meta.settings)


def _join(link: Link, tx: Transaction, notes: Sequence[HeadNote]) -> int:
    """Join notes into the lists of the tract; return how many are new here.

    A note about a commit that is not here waits in the remote's list, until a fetch brings the commit.
    """
    repo = tx.repo
    lists = note_lists(repo, link.name)
    arrived = by_namespace(notes)
    count = 0
    for namespace in sorted({*arrived, *lists.there}):
        was, own = lists.there.get(namespace), lists.own.get(namespace)
        known = link.noted.at(repo, _noted_ref(link, repo, namespace), was)
        new = [entry for entry in arrived.get(namespace, ()) if entry[1] not in known]
        tip = append_notes(repo, was, new, tx.objects) if new else was
        if tip == own:
            continue
        if tip != was:
            tx.edits.append(RefEdit(_noted_ref(link, repo, namespace), tip, was))
        if own == was:
            tx.edits.append(RefEdit(f"{repo.prefix}{NOTES}{namespace}", tip, own))
            count += len(new)
            continue
        mine = set(link.noted.at(repo, f"{repo.prefix}{NOTES}{namespace}", own))
        waiting = [] if known <= mine else list(noted_entries(repo, was))
        for target, blob in [*waiting, *new]:
            if blob not in mine and repo.objects.contains(target):
                mine.add(blob)
                tx.take_note(namespace, target, blob)
                count += 1
    return count
