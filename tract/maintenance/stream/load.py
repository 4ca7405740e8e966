"""Reading a stream of JSON lines, as ``fast_export`` writes it, back into objects and refs with the same ids.

Every object is proved by its id and by the shape of its type, and may need only what is in the stream or in the store.
Nothing of a stream is visible before all of it was read and checked: its objects wait in quarantine, and its refs move in one operation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from tract.errors import RefNameError, StorageError, TractError
from tract.history.moves import check_beside, check_is_for
from tract.maintenance.stream.arrivals import Arrivals, StreamReader, is_new
from tract.maintenance.stream.dump import STREAM
from tract.named_tuple import NamedTuple
from tract.objects.document import ref_value
from tract.objects.id import ObjectId, parse_id
from tract.objects.model import (
    Operation,
    RefChange,
    RefValue,
    new_operation,
    shown,
)
from tract.objects.strict_reader import read_commit
from tract.refs.names import HEAD, HEADS, check_ref, split_tract
from tract.refs.ref_files import RefFiles
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.storage.database import Database
from tract.storage.quarantine import Quarantine
from tract.storage.shallow import Cut, readable_cuts

_MOST = 10**12


class ImportResult(NamedTuple):
    """What a stream brought: *new* of its *objects* were not in the store, and *taken* of its *operations* belong to the store now: all or none."""

    objects: int
    new: int
    refs: int
    operations: int
    taken: int


Progress = Callable[[int, int], None]
"""Called with the number of objects done and the total."""


def import_stream(
    repo: Repository, stream: BinaryIO, *, force: bool = False, progress: Progress | None = None
) -> ImportResult:
    """Import all of *stream* into the store, or nothing.

    Objects first, refs last, in one operation; no gc can run meanwhile.
    StreamError names the line that cannot be imported; StorageError a ref that has another value already, unless *force* moves it.
    Only a store that has no commit yet takes over the operations.
    """
    store = repo.objects
    if not isinstance(store, Database):
        raise StorageError("a store in memory cannot take in a stream")
    with store.maintenance(), Quarantine(store.path) as quarantine:
        reader = StreamReader(stream)
        count, ref_count, cuts = _read_head(reader)
        arrivals = Arrivals(repo, store, quarantine, reader, cuts)
        for done in range(count):
            arrivals.take(reader.line())
            if progress is not None:
                progress(done + 1, count)
        refs = _read_refs(reader, arrivals, ref_count)
        last = _read_end(reader)
        arrivals.check_all_came()
        arrivals.check_history(last, refs)
        quarantine.finish()
        with store.lock():
            repo.refs.refresh()
            edits = _edits(repo, refs, force=force)
            repo.take_cuts(cuts, arrivals.brought)
            quarantine.land()
            taken = last is not None and _take_over(repo, store, last, refs)
            if not taken:
                repo.refs.update(edits, reason="fast-import")
    return ImportResult(count, arrivals.new, len(refs), arrivals.operations, arrivals.operations if taken else 0)


def _read_head(reader: StreamReader) -> tuple[int, int, dict[ObjectId, Cut]]:
    """The numbers of objects and refs that the stream declares, and the cuts of the history in it."""
    stream, *numbers = reader.fields("stream", "objects", "refs", "cuts")
    if stream != STREAM:
        reader.fail(f"expected a stream '{STREAM}'")
    if not all(type(number) is int and 0 <= number < _MOST for number in numbers):
        reader.fail("expected numbers of objects, refs and cuts")
    objects, refs, count = numbers
    cuts: dict[ObjectId, Cut] = {}
    for _ in range(count):
        words = reader.fields("cut", "grade", "day")
        read = readable_cuts((" ".join(map(str, words)) + "\n").encode("utf-8", "replace"))
        if not read:
            reader.fail("expected what was cut of a commit, and the day")
        cuts.update(read)
    return objects, refs, cuts


def _read_refs(reader: StreamReader, arrivals: Arrivals, count: int) -> dict[str, RefValue]:
    refs: dict[str, RefValue] = {}
    for _ in range(count):
        name, text = reader.fields("ref", "value")
        if not isinstance(name, str):
            reader.fail("the name of a ref must be a text")
        try:
            value = ref_value(text)
            _check_ref(arrivals, name, value)
        except TractError as exc:
            reader.fail(str(exc))
        if name in refs:
            reader.fail(f"ref '{name}' is in the stream twice")
        refs[name] = value
    return refs


def _check_ref(arrivals: Arrivals, name: str, value: RefValue) -> None:
    check_ref(name)
    local = split_tract(name)[1]
    if isinstance(value, str):
        if local != HEAD or not value.startswith(HEADS):
            raise RefNameError(f"ref '{name}' cannot be symbolic: only HEAD can, and on a branch")
        check_ref(value)
        return
    obj = arrivals.find(value)
    if obj is None or obj.kind != "commit":
        raise RefNameError(f"ref '{name}' is at {value.hex()}, which is not a commit of the stream or the store")
    check_is_for(name, value, read_commit(value, obj).operation)


def _read_end(reader: StreamReader) -> ObjectId | None:
    """Read the end of the stream: return the last operation, if the stream has operations, after comparing the stream's check."""
    line = reader.line()
    last: ObjectId | None = None
    if isinstance(line, dict) and line.keys() == {"operations"}:
        last = parse_id(str(line["operations"]))
        if last is None:
            reader.fail("expected the id of an operation")
        line = reader.line()
    (found,) = reader.take(line, "end")
    if found != reader.check():
        reader.fail(f"expected the check '{reader.check()}': a line before this one was changed")
    if not reader.is_at_end():
        reader.fail("there is more after it")
    return last


def _edits(repo: Repository, refs: dict[str, RefValue], *, force: bool) -> list[RefEdit]:
    edits = []
    for name, value in refs.items():
        current = repo.refs.read(name)
        if current == value:
            continue
        if current is not None and not force and not _is_unborn(repo, name, current):
            here, there = (str(shown(one))[:40] for one in (current, value))
            raise StorageError(f"ref '{name}' is at {here}, and in the stream at {there}; nothing was changed")
        edits.append(RefEdit(name, value, current))
    check_beside(dict.fromkeys([*(name for name, _ in repo.refs.list()), *refs]))
    return edits


def _is_unborn(repo: Repository, name: str, value: RefValue) -> bool:
    """True if the ref is a HEAD on a branch without a commit, as in a new store."""
    return isinstance(value, str) and repo.refs.read(name.removesuffix(HEAD) + value) is None


def _take_over(repo: Repository, store: Database, last: ObjectId, refs: dict[str, RefValue]) -> bool:
    """Make the store continue from the stream's operation *last*, whose refs are *refs*; return whether that was done: only a new store can.

    A keyframe on top of it begins a new journal, without the store's own first operation.
    """
    if not is_new(repo) or any(name not in refs for name, _ in repo.refs.list()):
        return False
    state = tuple(sorted(refs.items()))
    keyframe = Operation(last, repo.clock(), repo.author, "fast-import", changes=(), refs=state)
    store.rotate((), new_operation(keyframe))
    repo.refs.refresh()
    if repo.path is not None:
        # shown as not synced yet, which the next move of the ref corrects
        mirror = RefFiles(repo.path, "process")
        mirror.write([RefChange(name, None, value) for name, value in state])
        mirror.close()
    return True
