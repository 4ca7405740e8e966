"""Committing: a message, an edit, a record or a note becomes part of the history."""

from __future__ import annotations

from collections.abc import Sequence

from tract.annotations import TYPE_CHECKING, Any
from tract.config import DEEPEST
from tract.errors import ContentValidationError, EditTargetError
from tract.history.notes import CONFIG, REQUEST, USAGE
from tract.history.records import build_refs, message_before
from tract.history.tree_edit import replace_entry
from tract.named_tuple import NamedTuple
from tract.objects.codec import is_deeper
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, Entry, NewObject, Refs, new_blob, new_commit
from tract.refs.store import ANY, Expected
from tract.repo import Repository
from tract.transaction import Asked, Transaction, transaction
from tract.tree import EMPTY, Context, append_entry, build_context, nodes_of

if TYPE_CHECKING:
    from tract.history.new_keys import KeysOfCommits
    from tract.revision import Revision


class Draft(NamedTuple):
    """A commit still to be made.

    *value* is the map for its blob; *target* is the message that an edit edits, or that a message replies to; *time* is in microseconds since 1970, None for now.
    *config*, *usage*, *key* and *request* become notes about the commit, so none of them is in its id. *refs* are the objects that a record needs.
    With *is_new* the commit is made even if another branch has a commit with its key.
    """

    value: dict[str, Any]
    operation: CommitOperation = CommitOperation.APPEND
    target: ObjectId | None = None
    message: str | None = None
    metadata: dict[str, Any] | None = None
    config: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    time: int | None = None
    refs: tuple[ObjectId, ...] = ()
    key: str | None = None
    request: dict[str, Any] | None = None
    is_new: bool = False


class Change(NamedTuple):
    """The fields of a commit that do not depend on its parent; *content* is a blob's id."""

    operation: CommitOperation
    content: ObjectId
    target: ObjectId | None
    time: int
    author: str
    message: str | None = None
    metadata: dict[str, Any] | None = None
    refs: Refs | None = None

    @classmethod
    def again(cls, commit: Commit, content: ObjectId, target: ObjectId | None) -> Change:
        """The change that makes *commit* again elsewhere, with this content and target."""
        return cls(
            commit.operation,
            content,
            target,
            time=commit.time,
            author=commit.author,
            message=commit.message,
            metadata=commit.metadata,
            refs=commit.refs,
        )


def check_size(repo: Repository, blob: NewObject) -> None:
    """Raise ContentValidationError if a content is larger than the settings allow."""
    size, limit = len(blob.payload), repo.config.max_message_size
    if size > limit:
        raise ContentValidationError(
            f"a message of {size} bytes is over the limit of {limit} that max_message_size sets"
        )


def check_limits(repo: Repository, drafts: Sequence[Draft], blobs: Sequence[NewObject]) -> None:
    """Raise ContentValidationError if a message is larger or nested deeper than the settings allow; the format's own limits were checked when it was encoded."""
    config = repo.config
    limit = config.max_message_size
    for blob in blobs:
        if len(blob.payload) > limit:
            check_size(repo, blob)
    if config.max_message_depth < DEEPEST:
        for draft in drafts:
            if is_deeper(draft.value, config.max_message_depth):
                limit = config.max_message_depth
                raise ContentValidationError(
                    f"a message is nested deeper than the {limit} levels that max_message_depth sets"
                )


def write_commits(
    repo: Repository,
    drafts: Sequence[Draft],
    *,
    expected: Expected | Asked = ANY,
    reason: str | None = None,
    blobs: Sequence[NewObject] | None = None,
) -> list[ObjectId]:
    """Make commits of *drafts* as ``make_commits`` does, and return their ids."""
    return [id for id, _ in make_commits(repo, drafts, expected=expected, reason=reason, blobs=blobs)]


def make_commits(
    repo: Repository,
    drafts: Sequence[Draft],
    *,
    expected: Expected | Asked = ANY,
    reason: str | None = None,
    blobs: Sequence[NewObject] | None = None,
) -> list[tuple[ObjectId, Commit]]:
    """Write *drafts* as commits on HEAD's branch, one after the other, and move the branch to the last.

    All of them or none: objects, notes and the branch's move are one operation, and a crash before it is whole leaves nothing.
    If *expected* is a function, it is called under the lock, after the changes of other processes were read.
    *blobs* are the drafts' values as blobs, if the caller has made them already.
    A draft whose key the branch has already is not made: the result has the existing commit in its place (KeyConflictError if that has another content).
    RefMovedError if the branch is not at *expected*; DetachedHeadError if HEAD is on no branch.
    """
    if blobs is None:
        blobs = [blob_of(draft.value) for draft in drafts]
    check_limits(repo, drafts, blobs)
    with transaction(repo, reason or _reason(drafts), expected=expected) as tx:
        keys = None if len(drafts) == 1 and drafts[0].key is None else _keys_for(tx, drafts)
        if _only_append(drafts) and (keys is None or keys.are_new(drafts)):
            new = _append_all(tx, drafts, blobs)
            made = [(id, commit) for _, id, commit in new]
            if keys is not None:
                keys.add_new(new)
        else:
            made, new = _make_each(tx, drafts, blobs, keys)
        if new:
            tx.move_branch(new[-1][1])
            _add_notes(tx, new)
    if keys is not None:
        keys.landed()
    return made


