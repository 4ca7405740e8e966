"""The tokens of messages that no history has yet: a context after a step that is only planned.

    now         user   thought   call a   result a   thought   call b   result b
    supposed    user   thought                       thought   call b   result b

The sent form of a message depends on its neighbours (see tokens.unsent), so a step's saving is not the sum of what it hides.
"""

from __future__ import annotations

from collections.abc import Sequence

from tract.compile.snapshot import Columns
from tract.compile.workspace import Workspace
from tract.messages.message import Message
from tract.named_tuple import NamedTuple


class Supposed(NamedTuple):
    """A supposed message, its tokens by itself, and its present row in *columns*; None for a new message."""

    row: int | None
    message: Message
    tokens: int


def supposed_tokens(space: Workspace, columns: Columns, messages: Sequence[Supposed]) -> list[int]:
    """The tokens sent for each of *messages*, which stand one behind the other; no earlier message waits for them."""
    from tract.tokens.unsent import Rows, Unsent  # a context without tools needs none

    def follows(row: int, before: int) -> bool:
        later, earlier = messages[row].row, messages[before].row
        if later is None or earlier is None:
            return False  # a message that is not recorded has no recorded neighbours
        return space.is_behind(columns.commits[later], columns.commits[earlier])

    unsent = Unsent(space.made_tokens)
    rows = Rows(lambda row: messages[row].message, lambda row: messages[row].tokens, follows)
    unsent.advance(rows, range(len(messages)), len(messages))
    changes = unsent.changes(len(messages))
    return [one.tokens + changes.get(at, 0) for at, one in enumerate(messages)]
