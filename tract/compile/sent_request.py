"""The recorded request that a commit answered, read from the note about it (compile/sent.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tract.compile.workspace import Workspace
from tract.errors import ObjectCorruptError
from tract.history.notes import REQUEST, note_tip
from tract.history.walk import first_parents
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.note import read_body
from tract.repo import Repository


class SentRequest(NamedTuple):
    """A recorded request: its *settings* in their order, the provider it was sent to, the BLAKE3 of its bytes, the commit whose context it had, the messages hidden then, and the version of the rules of mending."""

    settings: Mapping[str, Any]
    provider: str | None
    body_hash: str | None
    context: ObjectId | None
    hidden: tuple[ObjectId, ...]
    rules: int


def hidden_by(repo: Repository, body: Mapping[str, Any]) -> tuple[frozenset[ObjectId], int]:
    """The messages hidden according to the note, and the number of ids in the changes that lead to it from the first, full list."""
    changes = []
    while "hidden" not in body:
        if "hide" in body:
            changes.append(body)
        id = bytes.fromhex(body["since"])
        body = read_body(id, repo.blob(id))
    hidden = set(body["hidden"])
    for change in reversed(changes):
        hidden = (hidden | set(change["hide"])) - set(change["show"])
    said = sum(len(change["hide"]) + len(change["show"]) for change in changes)
    return frozenset(bytes.fromhex(one) for one in hidden), said


def sent_request(space: Workspace, commit: ObjectId) -> SentRequest | None:
    """The recorded request that *commit* answered, or None."""
    repo = space.repo
    space.requests.advance(repo, note_tip(repo, REQUEST))
    body = space.requests.get(repo, commit)
    if body is None:
        return None
    try:
        first = body
        if "as" in body:
            id = bytes.fromhex(body["as"])
            first = read_body(id, repo.blob(id))
        context = None if body["context"] is None else bytes.fromhex(body["context"])
        hidden = tuple(hidden_by(repo, body)[0])
        return SentRequest(first["request"], body["provider"], body["body_hash"], context, hidden, body["rules"])
    except (KeyError, TypeError, ValueError) as exc:
        raise ObjectCorruptError(
            f"request of commit {commit.hex()}", "it is not what a note of a request says"
        ) from exc


def request_of_context(space: Workspace, context: ObjectId | None, tip: ObjectId | None) -> SentRequest | None:
    """The request made with the context at the commit *context*, recorded with an answer on the way to *tip*; failing that, the newest on the way."""
    space.requests.advance(space.repo, note_tip(space.repo, REQUEST))
    if not len(space.requests):
        return None
    found: SentRequest | None = None
    is_after = True
    for id, _ in first_parents(space.repo, tip):
        is_after = is_after and id != context
        request = sent_request(space, id) if space.requests.has_any([id]) else None
        if request is not None and (request.context == context if is_after else found is None):
            found = request
        if found is not None and not is_after:
            return found
    return found if found is not None or not is_after else newest_request(space, context)


def newest_request(space: Workspace, tip: ObjectId | None) -> SentRequest | None:
    """The newest request recorded on the way to *tip*."""
    answer = newest_answer(space, tip)
    return None if answer is None else sent_request(space, answer)


def newest_answer(space: Workspace, tip: ObjectId | None) -> ObjectId | None:
    """The newest commit on the way to *tip* that has a recorded request."""
    space.requests.advance(space.repo, note_tip(space.repo, REQUEST))
    if not len(space.requests):
        return None
    ids = (id for id, _ in first_parents(space.repo, tip))
    return next((id for id in ids if space.requests.has_any([id])), None)
