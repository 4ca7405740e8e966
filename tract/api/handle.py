"""A handle: one program's hold on a store, and what that program has seen of its branches.

    access ── looking      the workspace, for one thread at a time, as other processes left it; looking says the user was shown it
           └─ moving       the same for commands that move the branch, with where the branch must be then
    batch                  everything inside in one operation

Who commits, merges or resets on a branch that another process moved since this handle looked would answer messages nobody saw.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Literal, Self

from tract.api.opening import storage_errors
from tract.compile.compiler import Compiler, ContextCompiler
from tract.compile.workspace import Workspace
from tract.config import TractConfig
from tract.errors import ClosedError, RefMovedError, TractError
from tract.history.batch import Batch
from tract.history.notes import NoteTable
from tract.refs.names import HEAD, HEADS
from tract.refs.operations import shown
from tract.refs.store import ANY, Expected
from tract.repo import Repository
from tract.storage.files import as_storage_error
from tract.tokens.counter import TokenCounter, counter_named
from tract.tokens.counts import BlobCache

if TYPE_CHECKING:
    from pathlib import Path

    from tract.llm.types import LLMClient


class Handle:
    """What :class:`tract.Tract` stands on; it may be shared by threads."""

    _client: LLMClient | None = None
    _prompts: str | Path | None = None

    def __init__(
        self,
        repo: Repository,
        *,
        tokenizer: TokenCounter | None = None,
        compiler: ContextCompiler | None = None,
        on_moved: Literal["error", "append"] = "error",
        verify_cache: bool = False,
    ) -> None:
        counter = tokenizer if tokenizer is not None else counter_named(repo.config.tokenizer_encoding)
        blobs = BlobCache(repo, counter)
        memo = Compiler(blobs, maxsize=repo.config.compile_cache_maxsize, custom=compiler, verify=verify_cache)
        self._space = Workspace(repo, blobs, memo, NoteTable(), _warn)
        self._base = repo
        self._on_moved = on_moved
        self._lock = self._space.lock
        self._closed = False
        self._batch: Batch | None = None
        # Where the branches were when this handle last looked, and which HEAD was on (ANY where it never looked):
        # committing on anything else would answer messages nobody saw.
        self._seen: dict[str, Expected] = {}
        self._place: Expected = ANY

    def close(self) -> None:
        """Let go of the store; anything but another ``close`` is an error from then on."""
        if self._lock.is_lost:  # a forked child, which another thread's work is lost to: nothing of it is written
            self._closed = True
            self._base.close()
            return
        with self._lock:
            if not self._closed:
                self._space.blobs.flush()
                self._space.totals.flush()
                self._closed = True
                self._base.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        where = self._base.path or ":memory:"
        return f"{type(self).__name__}({where!r}, tract_id={self.tract_id!r}{', closed' if self._closed else ''})"

    @property
    def tract_id(self) -> str:
        return self._base.tract

    @property
    def path(self) -> Path | None:
        """The ``.tract`` folder; None for a store in memory."""
        from pathlib import Path  # the command line does without

        return None if self._base.path is None else Path(self._base.path)

    @property
    def config(self) -> TractConfig:
        return self._base.config

    @property
    def head(self) -> str | None:
        """The commit HEAD is at, None where there is none yet."""
        with self._looking() as space:
            tip = space.repo.head()[1]
            return None if tip is None else tip.hex()

    @property
    def current_branch(self) -> str | None:
        """The branch HEAD is on, None where it is detached."""
        with self._looking() as space:
            branch = space.repo.head()[0]
            return None if branch is None else branch.removeprefix(HEADS)

    @property
    def is_detached(self) -> bool:
        """Whether HEAD names a commit instead of a branch."""
        return self.current_branch is None

    @contextmanager
    def batch(self) -> Iterator[Self]:
        """Everything inside lands in one operation at the end, or, after any exception, nothing of it.

        KeyboardInterrupt included. A batch inside a batch lands with the outer one, and leaves no trace if it fails itself.
        RefMovedError at the end when another process moved the branch meanwhile: nothing was written; run it again.
        """
        with self._lock:
            self._check_open()
            seen, place = dict(self._seen), self._place
            try:
                if self._batch is not None:
                    with self._batch.part():
                        yield self
                    return
                with storage_errors():
                    self._base.refs.refresh()
                self._batch = Batch(self._base)
                self._space.repo = self._batch.repo
                try:
                    yield self
                    with storage_errors():
                        self._batch.land(reason="batch")
                finally:
                    self._space.repo = self._base
                    self._batch = None
            except BaseException:
                self._seen, self._place = seen, place
                raise

    def _look(self) -> None:
        branch, tip = self._space.repo.head()
        self._place = branch
        if branch is not None:
            self._seen[branch] = tip

    def _expected(self) -> Expected:
        """Where HEAD's branch must be for this handle to move it, ANY where it never looked; RefMovedError when another process took HEAD elsewhere."""
        if self._on_moved == "append":
            return ANY
        branch, tip = self._space.repo.head()
        if self._place is not ANY and branch != self._place:
            raise RefMovedError(HEAD, shown(self._place), branch or shown(tip))
        return self._seen.get(branch or "", ANY)

    def _access(self) -> AbstractContextManager[Workspace]:
        """The workspace, for one thread at a time, as other processes left it."""
        return _Access(self, self._refresh)

    def _writing(self, *about: object) -> AbstractContextManager[Workspace]:
        """The same, for committing: that looks at what other processes did when it has locked them out.

        It is looked at before where the commit is *about* something that is there, or there is a budget to keep.
        """
        first = any(one is not None for one in about) or self._space.repo.config.budget is not None
        return _Access(self, self._refresh if first else self._check_open)

    def _refresh(self) -> None:
        self._check_open()
        self._space.repo.refs.refresh()

    @contextmanager
    def _looking(self) -> Iterator[Workspace]:
        """The same, for what shows the user where the branch is."""
        with self._access() as space:
            self._look()
            yield space

    @contextmanager
    def _moving(self, what: str) -> Iterator[tuple[Workspace, Expected]]:
        """The workspace for a command that moves the branch otherwise than by committing, and where the branch must be then."""
        with self._access() as space:
            if self._batch is not None:
                raise TractError(f"cannot {what} inside a batch")
            expected = self._expected()
            yield space, space.repo.head()[1] if expected is ANY else expected
            self._look()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"{self!r} was closed")


class _Access(AbstractContextManager[Workspace]):
    """A handle's workspace, for ``with``; what the operating system refuses inside is an error of the store's.

    Every commit passes through here, and a generator's would take longer.
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
        self._is_held = False
        self._handle._lock.release()
        if isinstance(exc, OSError):
            raise as_storage_error(exc) from exc

    def __del__(self) -> None:
        if getattr(self, "_is_held", False):  # Ctrl-C came when ``__exit__`` began
            self._handle._lock.release()


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=2)
