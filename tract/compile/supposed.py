"""What would be sent of messages that no history has yet: a context after a step that is only planned.

    now         user   thought   call a   result a   thought   call b   result b
    supposed    user   thought                       thought   call b   result b

What is sent of a message depends on those beside it (see tokens.unsent), so what a step saves is no sum of what it hides.
"""

from __future__ import annotations

from collections.abc import Sequence

from tract.compile.snapshot import Columns
from tract.compile.workspace import Workspace
from tract.messages.message import Message
from tract.named_tuple import NamedTuple


class Supposed(NamedTuple):
    """A message that would be there, its tokens by itself, and the row of *columns* it is in now; None for a new one."""

    row: int | None
    message: Message
    tokens: int


def supposed_tokens(space: Workspace, columns: Columns, messages: Sequence[Supposed]) -> list[int]:
    """The tokens of what is sent of each of *messages*, which stand one behind the other and begin where nothing waits."""
    from tract.tokens.unsent import Rows, Unsent  # a context without tools needs none

    def follows(row: int, before: int) -> bool:
        later, earlier = messages[row].row, messages[before].row
        if later is None or earlier is None:
            return False  # nothing was recorded behind a message that is not recorded
        return space.is_behind(columns.commits[later], columns.commits[earlier])

    unsent = Unsent(space.made_tokens)
    rows = Rows(lambda row: messages[row].message, lambda row: messages[row].tokens, follows)
    unsent.advance(rows, range(len(messages)), len(messages))
    changes = unsent.changes(len(messages))
    return [one.tokens + changes.get(at, 0) for at, one in enumerate(messages)]
