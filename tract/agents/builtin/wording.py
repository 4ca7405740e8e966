"""How far the words of the last messages are from the earlier ones: the measure of drift.

    novelty    the part of the window's distinctive words that were never said before
    likeness   the cosine between the words of the window and all earlier words, by the logarithm of their counts

A new subject has new words and few of the old ones, for several messages on end; a new file or a new request of the same work keeps enough of the old ones.
Only the beginning of a word counts, so that forms of one word are the same.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable

from tract.curation.compress.facts import COMMON

_WORD = re.compile(r"\w+")  # ten times as quick as a pattern of letters alone
_ASCII = "".join(chr(at).lower() if chr(at).isalnum() else " " for at in range(128))
"""Maps each ASCII character to its small letter, or to a space if it is part of no word."""

_FUNCTION = COMMON | frozenset(
    [
        "this",
        "that",
        "with",
        "from",
        "have",
        "will",
        "your",
        "what",
        "when",
        "they",
        "them",
        "then",
        "than",
        "were",
        "been",
        "would",
        "could",
        "into",
        "just",
        "like",
        "some",
        "need",
        "want",
        "make",
        "also",
        "here",
        "more",
        "very",
        "only",
        "over",
        "such",
        "each",
        "most",
        "does",
        "must",
        "same",
        "both",
        "upon",
        "okay",
    ]
)
_SHORTEST = 4
_STEM = 6
_STEMS_KEPT = 20_000
_LONGEST_KEPT = 32
_LONGEST = 4000
"""The number of characters of a message that are read."""

_WEIGHTS = (0.0, *(1 + math.log(count) for count in range(1, 64)))

LEAST_WORDS = 12
"""A window with fewer different words is not judged."""


class _Stems(dict[str, str]):
    """The beginning of each word seen; "" for a word without meaning of its own."""

    def __missing__(self, word: str) -> str:
        tells = len(word) >= _SHORTEST and word.isalpha() and word not in _FUNCTION
        stem = word[:_STEM] if tells else ""
        if len(word) <= _LONGEST_KEPT:
            if len(self) >= _STEMS_KEPT:
                self.clear()
            self[word] = stem
        return stem


_stems = _Stems()


def words_of(text: str) -> list[str]:
    """The distinctive words of a text, by their beginnings."""
    text = text[:_LONGEST]
    found = text.translate(_ASCII).split() if text.isascii() else _WORD.findall(text.casefold().replace("_", " "))
    return list(filter(None, map(_stems.__getitem__, found)))


def novelty(window: Counter[str], said: set[str]) -> float:
    """The part of the window's words that are not in *said*, from 0 to 1."""
    total = _weight_of(window.values())
    new = set(window).difference(said)
    return _weight_of([window[word] for word in new]) / total if total and new else 0.0


def likeness(window: Counter[str], before: Counter[str]) -> float:
    """The cosine between two counts of words, from 0 to 1."""
    dot = sum(_weight(count) * _weight(before[word]) for word, count in window.items() if word in before)
    size = math.sqrt(_square(window)) * math.sqrt(_square(before))
    return dot / size if size else 0.0


def _weight_of(counts: Iterable[int]) -> float:
    """The total weight of these counts."""
    try:
        return sum(map(_WEIGHTS.__getitem__, counts))
    except IndexError:
        return sum(map(_weight, counts))


def _weight(count: int) -> float:
    return _WEIGHTS[count] if count < len(_WEIGHTS) else 1 + math.log(count)


def _square(counts: Counter[str]) -> float:
    return sum(_weight(count) ** 2 for count in counts.values())
