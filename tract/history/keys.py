"""Keys: names that another program gave a message, and whether a branch has a key already.

A key is a note about its commit (``refs/notes/key``, ``{"key": …}``), so it is in no commit's id.
A branch has the key if the commit is in its history, compressed or not.
When gc removes a commit, its key stays: gc notes it again on the commit at which history then ends, with the commit it stood at (``{"key": …, "was": …}``).

Finding an old commit in a long history must not cost a walk over it.
So the index (tract/storage/key_index.py) keeps for each commit with a key two links to others behind it, by first parents:

    depth   0 ── 1 ── 2 ── 3 ── 4 ── 5 ── 6
    parent  ◂─── ◂─── ◂─── ◂─── ◂─── ◂───
    jump    ◂───      ◂────────      ◂───             as far back as a skew binary number has digits

The commit at a given depth is found in a number of steps that grows with the logarithm of the length (Myers, "An applicative random-access stack", 1983).
History is walked only if other commits came in by a merge.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

from tract.annotations import Any, TypeVar
from tract.errors import KeyConflictError
from tract.history.commit import Draft
from tract.history.context import context_at, find_entry
from tract.history.notes import KEY, note_tip, noted_entries, notes_between, said_by
from tract.history.walk import is_ancestor
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId, parse_id
from tract.objects.json import same_json
from tract.objects.model import Commit, CommitOperation
from tract.objects.note import read_event
from tract.repo import Repository
from tract.storage.key_index import IndexReplacedError, KeyIndex, Link
from tract.transaction import transaction

_NAME = 16
# The most commits without a key behind one that has a key; further back only a walk can tell.
_MOST_WITHOUT = 1024
_MOST_WALKED = 1024
_MOST_TRIES = 8
_MOST_READ_ANEW = 24
"""A process that ends does not write fewer rows of the index than this: for so few the next process reads the notes again in the time that writing takes."""
_T = TypeVar("_T")


class Known(NamedTuple):
    """The commit in a branch's history that has a key, or stands for the commit that had it, and the *message* itself; None if gc removed the message. A message cut from the history may still be in the context."""

    commit: ObjectId
    message: ObjectId | None

    @property
    def best(self) -> ObjectId:
        """The message, or the commit that stands for it."""
        return self.commit if self.message is None else self.message


def find_key(repo: Repository, key: str, tip: ObjectId | None) -> Known | None:
    """The commit with *key* in the history of *tip*, the earliest of several; None if there is none."""
    return None if tip is None else asking(repo, lambda index: find_said(repo, index, said_of(repo, index, key), tip))


def known_commits(repo: Repository, drafts: Sequence[Draft]) -> list[ObjectId | None]:
    """For each draft, the commit that HEAD's branch has under its key; None if it has none, or the draft has no key.

    KeyConflictError if that commit has another content.
    """
    tip = repo.head()[1]
    return [None if draft.key is None else commit_instead(repo, draft.key, draft.value, tip) for draft in drafts]


def commit_instead(repo: Repository, key: str, value: Any, tip: ObjectId | None) -> ObjectId | None:
    """The commit with *key* in the history of *tip*, or None; KeyConflictError if its content is not *value*."""
    known = find_key(repo, key, tip)
    return None if known is None else checked(repo, key, value, known)


def checked(repo: Repository, key: str, value: Any, known: Known) -> ObjectId:
    """The commit in *known*; KeyConflictError if its content is not *value*."""
    content = None if known.message is None else repo.commit(known.message).content
    if content is not None and not same_json(repo.blob(content), value):
        raise KeyConflictError(key, known.best.hex())
    return known.best


def commits_said(repo: Repository, key: str) -> frozenset[ObjectId]:
    """The commits that were given *key*, on any branch."""
    return asking(repo, lambda index: frozenset(target for target, was in said_of(repo, index, key) if was is None))


def last_said(repo: Repository, keys: Sequence[str | None]) -> int | None:
    """The position of the last of *keys* that a commit on any branch has; None if there is none."""

    def look(index: KeyIndex) -> int | None:
        for at in range(len(keys) - 1, -1, -1):
            key = keys[at]
            if key is not None and index.has(key) and any(was is None for _, was in said_of(repo, index, key)):
                return at
        return None

    return asking(repo, look)


