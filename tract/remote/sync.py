"""A store that lives in a bucket: the local folder is a cache of it, and a commit returns when the bucket has it.

    objects made ─▸ pack put ─▸ head put ─▸ the local ref moves, with the objects
                                   └─ refused: what is there is brought here, and the commit is a RefMovedError

Whoever dies before the head is put leaves nothing to be seen, anywhere; who dies after it finds the commit in the bucket at the next opening, which looks there before anything else.
Where no answer came nobody knows yet: RemoteError with ``landed`` None, and the next opening, or commit, finds out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import Literal

from tract.errors import RefMovedError, RemoteMovedError
from tract.history.commit import Draft, blob_of, check_limits
from tract.history.walk import is_ancestor
from tract.objects.id import ObjectId
from tract.objects.model import Commit
from tract.refs.buffered import BufferedObjects
from tract.refs.names import HEAD, HEADS, NOTES, REMOTES, TAGS, split_tract, tract_name
from tract.remote.address import LINKS
from tract.remote.branches import TractPush, Wanted
from tract.remote.carrying import bring, check_not_parted
from tract.remote.couriers import courier_for, leave
from tract.remote.intents import can_wait, list_intents, wish_of
from tract.remote.link import Link
from tract.remote.meta import push_meta
from tract.remote.notes import note_lists
from tract.remote.push import PushRequest, push
from tract.remote.scan import refuse_secrets_in
from tract.repo import Repository
from tract.storage import files
from tract.transaction import Transaction, check_idle

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
        self._head_shown: tuple[int, int] | None = None
        if mode == "commit":
            repo.gates.append(self.pass_on)

    def stop(self, repo: Repository) -> None:
        """Let go of the store: what is left to be sent is sent now, where that was to be done at the end."""
        if self.pass_on in repo.gates:
            repo.gates.remove(self.pass_on)
        leave(id(self))
        try:
            if self.mode == "close":
                push(repo, self.link.name, PushRequest(everything=True), link=self.link)
        finally:
            self.link.save()

    def takes(self, repo: Repository, drafts: Sequence[Draft]) -> bool:
        """Whether *drafts* can be appended wherever the branch is by then, with what others of this process append: nobody has to be asked, and nothing else lands with them."""
        is_plain = self.mode == "commit" and not repo.riders and repo.gates == [self.pass_on]
        return is_plain and can_wait(drafts) and repo.head()[0] is not None

    def append(
        self, repo: Repository, drafts: Sequence[Draft], let_go: Callable[[], AbstractContextManager[None]]
    ) -> list[tuple[ObjectId, Commit]]:
        """The commits that *drafts* became, which the remote has, and this store too; *let_go* lets other threads in while it answers.

        What others appended meanwhile is taken in by whoever looks next: a writer that never does need not read it all.

        RemoteError with ``landed`` None where that is not known within the remote's timeout.
        """
        self._look_at_head(repo)
        check_idle(repo)
        check_limits(repo, drafts, [blob_of(draft.value) for draft in drafts])
        wishes = [wish_of(repo, draft) for draft in drafts]
        if self.link.scans:
            values = [part for wish in wishes for part in (wish.value, *(body for _, body in wish.notes))]
            refuse_secrets_in(values, _short(repo))
        waiting = courier_for(repo, self.link, id(self)).append(wishes)
        with let_go():
            waiting.done.wait()
        if waiting.error is not None:
            raise waiting.error
        if any(wish.notes for wish in wishes):
            repo.refs.refresh()
        for made, commit in waiting.made:
            repo.keep_commit(made, commit)
        return waiting.made

    def _look_at_head(self, repo: Repository) -> None:
        """See what others did where one of them may have moved HEAD: its file tells that."""
        if repo.branch is not None or repo.path is None:
            return
        shown = None
        with suppress(OSError):
            shown = files.size_and_time(os.path.join(repo.folder, HEAD))
        if shown is None or shown != self._head_shown:
            self._head_shown = shown
            repo.refs.refresh()

    def carry_left(self, repo: Repository) -> None:
        """Carry what writers left on HEAD's branch that died."""
        if list_intents(self.link, repo.tract, _short(repo)):
            courier_for(repo, self.link, id(self)).lead()

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
        is_forward = all(self._is_forward(own, branch) for branch in wanted)
        lists = note_lists(own, self.link.name, tips)
        one = TractPush(self.link, own, lists, force="no" if is_forward else "lease")
        try:
            one.plan([branch for branch in wanted if branch.tip is not None or self._is_there(own, branch)])
            one.run()
            push_meta(self.link, one, beside, "lease")
        except RemoteMovedError as exc:
            plain = replace(own, objects=self.link.repo.objects)
            self.refresh(plain)
            if is_forward:
                for branch in wanted:
                    check_not_parted(self.link, plain, branch.branch)
            error = RefMovedError(own.prefix + HEADS + exc.ref, exc.expected, exc.actual)
            error.remote = self.link.name
            raise error from exc
        one.finish()
        tx.objects += one.new()
        tx.edits += one.done.edits

    def _is_forward(self, own: Repository, branch: Wanted) -> bool:
        """Whether a branch only goes on from where it is here: then it must go on from where it is there, too."""
        here = own.ref(HEADS + branch.branch)
        return branch.tip is not None and isinstance(here, bytes) and is_ancestor(own, here, branch.tip)

    def _is_there(self, own: Repository, branch: Wanted) -> bool:
        return own.refs.read(f"{own.prefix}{REMOTES}{self.link.name}/{branch.branch}") is not None

    def refresh(self, repo: Repository, branch: str | None = None) -> None:
        """Learn what the remote has, and bring the branches here forward to it; one request where nothing is new and it is about one *branch*."""
        self._is_busy = True
        try:
            bring(self.link, repo, branch)
        finally:
            self._is_busy = False

    def refresh_head(self, repo: Repository) -> None:
        """The same for HEAD's branch alone."""
        if repo.head()[0] is not None:
            self.refresh(repo, _short(repo))


def _short(repo: Repository) -> str:
    branch = repo.head()[0]
    assert branch is not None
    return branch.removeprefix(HEADS)
