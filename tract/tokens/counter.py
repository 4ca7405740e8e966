"""Counters: the number of tokens of a text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tract.errors import TokenizerError

if TYPE_CHECKING:
    from tiktoken import Encoding


@runtime_checkable
class TokenCounter(Protocol):
    """Counts the tokens of a text.

    ``name`` identifies the counter: counts are stored under it, so two different counters must have different names (``tiktoken:o200k_base``).
    """

    @property
    def name(self) -> str:
        """The name under which counts are stored."""
        ...

    def count(self, text: str) -> int:
        """The tokens of *text*, 0 or more."""
        ...


class TiktokenCounter:
    """Counts exactly as tiktoken's ``encode_ordinary`` does: text that looks like a special token is ordinary text.

    Exception: a word, a run of blanks or a run of signs of over 16,384 characters is counted in pieces, with an error of at most one token a piece.
    If it were counted whole, time and memory would grow out of proportion, and a million blanks would crash tiktoken.
    The vocabulary comes with tract and is loaded at the first count, once in a process; that takes about 0.2 s.
    """

    def __init__(self, encoding: str = "o200k_base") -> None:
        if not isinstance(encoding, str) or encoding not in _PATTERNS:
            raise TokenizerError(f"no tiktoken encoding named '{encoding}'; known are {', '.join(_PATTERNS)}")
        self._encoding = encoding

    @property
    def name(self) -> str:
        """``tiktoken:`` and the encoding."""
        return f"tiktoken:{self._encoding}"

    def count(self, text: str) -> int:
        """The number of tokens; TokenizerError for a text with half a surrogate pair in it."""
        if not text.isascii():
            _check_unicode(text)
        encode = _encoding(self._encoding).encode_ordinary
        if len(text) <= _LONGEST_RUN:
            return len(encode(text))
        return sum(len(encode(part)) for part in _without_long_runs(text))


def _without_long_runs(text: str) -> Iterator[str]:
    """*text* in parts, cut within every run of ``_LONGEST_RUN`` characters of only letters, signs or blanks; one part if there is no such run."""
    runs = re.compile(_RUN)
    start = 0
    for at in range(_LONGEST_RUN, len(text), _LONGEST_RUN):
        run = runs.match(text, at - _LONGEST_RUN, at + 1)
        if run is not None and run.end() > at:
            yield text[start:at]
            start = at
    yield text[start:]


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise TokenizerError(f"text with half a surrogate pair at {exc.start} has no tokens") from exc


# How each encoding splits a text before it merges bytes, as tiktoken_ext/openai_public.py states it.
# Importing that module would bring in requests, and its functions download the vocabulary.
_PATTERNS = {
    "o200k_base": "|".join(
        (
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        )
    ),
    "cl100k_base": "|".join(
        (
            r"'(?i:[sdmt]|ll|ve|re)",
            r"[^\r\n\p{L}\p{N}]?+\p{L}++",
            r"\p{N}{1,3}+",
            r" ?[^\s\p{L}\p{N}]++[\r\n]*+",
            r"\s++$",
            r"\s*[\r\n]",
            r"\s+(?!\S)",
            r"\s",
        )
    ),
}

_LONGEST_RUN = 16_384
"""Characters. The time to merge a word's bytes grows faster than its length from about here on."""

# A single piece of a tokenizer's pattern always lies in one of these classes: letters and marks, signs, white space.
# If a sign of a script that is not listed counts as a letter here, a long text is only cut more often than it must be.
# Compiled when it is first used, for most texts are short.
_RUN = (
    r"[^\s\d\x00-@\[-`{-\xa9\u2000-\u206f\u20a0-\u20cf\u2190-\u2bff\u3000-\u3020\u3030\uff00-\uff20\U0001f000-\U0001faff]++"
    r"|[^\sA-Za-z0-9\xc0-\u1fff\u2c00-\u2fff\u3021-\ud7ff\uf900-\ufdff\U00020000-\U0003ffff]++"
    r"|\s++"
)

_encodings: dict[str, Encoding] = {}


def _encoding(name: str) -> Encoding:
    """The encoding *name*, one object in the process."""
    encoding = _encodings.get(name)
    if encoding is None:
        # No lock: two threads may both load it at first, and then share the one that was quicker; no fork can copy a held lock.
        encoding = _encodings.setdefault(name, _build(name))
    return encoding


