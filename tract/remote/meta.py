"""What of a tract belongs to no branch: tags and links, its first branch and settings, and notes about commits that the remote had before.

It is one more head, put only when it changes, and after the branches that it refers to.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from tract.dataclass import replace
from tract.errors import RemoteError, RemoteMovedError
from tract.history.spawn import CHILDREN
from tract.named_tuple import NamedTuple
from tract.objects.id import Kind, ObjectId
from tract.objects.model import shown
from tract.refs.names import HEAD, HEADS, REMOTES, TAGS, tract_name
from tract.remote.address import LINKS
from tract.remote.branches import Force, PushedRef, PushStatus, TractPush
from tract.remote.closure import needed
from tract.remote.head import Head, HeadNote, PackName
from tract.remote.link import KnownHead, Link
from tract.remote.notes import with_needed
from tract.remote.scan import refuse_secrets
from tract.remote.sending import MOST_SWAPS, Sent, keep_sent, land_head, send_needed
from tract.remote.settings_sync import settings_here, settings_pushed, settings_to_push
from tract.repo import Repository

_DEFAULT = "main"

TRACT = bytes(32)
"""The target of notes that were made before the first commit: the tract itself."""


class MetaWanted(NamedTuple):
    """The wanted content of the head without a branch: tags by their refs, None for those to delete; and notes."""

    refs: Mapping[str, ObjectId | None]
    notes: Sequence[HeadNote]
    default: str | None


def push_meta(link: Link, push: TractPush, tags: Mapping[str, ObjectId | None], force: Force) -> None:
    """Push what is new of a tract beside its branches; RemoteMovedError for a tag with another value on the remote."""
    repo = push.repo
    known = link.remembered(repo.tract, None)
    wanted = _wanted(link, push, tags)
    if not _is_new(link, repo, wanted, None if known is None else known.head):
        return
    token = os.urandom(16)
    known = link.look(repo.tract, None)
    sent = Sent()
    for number in range(MOST_SWAPS):
        base = known.head if known is not None else Head(tract=repo.tract, branch=None)
        if not _is_new(link, repo, wanted, base):
            push.took(wanted.notes)
            settings_pushed(link, repo, base.settings)
            return
        if force == "lease":
            refuse_moved_tags(repo, tags, base)
        head = _after(link, push, base, wanted, force, token, sent)
        landed, known = land_head(link, head, token, None if known is None else known.version)
        if landed and known is not None:
            keep_sent(link, repo, known, sent)
            push.took(wanted.notes)
            push.done.notes += _new_notes(wanted, base)
            push.done.pushed += _moved_tags(repo.tract, wanted, base)
            push.done.objects += len(sent.ids)
            settings_pushed(link, repo, head.settings)
            return
        link.pause(min(number, 4))
    raise RemoteError(f"push of the tags, notes and settings of tract '{repo.tract}' failed")


def _after(link: Link, push: TractPush, base: Head, wanted: MetaWanted, force: Force, token: bytes, sent: Sent) -> Head:
    """The head that follows *base*, with what is *wanted*; the objects it needs are sent."""
    repo = push.repo
    refs = _joined(wanted, base, force)
    ids = [id for id in refs.values() if id is not None]
    borrowed = _borrowed(link, repo, base, ids)
    roots: list[tuple[ObjectId, Kind]] = [
        *((id, "commit") for id in ids),
        *((note.blob, "blob") for note in wanted.notes),
    ]
    need = needed(repo, roots, link.has(borrowed))
    said: Sequence[HeadNote] = _new_notes(wanted, base)
    base, said, need = push.fold(base, said, need, borrowed)
    if link.scans:
        refuse_secrets(repo, need, f"notes of {repo.tract}")
    packs = send_needed(link, repo, need.objects, borrowed, sent)
    return base.after(
        token,
        by=repo.author,
        time=repo.clock(),
        packs=tuple(packs),
        refs=refs,
        notes=(*base.notes, *said),
        cuts={**base.cuts, **need.cuts},
        default=base.default or wanted.default,
        settings=settings_to_push(link, repo, base.settings),
    )


def refuse_moved_tags(repo: Repository, tags: Mapping[str, ObjectId | None], base: Head) -> None:
    """Raise RemoteMovedError if a tag is to move, and in the head *base* has neither its value in this store nor the new value."""
    for name, id in tags.items():
        there, here = base.refs.get(name), repo.ref(name)
        if name.startswith(TAGS) and there is not None and here != id and there not in (id, here):
            raise RemoteMovedError(name, shown(here), there.hex(), base.by, "and a tag stays where it is")


def _wanted(link: Link, push: TractPush, tags: Mapping[str, ObjectId | None]) -> MetaWanted:
    repo = push.repo
    refs = dict(tags)
    refs.update((name, value) for name, value in repo.local_refs(LINKS) if isinstance(value, bytes))
    there = _there(link, repo)
    elsewhere = None
    notes = []
    for note in push.left_notes():
        if note.namespace == CHILDREN and elsewhere is None:
            elsewhere = _children_there(link, repo)
        if (
            note.target == TRACT
            or there(note.target)
            or (note.namespace == CHILDREN and elsewhere and elsewhere(note.target))
        ):
            notes.append(note)
    branch = repo.head()[0] if repo.ref(HEAD) is not None else None  # a child that is being made has none yet
    default = None if branch is None else branch.removeprefix(HEADS)
    return MetaWanted(refs, with_needed(repo, notes), default if default != _DEFAULT else None)


def _there(link: Link, repo: Repository) -> Callable[[ObjectId], bool]:
    """A function that tells whether a branch on the remote gives it an object of the tract, as far as this store knows; heads that other links saw are requested at the first call."""
    tests: list[Callable[[ObjectId], bool]] | None = None

    def has(id: ObjectId) -> bool:
        nonlocal tests
        if tests is None:
            start = f"{REMOTES}{link.name}/"
            tests = _tests(
                link, (link.seen(repo.tract, name.removeprefix(start), at) for name, at in repo.local_refs(start))
            )
        return any(test(id) for test in tests)

    return has


def _children_there(link: Link, repo: Repository) -> Callable[[ObjectId], bool]:
    """A function that tells whether the remote has an object of any tract, as far as this link knows: a note about a child is about the child's first commit, which it has just pushed."""
    start = f"{REMOTES}{link.name}/"
    tests: list[Callable[[ObjectId], bool]] = []
    for prefix, _, _ in repo.refs.tracts():
        own = replace(repo, prefix=prefix, tract=tract_name(prefix))
        tests += _tests(
            link, (link.remembered(own.tract, name.removeprefix(start)) for name, _ in own.local_refs(start))
        )
    return lambda id: any(test(id) for test in tests)


