"""What is known of the request that a commit answered, as a note about it says (compile/sent.py)."""

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
    """What is known of a request: its *settings* in their order, whom it was sent to, the BLAKE3 of its bytes, the commit whose context it had and the number of the rules of mending."""

    settings: Mapping[str, Any]
    provider: str | None
    body_hash: str | None
    context: ObjectId | None
    hidden: tuple[ObjectId, ...]
    rules: int


def hidden_by(repo: Repository, body: Mapping[str, Any]) -> tuple[frozenset[ObjectId], int]:
    """The messages that were hidden as the note says, and how many ids the notes say that it goes back to, but for the first."""
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
    """What is known of the request that *commit* answered; None where nothing was recorded."""
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
    """The request that was made with the context at the commit *context*, as an answer on the way to *tip* says; else the newest on the way to it."""
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
    """The request that was recorded last on the way to *tip*."""
    answer = newest_answer(space, tip)
    return None if answer is None else sent_request(space, answer)


def newest_answer(space: Workspace, tip: ObjectId | None) -> ObjectId | None:
    """The commit with which a request was recorded last on the way to *tip*."""
    space.requests.advance(space.repo, note_tip(space.repo, REQUEST))
    if not len(space.requests):
        return None
    ids = (id for id, _ in first_parents(space.repo, tip))
    return next((id for id in ids if space.requests.has_any([id])), None)
