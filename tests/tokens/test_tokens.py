"""Counting tokens: the packed vocabularies, the counters, and what of a message counts."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import ClassVar

import pytest
import tiktoken
import tiktoken_ext.openai_public
from hypothesis import given
from hypothesis import strategies as st

from tests.making import Words
from tract.errors import TokenizerError
from tract.messages.message import Message
from tract.objects.content import (
    ArtifactContent,
    DialogueContent,
    FreeformContent,
    MessageContent,
    SessionContent,
    ToolIOContent,
)
from tract.tokens.counted import (
    TOKENS_PER_MESSAGE,
    TOKENS_PER_NAME,
    content_text,
    count_message,
    message_texts,
)
from tract.tokens.counter import EstimateTokenCounter, NullTokenCounter, TiktokenCounter, checked_count, counter_named
from tract.tokens.vocabularies import (
    OFFICIAL_SHA256,
    load_ranks,
    official_sha256,
    official_text,
    pack_tokens,
    unpack_ranks,
)

ENCODINGS = sorted(OFFICIAL_SHA256)

TEXTS = (
    "",
    " ",
    "hello world",
    "It's the dogs' dinner; THEY'LL not've eaten",
    "def f(x):\n    return x ** 2  # squared\n\n\n\tprint(f(3))\r\n",
    "1234567890 and 3.14159",
    "Übergrößenträger, naïve façade",
    "版本控制系统 バージョン管理 버전 관리",
    "Система контроля версий",
    "👩‍👩‍👧‍👦 🎉 e\u0301",
    "<|endoftext|> <|endofprompt|><|fim_prefix|>",
    "x" + " " * 300 + "\n" * 40 + "\t\t y",
    "\x00\x1c\x7f\ufeff\ufffd",
    "A" * 20_000,
)


class Answers:
    """A counter that answers *answer* to everything, or raises it."""

    name = "answers"

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def count(self, text: str) -> int:  # a counter takes a text
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]  # the point of this counter


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tiktoken.Encoding]:
    """tiktoken's own encodings, by its own loader, from a cache folder with the official files."""
    folder = tmp_path_factory.mktemp("tiktoken")
    names = {
        "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
        "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
        for name, cached in names.items():
            (folder / cached).write_bytes(official_text(name))
        return {name: tiktoken.Encoding(**tiktoken_ext.openai_public.ENCODING_CONSTRUCTORS[name]()) for name in names}


def message(raw: dict[str, object], format: str = "openai", *, role: str | None = None) -> Message:
    """*raw* as a compiled message."""
    name = raw.get("name")
    return Message(role or str(raw["role"]), raw.get("content"), name, format=format, raw=raw)  # type: ignore[arg-type]


# The vocabularies


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_packed_vocabulary_rebuilds_the_official_file(name: str) -> None:
    assert OFFICIAL_SHA256[name] == official_sha256(name)


@pytest.mark.parametrize(("name", "count"), [("cl100k_base", 100_256), ("o200k_base", 199_998)])
def test_ranks_run_from_zero_without_a_gap(name: str, count: int) -> None:
    assert list(range(count)) == list(load_ranks(name).values())


@given(st.lists(st.binary(min_size=1, max_size=400), unique=True))
def test_packed_tokens_come_back_with_their_places(tokens: list[bytes]) -> None:
    assert {token: place for place, token in enumerate(tokens)} == unpack_ranks(pack_tokens(tokens))


def test_a_token_of_more_than_255_bytes_is_packed_too() -> None:
    tokens = [b"a", b"b" * 255, b"c" * 256, b"d", b"e" * 70_000]

    assert tokens == list(unpack_ranks(pack_tokens(tokens)))


@pytest.mark.parametrize(
    "damage", [lambda d: d[:-1], lambda d: d[:100], lambda _: b"", lambda d: d[:40] + b"\0" + d[41:]]
)
def test_a_damaged_vocabulary_is_refused(damage) -> None:  # type: ignore[no-untyped-def]
    data = pack_tokens([bytes([i, j]) for i in range(50) for j in range(i)])

    with pytest.raises(ValueError, match="not a packed vocabulary"):
        unpack_ranks(damage(data))


def test_a_vocabulary_with_one_token_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="3 tokens are promised, 2 different ones found"):
        unpack_ranks(pack_tokens([b"a", b"b", b"a"]))


def test_an_unknown_vocabulary_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(TokenizerError, match="no vocabulary named 'p50k'; known are cl100k_base, o200k_base"):
        load_ranks("p50k")