def keys_of(repo: Repository, commits: Iterable[ObjectId]) -> dict[ObjectId, list[str]]:
    """The keys of those *commits* that have keys; the list of all notes is read only if one has."""
    wanted = asking(repo, lambda index: {id: list[str]() for id in commits if index.link(id) is not None})
    for target, blob in noted_entries(repo, note_tip(repo, KEY)) if wanted else ():
        if target in wanted:
            body = said_by(repo, (target, blob)).body
            if "was" not in body and body["key"] not in wanted[target]:
                wanted[target].append(body["key"])
    return wanted


def keep_index(repo: Repository) -> None:
    """Bring the index up to the notes, and write new rows if they are many: for a process that ends soon and starts again."""
    if asking(repo, lambda index: index.is_long(_MOST_READ_ANEW)):
        save_locked(repo, _MOST_READ_ANEW)


def save_locked(repo: Repository, most: int | None = None) -> None:
    """Do what :func:`save_index` does, for a caller without the lock."""
    with transaction(repo, "keys", moves="refs"):  # only for its lock: it moves no ref, so it writes nothing
        save_index(repo, most)


def save_index(repo: Repository, most: int | None = None) -> None:
    """Bring the index up to the notes, and write new rows if they are *most* or more (None: many). Only for the holder of the store's lock."""
    while not asking(repo, lambda index: index.save(most)):
        pass


def asking(repo: Repository, ask: Callable[[KeyIndex], _T]) -> _T:
    """Return the answer of *ask* for the index, brought up to all notes."""
    index = repo.keys
    for _ in range(_MOST_TRIES):
        try:
            _advance(repo, index)
            return ask(index)
        except IndexReplacedError:
            continue  # other processes merged runs; or a run is damaged, and is ignored from now on
    index.clear()
    _advance(repo, index)
    return ask(index)


def find_said(
    repo: Repository, index: KeyIndex, said: Iterable[tuple[ObjectId, ObjectId | None]], tip: ObjectId
) -> Known | None:
    """The commit in the history of *tip* among those that the notes *said* a key of, the earliest of several; None if there is none."""
    here: list[ObjectId] = []
    alone: list[ObjectId] = []
    gone: set[ObjectId] = set()
    stands_for: dict[ObjectId, ObjectId] = {}
    for target, was in said:
        if was is not None:
            stands_for[target] = was
        elif repo.objects.contains(target):
            if _is_behind(repo, index, target, tip):
                here.append(target)
            elif target in repo.shallow.cuts:
                alone.append(target)
        elif _is_linked(index, repo, target, tip) is True:
            gone.add(target)
    if here:
        first = min(here, key=lambda id: (repo.commit(id).generation, repo.commit(id).time, id))
        return Known(first, first)
    for end, was in stands_for.items():
        if repo.objects.contains(end) and (was in gone or _is_end_behind(repo, index, end, tip)):
            return Known(end, was if _is_there(repo, was) else None)
    for message in alone:  # a clone may have a context without the history behind it
        if find_entry(repo, context_at(repo, tip), message) is not None and _is_there(repo, message):
            return Known(tip, message)
    return None


def _is_there(repo: Repository, message: ObjectId) -> bool:
    """True if a message that is no longer in any history can be read as it was committed: gc keeps messages of contexts."""
    content = repo.commit(message).content if repo.objects.contains(message) else None
    return content is not None and repo.objects.contains(content)


def said_of(repo: Repository, index: KeyIndex, key: str) -> Iterator[tuple[ObjectId, ObjectId | None]]:
    """Yield the commits that notes give *key* to, each with the commit that it stands for if gc wrote the note."""
    for blob in index.notes(key):
        event = read_event(blob, repo.blob(blob))
        if event.body.get("key") == key:
            was = event.body.get("was")
            yield event.target, parse_id(was) if isinstance(was, str) else None


def _is_behind(repo: Repository, index: KeyIndex, commit: ObjectId, tip: ObjectId) -> bool:
    """True if *commit*, which is in the store, is in the history of *tip*."""
    linked = _is_linked(index, repo, commit, tip)
    return is_ancestor(repo, commit, tip) if linked is None else linked


