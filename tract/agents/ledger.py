"""The ledger: notes about actions. No undo takes them back, and they outlive the commits they are about.

    entry    {"id": "5f02c1…", "status": "pending", …, "texts": <id of the blob below, or nothing>}     names, ids, figures
    texts    {"id": "5f02c1…", "texts": {"reason": "…", "arguments": {…}}}                               texts that may quote a message

Both are notes of one namespace, so they travel together; texts that may quote a message are in a blob of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from tract.history.notes import NoteTable, check_distinct, note_tip, noted_entries, notes_between, said_by
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import Refs
from tract.objects.note import NoteEvent
from tract.repo import Repository
from tract.transaction import Transaction

TRACT = bytes(32)
"""The subject of an entry made before the first commit: the tract itself."""

T = TypeVar("T")


class TractNote(Generic[T]):
    """The newest note of *namespace* about the tract itself, or the default if there is none; asking again costs the reading of one ref."""

    def __init__(self, namespace: str, default: T, parse: Callable[[Mapping[str, Any]], T]) -> None:
        self._namespace = namespace
        self._default = default
        self._parse = parse
        self._tip: ObjectId | None = None
        self._found = default

    def read(self, repo: Repository) -> T:
        """The value of the newest note."""
        tip = note_tip(repo, self._namespace)
        if tip != self._tip:
            notes = NoteTable()
            notes.advance(repo, tip)
            body = notes.get(repo, TRACT)
            self._found = self._default if body is None else self._parse(body)
            self._tip = tip
        return self._found


class Entry(NamedTuple):
    """One entry: *key* names its subject, *body* has its fields, *texts* its texts."""

    id: ObjectId
    key: str
    event: NoteEvent
    texts: Mapping[str, Any]

    @property
    def body(self) -> Mapping[str, Any]:
        """Its fields."""
        return self.event.body


class Ledger:
    """The entries of one namespace, in the order in which they were written, as far as they were read."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.entries: list[Entry] = []
        self._tip: ObjectId | None = None
        self._texts: dict[ObjectId, Mapping[str, Any]] = {}
        self._known: set[ObjectId] = set()

    def advance(self, repo: Repository) -> bool:
        """Read the new entries; return whether there were any."""
        tip = note_tip(repo, self.namespace)
        if tip == self._tip:
            return False
        added = notes_between(repo, self._tip, tip)
        if added is None:  # far apart, or another list
            self.entries, self._texts, self._known = [], {}, set()
            added = list(noted_entries(repo, tip))
        self._tip = tip
        check_distinct(self.namespace, added)
        for entry in added:
            if entry[1] not in self._known:
                self._take(entry[1], said_by(repo, entry))
        return True

    def _take(self, id: ObjectId, event: NoteEvent) -> None:
        self._known.add(id)
        texts = event.body.get("texts")
        key = str(event.body.get("id"))
        if isinstance(texts, dict):
            self._texts[id] = texts
            return
        words = self._texts.get(bytes.fromhex(texts), {}) if isinstance(texts, str) else {}
        self.entries.append(Entry(id, key, event, words))


def write_entry(
    tx: Transaction,
    namespace: str,
    key: str,
    fields: Mapping[str, Any],
    texts: Mapping[str, Any],
    *,
    replaces: tuple[ObjectId, ...] = (),
    refs: Refs | None = None,
) -> None:
    """Write an entry about *key*; *texts* are those of its fields that may quote a message, *refs* the objects that it keeps from gc."""
    about = tx.tip or TRACT
    body = {"id": key, **fields}
    if texts:
        made = tx.note(namespace, about, {"id": key, "texts": dict(texts)}, replaces=())
        words = tx.repo.commit(made).content
        assert words is not None
        body["texts"] = words.hex()
    tx.note(namespace, about, body, replaces=replaces, refs=refs)
