"""Token counts: of a text, of a message, of a commit's content.

A message counts as OpenAI's cookbook does it for its chat models ("How to count tokens with tiktoken"):

      TOKENS_PER_MESSAGE
    + tokens of the role
    + tokens of each text of the content
    + tokens of the name + TOKENS_PER_NAME       if it has a name
    + IMAGE_TOKENS                               for each image

and a context is the sum of its messages + REPLY_PRIMING, once.

The texts of a message, in all three formats: text, refusals, thinking and summaries of it; of a tool's call its name and its arguments, as they stand or, when they are a map, as compact JSON with sorted keys; of a tool's result all its text.
Not counted: ids, signatures, encrypted content, cache marks.
Audio and files count only the text that stands beside or in them (a transcript, a plain-text document, a title): what a provider charges for the rest depends on seconds and pages, which cannot be seen without decoding it.
A block of an unknown type counts every string in it, but for base64 of over 1 KB.

What a provider counts for one of its own messages it alone knows; recorded usage takes precedence over these figures.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from tract.errors import TokenizerError
from tract.messages.message import Message
from tract.messages.values import json_or_text
from tract.objects.message_format import JSON
from tract.tokens.vocabularies import load_ranks

if TYPE_CHECKING:
    from tiktoken import Encoding

TOKENS_PER_MESSAGE = 3
TOKENS_PER_NAME = 1
REPLY_PRIMING = 3
"""What begins the model's answer; once for a context."""

IMAGE_TOKENS = 765
"""An image, whatever its size: 85 + 4 * 170, what OpenAI's documentation gives for 1024 x 1024 pixels in high detail."""


class TokenCounter(Protocol):
    """Counts the tokens of a text.

    ``name`` says how: counts are kept under it, so two counters that differ must differ in name (``tiktoken:o200k_base``).
    """

    @property
    def name(self) -> str: ...

    def count(self, text: str) -> int: ...


class TiktokenCounter:
    """Counts exactly what tiktoken's ``encode_ordinary`` gives: text that looks like a special token is text.

    The vocabulary comes with tract and is loaded at the first count, once in a process; that takes about 0.2 s.
    """

    def __init__(self, encoding: str = "o200k_base") -> None:
        if encoding not in _PATTERNS:
            raise TokenizerError(f"no tiktoken encoding named '{encoding}'; known are {', '.join(_PATTERNS)}")
        self._encoding = encoding

    @property
    def name(self) -> str:
        return f"tiktoken:{self._encoding}"

    def count(self, text: str) -> int:
        """The number of tokens; TokenizerError for a text with half a surrogate pair in it."""
        if not text.isascii():
            _check_unicode(text)
        if len(text) >= _LONG:
            return self._count_long(text)
        return len(_encoding(self._encoding).encode_ordinary(text))

    def _count_long(self, text: str) -> int:
        """The same, with long runs of blanks taken out of tiktoken's hands.

        Its regular expressions overflow on a million of blanks, and the library panics.
        Such a run is a piece of its own up to its last blank, which belongs to the word behind it; what stands before and after is split as if the run were not there.
        """
        encoding = _encoding(self._encoding)
        total = start = 0
        for run in re.finditer(_LONG_BLANKS[self._encoding], text):
            end = run.end() if run.end() == len(text) else run.end() - 1
            total += len(encoding.encode_ordinary(text[start : run.start()]))
            total += len(_encoding(self._encoding, r"\s+").encode_ordinary(text[run.start() : end]))
            start = end
        return total + len(encoding.encode_ordinary(text[start:]))


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

_LONG = 500_000
"""Characters; half of what makes tiktoken panic."""

# Unicode's White_Space without the two newlines; Python's \s has four control characters more.
_BLANKS = r"[\t\x0b\x0c \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"

# These patterns are compiled when they are first used: that takes 3 ms, and most commands count nothing.

# The first lookbehind keeps a run that does not match from being tried again at each of its blanks.
# A run before a newline, and for cl100k_base one at the end of the text, is split in another way that does not overflow.
_LONG_BLANKS = {
    "o200k_base": rf"(?<!{_BLANKS}){_BLANKS}{{{_LONG},}}+(?![\r\n])",
    "cl100k_base": rf"(?<!{_BLANKS}){_BLANKS}{{{_LONG},}}+(?![\r\n]|\Z)",
}

_encodings: dict[tuple[str, str], Encoding] = {}


def _encoding(name: str, pattern: str | None = None) -> Encoding:
    """The process's one encoding *name*, or that vocabulary with another *pattern* to split by."""
    key = (name, pattern or _PATTERNS[name])
    encoding = _encodings.get(key)
    if encoding is None:
        # Without a lock two threads may both load it at first, but then share the one that was quicker; and no fork can copy a held lock.
        encoding = _encodings.setdefault(key, _build(*key))
    return encoding


