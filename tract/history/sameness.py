"""Sameness: which messages are one message although a rebase or a cherry-pick gave them other ids, and which contents are one value although their keys are in another order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from tract.history.diff import same_content
from tract.history.notes import ORIGIN, NoteTable, note_tip
from tract.history.three_way import UNDECIDED
from tract.objects.id import ObjectId
from tract.objects.model import Entry
from tract.repo import Repository


class Sameness:
    """Looks up the notes that say which commits were replayed from which."""

    def __init__(self, repo: Repository, table: NoteTable | None = None) -> None:
        self._repo = repo
        self._table = table if table is not None else NoteTable()
        self._table.advance(repo, note_tip(repo, ORIGIN))

    def __bool__(self) -> bool:
        """True if any commit was ever replayed."""
        return len(self._table) > 0

    def first(self, id: ObjectId) -> ObjectId:
        """The first original of commit *id*: *id* itself if it was not replayed."""
        seen = {id}
        while (note := self._table.get(self._repo, id)) is not None:
            id = bytes.fromhex(note.get("first", note["from"]))
            if id in seen:
                break
            seen.add(id)
        return id

    def among(self, ids: Iterable[ObjectId]) -> dict[ObjectId, ObjectId]:
        """The *ids*, by their first originals."""
        return {self.first(id): id for id in ids} if self else {id: id for id in ids}


def named_alike(
    repo: Repository, base: Sequence[Entry], ours: Sequence[Entry], theirs: Sequence[Entry]
) -> tuple[Sequence[Entry], Sequence[Entry]]:
    """*base* and *theirs* with our ids for messages that *ours* has under other ids, so that a merge sees one message.

    Messages replayed since the base are added to the base as they were replayed, so that one side's edit of them is no conflict.
    """
    same = Sameness(repo)
    if not same:
        return base, theirs
    mine = {commit for commit, _ in ours}
    known = same.among(mine)
    before, other = _renamed(same, base, mine, known), _renamed(same, theirs, mine, known)
    old, new = {commit for commit, _ in before}, {commit for commit, _ in other} - {commit for commit, _ in theirs}
    for commit in (commit for commit, _ in other if commit in new - old):
        content = repo.commit(commit).content
        if content is not None:
            before.append((commit, content))
    return before, other


def worded_alike(
    repo: Repository, base: Sequence[Entry], ours: Sequence[Entry], theirs: Sequence[Entry]
) -> tuple[Sequence[Entry], Sequence[Entry]]:
    """*base* and *theirs* with the blobs of *ours*, or of *base*, for equal contents; only blobs that differ are read."""
    mine, old = dict(ours), dict(base)
    before = [(commit, _worded(repo, blob, mine.get(commit))) for commit, blob in base]
    other = [(commit, _worded(repo, blob, mine.get(commit), old.get(commit))) for commit, blob in theirs]
    return before, other


def _worded(repo: Repository, blob: ObjectId, *others: ObjectId | None) -> ObjectId:
    """The first of *others* with the same content as *blob*, else *blob*."""
    known = (one for one in others if one is not None and one != UNDECIDED)
    return blob if blob == UNDECIDED else next((one for one in known if same_content(repo, blob, one)), blob)


def _renamed(
    same: Sameness, rows: Sequence[Entry], mine: AbstractSet[ObjectId], known: Mapping[ObjectId, ObjectId]
) -> list[Entry]:
    """*rows* under our ids. No id is used twice: a message that stands there twice does so on purpose."""
    taken = {commit for commit, _ in rows}
    found = []
    for commit, blob in rows:
        ours = commit if commit in mine else known.get(same.first(commit), commit)
        if ours in taken:
            ours = commit
        taken.add(ours)
        found.append((ours, blob))
    return found
