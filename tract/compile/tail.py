"""How new messages at the end of a context change the request: computed from the last messages alone, however long the context is.

… user   call a   result a   call b │ result b   result z   user
         └──────── the tail ────────┘ └── added messages ──┘
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tract.compile.snapshot import Snapshot
from tract.compile.workspace import Workspace
from tract.history.walk import first_parents
from tract.messages.message import Message
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation, Entry

_MOST_STEPS = 256
"""Beyond this many steps, reading the context is no slower."""


class Row(NamedTuple):
    """A message of a tail; *commit* is None for one that is about to be committed."""

    message: Message
    tokens: int
    commit: ObjectId | None


def change_of_appending(space: Workspace, before: Snapshot, added: Sequence[Row]) -> int:
    """By how many tokens, beyond their own, the messages *added* change the request for the context *before*.

    A result among them that answers no call in the tail counts in full: it may answer an earlier call.
    """
    columns, length = before.columns, before.length
    columns.total(length, space)
    shown = (Row(columns.messages[at], columns.counts[at], columns.commits[at]) for at in range(length - 1, -1, -1))
    tail = _tail(shown)
    if tail is None:
        return 0
    found = _change(space, tail, added)
    return 0 if found is None else found


def change_of_commits(space: Workspace, at: ObjectId | None, added: Sequence[Row]) -> int | None:
    """The same for messages that were appended to the context at *at*; None if only the whole context can tell."""
    tail = _tail(_appended_before(space, at))
    return None if tail is None else _change(space, tail, added)


def change_of_all(space: Workspace, entries: Sequence[Entry], tokens: Sequence[int], odd: Sequence[int]) -> int:
    """The same for a whole context: its shown *entries*, their *tokens*, and in *odd* the places of those that depend on others."""
    if not odd:
        return 0
    from tract.tokens.unsent import Rows, Unsent

    rows = Rows(
        lambda row: space.blobs.message(entries[row][1]),
        tokens.__getitem__,
        lambda row, before: space.is_behind(entries[row][0], entries[before][0]),
    )
    unsent = Unsent(space.made_tokens)
    unsent.advance(rows, odd, len(entries))
    return unsent.change(len(entries))


def row_of(space: Workspace, commit: ObjectId, blob: ObjectId) -> Row:
    """The row of the message that *commit* introduced, with content *blob*."""
    return Row(space.blobs.message(blob), space.message_tokens(blob), commit)


def _appended_before(space: Workspace, at: ObjectId | None) -> Iterable[Row | None]:
    """The shown messages of a context, from its end back, while each was appended; then None, unless these are all."""
    notes = space.compiler.advance_notes()
    for id, commit in first_parents(space.repo, at):
        if commit.operation is CommitOperation.RECORD:
            continue
        if commit.operation is not CommitOperation.APPEND or commit.content is None or len(commit.parents) > 1:
            yield None
            return
        if not notes.is_skipped(space.repo, id):
            yield row_of(space, id, commit.content)


def _tail(rows: Iterable[Row | None]) -> list[Row] | None:
    """The last messages, back to the first one before which no message waits; None if that is too far back."""
    from tract.messages.pairing import is_answer, tools_in  # a context without tools needs none of it

    tail: list[Row] = []
    for row in rows:
        if row is None or len(tail) == _MOST_STEPS:
            return None
        has_results = bool(tools_in(row.message).results)
        if has_results and tail and is_answer(tail[-1].message):
            break  # an answer behind results is a new one
        tail.append(row)
        if not has_results and not is_answer(row.message):
            break
    return tail[::-1]


def _change(space: Workspace, tail: Sequence[Row], added: Sequence[Row]) -> int | None:
    """The change in tokens; None if a result answers no call in *tail* or *added*."""
    from tract.tokens.unsent import Rows, Unsent

    messages = [*tail, *added]

    def follows(row: int, before: int) -> bool:
        later, earlier = messages[row].commit, messages[before].commit
        return later is None or earlier is None or space.is_behind(later, earlier)

    unsent = Unsent(space.made_tokens)
    unsent.advance(
        Rows(lambda row: messages[row].message, lambda row: messages[row].tokens, follows),
        range(len(messages)),
        len(messages),
    )
    if unsent.has_lost:
        return None
    return unsent.change(len(messages)) - unsent.change(len(tail))
