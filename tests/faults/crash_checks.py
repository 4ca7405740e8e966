"""What must hold of a store after a power cut, and what is wrong with one that a cut left behind."""

from __future__ import annotations

import fcntl
import os
import traceback
from collections.abc import Container, Sequence
from dataclasses import dataclass

from tests.faults.crash_recording import Done, Moment, Moves, Recording, Shown, moves_of, open_tract, texts
from tract.agents.ledger import TRACT
from tract.api.tract import Tract
from tract.errors import TractError
from tract.maintenance.fsck.check import check_repository
from tract.objects.id import ObjectId
from tract.objects.model import Commit
from tract.objects.strict_reader import read_blob, read_commit, read_node
from tract.refs.names import ORIG_HEAD
from tract.refs.ref_files import RefFiles
from tract.repo import Repository
from tract.storage.store import Durability

_HEAD_WORDS = "after the cut"


class _ProblemError(Exception):
    pass


@dataclass(frozen=True)
class Expected:
    """What must hold when *acknowledged* is the last moment that is certain to have come; *shown* is what a store may show at each later one, where that is known."""

    acknowledged: Moment
    shown: dict[Moment, set[Shown]]


def expected_by_change(recording: Recording) -> list[Expected]:
    """What must hold after so many changes."""
    marks = [change.mark for change in recording.changes if change.kind == "mark"]
    certain = -1
    expected = Expected(Moment(0, 0), _shown_from(marks, 0))
    result = [expected]
    number = -1
    for change in recording.changes:
        if change.kind == "mark":
            number += 1
            if change.mark.durability == "full":
                certain = number
                expected = Expected(marks[certain].moment, _shown_from(marks, certain))
        result.append(expected)
    return result


def _shown_from(marks: Sequence[Done], first: int) -> dict[Moment, set[Shown]]:
    """What may be seen at the moments from mark number *first* on."""
    found: dict[Moment, set[Shown]] = {}
    for mark in marks[first:]:
        if mark.shown:
            found.setdefault(mark.moment, set()).add(mark.shown)
    for before, after in zip(marks[first:], marks[first + 1 :], strict=False):
        if before.moment.history < after.moment.history:
            # A gc came between them, which changes nothing that anybody sees.
            for moves in range(after.moment.moves):
                found.setdefault(Moment(after.moment.history, moves), {before.shown, after.shown})
    return found


def check_state(folder: str, recording: Recording, expected: Expected, first: Durability, *, fsck: bool) -> str | None:
    """What is wrong with the store in *folder*, or None; it is opened, read, written and opened again, and with *fsck* checked before and after."""
    second: Durability = "process" if first == "full" else "full"
    store = os.path.join(folder, "projects", "mine", ".tract")
    home = os.path.dirname(store)
    existed = os.path.exists(store)
    try:
        if existed and fsck:
            _check_fsck(store, "before recovery")
        with open_tract(home, first) as tract:
            _check_history(tract, recording, expected, existed)
            before = texts(tract)
            tract.user(_HEAD_WORDS)
        _check_lock(store)
        with open_tract(home, second) as tract:
            if texts(tract) != (*before, _HEAD_WORDS):
                return "what was committed after the cut is not there after reopening"
            _check_reachable(tract.repository)
            tract.user("and once more")
            _check_ref_files(tract.repository, store)
            if fsck and recording.cuts:
                _collect_again(tract, recording)
        with open_tract(home, first) as tract:
            if texts(tract) != (*before, _HEAD_WORDS, "and once more"):
                return "the second commit after the cut is not there after reopening"
        if fsck:
            _check_fsck(store, "after use", also=("torn-end",))
    except _ProblemError as exc:
        return str(exc)
    except TractError as exc:
        return f"refused with {type(exc).__name__}: {_shortened(str(exc), folder)}"
    except Exception as exc:  # noqa: BLE001  # whatever it is, it is what the state is tried for
        where = traceback.extract_tb(exc.__traceback__)[-1]
        return (
            f"{type(exc).__name__} at {os.path.basename(where.filename)}:{where.lineno}: {_shortened(str(exc), folder)}"
        )
    return None


