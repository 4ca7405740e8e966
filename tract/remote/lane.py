"""Lanes: the changes that the threads and handles of a process make in one tract of a store that lives in a remote.

    the lock of the store    a transaction makes its objects and moves, on top of what waits in the lane
    no lock                  it waits in the lane; the first pushes all that wait as one, and later ones wait for the next push
    the lock of the store    each lands here, in the order of the lane, as an operation of its own

A transaction that the remote refuses does not land here, nor do those made on top of it: they are refused too.
Only the transactions of this process see what waits.
Another process may have brought here meanwhile what was pushed: then only the rest of the transaction lands, and the other part comes as by a fetch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import islice

from tract.dataclass import replace
from tract.errors import RefMovedError, RemoteError, RemoteMovedError, RemoteRefusedError
from tract.history.notes import noted_entries, notes_between
from tract.named_tuple import NamedTuple
from tract.objects.model import Object
from tract.opening import open_repository
from tract.refs.names import HEADS, NOTES, split_tract
from tract.refs.operations import OperationRefs
from tract.refs.ref_table import RefTable
from tract.refs.store import RefEdit
from tract.remote.carrying import bring, check_not_parted, it_is_there
from tract.remote.link import Link
from tract.remote.passing import Passing, changes_of, of_tract, refused_before, send, standing
from tract.repo import Repository
from tract.storage.database import Database
from tract.storage.key_index import KeyIndex
from tract.transaction import Transaction, transaction

_SUPPOSED_KEPT = 1024


class _Shown(NamedTuple):
    """The waiting transactions that a repository shows, and its state before."""

    waiting: Sequence[Passing]
    refs: OperationRefs
    store: Database
    before: RefTable
    keys: KeyIndex


class Lanes:
    """The lanes of one store that lives in one remote, and what they push with: for each concurrent push the store, opened again, and a link."""

    def __init__(self, repo: Repository, link: Link) -> None:
        assert repo.path is not None
        self._path = repo.path
        self._clock = repo.clock
        self._durability = repo.objects.durability if isinstance(repo.objects, Database) else "full"
        self._like = link
        self.name = link.name
        self._lock = threading.Lock()
        self._lanes: dict[str, Lane] = {}
        self._idle: list[Link] = []
        self._is_stopped = False

    def lane(self, prefix: str) -> Lane:
        """The lane of the tract whose refs begin with *prefix*."""
        with self._lock:
            return self._lanes.setdefault(prefix, Lane(self))

    @contextmanager
    def opened(self) -> Iterator[Link]:
        """A link that no other thread uses, with the store as it is now."""
        with self._lock:
            link = self._idle.pop() if self._idle else None
        if link is None:
            own = open_repository(self._path, durability=self._durability)
            like = self._like
            link = Link(replace(own, clock=self._clock), like.remote, like.plain, grace=like.grace)
            link.is_lasting = True
            link.count_with(like.traffic)
        try:
            link.repo.refs.refresh()
            link.repo.look_at_shallow()
            yield link
        finally:
            with self._lock:
                self._idle.append(link)
            if self._is_stopped:
                self.stop()

    def stop(self) -> None:
        """Close the store; links in use are closed when they are done."""
        with self._lock:
            self._is_stopped = True
            idle, self._idle = self._idle, []
        for link in idle:
            link.save()
            link.repo.close()


class Lane:
    """The transactions that wait, in order."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._turn = threading.Condition()
        self._waiting: list[Passing] = []
        self._pushing: Transaction | None = None
        self._one_by_one = 0
        self._shown: dict[int, _Shown] = {}

    # With the lock of the store

    def show(self, repo: Repository) -> bool:
        """Let *repo* look as if what waits had landed; return whether anything waits."""
        refs, store = repo.refs, repo.objects
        assert isinstance(refs, OperationRefs)
        assert isinstance(store, Database)
        with self._turn:
            waiting = standing([one for one in self._waiting if one.error is None], repo)
        if not waiting:
            return False
        # What landed meanwhile is here already: only the changes after it are supposed.
        changes = [change for change in changes_of(waiting).values() if refs.read(change.name) != change.new]
        keys = repo.keys
        repo.key_indexes[repo.prefix] = keys.beside()
        self._shown[id(refs)] = _Shown(waiting, refs, store, refs.suppose(changes), keys)
        store.supposed.update((new.id, Object(new.kind, new.payload)) for one in waiting for new in one.tx.objects)
        store.is_supposing = True
        return True

    def hide(self, repo: Repository) -> Sequence[Passing]:
        """Let *repo* show its real state again; return what it showed."""
        found = self._shown.pop(id(repo.refs), None)
        if found is None:
            return ()
        waiting, refs, store, before, keys = found
        refs.go_back(before)
        repo.key_indexes[repo.prefix] = keys
        store.is_supposing = False
        # tables of notes may still refer to what is refused later
        for old in list(islice(store.supposed, max(0, len(store.supposed) - _SUPPOSED_KEPT))):
            del store.supposed[old]
        return waiting

    def add(self, tx: Transaction, *, scans: bool) -> Passing | None:
        """Put *tx* at the end; None if it changes nothing. The errors are those of landing it."""
        refs = tx.repo.refs
        assert isinstance(refs, OperationRefs)
        edits = tx.all_edits()
        changes = refs.changes(edits, tx.objects) if edits else ()
        if not changes:
            return None
        needs = tx.needs(changes)
        seen = self._shown.get(id(refs))
        supposed = needs.intersection(
            () if seen is None else (new.id for was in seen.waiting for new in was.tx.objects)
        )
        one = Passing(tx=tx, changes=changes, needs=needs, supposed=supposed, scans=scans)
        with self._turn:
            self._waiting.append(one)
        return one

    # Without it

    def wait(self) -> None:
        """Wait until everything that waits now has landed or was refused."""
        with self._turn:
            last = self._waiting[-1] if self._waiting else None
            while last is not None and last in self._waiting:
                self._turn.wait()

    def see(self, waiting: Sequence[Passing], let_go: Callable[[], AbstractContextManager[None]]) -> None:
        """Wait until *waiting* have landed, on which a transaction without changes of its own is based; RefMovedError if one was refused."""
        with let_go(), self._turn:
            while any(one in self._waiting for one in waiting):
                self._turn.wait()
        for one in waiting:
            if not one.is_sent:
                raise refused_before(self._lanes.name, one)

    def bring(self, one: Passing, repo: Repository, let_go: Callable[[], AbstractContextManager[None]]) -> None:
        """Bring *one* to the remote, with what else waits, and then to this store; *let_go* lets other threads in meanwhile.

        RefMovedError if the remote refused it: nothing of it landed. RemoteError with ``landed`` None if no answer came.
        """
        try:
            with let_go():
                while not self._is_decided(one):
                    self._push_all(one)
                self._wait_until_first(one)
            if one.error is not None:
                repo.refs.refresh()
                raise one.error
            self._land(one, repo)
        finally:
            self.leave(one.tx)

    def leave(self, tx: Transaction) -> None:
        """Remove *tx* from the lane, and end its turn to push."""
        with self._turn:
            self._waiting[:] = [one for one in self._waiting if one.tx is not tx]
            if self._pushing is tx:
                self._pushing = None
            self._turn.notify_all()

    def _is_decided(self, one: Passing) -> bool:
        """True if the outcome of *one* is known; otherwise it is now its turn to push."""
        with self._turn:
            # what was sent has to land before the next push continues from it
            while not one.is_decided and (self._pushing is not None or any(other.is_sent for other in self._waiting)):
                self._turn.wait()
            if not one.is_decided:
                self._pushing = one.tx
            return one.is_decided

    def _wait_until_first(self, one: Passing) -> None:
        with self._turn:
            while one.error is None and self._waiting[0] is not one:
                self._turn.wait()

    def _push_all(self, leader: Passing) -> None:
        group: list[Passing] = []
        try:
            with self._lanes.opened() as link:
                group = self._take(link)
                if group:
                    self._push(link, group)
        except BaseException as exc:
            for one in group:
                if not one.is_sent:
                    one.error = exc if one is leader else _told_to_another(exc)
            if not isinstance(exc, Exception) or not group:
                raise
        finally:
            with self._turn:
                self._pushing = None
                self._turn.notify_all()

    def _take(self, link: Link) -> list[Passing]:
        """Take the transactions for one push: all that wait, except those based on a refused one."""
        with self._turn:
            link.repo.refs.refresh()  # as new here as for the handle that waits
            waiting = [one for one in self._waiting if not one.is_decided]
        group = standing(waiting[:1] if self._one_by_one else waiting, link.repo, self._lanes.name)
        self._one_by_one = max(0, self._one_by_one - 1)
        return group

    def _push(self, link: Link, group: Sequence[Passing]) -> None:
        link.scans = any(one.scans for one in group)
        try:
            edits, objects = send(link, group)
        except (RemoteRefusedError, RemoteMovedError, RefMovedError):
            if len(group) == 1:
                raise
            self._one_by_one = len(
                group
            )  # one of them has a secret, or moves what others moved there: that is for it alone
            return
        group[-1].edits, group[-1].objects = edits, objects
        for one in group:
            one.is_sent = True

    def _land(self, one: Passing, repo: Repository) -> None:
        """Land *one* in this store, after the remote has it."""
        edits = [RefEdit(name, new, old) for name, old, new in one.changes]
        if not one.tx.land_after_gate(edits, needs=one.needs, beside=one.edits, objects=one.objects):
            self._land_rest(one, replace(repo, gates=[], riders=[]), edits)

    def _land_rest(self, one: Passing, repo: Repository, edits: Sequence[RefEdit]) -> None:
        """Do the same if other processes moved refs here meanwhile: moves of other refs land, and the rest of what was pushed comes as by a fetch."""
        with transaction(repo, one.tx.reason, moves="refs") as tx:
            tx.objects += one.tx.objects
            tx.read_own()
            fitting = [edit for edit in edits if repo.refs.read(edit.name) == edit.expected]
            tx.edits += fitting if one.tx.is_whole(fitting, one.needs) else ()
            for name, old, new in one.changes:
                namespace = name.removeprefix(repo.prefix + NOTES)
                if namespace != name and repo.refs.read(name) != old and isinstance(new, bytes):
                    assert not isinstance(old, str)
                    _join(tx, namespace, notes_between(tx.repo, old, new) or [])
        with self._lanes.opened() as link, it_is_there():
            for prefix in dict.fromkeys(split_tract(edit.name)[0] for edit in edits):
                own = of_tract(link.repo, prefix)
                bring(link, own, None)
                for name, new, _ in edits:
                    branch = name.removeprefix(prefix + HEADS)
                    if branch != name and new is not None:
                        check_not_parted(link, own, branch)
        repo.refs.refresh()


def _join(tx: Transaction, namespace: str, entries: Sequence[tuple[bytes, bytes]]) -> None:
    """Add notes to the list of others, except those already in it."""
    now = tx.ref(NOTES + namespace)
    known = {blob for _, blob in noted_entries(tx.repo, now)} if isinstance(now, bytes) else set()
    for target, blob in entries:
        if blob not in known:
            tx.take_note(namespace, target, blob)


def _told_to_another(exc: BaseException) -> BaseException:
    """The error for another transaction of the push that failed with *exc*: each transaction gets a copy of its own."""
    if not isinstance(exc, Exception):
        return RemoteError("the push was interrupted", landed=None)
    other = exc.__class__.__new__(exc.__class__)
    other.__dict__.update(exc.__dict__)
    other.args = exc.args
    other.__cause__ = exc.__cause__
    return other
