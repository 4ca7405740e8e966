"""Looking after the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tract.api.handle import Handle
from tract.arguments import checks_arguments

# Most programs run without these, and to load them takes longer than many a command.
if TYPE_CHECKING:
    from tract.maintenance.gc.options import GCResult


@checks_arguments
class Maintaining(Handle):
    """The methods of a tract that look after its store."""

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
        """Pack the reachable objects of every tract in the store, and drop objects that have been unreachable for *orphan_retention_days*.

        The history behind a compression goes after *archive_retention_days*, but for pinned messages with *keep_pinned*; the compression cannot be expanded any more then.
        With *keep_merge_bases* that history stays while a merge of two branches may need it.
        Retentions are days, or texts: ``"12h"``, ``"30d"``, ``"500M"``, which keeps the newest, and ``"never"``, or ``math.inf``, to keep everything.
        None stands for each tract's own setting (7 days, never, True, True).
        A store in memory lets go of the same objects, and packs none; other threads wait until it is done.
        *dry_run* only says what would go; *aggressive* packs smaller and takes several times as long.
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
