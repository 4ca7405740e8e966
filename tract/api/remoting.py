"""Remotes, the other places that a store is kept in: push, fetch, pull, clone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from tract.api.looking import Looking
from tract.api.merging import Merging
from tract.arguments import checks_arguments
from tract.events import began, emit

# Most programs run without these, and to load them takes longer than many a command.
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tract.remote.pull import FetchResult, PullResult
    from tract.remote.push import PushResult
    from tract.remote.remotes import RemoteInfo


@checks_arguments
class Remoting(Looking, Merging):
    """The methods of a tract about remotes."""

    @classmethod
    def clone(
        cls,
        url: str | Path,
        path: str | Path,
        *,
        branches: Sequence[str] | None = None,
        tracts: Sequence[str] | None = None,
        depth: int | None = None,
        timeout: float = 30,
        **options: str,
    ) -> Self:
        """Make a store in folder *path* with what the remote at *url* has, and open it; that remote becomes its ``origin``.

        *branches* and *tracts* limit what is fetched. *depth* fetches only so many of the newest commits of each branch: their contexts are complete, and the history before them is cut.
        *options* are those of the remote's store, such as ``region``; credentials come from the environment.
        RemoteError if there is no remote, or part of it is damaged; no store is left behind then.
        """
        from tract.api.opening import storage_errors
        from tract.remote.clone import clone

        with storage_errors():
            clone(url, path, branches=branches, tracts=tracts, depth=depth, timeout=timeout, options=options)
        return cls.open(path)  # type: ignore[attr-defined, no-any-return]  # Tract has it

    def add_remote(
        self, name: str, url: str | Path, *, timeout: float = 30, probe: bool = True, **options: str
    ) -> RemoteInfo:
        """Add a remote by its address: ``s3://bucket/path``, ``gs://``, ``az://``, ``file:///folder``, or a path; *timeout* is in seconds.

        Writers that race test the remote's store, and its guarantees are remembered; with *probe* false the first push does that.
        *options* are those of the store (``endpoint``, ``region``, ``allow_http``); credentials come from the environment and are stored nowhere.
        """
        from tract.config.remote_config import RemoteConfig
        from tract.remote.address import parse_address
        from tract.remote.remotes import add_remote, describe

        with self._access() as space:
            remote = RemoteConfig(
                name=name,
                url=url if isinstance(url, str) else str(parse_address(url)),
                timeout=timeout,
                options=options,
            )
            return describe(add_remote(space.repo, remote, probing=probe))

    def remove_remote(self, name: str) -> None:
        """Forget a remote, and what is known of its branches; nothing changes in the remote itself."""
        from tract.remote.remotes import remove_remote

        with self._access() as space:
            remove_remote(space.repo, name)

    def remotes(self) -> list[RemoteInfo]:
        """The remotes of the store, sorted by name."""
        from tract.remote.remotes import describe, remotes

        with self._access() as space:
            return [describe(one) for one in remotes(space.repo)]

    def push(
        self,
        remote: str = "origin",
        *refs: str,
        everything: bool = False,
        tags: bool = False,
        all_tracts: bool = False,
        force_with_lease: bool = False,
        scan: bool | None = None,
    ) -> PushResult:
        """Push branches and tags: those in *refs* (``:gone`` deletes a branch, ``:researcher::`` a tract, ``+name`` forces), by default HEAD's branch; *everything* pushes all of the tract, *all_tracts* all of the store.

        Notes about the commits are pushed with them. A branch only moves forward; *force_with_lease* moves it anywhere, if it still is where it was last seen.
        RemoteMovedError if a branch cannot be moved; nothing is sent then. RemoteError with ``landed`` None if no answer came.
        RemoteRefusedError if something new looks like a key, a token or a password, unless the remote is a folder; *scan* overrides that for this push.
        """
        from tract.remote.push import PushRequest, push

        request = PushRequest(
            refs=refs,
            everything=everything,
            tags=tags,
            all_tracts=all_tracts,
            force="lease" if force_with_lease else "no",
            scan=scan,
        )
        since = began()
        with self._access() as space:
            result = push(space.repo, remote, request)
        emit("push", self._repo.place, since, remote=remote, refs=len(result.refs))
        return result

    def fetch(self, remote: str = "origin", *refs: str, all_tracts: bool = False) -> FetchResult:
        """Fetch the remote's branches (as ``origin/main``) with all their objects; *refs* names some, *all_tracts* means every tract.

        No branch of this store moves. The notes of both sides are merged.
        """
        from tract.remote.pull import fetch_from

        since = began()
        with self._access() as space:
            result = fetch_from(space.repo, remote, refs, all_tracts=all_tracts)
        emit("fetch", self._repo.place, since, remote=remote, refs=len(result.refs))
        return result

    def pull(
        self, remote: str = "origin", *, strategy: Literal["ff", "merge", "rebase"] = "ff", keep: bool = False
    ) -> PullResult:
        """Fetch, and bring the remote's branch of the same name into HEAD's branch: by moving it forward, or by a merge or rebase if both sides have new commits.

        RemoteMovedError if ``ff`` is not possible. A merge with conflicts is in the result, as for :meth:`merge`; *keep* keeps it in the store.
        """
        from tract.remote.pull import finish_pull, plan_pull

        with self._access() as space:
            plan = plan_pull(space.repo, remote, strategy)
        if plan.kind == "diverged" and strategy == "merge":
            return finish_pull(plan, merge=self.merge(plan.source, keep=keep))
        if plan.kind == "diverged" and strategy == "rebase":
            return finish_pull(plan, rebase=self.rebase(plan.source, keep=keep))
        if plan.kind == "behind":
            return finish_pull(plan, merge=self.merge(plan.source))
        with self._looking():
            return finish_pull(plan)