def blob_of(value: dict[str, Any]) -> NewObject:
    """Make a blob of a draft's value. Only the message in it is checked, if it is a provider's: the map around it is the store's own."""
    return new_blob(value, "message" if value.get("content_type") == "message" and "message" in value else None)


def _make_each(
    tx: Transaction, drafts: Sequence[Draft], blobs: Sequence[NewObject], keys: KeysOfCommits | None
) -> tuple[list[tuple[ObjectId, Commit]], list[tuple[Draft, ObjectId, Commit]]]:
    """Make the commits of *drafts*. Return a commit for each draft, new or already there, and the new ones with their drafts."""
    repo = tx.repo
    made: list[tuple[ObjectId, Commit]] = []
    new: list[tuple[Draft, ObjectId, Commit]] = []
    line = _Line(tx, tx.tip)
    for draft, blob in zip(drafts, blobs, strict=True):
        known = keys.known(draft) if keys is not None else None
        if known is not None:
            made.append((known, repo.commit(known)))
            continue
        change = _change(repo, draft, blob.id)
        if keys is not None:
            change = keys.picked(draft, change)
        tx.objects.append(blob)
        if draft.refs:
            change = change._replace(refs=build_refs(repo, draft.refs, tx.objects))
        at, commit = line.add(change)
        made.append((at, commit))
        new.append((draft, at, commit))
        if keys is not None:
            keys.add(draft, at, commit)
    return made, new


def _only_append(drafts: Sequence[Draft]) -> bool:
    """True if every draft only adds a message at the end of the context."""
    append = CommitOperation.APPEND
    for draft in drafts:  # noqa: SIM110  # every commit comes by
        if draft.operation is not append or draft.refs:
            return False
    return True


def _append_all(
    tx: Transaction, drafts: Sequence[Draft], blobs: Sequence[NewObject]
) -> list[tuple[Draft, ObjectId, Commit]]:
    """Make the commits of *drafts* that only append: the same that :func:`add_commit` would make one by one, in half the time."""
    repo, objects = tx.repo, tx.objects
    author, clock, append = repo.author, repo.clock, CommitOperation.APPEND
    context, entry = _context_and_entry(repo, tx.tip)
    parents, generation = ((), 0) if tx.tip is None else ((tx.tip,), repo.commit(tx.tip).generation)
    made: list[tuple[Draft, ObjectId, Commit]] = []
    for draft, blob in zip(drafts, blobs, strict=True):
        content = blob.id
        if entry is not None:
            context = append_entry(repo, context, entry, objects)
        tree, open_ = context
        generation += 1
        time = clock() if draft.time is None else draft.time
        commit = Commit(
            append, parents, content, draft.target, tree, open_, generation, time, author, draft.message, draft.metadata
        )
        new = new_commit(commit)
        objects += (blob, new)
        id = new.id
        tx.take_in(id, commit)
        made.append((draft, id, commit))
        parents, entry = (id,), (id, content)
    return made


def _keys_for(tx: Transaction, drafts: Sequence[Draft]) -> KeysOfCommits | None:
    """The finder of the keys of *drafts*; None if no draft has a key."""
    if len(drafts) > 1 and {draft.key for draft in drafts} == {None}:
        return None
    from tract.history.new_keys import KeysOfCommits  # most programs use no keys

    return KeysOfCommits(tx)


def _change(repo: Repository, draft: Draft, blob: ObjectId) -> Change:
    time = repo.clock() if draft.time is None else draft.time
    return Change(
        draft.operation,
        blob,
        draft.target,
        time=time,
        author=repo.author,
        message=draft.message,
        metadata=draft.metadata,
    )


def add_commit(tx: Transaction, tip: ObjectId | None, change: Change) -> ObjectId:
    """Make one commit on *tip* (an append, an edit or a record), with the nodes it needs; no ref moves.

    EditTargetError if the message of an edit is not in the context there.
    """
    return _Line(tx, tip).add(change)[0]


