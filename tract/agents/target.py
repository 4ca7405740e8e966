"""What operations act on: a tract, as far as they need it.

``tract.Tract`` is one. A room below the public face cannot name that class, and so names what it asks of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, Protocol, Unpack

from tract.revision import Revision

if TYPE_CHECKING:
    from tract.agents.health import Health
    from tract.compile.compiled import CompiledContext, CompileOptions
    from tract.config import TractConfig
    from tract.curation.collapse import CollapseResult
    from tract.curation.compress.plan import CompressionOptions
    from tract.curation.compress.result import CompressResult
    from tract.curation.expand import ExpandResult
    from tract.curation.listing import MessageInfo
    from tract.curation.merge.plan import MergeOptions
    from tract.curation.merge.result import MergeResult
    from tract.curation.reorder import ReorderResult
    from tract.curation.replay.plan import ReplayOptions
    from tract.curation.replay.result import CherryPickResult, RevertResult
    from tract.curation.spawn import Inheritance, SpawnInfo
    from tract.history.archive import ArchivedBranch
    from tract.history.branch import BranchInfo
    from tract.history.priority import PriorityAnnotation, PriorityName
    from tract.history.reset import ResetMode
    from tract.history.undo import UndoPlan
    from tract.maintenance.gc.run import GCResult
    from tract.repo import Repository
    from tract.report.diff import DiffResult
    from tract.report.forensics import BlameEntry
    from tract.report.info import CommitInfo
    from tract.report.log import LogOptions
    from tract.report.status import StatusInfo
    from tract.writing.drafts import CommitOptions, EditOptions


class TractLike(Protocol):
    """The methods of ``tract.Tract`` that operations call."""

    @property
    def tract_id(self) -> str: ...
    @property
    def head(self) -> str | None: ...
    @property
    def current_branch(self) -> str | None: ...
    @property
    def config(self) -> TractConfig: ...
    @property
    def repository(self) -> Repository: ...

    def status(self) -> StatusInfo: ...
    def health(self, branch: str | None = None) -> Health: ...
    def log(self, limit: int | None = 20, **selection: Unpack[LogOptions]) -> list[CommitInfo]: ...
    def messages(
        self,
        revision: Revision = "HEAD",
        *,
        start: int = 1,
        count: int | None = None,
        only: Sequence[Revision] | None = None,
    ) -> list[MessageInfo]: ...
    def get_commit(self, revision: Revision) -> CommitInfo: ...
    def compile(self, *, policies: bool = True, **options: Unpack[CompileOptions]) -> CompiledContext: ...
    def diff(self, a: Revision | None = None, b: Revision | None = None) -> DiffResult: ...
    def blame(self, revision: Revision = "HEAD", places: slice = slice(None)) -> list[BlameEntry]: ...
    def edit_history(self, message: Revision) -> list[CommitInfo]: ...
    def list_branches(self) -> list[BranchInfo]: ...
    def children(self) -> list[SpawnInfo]: ...

    def assistant(self, text: str, **options: Unpack[CommitOptions]) -> CommitInfo: ...
    def user(self, text: str, **options: Unpack[CommitOptions]) -> CommitInfo: ...
    def edit(self, target: Revision, content: Any, **options: Unpack[EditOptions]) -> CommitInfo: ...
    def restore(self, target: Revision, version: int | Revision) -> CommitInfo: ...
    def annotate(
        self, target: Revision, priority: PriorityName, *, reason: str | None = None
    ) -> PriorityAnnotation: ...
    def tag(self, name: str, target: Revision = "HEAD") -> str: ...
    def record_usage(self, usage: Mapping[str, Any]) -> CompiledContext: ...
    def branch(self, name: str, *, source: Revision | None = None, switch: bool = False) -> BranchInfo: ...
    def switch(self, name: str, *, create: bool | Literal["orphan"] = False) -> CommitInfo | None: ...
    def reset(self, target: Revision, mode: ResetMode = "soft") -> CommitInfo | None: ...
    def undo(self, steps: int = 1, *, dry_run: bool = False) -> UndoPlan: ...
    def compress(
        self, *, auto_commit: Literal[True] = True, dry_run: bool = False, **options: Unpack[CompressionOptions]
    ) -> CompressResult: ...
    def expand(self, summary: Revision, *, branch: str | None = None) -> ExpandResult: ...
    def reorder(
        self, messages: Sequence[Revision], *, before: Revision | None = None, after: Revision | None = None
    ) -> ReorderResult: ...
    def merge(self, source_branch: Revision, **options: Unpack[MergeOptions]) -> MergeResult: ...
    def cherry_pick(
        self, revision: Revision | Sequence[Revision], **options: Unpack[ReplayOptions]
    ) -> CherryPickResult: ...
    def revert(
        self,
        revision: Revision | Sequence[Revision],
        *,
        mainline: int | None = None,
        **options: Unpack[ReplayOptions],
    ) -> RevertResult: ...
    def spawn(
        self,
        purpose: str,
        *,
        name: str | None = None,
        inheritance: Inheritance = "head_snapshot",
        max_tokens: int | None = None,
        message: str | None = None,
    ) -> TractLike: ...
    def collapse(
        self,
        child: str,
        *,
        content: str | None = None,
        target_tokens: int | None = None,
        auto_commit: bool | None = None,
    ) -> CollapseResult: ...
    def archive_branch(self, name: str) -> ArchivedBranch: ...
    def divert(self, name: str, start: Revision) -> BranchInfo: ...
    def gc(
        self,
        *,
        orphan_retention_days: float | str | None = None,
        archive_retention_days: float | str | None = None,
        dry_run: bool = False,
    ) -> GCResult: ...
    def batch(self) -> AbstractContextManager[object]: ...
    def close(self) -> None: ...
