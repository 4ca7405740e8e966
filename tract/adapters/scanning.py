"""Searching for secrets in messages about to be imported or recorded: they are listed with their places, and replaced or refused as asked.

Nothing is changed unless ``replace`` is asked for; then ``[secret: KIND]`` takes the place of the secret, in the message and in the data stored beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tract.adapters.transcripts import Branch, Child, Conversation, Problem, Turn
from tract.config import Scan
from tract.errors import ContentValidationError
from tract.messages.secrets import find_secrets, secrets_in
from tract.objects.message_format import JSON

_MOST_TOLD = 20


def scanned(values: Sequence[JSON], scan: Scan, what: str = "message") -> tuple[list[JSON], list[str]]:
    """*values* in the form in which *scan* wants them recorded, and the findings with their places; ContentValidationError if they are to be refused."""
    made: list[JSON] = []
    told: list[str] = []
    for number, value in enumerate(values, 1):
        found = list(secrets_in(value))
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
                for secret in secrets_in(value):
                    detail = f"{place}.{secret.path}: what looks like a secret ({secret.kind}: {secret.shown})"
                    yield Problem("", turn.line, detail)
    for secret in secrets_in(conversation.metadata):
        yield Problem("", None, f"{secret.path} beside the messages: what looks like a secret ({secret.kind}: {secret.shown})")  # fmt: skip
    names = {"title": conversation.title, "name": conversation.name, "id": conversation.id}
    known = (conversation.title, *conversation.metadata.values())
    for secret in secrets_in(
        {key: one for key, one in names.items() if one not in (known[1:] if key == "title" else known)}
    ):
        yield Problem("", None, f"{secret.path} of the conversation: what looks like a secret ({secret.kind}: {secret.shown})")  # fmt: skip
    for child in conversation.children:
        for secret in secrets_in({"purpose": child.purpose}):
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
        return {key: _clean_field(key, item) for key, item in value.items()}
    return value


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
