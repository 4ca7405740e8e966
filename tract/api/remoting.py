"""Other places that the store is kept in: push, fetch, pull, clone."""

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
        """Make the store in folder *path* with what the remote at *url* has, and open it; that remote is its ``origin``.

        *branches* and *tracts* bring only those, *depth* only the last so many commits of each branch: their contexts are whole, and what lies behind is cut. *options* are the remote's store's, as ``region``; credentials come from the environment.
        RemoteError where there is no remote, or something of it is damaged; then no store is left behind.
        """
        from tract.api.opening import storage_errors
        from tract.remote.clone import clone

        with storage_errors():
            clone(url, path, branches=branches, tracts=tracts, depth=depth, timeout=timeout, options=options)
        return cls.open(path)  # type: ignore[attr-defined, no-any-return]  # Tract has it

    def add_remote(
        self, name: str, url: str | Path, *, timeout: float = 30, probe: bool = True, **options: str
    ) -> RemoteInfo:
        """Keep the address of a remote: ``s3://bucket/path``, ``gs://``, ``az://``, ``file:///folder``, or a path; *timeout* in seconds.

        Its store is probed with writers that race, and what it can be relied on for is remembered; without *probe* the first push does that.
        *options* are the store's (``endpoint``, ``region``, ``allow_http``); credentials are taken from the environment and kept nowhere.
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
        """Forget a remote, and what is known of its branches; nothing changes there."""
        from tract.remote.remotes import remove_remote

        with self._access() as space:
            remove_remote(space.repo, name)

    def remotes(self) -> list[RemoteInfo]:
        """The remotes of the store, in order of name."""
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
        """Push branches and tags: those named in *refs* (``:gone`` deletes, ``:researcher::`` deletes a tract, ``+name`` forces), else HEAD's branch; with *everything* all of the tract, with *all_tracts* of the store.

        What notes say about the commits travels with them. A branch moves forward only, or with *force_with_lease* anywhere from where it was last seen.
        RemoteMovedError for one that must not move: nothing was sent then. RemoteError with ``landed`` None where no answer came.
        RemoteRefusedError where something that is new there looks like a key, a token or a password, but for folders; *scan* says otherwise for this push.
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
        """Learn where the remote's branches are (``origin/main``), with all that they have; *refs* names some, *all_tracts* is about every tract.

        No branch of this store moves. Notes of both sides are joined.
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
        """Fetch, and bring what the remote's branch of the same name has into HEAD's branch: forward only, or by a merge or rebase where both went on.

        RemoteMovedError where ``ff`` cannot do it; a merge with conflicts is in the result, as of :meth:`merge`, and with *keep* waits in the store.
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
