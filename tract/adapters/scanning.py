"""Searching for secrets in messages about to be imported or recorded: they are listed with their places, and replaced or refused as asked.

Nothing is changed unless ``replace`` is asked for; then ``[secret: KIND]`` takes the place of the secret, in the message and in the data stored beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from itertools import chain, count
from typing import Any

from tract.adapters.transcripts import Branch, Child, Conversation, Problem, Turn
from tract.config import Scan
from tract.errors import ContentValidationError
from tract.messages.secrets import SecretAt, find_secrets, masked, secrets_in
from tract.objects.message_format import JSON

_MOST_TOLD = 20


def scanned(values: Sequence[JSON], scan: Scan, what: str = "message") -> tuple[list[JSON], list[str]]:
    """*values* in the form in which *scan* wants them recorded, and the findings with their places; ContentValidationError if they are to be refused."""
    made: list[JSON] = []
    told: list[str] = []
    for number, value in enumerate(values, 1):
        found = list(_secrets_in(value))
        told += [f"{what} {number}, {one.path}: what looks like a secret ({one.kind}: {one.shown})" for one in found]
        made.append(_clean(value) if found and scan == "replace" else value)
    if told and scan == "refuse":
        more = f", and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
        raise ContentValidationError(f"nothing is recorded: {'; '.join(told[:_MOST_TOLD])}{more}")
    return made, told


def find_in_conversation(conversation: Conversation) -> Iterator[Problem]:
    """The possible secrets in *conversation*, each with its line."""
    for branch in conversation.branches:
        for turn in branch.turns[branch.shared :]:
            for place, value in (("message", turn.message), ("metadata", turn.metadata)):
                for secret in _secrets_in(value):
                    detail = f"{place}.{secret.path}: what looks like a secret ({secret.kind}: {secret.shown})"
                    yield Problem("", turn.line, detail)
    for secret in _secrets_in(conversation.metadata):
        yield Problem("", None, f"{secret.path} beside the messages: what looks like a secret ({secret.kind}: {secret.shown})")  # fmt: skip
    names = {"title": conversation.title, "name": conversation.name, "id": conversation.id}
    known = (conversation.title, *conversation.metadata.values())
    for secret in _secrets_in(
        {key: one for key, one in names.items() if one not in (known[1:] if key == "title" else known)}
    ):
        yield Problem("", None, f"{secret.path} of the conversation: what looks like a secret ({secret.kind}: {secret.shown})")  # fmt: skip
    for child in conversation.children:
        for secret in _secrets_in({"purpose": child.purpose}):
            yield Problem("", None, f"{secret.path} of a sub-agent: what looks like a secret ({secret.kind}: {secret.shown})")  # fmt: skip
        yield from find_in_conversation(child.conversation)


def without_secrets(conversation: Conversation) -> Conversation:
    """*conversation* with a mark in the place of each secret."""
    return conversation._replace(
        name=_clean(conversation.name),
        title=_clean(conversation.title),
        id=_clean(conversation.id),
        branches=tuple(_clean_branch(branch) for branch in conversation.branches),
        metadata=_clean(conversation.metadata),
        children=tuple(
            Child(without_secrets(one.conversation), _clean(one.purpose), one.call_id) for one in conversation.children
        ),
    )


def _secrets_in(value: JSON) -> Iterator[SecretAt]:
    """The possible secrets in the texts of *value* and in the keys of its objects."""
    for one in secrets_in(value):
        yield one._replace(path=_clean_text(one.path))
    seen: set[str] = set()
    stack: list[tuple[str, JSON]] = [("", value)]
    while stack:
        path, inner = stack.pop()
        if isinstance(inner, list):
            stack += [(f"{path}.{at}".lstrip("."), item) for at, item in enumerate(inner)]
        elif isinstance(inner, dict):
            for key in [key for key in inner if key not in seen]:
                for secret in find_secrets(key):
                    yield SecretAt(secret.kind, f"a key of {path or 'it'}", masked(key[secret.start : secret.end]))
            seen |= inner.keys()
            stack += [(f"{path}.{_clean_text(key)}".lstrip("."), item) for key, item in inner.items()]


def _clean_branch(branch: Branch) -> Branch:
    return branch._replace(turns=tuple(_clean_turn(turn) for turn in branch.turns))


def _clean_turn(turn: Turn) -> Turn:
    return turn._replace(
        message=_clean(turn.message),
        metadata=_clean(turn.metadata),
        usage=_clean(turn.usage),
        config=_clean(turn.config),
    )


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        made: dict[str, JSON] = {}
        for key, item in value.items():
            made[_free(_clean_text(key), value.keys() | made.keys()) if find_secrets(key) else key] = _clean_field(key, item)  # fmt: skip
        return made
    return value


def _free(key: str, taken: Set[str]) -> str:
    """*key*, with a number if it is *taken*, because two secrets may leave the same key."""
    return next(one for one in chain((key,), (f"{key} {number}" for number in count(2))) if one not in taken)


def _clean_field(key: str, value: JSON) -> JSON:
    """A text under its key: if the key names a secret, the whole text is replaced."""
    if isinstance(value, str) and not find_secrets(value):
        named = [secret for secret in secrets_in({key: value}) if secret.path == key]
        return f"[secret: {named[0].kind}]" if named else value
    return _clean(value)


def _clean_text(text: str) -> str:
    pieces: list[str] = []
    done = 0
    for secret in find_secrets(text):
        pieces += (text[done : secret.start], f"[secret: {secret.kind}]")
        done = secret.end
    return "".join((*pieces, text[done:]))