def _is_end_behind(repo: Repository, index: KeyIndex, end: ObjectId, tip: ObjectId) -> bool:
    """True if a commit to which gc gave keys is in the history of *tip*.

    Links made before that gc bypass the commit, so its absence among the links proves nothing. Many keys have the same commit, so the result of a walk is remembered.
    """
    if _is_linked(index, repo, end, tip):
        return True
    found = index.walked.get((end, tip))
    if found is None:
        if len(index.walked) >= _MOST_WALKED:
            index.walked.clear()
        found = index.walked[end, tip] = is_ancestor(repo, end, tip)
    return found


def _is_linked(index: KeyIndex, repo: Repository, commit: ObjectId, tip: ObjectId) -> bool | None:
    """True if the links lead from *tip* to *commit*; None if they cannot tell."""
    with index.reading():
        goal = index.link(commit)
        found = _nearest(repo, index, tip)
        if goal is None or found is None:
            return True if commit == tip else None
        at, link, merges = found
        merges += link.merges
        while link.depth > goal.depth:
            at = link.jump if jump_depth(link.depth) >= goal.depth else link.parent
            behind = index.link(at)
            if behind is None or behind.depth < goal.depth:
                return None
            link = behind
    if link.depth == goal.depth and at == commit[:_NAME]:
        return True
    return False if not merges else None


def _nearest(repo: Repository, index: KeyIndex, start: ObjectId) -> tuple[bytes, Link, int] | None:
    """The nearest commit with a key at or behind *start*, and the number of merges in between; None if there is none near."""
    at = start
    merges = 0
    for _ in range(_MOST_WITHOUT):
        link = index.link(at, is_expected=False)
        if link is not None:
            return at[:_NAME], link, merges
        commit = repo.commit(at)
        merges += _brings_others(commit)
        if not commit.parents:
            return None
        at = commit.parents[0]
    return None


def _brings_others(commit: Commit) -> bool:
    """True if *commit* brings in commits that are not behind its first parent."""
    return len(commit.parents) > 1 and commit.operation is not CommitOperation.COMPRESS


def _advance(repo: Repository, index: KeyIndex) -> None:
    """Bring the index up to the notes of this tract."""
    tip = note_tip(repo, KEY)
    if tip == index.tip:
        return
    notes = None
    if index.tip is not None and repo.objects.contains(index.tip):
        notes = notes_between(repo, index.tip, tip, most=sys.maxsize, least=repo.commit(index.tip).generation)
    if notes is None:
        index.clear()
    for target, blob in noted_entries(repo, tip) if notes is None else notes:
        _add(repo, index, target, blob)
    index.advanced(tip)


def _add(repo: Repository, index: KeyIndex, target: ObjectId, blob: ObjectId) -> None:
    """Add one note, and the links of the commit it is about."""
    key = said_by(repo, (target, blob)).body.get("key")
    if not isinstance(key, str):
        return
    index.add_key(key, blob)
    if index.link(target) is None and repo.objects.contains(target):
        index.add_link(target, link_of(repo, index, repo.commit(target)))


def jump_depth(depth: int) -> int:
    """The depth to which the jump of a commit at *depth* leads. It follows from the depth, so a jump that goes too far need not be read."""
    end = 0
    while depth:
        whole = (1 << (depth + 1).bit_length() - 1) - 1  # the largest of 1, 3, 7, 15, … that is not more
        depth -= whole
        end += whole if depth else 0
    return end


def link_of(repo: Repository, index: KeyIndex, commit: Commit) -> Link:
    """The two links that the index keeps for *commit*, which has a key."""
    merges = int(_brings_others(commit))
    if not commit.parents:
        return Link(b"", b"", 0, merges)
    found = _nearest(repo, index, commit.parents[0])
    if found is None:
        # No commit with a key is near; if there is more history than was searched, only a walk can tell.
        return Link(b"", b"", 0, merges + (commit.generation > _MOST_WITHOUT))
    parent, link, between = found
    merges += between + link.merges
    jump = index.link(link.jump) if link.jump else None
    if jump is not None and jump.jump:
        further = index.link(jump.jump)
        if further is not None and link.depth - jump.depth == jump.depth - further.depth:
            return Link(parent, jump.jump, link.depth + 1, merges)
    return Link(parent, parent, link.depth + 1, merges)
