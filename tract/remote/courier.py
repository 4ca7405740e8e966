"""Couriers: a thread that sends to a remote what the handles and threads of a process append to one branch.

    alone        what waits in this process goes in one push, while the next waits
    following    others are faster: what waits here becomes one intent, and the head is polled until it names the intent
    leading      what waits here, and all intents that wait on the remote, go in one push

A courier that loses twice, or once if that takes long, follows. It leads if others wait for it, or if no one has moved the head for long: the leader may be dead.
No lock is held while the remote answers; callers wait only for the outcome of their own messages.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from typing import Literal

from tract.dataclass import replace
from tract.errors import RemoteError, RemoteMovedError, TractError
from tract.history.walk import first_parents
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import Commit
from tract.opening import open_repository
from tract.refs.names import HEADS
from tract.remote.carrying import NONE_LISTED, Listing, bring, carry
from tract.remote.crowd import Crowd
from tract.remote.intents import Landed, Wish, encode_intent, intent_key, landed_in
from tract.remote.link import Link
from tract.remote.watch import LONGEST_POLL, SHORTEST_POLL, HeadWatch
from tract.repo import Repository
from tract.storage.database import Database

_IDLE = 2.0
"""After this many seconds without work the thread ends; the next append starts another."""

_BETWEEN_LOOKS = 0.25
"""Seconds between two looks for intents of others, for a courier without competition."""

_PACKED_FROM = 1024 * 1024

_GATHERING = 0.003
_GATHERED_FOR = 0.4
"""Threads that have just learned that their messages landed append the next ones within some milliseconds. The courier waits as long as more come, at most for this part of a push's time: a message that misses a push waits for a whole one."""

_LOSSES = 2
"""A courier follows after this many losses in a row. One loss is chance: of two that meet one loses, and mostly wins the next time. If others push during the share u of the time, the chance of two in a row is about u*u: 1 in 100 for a tenth, 1 in 4 for a half, and then an intent (a put, a look or two) costs less than a third try (a pack, a swap, a look)."""

_SLOW = 0.3
"""If a push takes this many seconds, a courier follows after one loss: two losses cost that much on S3, at some 0.15 s a push. So no courier competes for longer than that; and a store that slow mostly refuses faster writes to one key (Google's takes one a second)."""

_QUIET = 1.0
"""A leader goes alone again after this many seconds without an intent. A follower looks at the head at least each LONGEST_POLL (0.25 s) and leaves the next intent at once, so four of these without one mean that no one follows. Shorter, and followers find no leader and lose twice each; longer, and each quarter of a second costs a listing for nothing."""


class Waiting:
    """Messages of one caller, and their outcome."""

    def __init__(self, wishes: Sequence[Wish], deadline: float) -> None:
        self.wishes = wishes
        self.deadline = deadline
        self.done = threading.Event()
        self.made: list[tuple[ObjectId, Commit]] = []
        self.error: BaseException | None = None

    def settle(self, made: list[tuple[ObjectId, Commit]]) -> None:
        self.made = made
        self.done.set()

    def fail(self, error: BaseException) -> None:
        self.error = error
        self.done.set()


class _Posted(NamedTuple):
    """An intent of this process; *is_sure* says that no request for it can still be under way."""

    key: str
    waiting: tuple[Waiting, ...]
    is_sure: bool


