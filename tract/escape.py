"""Text of any origin, made safe for a terminal and for readers.

Names and messages come from models, files and other people: they may hold escape sequences, text that runs backwards, and invisible characters.
"""

from __future__ import annotations

import re

# Control characters but for tab and newline; marks, joiners and fillers that show nothing or turn text around;
# line separators; variation selectors and tags that can carry hidden text; halves of surrogate pairs.
# Compiled when it is first used, for that takes 0.4 ms and most lines are plain.
_UNSAFE = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


def escaped(text: str) -> str:
    """*text* with every character that could drive a terminal, or hide, shown as an escape: ``\\x1b``, ``\\u202e``.

    Newlines and tabs stay, and so does a joiner between two visible characters, as in Persian, Hindi and emoji.
    """
    if text.isascii() and text.isprintable():
        return text
    return re.sub(_UNSAFE, _shown, text)


def one_line(text: str) -> str:
    """*text* escaped, newlines and tabs too."""
    return escaped(text) if text.isprintable() else escaped(text).replace("\n", "\\n").replace("\t", "\\t")


_JOINERS = "\u200c\u200d"


def _shown(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    if char in _JOINERS and _joins(match.string[max(0, match.start() - 1) : match.end() + 1]):
        return char
    if code == 0x0D:
        return "\\r"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _joins(text: str) -> bool:
    """Whether *text* is a joiner between two visible characters of no European alphabet; several in a row could hide words."""
    return len(text) == 3 and all(char > "\u05ff" and not re.match(_UNSAFE, char) for char in (text[0], text[2]))
