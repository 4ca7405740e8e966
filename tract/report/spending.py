"""The tokens that providers counted, by model, branch and day, of one tract or of several."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import Any, TypeAlias

from tract.compile.workspace import Workspace
from tract.config import TractConfig
from tract.dataclass import dataclass, replace
from tract.errors import BranchNotFoundError, ContentValidationError
from tract.history.notes import USAGE, note_history
from tract.history.times import microseconds, moment
from tract.history.walk import ancestors
from tract.objects.id import ObjectId
from tract.objects.note import NoteEvent
from tract.refs.names import HEADS, branch_ref
from tract.repo import Repository
from tract.tokens.usage import GROUPINGS, TokenUsage, usage_of


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """The tokens of some calls.

    *tract*, *model*, *branch* and *day* (in UTC) are what these calls have in common; None if the rows are not grouped by it, or if it is not known.
    ``input_tokens`` includes tokens read from a cache and written to it.
    """

    tract: str | None = None
    model: str | None = None
    branch: str | None = None
    day: date | None = None
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def cost(self, config: TractConfig) -> float:
        """The cost at the prices in the settings, in uncached input tokens."""
        plain = self.input_tokens - self.cache_read_tokens - self.cache_creation_tokens
        cached = (
            self.cache_read_tokens * config.cache_read_price + self.cache_creation_tokens * config.cache_write_price
        )
        return plain + cached + self.output_tokens * config.output_price

    def plus(self, usage: TokenUsage) -> UsageRow:
        """The row with one more call."""
        return replace(
            self,
            calls=self.calls + 1,
            input_tokens=self.input_tokens + usage.input_tokens,
            output_tokens=self.output_tokens + usage.output_tokens,
            cache_read_tokens=self.cache_read_tokens + usage.cache_read_tokens,
            cache_creation_tokens=self.cache_creation_tokens + usage.cache_creation_tokens,
        )


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Rows, by day, branch and model; *total* is their sum."""

    rows: tuple[UsageRow, ...]
    total: UsageRow


def usage_report(
    space: Workspace,
    *,
    branch: str | None = None,
    since: datetime | str | None = None,
    until: datetime | str | None = None,
    by: Iterable[str] = GROUPINGS,
) -> UsageReport:
    """The sums of the recorded usage.

    Every recorded usage is a call: usage recorded twice for one commit is two calls, but usage of an answer imported again, at the same time, is one. The initial context of a spawned tract belongs to its parent.
    A call belongs to its commit's branch: if several share it, to the store's default branch, else to the first of them by name.
    *branch* selects only the history of that branch; *since* is included, *until* is not.
    """
    groupings = _checked_groupings(by)
    if "tract" in groupings:
        groupings -= {"tract"}
    adding = _Adding(groupings, since, until)
    adding.add(space, branch, _inherited(space.repo))
    return adding.report()


def usage_of_tracts(
    spaces: Iterable[AbstractContextManager[Workspace]],
    *,
    since: datetime | str | None = None,
    until: datetime | str | None = None,
    by: Iterable[str] = ("tract", "model"),
) -> UsageReport:
    """The sums of the usage of several tracts; a call recorded in several counts in the first of them that did not inherit it."""
    adding = _Adding(_checked_groupings(by), since, until)
    seen: set[_Key] = set()
    for opened in spaces:
        with opened as space:
            seen |= adding.add(space, None, seen | _inherited(space.repo))
    return adding.report()


_Key: TypeAlias = tuple[ObjectId, int, str]
"""The identity of a call, whichever tract has it, and however often the same file was imported."""


def _key(note: NoteEvent) -> _Key:
    return note.target, note.time, repr(note.body)


class _Adding:
    """Calls while they are added up."""

    def __init__(self, groupings: frozenset[str], since: datetime | str | None, until: datetime | str | None) -> None:
        self._groupings = groupings
        self._earliest = None if since is None else microseconds(since, "since")
        self._latest = None if until is None else microseconds(until, "until")
        self._rows: dict[tuple[str, str, str, str], UsageRow] = {}
        self._total = UsageRow()

    def add(self, space: Workspace, branch: str | None, left_out: Collection[_Key]) -> set[_Key]:
        """Add the calls of a tract, except for the notes *left_out*; return the notes that are its own."""
        groupings = self._groupings
        history = _History(space, branch)
        found: set[_Key] = set()
        for note in note_history(space.repo, USAGE):
            call = _key(note)
            if call in left_out or call in found:
                continue
            found.add(call)
            if branch is not None and note.target not in history.branches:
                continue
            if self._earliest is not None and note.time < self._earliest:
                continue
            if self._latest is not None and note.time >= self._latest:
                continue
            row = UsageRow(
                tract=space.repo.tract if "tract" in groupings else None,
                model=history.model(note) if "model" in groupings else None,
                branch=history.branches.get(note.target) if "branch" in groupings else None,
                day=moment(note.time).date() if "day" in groupings else None,
            )
            key = (str(row.day or ""), row.tract or "", row.branch or "", row.model or "")
            usage = usage_of(note.body)
            self._rows[key] = self._rows.get(key, row).plus(usage)
            self._total = self._total.plus(usage)
        return found

    def report(self) -> UsageReport:
        return UsageReport(tuple(self._rows[key] for key in sorted(self._rows)), self._total)


