"""Maintenance of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tract.api.handle import Handle
from tract.arguments import checks_arguments

# Most programs run without these, and to load them takes longer than many a command.
if TYPE_CHECKING:
    from tract.maintenance.gc.options import GCResult


@checks_arguments
class Maintaining(Handle):
    """The methods of a tract that maintain its store."""

    def gc(
        self,
        *,
        orphan_retention_days: float | str | None = None,
        archive_retention_days: float | str | None = None,
        keep_pinned: bool | None = None,
        keep_merge_bases: bool | None = None,
        dry_run: bool = False,
        aggressive: bool = False,
    ) -> GCResult:
        """Pack the reachable objects of every tract in the store, and drop objects that have been unreachable for longer than *orphan_retention_days*.

        The originals behind a compression are dropped after *archive_retention_days*, except for pinned messages if *keep_pinned*; the compression can then no longer be expanded.
        *keep_merge_bases* keeps them as long as a merge of two branches may need them.
        Retentions are days, or texts: ``"12h"``, ``"30d"``; ``"500M"`` keeps the newest 500 MB; ``"never"`` or ``math.inf`` drops nothing.
        None is each tract's own setting (by default 7 days, never, True, True).
        A store in memory drops the same objects, but packs none; other threads wait until it is done.
        *dry_run* only says what would be dropped; *aggressive* packs smaller and takes several times as long.
        """
        from tract.maintenance.gc.collect import collect
        from tract.maintenance.gc.options import read_options

        with self._access() as space:
            options = read_options(
                space.repo,
                orphans=orphan_retention_days,
                archives=archive_retention_days,
                keep_pinned=keep_pinned,
                keep_merge_bases=keep_merge_bases,
            )
            return collect(space.repo, options, dry_run=dry_run, aggressive=aggressive)
