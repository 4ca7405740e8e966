"""The differences between two contexts, for people: messages, their texts, tokens and configs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Literal

from tract.compile.compiled import CompiledContext, numbers_of
from tract.compile.snapshot import Snapshot
from tract.compile.workspace import Workspace, ask_store, context_commit, notes_then
from tract.dataclass import dataclass, field, replace
from tract.errors import CommitNotFoundError, ContentValidationError
from tract.escape import escaped
from tract.history.context import context_at
from tract.history.diff import Kind, MessageChange, changes_of, compare_contexts, compare_rows
from tract.history.reachability import merge_bases
from tract.history.walk import cut_behind
from tract.messages import copy_json, message_text
from tract.messages.message import Message, readable_content
from tract.objects.id import ObjectId
from tract.objects.message_format import JSON
from tract.report.info import CommitInfo, content_at, describe, rebuilt_with_count
from tract.report.text import Shown, short
from tract.report.textdiff import Hunk, Piece, line_hunks, word_pieces
from tract.revision import Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageVersion:
    """A message on one side of a diff; *number* is its place in that context, from 1."""

    number: int
    content_hash: str
    role: str
    text: str
    generation_config: dict[str, JSON] | None
    message: Message = field(repr=False)
    _count: Callable[[], int] = field(compare=False, repr=False)

    @property
    def token_count(self) -> int:
        """The message's tokens, its framing included; counted when first asked for."""
        return self._count()

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuilt_with_count(self)


@dataclass(frozen=True, slots=True, repr=False)
class MessageDiff:
    """A message that differs: before and after; None on a side that does not have it.

    A ``changed`` message may also have *moved*.
    """

    kind: Kind
    commit_hash: str
    before: MessageVersion | None
    after: MessageVersion | None
    moved: bool = False

    @property
    def role(self) -> str:
        """The role it has, or had."""
        return self._last.role

    @property
    def token_delta(self) -> int:
        """The number of tokens this adds to the context."""
        counts = [0 if side is None else side.token_count for side in (self.before, self.after)]
        return counts[1] - counts[0]

    @property
    def changed_keys(self) -> tuple[str, ...]:
        """The keys of the provider's message whose values differ; empty if only one side has the message."""
        if self.before is None or self.after is None:
            return ()
        old, new = self.before.message.raw, self.after.message.raw
        return tuple(
            sorted(key for key in old.keys() | new.keys() if key not in old or key not in new or old[key] != new[key])
        )

    def hunks(self, context: int = 3) -> tuple[Hunk, ...]:
        """The lines of its text that differ, with *context* lines around them."""
        return line_hunks(_text(self.before), _text(self.after), context)

    def words(self) -> tuple[Piece, ...]:
        """Its whole text, compared word by word."""
        return word_pieces(_text(self.before), _text(self.after))

    def __repr__(self) -> str:
        moved = ", moved" if self.moved and self.kind != "moved" else ""
        return f"MessageDiff({self.kind}{moved} {self.commit_hash[:16]} {self.role}: {self._last.text[:40]!r})"

    @property
    def _last(self) -> MessageVersion:
        version = self.after or self.before
        assert version is not None
        return version


def _text(version: MessageVersion | None) -> str:
    return "" if version is None else version.text


@dataclass(frozen=True, slots=True)
class DiffStat:
    """A diff in numbers; the tokens are those of the messages that differ."""

    added: int
    removed: int
    changed: int
    moved: int
    tokens_before: int
    tokens_after: int

    @property
    def token_delta(self) -> int:
        """The number of tokens by which the context has grown."""
        return self.tokens_after - self.tokens_before


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """A field of a generation config that differs between a message and the same message, or its counterpart, on the other side.

    None stands for a field that is not there.
    """

    field: str
    before: JSON
    after: JSON
    commit_before: str
    commit_after: str