def _build(name: str) -> Encoding:
    from tiktoken import Encoding  # 20 ms, which commands that count nothing need not pay

    from tract.tokens.vocabularies import load_ranks  # the same

    try:
        # No special tokens: encode_ordinary takes none.
        return Encoding(name, pat_str=_PATTERNS[name], mergeable_ranks=load_ranks(name), special_tokens={})
    except ValueError as exc:
        raise TokenizerError(f"tiktoken refuses encoding '{name}': {exc}") from exc


class NullTokenCounter:
    """Counts nothing: every text has 0 tokens."""

    @property
    def name(self) -> str:
        """``null``."""
        return "null"

    def count(self, text: str) -> int:  # a counter takes a text
        """0."""
        return 0


class EstimateTokenCounter:
    """Estimates the count of o200k_base, without a vocabulary.

    The text is cut into pieces, each of which costs (in tokens):

        a word of Latin letters, ending where the case rises    0.85, and 0.22 for each letter past the sixth
        one to three digits                                     1.5
        a newline, or two and more blanks, with what follows    1.4
        a run of punctuation                                    0.85
        Chinese, Japanese, Korean                               0.7 a character
        symbols and emoji                                       1.4 a character
        Thai, Lao, Burmese, Khmer                               0.45 a character
        any other letter or mark                                0.3

    The prices were fitted to real conversations in several formats and some twenty scripts.
    For half of those conversations' messages the error is within 5 %, for nineteen in twenty within 21 % (characters / 4: 22 % and 64 %).
    A single script can be off by 30 %: Vietnamese and Russian are overestimated, Hebrew underestimated.
    """

    @property
    def name(self) -> str:
        """``estimate``."""
        return "estimate"

    def count(self, text: str) -> int:
        """The estimate, in whole tokens."""
        total = 0.0
        for piece in re.finditer(_PIECES, text):
            price, further, included = _PRICES[piece.lastgroup or ""]
            total += price + further * max(0, piece.end() - piece.start() - included)
        return math.ceil(total - 1e-6)  # a sum of floats may lie a hair above a whole number


_PIECES = (
    r"(?P<wide>[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]+)"
    r"|(?P<latin>[A-Z]?[a-z\u00c0-\u024f]+|[A-Z]+)"
    r"|(?P<digits>[0-9]{1,3})"
    r"|(?P<blank>\s{2,}|\n)"
    r"|(?P<punctuation>[!-/:-@\[-`{-~\x80-\xbf]+)"
    r"|(?P<symbol>[\u2190-\u2bff\ufe0f\u200d\U0001f000-\U0001faff]+)"
    r"|(?P<unspaced>[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]+)"
    r"|(?P<other>[^\s\x00-\u024f]+)"
)

# What a piece costs, what each further character of it costs, and after how many those begin.
_PRICES = {
    "wide": (0.0, 0.7, 0),
    "latin": (0.85, 0.22, 6),
    "digits": (1.5, 0.0, 0),
    "blank": (1.4, 0.0, 0),
    "punctuation": (0.85, 0.0, 0),
    "symbol": (0.0, 1.4, 0),
    "unspaced": (0.0, 0.45, 0),
    "other": (0.0, 0.3, 0),
}


def counter_named(encoding: str) -> TokenCounter:
    """The counter that a configuration names: a tiktoken encoding, ``estimate`` or ``null``; TokenizerError for another name."""
    if encoding in _PATTERNS:
        return TiktokenCounter(encoding)
    if encoding == "estimate":
        return EstimateTokenCounter()
    if encoding == "null":
        return NullTokenCounter()
    raise TokenizerError(f"no tokenizer named {encoding!r}; known are {', '.join((*_PATTERNS, 'estimate', 'null'))}")


def check_counter(counter: TokenCounter) -> None:
    """Refuse a counter without a name: its counts could not be told from another's."""
    if not callable(getattr(counter, "count", None)):
        raise TokenizerError(f"a token counter has a name and count(text); a {type(counter).__name__} does not")
    name = getattr(counter, "name", None)
    if not isinstance(name, str) or not name:
        raise TokenizerError(f"token counter {type(counter).__name__} needs a name, not {name!r}")


def checked_count(counter: TokenCounter, text: str) -> int:
    """The tokens of *text*; TokenizerError if the counter raises, or returns something that is not a count."""
    try:
        count = counter.count(text)
    except TokenizerError:
        raise
    except Exception as exc:
        raise TokenizerError(f"token counter '{_name_of(counter)}' failed: {type(exc).__name__}: {exc}") from exc
    if type(count) is not int or count < 0:  # a bool is an int, and no count
        raise TokenizerError(f"token counter '{_name_of(counter)}' counted {count!r} tokens")
    return count


def _name_of(counter: TokenCounter) -> str:
    return str(getattr(counter, "name", type(counter).__name__))
