"""The intents of other writers on a branch, as a carrier finds them."""

from __future__ import annotations

import time
from contextlib import suppress

from tract.errors import RemoteError
from tract.named_tuple import NamedTuple
from tract.remote.carrying import Listing
from tract.remote.intents import Intent, Landed, landed_in, list_intents, read_intents
from tract.remote.link import Link
from tract.remote.transport import Listed

ABANDONED = 600.0
"""After this many seconds others remove an intent that landed: its writer is gone."""

_MOST_CARRIED = 256
_LOOK_AGAIN = 0.12
_MOST_LOOKS = 5
_SHORTEST_LOOK = 0.004


class FoundIntents(NamedTuple):
    """The intents that wait, and, by the head that was read before, those that *landed* already and of these the ones still *listed*."""

    listing: Listing
    landed: dict[bytes, Landed]
    listed: dict[bytes, Listed]


class Crowd:
    """The intents of one branch; each is read once."""

    def __init__(self, link: Link, tract: str, branch: str) -> None:
        self._link = link
        self._tract = tract
        self._branch = branch
        self._read: dict[bytes, Intent] = {}
        self._had_others = False

    def is_there(self) -> bool:
        """True if an intent waits; False if that cannot be told."""
        with suppress(RemoteError):
            return bool(list_intents(self._link, self._tract, self._branch))
        return False

    def find(self, took: float) -> FoundIntents:
        """Find the intents that wait now. The head is read first and the listing made after.

        If others waited the last time, they have just learned that theirs landed and will leave the next: as long as more come, waiting is worth a part of the time that a push *took*, because an intent that misses it waits for another push.
        """
        link = self._link
        known = link.remembered(self._tract, self._branch) or link.look(self._tract, self._branch)
        landed = {} if known is None else landed_in(known.head)
        listed = list_intents(link, self._tract, self._branch)
        for _ in range(_MOST_LOOKS if self._had_others else 0):
            before = len(listed.keys() - landed.keys())
            time.sleep(max(_LOOK_AGAIN * took, _SHORTEST_LOOK))
            listed = list_intents(link, self._tract, self._branch)
            if len(listed.keys() - landed.keys()) == before > 0:
                break
        fresh = [id for id in listed if id not in landed][:_MOST_CARRIED]
        keys = [listed[id].key for id in fresh if id not in self._read]
        self._read |= {one.id: one for one in read_intents(link, keys)}
        self._read = {id: one for id, one in self._read.items() if id in listed}
        intents = [self._read[id] for id in fresh if id in self._read]
        self._had_others = bool(intents)
        return FoundIntents(Listing(intents, frozenset(listed), 0 if known is None else known.head.gen), landed, listed)

    def older_than(self, key: str, landed: dict[bytes, Landed]) -> int:
        """The number of waiting intents that are older than the one under *key*."""
        listed = list_intents(self._link, self._tract, self._branch)
        return sum(one.key < key and id not in landed for id, one in listed.items())

    def remove_abandoned(self, found: FoundIntents) -> None:
        """Remove intents that landed long ago and whose writers never came to see that; by the store's clock, because the carrier's may be wrong."""
        now = max((one.time for one in found.listed.values()), default=0.0)
        for id, one in found.listed.items():
            if id in found.landed and one.time < now - ABANDONED:
                with suppress(RemoteError):
                    self._link.transport.delete(one.key)
