"""The uuid of a message that ends an exported session: made of its commit, so that an import of the session knows it again when it has gone on."""

from __future__ import annotations

import uuid

_OF_COMMITS = uuid.UUID("6b1f5d8e-2a37-4c19-9d0a-7f4e1c5b8a62")


def id_of_commit(commit: str) -> str:
    """The uuid of the message that *commit* introduced."""
    return str(uuid.uuid5(_OF_COMMITS, commit))
