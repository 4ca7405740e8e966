"""The values of refs by the operations, compared with those in the ref files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

from tract.dataclass import dataclass, field
from tract.errors import ObjectCorruptError, RefNameError, TractError
from tract.maintenance.fsck.report import Problem
from tract.objects.id import ObjectId
from tract.objects.model import Object, Operation, RefValue, TractRefs, shown
from tract.objects.strict_reader import read_ref_chunk
from tract.refs.names import HEAD, TRACTS, check_ref, fold_name
from tract.refs.ref_files import parse_line
from tract.refs.ref_table import refs_in


@dataclass(slots=True)
class RefRecord:
    """The refs after all operations that could be read.

    *values* are all values that each ref ever had, oldest first; *operations* are in order, oldest first.
    *is_whole* is false if an operation in between is missing or contradicts those before it.
    *known_since* are the refs that were moved after the last missing operation; None if none is missing, or a later keyframe had all refs.
    """

    refs: dict[str, RefValue] = field(default_factory=dict)
    values: dict[str, list[RefValue]] = field(default_factory=dict)
    operations: tuple[tuple[ObjectId, Operation], ...] = ()
    problems: list[Problem] = field(default_factory=list)
    is_whole: bool = True
    known_since: set[str] | None = None

    def is_doubtful(self, name: str) -> bool:
        """True if a missing operation may have moved the ref to a value that no known operation has."""
        return self.known_since is not None and name not in self.known_since

    def set(self, name: str, value: RefValue | None) -> None:
        if value is None:
            self.refs.pop(name, None)
            return
        self.refs[name] = value
        held = self.values.setdefault(name, [])
        if not held or held[-1] != value:
            held.append(value)


def replay(operations: Sequence[tuple[ObjectId, Operation]], read: Callable[[ObjectId], Object | None]) -> RefRecord:
    """Follow the operations, oldest first, and compare each with those before it; *read* returns a chunk of refs, or None if it is missing."""

    @cache
    def load(chunk: ObjectId) -> tuple[TractRefs, ...]:
        found = read(chunk)
        if found is None:
            raise ObjectCorruptError(f"chunk of refs {chunk.hex()}", "it is missing")
        return read_ref_chunk(chunk, found)

    record = RefRecord(operations=tuple(operations))
    known = False  # earlier state may have been collected before the first keyframe
    before: ObjectId | None = None
    for id, operation in operations:
        subject = f"operation {id.hex()}"
        if before is not None and operation.previous != before:
            _doubt(record, subject, "the operation before it is missing or another one", "what happened in between")
            known = False
            record.known_since = set()
        for change in operation.changes:
            if known and record.refs.get(change.name) != change.old:
                found, said = shown(record.refs.get(change.name)), shown(change.old)
                _doubt(record, subject, f"it moves '{change.name}' from {said}, which was at {found}", "")
            record.set(change.name, change.new)
            if record.known_since is not None:
                record.known_since.add(change.name)
        if operation.refs is not None:
            _take_keyframe(record, subject, operation, load, known=known)
            known = True
        before = id
    record.problems.extend(_name_problems(record.refs))
    return record


def _take_keyframe(
    record: RefRecord,
    subject: str,
    operation: Operation,
    load: Callable[[ObjectId], tuple[TractRefs, ...]],
    *,
    known: bool,
) -> None:
    """Compare the refs of a keyframe with those before it, and take over the keyframe's; refs in a missing chunk stay as they were."""
    state = dict(operation.refs or ())
    is_all = True
    for chunk in operation.chunks:
        try:
            state.update(refs_in(load(chunk)))
        except ObjectCorruptError as exc:
            is_all = False
            _doubt(record, subject, str(exc), "where the refs of some tracts are")
    if is_all and known and state != record.refs:
        _doubt(record, subject, "its refs are not those that the operations before it made", "")
    for name in record.refs.keys() - state.keys() if is_all else ():
        record.set(name, None)
    for name, value in state.items():
        record.set(name, value)
    record.known_since = None if is_all else {*state}


def _doubt(record: RefRecord, subject: str, detail: str, lost: str) -> None:
    record.is_whole = False
    record.problems.append(
        Problem("operation-chain", "error", subject, path="objects/journal", offset=None, detail=detail, lost=lost)
    )


def _name_problems(refs: Mapping[str, RefValue]) -> Iterator[Problem]:
    folded: dict[str, str] = {}
    for name in sorted(refs):
        detail = None
        try:
            check_ref(name)
        except TractError as exc:
            detail = str(exc) if isinstance(exc, RefNameError) else f"its name is refused: {exc}"
        other = folded.setdefault(fold_name(name), name)
        if other != name:
            detail = f"it differs from ref '{other}' in case or normalisation only"
        if detail is not None:
            yield Problem("ref-name", "error", f"ref '{name}'", path=name, offset=None, detail=detail)
    for head in sorted({_head_of(name) for name in (*refs, HEAD)} - refs.keys()):
        yield Problem("head-missing", "error", f"ref '{head}'", path=head, offset=None, detail="the tract has no HEAD")


def _head_of(name: str) -> str:
    return "/".join(name.split("/")[:2]) + "/" + HEAD if name.startswith(TRACTS) else HEAD


def check_ref_files(
    record: RefRecord, lines: Mapping[str, bytes]
) -> tuple[dict[str, tuple[RefValue, bool]], list[Problem]]:
    """The values in the ref files (*lines*, by name) with whether they were synced, and the differences from the operations."""
    values: dict[str, tuple[RefValue, bool]] = {}
    problems: list[Problem] = []
    for name, data in sorted(lines.items()):
        try:
            values[name] = parse_line(name, data)
        except ValueError as exc:
            problems.append(
                Problem("ref-file-damaged", "warning", f"ref '{name}'", path=name, offset=0, detail=str(exc))
            )
            continue
        problem = _compare(name, *values[name], record)
        if problem is not None:
            problems.append(problem)
    for name in sorted(record.refs.keys() - lines.keys()):
        detail = "its file is missing; the operations tell what it holds"
        problems.append(Problem("ref-file-missing", "warning", f"ref '{name}'", path=name, offset=None, detail=detail))
    return values, problems


def _compare(name: str, value: RefValue, synced: bool, record: RefRecord) -> Problem | None:
    known = record.refs.get(name)
    if value == known:
        return None
    if value in record.values.get(name, ()):
        now = shown(known) or "no ref any more"
        detail = f"its file holds {shown(value)}, an earlier value; it is {now}"
        return Problem("ref-file-behind", "warning", f"ref '{name}'", path=name, offset=0, detail=detail)
    detail = f"its file holds {shown(value)}, which no operation says; they say {shown(known)}"
    if synced:
        lost = f"the operation that moved '{name}', which was acknowledged"
        return Problem("ref-file-ahead", "error", f"ref '{name}'", path=name, offset=0, detail=detail, lost=lost)
    lost = f"an operation that moved '{name}', made under durability 'process'"
    return Problem("ref-file-ahead", "warning", f"ref '{name}'", path=name, offset=0, detail=detail, lost=lost)
