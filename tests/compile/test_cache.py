"""Counts kept between processes."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract import Tract
from tract.config import TractConfig
from tract.errors import ContentValidationError
from tract.messages.message import readable_content
from tract.opening import memory_repository
from tract.tokens.counts import BlobCache, count_content


class Counting:
    """Counts words, and how often it was asked."""

    def __init__(self, name: str = "counting") -> None:
        self.name = name
        self.asked = 0

    def count(self, text: str) -> int:
        self.asked += 1
        return len(text.split())


def open_tract(path, counter: Counting) -> Tract:
    return Tract.open(path, tokenizer=counter, durability="process")


def fill(path, name: str = "counting") -> int:
    with open_tract(path, Counting(name)) as t:
        for n in range(40):
            t.user(f"message {n}")
        return t.compile().token_count


def test_nothing_is_counted_twice_in_one_process():
    counter = Counting()
    t = open_tract(":memory:", counter)
    t.user("a b")
    total = t.compile().token_count
    asked = counter.asked

    t.user("a b")  # the same blob

    assert (total * 2 - 3, 2) == (t.compile().token_count, t.log()[0].token_count)
    assert t.status().token_count == t.compile(at_commit="HEAD").token_count
    assert asked == counter.asked


def test_nothing_is_counted_again_by_the_next_process(tmp_path):
    total = fill(tmp_path)
    counter = Counting()

    with open_tract(tmp_path, counter) as t:
        assert (total, total) == (t.status().token_count, t.compile().token_count)
        assert 40 * [2] == [info.token_count for info in t.log(None)]

    assert 0 == counter.asked


def test_every_counter_has_counts_of_its_own(tmp_path):
    fill(tmp_path, "../../one")
    counter = Counting("../../two")

    with open_tract(tmp_path, counter) as t:
        t.status()

    assert counter.asked > 0
    assert 2 == len(list((tmp_path / ".tract" / "cache").glob("counts-*")))


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "deleted"])
def test_a_damaged_cache_is_counted_anew(damage, tmp_path):
    total = fill(tmp_path)
    cache = tmp_path / ".tract" / "cache"
    (file,) = cache.glob("counts-*")
    data = file.read_bytes()
    if damage == "cut":
        file.write_bytes(data[:-7])
    elif damage == "flipped":
        file.write_bytes(data[:60] + bytes([data[60] ^ 1]) + data[61:])
    elif damage == "emptied":
        file.write_bytes(b"")
    else:
        shutil.rmtree(cache)

    with open_tract(tmp_path, Counting()) as t:
        assert total == t.compile().token_count


def test_who_looks_at_the_newest_messages_reads_no_other_counts_and_finds_the_oldest_all_the_same(tmp_path):
    with open_tract(tmp_path, Counting()) as t:
        infos = t.extend([{"role": "user", "content": f"message {n}"} for n in range(3000)])
        assert 3000 == len(t.compile().token_counts)
    counter = Counting()

    with open_tract(tmp_path, counter) as t:
        blobs = t._space.blobs
        assert 20 * [2] == [info.token_count for info in t.log(20)]
        assert 20 <= len(blobs._older) < 1000
        assert 2 == infos[0].token_count == t.log(1, start=infos[0].commit_hash)[0].token_count
        assert len(blobs._older) < 1000  # one is searched for
        assert [2, 2] == [t.get_commit(info.commit_hash).token_count for info in infos[1:3]]
        assert 3000 == len(blobs._older)

    assert 0 == counter.asked


def test_who_looks_at_messages_that_nobody_counted_reads_no_other_counts(tmp_path):
    with open_tract(tmp_path, Counting()) as t:
        t.extend([{"role": "user", "content": f"message {n}"} for n in range(3000)])
        assert 3000 == len(t.compile().token_counts)
        late = [t.user(f"late {n}") for n in range(20)]
    counter = Counting()

    with open_tract(tmp_path, counter) as t:
        blobs = t._space.blobs
        assert 20 * [None] == [blobs.known(bytes.fromhex(info.content_hash)) for info in late]
        assert len(blobs._older) < 1000
        assert 20 * [2] == [info.token_count for info in t.log(20)]
        assert len(blobs._older) < 1000

    assert counter.asked


def test_counts_that_were_let_go_are_read_again_and_not_counted_again(tmp_path, monkeypatch):
    monkeypatch.setattr("tract.tokens.counts._COUNTS_KEPT", 8)
    counter = Counting()
    with open_tract(tmp_path, counter) as t:
        total = 0
        for n in range(100):
            t.user(f"message {n}")
            total = t.compile().token_count
            assert len(t._space.blobs._counts) <= 8
        asked = counter.asked

        assert 100 * [2] == [info.token_count for info in t.log(None)]
        assert t.compile(at_commit="HEAD").token_count == total

        assert asked == counter.asked


def test_a_memory_stores_counts_are_bounded_too(monkeypatch):
    monkeypatch.setattr("tract.tokens.counts._COUNTS_KEPT", 8)
    t = open_tract(":memory:", Counting())
    for n in range(40):
        t.user(f"message {n}")

    assert 40 * [2] == [info.token_count for info in t.log(None)]
    assert len(t._space.blobs._counts) + len(t._space.blobs._older) <= 16


_ROLES = st.sampled_from(["user", "assistant", "developer", "tool", "function", "my own", "", "\n", "a\x00b", 5, None])
_TEXTS = st.one_of(st.text(max_size=20), st.sampled_from([None, 7, [{"type": "text", "text": "a b"}]]))
_MORE = st.sampled_from([{}, {}, {"name": "n"}, {"name": None}, {"tool_call_id": "x"}])


class Lengths:
    """Says of every text, the empty one too, something else than of most others."""

    name = "lengths"

    def count(self, text: str) -> int:
        return 3 + len(text) + sum(map(ord, text)) % 13


@given(
    st.one_of(
        st.builds(
            lambda role, text, more: {"content_type": "dialogue", "role": role, "text": text, **more},
            _ROLES,
            _TEXTS,
            _MORE,
        ),
        st.builds(
            lambda role, text, more, format, beside: {
                "content_type": "message",
                "format": format,
                "message": {"role": role, "content": text, **more},
                **beside,
            },
            _ROLES,
            _TEXTS,
            _MORE,
            st.sampled_from(["openai", "anthropic", "responses"]),
            st.sampled_from([{}, {}, {"beside": 1}]),
        ),
    )
)
def test_a_plain_message_counts_as_it_would_by_its_class(value: dict[str, Any]) -> None:
    def answer(count: Any) -> Any:
        try:
            return count()
        except ContentValidationError as exc:
            return str(exc)

    blobs = BlobCache(memory_repository(config=TractConfig(author="tester")), Lengths())
    assert answer(lambda: count_content(Lengths(), readable_content(value))) == answer(lambda: blobs.count_value(value))
