"""Conditions that the bytes of a matching message must meet: decoding a message takes thirty times as long as searching its bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tract.objects.codec import unpack
from tract.objects.json import compact_json

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\w?\{[^}]*\}|\w[*?]|.", re.DOTALL)
"""The parts of a regular expression that matter here: escapes, sets, and single characters with a sign that may make them optional."""


def words_of(pattern: str) -> list[str]:
    """Words that every match of the regular expression contains, as far as that is easy to see."""
    if re.search(r"\\[xuUN0-9]|\(\?[a-zA-Z]*[ix]", pattern):
        return []  # characters by their codes, or blanks and comments without meaning
    words, depth = [""], 0
    for token in _TOKEN.findall(pattern):
        if token == "|" and depth == 0:
            return []
        depth += (token == "(") - (token == ")")
        if depth == 0 and len(token) == 1 and (token.isalnum() or token == "_"):
            words[-1] += token
        else:
            words.append("")
    return words


_ESCAPE = re.compile(r"(?i)u0[0-9a-f]{0,3}|u$|[nrtbf]")
"""Beginnings of a word that may be the end of an escape in the JSON of a call's arguments instead."""

_LABELS = {
    "thinking": "reasoning",
    "file": "document",
    "Session": "session",
    "Decisions": "decisions",
    "Failed": "failed",
    "Next": "next",
    "URL": "url",
}
"""Words that are shown with a message without being in it, and the bytes that are in it then."""


def test_for(words: Sequence[str], *, case: bool) -> Callable[[bytes], object] | None:
    """A test that the bytes of every message with all *words* pass; None if the words do not allow one.

    It searches for the longest word, as text, or as a number or other value that is shown as JSON.
    Letters that have a small and a capital form are searched only if they are ASCII, unless *case* counts.
    """
    words = [word[match.end() :] if (match := _ESCAPE.match(word)) else word for word in words]
    if not case:
        words = [run for word in words for run in _without_cases(word)]
    longest = max(words, key=len, default="")
    if not longest:
        return None
    folded = bytes if case else bytes.lower
    needles = [folded(one.encode()) for one in (longest, *_behind_labels(longest, case=case))]
    is_text = not _may_be_no_text(longest)

    def test(payload: bytes) -> bool:
        inside = folded(payload)
        if any(needle in inside for needle in needles):
            return True
        return not is_text and not _ONE_TEXT.match(payload) and needles[0] in folded(_as_json(payload, needles[0]))

    return test


def test_for_pattern(pattern: re.Pattern[str], first: Callable[[bytes], object] | None) -> Callable[[bytes], object]:
    """A test that the bytes of every message that *pattern* matches pass, if they pass *first* too; a message of only a role and a text passes only if the pattern matches its text.

    Nothing is derived from the pattern: it is tried on each text by itself, as it will be tried on the message.
    """
    search = pattern.search

    def test(payload: bytes) -> bool:
        if first is not None and not first(payload):
            return False
        text = _only_text(payload)
        return text is None or search(text) is not None

    return test


def _only_text(payload: bytes) -> str | None:
    """The text of a message that has only a role and a text; None for any other bytes, such as those of many messages."""
    match = _TEXT_HEAD.match(payload)
    if match is None:
        return None
    head, start = match[1], match.end()
    if len(payload) - start != (int.from_bytes(head[1:]) if len(head) > 1 else head[0] - 0xA0):
        return None
    try:
        return payload[start:].decode()
    except UnicodeDecodeError:
        return None


def _without_cases(word: str) -> list[str]:
    """The parts of *word* whose bytes are the same in any case, except for ASCII letters."""
    return "".join(c if c.isascii() or c.lower() == c.upper() else " " for c in word).split()


def _behind_labels(word: str, *, case: bool) -> list[str]:
    """The bytes in messages that are shown with *word* in a label."""
    return [inner for label, inner in _LABELS.items() if (word in label if case else word.lower() in label.lower())]


def _may_be_no_text(word: str) -> bool:
    """Whether *word* may be part of the display of a value that is not text."""
    return bool(re.fullmatch(r"[0-9eE]+", word)) or any(word.lower() in value for value in ("true", "false", "null"))


_ONE_TEXT = re.compile(
    rb"\x83\xaccontent_type"
    rb"(?:\xa8dialogue|\xa7message\xa6format\xa6openai\xa7message\x82\xa4role[\xa0-\xbf]\w+\xa7content[\xa0-\xbf\xd9-\xdb])"
)
"""The beginning of a message that has only a role and a text."""

_TEXT_HEAD = re.compile(
    rb"\x83\xaccontent_type"
    rb"(?:\xa8dialogue\xa4role(?:\xa4user|\xa6system|\xa9assistant)\xa4text"
    rb"|\xa7message\xa6format\xa6openai\xa7message\x82\xa4role(?:\xa4user|\xa6system|\xa9assistant|\xa9developer)\xa7content)"
    rb"([\xa0-\xbf]|\xd9.|\xda..|\xdb....)",
    re.DOTALL,
)
"""Everything before the text of such a message; the group has the length of the text, which ends the message."""


def _as_json(payload: bytes, otherwise: bytes) -> bytes:
    """The JSON of a message; *otherwise* if the bytes are not a message by themselves."""
    try:
        return compact_json(unpack(payload)).encode()
    except (ValueError, TypeError):
        return otherwise