@dataclass(frozen=True, slots=True, repr=False)
class DiffResult(Shown):
    """What differs between the contexts at two commits (None: the empty context); it is false if nothing differs.

    *compiled* says that the messages that a model receives were compared, not what the commits contain.
    ``generation_config_changes`` compares messages that are on both sides, and added messages with removed ones of the same role, in order.
    """

    before_hash: str | None
    after_hash: str | None
    message_diffs: tuple[MessageDiff, ...]
    generation_config_changes: tuple[ConfigChange, ...]
    compiled: bool = False

    @property
    def stat(self) -> DiffStat:
        """The figures; tokens are counted when they are asked for."""
        kinds = [diff.kind for diff in self.message_diffs]
        before = sum(diff.before.token_count for diff in self.message_diffs if diff.before is not None)
        after = sum(diff.after.token_count for diff in self.message_diffs if diff.after is not None)
        added, removed, changed, moved = (kinds.count(kind) for kind in ("added", "removed", "changed", "moved"))
        return DiffStat(added, removed, changed, moved, before, after)

    def __repr__(self) -> str:
        ends = [hash[:16] if hash is not None else "the beginning" for hash in (self.before_hash, self.after_hash)]
        count = len(self.message_diffs)
        return f"DiffResult({count} message{'' if count == 1 else 's'} between {ends[0]} and {ends[1]})"

    def __str__(self) -> str:
        parts = [escaped(_text_of(diff)) for diff in self.message_diffs]
        configs = [
            f"config {short(one.commit_before)} -> {short(one.commit_after)}  {one.field}: {one.before!r} -> {one.after!r}"
            for one in self.generation_config_changes
        ]
        return "\n\n".join([*parts, *(["\n".join(configs)] if configs else [])]) or "no message differs"

    def __bool__(self) -> bool:
        return bool(self.message_diffs or self.generation_config_changes)


def _text_of(diff: MessageDiff) -> str:
    """A message that differs, as git shows a file: a header, then lines with their marks."""
    numbers = dict.fromkeys(str(side.number) for side in (diff.before, diff.after) if side is not None)
    moved = ", moved" if diff.moved and diff.kind == "changed" else ""
    lines = [f"message {' -> '.join(numbers)} {short(diff.commit_hash)} {diff.role}: {diff.kind}{moved}"]
    for hunk in diff.hunks():
        lines += [hunk.header] if diff.kind == "changed" else []
        lines += [piece.mark + piece.text for piece in hunk.lines]
    return "\n".join(lines)


def diff(
    space: Workspace,
    a: Revision | CompiledContext | None,
    b: Revision | CompiledContext | None,
    *,
    compiled: bool,
    notes: Literal["now", "then"],
) -> DiffResult:
    """The differences between *a* and *b*. *b* None is HEAD; *a* None is the parent of *b*.

    *a* may be a range in place of both: ``x..y``, or ``x...y``, which compares *y* with the merge base of both.
    """
    if notes not in ("now", "then"):
        raise ContentValidationError(f"notes must be 'now' or 'then', not {notes!r}")
    if b is None:
        a, b = _ends(space, a) if isinstance(a, str) and ".." in a else (a, "HEAD")
    after = _commit(space, b)
    before = _parent(space, after) if a is None else _commit(space, a)
    if compiled or isinstance(a, CompiledContext) or isinstance(b, CompiledContext):
        sides = [
            given.snapshot if isinstance(given, CompiledContext) else _snapshot(space, commit, notes)
            for given, commit in ((a, before), (b, after))
        ]
        return _diff_compiled(space, sides[0], sides[1])
    repo = space.repo
    changes = compare_contexts(repo, context_at(repo, before), context_at(repo, after))
    return _result(before, after, _diffs_of_blobs(space, changes))


def diff_of_commit(space: Workspace, id: ObjectId) -> DiffResult:
    """The changes of commit *id* against the context of its first parent; none if gc cut that parent, because then they are unknown."""
    repo = space.repo
    if id in repo.shallow.cuts:
        return _result(None, id, iter(()))
    return _result(_parent(space, id), id, _diffs_of_blobs(space, changes_of(repo, id, repo.commit(id))))


def _ends(space: Workspace, text: str) -> tuple[str, str]:
    """The two revisions of a range; HEAD for an empty side, or if there is only one."""
    left, dots, right = text.partition("...")
    if dots:
        ends = [context_commit(space.repo, side or "HEAD") for side in (left, right)]
        bases = merge_bases(space.repo, ends[0], ends[1])
        if not bases:
            cut = cut_behind(space.repo, ends)
            if cut is not None:
                space.repo.check_history(cut, f"no commit named '{text}': the two have no commit in common any more")
            raise CommitNotFoundError(text, "the two have no commit in common")
        return bases[0].hex(), ends[1].hex()
    left, _, right = text.partition("..")
    return left or "HEAD", right or "HEAD"


def _commit(space: Workspace, side: Revision | CompiledContext) -> ObjectId | None:
    return side.snapshot.key.commit if isinstance(side, CompiledContext) else context_commit(space.repo, side)


def _parent(space: Workspace, id: ObjectId | None) -> ObjectId | None:
    if id is None:
        return None
    space.repo.check_history(id, f"commit {id.hex()[:16]} has nothing to be compared with")
    parents = space.repo.commit(id).parents
    return parents[0] if parents else None