# tiktoken


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_counts_are_those_of_tiktoken(official: dict[str, tiktoken.Encoding], name: str, text: str) -> None:
    assert len(official[name].encode_ordinary(text)) == TiktokenCounter(name).count(text)


@given(st.text())
def test_counts_are_those_of_tiktoken_for_any_text(official: dict[str, tiktoken.Encoding], text: str) -> None:
    for name, encoding in official.items():
        assert len(encoding.encode_ordinary(text)) == TiktokenCounter(name).count(text)


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("around", [("", ""), ("a \n", "b"), ("!\n\n", "\n b"), ("", "\x1cb")])
@pytest.mark.parametrize("run", [" ", "a", "xyz", "-", "_-", "\n", " \n", "版", "a\u0301", "สวัสดี", "😀👍🏽"], ids=ascii)
def test_what_goes_on_for_long_is_counted_in_pieces_as_tiktoken_counts_it_whole(
    official: dict[str, tiktoken.Encoding], name: str, around: tuple[str, str], run: str
) -> None:
    text = around[0] + run * (100_000 // len(run)) + around[1]

    whole = len(official[name].encode_ordinary(text))

    assert abs(TiktokenCounter(name).count(text) - whole) <= 100_000 // 16_384 + 1


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize(
    "text", ["in plain words, 12 of them. ", "今天天气很好，我们去公园吧。", "f(x)[0]={'a':1,\"b\":[2]};"]
)
def test_a_long_text_of_short_words_is_counted_exactly(
    official: dict[str, tiktoken.Encoding], name: str, text: str
) -> None:
    assert len(official[name].encode_ordinary(text * 3000)) == TiktokenCounter(name).count(text * 3000)


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_run_of_blanks_that_makes_tiktoken_panic_is_counted(name: str) -> None:
    counter = TiktokenCounter(name)
    spaces = counter.count(" " * 600_000)

    assert 4_000 < spaces < 6_000
    assert 2 * spaces == pytest.approx(counter.count("a" + " " * 1_200_000 + "b"), abs=5)


def test_the_time_for_a_word_is_in_proportion_to_its_length() -> None:
    counter = TiktokenCounter()
    seconds = []
    for characters in (200_000, 1_600_000):
        started = time.process_time()
        counter.count("a" * characters)
        seconds.append(time.process_time() - started)

    assert seconds[1] < 8 * seconds[0] * 2 + 0.2


def test_known_counts_stay_what_they_are() -> None:
    text = "The quick brown fox jumps over the lazy dog. 版本控制"

    assert (TiktokenCounter("o200k_base").count(text), TiktokenCounter("cl100k_base").count(text)) == (13, 16)


def test_text_that_looks_like_a_special_token_is_text() -> None:
    assert TiktokenCounter().count("<|endoftext|>") > 1


def test_half_a_surrogate_pair_is_an_error() -> None:
    with pytest.raises(TokenizerError, match="half a surrogate pair at 3"):
        TiktokenCounter().count("abc\ud800")


def test_counting_needs_no_network_no_cache_and_no_home() -> None:
    script = (
        "import socket\n"
        "def refuse(*a, **k): raise SystemExit('network')\n"
        "socket.socket = socket.create_connection = socket.getaddrinfo = refuse\n"
        "import builtins, sys\n"
        "from tract.tokens.counter import TiktokenCounter\n"
        "print(TiktokenCounter('o200k_base').count('hello world'), TiktokenCounter('cl100k_base').count('hello world'))\n"
        "print('requests' in sys.modules)\n"
    )
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "HOME": "/nonexistent", "TMPDIR": "/nonexistent"}

    result = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)

    assert result.stdout == "2 2\nFalse\n"


def test_importing_the_module_does_not_load_the_tokenizer() -> None:
    script = "import sys, tract.tokens.counter as t; t.counter_named('o200k_base'); print('tiktoken' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    result = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)

    assert result.stdout == "False\n"


def test_threads_that_count_first_at_once_agree() -> None:
    script = (
        "import threading\n"
        "from tract.tokens import counter as tokens\n"
        "counts = []\n"
        "count = lambda: counts.append(tokens.TiktokenCounter('cl100k_base').count('hello world'))\n"
        "threads = [threading.Thread(target=count) for _ in range(4)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "print(counts, len(tokens._encodings))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    result = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)

    assert result.stdout == "[2, 2, 2, 2] 1\n"


# The other counters


