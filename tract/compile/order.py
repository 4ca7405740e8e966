"""Another order of a context's messages, for one compilation, and the warnings about what it does to their meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tract.compile.snapshot import Snapshot
from tract.errors import CommitNotFoundError, ContentValidationError
from tract.history.commit import edited_message, message_named
from tract.messages import tool_units
from tract.messages.message import CompileWarning
from tract.objects.id import ObjectId
from tract.repo import Repository
from tract.revision import Revision, revision_text


def reordered(repo: Repository, snapshot: Snapshot, order: Sequence[Revision]) -> Snapshot:
    """*snapshot* with the messages that *order* names first, in that order, and the rest behind them as before.

    An edit's id stands for the message it edits.
    A call and its results stay together: if one of them is moved, the others follow. Warnings say so, and name answers that now stand before the message they reply to.
    CommitNotFoundError for an id that is not a message of the context; ContentValidationError for a message named twice.
    """
    if isinstance(order, str) or not isinstance(order, Iterable):
        raise ContentValidationError(f"order must be a list of revisions, not {type(order).__name__}")
    asked = list(_rows(repo, snapshot, order))
    units = tool_units(snapshot.columns.messages[: snapshot.length]).of
    placed: dict[int, None] = {}
    for row in asked:
        placed.update(dict.fromkeys(units.get(row, (row,))))
    rows = [*placed, *(row for row in range(snapshot.length) if row not in placed)]
    columns = snapshot.columns.select(rows)
    warnings = [*_kept_together(snapshot, asked, list(placed)), *_early_replies(repo, snapshot, rows, len(placed))]
    moved = [_moved(warning, columns.place(bytes.fromhex(warning.commit or ""))) for warning in snapshot.warnings]
    return Snapshot(snapshot.key, columns, snapshot.length, snapshot.hidden, (*moved, *warnings))


def _moved(warning: CompileWarning, index: int | None) -> CompileWarning:
    return CompileWarning(warning.kind, warning.detail, index=index, commit=warning.commit)


def _rows(repo: Repository, snapshot: Snapshot, order: Sequence[Revision]) -> Iterator[int]:
    seen: set[int] = set()
    for revision in order:
        message = message_named(repo, revision)
        row = snapshot.columns.place(message)
        if row is None or row >= snapshot.length:
            raise CommitNotFoundError(revision_text(revision), "it is not a message of the compiled context")
        if row in seen:
            raise ContentValidationError(f"order names message {message.hex()[:16]} twice")
        seen.add(row)
        yield row


def _kept_together(snapshot: Snapshot, asked: Sequence[int], placed: Sequence[int]) -> Iterator[CompileWarning]:
    """Warnings for messages that were placed elsewhere than asked, because calls and results stay together."""
    among_asked = iter(asked)
    for at, row in enumerate(placed):
        if row not in asked or next(among_asked) != row:
            commit = snapshot.columns.commits[row].hex()
            yield CompileWarning("tool_pair_kept", "it stays with its tool call or result", index=at, commit=commit)


def _early_replies(repo: Repository, snapshot: Snapshot, rows: Sequence[int], moved: int) -> Iterator[CompileWarning]:
    """Warnings for replies among the first *moved* rows that now stand before the message they reply to."""
    commits = snapshot.columns.commits
    position = {row: at for at, row in enumerate(rows)}
    for at, row in enumerate(rows[:moved]):
        to = _replies_to(repo, snapshot, commits[row])
        if to is not None and to < row and position[to] > at:
            detail = f"it replies to message {commits[to].hex()[:16]}, which comes after it"
            yield CompileWarning("reply_before_target", detail, index=at, commit=commits[row].hex())


def _replies_to(repo: Repository, snapshot: Snapshot, message: ObjectId) -> int | None:
    """The row of the message that *message* replies to; None if it replies to none, or if that one is not shown."""
    target = repo.commit(message).target
    row = None if target is None else snapshot.columns.place(edited_message(repo, target))
    return row if row is not None and row < snapshot.length else None
