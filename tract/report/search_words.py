"""What the bytes of a message must have in them where a search is to find it: reading a message takes thirty times as long as a look at its bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tract.objects.codec import unpack
from tract.objects.json import compact_json

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\w?\{[^}]*\}|\w[*?]|.", re.DOTALL)
"""What a regular expression is made of, as far as it matters here: escapes, sets, and single characters with what may make them optional."""


def words_of(pattern: str) -> list[str]:
    """Words that are in whatever matches the regular expression, as far as that is plain to see."""
    if re.search(r"\\[xuUN0-9]|\(\?[a-zA-Z]*[ix]", pattern):
        return []  # characters by their codes, or blanks and comments that mean nothing
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
"""What a word may begin with that is the end of an escape in the JSON of a call's arguments, and not of the word."""

_LABELS = {
    "thinking": "reasoning",
    "file": "document",
    "Session": "session",
    "Decisions": "decisions",
    "Failed": "failed",
    "Next": "next",
    "URL": "url",
}
"""Words that are shown with a message and are not in it, by themselves, and what is in it then."""


def test_for(words: Sequence[str], *, case: bool) -> Callable[[bytes], object] | None:
    """A test that the bytes of each message that has all *words* pass; None where the words do not allow for one.

    They have the longest word, as text or as the number or other value that is shown as JSON.
    Letters that have a small and a capital form are looked for only where they are ASCII, unless *case* counts.
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
    """A test that the bytes pass of each message that *pattern* matches, where they pass *first* too: one that has a role and a text, and no more, only where the pattern matches its text.

    Nothing is concluded from the pattern: it is tried on each text by itself, as it will be tried on the message.
    """
    search = pattern.search

    def test(payload: bytes) -> bool:
        if first is not None and not first(payload):
            return False
        text = _only_text(payload)
        return text is None or search(text) is not None

    return test


def _only_text(payload: bytes) -> str | None:
    """The text of a message that has a role and a text, and no more; None where the bytes are anything else, such as many messages."""
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
    """The parts of *word* whose bytes are the same, but for ASCII letters, however it is written."""
    return "".join(c if c.isascii() or c.lower() == c.upper() else " " for c in word).split()


def _behind_labels(word: str, *, case: bool) -> list[str]:
    """What a message has in it that is shown with *word* in a label."""
    return [inner for label, inner in _LABELS.items() if (word in label if case else word.lower() in label.lower())]


def _may_be_no_text(word: str) -> bool:
    """Whether *word* may be part of what stands for a value that is no text."""
    return bool(re.fullmatch(r"[0-9eE]+", word)) or any(word.lower() in value for value in ("true", "false", "null"))


_ONE_TEXT = re.compile(
    rb"\x83\xaccontent_type"
    rb"(?:\xa8dialogue|\xa7message\xa6format\xa6openai\xa7message\x82\xa4role[\xa0-\xbf]\w+\xa7content[\xa0-\xbf\xd9-\xdb])"
)
"""How a message begins that has a role and a text, and no more."""

_TEXT_HEAD = re.compile(
    rb"\x83\xaccontent_type"
    rb"(?:\xa8dialogue\xa4role(?:\xa4user|\xa6system|\xa9assistant)\xa4text"
    rb"|\xa7message\xa6format\xa6openai\xa7message\x82\xa4role(?:\xa4user|\xa6system|\xa9assistant|\xa9developer)\xa7content)"
    rb"([\xa0-\xbf]|\xd9.|\xda..|\xdb....)",
    re.DOTALL,
)
"""All that such a message has in front of its text; the text is as long as the group says, and ends the message."""


def _as_json(payload: bytes, otherwise: bytes) -> bytes:
    """The JSON of a message; *otherwise* of what is no message by itself."""
    try:
        return compact_json(unpack(payload)).encode()
    except (ValueError, TypeError):
        return otherwise