class _Line:
    """Commits on a tip, one after the other; each passes its context on, so that the next need not read it."""

    __slots__ = ("_context", "_entry", "_generation", "_tx", "tip")

    def __init__(self, tx: Transaction, tip: ObjectId | None) -> None:
        self._tx = tx
        self.tip = tip
        self._context, self._entry = _context_and_entry(tx.repo, tip)
        self._generation = 0 if tip is None else tx.repo.commit(tip).generation

    def add(self, change: Change) -> tuple[ObjectId, Commit]:
        """Make one commit; see :func:`add_commit`."""
        tx, nodes = self._tx, list[NewObject]()
        operation, content, target, time, author, message, metadata, refs = change
        before = self._context if self._entry is None else append_entry(tx.repo, self._context, self._entry, nodes)
        if operation is CommitOperation.EDIT:
            before = _edited(tx.repo, before, target, content, nodes)
            # A chunk that closed with the last message and was then edited never belonged to a commit.
            nodes = nodes_of(tx.repo, before, nodes)
        tx.objects += nodes
        parents = () if self.tip is None else (self.tip,)
        self._generation += 1
        commit = Commit(
            operation,
            parents,
            content,
            target=target,
            tree=before.tree,
            open=before.open,
            generation=self._generation,
            time=time,
            author=author,
            message=message,
            metadata=metadata,
            refs=refs,
        )
        self.tip = id = tx.add(commit)
        self._context = before
        self._entry = (id, content) if operation is CommitOperation.APPEND else None
        return id, commit


def commit_context(
    tx: Transaction,
    items: Sequence[Entry],
    operation: CommitOperation,
    *,
    target: ObjectId | None = None,
    message: str,
    metadata: dict[str, Any] | None = None,
) -> ObjectId:
    """Make a commit on the tip whose context is *items*, without content of its own."""
    nodes: list[NewObject] = []
    context = build_context(tx.repo, items, nodes)
    tx.objects += nodes_of(tx.repo, context, nodes)
    return tx.commit(operation, context, target=target, message=message, metadata=metadata)


def context_before(repo: Repository, tip: ObjectId | None, new: list[NewObject]) -> Context:
    """The context that a commit on *tip* begins with: an append's entry is added here, with its id, and may close a chunk; so is the last entry of a context that a spawn borrowed."""
    context, entry = _context_and_entry(repo, tip)
    return context if entry is None else append_entry(repo, context, entry, new)


def _context_and_entry(repo: Repository, tip: ObjectId | None) -> tuple[Context, Entry | None]:
    """The context that a commit on *tip* begins with, as far as it is written, and the entry still to append; None if there is none."""
    if tip is None:
        return EMPTY, None
    parent = repo.commit(tip)
    before = Context(parent.tree, parent.open)
    if parent.operation is CommitOperation.APPEND and parent.content is not None:
        return before, (tip, parent.content)
    if parent.operation is CommitOperation.SPAWN and parent.open:
        last = parent.open[-2:]
        return Context(parent.tree, parent.open[:-2]), (last[0], last[1])
    return before, None


def _edited(
    repo: Repository, before: Context, target: ObjectId | None, blob: ObjectId, new: list[NewObject]
) -> Context:
    if target is None:
        raise EditTargetError("an edit needs the message it edits (response_to)")
    after = replace_entry(repo, before, (target, blob), new)
    if after is None:
        raise EditTargetError(f"commit {target.hex()[:16]} is not a message of the current context")
    return after


def edit_target(repo: Repository, target: ObjectId) -> ObjectId:
    """The message that an edit of *target* is about; for a record, the message before it. EditTargetError if there is no such message."""
    message = edited_message(repo, message_before(repo, target))
    operation = repo.commit(message).operation
    if operation is not CommitOperation.APPEND:
        raise EditTargetError(f"commit {message.hex()[:16]} is a {operation}, which is not a message")
    return message


def message_named(repo: Repository, revision: Revision) -> ObjectId:
    """The message that *revision* names: by the commit that introduced it, or by one that edited it."""
    from tract.revision import resolve_revision  # what is imported or recorded names none

    return edit_target(repo, resolve_revision(repo, revision))


def edited_message(repo: Repository, id: ObjectId) -> ObjectId:
    """Follow the edit *id* to the commit it edits, through further edits; *id* itself if it is not an edit."""
    commit = repo.commit(id)
    while commit.operation is CommitOperation.EDIT and commit.target is not None:
        id = commit.target
        commit = repo.commit(id)
    return id


def _add_notes(tx: Transaction, made: Sequence[tuple[Draft, ObjectId, Commit]]) -> None:
    """Add the notes that came with the drafts; most drafts have none."""
    for draft, _, _ in made:
        if not (draft.config is draft.usage is draft.request is None):
            break
    else:
        return
    for namespace, part in ((CONFIG, _CONFIG), (USAGE, _USAGE), (REQUEST, _REQUEST)):
        bodies = [(id, draft[part], commit.time) for draft, id, commit in made if draft[part] is not None]
        if bodies:
            tx.note_new(namespace, bodies)


_CONFIG, _USAGE, _REQUEST = map(Draft._fields.index, ("config", "usage", "request"))


def _reason(drafts: Sequence[Draft]) -> str:
    """The reflog's text: the subject of the commit, or the number of commits."""
    if len(drafts) != 1:
        return f"commit: {len(drafts)} messages"
    draft = drafts[0]
    verb = "commit" if draft.operation is CommitOperation.APPEND else f"commit ({draft.operation})"
    return f"{verb}: {draft.message.splitlines()[0][:72]}" if draft.message else verb