def _snapshot(space: Workspace, commit: ObjectId | None, notes: Literal["now", "then"]) -> Snapshot:
    tables = notes_then(space, commit) if notes == "then" and commit is not None else None
    return space.compiler.compile(commit, tables)


def _diffs_of_blobs(space: Workspace, changes: Sequence[MessageChange[ObjectId]]) -> Iterator[MessageDiff]:
    repo = space.repo
    configs = space.compiler.advance_notes().configs
    if changes and configs.tip is not None:
        configs.sort_out(repo, lambda _: False)

    def version(commit: ObjectId, blob: ObjectId | None, place: int | None) -> MessageVersion | None:
        if blob is None or place is None:
            return None
        message = space.blobs.message(blob)
        config = configs.of_words(repo, commit, blob)
        return _version(
            message, blob, place + 1, config, lambda: ask_store(space, lambda open_: open_.message_tokens(blob))
        )

    for change in changes:
        before = version(change.commit, change.before, change.place_before)
        after = version(change.commit, change.after, change.place_after)
        yield MessageDiff(change.kind, change.commit.hex(), before, after, change.moved)


def _diff_compiled(space: Workspace, before: Snapshot, after: Snapshot) -> DiffResult:
    rows = [
        list(zip(side.columns.commits[: side.length], side.columns.messages[: side.length], strict=True))
        for side in (before, after)
    ]

    def version_in(side: Snapshot) -> Callable[[int | None], MessageVersion | None]:
        numbers, columns = numbers_of(space, side), side.columns

        def version(at: int | None) -> MessageVersion | None:
            if at is None:
                return None
            message, blob = columns.messages[at], columns.blobs[at]
            count = partial(ask_store, space, lambda open_: open_.message_tokens(blob))
            if at in columns.made:
                count = partial(space.made_tokens, message)
            return _version(message, blob, numbers[at], columns.configs[at], count)

        return version

    old, new = version_in(before), version_in(after)
    diffs = (
        MessageDiff(one.kind, one.commit.hex(), old(one.place_before), new(one.place_after), one.moved)
        for one in compare_rows(rows[0], rows[1])
    )
    return _result(before.key.commit, after.key.commit, diffs, compiled=True)


def _version(message: Message, blob: ObjectId, number: int, config: Any, count: Callable[[], int]) -> MessageVersion:
    # A function of its own, because dataclasses.asdict would copy the values in a partial.
    shown = replace(message, content=copy_json(message.content), raw=copy_json(message.raw))
    return MessageVersion(
        number=number,
        content_hash=blob.hex(),
        role=message.role,
        text=message_text(message),
        generation_config=copy_json(config),
        message=shown,
        _count=lambda: count(),
    )


def _result(
    before: ObjectId | None, after: ObjectId | None, diffs: Iterator[MessageDiff], *, compiled: bool = False
) -> DiffResult:
    found = tuple(diffs)
    configs = tuple(_config_changes(found))
    return DiffResult(
        None if before is None else before.hex(), None if after is None else after.hex(), found, configs, compiled
    )


def _config_changes(diffs: Sequence[MessageDiff]) -> Iterator[ConfigChange]:
    pairs = [(diff, diff) for diff in diffs if diff.before is not None and diff.after is not None]
    for role in dict.fromkeys(diff.role for diff in diffs):
        gone, come = (
            [diff for diff in diffs if diff.kind == kind and diff.role == role] for kind in ("removed", "added")
        )
        pairs += zip(gone, come, strict=False)
    for old, new in pairs:
        was, now = ((side.generation_config if side is not None else None) or {} for side in (old.before, new.after))
        for name in sorted(was.keys() | now.keys()):
            if was.get(name) != now.get(name):
                yield ConfigChange(name, was.get(name), now.get(name), old.commit_hash, new.commit_hash)


@dataclass(frozen=True, slots=True)
class CommitDetails(Shown):
    """A commit, its content as it was committed (None if it has none), and its changes against the context of its first parent."""

    commit: CommitInfo
    content: Any
    changes: DiffResult

    def __str__(self) -> str:
        return f"{self.commit}\n{self.commit.author}, {self.commit.created_at:%Y-%m-%d %H:%M:%S %Z}\n\n{self.changes}"


def details(space: Workspace, id: ObjectId) -> CommitDetails:
    """Commit *id*, its content, and its changes; a content whose type is not registered here is returned as plain fields."""
    blob = space.repo.commit(id).content
    content = None
    if blob is not None:
        try:
            content = content_at(space, id)
        except ContentValidationError:
            content = readable_content(space.repo.blob(blob))
    return CommitDetails(describe(space, id), content, diff_of_commit(space, id))
