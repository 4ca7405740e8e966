"""What cannot be read is named with its place; the rest is read; nothing crashes."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tract.adapters.transcripts import FORMATS, Reading, read_transcript, unpacking
from tract.errors import ImportFormatError

USER = b'{"role": "user", "content": "hi"}'
DATA = Path(__file__).parents[1] / "data" / "transcripts"


def read_bytes(tmp_path: Path, data: bytes, name: str = "chat.json", format: str | None = None) -> Reading:
    path = tmp_path / name
    path.write_bytes(data)
    return read_transcript(path, format=format)


def texts(reading: Reading) -> list[str]:
    return [t.message["content"] for c in reading.conversations for b in c.branches for t in b.turns]


def problems(reading: Reading) -> list[tuple[int | None, str]]:
    return [(p.line, p.detail) for p in reading.problems]


@pytest.mark.parametrize("data", [b"", b" \n\r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_a_problem(tmp_path, data):
    reading = read_bytes(tmp_path, data)

    assert (reading.conversations, reading.format) == ((), "unknown")
    assert problems(reading) == [(None, "the file is empty")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"[]", (None, "no conversation in it")),
        (b"{}", (None, "no conversation in it")),
        (b'{"messages": []}', (None, "messages: no message in it")),
    ],
)
def test_no_conversation_is_a_problem(tmp_path, data, expected):
    assert problems(read_bytes(tmp_path, data)) == [expected]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"interactions:\n- request:\n", "text that begins 'interactions:'"),
        (b"\x89PNG\r\n\x1a\n\0\0", "text that begins '\\ufffdPNG'"),
        (b'{"question_id": 1}\n{"question_id": 2}\n', "an object with the keys 'question_id'"),
        (b'{"messages": [{"type": "gemini", "content": "hi"}]}', "an object with the keys 'messages'"),
        (b"[1, 2]", "a list of 2, first a number"),
        (
            b'{"instruction": "x", "input": "y", "result": "z"}',
            "an object with the keys 'instruction', 'input', 'result'",
        ),
        (b"42", "text that begins '42'"),
    ],
)
def test_a_file_that_is_no_conversation_is_an_error_that_says_what_was_found(tmp_path, data, found):
    with pytest.raises(ImportFormatError) as caught:
        read_bytes(tmp_path, data)

    assert str(caught.value) == f"'{tmp_path / 'chat.json'}' is not a conversation that tract can read: found {found}"


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ImportFormatError, match="no such file or directory"):
        read_transcript(tmp_path / "none.json")


def test_an_unknown_format_is_an_error(tmp_path):
    with pytest.raises(ImportFormatError, match="unknown format 'yaml'; known are openai"):
        read_bytes(tmp_path, b"[" + USER + b"]", format="yaml")


def test_a_damaged_document_is_refused_with_line_and_column_and_the_formats(tmp_path):
    with pytest.raises(ImportFormatError, match="found text that is not JSON at column 9: expecting ':'") as caught:
        read_bytes(tmp_path, b'{"messages": [\n' + USER + b',\n{"role" "user"}\n]}')

    assert (3, FORMATS) == (caught.value.line, caught.value.formats)
    assert 1 == str(caught.value).count(str(tmp_path))


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (b'{"role": "user", "con', "not JSON at column 18: unterminated string starting at"),
        (b"so it goes", "not JSON at column 1: expecting value"),
        (b"[" * 100_000, "nested too deeply"),
        (b"12", "neither a message nor a conversation: a number"),
        (b'{"note": 1}', "neither a message nor a conversation: an object with the keys 'note'"),
    ],
)
@pytest.mark.parametrize("position", [0, 1])
def test_a_damaged_line_is_a_problem_and_the_rest_is_read(tmp_path, line, detail, position):
    lines = [USER, USER, USER]
    lines.insert(position, line)

    reading = read_bytes(tmp_path, b"\n".join(lines), "chat.jsonl")

    assert texts(reading) == ["hi", "hi", "hi"]
    assert problems(reading) == [(position + 1, detail)]


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        (b"7", "a message must be an object, found a number"),
        (b"null", "a message must be an object, found null"),
        (b'{"role": 7, "content": "x"}', "'role' must be a text, found a number"),
        (b'{"content": "x"}', "'role' must be a text, found nothing"),
        (b'{"role": "user", "content": 7}', "'content' must be a text or a list of objects, found a number"),
        (b'{"role": "user", "content": ["x"]}', "'content' must be a text or a list of objects, found a list"),
        (b'{"role": "assistant", "tool_calls": {}}', "'tool_calls' must be a list of objects, found an object"),
        (
            b'{"role": "user", "content": "x", "p": ' + b"[" * 300 + b"]" * 300 + b"}",
            "nested more than 200 levels deep",
        ),
    ],
)
def test_a_bad_message_is_a_problem_that_names_its_place_and_the_rest_is_read(tmp_path, message, detail):
    reading = read_bytes(tmp_path, b'{"messages": [' + USER + b"," + message + b"," + USER + b"]}")

    assert texts(reading) == ["hi", "hi"]
    assert problems(reading) == [(1, f"messages[1]: {detail}")]


@pytest.mark.parametrize(
    ("message", "kept", "detail"),
    [
        (b'{"role": "user", "content": "x", "p": NaN}', {"p": "NaN"}, ".p: NaN is not a JSON number; the text 'NaN' replaces it"),
        (b'{"role": "user", "content": "x", "p": [-Infinity]}', {"p": ["-Infinity"]}, ".p[0]: -Infinity is not a JSON number; the text '-Infinity' replaces it"),
        (b'{"role": "user", "content": "x", "p": 1e999}', {"p": "1e999"}, ".p: a number too large for a float; the text '1e999' replaces it"),
        (b'{"role": "user", "content": "x", "p": 18446744073709551616}', {"p": "18446744073709551616"}, ".p: an integer of more than 64 bits; the text '18446744073709551616' replaces it"),
        (b'{"role": "user", "content": "x\\ud83dy"}', {"content": "x\ufffdy"}, ".content: half a surrogate pair in a text; U+FFFD replaces it"),
        (b'{"role": "user", "content": "x", "\\ude00": 1}', {"\ufffd": 1}, ": half a surrogate pair in a text; U+FFFD replaces it"),
        (b'{"role": "user", "content": "y", "content": "x"}', {}, ": the key 'content' twice in one object; the last one was kept"),
    ],
)  # fmt: skip
def test_half_an_emoji_or_a_bad_number_costs_itself_only(tmp_path, message, kept, detail):
    reading = read_bytes(tmp_path, b'{"messages": [' + USER + b"," + message + b"]}")

    assert reading.conversations[0].branches[0].turns[1].message == {"role": "user", "content": "x"} | kept
    assert problems(reading) == [(1, f"messages[1]{detail}")]


def test_a_key_twice_in_a_line_costs_the_first(tmp_path):
    reading = read_bytes(tmp_path, USER + b'\n{"role": "tool", "role": "user", "content": "x"}', "chat.jsonl")

    assert texts(reading) == ["hi", "x"]
    assert problems(reading) == [(2, "the key 'role' twice in one object; the last one was kept")]


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b'[{"name": "Ada", "role": "admin"}]', "found a list of 1, first an object with the keys 'name', 'role'"),
        (b'[{"name": "Ada", "role": "user"}]', "found a list of 1, first an object with the keys 'name', 'role'"),
        (b'[{"role": "admin", "content": "x"}]', "found a list of 1, first an object with the keys 'role', 'content'"),
    ],
)
def test_a_role_alone_makes_no_message(tmp_path, data, detail):
    with pytest.raises(ImportFormatError) as caught:
        read_bytes(tmp_path, data)

    assert caught.value.detail.endswith(detail)
    assert "claude-code" in caught.value.formats


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        (b'{"role": "boss", "content": "x"}', "'role' is 'boss', which is none of assistant, developer, function, system, tool, user"),
        (b'{"role": "user", "name": "Bo"}', "there is no content, tool call, refusal or audio in it (keys: 'role', 'name')"),
        (b'{"role": "user", "content": [{"type": "text", "words": "x"}]}', "'content[0]' is of type 'text' and has no text (keys: 'type', 'words')"),
        (b'{"role": "user", "content": [{"value": "x"}]}', "'content[0]' has no type (keys: 'value')"),
    ],
)  # fmt: skip
def test_a_message_whose_words_are_elsewhere_is_refused(tmp_path, message, detail):
    reading = read_bytes(tmp_path, b"[" + USER + b"," + message + b"]")

    assert texts(reading) == ["hi"]
    assert problems(reading) == [(1, f"[1]: {detail}")]


def test_a_part_of_an_unknown_type_is_kept_and_told(tmp_path):
    reading = read_bytes(tmp_path, b'[{"role": "user", "content": [{"type": "smell", "of": "tea"}]}]')

    assert texts(reading) == [[{"type": "smell", "of": "tea"}]]
    assert reading.problems == ()
    assert [note.detail for note in reading.notes] == [
        "[0]: a part of type 'smell', which tract does not know, is kept as it is"
    ]


def test_where_messages_are_after_all_is_said(tmp_path):
    with pytest.raises(ImportFormatError) as caught:
        read_bytes(tmp_path, b'{"run": {"turns": [' + USER + b"]}}")

    assert caught.value.likely_key == "run.turns"


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_compressed_file_is_read(tmp_path, pack):
    assert texts(read_bytes(tmp_path, pack(USER + b"\n" + USER), "chat.jsonl.packed")) == ["hi", "hi"]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_compressed_file_that_was_cut_off_is_an_error(tmp_path, pack):
    with pytest.raises(ImportFormatError, match="is compressed and damaged"):
        read_bytes(tmp_path, pack(USER * 100)[:-6], "chat.jsonl.packed")


def test_a_bad_conversation_is_a_problem_and_the_others_are_read(tmp_path):
    reading = read_bytes(tmp_path, b'[{"messages": [' + USER + b']}, {"note": 1}, 5, [' + USER + b"]]")

    assert texts(reading) == ["hi", "hi"]
    assert problems(reading) == [
        (1, "[1]: neither a message nor a conversation: an object with the keys 'note'"),
        (1, "[2]: neither a message nor a conversation: a number"),
    ]


def test_what_is_bad_beside_the_messages_costs_only_itself(tmp_path):
    reading = read_bytes(tmp_path, b'{"messages": [' + USER + b'], "reward": NaN, "id": 3}')

    assert reading.conversations[0].metadata == {"reward": "NaN", "id": 3}
    assert problems(reading) == [(None, "reward: NaN is not a JSON number; the text 'NaN' replaces it")]


@pytest.mark.parametrize("name", ["chat.json", "chat.jsonl"])
def test_bytes_that_are_no_utf_8_cost_themselves_only(tmp_path, name):
    lines = [USER, b'{"role": "user", "content": "half: \xf0\x9f."}', USER]
    data = b"\n".join(lines) if name.endswith("l") else b"[" + b",\n".join(lines) + b"]"

    reading = read_bytes(tmp_path, data, name)

    assert texts(reading) == ["hi", "half: \ufffd.", "hi"]
    (problem,) = reading.problems
    assert problem.detail.startswith("not UTF-8 at byte ")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_as_powershell_writes_it_is_read(tmp_path, encoding):
    text = "\ufeff" + '{"role": "user", "content": "caf\u00e9 \U0001f600"}\r\n' * 2

    reading = read_bytes(tmp_path, text.encode(encoding), "chat.jsonl")

    assert ["caf\u00e9 \U0001f600"] * 2 == texts(reading)
    assert () == reading.problems


@pytest.mark.parametrize("depth", [1_000_000, 3_000_000])
def test_a_nesting_bomb_is_refused(tmp_path, depth):
    with pytest.raises(ImportFormatError, match="found text that is nested too deeply"):
        read_bytes(tmp_path, b"[" * depth)


def test_a_compressed_file_that_holds_far_more_than_its_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "_USUAL", 1 << 20)
    path = tmp_path / "chat.jsonl.gz"
    path.write_bytes(gzip.compress(b"[" * (4 << 20)))

    with pytest.raises(ImportFormatError, match="is compressed, and holds more than 1 MiB"):
        read_transcript(path)


@pytest.mark.parametrize("is_folder", [False, True])
def test_what_cannot_be_read_is_named_once(tmp_path, is_folder):
    path = tmp_path / "chat.json"
    if is_folder:
        path.mkdir()

    with pytest.raises(ImportFormatError, match="it cannot be read: ") as caught:
        read_transcript(path)

    assert 1 == str(caught.value).count(str(path))
    assert str(path) not in caught.value.detail


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_byte_order_mark_and_both_line_ends_are_taken(tmp_path, end):
    reading = read_bytes(tmp_path, b"\xef\xbb\xbf" + USER + end + end + USER + end, "chat.jsonl")

    assert texts(reading) == ["hi", "hi"]
    assert reading.problems == ()


def test_a_huge_line_is_read(tmp_path):
    line = json.dumps({"role": "user", "content": "x" * 20_000_000}).encode()

    assert [len(text) for text in texts(read_bytes(tmp_path, line + b"\n" + USER, "chat.jsonl"))] == [20_000_000, 2]


def test_the_largest_integers_are_kept(tmp_path):
    line = b'{"role": "user", "content": "x", "seed": [18446744073709551615, -9223372036854775808]}'

    (turn,) = read_bytes(tmp_path, line).conversations[0].branches[0].turns

    assert turn.message["seed"] == [2**64 - 1, -(2**63)]


def test_a_transcript_cut_off_in_its_last_line_is_read_to_there():
    reading = read_transcript(DATA / "cut-off.jsonl")

    assert texts(reading) == ["Is the harbour open?", [{"type": "text", "text": "Until dusk."}]]
    assert problems(reading) == [(3, "not JSON at column 102: unterminated string starting at")]


@given(st.binary(max_size=200) | st.lists(st.sampled_from([b"{", b"}", b"[", b"]", b'"role"', b":", b",", b'"x"', b"\n", b"1", b'"messages"', b'"type"', b'"parentUuid"', b'"user"', b'"message"']), max_size=40).map(b"".join))  # fmt: skip
def test_no_bytes_crash_the_reader(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(data)
    try:
        reading = read_transcript(path)
    except ImportFormatError:
        return
    assert reading.conversations or reading.problems


def test_a_history_of_aiders_with_bytes_that_are_no_utf_8_says_so_and_keeps_other_line_ends(tmp_path):
    data = b"\n# aider chat started at 2026-01-01 10:00:00\n\n#### fix\xe2\x80\xa8it \xff\n\nDone.\n"

    reading = read_bytes(tmp_path, data, ".aider.chat.history.md")

    assert [(4, "not UTF-8 at byte 61; the bytes that are not UTF-8 were replaced by U+FFFD")] == problems(reading)
    assert ["fix\u2028it \ufffd", "Done."] == texts(reading)


def test_a_document_that_is_named_as_a_format_of_lines_is_one_problem(tmp_path):
    document = json.dumps({"messages": [{"role": "user", "content": "hi"}]}, indent=2)

    reading = read_bytes(tmp_path, document.encode(), format="codex")

    assert (reading.conversations, [detail for _, detail in problems(reading)]) == (
        (),
        ["no record of a rollout: an object with the keys 'messages'"],
    )


def fed(path: Path, data: Iterator[bytes]) -> threading.Thread:
    """A pipe at *path*, and who writes *data* into it as long as somebody reads."""
    os.mkfifo(path)

    def feed() -> None:
        with suppress(BrokenPipeError), path.open("wb") as pipe:
            pipe.writelines(data)

    thread = threading.Thread(target=feed)
    thread.start()
    return thread


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_pipe_is_read_as_a_file_is(tmp_path: Path, pack: Any) -> None:
    text = b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}'
    feeding = fed(tmp_path / "pipe", iter([pack(text)]))

    reading = read_transcript(tmp_path / "pipe")

    feeding.join()
    assert ([2], ()) == ([len(one.branches[0].turns) for one in reading.conversations], reading.problems)


def test_what_never_ends_is_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_MOST_PIPED", 4 << 20)
    feeding = fed(tmp_path / "pipe", itertools.repeat(b"{" * 65536))

    with pytest.raises(ImportFormatError, match="has more than 4 MiB, the limit for input that is not a file"):
        read_transcript(tmp_path / "pipe")

    feeding.join()


def test_of_problems_of_one_kind_a_thousand_are_told_and_the_rest_are_counted(tmp_path: Path) -> None:
    said = {"role": "user", "content": "hi"}
    document = {"messages": [said, *range(1500), *([] for _ in range(3)), said]}

    found = problems(reading := read_bytes(tmp_path, json.dumps(document).encode()))

    assert ["hi", "hi"] == texts(reading)
    assert [f"messages[{n}]: a message must be an object, found a number" for n in range(1, 1001)] == [
        detail for _, detail in found[:1000]
    ]
    assert [
        *((1, f"messages[{n}]: a message must be an object, found a list") for n in range(1501, 1504)),
        (None, "500 more like this: messages…: a message must be an object, found a number"),
    ] == found[1000:]


def test_problems_of_many_conversations_are_counted_together(tmp_path: Path) -> None:
    document = [{"messages": [{"role": "user", "content": "hi"}, n]} for n in range(1200)]

    found = problems(reading := read_bytes(tmp_path, json.dumps(document).encode()))

    assert 1200 == len(texts(reading))
    assert 1001 == len(found)
    assert (None, "200 more like this: ….messages…: a message must be an object, found a number") == found[-1]
