"""Incremental compiling: a snapshot of one commit is carried forward to later commits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from itertools import accumulate, chain, islice
from typing import TYPE_CHECKING

from tract.compile.messages import remembering
from tract.compile.patch import Patch
from tract.compile.snapshot import Columns, Hidden, Key, Snapshot
from tract.compile.tables import NoteTables
from tract.compile.torn_pairs import Repair, extend_repair, repair
from tract.errors import ContentValidationError, TractError
from tract.history.context import chunk_ids, chunks, context_at
from tract.history.notes import notes_between
from tract.messages.message import Message, readable_content
from tract.messages.pairing import is_of_tool
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.ids import Ids, join_ids
from tract.objects.model import Commit, CommitOperation
from tract.repo import Repository

if TYPE_CHECKING:
    from tract.compile.custom import ContextCompiler

# Further back than this a context is read from its tree: that is never slower than walking.
_MOST_STEPS = 64

_CHUNKS_KEPT = 16384


class _Kept(NamedTuple):
    """The cached results for one key: *base* has the entries that are not hidden, *shown* has what is sent of them. The two are the same if no tool pair is torn."""

    base: Snapshot
    shown: Snapshot
    repair: Repair | None


class _Source(NamedTuple):
    """Entries that were read together, and the payloads of their blobs."""

    commits: Ids
    blobs: Ids
    payloads: Sequence[bytes]


class _Chunk(NamedTuple):
    """The place of a chunk's entries: *number* of them, from number *at* of *source* on."""

    source: _Source
    at: int
    number: int