def _shortened(text: str, folder: str) -> str:
    return text.replace(folder, "…")[:300]


def _check_history(tract: Tract, recording: Recording, expected: Expected, existed: bool) -> None:
    """The store is as it was at some moment, and not one before the last acknowledged."""
    found = moves_of(tract)
    certain = expected.acknowledged
    if not existed and not certain.moves:
        return
    moments = [moment for moment in _moments_of(found, recording.histories) if moment.history >= certain.history]
    if not moments:
        raise _ProblemError("its operations are others" if existed else "lost everything")
    late = [moment for moment in moments if moment.history > certain.history or moment.moves >= certain.moves]
    if not late:
        raise _ProblemError(f"{certain.moves - moments[0].moves} acknowledged operations are lost")
    _check_reachable(tract.repository)
    allowed = [expected.shown.get(moment) for moment in late]
    shown = recording.look(tract)  # which may be refused, also where nobody knows what is to be seen
    if None not in allowed and not any(shown in some for some in allowed if some is not None):
        raise _ProblemError("the context is another")


def _moments_of(found: Moves, histories: Sequence[Moves]) -> list[Moment]:
    """When the operations that were *found* were all there were."""
    moments = [Moment(at, len(found)) for at, moves in enumerate(histories) if found == moves[: len(found)]]
    if found and all(change.name.endswith(ORIG_HEAD) and change.new is None for change in found[-1]):
        # A gc lets go of what it is about to take, in a last operation that the next history does not have.
        moments += [Moment(at, len(moves)) for at, moves in enumerate(histories[:-1]) if found[:-1] == moves]
    return moments


def _check_reachable(repo: Repository) -> None:
    """Every object that a ref reaches can be read, but for what gc cut; its id proves its bytes."""
    seen: set[ObjectId] = set()
    waiting = [value for _, value in repo.refs.list() if isinstance(value, bytes)]
    while waiting:
        id = waiting.pop()
        if id in seen:
            continue
        seen.add(id)
        obj = repo.objects.read(id)
        if obj.kind == "commit":
            waiting += _needs_of(repo, id, read_commit(id, obj))
        elif obj.kind == "tree":
            node = read_node(id, obj)
            waiting += node.items if node.level == 0 else node.items[::2]
        else:
            read_blob(id, obj)


def _needs_of(repo: Repository, id: ObjectId, commit: Commit) -> list[ObjectId]:
    """What must be there because the commit is: not what ``shallow`` says that was cut."""
    cut = repo.shallow.cuts.get(id)
    found = [commit.content]
    if cut is None:
        found += commit.parents
    if cut is None or cut.grade == "parents":
        found += [*commit.open, commit.target, commit.tree]
    return [other for other in found if other not in (None, TRACT)]  # a note about the tract is about no commit


def _collect_again(tract: Tract, recording: Recording) -> None:
    """The next gc takes all that the one before may have left, and nobody sees a difference."""
    before = recording.look(tract)
    tract.gc(orphan_retention_days=0, archive_retention_days=0)
    if recording.look(tract) != before:
        raise _ProblemError("the next gc changed what is shown")


def _check_lock(store: str) -> None:
    fd = os.open(os.path.join(store, "locks", "journal"), os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _ProblemError("a lock was left behind") from None
    finally:
        os.close(fd)


def _check_fsck(store: str, when: str, also: Container[str] = ()) -> None:
    """A power cut is no damage: what it leaves behind is a warning at most, and none of the kinds *also*, which the next writer mends."""
    for problem in check_repository(store).problems:
        if problem.severity == "error" or problem.kind in also:
            raise _ProblemError(f"fsck {when}: {problem.kind}: {problem.detail}")


def _check_ref_files(repo: Repository, store: str) -> None:
    """What the files of HEAD and its branch say is what the operations say."""
    mirror = RefFiles(store, "full")
    branch = repo.refs.read("HEAD")
    for name in ("HEAD", branch):
        assert isinstance(name, str)
        found = mirror.read(name)
        if found is None or found[0] != repo.refs.read(name):
            raise _ProblemError(f"the file of ref {name} is not what the ref is")
