"""Looking after the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tract.api.handle import Handle

# Most programs run without these, and to load them takes longer than many a command.
if TYPE_CHECKING:
    from tract.maintenance.gc.collect import GCResult


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
        """Pack what is reachable, of every tract in the store, and drop what nothing has reached for *orphan_retention_days*.

        What compressions took out of contexts goes after *archive_retention_days*, and history with it, but for pinned messages with *keep_pinned*; then it cannot be expanded any more.
        With *keep_merge_bases* it stays while two branches could not be merged without it.
        Retentions are days, or texts: ``"12h"``, ``"30d"``, ``"500M"``, which keeps the newest, and ``"never"``, or ``math.inf``, for ever.
        What is None is for each tract as its settings have it (7 days, for ever, True, True).
        *dry_run* only says what would go; *aggressive* packs smaller and takes several times as long.
        """
        from tract.maintenance.gc.collect import collect_by_policy

        with self._access() as space:
            return collect_by_policy(
                space.repo,
                orphans=orphan_retention_days,
                archives=archive_retention_days,
                keep_pinned=keep_pinned,
                keep_merge_bases=keep_merge_bases,
                dry_run=dry_run,
                aggressive=aggressive,
            )
