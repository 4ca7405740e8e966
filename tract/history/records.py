"""Records: data in the history of a conversation that is not a message.

A record's context is its parent's, so it is never compiled and never counted.
A record may name objects it needs: blobs, or commits for their contexts; gc keeps them with it.
A compression's summary does not stand for the records behind it: the compress commit lists them, so that they stay when its history is cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tract.errors import ContentValidationError
from tract.history.walk import ancestors
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, Entry, NewObject, Refs
from tract.repo import Repository
from tract.tree import build_list, list_items


def build_refs(repo: Repository, ids: Iterable[ObjectId], new: list[NewObject]) -> Refs | None:
    """The list of the objects *ids* that a record needs; None if it needs none.

    BlobNotFoundError if one is missing; ContentValidationError if one is neither blob nor commit.
    """
    made: list[NewObject] = []
    refs = Refs(*build_list(repo, [(id, _kind_of(repo, id)) for id in ids], made, "refs"))
    new += [node for node in made if not repo.objects.contains(node.id)]
    return refs if refs.open or refs.tree else None


def _kind_of(repo: Repository, id: ObjectId) -> str:
    kind = repo.objects.read(id).kind
    if kind not in ("blob", "commit"):
        raise ContentValidationError(f"object {id.hex()[:16]} is a {kind}, and a record needs blobs and commits")
    return kind


def refs_of(repo: Repository, commit: Commit) -> tuple[str, ...]:
    """The ids of the objects that a record needs, in hexadecimal and in the order in which they were given."""
    return () if commit.refs is None else tuple(id.hex() for id, _ in list_items(repo, *commit.refs))


def records_behind(repo: Repository, starts: Iterable[ObjectId]) -> Iterator[tuple[ObjectId, Commit]]:
    """Yield the records in the history behind *starts*, newest first; behind a compression whose history was cut, the records that it lists."""
    seen: set[ObjectId] = set()
    for id, commit in ancestors(repo, starts):
        if commit.operation is CommitOperation.RECORD and id not in seen:
            seen.add(id)
            yield id, commit
        elif id in repo.shallow.cuts and commit.operation is CommitOperation.COMPRESS and commit.refs is not None:
            for record, _ in reversed(list_items(repo, *commit.refs)):
                if record not in seen:
                    seen.add(record)
                    yield record, repo.commit(record)


def list_records(repo: Repository, tip: ObjectId, new: list[NewObject]) -> Refs | None:
    """The list of records for a compression on *tip*: those in an earlier compression's list, then those made since, oldest first."""
    found: dict[ObjectId, tuple[int, int, Entry]] = {}
    listed: list[Entry] = []
    seen: set[ObjectId] = set()
    stack = [tip]
    while stack:
        id = stack.pop()
        if id in seen:
            continue
        seen.add(id)
        commit = repo.outline(id)
        if commit.operation == CommitOperation.COMPRESS:
            refs = repo.commit(id).refs
            listed += [] if refs is None else list_items(repo, *refs)
            continue
        if commit.operation == CommitOperation.RECORD and commit.content is not None:
            found[id] = commit.generation, commit.time, (id, commit.content)
        stack.extend(commit.parents)
    entries: Sequence[Entry] = list(dict.fromkeys([*listed, *(entry for _, _, entry in sorted(found.values()))]))
    made: list[NewObject] = []
    records = Refs(*build_list(repo, entries, made, "records"))
    new += [node for node in made if not repo.objects.contains(node.id)]
    return records if records.open or records.tree else None


def message_before(repo: Repository, id: ObjectId) -> ObjectId:
    """*id*, or, if that is a record, the nearest commit before it that is not; *id* itself if all before it are records."""
    at = id
    while True:
        commit = repo.commit(at)
        if commit.operation is not CommitOperation.RECORD:
            return at
        if not commit.parents:
            return id
        at = commit.parents[0]