def _build(name: str, pattern: str) -> Encoding:
    from tiktoken import Encoding  # 20 ms, which commands that count nothing need not pay

    try:
        # No special tokens: encode_ordinary takes none.
        return Encoding(name, pat_str=pattern, mergeable_ranks=load_ranks(name), special_tokens={})
    except ValueError as exc:
        raise TokenizerError(f"tiktoken refuses encoding '{name}': {exc}") from exc


class NullTokenCounter:
    """Counts nothing: every text has 0 tokens."""

    @property
    def name(self) -> str:
        return "null"

    def count(self, text: str) -> int:  # a counter takes a text
        return 0


class EstimateTokenCounter:
    """Estimates what o200k_base would count, without a vocabulary.

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
    Half of those conversations' messages come out within 5 %, nineteen in twenty within 21 % (characters / 4: 22 % and 64 %).
    A single script can be off by 30 %: Vietnamese and Russian are overestimated, Hebrew underestimated.
    """

    @property
    def name(self) -> str:
        return "estimate"

    def count(self, text: str) -> int:
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
    """The counter a configuration names: a tiktoken encoding, ``estimate`` or ``null``; TokenizerError for another."""
    if encoding in _PATTERNS:
        return TiktokenCounter(encoding)
    if encoding == "estimate":
        return EstimateTokenCounter()
    if encoding == "null":
        return NullTokenCounter()
    raise TokenizerError(f"no tokenizer named {encoding!r}; known are {', '.join((*_PATTERNS, 'estimate', 'null'))}")


def check_counter(counter: TokenCounter) -> None:
    """Refuse a counter whose counts could not be kept apart from others', for want of a name."""
    name = getattr(counter, "name", None)
    if not isinstance(name, str) or not name:
        raise TokenizerError(f"token counter {type(counter).__name__} needs a name, not {name!r}")


def checked_count(counter: TokenCounter, text: str) -> int:
    """The tokens of *text*; TokenizerError when the counter raises or answers with what is no count."""
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


def count_message(counter: TokenCounter, message: Message) -> int:
    """The tokens of *message* in a context, its framing included (the formula is at the top of this module)."""
    total = TOKENS_PER_MESSAGE + checked_count(counter, message.role)
    # On a function call ``name`` is the function's, and among its texts.
    if message.name and message.raw.get("type", "message") == "message":
        total += TOKENS_PER_NAME + checked_count(counter, message.name)
    for piece in _message_pieces(message.raw):
        total += piece if isinstance(piece, int) else checked_count(counter, piece)
    return total


def message_texts(message: Message) -> list[str]:
    """The texts of *message* that a model reads, in order; neither role nor name."""
    return _only_texts(_message_pieces(message.raw))


def content_text(content: Any) -> str:
    """The plain text of *content*, of a built-in or a registered type; what ``CommitInfo.token_count`` counts.

    Texts of a content that has several stand on lines of their own; images are not in it.
    """
    return "\n".join(_content_texts(content))


def _content_texts(content: Any) -> Iterable[str]:
    # Whoever has a content has loaded its class; who has none need not load them.
    from tract.objects.content import (
        ArtifactContent,
        FreeformContent,
        MessageContent,
        SessionContent,
        ToolIOContent,
        to_value,
    )

    match content:
        case MessageContent():
            return _only_texts(_message_pieces(content.message))
        case ToolIOContent(direction="call"):
            return (content.tool_name, json_or_text(content.payload))
        case ToolIOContent():
            return (json_or_text(content.payload),)
        case ArtifactContent():
            return (content.content,)
        case FreeformContent():
            return (json_or_text(content.payload),)
        case SessionContent():
            return (content.summary, *content.decisions, *content.failed_approaches, *content.next_steps)
    text = getattr(content, "text", None)
    if isinstance(text, str):
        return (text,)
    value = to_value(content, {content.content_type: type(content)})
    del value["content_type"]
    return _only_texts(_all_strings(value))


_Piece: TypeAlias = str | int
"""A text, or the tokens of something that is none."""


def _only_texts(pieces: Iterable[_Piece]) -> list[str]:
    return [piece for piece in pieces if isinstance(piece, str)]


def _message_pieces(raw: Mapping[str, JSON]) -> Iterator[_Piece]:
    """What counts in a message or item of any of the three formats."""
    if raw.get("type", "message") != "message":  # an item of the Responses API that is no message
        yield from _block_pieces(raw)
        return
    for key in ("reasoning_content", "reasoning"):  # what hosts of open models add to a chat message
        if isinstance(raw.get(key), str):
            yield raw[key]
    yield from _pieces(raw.get("content"))
    yield from _pieces(raw.get("refusal"))
    audio = raw.get("audio")
    if isinstance(audio, Mapping):
        yield from _pieces(audio.get("transcript"))
    calls = raw.get("tool_calls")
    for call in calls if isinstance(calls, list | tuple) else ():
        yield from _chat_call_pieces(call)
    if isinstance(raw.get("function_call"), Mapping):
        yield from _call_pieces(raw["function_call"])


