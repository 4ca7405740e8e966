"""Edits that gave messages of contexts their present words.

Without them the words would stay, but nobody could say whose they are; and a generation config would be shown that is another's, for its note names the edit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from tract.errors import BlobNotFoundError, ObjectCorruptError
from tract.history.notes import CONFIG
from tract.maintenance.gc.catalogue import REACHED, UNSEEN, Catalogue
from tract.maintenance.gc.notes import noted_commits
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, read_commit
from tract.refs.names import NOTES, split_tract
from tract.repo import Repository


class Wording(NamedTuple):
    """An edit, the message it is of and the words that it gave it: numbers of a catalogue."""

    edit: int
    message: int
    words: int


class Archived(NamedTuple):
    """What was read in archives: a 1 for the number of each object, and the edits among them, with those that stayed of archives before."""

    seen: bytearray
    edits: Mapping[ObjectId, Commit]


_NOTHING = Archived(bytearray(), {})


def find_wordings(
    repo: Repository, catalogue: Catalogue, marks: bytearray, archived: Archived = _NOTHING
) -> tuple[Wording, ...]:
    """Of the edits that are UNSEEN in *marks* those that count: all with configs, and those that were *archived*.

    Where several gave a message the same words the newest, as for blame; and the newest of each tract's with configs, as for compiling.
    """
    found = set(_newest(catalogue, _unseen(catalogue, marks, archived.edits.items())))
    for name, tip in repo.refs.list():
        if split_tract(name)[1] == NOTES + CONFIG and isinstance(tip, bytes):
            edits = _unseen_edits(catalogue, marks, noted_commits(repo, tip), archived)
            found.update(_newest(catalogue, edits))
    return tuple(sorted(found))


def _newest(catalogue: Catalogue, edits: Iterable[tuple[ObjectId, Commit]]) -> Iterator[Wording]:
    newest: dict[tuple[ObjectId, ObjectId], tuple[int, int, ObjectId]] = {}
    for id, commit in edits:
        if commit.target is not None and commit.content is not None:
            words = (commit.target, commit.content)
            newest[words] = max(newest.get(words, (-1, 0, b"")), (commit.generation, commit.time, id))
    for (message, content), (_, _, id) in newest.items():
        yield Wording(catalogue.admit(id), catalogue.admit(message), catalogue.admit(content))


def _unseen(
    catalogue: Catalogue, marks: bytearray, commits: Iterable[tuple[ObjectId, Commit]]
) -> Iterator[tuple[ObjectId, Commit]]:
    for id, commit in commits:
        number = catalogue.number_of(id)
        if number is not None and number < catalogue.size and marks[number] == UNSEEN:
            yield id, commit


def _unseen_edits(
    catalogue: Catalogue, marks: bytearray, ids: Iterable[ObjectId], archived: Archived
) -> Iterator[tuple[ObjectId, Commit]]:
    for id in ids:
        number = catalogue.number_of(id)
        if number is None or number >= catalogue.size or marks[number] != UNSEEN:
            continue
        commit = archived.edits.get(id)
        if commit is None and not (number < len(archived.seen) and archived.seen[number]):
            with suppress(BlobNotFoundError, ObjectCorruptError):  # what nobody reaches may be damaged
                commit = read_commit(id, catalogue.read(number))
        if commit is not None and commit.operation is CommitOperation.EDIT:
            yield id, commit


def shown_edits(wordings: Sequence[Wording], marks: bytearray) -> list[int]:
    """The edits that nothing keeps, but whose message and words stay."""

    def has(number: int, state: int) -> bool:
        return number < len(marks) and marks[number] == state

    return [
        one.edit for one in wordings if has(one.edit, UNSEEN) and has(one.message, REACHED) and has(one.words, REACHED)
    ]
