"""Compiling from a packed store that no process remembers: the same messages, few nodes read, no more memory than they need."""

from __future__ import annotations

import gc
import os
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.making import Words
from tract import Priority, Tract
from tract.compile.messages import Messages
from tract.errors import ObjectCorruptError
from tract.objects.model import new_blob

NUMBER = 1500
FRAMES_KEPT = 32 * 64 * 1024


def say(number: int) -> dict[str, Any]:
    return {"role": ("user", "assistant")[number % 2], "content": f"{number} " + "word " * (number % 50)}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A store of many messages after gc, some of them edited or of other kinds; and its commits."""
    folder = tmp_path_factory.mktemp("packed")
    chance = random.Random(4)
    with Tract.open(folder, tokenizer=Words()) as t:
        commits = [t.system("be brief").commit_hash]
        commits += [info.commit_hash for info in t.extend(say(n) for n in range(NUMBER))]
        t.user("by name")
        for target in chance.sample(commits, 5):
            t.edit(target, f"edited {target[:4]}")
        t.annotate(commits[7], Priority.SKIP)
        t.gc()
        t.user("after gc")
    return folder, commits


@pytest.fixture
def cold(packed: tuple[Path, list[str]]) -> Iterator[Tract]:
    with Tract.open(packed[0], tokenizer=Words()) as t:
        yield t


def test_what_is_read_together_is_what_each_blob_says(packed, cold):
    folder, _ = packed
    context = cold.compile()

    sent = context.to_openai()

    with Tract.open(folder, tokenizer=Words(), verify_cache=True) as other:
        one_by_one = other.compile()
        assert [dict(message.raw) for message in one_by_one.messages] == sent
        assert list(one_by_one.commit_hashes) == list(context.commit_hashes)
        assert one_by_one.to_anthropic() == context.to_anthropic()
        assert one_by_one.token_count == context.token_count
    assert (NUMBER + 2, "after gc") == (len(sent), sent[-1]["content"])


def test_a_list_is_the_callers_and_its_messages_are_shared(cold):
    context = cold.compile()
    first = context.to_openai()

    own = context.to_openai(copy=True)
    del first[5:]
    own[4]["content"] = "changed"

    assert own[:4] + own[5:] == context.to_openai()[:4] + context.to_openai()[5:]
    assert first[4] is context.to_openai()[4]
    assert context.messages[4].content == first[4]["content"]


def test_an_old_commits_context_is_the_beginning_of_a_later_ones(packed, cold):
    _, commits = packed
    old = cold.compile(at_commit=commits[700])

    assert commits[:7] + commits[8:701] == list(old.commit_hashes)


def test_any_context_reads_its_nodes_and_no_others(packed):
    folder, commits = packed
    for at in (0, 15, 300, 900, NUMBER):
        with Tract.open(folder, tokenizer=Words()) as t:
            t.compile(at_commit=commits[at])
            decoded = t.repository.decoded
            assert decoded is not None
            read = len(decoded.nodes) + len(t._space.compiler._loaded()._chunks)
            notes = 1
            assert at // 32 - 1 <= read <= 1.3 * (at + 1) / 16 + 8 + notes


def test_messages_can_be_looked_at_after_the_tract_is_closed(packed):
    with Tract.open(packed[0], tokenizer=Words()) as t:
        context = t.compile()

    assert "by name" == context.messages[-2].content


def test_a_blob_that_is_no_message_names_itself_when_it_is_looked_at():
    broken = b"\xc1" + new_blob({"a": "b"}).payload
    messages = Messages(items=[broken])

    with pytest.raises(ObjectCorruptError, match=r"blob [0-9a-f]{64}.*not msgpack"):
        messages[0]
    with pytest.raises(ObjectCorruptError, match=r"blob [0-9a-f]{64}.*not msgpack"):
        list(messages.sent(0, 1))


def test_a_compiled_context_takes_little_beside_the_bytes_of_its_messages_and_with_what_is_sent_three_times_them(
    tmp_path,
):
    text = "word " * 60
    with Tract.open(tmp_path, tokenizer=Words()) as t:
        t.extend({"role": "user", "content": f"{n} {text}"} for n in range(4000))
        t.gc()
    with Tract.open(tmp_path, tokenizer=Words()) as t:
        t.status()
        tracemalloc.start()
        context = t.compile()
        _, compiled = tracemalloc.get_traced_memory()
        sent = context.to_openai()
        _, whole = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert 4000 == len(context) == len(sent)
    size = 4000 * len(text)
    assert compiled <= 1.25 * size
    assert whole <= 3 * size + FRAMES_KEPT


@pytest.mark.parametrize("send", ["to_openai", "to_openai_responses", "to_anthropic"])
def test_a_closed_tract_lets_go_of_what_it_read_and_sent_without_a_look_for_cycles(packed, send):
    folder, _ = packed

    def load() -> int:
        with Tract.open(folder, tokenizer=Words()) as t:
            return len(getattr(t.compile(), send)())

    load()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        assert 0 < load()
        left, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert most > 1_500_000
    assert left < 250_000


def test_a_damaged_frame_is_an_error_of_whoever_reads_its_messages(tmp_path):
    with Tract.open(tmp_path, tokenizer=Words()) as t:
        t.extend({"role": "user", "content": f"{n} " + "word " * n} for n in range(200))
        t.gc()
    (pack,) = (tmp_path / ".tract" / "objects" / "pack").glob("*.pack")
    whole = bytearray(pack.read_bytes())
    whole[len(whole) // 20] ^= 1
    os.chmod(pack, 0o600)
    pack.write_bytes(whole)

    for read in (
        lambda context: context.to_openai(),
        lambda context: context.messages[0],
        lambda context: context.to_text(),
    ):
        with Tract.open(tmp_path, tokenizer=Words()) as t, pytest.raises(ObjectCorruptError, match=pack.name):
            read(t.compile())
