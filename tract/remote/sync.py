"""A store that lives in a bucket: the local folder is a cache of it, and a commit returns when the bucket has it.

    objects made ─▸ pack put ─▸ head put ─▸ the local ref moves, with the objects
                                   └─ refused: what is there is brought here, and the commit is a RefMovedError

No lock is held while the bucket answers: a transaction waits in the lane of its tract (tract/remote/lane.py), and all that wait at one time go in one push.
A process that dies before the head is put leaves nothing visible anywhere; after that, the next opening finds the commit in the bucket, which it reads first.
If no answer came, the outcome is not known yet: RemoteError with ``landed`` None, and the next opening, or commit, finds out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Literal

from tract.events import began, emit
from tract.history.commit import Draft, blob_of, check_limits
from tract.objects.id import ObjectId
from tract.objects.model import Commit
from tract.refs.names import HEAD, HEADS
from tract.remote.carrying import bring
from tract.remote.couriers import courier_for, lanes_for, leave
from tract.remote.intents import can_wait, list_intents, wish_of
from tract.remote.lane import Lane
from tract.remote.link import Link
from tract.remote.passing import Passing
from tract.remote.push import PushRequest, push
from tract.remote.scan import refuse_secrets_in
from tract.repo import Repository
from tract.storage import files
from tract.storage.locks import ThreadLock
from tract.transaction import Transaction, check_idle

SyncMode = Literal["manual", "commit", "close"]
SYNC_MODES = ("manual", "commit", "close")

_OWN = ("push: ", "fetch: ", "sync: ", "remote", "gc: ")
"""The reasons of operations that are about this store alone begin with one of these."""


class Sync:
    """The remote that a store lives in."""

    def __init__(self, repo: Repository, link: Link, mode: SyncMode, lock: ThreadLock | None = None) -> None:
        """Keep *repo* in step with the remote of *link*; *lock* keeps the threads of its handle apart, and is released while the remote answers."""
        self.link = link
        link.is_lasting = True
        self.mode = mode
        self._lock = lock
        self._head_shown: tuple[int, int] | None = None
        if mode == "commit":
            repo.gates.append(self)

    def stop(self, repo: Repository) -> None:
        """Stop using the store; in the mode ``close``, what is left to send is sent now."""
        if self in repo.gates:
            repo.gates.remove(self)
        leave(id(self))
        try:
            if self.mode == "close":
                since = began()
                sent = push(repo, self.link.name, PushRequest(everything=True), link=self.link)
                emit("push", repo.place, since, remote=self.link.name, refs=len(sent.refs))
        finally:
            self.link.save()

    def takes(self, repo: Repository, drafts: Sequence[Draft]) -> bool:
        """True if *drafts* can be appended wherever the branch is then, with those of other threads of this process: nothing has to be asked, and nothing else lands with them."""
        is_plain = self.mode == "commit" and not repo.riders and repo.gates == [self]
        return is_plain and can_wait(drafts) and repo.head()[0] is not None

    def append(self, repo: Repository, drafts: Sequence[Draft]) -> list[tuple[ObjectId, Commit]]:
        """Append *drafts*; return their commits, which the remote and this store have.

        What others appended meanwhile is read at the next look: a writer that never looks need not read it all.
        RemoteError with ``landed`` None if the outcome is not known within the remote's timeout.
        """
        self._look_at_head(repo)
        check_idle(repo)
        check_limits(repo, drafts, [blob_of(draft.value) for draft in drafts])
        wishes = [wish_of(repo, draft) for draft in drafts]
        if self.link.scans:
            values = [part for wish in wishes for part in (wish.value, *(body for _, body in wish.notes))]
            refuse_secrets_in(values, _short(repo))
        since = began()
        waiting = courier_for(repo, self.link, id(self)).append(wishes)
        with self._let_go():
            waiting.done.wait()
        if waiting.error is not None:
            raise waiting.error
        if any(wish.notes for wish in wishes):
            repo.refs.refresh()
        for made, commit in waiting.made:
            repo.keep_commit(made, commit)
        emit("push", repo.place, since, remote=self.link.name, refs=1)
        return waiting.made

    def _look_at_head(self, repo: Repository) -> None:
        """Read what other processes did if one of them may have moved HEAD, which the file of HEAD shows."""
        if repo.branch is not None or repo.path is None:
            return
        shown = None
        with suppress(OSError):
            shown = files.size_and_time(os.path.join(repo.folder, HEAD))
        if shown is None or shown != self._head_shown:
            self._head_shown = shown
            repo.refs.refresh()

    def carry_left(self, repo: Repository) -> None:
        """Carry what dead writers left on HEAD's branch."""
        if list_intents(self.link, repo.tract, _short(repo)):
            courier_for(repo, self.link, id(self)).lead()

    # The gate that transactions pass (tract.transaction.Gate)

    def wants(self, reason: str) -> bool:
        """True if a transaction with this *reason* is for the remote too."""
        return not reason.startswith(_OWN)

    def begin(self, tx: Transaction) -> bool:
        """Let *tx* start from what waits for the remote."""
        return self._lane(tx.repo).show(tx.repo)

    def end(self, tx: Transaction, *, lands: bool) -> Callable[[], None] | None:
        """Let *tx* wait for the remote; the returned function returns when both have it. If others moved a branch on the remote, it raises RefMovedError, and nothing of *tx* lands."""
        repo, lane = tx.repo, self._lane(tx.repo)
        one = None
        try:
            one = lane.add(tx, scans=self.link.scans) if lands else None
        finally:
            shown = lane.hide(repo)
        if one is not None:
            return lambda: self._bring(lane, one, repo)
        return (lambda: lane.see(shown, self._let_go)) if lands and shown else None

    def _bring(self, lane: Lane, one: Passing, repo: Repository) -> None:
        """Wait until the remote and this store have *one*, and report it."""
        since = began()
        lane.bring(one, repo, self._let_go)
        emit("push", repo.place, since, remote=self.link.name, refs=len(one.changes))

    def leave(self, tx: Transaction) -> None:
        """Stop *tx* from waiting for the remote."""
        self._lane(tx.repo).leave(tx)

    def wait(self, tx: Transaction) -> None:
        """Wait until what waits for the remote has landed."""
        with self._let_go():
            self._lane(tx.repo).wait()

    def _lane(self, repo: Repository) -> Lane:
        return lanes_for(repo, self.link, id(self)).lane(repo.prefix)

    def _let_go(self) -> AbstractContextManager[None]:
        return nullcontext() if self._lock is None else self._lock.let_go()

    def refresh(self, repo: Repository, branch: str | None = None) -> None:
        """Learn what the remote has, and bring the branches here forward to it; with one *branch*, one request if nothing is new."""
        bring(self.link, repo, branch)

    def refresh_head(self, repo: Repository) -> None:
        """Do the same for HEAD's branch alone."""
        if repo.head()[0] is not None:
            self.refresh(repo, _short(repo))


def _short(repo: Repository) -> str:
    branch = repo.head()[0]
    assert branch is not None
    return branch.removeprefix(HEADS)
