"""A merge as a value: the conflicts, and how each is resolved, before anything moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tract.curation.editable import TextFormat, value_with_text
from tract.dataclass import KW_ONLY, dataclass, field, replace
from tract.errors import MergeError
from tract.history.merge import MergePlan
from tract.history.three_way import ConflictKind, EntryConflict
from tract.messages.message import CompileWarning, readable_content
from tract.objects.content import ContentTypes, to_value

if TYPE_CHECKING:  # a merge without conflicts asks no model
    from tract.llm.types import Resolution, ResolveRequest

Resolver: TypeAlias = "Callable[[ResolveRequest], Resolution | str | None]"

Taken = Literal["content", "ours", "theirs", "both", "nothing"]
"""A resolution's choice: a content of its own, a side, everything of both sides, or none of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeConflict:
    """One place that the two sides changed differently.

    *commit_hash* names it: the commit of the message whose content a resolution becomes. *number* is its place in the merged context, from 1.
    *base*, *ours* and *theirs* are the texts of the sides, None if a side has none; with *format* ``json`` they are whole messages.
    If a side has several messages there, its text is all of them, one below the other.
    *base_contents* and the like are the contents themselves.
    """

    kind: ConflictKind
    commit_hash: str
    role: str
    number: int
    format: TextFormat
    base: str | None
    ours: str | None
    theirs: str | None
    base_contents: tuple[Any, ...] = field(repr=False)
    ours_contents: tuple[Any, ...] = field(repr=False)
    theirs_contents: tuple[Any, ...] = field(repr=False)
    value: Mapping[str, Any] = field(repr=False)
    """The content, as a blob has it, in which an edited text is put."""
    request: ResolveRequest = field(repr=False)

    @property
    def must_be_resolved(self) -> bool:
        """Whether the merge waits for this conflict. Messages that only overlap stay as both sides have them, unless a resolution changes them."""
        return self.kind is not ConflictKind.OVERLAPPING


@dataclass(frozen=True, slots=True)
class MergeResolution:
    """How one conflict is resolved.

    *resolved_by* is ``person``, ``strategy``, ``resolver`` or ``rule`` (two equal tool results: ours is kept); the other fields are what a resolver said about its decision.
    """

    commit_hash: str
    taken: Taken
    _: KW_ONLY
    value: Mapping[str, Any] | None = field(default=None, repr=False)
    resolved_by: Literal["person", "strategy", "resolver", "rule"] = "person"
    reasoning: str | None = None
    generation_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    usage: Mapping[str, Any] = field(default_factory=dict, repr=False)
    prompt: str | None = None

    @property
    def content(self) -> Any:
        """The message's new content; None if a side was taken."""
        return None if self.value is None else readable_content(self.value)


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class MergeResult:
    """A merge, done or still to be reviewed; ids are hexadecimal.

    *target_branch* is the branch that moves, from *target_hash* (None if it had no commit); *source* is what is merged, at *source_hash*.
    *merge_commit_hash* is the merge's own commit; None before it is committed, and after a fast-forward.
    ``edit_resolution`` and ``take`` return a new result; nothing moves before ``commit_merge``.
    Once it is committed, *warnings* names tool calls that were open on one side and were interrupted by the messages of the other.
    *file* has the conflicts for an editor, if the merge is kept in the store (``keep=True``); ``continue_command`` then goes on with it.
    """

    source: str
    target_branch: str
    source_hash: str
    target_hash: str | None
    base_hashes: tuple[str, ...]
    is_fast_forward: bool
    conflicts: tuple[MergeConflict, ...]
    resolutions: tuple[MergeResolution, ...] = ()
    is_committed: bool = False
    merge_commit_hash: str | None = None
    message: str | None = None
    delete_branch: bool = False
    file: str | None = None
    warnings: tuple[CompileWarning, ...] = ()
    plan: MergePlan = field(repr=False, compare=False)
    places: tuple[EntryConflict, ...] = field(repr=False, compare=False)
    types: ContentTypes = field(repr=False, compare=False)

    @property
    def kind(self) -> Literal["fast-forward", "merge", "conflict"]:
        """``conflict`` as long as a conflict is not resolved."""
        return "fast-forward" if self.is_fast_forward else "conflict" if self.unresolved else "merge"

    @property
    def unresolved(self) -> tuple[MergeConflict, ...]:
        """The conflicts that must be resolved first."""
        settled = {one.commit_hash for one in self.resolutions}
        return tuple(one for one in self.conflicts if one.must_be_resolved and one.commit_hash not in settled)

    def __repr__(self) -> str:
        what = f"{self.kind} of {self.source!r} into {self.target_branch!r}"
        conflicts = (
            f", {count_of(len(self.conflicts), 'conflict')} of which {len(self.unresolved)} open"
            if self.conflicts
            else ""
        )
        at = self.merge_commit_hash or (self.source_hash if self.is_committed else None)
        return f"MergeResult({what}{conflicts}, {f'at {at[:16]}' if at else 'not committed'})"

    def conflict(self, commit_hash: str) -> MergeConflict:
        """The conflict named by *commit_hash* or a prefix of it; MergeError if there is none, or several."""
        found = [one for one in self.conflicts if commit_hash and one.commit_hash.startswith(commit_hash)]
        if len(found) != 1:
            problem = "is not a conflict" if not found else "names several conflicts"
            raise MergeError(f"'{commit_hash}' {problem} of the merge of '{self.source}'")
        return found[0]

    def edit_resolution(self, conflict: MergeConflict | str, content: Any) -> MergeResult:
        """The same merge with *content* for the message in conflict.

        A text replaces only the text of the message; anything else is the whole content, as ``commit`` takes it.
        ContentValidationError if it cannot be that.
        """
        one = self._conflict(conflict)
        if isinstance(content, str):
            value = value_with_text(one.value, content, "text")
        else:
            value = to_value(content, self.types)
        return self.with_resolution(MergeResolution(one.commit_hash, "content", value=value))

    def take(self, conflict: MergeConflict | str, side: Literal["ours", "theirs", "both", "nothing"]) -> MergeResult:
        """The same merge with one side of a conflict, with everything of both (ours where they differ), or with none of it."""
        if side not in ("ours", "theirs", "both", "nothing"):
            raise MergeError(f"a side is ours, theirs, both or nothing, not {side!r}")
        return self.with_resolution(MergeResolution(self._conflict(conflict).commit_hash, side))

    def with_resolution(self, *new: MergeResolution) -> MergeResult:
        """The same merge with these resolutions in place of earlier ones for the same conflicts."""
        if self.is_committed:
            raise MergeError(f"the merge of '{self.source}' is committed already")
        named = {one.commit_hash for one in new}
        kept = tuple(one for one in self.resolutions if one.commit_hash not in named)
        return replace(self, resolutions=(*kept, *new))

    def _conflict(self, conflict: MergeConflict | str) -> MergeConflict:
        return self.conflict(conflict if isinstance(conflict, str) else conflict.commit_hash)


def count_of(number: int, what: str) -> str:
    """``1 conflict``, ``2 conflicts``."""
    return f"{number} {what}{'' if number == 1 else 's'}"
