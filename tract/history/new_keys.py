"""The keys of commits that a transaction makes: which drafts the branch has already, and the notes for the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from tract.annotations import Any
from tract.errors import KeyConflictError
from tract.history.commit import Change, Draft
from tract.history.keys import Known, asking, checked, find_said, link_of, said_of, save_locked
from tract.history.notes import CONFIG, KEY, ORIGIN, PRIORITY, NoteTable, note_tip
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.json import same_json
from tract.objects.model import Commit
from tract.repo import Repository
from tract.storage.key_index import IndexReplacedError, KeyIndex
from tract.transaction import Transaction


class _Made(NamedTuple):
    """A commit made under a key, with the content *value*; *note* is the note of the key and its blob, None if there was one before."""

    id: ObjectId
    commit: Commit
    value: Any
    note: tuple[ObjectId, ObjectId] | None


class KeysOfCommits:
    """The keys of the commits that a transaction makes."""

    __slots__ = ("_begun_at", "_index", "_made", "_sources", "_tables", "_tx")

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._made: dict[str, _Made] = {}
        self._sources: dict[str, ObjectId] = {}
        self._tables: dict[str, NoteTable] = {}
        self._index = tx.repo.keys
        self._begun_at = note_tip(tx.repo, KEY)
        if self._index.tip != self._begun_at:
            asking(tx.repo, lambda index: index.tip)

    def known(self, draft: Draft) -> ObjectId | None:
        """The commit that takes the place of *draft*; None if the draft is to be made. KeyConflictError as in :func:`known_commits`."""
        key, repo, tip = draft.key, self._tx.repo, self._tx.tip
        if key is None:
            return None
        if key in self._made:
            made = self._made[key]
            if not same_json(made.value, draft.value):
                raise KeyConflictError(key, made.id.hex())
            return made.id

        def look(index: KeyIndex) -> tuple[Known | None, ObjectId | None]:
            said = list(said_of(repo, index, key))
            known = find_said(repo, index, said, tip) if said and tip is not None else None
            is_elsewhere = bool(said) and known is None and not draft.is_new
            return known, _source(repo, said, draft.value) if is_elsewhere else None

        try:
            known, source = look(self._index)  # the index is up to date with all notes: the lock is held
        except IndexReplacedError:
            known, source = asking(repo, look)
        if source is not None:
            self._sources[key] = source
        return None if known is None else checked(repo, key, draft.value, known)

    def are_new(self, drafts: Sequence[Draft]) -> bool:
        """True if all drafts with keys have different keys, and no commit has one of them yet."""
        keys = [draft.key for draft in drafts if draft.key is not None]
        if len(keys) > 1 and len(set(keys)) < len(keys):
            return False
        has = self._index.has  # the index is up to date with all notes: the lock is held
        try:
            for key in keys:  # every commit with a key comes by
                if has(key):
                    return False
        except IndexReplacedError:
            return asking(self._tx.repo, lambda index: not any(map(index.has, keys)))
        return True

    def picked(self, draft: Draft, change: Change) -> Change:
        """*change*; or, if another branch has a commit with the key and the content, the change that a cherry-pick of that commit makes."""
        source = self._sources.get(draft.key or "")
        if source is None:
            return change
        commit = self._tx.repo.commit(source)
        return change._replace(
            time=commit.time if draft.time is None else change.time,
            author=commit.author,
            message=commit.message if draft.message is None else change.message,
            metadata=commit.metadata if draft.metadata is None else change.metadata,
        )

    def add(self, draft: Draft, id: ObjectId, commit: Commit) -> None:
        """Note the key of the commit *id* made from *draft*, and copy the notes of the commit it was picked from."""
        key, tx = draft.key, self._tx
        if key is None:
            return
        source = self._sources.get(key)
        note = None if source == id else tx.note(KEY, id, {"key": key}, time=commit.time)
        blob = None if note is None else tx.repo.commit(note).content
        self._made[key] = _Made(id, commit, draft.value, None if note is None or blob is None else (note, blob))
        if source is not None and source != id:
            for namespace in (PRIORITY, *((CONFIG,) if draft.config is None else ())):
                body = self._table(namespace).get(tx.repo, source)
                if body is not None:
                    tx.note(namespace, id, dict(body), time=commit.time)
            tx.note(ORIGIN, id, {"by": "cherry-pick", "from": source.hex()}, time=commit.time)

    def add_new(self, made: Sequence[tuple[Draft, ObjectId, Commit]]) -> None:
        """Do the same for many commits whose drafts ``are_new``."""
        keyed = [one for one in made if one[0].key is not None]
        notes = self._tx.note_new(KEY, [(id, {"key": draft.key}, commit.time) for draft, id, commit in keyed])
        for (draft, id, commit), note in zip(keyed, notes, strict=True):
            self._made[draft.key or ""] = _Made(id, commit, draft.value, note)

    def landed(self) -> None:
        """Bring the index up to the notes that have landed now; none of them need be read."""
        repo, index = self._tx.repo, self._index
        if index.tip != self._begun_at:
            return
        last = self._begun_at
        try:
            for key, (id, commit, _, said) in self._made.items():
                if said is not None:
                    last, blob = said
                    index.add_made(key, blob, id, partial(link_of, repo, index, commit))
        except IndexReplacedError:
            return  # the next question brings the index up to the notes
        index.advanced(last)
        if index.is_long():
            save_locked(repo)

    def _table(self, namespace: str) -> NoteTable:
        table = self._tables.get(namespace)
        if table is None:
            table = self._tables[namespace] = NoteTable()
            table.advance(self._tx.repo, note_tip(self._tx.repo, namespace))
        return table


def _source(repo: Repository, said: Iterable[tuple[ObjectId, ObjectId | None]], value: Any) -> ObjectId | None:
    """One of the commits that notes give a key to and whose content is *value*; None if there is none."""
    for target, _ in said:
        content = repo.commit(target).content if repo.objects.contains(target) else None
        if content is not None and same_json(repo.blob(content), value):
            return target
    return None
