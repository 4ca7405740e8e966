"""Scanning a push for secrets, so that none leaves by accident.

Only objects that the remote lacks are scanned, so a push costs what it sends, and what was let through once is not asked about again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tract.errors import RemoteRefusedError
from tract.messages.secrets import SecretAt, secrets_in
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import Object
from tract.objects.strict_reader import decode_blob
from tract.remote.closure import Needed
from tract.repo import Repository

_NAMED = 3


class FoundSecret(NamedTuple):
    """What looks like a secret, and the commit with the content; None for something that belongs to no commit, such as a note."""

    commit: str | None
    secret: SecretAt


def refuse_secrets(repo: Repository, need: Needed, what: str) -> None:
    """Raise RemoteRefusedError, with every place, if something to be sent looks like a secret; *what* is pushed."""
    _refuse(list(look_through(repo, need)), what, "a note")


def refuse_secrets_in(values: Iterable[Any], what: str) -> None:
    """Raise RemoteRefusedError if one of *values*, which are not commits yet, looks like a secret."""
    _refuse([FoundSecret(None, one) for value in values for one in secrets_in(value)], what, "the message")


def _refuse(found: Sequence[FoundSecret], what: str, beside: str) -> None:
    if not found:
        return
    places = [
        f"{_where(one, beside)} has what looks like a secret ({one.secret.kind}: {one.secret.shown})" for one in found
    ]
    more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    error = RemoteRefusedError(f"push of '{what}' refused: {'; '.join(places[:_NAMED])}{more}; nothing of it was sent")
    error.secrets = tuple(found)
    raise error


def look_through(repo: Repository, need: Needed) -> Iterator[FoundSecret]:
    """Yield what looks like a secret in the blobs to be sent."""
    brought: dict[ObjectId, ObjectId] = {}
    for id, kind in need.objects:
        content = repo.commit(id).content if kind == "commit" else None
        if content is not None:
            brought.setdefault(content, id)
    for id, kind in need.objects:
        if kind == "blob":
            commit = brought.get(id)
            value = decode_blob(id, Object("blob", repo.objects.read(id).payload))
            texts: Sequence[SecretAt] = () if isinstance(value, bytes) else tuple(secrets_in(value))
            yield from (FoundSecret(None if commit is None else commit.hex(), one) for one in texts)


def _where(found: FoundSecret, beside: str) -> str:
    place = f"'{found.secret.path}'"
    return f"{place} of {beside}" if found.commit is None else f"{place} of commit {found.commit[:16]}"
