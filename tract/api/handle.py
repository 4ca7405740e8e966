"""A handle: one program's hold on a store, and the state of its branches that the program has seen.

    access ── looking      the workspace, for one thread at a time, up to date with other processes; looking: the user sees it
           └─ moving       the same for commands that move the branch, with the place where it must be
    batch                  a workspace of its own, for the thread and asyncio task that opened it; it lands in one operation

If another process moved the branch after this handle last read it, a commit here would build on messages the caller never saw.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from tract.api.opening import check_is_opened, storage_errors
from tract.api.seen import Seen
from tract.compile.compiler import Compiler
from tract.compile.totals import follow_records
from tract.compile.workspace import Workspace
from tract.config import TractConfig
from tract.dataclass import replace
from tract.errors import ClosedError, RefMovedError, TractError, TractWarning
from tract.history.batch import Batch
from tract.history.moves import adds_no_word
from tract.history.notes import ORCHESTRATOR, POLICIES, PRIORITY, NoteTable, note_tip
from tract.history.origins import Origins
from tract.objects.id import ObjectId
from tract.refs.names import HEADS, NOTES
from tract.refs.store import ANY, Expected
from tract.repo import Repository
from tract.storage.files import as_storage_error
from tract.storage.locks import ThreadLock
from tract.tokens.counter import TokenCounter, counter_named
from tract.tokens.counts import BlobCache, TotalsCache

if TYPE_CHECKING:
    from pathlib import Path

    from tract.compile.custom import ContextCompiler
    from tract.llm.types import LLMClient
    from tract.remote.sync import Sync


class OpenBatch:
    """What ``batch()`` returns; after the block, *commits* are the commits it made."""

    def __init__(self, handle: Handle, space: Workspace, batch: Batch, seen: Seen, outer: OpenBatch | None) -> None:
        self.commits: tuple[str, ...] = ()
        self._contents: list[Any] = []
        self._handle = handle
        self._space = space
        self._batch = batch
        self._seen = seen
        self._begun = replace(seen, priorities=note_tip(space.repo, PRIORITY))
        self._outer = outer
        self._owner = _owner()
        self._is_open = True
        self._knows_hidden = True

    def check_seen(self, moves_branch: bool) -> None:
        """RefMovedError if the batch *moves_branch* and another process unhid a message, or deleted the branch, since it began; only for the holder of the lock."""
        repo = self._handle._repo
        if not moves_branch:
            self._knows_hidden = self._handle._seen.knows_hidden(repo, note_tip(repo, PRIORITY))
            return
        self._begun.check_branch(repo)
        if self._handle._on_moved != "append":
            self._begun.check_priorities(repo, repo.head()[1])

    def __repr__(self) -> str:
        state = "open" if self._is_open else f"{len(self.commits)} commits"
        return f"<batch of {self._handle!r}, {state}>"


_OPEN: ContextVar[OpenBatch | None] = ContextVar("tract batch", default=None)
"""The innermost batch that was opened in this context. Other tasks and threads inherit it, but it is not theirs."""


def _owner() -> tuple[int, Any]:
    """The running thread, and its running asyncio task, or None."""
    asyncio = sys.modules.get("asyncio")  # if it was not loaded, no task runs
    try:
        return threading.get_ident(), None if asyncio is None else asyncio.current_task()
    except RuntimeError:  # no loop runs in this thread
        return threading.get_ident(), None


_T = TypeVar("_T")
_MOST_TRIES = 64
_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep


class Handle:
    """The base of :class:`tract.Tract`; threads may share it."""

    _client: LLMClient | None = None
    _sync: Sync | None = None
    _is_fresh = False
    _prompts: str | Path | None = None

    def __new__(cls, *given: object, **_: object) -> Self:
        check_is_opened(cls, given)
        return object.__new__(cls)

    def __init__(
        self,
        repo: Repository,
        *,
        tokenizer: TokenCounter | None = None,
        compiler: ContextCompiler | None = None,
        on_moved: Literal["error", "append"] = "error",
        verify_cache: bool = False,
        lock: ThreadLock | None = None,
    ) -> None:
        """A handle on *repo*, which it closes; with the *lock* of a session, whose store it shares, it does not."""
        counter = tokenizer if tokenizer is not None else counter_named(repo.config.tokenizer_encoding)
        blobs = BlobCache(repo, counter)
        memo = Compiler(repo, maxsize=repo.config.compile_cache_maxsize, custom=compiler, verify=verify_cache)
        totals = TotalsCache(repo, counter.name)
        held = lock or ThreadLock()
        self._own = Workspace(
            repo, blobs, compiler=memo, usages=NoteTable(), warn=_warn, origins=Origins(repo), totals=totals, lock=held
        )
        self._is_owner = lock is None
        self._repo = repo
        self._on_moved = on_moved
        self._policies_ref = f"{repo.prefix}{NOTES}{POLICIES}"
        self._orchestrator_ref = f"{repo.prefix}{NOTES}{ORCHESTRATOR}"
        self._lock = self._own.lock
        self._closed = False
        self._batches: set[OpenBatch] = set()
        self._seen = Seen(last=repo.head()[1] if repo.branch is not None else None)

    def _beside(self, repo: Repository) -> Self:
        """A handle on another tract of the store, *repo*, that shares this one's lock, model, compiler and caches."""
        mine = self._own
        has_counter = repo.config.tokenizer_encoding == self._repo.config.tokenizer_encoding
        counter = mine.blobs.counter if has_counter else None
        other = type(self)(repo, tokenizer=counter, on_moved=self._on_moved, lock=self._lock)
        other._own.compiler = mine.compiler.beside(repo)
        if has_counter:
            other._own.blobs = mine.blobs.on(repo)
        other._own._types.update(mine._types)
        other._client, other._prompts = self._client, self._prompts
        return other

    def close(self) -> None:
        """Close the handle; afterwards every call but another ``close`` raises ClosedError."""
        if self._lock.is_lost:  # a forked child, which another thread's work is lost to: nothing of it is written
            self._closed = True
            self._close_store()
            return
        with self._lock:
            if not self._closed:
                self._own.blobs.flush()
                seen = self._seen.tips.get(self._seen.place) if isinstance(self._seen.place, str) else None
                if isinstance(seen, bytes):
                    follow_records(self._own, seen)
                self._own.totals.flush()
                self._closed = True
                try:
                    if self._sync is not None:
                        self._sync.stop(self._repo)
                finally:
                    self._close_store()

    def _close_store(self) -> None:
        if self._is_owner and self._repo.path is not None:  # results still count what a memory has
            self._repo.close()

    @property
    def is_closed(self) -> bool:
        """Whether the handle was closed, by itself or by its session."""
        return self._closed

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        where = self._repo.path or ":memory:"
        return f"{type(self).__name__}({where!r}, tract_id={self.tract_id!r}{', closed' if self._closed else ''})"

    @property
    def tract_id(self) -> str:
        """The name of the tract; without a name given, that of the store's root tract."""
        return self._repo.tract

    @property
    def path(self) -> Path | None:
        """The ``.tract`` folder; None for a store in memory."""
        from pathlib import Path  # the command line does without

        return None if self._repo.path is None else Path(self._repo.path)

    @property
    def config(self) -> TractConfig:
        """The tract's settings."""
        return self._repo.config

    @property
    def head(self) -> str | None:
        """The commit HEAD is at, None if there is none yet."""
        with self._looking() as space:
            tip = space.repo.head()[1]
            return None if tip is None else tip.hex()

    @property
    def current_branch(self) -> str | None:
        """The branch HEAD is on, None if it is detached."""
        with self._looking() as space:
            branch = space.repo.head()[0]
            return None if branch is None else branch.removeprefix(HEADS)

    @property
    def is_detached(self) -> bool:
        """Whether HEAD names a commit instead of a branch."""
        return self.current_branch is None

    @property
    def repository(self) -> Repository:
        """The repository of this handle, without the commits of an open batch."""
        return self._repo

    @contextmanager
    def batch(self) -> Iterator[OpenBatch]:
        """Make everything inside the block one operation at its end; after any exception, KeyboardInterrupt included, nothing of it is committed.

        The batch contains what its thread and its asyncio task do; what others do meanwhile is committed by itself.
        A batch inside a batch is committed with the outer one; if it fails itself, it leaves no trace.
        RefMovedError at the end if the branch was moved meanwhile: nothing was written, and ``content`` of the error has the uncommitted messages.
        If that is allowed (``on_moved="append"``, or the other writer only changed priorities and the like), the commits are made again on the new tip: *commits* of the batch has their new ids, and the ids returned inside the block keep working.
        """
        outer = self._open_batch()
        if outer is not None:
            with self._part_of(outer):
                yield outer
            return
        with self._access() as space:
            batch = Batch(space.repo)
            one = OpenBatch(self, space.on(batch.repo), batch, self._seen.copy(), _OPEN.get())
        _OPEN.set(one)
        self._batches.add(one)
        try:
            yield one
            with self._lock, storage_errors():
                self._land(one)
        except RefMovedError as exc:
            _add_contents(exc, one._contents)
            with self._lock:
                self._seen.look(self._repo)  # the error tells the user where the branch is
            raise
        finally:
            one._is_open = False
            self._batches.discard(one)
            if _OPEN.get() is one:  # a generator may end in another context than the one it began in
                _OPEN.set(one._outer)
        self._fire("commit")

    def _fire(self, trigger: Literal["commit", "compile"], content: Mapping[str, Any] | None = None) -> None:
        """Ask the policies, after a commit of one message with its *content*; a handle alone has none."""

    def _is_silent(self) -> bool:
        """Whether the tract has neither policies nor an orchestrator that could be asked; a handle alone has none."""
        return True

    def _check_required(self) -> None:
        """Refuse to continue if a required policy is missing; a handle alone has none."""

    @contextmanager
    def _part_of(self, outer: OpenBatch) -> Iterator[None]:
        """A batch in the batch *outer*."""
        seen, count = outer._seen.copy(), len(outer._contents)
        try:
            with outer._batch.part():
                yield
        except BaseException as exc:
            if isinstance(exc, RefMovedError):
                _add_contents(exc, outer._contents[count:])
            outer._seen = seen
            del outer._contents[count:]
            raise

    def _land(self, one: OpenBatch) -> None:
        self._check_open()
        made = one._batch.commits()
        self._own.budget_used = self._own.made = None
        anew = again_after_remote(lambda: one._batch.land(reason="batch", follows=self._follows, check=one.check_seen))
        one.commits = tuple(anew.get(id, id).hex() for id in made)
        self._repo.landed(anew)
        for name, tip in one._seen.tips.items():
            landed = anew.get(tip, tip) if isinstance(tip, bytes) else tip
            if landed == self._repo.ref(name):
                self._seen.tips[name] = landed
        self._seen.place, self._seen.last = one._seen.place, one._seen.last
        if one._knows_hidden:
            self._seen.look_at_notes(self._repo)

    def _follows(self, was: ObjectId | None, now: ObjectId | None) -> bool:
        """Whether commits made on *was* may land on *now*, the branch's present tip."""
        return self._on_moved == "append" or adds_no_word(self._repo, was, now)

    @property
    def has_open_batch(self) -> bool:
        """Whether any thread or task has a batch of this handle open."""
        return bool(self._batches)

    def _open_batch(self) -> OpenBatch | None:
        """The batch of this handle that is open in this thread and task."""
        one = _OPEN.get()
        if one is None:
            return None
        owner = _owner()
        while one is not None and not (one._is_open and one._handle is self and one._owner == owner):
            one = one._outer
        return one

    @property
    def _space(self) -> Workspace:
        """The workspace of the running thread and task: the open batch's, or this handle's own."""
        one = None if _OPEN.get() is None else self._open_batch()
        return self._own if one is None else one._space

    @property
    def _sight(self) -> Seen:
        one = None if _OPEN.get() is None else self._open_batch()
        return self._seen if one is None else one._seen

    def _look(self) -> None:
        self._sight.look(self._space.repo)

    def _expected(self) -> Expected:
        """Where HEAD's branch must be for this handle to move it; ANY if it never looked. RefMovedError if another process moved HEAD elsewhere."""
        repo = self._space.repo
        return self._sight.expected(repo, *repo.head(), appends=self._on_moved == "append")

    def _expected_by_commit(self, branch: str | None, tip: ObjectId | None) -> Expected:
        """The same for a commit, with HEAD on *branch* at *tip*: it may also land there if no message was added meanwhile, so that others can curate."""
        one = None if _OPEN.get() is None else self._open_batch()
        sight, repo = (self._seen, self._repo) if one is None else (one._seen, one._space.repo)
        seen = sight.expected(repo, branch, tip, appends=self._on_moved == "append")
        sight.at = branch
        if seen is ANY:
            return ANY
        if seen != tip and not isinstance(seen, str) and adds_no_word(repo, seen, tip):
            seen = tip
        if seen == tip and sight.note_moves != repo.refs.note_moves:
            sight.check_priorities(repo, tip)
        return seen

    def _look_after(self, given: Any, tip: ObjectId | None = None) -> Expected:
        """Note the state after a commit of *given*, which is at *tip* if the caller knows that; return the tip that this handle saw before."""
        one = None if _OPEN.get() is None else self._open_batch()
        if one is not None:
            one._contents += given if isinstance(given, tuple) else (given,)
        sight, repo = (self._seen, self._repo) if one is None else (one._seen, one._space.repo)
        before = sight.tips.get(sight.place, ANY) if isinstance(sight.place, str) else ANY
        if tip is None:
            sight.look(repo)
        else:
            sight.look_at_own_commit(repo, tip)
        return before

    def _access(self) -> AbstractContextManager[Workspace]:
        """The workspace, for one thread at a time, up to date with other processes."""
        return _Access(self, self._refresh)

    def _writing(self, *, looks: bool = False) -> AbstractContextManager[Workspace]:
        """The same for committing, which reads other processes' changes when it holds the lock.

        With *looks* it also reads them before: for a commit that refers to existing messages; and also if there is a budget.
        """
        looks = looks or self._repo.config.token_budget is not None
        return _Access(self, self._refresh if looks else self._check_open)

    def _refresh(self) -> None:
        self._check_open()
        self._repo.refs.refresh()
        if self._sync is not None and self._is_fresh and self._open_batch() is None:
            self._sync.refresh_head(self._repo)

    @contextmanager
    def _looking(self) -> Iterator[Workspace]:
        """The same for calls that show the user where the branch is."""
        with self._access() as space:
            self._look()
            yield space

    @contextmanager
    def _moving(self, what: str) -> Iterator[tuple[Workspace, Expected]]:
        """The workspace for a command that moves the branch other than by committing, and where the branch must be then."""
        with self._access() as space:
            if self._open_batch() is not None:
                raise TractError(f"cannot {what} inside a batch")
            expected = self._expected()
            yield space, space.repo.head()[1] if expected is ANY else expected
            self._seen.look(self._repo, after_own=True)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"{self!r} was closed")