class IncrementalCompiler:
    """Compiles the contexts of one repository, and remembers the results.

    From any commit that was compiled before, appended messages, edits and notes are taken in one by one: appending costs only the new messages, anything else a copy of the lists.
    Any other commit is read from its tree, where chunks decoded before are found by their id.
    """

    def __init__(self, repo: Repository, *, maxsize: int, custom: ContextCompiler | None, verify: bool) -> None:
        self._repo = repo
        self._maxsize = max(1, maxsize)
        self._custom = custom
        self._verify = verify
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._by_commit: dict[ObjectId | None, Key] = {}
        # All contexts that contain a chunk share its decoded entries.
        self._chunks: dict[ObjectId, _Chunk] = {}
        self._decode = remembering()

    def on(self, repo: Repository) -> IncrementalCompiler:
        """A compiler of *repo*, which has the same objects and perhaps more; the two share what they compiled."""
        other = copy(self)
        other._repo = repo
        return other

    def beside(self, repo: Repository) -> IncrementalCompiler:
        """A compiler of another tract of the store, *repo*, with the same settings; the two share the chunks they read."""
        other = IncrementalCompiler(
            repo, maxsize=repo.config.compile_cache_maxsize, custom=self._custom, verify=self._verify
        )
        other._chunks, other._decode = self._chunks, self._decode
        return other

    def compile(self, commit: ObjectId | None, notes: NoteTables) -> Snapshot:
        """The snapshot at *commit*, with *notes*."""
        key = Key(commit, notes.priorities.tip, notes.configs.tip)
        kept = self._kept.get(key)
        if kept is None:
            kept = (self._grown(key, notes) if notes.priorities.is_list else None) or self._fresh(key, notes)
            self._keep(kept)
        else:
            self._kept.move_to_end(key)
        if self._verify:
            self._check(kept, notes)
        return kept.shown

    def has_made(self, snapshot: Snapshot) -> bool:
        """Whether *snapshot* was compiled here, in the context's own order."""
        kept = self._kept.get(snapshot.key)
        return kept is not None and kept.shown is snapshot

    def _keep(self, kept: _Kept) -> None:
        key = kept.base.key
        self._kept[key] = kept
        self._by_commit[key.commit] = key
        if len(self._kept) > self._maxsize:
            old, _ = self._kept.popitem(last=False)
            if self._by_commit.get(old.commit) == old:
                del self._by_commit[old.commit]

    # From what was compiled before

    def _grown(self, key: Key, notes: NoteTables) -> _Kept | None:
        """The snapshot of an earlier commit on the way, carried forward; None if there is none, or if a commit between is not a simple step."""
        if self._custom is not None or not self._by_commit:
            return None
        steps: list[tuple[ObjectId, Commit]] = []
        at = key.commit
        while at not in self._by_commit:
            if at is None or len(steps) >= _MOST_STEPS:
                return None
            commit = self._repo.commit(at)
            if not _is_step(commit):
                return None
            steps.append((at, commit))
            at = commit.parents[0] if commit.parents else None
        before = self._kept[self._by_commit[at]]
        changed = _changed_notes(self._repo, before.base.key, key)
        return None if changed is None else self._patched(key, notes, before, steps[::-1], changed)

    def _patched(
        self,
        key: Key,
        notes: NoteTables,
        before: _Kept,
        steps: Iterable[tuple[ObjectId, Commit]],
        changed: Iterable[ObjectId],
    ) -> _Kept:
        patch = Patch(self._repo, before.base, notes, self._decode)
        for id, commit in steps:
            patch.take_step(id, commit)
        for target in changed:
            patch.take_note(target, key.commit)
        base = patch.snapshot(key)
        made = before.repair
        if made is not None and patch.only_appended and made.rows == before.base.length and extend_repair(made, base):
            return _Kept(base, _repaired(base, made), made)
        return self._with_whole_pairs(base)

    # From the commit's tree

    def _fresh(self, key: Key, notes: NoteTables) -> _Kept:
        if self._custom is not None:
            snapshot = self._custom_snapshot(key, notes, self._custom)
            return _Kept(snapshot, snapshot, None)
        columns = Columns(self._decode)
        hidden: dict[ObjectId, ObjectId] = {}
        commits, blobs, payloads = self._read(key.commit)
        if not notes.priorities.has_any(commits):
            columns.add_all(commits, blobs, payloads)
        else:
            for commit, blob, payload in zip(commits, blobs, payloads, strict=True):
                if notes.is_skipped(self._repo, commit):
                    hidden[commit] = blob
                else:
                    columns.add(commit, blob, payload, None)
        if notes.configs.tip is not None:
            notes.configs.sort_out(self._repo, lambda commit: columns.place(commit) is not None or commit in hidden)
            columns.configs = [
                notes.configs.of_words(self._repo, commit, blob)
                for commit, blob in zip(columns.commits, columns.blobs, strict=True)
            ]
        tools = any(map(is_of_tool, self._messages(tuple(hidden.values()))))
        return self._with_whole_pairs(Snapshot(key, columns, len(columns), Hidden(hidden, tools)))

    def _read(self, commit: ObjectId | None) -> _Source:
        """The entries of the commit's context, and their payloads; chunks that are not cached are read together."""
        context = context_at(self._repo, commit)
        ids = chunk_ids(self._repo, context)
        known = [None if self._verify else self._chunks.get(id) for id in ids]
        missing = [id for id, found in zip(ids, known, strict=True) if found is None]
        entries = self._repo.objects.chunks(missing)
        commits = Ids(entries.commits.raw + join_ids(context.open[::2]))
        blobs = Ids(entries.blobs.raw + join_ids(context.open[1::2]))
        read = _Source(commits, blobs, self._repo.objects.blobs(blobs))
        places = accumulate(entries.sizes, initial=0)
        made = [_Chunk(read, at, number) for at, number in zip(places, entries.sizes, strict=False)]
        self._keep_chunks(zip(missing, made, strict=True))
        if len(missing) == len(ids):
            return read
        new = iter(made)
        parts = [found or next(new) for found in known]
        parts.append(_Chunk(read, len(entries.commits), len(context.open) // 2))
        return _Source(
            Ids(b"".join([join_ids(part.source.commits[part.at : part.at + part.number]) for part in parts])),
            Ids(b"".join([join_ids(part.source.blobs[part.at : part.at + part.number]) for part in parts])),
            list(chain.from_iterable([part.source.payloads[part.at : part.at + part.number] for part in parts])),
        )

    def _keep_chunks(self, made: Iterable[tuple[ObjectId, _Chunk]]) -> None:
        self._chunks.update(made)
        for id in list(islice(self._chunks, max(0, len(self._chunks) - _CHUNKS_KEPT))):
            del self._chunks[id]

    def _messages(self, blobs: Sequence[ObjectId]) -> Iterator[Message]:
        return map(self._decode, self._repo.objects.payloads(blobs, "blob"))

    def _with_whole_pairs(self, base: Snapshot) -> _Kept:
        """*base* without the calls whose results are hidden, and without the results whose calls are hidden."""
        if not base.hidden.tools:
            return _Kept(base, base, None)
        made = repair(base, self._hidden_in_order(base))
        return _Kept(base, _repaired(base, made), made)

    def _hidden_in_order(self, base: Snapshot) -> Iterator[Message | None]:
        """For each entry of the context: the message if it is hidden, else None."""
        hidden = base.hidden.blobs
        blobs = tuple(hidden.values())
        payloads = dict(zip(blobs, self._repo.objects.payloads(blobs, "blob"), strict=True))
        for _, items in chunks(self._repo, context_at(self._repo, base.key.commit)):
            for commit in items[::2]:
                yield self._decode(payloads[hidden[commit]]) if commit in hidden else None

    def _custom_snapshot(self, key: Key, notes: NoteTables, compiler: ContextCompiler) -> Snapshot:
        from tract.compile.custom import ContextEntry  # few bring a compiler of their own

        rows: list[tuple[ObjectId, ObjectId]] = []
        given: list[ContextEntry] = []
        hidden: dict[ObjectId, ObjectId] = {}
        for _, items in chunks(self._repo, context_at(self._repo, key.commit)):
            for commit, blob in zip(items[::2], items[1::2], strict=True):
                if notes.is_skipped(self._repo, commit):
                    hidden[commit] = blob
                    continue
                priority = (notes.priorities.get(self._repo, commit) or {}).get("priority", "normal")
                rows.append((commit, blob))
                given.append(ContextEntry(commit.hex(), readable_content(self._repo.blob(blob)), priority))
        messages = compiler.compile(given)
        if not isinstance(messages, Sequence) or len(messages) != len(given):
            raise ContentValidationError("a context compiler must give one message, or None, for each entry")
        notes.configs.sort_out(self._repo, {commit for commit, _ in rows}.union(hidden).__contains__)
        columns = Columns(self._decode)
        for (commit, blob), message in zip(rows, messages, strict=True):
            if message is None:
                hidden[commit] = blob
                continue
            if not isinstance(message, Message):
                raise ContentValidationError(f"a context compiler gave a {type(message).__name__}, not a Message")
            columns.add(commit, blob, message, notes.configs.of_words(self._repo, commit, blob), made=True)
        return Snapshot(key, columns, len(columns), Hidden(hidden, tools=False))

    def _check(self, kept: _Kept, notes: NoteTables) -> None:
        """Compare with a fresh compile; a difference is a bug in tract."""
        fresh = self._fresh(kept.base.key, notes)
        for mine, other in ((kept.base, fresh.base), (kept.shown, fresh.shown)):
            if not _is_same(mine, other):
                raise TractError("verify_cache: the compiled context differs from a fresh compile of the same commit")


def _is_step(commit: Commit) -> bool:
    """Whether the commit only adds or edits one message of its parent's context, or leaves the context as it is."""
    known = commit.operation in (CommitOperation.APPEND, CommitOperation.EDIT, CommitOperation.RECORD)
    return known and commit.content is not None and len(commit.parents) < 2


def _changed_notes(repo: Repository, old: Key, new: Key) -> list[ObjectId] | None:
    """The commits whose notes differ between *old* and *new*; None if any of them may differ."""
    changed: list[ObjectId] = []
    for before, after in ((old.priority, new.priority), (old.config, new.config)):
        if before != after:
            found = notes_between(repo, before, after)
            if found is None:
                return None
            changed += (commit for commit, _ in found)
    return changed


def _repaired(base: Snapshot, made: Repair) -> Snapshot:
    hidden = Hidden({**base.hidden.blobs, **made.dropped}, tools=True) if made.dropped else base.hidden
    return Snapshot(base.key, made.columns, made.length, hidden, made.warnings)


def _is_same(mine: Snapshot, other: Snapshot) -> bool:
    length = mine.length
    return (
        length == other.length
        and mine.hidden == other.hidden
        and mine.warnings == other.warnings
        and mine.columns.commits[:length] == other.columns.commits
        and mine.columns.blobs[:length] == other.columns.blobs
        and all(mine.columns.messages.is_same(other.columns.messages, at) for at in range(length))
        and mine.columns.configs[:length] == other.columns.configs
    )
