"""Results as text for people, as ``print`` and a notebook show them; the command line has its own display, with colours.

Text of messages is data: characters that could drive a terminal are shown as escapes.
"""

from __future__ import annotations

from tract.escape import escaped

_SHORT = 10
_EXCERPT = 60


class Shown:
    """The display of a result in a notebook: the text that ``print`` gives."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        from html import escape as escape_html  # only a notebook needs it

        return f"<pre>{escape_html(str(self))}</pre>"


def excerpt(text: str, width: int = _EXCERPT) -> str:
    """The beginning of *text* in one line of at most *width* characters."""
    start = text[: 4 * width]
    line = escaped(" ".join(start.split()))
    return line if len(line) <= width and len(start) == len(text) else line[: width - 1].rstrip() + "…"


def short(hash: str | None) -> str:
    """The beginning of an id, as lists show it."""
    return "the beginning" if hash is None else hash[:_SHORT]


def count_of(number: int, what: str) -> str:
    """``1 message``, ``2 messages``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
