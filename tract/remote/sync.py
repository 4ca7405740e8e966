"""A store that lives in a bucket: the local folder is a cache of it, and a commit returns when the bucket has it.

    objects made ─▸ pack put ─▸ head put ─▸ the local ref moves, with the objects
                                   └─ refused: what is there is brought here, and the commit is a RefMovedError

Whoever dies before the head is put leaves nothing to be seen, anywhere; who dies after it finds the commit in the bucket at the next opening, which looks there before anything else.
Where no answer came nobody knows yet: RemoteError with ``landed`` None, and the next opening, or commit, finds out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal, TypeVar

from tract.errors import RefMovedError, RemoteMovedError
from tract.history.commit import Draft
from tract.history.walk import is_ancestor
from tract.objects.id import ObjectId
from tract.refs.buffered import BufferedObjects
from tract.refs.names import HEADS, NOTES, REMOTES, TAGS, split_tract, tract_name
from tract.remote.address import LINKS
from tract.remote.branches import TractPush, Wanted
from tract.remote.fetch import fetch
from tract.remote.finding import Asked
from tract.remote.head import Head
from tract.remote.intents import can_wait, commit_together, is_waiting
from tract.remote.link import Link
from tract.remote.meta import push_meta
from tract.remote.notes import note_lists
from tract.remote.push import PushRequest, push
from tract.repo import Repository
from tract.transaction import Transaction, transaction

_Made = TypeVar("_Made")

_BETWEEN_LOOKS = 0.25
"""Seconds between two looks for what others left, of a writer that is never in their way."""

SyncMode = Literal["manual", "commit", "close"]
SYNC_MODES = ("manual", "commit", "close")

_OWN = ("push: ", "fetch: ", "sync: ", "remote", "gc: ")
"""What the reasons of operations begin with that are about this store alone."""


class Sync:
    """The remote that a store lives in."""

    def __init__(self, repo: Repository, link: Link, mode: SyncMode) -> None:
        self.link = link
        link.is_lasting = True
        self.mode = mode
        self._is_busy = False
        self._naming: list[Callable[[Head], dict[str, Any]]] = []
        self._is_contended = False
        self._looked = time.monotonic()
        if mode == "commit":
            repo.gates.append(self.pass_on)

    def stop(self, repo: Repository) -> None:
        """Let go of the store: what is left to be sent is sent now, where that was to be done at the end."""
        if self.pass_on in repo.gates:
            repo.gates.remove(self.pass_on)
        try:
            if self.mode == "close":
                push(repo, self.link.name, PushRequest(everything=True), link=self.link)
        finally:
            self.link.save()

    def commit(self, repo: Repository, drafts: Sequence[Draft], attempt: Callable[[], _Made]) -> _Made | list[ObjectId]:
        """What *attempt* makes of *drafts*; where others are faster on the branch, they are left for whoever swaps next, and the commits that they became are given."""
        if not self._is_contended or not can_wait(drafts):
            try:
                made = attempt()
                self._look_for_others(repo)
                return made
            except RefMovedError as exc:
                if exc.remote is None or not can_wait(drafts):
                    raise
        self._is_contended = True
        return commit_together(self, repo, drafts)

    def _look_for_others(self, repo: Repository) -> None:
        """Know, now and then, whether others wait: a writer that is always first would starve them."""
        now = time.monotonic()
        if now - self._looked >= _BETWEEN_LOOKS:
            self._looked = now
            self._is_contended = is_waiting(self.link, repo)

    def carried(self, number: int) -> None:
        """Know how many intents were carried at once: where it is one, nobody else is there."""
        self._is_contended = number != 1

    @contextmanager
    def naming(self) -> Iterator[list[Callable[[Head], dict[str, Any]]]]:
        """For a transaction inside: what is put into the list says what its head says beside."""
        self._naming = []
        try:
            yield self._naming
        finally:
            self._naming = []

    def pass_on(self, tx: Transaction) -> None:
        """Bring what a transaction does to the remote, before it lands here; RefMovedError, and nothing of it, where others moved a branch there."""
        if self._is_busy or tx.reason.startswith(_OWN):
            return
        tips = tx.note_tips()
        tracts = dict.fromkeys(split_tract(name)[0] for name, _, _ in tx.edits)
        tracts |= {tx.repo.prefix: None} if tips else {}
        for prefix in tracts:
            own = replace(tx.repo, prefix=prefix, tract=tract_name(prefix), branch=None)
            own = replace(own, objects=BufferedObjects(tx.repo.objects, list(tx.objects)))
            self._pass_on(tx, own, tips if prefix == tx.repo.prefix else {})

    def _pass_on(self, tx: Transaction, own: Repository, tips: dict[str, ObjectId]) -> None:
        edits = {name.removeprefix(own.prefix): new for name, new, _ in tx.edits if split_tract(name)[0] == own.prefix}
        wanted = [
            Wanted(name.removeprefix(HEADS), new if isinstance(new, bytes) else None)
            for name, new in edits.items()
            if name.startswith(HEADS)
        ]
        beside = {
            name: new if isinstance(new, bytes) else None
            for name, new in edits.items()
            if name.startswith((TAGS, LINKS))
        }
        moved = {name.removeprefix(NOTES): new for name, new in edits.items() if name.startswith(NOTES)}
        tips = {**tips, **{name: new for name, new in moved.items() if isinstance(new, bytes)}}
        if not wanted and not beside and not tips:
            return
        one = TractPush(self.link, own, note_lists(own, self.link.name, tips), force="lease")
        one.beside = self._naming[0] if self._naming else None
        try:
            one.plan([branch for branch in wanted if branch.tip is not None or self._is_there(own, branch)])
            one.run()
            push_meta(self.link, one, beside, "lease")
        except RemoteMovedError as exc:
            self.refresh(replace(own, objects=self.link.repo.objects))
            error = RefMovedError(own.prefix + HEADS + exc.ref, exc.expected, exc.actual)
            error.remote = self.link.name
            raise error from exc
        one.finish()
        tx.objects += one.new()
        tx.edits += one.done.edits

    def _is_there(self, own: Repository, branch: Wanted) -> bool:
        return own.refs.read(f"{own.prefix}{REMOTES}{self.link.name}/{branch.branch}") is not None

    def refresh(self, repo: Repository, branches: Sequence[str] | None = None) -> None:
        """Learn what the remote has, and bring the branches here forward to it; one request where nothing is new."""
        self._is_busy = True
        try:
            found = fetch(self.link, repo, Asked([repo.tract], branches))
            if found.refs or branches is None:
                self._follow(repo)
        finally:
            self._is_busy = False

    def refresh_head(self, repo: Repository) -> None:
        """The same for HEAD's branch alone."""
        branch = repo.head()[0]
        if branch is not None:
            self.refresh(repo, [branch.removeprefix(HEADS)])

    def _follow(self, repo: Repository) -> None:
        """Move branches here to where the remote's are, if they lead there."""
        start = f"{REMOTES}{self.link.name}/"
        own = replace(repo, branch=None)
        behind: list[tuple[str, ObjectId, ObjectId | None]] = []
        for name, there in own.local_refs(start):
            ref = HEADS + name.removeprefix(start)
            here = own.ref(ref)
            if not isinstance(there, bytes) or isinstance(here, str) or there == here:
                continue
            if here is None or is_ancestor(own, here, there):
                behind.append((ref, there, here))
        if behind:
            with transaction(own, f"sync: {self.link.name}", moves="refs") as tx:
                for ref, there, here in behind:
                    tx.move(ref, there, here)