class _Access(AbstractContextManager[Workspace]):
    """A handle's workspace, for ``with``; operating-system errors inside become errors of the store.

    Every commit passes through here, and a generator would take longer.
    """

    __slots__ = ("_first", "_handle", "_is_held")

    def __init__(self, handle: Handle, first: Callable[[], None]) -> None:
        self._handle = handle
        self._first = first

    def __enter__(self) -> Workspace:
        handle = self._handle
        handle._lock.acquire()
        try:
            self._first()
        except BaseException as exc:
            handle._lock.release()
            if isinstance(exc, OSError):
                raise as_storage_error(exc) from exc
            raise
        self._is_held = True
        return handle._space

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        try:
            if exc is not None and isinstance(exc, RefMovedError):
                self._handle._look()  # the error tells the user where the branch is
        finally:
            self._is_held = False
            self._handle._lock.release()
        if exc is not None and isinstance(exc, OSError):
            raise as_storage_error(exc) from exc

    def __del__(self) -> None:
        if getattr(self, "_is_held", False):  # Ctrl-C came when ``__exit__`` began
            self._handle._lock.release()


def again_after_remote(act: Callable[[], _T]) -> _T:
    """The result of *act*, repeated if another machine moved the branch on the remote: by then its commits are here.

    *act* itself decides whether it may continue from there.
    """
    for _ in range(_MOST_TRIES):
        try:
            return act()
        except RefMovedError as exc:
            if exc.remote is None:
                raise
    return act()


def _add_contents(error: RefMovedError, before: Sequence[Any]) -> None:
    """Add the contents that a batch committed *before* it to *error*."""
    own = error.content
    error.content = (*before, *(own if isinstance(own, tuple) else () if own is None else (own,)))


def _warn(warning: TractWarning) -> None:
    """Warn at the line that called tract."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(warning, stacklevel=level)