def test_the_null_counter_counts_nothing() -> None:
    assert NullTokenCounter().count("anything at all") == 0


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "The committee has not decided yet whether the plan should be accepted, though most members want a trial.",
            0.15,
        ),
        ("def count(path):\n    with open(path) as file:\n        return sum(len(line) for line in file)\n", 0.35),
        ('{"id": 17, "user": {"name": "Ada", "tags": ["x", "yy"]}, "items": [{"sku": "A-1", "price": 12.5}]}', 0.25),
        ("版本控制系统会记录每一次修改，这样以后就可以查看特定版本的内容。", 0.25),
        ("バージョン管理システムは、ファイルに対して行われた変更を記録します。", 0.25),
        ("버전 관리 시스템은 파일의 변화를 시간에 따라 기록하는 시스템이다.", 0.25),
        ("Система контроля версий записывает изменения в файлы с течением времени.", 0.4),
        ("نظام إدارة الإصدارات يسجل التغييرات على الملفات بمرور الوقت.", 0.3),
        ("संस्करण नियंत्रण प्रणाली समय के साथ फ़ाइलों में हुए बदलावों को दर्ज करती है।", 0.25),
        ("ระบบควบคุมเวอร์ชันจะบันทึกการเปลี่ยนแปลงของไฟล์ตลอดเวลา", 0.25),
        ("🎉🚀 great 👍🏽 done ✅ 🙂", 0.4),
        ("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", 0.4),
        ("-" * 80 + "\n" + "=" * 80, 0.5),
    ],
)
def test_the_estimate_is_near_o200k_in_many_scripts(text: str, error: float) -> None:
    assert TiktokenCounter("o200k_base").count(text) == pytest.approx(EstimateTokenCounter().count(text), rel=error)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Zs"]), min_size=1))
def test_the_estimate_of_visible_text_is_never_nothing(text: str) -> None:
    assert EstimateTokenCounter().count(text) >= 1


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("o200k_base", "tiktoken:o200k_base"),
        ("cl100k_base", "tiktoken:cl100k_base"),
        ("null", "null"),
        ("estimate", "estimate"),
    ],
)
def test_a_counter_is_had_by_name(encoding: str, name: str) -> None:
    assert name == counter_named(encoding).name


def test_an_unknown_counter_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(
        TokenizerError, match="no tokenizer named 'gpt'; known are o200k_base, cl100k_base, estimate, null"
    ):
        counter_named("gpt")


@pytest.mark.parametrize("answer", [-1, 1.0, True, None, "3"])
def test_a_counter_that_answers_nonsense_is_found_out(answer: object) -> None:
    with pytest.raises(TokenizerError, match="token counter 'answers' counted"):
        checked_count(Answers(answer), "text")


def test_a_counter_that_raises_is_named_and_its_error_kept() -> None:
    with pytest.raises(TokenizerError, match="token counter 'answers' failed: KeyError: 'x'") as caught:
        checked_count(Answers(KeyError("x")), "text")

    assert isinstance(caught.value.__cause__, KeyError)


# Messages

CHAT_CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}},
        {"id": "call_2", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}},
    ],
}

PNG = base64.b64encode(bytes(range(256)) * 8).decode()


@pytest.mark.parametrize(
    ("raw", "texts"),
    [
        ({"role": "user", "content": "hello"}, ["hello"]),
        (CHAT_CALL, ["weather", '{"city": "Rome"}', "shell", "ls -l"]),
        ({"role": "tool", "tool_call_id": "call_1", "content": "sunny"}, ["sunny"]),
        ({"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "a"}, "b"]}, ["a", "b"]),
        ({"role": "assistant", "content": None, "refusal": "I cannot"}, ["I cannot"]),
        ({"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}, ["no"]),
        ({"role": "assistant", "content": "42", "reasoning_content": "hm"}, ["hm", "42"]),
        ({"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}, ["f", "{}"]),
        ({"role": "assistant", "content": None, "audio": {"id": "a", "transcript": "hi", "data": PNG}}, ["hi"]),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}}]}, []),
        ({"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": PNG}}]}, []),
        (
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": PNG}}, {"type": "text", "text": "?"}],
            },
            ["?"],
        ),
    ],
)
def test_the_texts_of_a_chat_message(raw: dict[str, object], texts: list[str]) -> None:
    assert texts == message_texts(message(raw))