def _chat_call_pieces(call: JSON) -> Iterator[_Piece]:
    inner = (call.get("function") or call.get("custom")) if isinstance(call, Mapping) else None
    if isinstance(inner, Mapping):
        yield from _call_pieces(inner)
    else:
        yield from _all_strings(call)


def _pieces(content: JSON) -> Iterator[_Piece]:
    """What counts in a message's content: a string, a block, or a list of either."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list | tuple):
        for part in content:
            yield from _pieces(part)
    elif isinstance(content, Mapping):
        yield from _block_pieces(content)
    elif content is not None:
        yield json_or_text(content)


def _block_pieces(block: Mapping[str, JSON]) -> Iterator[_Piece]:
    kind = block.get("type")
    return _READERS.get(kind if isinstance(kind, str) else "", _all_strings)(block)


def _call_pieces(call: Mapping[str, JSON]) -> Iterator[_Piece]:
    """A tool's call: its name, and its arguments under whichever key the format has them."""
    yield from _pieces(call.get("name"))
    for key in ("arguments", "input"):
        if key in call:
            yield json_or_text(call[key])


def _reasoning_pieces(item: Mapping[str, JSON]) -> Iterator[_Piece]:
    yield from _pieces(item.get("summary"))
    yield from _pieces(item.get("content"))


def _document_pieces(block: Mapping[str, JSON]) -> Iterator[_Piece]:
    yield from _pieces(block.get("title"))
    yield from _pieces(block.get("context"))
    source = block.get("source")
    if isinstance(source, Mapping) and source.get("type") == "text":
        yield from _pieces(source.get("data"))
    elif isinstance(source, Mapping) and source.get("type") == "content":
        yield from _pieces(source.get("content"))


def _image_pieces(_block: Mapping[str, JSON]) -> Iterator[_Piece]:
    yield IMAGE_TOKENS


def _nothing(_block: Mapping[str, JSON]) -> Iterator[_Piece]:
    return iter(())


def _at(key: str) -> Callable[[Mapping[str, JSON]], Iterator[_Piece]]:
    """A reader of the blocks whose text stands under *key*."""
    return lambda block: _pieces(block.get(key))


_READERS: dict[str, Callable[[Mapping[str, JSON]], Iterator[_Piece]]] = {
    **dict.fromkeys(("text", "input_text", "output_text", "summary_text", "reasoning_text"), _at("text")),
    **dict.fromkeys(("tool_use", "server_tool_use", "mcp_tool_use", "function_call", "custom_tool_call"), _call_pieces),
    **dict.fromkeys(("tool_result", "mcp_tool_result"), _at("content")),
    **dict.fromkeys(("function_call_output", "custom_tool_call_output", "computer_call_output"), _at("output")),
    **dict.fromkeys(("image_url", "input_image", "image", "computer_screenshot"), _image_pieces),
    **dict.fromkeys(("input_audio", "audio", "file", "input_file", "redacted_thinking", "item_reference"), _nothing),
    "refusal": _at("refusal"),
    "thinking": _at("thinking"),
    "reasoning": _reasoning_pieces,
    "document": _document_pieces,
    "message": _at("content"),
}

_NO_TEXT = frozenset(
    (
        *("type", "id", "call_id", "tool_use_id", "tool_call_id", "item_id", "file_id", "container_id"),
        *("signature", "encrypted_content", "encrypted_index", "cache_control", "status"),
    )
)
"""Keys of a block whose values no model reads as text."""

_BASE64 = r"(?:data:[^,]{0,200},)?[A-Za-z0-9+/_\-\s]+={0,2}\s*"
_BASE64_FROM = 1024


def _all_strings(value: JSON) -> Iterator[_Piece]:
    """Every string in *value* but ids, signatures and long base64; a block known by its type is read as that type is."""
    if isinstance(value, str):
        if not _is_base64(value):
            yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key not in _NO_TEXT:
                yield from _inner_strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _inner_strings(item)


def _inner_strings(value: JSON) -> Iterator[_Piece]:
    known = isinstance(value, Mapping) and isinstance(value.get("type"), str) and value["type"] in _READERS
    yield from _block_pieces(value) if known else _all_strings(value)


def _is_base64(text: str) -> bool:
    """Whether *text* looks like data: over 1 KB of base64's alphabet in lines, not words."""
    if len(text) <= _BASE64_FROM or not re.fullmatch(_BASE64, text):
        return False
    head = text[:_BASE64_FROM]
    return len(head.split()) <= _BASE64_FROM // 60 + 1