class Courier:
    """Sends what is appended to the branch of *repo*, through a store that it opens for itself and a link of its own, made like *link*."""

    def __init__(self, repo: Repository, link: Link) -> None:
        self._own = _opened_anew(repo)
        self._link = Link(self._own, link.remote, link.plain, grace=link.grace)
        self._link.is_lasting = True
        self._scans = link.scans
        self._branch = (self._own.branch or "").removeprefix(HEADS)
        self._wake = threading.Condition()
        self._queue: list[Waiting] = []
        self._posted: dict[bytes, _Posted] = {}
        self._crowd = Crowd(self._link, self._own.tract, self._branch)
        self._watch = HeadWatch(link.remote.timeout)
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        self._mode: Literal["alone", "following", "leading"] = "alone"
        self._losses = 0
        self._last_look = self._last_others = self._last_work = time.monotonic()
        self._took = 0.0
        self._had_several = False
        self._idle_pause = SHORTEST_POLL
        self._led = threading.Event()
        self.traffic = self._link.traffic

    # What callers do

    def append(self, wishes: Sequence[Wish]) -> Waiting:
        """Send *wishes*; ``done`` of the returned value is set when their outcome is known."""
        one = Waiting(wishes, time.monotonic() + self._link.remote.timeout)
        with self._wake:
            self._queue.append(one)
            self._begin()
            self._wake.notify()
        return one

    def lead(self) -> None:
        """Carry the intents that wait now, whose writers died."""
        with self._wake:
            self._mode = "leading"
            self._last_others = time.monotonic()
            self._led.clear()
            self._begin()
            self._wake.notify()
        self._led.wait(self._link.remote.timeout)

    def stop(self) -> None:
        """Finish what waits, and close the store."""
        with self._wake:
            self._is_stopping = True
            thread = self._thread
            self._wake.notify()
        if thread is not None:
            thread.join()
        self._link.save()
        self._own.close()

    def _begin(self) -> None:
        if self._thread is None:
            self._last_work = time.monotonic()
            self._thread = threading.Thread(target=self._run, name="tract courier", daemon=True)
            self._thread.start()

    # The thread

    def _run(self) -> None:
        while self._rest():
            try:
                self._step()
            except RemoteError:
                time.sleep(SHORTEST_POLL)  # those whose time is up get an error below
            except BaseException as exc:  # noqa: BLE001  # whatever it is, those who wait get it
                self._fail_all(exc)
            finally:
                self._led.set()
            self._tell_late()

    def _rest(self) -> bool:
        """Wait until there may be something to do; False if the thread is to end."""
        with self._wake:
            while True:
                now = time.monotonic()
                if self._queue:
                    self._last_work = now
                    return True
                if self._posted:
                    self._last_work = now
                    self._wake.wait(self._watch.pause())
                    return True
                is_idle = self._is_stopping or now - self._last_work > _IDLE
                if is_idle and (self._mode != "leading" or self._is_stopping):
                    self._mode, self._losses = "alone", 0
                    self._thread = None
                    return False
                if self._mode == "leading":
                    return True
                self._wake.wait(_IDLE)

    def _step(self) -> None:
        if self._mode == "alone" and self._posted:
            self._follow_from_now()
        if self._mode == "alone":
            self._go_alone()
        elif self._mode == "leading":
            self._lead_others()
        else:
            self._follow_others()

    def _take(self) -> list[Waiting]:
        """Take what waits here. If several landed together, their threads are about to append the next: as long as more come, wait a little."""
        end = time.monotonic() + _GATHERED_FOR * self._took
        number = len(self._queue)
        while self._had_several and number and time.monotonic() < end:
            time.sleep(_GATHERING)
            before, number = number, len(self._queue)
            if number == before:
                break
        with self._wake:
            own, self._queue = self._queue, []
        self._had_several = len(own) > 1
        return own

    def _put_back(self, own: list[Waiting]) -> None:
        with self._wake:
            self._queue[:0] = own

    def _fail_all(self, error: BaseException) -> None:
        for one in [*self._take(), *(one for posted in self._posted.values() for one in posted.waiting)]:
            one.fail(error)
        self._posted.clear()

    def _tell_late(self) -> None:
        """Fail those who have waited for longer than the remote's timeout; what they posted may still land."""
        now = time.monotonic()
        text = f"the commits that wait for '{self._branch}' have not reached remote '{self._link.name}'"
        for id, posted in list(self._posted.items()):
            if now > posted.waiting[0].deadline:
                del self._posted[id]
                for one in posted.waiting:
                    one.fail(RemoteError(text, landed=None))
        with self._wake:
            late = [one for one in self._queue if now > one.deadline]
            self._queue = [one for one in self._queue if now <= one.deadline]
        for one in late:
            one.fail(RemoteError(text, landed=False))

    # Alone

    def _go_alone(self) -> None:
        own = self._take()
        if not own:
            return
        if not self._carry(own, NONE_LISTED):
            self._losses += 1
            if self._losses >= _LOSSES or self._took > _SLOW:
                self._follow_from_now()
            return
        self._losses = 0
        now = time.monotonic()
        if now - self._last_look >= _BETWEEN_LOOKS:
            self._last_look = now
            if self._crowd.is_there():
                self._mode, self._last_others = "leading", now

    def _carry(self, own: list[Waiting], listing: Listing) -> bool:
        """Carry *own* and the listed intents; if another writer was first, *own* waits again."""
        wishes = [wish for one in own for wish in one.wishes]
        link, repo = self._link, self._own
        known = link.remembered(repo.tract, self._branch)
        repo.refs.refresh()
        # Appended messages were scanned before they came here; other objects to send were not.
        link.scans = self._scans and (known is None or known.head.commit != repo.head()[1])
        began = time.monotonic()
        try:
            carried = carry(link, repo, wishes, listing)
        except BaseException as exc:
            for one in own:
                one.fail(exc)
            if isinstance(exc, RemoteMovedError):  # nothing can be appended here before a user merges or resets
                self._mode = "alone"
            raise
        self._took = time.monotonic() - began
        if carried is None:
            self._put_back(own)
            return False
        _hand_out(own, [(id, repo.commit(id)) for id in carried.own])
        self._settle(carried.made)
        return True

    # Following

    def _follow_from_now(self) -> None:
        self._mode = "following"
        self._watch.begin()

    def _follow_others(self) -> None:
        if self._queue:
            self._post(self._take())
        if not self._posted:
            self._mode, self._losses = "alone", 0
            return
        known = self._link.look(self._own.tract, self._branch)
        self._watch.see(None if known is None else known.version)
        landed = {} if known is None else landed_in(known.head)
        if self._see_landed(landed) or not self._watch.is_still(self._took):
            return
        if self._watch.rank is None:
            self._watch.rank = self._crowd.older_than(min(posted.key for posted in self._posted.values()), landed)
        if self._watch.is_still(self._took):
            self._mode, self._last_others = "leading", time.monotonic()

    def _see_landed(self, landed: dict[bytes, Landed]) -> bool:
        """True if intents of this process are among *landed*; their callers get the result."""
        if self._posted.keys().isdisjoint(landed):
            return False
        bring(self._link, self._own, self._branch)
        self._settle(landed)
        return True

    def _post(self, own: list[Waiting]) -> None:
        """Leave what waits here as one intent."""
        id = os.urandom(16)
        key = intent_key(self._own, self._branch, id)
        data = encode_intent(id, [wish for one in own for wish in one.wishes])
        asked = 0

        def put() -> None:
            nonlocal asked
            asked += 1
            self._link.transport.put(key, data)

        if not self._posted:
            self._watch.begin()
        began = time.monotonic()
        try:
            self._link.patiently(put)
        except BaseException as exc:
            if isinstance(exc, RemoteError) and asked > 1:
                exc.landed = None
            for one in own:
                one.fail(exc)
            raise
        self._took = time.monotonic() - began
        self._posted[id] = _Posted(key, tuple(own), asked == 1)

    def _settle(self, landed: dict[bytes, Landed]) -> None:
        """Give the callers of landed intents their commits, and remove the intents."""
        gone: list[_Posted] = []
        for id in self._posted.keys() & landed.keys():
            posted = self._posted.pop(id)
            gone.append(posted)
            last, number = landed[id]
            try:
                made = list(islice(first_parents(self._own, last), number))[::-1]
            except TractError:
                text = f"the commits appended to '{self._branch}' reached remote '{self._link.name}', but then the branch was moved away from them"
                for one in posted.waiting:
                    one.fail(RemoteError(text, landed=True))
                continue
            _hand_out(posted.waiting, made)
        for posted in gone:
            if posted.is_sure:
                with suppress(RemoteError):  # others remove it later
                    self._link.transport.delete(posted.key)

    # Leading

    def _lead_others(self) -> None:
        found = self._crowd.find(self._took)
        self._see_landed(found.landed)
        if found.listing.intents:
            self._last_others = time.monotonic()
        own = self._take()
        if own or found.listing.intents:
            self._idle_pause = SHORTEST_POLL
            if not self._carry(own, found.listing):
                self._follow_from_now()
            return
        self._crowd.remove_abandoned(found)
        if time.monotonic() - self._last_others > _QUIET or self._is_stopping:
            self._mode = "alone"
            return
        with self._wake:
            self._wake.wait(self._idle_pause)
        self._idle_pause = min(1.5 * self._idle_pause, LONGEST_POLL)


def _hand_out(waiting: Sequence[Waiting], made: list[tuple[ObjectId, Commit]]) -> None:
    """Give each waiting caller the commits of its messages; *made* has them one after the other."""
    at = 0
    for one in waiting:
        one.settle(made[at : at + len(one.wishes)])
        at += len(one.wishes)


def _opened_anew(repo: Repository) -> Repository:
    """Open the store of *repo* again, on its branch."""
    assert repo.path is not None
    durability = repo.objects.durability if isinstance(repo.objects, Database) else "full"
    made = open_repository(repo.path, tract=repo.tract, durability=durability, author=repo.author, create_tract=False)
    if isinstance(made.objects, Database):
        made.objects.packed_from = _PACKED_FROM
    return replace(made, branch=repo.head()[0], clock=repo.clock)