@pytest.mark.parametrize(
    ("raw", "texts"),
    [
        ({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}, ["hi"]),
        (
            {"role": "assistant", "content": [{"type": "output_text", "text": "ok", "annotations": [{"url": "u"}]}]},
            ["ok"],
        ),
        ({"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": '{"a":1}'}, ["f", '{"a":1}']),
        ({"type": "function_call_output", "call_id": "c", "output": "done"}, ["done"]),
        ({"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "x"}]}, ["x"]),
        ({"type": "custom_tool_call", "call_id": "c", "name": "sh", "input": "ls"}, ["sh", "ls"]),
        (
            {
                "type": "reasoning",
                "id": "rs",
                "summary": [{"type": "summary_text", "text": "s"}],
                "encrypted_content": PNG,
            },
            ["s"],
        ),
        ({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]}, ["t"]),
        ({"type": "item_reference", "id": "msg_1"}, []),
        (
            {"type": "mcp_call", "id": "m", "name": "n", "arguments": "{}", "output": "o", "server_label": "l"},
            ["n", "{}", "o", "l"],
        ),
    ],
)
def test_the_texts_of_a_responses_item(raw: dict[str, object], texts: list[str]) -> None:
    assert texts == message_texts(message(raw, "responses", role="assistant"))


@pytest.mark.parametrize(
    ("block", "texts"),
    [
        ({"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}, ["hi"]),
        ({"type": "tool_use", "id": "t", "name": "f", "input": {"b": 1, "a": "é"}}, ["f", '{"b":1,"a":"é"}']),
        ({"type": "tool_result", "tool_use_id": "t", "content": "plain"}, ["plain"]),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "x"}], "is_error": True},
            ["x"],
        ),
        ({"type": "tool_result", "tool_use_id": "t"}, []),
        ({"type": "thinking", "thinking": "hm", "signature": "c2ln"}, ["hm"]),
        ({"type": "redacted_thinking", "data": "c2ln"}, []),
        (
            {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
            ["T", "d"],
        ),
        ({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PNG}}, []),
        (
            {
                "type": "web_search_tool_result",
                "tool_use_id": "s",
                "content": [{"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "e"}],
            },
            ["u", "t"],
        ),
    ],
)
def test_the_texts_of_an_anthropic_block(block: dict[str, object], texts: list[str]) -> None:
    assert texts == message_texts(message({"role": "user", "content": [block]}, "anthropic"))


def test_a_block_of_an_unknown_type_counts_its_strings_but_no_data() -> None:
    block = {"type": "hologram", "id": "h1", "caption": "a cube", "frames": [PNG, {"note": "turns", "data": "short"}]}

    assert message_texts(message({"role": "user", "content": [block]})) == ["a cube", "turns", "short"]


def test_a_long_text_of_words_is_no_data() -> None:
    words = "only words and blanks " * 100

    assert [words] == message_texts(message({"role": "user", "content": [{"type": "hologram", "caption": words}]}))


def test_a_message_costs_its_framing_its_role_and_its_text() -> None:
    assert (
        count_message(Words(), message({"role": "user", "content": "how are you today"})) == TOKENS_PER_MESSAGE + 1 + 4
    )


def test_a_name_costs_itself_and_a_token() -> None:
    named = message({"role": "user", "name": "Ada Lovelace", "content": "hello"})

    assert count_message(Words(), named) == TOKENS_PER_MESSAGE + 1 + 2 + TOKENS_PER_NAME + 1


def test_the_name_of_a_called_function_counts_once() -> None:
    call = message(
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "a b"}, "responses", role="assistant"
    )

    assert count_message(Words(), call) == TOKENS_PER_MESSAGE + 1 + 1 + 2


def test_a_chat_message_counts_as_in_the_cookbook() -> None:
    # 3 + "system" (1) + 10 words and a full stop (11), by hand from tiktoken's tokens.
    system = message({"role": "system", "content": "You are a helpful assistant who answers in short sentences."})

    assert count_message(TiktokenCounter(), system) == 3 + 1 + 11


# Content


@dataclass(frozen=True)
class Recipe:
    content_type: ClassVar[str] = "recipe"
    title: str
    steps: list[str]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (DialogueContent("user", "hello", "Ada"), "hello"),
        (ToolIOContent("f", "call", {"b": 1, "a": 2}, call_id="c"), 'f\n{"b":1,"a":2}'),
        (ToolIOContent("f", "result", "fine", status="ok"), "fine"),
        (ToolIOContent("f", "result", [1, None]), "[1,null]"),
        (ArtifactContent("file", "x = 1", "python"), "x = 1"),
        (FreeformContent({"b": "é", "a": 1}), '{"b":"é","a":1}'),
        (SessionContent("end", "all done", ["d1", "d2"], ["f"], ["n"]), "all done\nd1\nd2\nf\nn"),
        (
            MessageContent({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
            "a\nb",
        ),
        (Recipe("Soup", ["boil", "eat"]), "Soup\nboil\neat"),
    ],
)
def test_the_text_of_each_kind_of_content(content: object, text: str) -> None:
    assert text == content_text(content)
