"""The public class: its methods resolve names, call one function each, and return its value.

Tract ── Committing     commit, edit, annotate, tag …           committing.py
      ── Looking        compile, log, diff, blame …             looking.py
      ── Branching      branch, switch, reset, undo …           branching.py
      ── Merging        merge, rebase, cherry_pick, revert      merging.py
      ── Compressing    compress, expand, reorder               compressing.py
         Acting         proposals, approve_proposal             acting.py
         Policing       configure_policies, policy_log          policing.py
         Orchestrating  configure_orchestrator, orchestrate     orchestrating.py
      ── Family         spawn, collapse, parent, children       family.py
      ── Remoting       push, fetch, pull, clone                remoting.py
      ── Maintaining    gc                                      maintaining.py
      ── Observing      on_event                                observing.py
         each a Handle: the store, and what this program has seen of its branches
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tract.api.branching import Branching
from tract.api.family import Family
from tract.api.maintaining import Maintaining
from tract.api.observing import Observing
from tract.api.opening import check_before_creating, open_or_create, storage_errors
from tract.api.orchestrating import Orchestrating
from tract.api.remoting import Remoting
from tract.arguments import check_argument
from tract.errors import ConfigError
from tract.history.branch import on_branch

if TYPE_CHECKING:
    from pathlib import Path

    from tract.agents.target import TractLike
    from tract.compile.custom import ContextCompiler
    from tract.config import TractConfig
    from tract.remote.sync import SyncMode
    from tract.storage.store import Durability
    from tract.tokens.counter import TokenCounter


class Tract(Family, Remoting, Branching, Orchestrating, Maintaining, Observing):
    """A context under version control.

    Open one with :meth:`open`; it is a context manager, and may be shared by threads.
    """

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        tract_id: str | None = None,
        config: TractConfig | None = None,
        tokenizer: TokenCounter | None = None,
        compiler: ContextCompiler | None = None,
        durability: Durability = "full",
        on_moved: Literal["error", "append"] = "error",
        branch: str | None = None,
        create: bool = False,
        author: str | None = None,
        read_only: bool = False,
        verify_cache: bool = False,
        remote: str | Path | None = None,
        sync: SyncMode = "manual",
        fresh: bool = False,
    ) -> Tract:
        """Open the store in folder *path*, or create it.

        If *path* ends in ``.tract``, it is the store itself. None means the nearest store at or above the working folder, or a new one in the working folder. ``":memory:"`` is a store that exists only as long as the process.
        *tract_id* is the name of a tract in the store, which is created if it is new; None is the store's root tract.
        *durability*: with ``full``, a commit survives a power cut once it has returned; with ``process``, it survives the death of the process.
        *branch* puts the handle on that branch, whatever HEAD says; it then neither reads nor moves HEAD, so several programs can work on different branches of one tract. BranchNotFoundError if there is no such branch; *create* makes it at HEAD.
        *author* is the author of commits through this handle, instead of the one in the settings.
        *read_only* writes nothing at all, not even a cache or a lock, so it works on a read-only disk and next to a writer; a change raises ReadOnlyError.
        *on_moved* says what a commit does if another process moved the branch, or HEAD left it, since this handle last looked: ``error`` raises RefMovedError, ``append`` commits on top of the new tip.
        *remote* is the address, or the name, of a remote that the store lives in; if there is no local store yet, one is made from the remote.
        *sync* says when local changes are sent to that remote: ``commit``, before a commit returns; ``close``, when the handle is closed; ``manual``, when :meth:`push` is called. With *fresh*, every read asks the remote first.
        """
        if on_moved not in ("error", "append"):
            raise ConfigError(f"on_moved must be 'error' or 'append', not {on_moved!r}")
        yes_or_no = {"create": create, "read_only": read_only, "verify_cache": verify_cache, "fresh": fresh}
        for name, value in yes_or_no.items():
            check_argument(name, value, "bool")
        check_before_creating(tract_id, config, tokenizer, durability, branch, author=author)
        if remote is not None or sync != "manual" or fresh:
            from tract.remote.opening import check_sync, prepare

            check_sync(path, sync, read_only=read_only)
            if remote is not None and not read_only:
                with storage_errors():
                    remote = prepare(path, remote, config)
        with storage_errors():
            repo = open_or_create(path, tract_id, config, durability, author=author, read_only=read_only)
        try:
            if branch is not None:
                repo = on_branch(repo, branch, create=create)
            made = cls(repo, tokenizer=tokenizer, compiler=compiler, on_moved=on_moved, verify_cache=verify_cache)
            if sync != "manual" or fresh:
                from tract.remote.opening import begin_sync

                made._sync, made._is_fresh = (
                    begin_sync(repo, None if remote is None else str(remote), sync, made._lock),
                    fresh,
                )
            return made
        except BaseException:
            repo.close()
            raise


if TYPE_CHECKING:  # so that a type checker finds a difference between the two

    def _is_acted_on(tract: Tract) -> TractLike:
        return tract
