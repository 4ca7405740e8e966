"""Notes and blobs that somebody else wrote: what they do not say is not made up, and nothing but tract's errors comes of it."""

from __future__ import annotations

from typing import Any

import pytest
import zstandard

from tract.errors import ContentValidationError
from tract.history.priority import Priority, priority_of
from tract.messages import message_from_raw, render
from tract.tokens.usage import counted_tokens, estimated_tokens, usage_of
from tract.tokens.vocabularies import pack_tokens, unpack_ranks


@pytest.mark.parametrize(
    "body", [{}, {"gen_ai.usage.input_tokens": "9"}, {"gen_ai.usage.input_tokens": -1, "estimate": None}]
)
def test_a_usage_note_that_says_no_numbers_is_refused(body: dict[str, Any]) -> None:
    for read in (usage_of, counted_tokens, estimated_tokens):
        with pytest.raises(ContentValidationError):
            read(body)


@pytest.mark.parametrize("note", [{}, {"priority": "urgent"}, {"priority": []}])
def test_a_note_of_no_known_priority_says_nothing(note: dict[str, Any]) -> None:
    assert priority_of(note, {"content_type": "dialogue"}) is Priority.NORMAL
    assert priority_of(note, {"content_type": "instruction"}) is Priority.PINNED


@pytest.mark.parametrize("format", ["openai", "anthropic"])
def test_cache_marks_pass_over_types_and_roles_that_are_no_text(format: Any) -> None:
    raw = {"role": "user", "content": [{"type": [], "text": "x"}, {"type": {"a": 1}}]}
    odd = {"role": ["user"], "content": "x"}

    rendered = render([message_from_raw(raw, format), message_from_raw(odd, format)], format, "auto").value

    first, second = rendered if format == "openai" else rendered["messages"]
    assert raw["content"] == first["content"]
    assert ("user", "x") == (second["role"], second["content"][0]["text"])


@pytest.mark.parametrize("length", range(4, 12))
def test_a_vocabulary_that_is_cut_off_is_refused(length: int) -> None:
    packed = zstandard.ZstdDecompressor().decompress(pack_tokens([b"a", b"long" * 80, b"longer" * 80]))

    with pytest.raises(ValueError):
        unpack_ranks(zstandard.ZstdCompressor().compress(packed[:length]))
