"""A new session that is being written."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count, pairwise

from tract.compile.compiled import CompiledContext
from tract.objects.message_format import JSON


class Session:
    """The *id* of the session, its working *folder*, and the losses of its format."""

    def __init__(self, id: str, folder: str, now: datetime) -> None:
        self.id = id
        self.folder = folder
        self.now = now
        self.losses: list[str] = []

    def moments(self) -> Iterator[str]:
        """Times that rise by a millisecond, as programs write them."""
        for number in count():
            moment = self.now + timedelta(milliseconds=number)
            yield moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"

    def lost(self, what: str) -> None:
        """Note that the format cannot carry *what*."""
        self.losses.append(what)


def tell_joined(context: CompiledContext, session: Session) -> None:
    """Note the messages that a format with alternating sides joins into one."""
    roles = [message.role for message in context.messages]
    if any(role == other and role in ("user", "assistant") for role, other in pairwise(roles)):
        session.lost("where a message ends and another of the same role begins")


def new_id() -> str:
    """A uuid."""
    return str(uuid.uuid4())


def model_of(configs: Sequence[JSON], default: str = "unknown") -> str:
    """The model of the last answer that names one."""
    for config in reversed(configs):
        if isinstance(config, dict) and isinstance(config.get("model"), str) and config["model"]:
            return str(config["model"])
    return default
