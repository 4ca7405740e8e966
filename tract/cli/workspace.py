"""The workspace of commands that only read."""

from __future__ import annotations

from collections.abc import Callable

from tract.compile.compiler import Compiler
from tract.compile.workspace import Workspace
from tract.history.notes import NoteTable
from tract.history.origins import Origins
from tract.objects.id import ObjectId
from tract.repo import Repository
from tract.storage.counts import BlobCount
from tract.tokens.counter import EstimateTokenCounter, counter_named
from tract.tokens.counts import BlobCache, TotalsCache


class LookingWorkspace(Workspace):
    """A workspace that loads no tokenizer: tokens without a stored count are estimated.

    The estimates of whole contexts are cached, as counts are; ``estimates.flush()`` writes them.
    Those of single texts are not: a log shows few, and loading the cache would take longer.
    """

    __slots__ = ("estimates",)

    estimates: BlobCache

    def count_of(self, blob: ObjectId) -> BlobCount:
        return self.blobs.known(blob) or self.estimates.count(blob)


def looking_workspace(repo: Repository, warn: Callable[[str], None]) -> LookingWorkspace:
    """A workspace for reading *repo*."""
    blobs = BlobCache(repo, counter_named(repo.config.tokenizer_encoding))
    compiler = Compiler(repo, maxsize=repo.config.compile_cache_maxsize)
    space = LookingWorkspace(
        repo,
        blobs,
        compiler=compiler,
        usages=NoteTable(),
        warn=lambda warning: warn(str(warning)),
        origins=Origins(repo),
        totals=TotalsCache(repo, blobs.counter.name),
        exact=False,
    )
    space.estimates = BlobCache(repo, EstimateTokenCounter())
    return space
