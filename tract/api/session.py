"""A session: the tracts of one store, opened, made, listed and deleted by name.

session ── get_tract("a") ──▸ Tract          its handles share the session's store, so many can be open
        └─ create, delete, restore, rename, copy: one operation each, which moves only refs
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Self, Unpack

from tract.api.family import Autonomy
from tract.api.opening import check_before_creating, check_is_opened, open_or_create, storage_errors
from tract.api.tract import Tract
from tract.arguments import checks_arguments
from tract.compile.workspace import Workspace
from tract.dataclass import replace
from tract.errors import ConfigError, SessionError
from tract.history.branch import on_branch
from tract.history.collapse import collapse_told_by
from tract.history.spawn import delete_tract, name_now, parent_of, restore_tract
from tract.history.tracts import (
    copy_tract,
    create_tract,
    in_tract,
    rename_tract,
    settings_in,
    with_settings,
)
from tract.refs.names import ROOT
from tract.report.tracts import TractInfo, by_age, family_order, list_tracts, spenders
from tract.revision import Revision, resolve_revision, revision_text
from tract.storage.locks import ThreadLock

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from tract.compile.compiled import CompiledContext
    from tract.config import TractConfig
    from tract.curation.collapse import CollapseOptions, CollapseResult
    from tract.curation.spawn import SpawnOptions
    from tract.repo import Repository
    from tract.report.info import CommitInfo
    from tract.report.search import SearchHit, SearchOptions
    from tract.report.spending import UsageReport
    from tract.storage.store import Durability
    from tract.tokens.counter import TokenCounter


@checks_arguments
class Session:
    """The tracts of a store.

    Open one with :meth:`open`. It is a context manager, may be shared by threads, and closes the handles it returned.
    """

    def __new__(cls, *given: object, **_: object) -> Self:
        check_is_opened(cls, given)
        return object.__new__(cls)

    def __init__(
        self,
        repo: Repository,
        *,
        autonomy: Autonomy | None = None,
        on_moved: Literal["error", "append"] = "error",
        tokenizer: TokenCounter | None = None,
    ) -> None:
        self._repo = repo
        self.autonomy = autonomy
        self._on_moved = on_moved
        self._tokenizer = tokenizer
        self._lock = ThreadLock()
        self._open: dict[str, Tract] = {}
        self._closed = False

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        autonomy: Autonomy | None = None,
        durability: Durability = "full",
        on_moved: Literal["error", "append"] = "error",
        config: TractConfig | None = None,
        tokenizer: TokenCounter | None = None,
        author: str | None = None,
    ) -> Session:
        """Open the store in folder *path*, or create it, as ``Tract.open`` does; the tracts of a ``":memory:"`` session share one store.

        *autonomy* is that of new tracts, and the upper limit for every tract in this session. *config* has the settings of the store's root tract. *author* is the author of commits, instead of the one in each tract's settings.
        """
        if autonomy not in (None, "manual", "collaborative", "autonomous"):
            raise ConfigError(f"autonomy must be 'manual', 'collaborative' or 'autonomous', not {autonomy!r}")
        if on_moved not in ("error", "append"):
            raise ConfigError(f"on_moved must be 'error' or 'append', not {on_moved!r}")
        check_before_creating(None, config, tokenizer, durability, author=author)
        with storage_errors():
            repo = open_or_create(path, None, config, durability, author=author)
        return cls(repo, autonomy=autonomy, on_moved=on_moved, tokenizer=tokenizer)

    def close(self) -> None:
        """Close every handle of the session and the store; afterwards every call but another ``close`` raises ClosedError."""
        with self._lock:
            if not self._closed:
                for tract in self._open.values():
                    tract.close()
                self._open.clear()
                self._closed = True
                self._repo.close()

    def __enter__(self) -> Self:
        with self._using():
            return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Session({self._repo.path or ':memory:'!r}{', closed' if self._closed else ''})"

    def create_tract(
        self, name: str | None = None, *, display_name: str | None = None, config: TractConfig | None = None
    ) -> Tract:
        """Make a tract and open it; without *name* it gets a generated one. SessionError if a tract of that name exists.

        It has the root tract's settings, except those given in *config*.
        """
        with self._using() as repo:
            name = f"tract-{os.urandom(4).hex()}" if name is None else name
            config = config if config is None else repo.config.changed(config)
            if display_name is not None:
                config = replace(config or repo.config, display_name=display_name)
            create_tract(repo, name, config)
            if self.autonomy is not None:
                from tract.agents.policy_settings import set_autonomy

                set_autonomy(self._inside(name), self.autonomy)
            return self._handle(name, config)

    def get_tract(self, name: str, *, branch: str | None = None) -> Tract:
        """The open handle of the tract *name*, the same one until it is closed. SessionError if there is no such tract.

        With *branch* you get a separate handle on that branch, which neither reads nor moves HEAD.
        """
        with self._using():
            if branch is None:
                return self._handle(name)
            return self._opened(on_branch(self._inside(name), branch))

    def release_tract(self, name: str) -> None:
        """Close the session's handle of the tract *name*; SessionError if it has none."""
        with self._using():
            if self._held(name) is None:
                raise SessionError(f"tract '{name}' is not open")
            self._open.pop(name).close()

    def list_tracts(self, *, counts: bool = False) -> list[TractInfo]:
        """Every tract of the store, the root tract first; *counts* adds the numbers of commits, messages and tokens."""
        with self._using() as repo:
            active = [name for name, tract in self._open.items() if not tract.is_closed]
            return list(list_tracts(repo, active=active, workspace_in=self._workspace if counts else None))

    def search(self, text: str, **options: Unpack[SearchOptions]) -> list[SearchHit]:
        """The messages that contain *text*, in every tract or in the named one: tract by tract, newest first.

        All versions of a message in the history of a branch are searched, hidden ones too, and those that compressions replaced.
        *regex* makes *text* a regular expression; unless *case*, capital and small letters are the same.
        *role* selects messages of that role, *tool* those that call that tool; *since* is inclusive.
        """
        from tract.report.search import search

        with self._using() as repo:
            return search(repo, text, **options)

    def usage(
        self,
        *,
        family: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        by: Iterable[str] = ("tract", "model"),
    ) -> UsageReport:
        """The recorded usage of all tracts, or of *family* (a tract with all tracts that came from it), added up *by* ``tract``, ``model``, ``branch`` and ``day``.

        Calls that a child inherited count only in its parent. ``UsageRow.cost`` weighs the tokens with the prices in the settings.
        """
        from tract.report.spending import usage_of_tracts

        with self._using() as repo:
            if family is not None:
                in_tract(repo, family)
            spaces = (self._workspace(in_tract(repo, name)) for name in spenders(list_tracts(repo), family))
            return usage_of_tracts(spaces, since=since, until=until, by=by)

    def compile_at(
        self, name: str, *, at_time: datetime | str | None = None, at_commit: Revision | None = None
    ) -> CompiledContext:
        """The context of the tract *name* at a moment, or at a commit."""
        return self.get_tract(name).compile(at_time=at_time, at_commit=at_commit)

    def timeline(self, *, limit: int | None = None, since: datetime | str | None = None) -> list[CommitInfo]:
        """The commits on all branches of all tracts in order of time, oldest first; only the newest *limit* of them.

        A commit that is in the history of several tracts is listed for the one that the others were spawned from, else for the one that was made first.
        """
        found: dict[str, CommitInfo] = {}
        for info, _ in family_order(by_age(self.list_tracts())):
            with self._using():
                tract = self._opened(self._inside(info.tract_id))
            for commit in tract.log(limit, all_refs=True, since=since) if info.head_hash else ():
                found.setdefault(commit.commit_hash, commit)
        commits = sorted(found.values(), key=lambda one: one.created_at)
        return commits if limit is None else commits[max(0, len(commits) - limit) :]

    def resume(self) -> Tract | None:
        """The tract to continue with: the one with the newest commit, among those that were not spawned; None if none has a commit.

        A tract whose last commit is a ``SessionContent`` of the type ``end`` is left out.
        """
        newest: tuple[datetime, str] | None = None
        for info in self.list_tracts():
            if (info.parent_tract_id is not None and not info.is_orphan) or info.head_hash is None:
                continue
            with self._using():
                tract = self._opened(self._inside(info.tract_id))
            found = tract.log(1)  # records are not messages, and reopen nothing
            if not found:
                continue
            last = found[0]
            content = tract.get_content(last) if last.content_type == "session" else None
            if getattr(content, "session_type", None) != "end" and (newest is None or last.created_at > newest[0]):
                newest = (last.created_at, info.tract_id)
        return None if newest is None else self.get_tract(newest[1])

    def delete_tract(self, name: str, *, force: bool = False) -> None:
        """Delete a tract, and close its handle; :meth:`restore_tract` brings it back as long as gc keeps its objects.

        SessionError while a batch of its handle is open, and if it has children; *force* deletes it without them.
        """
        with self._using() as repo:
            self._check_no_batch(name, "deleted")
            delete_tract(repo, name, force=force)
            self._close(name)

    def restore_tract(self, name: str) -> Tract:
        """Bring a deleted tract back, and open it; SessionError if none of that name is kept."""
        with self._using() as repo:
            restore_tract(repo, name)
            return self._handle(name)

    def rename_tract(self, old: str, new: str) -> Tract:
        """Rename a tract, and open it under the new name; a handle of the old name is closed. SessionError while a batch of it is open."""
        with self._using() as repo:
            self._check_no_batch(old, "renamed")
            rename_tract(repo, old, new)
            self._close(old)
            return self._handle(new)

    def copy_tract(self, source: str, name: str) -> Tract:
        """Make a tract with the same branches, tags and notes as *source*, and open it; no message is copied."""
        with self._using() as repo:
            copy_tract(repo, source, name)
            return self._handle(name)

    def spawn(
        self, parent: Tract | str, *, purpose: str, name: str | None = None, **options: Unpack[SpawnOptions]
    ) -> Tract:
        """Make a tract from the context of *parent*, and open it; the options are those of ``Tract.spawn``."""
        with self._using():
            made = self._given(parent).spawn(purpose, name=name, **options)
            self._open[made.tract_id] = made
            return made

    def collapse(
        self,
        child: Tract | str,
        into: Tract | str | None = None,
        *,
        force: bool = False,
        **options: Unpack[CollapseOptions],
    ) -> CollapseResult:
        """Make one message of the work of *child* in its parent; the options are those of ``Tract.collapse``.

        *into* names another tract for the message; this needs *force*, and is a warning in the result.
        """
        with self._using() as repo:
            name = child if isinstance(child, str) else self._given(child).tract_id
            found = parent_of(in_tract(repo, name))
            if found is None:
                raise SessionError(f"tract '{name}' was not spawned, so it has no parent to collapse into")
            if into is None and found.is_orphan:
                raise SessionError(f"the parent of tract '{name}' was deleted: say into which tract")
            parent = self._given(found.parent if into is None else into)
        return parent.collapse(child if isinstance(child, str) else self._given(child), force=force, **options)

    def get_child_tract(self, collapse_commit: Revision) -> Tract:
        """Open the tract whose work the message *collapse_commit* stands for, whatever its name is now.

        SessionError if the commit is not a collapse, or if the tract was deleted.
        """
        with self._using() as repo:
            told = collapse_told_by(repo, resolve_revision(repo, collapse_commit))
            if told is None:
                raise SessionError(f"commit '{revision_text(collapse_commit)}' stands for no tract's work")
            name = name_now(repo, told.spawn)
            if name is None:
                raise SessionError(f"tract '{told.child}' was deleted")
            return self._handle(name)

    # Inside

    @contextmanager
    def _using(self) -> Iterator[Repository]:
        """The store, for one thread at a time, up to date with other processes."""
        with self._lock, storage_errors():
            if self._closed:
                raise SessionError(f"{self!r} was closed")
            self._repo.refs.refresh()
            yield self._repo

    def _held(self, name: str) -> Tract | None:
        """The session's handle on a tract, or None."""
        return self._open.get(name) if isinstance(name, str) else None

    def _handle(self, name: str, config: TractConfig | None = None) -> Tract:
        """The open tract *name*, with *config* if that was just given: a budget's callback is never saved."""
        tract = self._held(name)
        if tract is None or tract.is_closed:
            repo = self._inside(name)
            tract = self._open[name] = self._opened(repo if config is None else with_settings(repo, config))
        return tract

    def _given(self, tract: Tract | str) -> Tract:
        """The tract that was named or given as a handle; a handle of this session is returned itself, because it may be on a branch."""
        if isinstance(tract, str):
            return self._handle(tract)
        if not isinstance(tract, Tract):
            raise SessionError(f"a tract is given by its name or as it was opened, not as {type(tract).__name__}")
        repo = tract.repository
        if repo.path != self._repo.path or (repo.path is None and repo.refs is not self._repo.refs):
            raise SessionError(f"tract '{repo.tract}' is of another store")
        return tract if tract._lock is self._lock else self._handle(repo.tract)

    def _inside(self, name: str) -> Repository:
        """The store as seen from a tract, with that tract's settings."""
        repo = in_tract(self._repo, name)
        return repo if name == ROOT else with_settings(repo, settings_in(repo))

    def _opened(self, repo: Repository) -> Tract:
        tract = Tract(repo, tokenizer=self._tokenizer, on_moved=self._on_moved, lock=self._lock)
        tract._autonomy = self.autonomy
        return tract

    @contextmanager
    def _workspace(self, repo: Repository) -> Iterator[Workspace]:
        with self._opened(self._inside(repo.tract)) as tract, tract._access() as space:
            yield space

    def _check_no_batch(self, name: str, done: str) -> None:
        """SessionError if a batch of the tract's handle is open: it could no longer land."""
        tract = self._held(name)
        if tract is not None and tract.has_open_batch:
            raise SessionError(f"tract '{name}' cannot be {done}: a batch of it is open")

    def _close(self, name: str) -> None:
        tract = self._open.pop(name, None)
        if tract is not None:
            tract.close()
