"""What every peer is asked to do; what one cannot do gives None, and the tables say so."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar, Literal

Message = dict[str, str]
Durability = Literal["process", "full"]
"""``process``: what was acknowledged survives the death of the process; ``full``: a power cut too."""


class Peer:
    """One handle on one conversation in a folder.

    *lacks* says what the peer does not do that tract does; *durability* how it is brought to each of the two, and what is not in it cannot be had.
    *most* is how many messages it is given at most: what takes minutes or gigabytes beyond that is said in *why_most*.
    *names_each* is False where ``append_many`` does not know each message's place.
    *places* are filled while appending, where reading an earlier point needs a name for it: one for the history after each message.
    """

    lacks: ClassVar[str] = ""
    durability: ClassVar[dict[Durability, str]] = {}
    most: ClassVar[int] = 100_000
    why_most: ClassVar[str] = ""
    names_each: ClassVar[bool] = True

    def __init__(self) -> None:
        self.places: list[str] = []

    def open(self, folder: str, durability: Durability) -> None:
        """Open the conversation in *folder*, which exists, or begin it."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of it, everything written."""

    def append(self, message: Message) -> bool | None:
        """Add one message and commit it."""
        return None

    def append_all(self, messages: Sequence[Message]) -> list[float] | None:
        """Seconds for each message, appended and committed one by one."""
        times = []
        for message in messages:
            start = time.perf_counter()
            if self.append(message) is None:
                return None
            times.append(time.perf_counter() - start)
        return times

    def append_many(self, messages: Sequence[Message]) -> bool | None:
        """Add many messages at once, with a commit each where the peer has commits, as fast as it can."""
        return None

    def load(self) -> list[Message]:
        """The whole history at the tip."""
        raise NotImplementedError

    def load_at(self, number: int, place: str | None) -> list[Message] | None:
        """The first *number* messages, as it was then; *place* is what ``places`` has for that point."""
        return None

    def fork(self, name: str) -> bool | None:
        """Begin another line called *name* at the tip."""
        return None

    def switch(self, name: str) -> bool | None:
        """Go on on the line called *name*; the first one is ``main``."""
        return None

    def edit(self, number: int, places: Sequence[str], message: Message) -> bool | None:
        """Put *message* in the place of message *number*, counted from 0; those after it stay."""
        return None

    def gc(self) -> bool | None:
        """Make it small, as its documentation says."""
        return None
