"""Pinned messages, and the wording of them that contexts had."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

from tract.errors import BlobNotFoundError, HistoryCutError
from tract.history.context import chunks, context_at, entries
from tract.history.notes import PRIORITY
from tract.history.priority import Priority
from tract.maintenance.gc.policies import Policies
from tract.objects.id import ObjectId
from tract.objects.model import Commit
from tract.refs.names import NOTES, split_tract
from tract.repo import Repository
from tract.tree import Context


def pinned_commits(repo: Repository, policies: Policies) -> Iterator[ObjectId]:
    """The messages that somebody pinned, in any tract that keeps what it pinned, and did not unpin since."""
    for name, tip in repo.refs.list():
        is_kept = split_tract(name)[1] == NOTES + PRIORITY and policies.of(name).keep_pinned
        if is_kept and isinstance(tip, bytes):
            newest: dict[ObjectId, ObjectId] = {}
            commit = repo.commit(tip)
            for _, items in chunks(repo, Context(commit.tree, commit.open)):
                newest.update(zip(items[::2], items[1::2], strict=True))
            for target, blob in newest.items():
                note = repo.blob(blob)
                if isinstance(note, dict) and note.get("priority") == Priority.PINNED:
                    yield target


def last_wordings(
    repo: Repository, pinned: Container[ObjectId], edits: Mapping[ObjectId, Commit], compressed: Iterable[ObjectId]
) -> Iterator[ObjectId]:
    """Of the *edits* those that gave *pinned* messages the content they had last: in the contexts at the commits *compressed*."""
    wordings: dict[tuple[ObjectId, ObjectId], list[ObjectId]] = {}
    for id, commit in edits.items():
        if commit.target is not None and commit.target in pinned and commit.content is not None:
            wordings.setdefault((commit.target, commit.content), []).append(id)
    if not wordings:
        return
    for id in compressed:
        try:
            had = wordings.keys() & set(entries(repo, context_at(repo, id)))
        except (BlobNotFoundError, HistoryCutError):
            continue  # what an orphan left of an archive that went before
        for wording in had:
            yield max(wordings.pop(wording), key=lambda id: (edits[id].time, id))
