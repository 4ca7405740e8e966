"""Pictures and files cost what their providers publish, and what is estimated is said."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from tests.making import Words, make_tract
from tract import ReasoningContent
from tract.messages.message import message_from_raw
from tract.objects.message_format import MessageFormat
from tract.tokens.counted import TOKENS_PER_MESSAGE, count_media, count_message


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(40)


def jpeg(width: int, height: int) -> bytes:
    exif = b"\xff\xe1" + struct.pack(">H", 2002) + bytes(2000)
    return b"\xff\xd8" + exif + b"\xff\xc2" + struct.pack(">HBHH", 17, 8, height, width) + bytes(40)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(40)


def webp(kind: bytes, width: int, height: int) -> bytes:
    sizes = {
        b"VP8X": bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"),
        b"VP8 ": bytes(6) + struct.pack("<HH", width, height),
        b"VP8L": b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14),
    }
    return b"RIFF" + bytes(4) + b"WEBP" + kind + bytes(4) + sizes[kind] + bytes(40)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def tokens(block: dict[str, Any], format: MessageFormat = "openai") -> int:
    message = message_from_raw({"role": "user", "content": [block]}, format)
    assert 1 == count_media(message)
    return count_message(Words(), message) - TOKENS_PER_MESSAGE - 1


def openai(data: bytes | str, **more: str) -> dict[str, Any]:
    url = data if isinstance(data, str) else f"data:image/png;base64,{text(data)}"
    return {"type": "image_url", "image_url": {"url": url, **more}}


def anthropic(data: bytes) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": text(data)}}


@pytest.mark.parametrize(
    ("size", "detail", "expected"),
    [
        ((1024, 1024), "high", 765),  # the examples of OpenAI's documentation
        ((2048, 4096), "high", 1105),
        ((4096, 8192), "low", 85),
        ((100, 100), "auto", 255),
        ((512, 513), "auto", 425),
    ],
)
def test_a_picture_for_openai_is_tiles(size, detail, expected):
    assert expected == tokens(openai(png(*size), detail=detail))
    item = {"type": "input_image", "detail": detail, "image_url": f"data:image/png;base64,{text(png(*size))}"}
    assert expected == tokens(item, "responses")


@pytest.mark.parametrize(
    ("size", "expected"),
    [((200, 200), 54), ((1000, 1000), 1334), ((1092, 1092), 1590), ((4000, 3000), 1600), ((8000, 100), 41)],
)
def test_a_picture_for_anthropic_is_its_pixels(size, expected):
    assert expected == tokens(anthropic(png(*size)), "anthropic")


@pytest.mark.parametrize(
    "data",
    [jpeg(300, 200), gif(300, 200), webp(b"VP8X", 300, 200), webp(b"VP8 ", 300, 200), webp(b"VP8L", 300, 200)],
    ids=["jpeg", "gif", "webp", "webp lossy", "webp lossless"],
)
def test_sizes_of_all_kinds_are_seen(data):
    assert 80 == tokens(anthropic(data), "anthropic")
    assert tokens(openai(png(300, 200))) == tokens(openai(data))


@pytest.mark.parametrize(
    "data", [b"", b"x", b"\x89PNG", png(0, 9)[:20], jpeg(1, 1)[:30], b"\xff\xd8\xff\xff\xff" + bytes(20)]
)
def test_what_is_no_picture_counts_as_one_that_nobody_can_see(data):
    assert (765, 1600) == (tokens(openai(data)), tokens(anthropic(data), "anthropic"))


def test_what_lies_elsewhere_counts_as_one_that_nobody_can_see():
    assert 765 == tokens(openai("https://example.org/a.png"))
    assert 1600 == tokens({"type": "image", "source": {"type": "url", "url": "u"}}, "anthropic")


PDF = b"%PDF-1.7 << /Type /Pages /Count 2 >> << /Type /Page >> <</Type/Page/Parent 1 0 R>>"


@pytest.mark.parametrize(
    ("block", "format", "expected"),
    [
        ({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": text(PDF)}}, "anthropic", 4500),
        ({"type": "file", "file": {"file_data": f"data:application/pdf;base64,{text(PDF)}", "filename": "a"}}, "openai", 4500),
        ({"type": "input_file", "file_data": f"data:application/pdf;base64,{text(b'%PDF-1.7')}"}, "responses", 2250),
        ({"type": "file", "file": {"file_id": "file-1"}}, "openai", 0),
        ({"type": "document", "source": {"type": "file", "file_id": "file-1"}}, "anthropic", 0),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "openai", 0),
    ],
)  # fmt: skip
def test_a_pdf_costs_by_its_pages(block, format, expected):
    assert expected == tokens(block, format)


def test_the_source_says_how_many_are_estimated(tmp_path):
    with make_tract("hi", path=tmp_path) as t:
        assert "words" == t.compile().token_source
        t.commit({"role": "user", "content": [openai(png(9, 9)), openai(png(9, 9))]})
        before = t.compile()
        t.commit({"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]})
        expected = "words, 3 pictures or files estimated"
        assert "words, 2 pictures or files estimated" == before.token_source
        assert expected == t.compile().token_source == t.status().token_source
        total = t.compile().token_count
    with make_tract(path=tmp_path) as t:
        assert (total, expected) == (t.status().token_count, t.status().token_source)
        t.annotate("HEAD", "skip")
        assert "words, 2 pictures or files estimated" == t.compile().token_source == t.status().token_source


def test_what_is_not_sent_counts_nothing():
    t = make_tract("hi")
    before = t.compile().token_count
    t.commit(ReasoningContent("a long thought of many words"))
    assert before == t.compile().token_count
    thought = {"type": "thinking", "thinking": "a long thought of many words"}
    words = {"type": "text", "text": "so"}
    t.extend([{"role": "assistant", "content": [thought, words]}], format="anthropic")
    assert before + 5 == t.compile().token_count
    t.extend([{"role": "assistant", "content": [{**thought, "signature": "s"}, words]}], format="anthropic")
    assert before + 5 + 11 == t.compile().token_count


def test_zeros_count_for_nothing():
    t = make_tract("a")
    t.assistant("b", usage={"input_tokens": 100, "output_tokens": 3})
    t.user("c")
    t.assistant("no answer came", usage={"input_tokens": 0, "output_tokens": 0})

    assert "api:103+12" == t.compile().token_source == t.status().token_source


def test_usage_of_what_was_compressed_since_counts_no_more():
    t = make_tract("a a a a a a", "b b b b b b")
    t.assistant("c", usage={"input_tokens": 1000, "output_tokens": 3})
    t.compress(content="short", to_commit="HEAD~1")

    assert "words" == t.compile().token_source == t.status().token_source
    t.user("d")
    assert "words" == t.compile().token_source
    t.assistant("e", usage={"input_tokens": 50, "output_tokens": 3})
    assert "api:53+0" == t.compile().token_source
    assert "api:1003+0" == t.compile(at_commit="HEAD~3").token_source


def test_usage_counts_for_what_the_provider_saw_and_not_for_what_others_said_meanwhile(tmp_path):
    t = make_tract("one", path=tmp_path, on_moved="append")
    t.compile()
    with make_tract(path=tmp_path) as other:
        other.user("five words that nobody saw")
    t.assistant("x", usage={"input_tokens": 100, "output_tokens": 5})

    assert "api:105+9" == t.compile().token_source == t.status().token_source


def test_usage_counts_for_a_message_that_was_hidden_while_the_model_answered():
    t = make_tract("one", "four words to hide")
    t.compile()
    t.annotate("HEAD", "skip")
    t.assistant("x", usage={"input_tokens": 100, "output_tokens": 5})

    assert "api:105-8" == t.compile().token_source


def test_usage_counts_for_what_was_said_since_somebody_looked():
    t = make_tract("one")
    t.compile()
    t.user("two")
    t.assistant("x", usage={"input_tokens": 100, "output_tokens": 5})

    assert "api:105+0" == t.compile().token_source


def test_pictures_that_a_provider_counted_are_no_estimates():
    t = make_tract()
    t.commit({"role": "user", "content": [openai(png(9, 9))]})
    t.assistant("x", usage={"input_tokens": 300, "output_tokens": 5})
    assert "api:305+0" == t.compile().token_source == t.status().token_source
    t.commit({"role": "user", "content": [openai(png(9, 9))]})
    expected = "api:305+259, 1 picture or file estimated"
    assert expected == t.compile().token_source == t.status().token_source