def _inherited(repo: Repository) -> set[_Key]:
    """The usage notes that a spawned tract has from its parent: notes from before the spawn that the parent has too, or that are about commits before it."""
    from tract.history.spawn import parent_of  # most ask about one tract
    from tract.history.tracts import in_tract

    link = parent_of(repo)
    if link is None:
        return set()
    start = bytes.fromhex(link.commit) if link.commit is not None else None
    before = {id for id, _ in ancestors(repo, [start] if start is not None and repo.objects.contains(start) else [])}
    parent = None if link.is_orphan else in_tract(repo, link.parent)
    theirs = set() if parent is None else {_key(note) for note in note_history(parent, USAGE)}
    return {
        _key(note)
        for note in note_history(repo, USAGE)
        if note.time <= link.created and (note.target in before or _key(note) in theirs)
    }


def _checked_groupings(by: Iterable[str]) -> frozenset[str]:
    names = frozenset([by] if isinstance(by, str) else by)
    for name in sorted(names, key=str):
        if name not in (*GROUPINGS, "tract"):
            known = ", ".join((*GROUPINGS, "tract"))
            raise ContentValidationError(f"usage cannot be grouped by {name!r}; only by {known}")
    return names


class _History:
    """The branch of each commit, and the commits that came after it."""

    def __init__(self, space: Workspace, branch: str | None) -> None:
        self._space = space
        self._repo = space.repo
        self._children: dict[ObjectId, list[ObjectId]] = {}
        self.branches: dict[ObjectId, str] = {}
        space.compiler.advance_notes()
        for name, tip in _tips(space.repo, branch):
            self._walk(name, tip)

    def _walk(self, name: str, tip: ObjectId) -> None:
        """Give the branch every commit behind *tip* that no other branch has."""
        waiting = [tip]
        while waiting:
            id = waiting.pop()
            if id in self.branches:
                continue
            self.branches[id] = name
            for parent in self._repo.commit(id).parents:
                self._children.setdefault(parent, []).append(id)
                waiting.append(parent)

    def model(self, note: NoteEvent) -> str | None:
        """The model that answered a call, if known.

        Usage recorded for a sent context does not name the answer: it is then the commit after it, if all such commits name one model.
        """
        own = self._model_of(note.target)
        if own is not None or note.body.get("answer"):
            return own
        found = {self._model_of(child) for child in self._children.get(note.target, ())}
        return found.pop() if len(found) == 1 else None

    def _model_of(self, id: ObjectId) -> str | None:
        """The model of a commit: by its generation config, else its metadata, else the provider's message itself."""
        if not self._repo.objects.contains(id):  # gc dropped the commit, but its usage still counts
            return _model_in(self._space.compiler.configs.get(self._repo, id))
        commit = self._repo.commit(id)
        found = _model_in(self._space.compiler.configs.get(self._repo, id)) or _model_in(commit.metadata)
        blob = self._repo.map_in(commit)
        if found is None and blob is not None:
            found = _model_in(self._repo.blob(blob).get("message"))
        return found


def _model_in(fields: Any) -> str | None:
    model = fields.get("model") if isinstance(fields, Mapping) else None
    return model if isinstance(model, str) and model else None


def _tips(repo: Repository, branch: str | None) -> list[tuple[str, ObjectId]]:
    """The branches to read: the named one, else all, the default branch first."""
    if branch is not None:
        tip = repo.ref(branch_ref(branch))
        if not isinstance(tip, bytes):
            raise BranchNotFoundError(f"there is no branch '{branch}'")
        return [(branch, tip)]
    tips = {name.removeprefix(HEADS): tip for name, tip in repo.local_refs(HEADS) if isinstance(tip, bytes)}
    return sorted(tips.items(), key=lambda item: (item[0] != repo.config.default_branch, item[0]))