def _tests(link: Link, heads: Iterable[KnownHead | None]) -> list[Callable[[ObjectId], bool]]:
    return [link.has(known.head.packs) for known in heads if known is not None]


def _is_new(link: Link, repo: Repository, wanted: MetaWanted, base: Head | None) -> bool:
    if base is None:
        return bool(wanted.refs or wanted.notes or wanted.default or settings_here(repo))
    return (
        any(base.refs.get(name, b"") != id for name, id in wanted.refs.items() if id is not None or name in base.refs)
        or bool(_new_notes(wanted, base))
        or (base.default is None and wanted.default is not None)
        or settings_to_push(link, repo, base.settings) != base.settings
    )


def _new_notes(wanted: MetaWanted, base: Head) -> list[HeadNote]:
    """The notes that are not in the head *base* yet."""
    before = {note.blob for note in base.notes}
    return [note for note in wanted.notes if note.blob not in before]


def _moved_tags(tract: str, wanted: MetaWanted, base: Head) -> list[PushedRef]:
    """The results for the tags whose values are not those of the head *base*, which was there before."""
    found: list[PushedRef] = []
    for name, id in wanted.refs.items():
        there = base.refs.get(name)
        if name.startswith(TAGS) and there != id:
            status: PushStatus = "deleted" if id is None else "new" if there is None else "forced"
            found.append(
                PushedRef(tract, name, None if there is None else there.hex(), None if id is None else id.hex(), status)
            )
    return found


def _joined(wanted: MetaWanted, base: Head, force: Force) -> dict[str, ObjectId | None]:
    refs = dict(base.refs)
    for name, id in wanted.refs.items():
        there = refs.get(name)
        if there is not None and id is not None and there != id and force == "no":
            raise RemoteMovedError(name, id.hex(), there.hex(), base.by, "and a tag stays where it is")
        refs[name] = id
    return refs


def _borrowed(link: Link, repo: Repository, base: Head, ids: Sequence[ObjectId]) -> list[PackName]:
    """The packs of this head, and those of branches by which the remote has the commits *ids*."""
    packs = dict.fromkeys(base.packs)
    start = f"{REMOTES}{link.name}/"
    for id in ids:
        if link.has(list(packs))(id):
            continue
        for name, at in repo.local_refs(start):
            known: KnownHead | None = link.seen(repo.tract, name.removeprefix(start), at)
            if known is not None and link.has(known.head.packs)(id):
                # This store may have seen that head long ago; packs that a collector removed since are no help.
                known = link.look(repo.tract, name.removeprefix(start))
                if known is not None and link.has(known.head.packs)(id):
                    packs |= dict.fromkeys(known.head.packs)
                break
    return list(packs)
