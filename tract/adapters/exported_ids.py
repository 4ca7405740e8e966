"""The uuid of the last message of an exported session: made of its commit, so that a later import of the session recognises it."""

from __future__ import annotations

import uuid

_OF_COMMITS = uuid.UUID("6b1f5d8e-2a37-4c19-9d0a-7f4e1c5b8a62")


def id_of_commit(commit: str) -> str:
    """The uuid of the message that *commit* introduced."""
    return str(uuid.uuid5(_OF_COMMITS, commit))
