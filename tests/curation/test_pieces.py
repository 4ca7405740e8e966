"""More than a model takes: in pieces, and the pieces' summaries together; a failure costs one piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.curation.talking import make_long as make_tract
from tests.curation.talking import words
from tests.making import texts
from tract import CompressResult, SummaryRequest
from tract.curation.compress.ask import SummaryRun, cut_pieces
from tract.curation.compress.plan import CompressionRequest
from tract.curation.compress.result import Requirements
from tract.errors import CompressionError, LLMError, LLMRateLimitError
from tract.llm.types import Summary
from tract.opening import memory_repository


def request(*texts: str, **options: Any) -> SummaryRequest:
    return SummaryRequest(tuple({"role": "user", "content": text} for text in texts), **options)


def block(text: str, count: int = 1) -> tuple[dict[str, str], ...]:
    return tuple({"role": "user", "content": text} for _ in range(count))


def test_pieces_are_cut_between_blocks() -> None:
    blocks = [block("a b c"), block("d e", 3), block("f"), block("g")]

    pieces = cut_pieces(blocks, words, 6)

    assert [(blocks[0],), (blocks[1],), (blocks[2], blocks[3])] == pieces


def test_a_block_that_is_too_long_comes_in_slices() -> None:
    long = " ".join(str(at) for at in range(100))

    pieces = cut_pieces([block("a"), block(long)], words, 30)

    assert all(sum(words(message["content"]) for part in piece for message in part) <= 40 for piece in pieces)
    told = "".join(
        m["content"].split("\n", 1)[1] for piece in pieces for part in piece for m in part if "part " in m["content"]
    )
    assert long in told


def long_blocks(count: int, length: int = 100) -> list[Any]:
    return [block(f"block{at} " + "word " * length) for at in range(count)]


def test_what_does_not_fit_is_summed_up_in_pieces_and_then_together() -> None:
    repo = memory_repository()
    asked: list[SummaryRequest] = []
    seen: list[tuple[int, int]] = []

    def summarise(request: SummaryRequest) -> Summary:
        asked.append(request)
        return Summary(f"Σ{len(asked)}", usage={"input_tokens": 10})

    run = SummaryRun(repo, summarise, 500, lambda done, total: seen.append((done, total)))
    found = run.summarise(SummaryRequest((), 50), long_blocks(9), Requirements(words, 50))

    assert 4 == len(asked)
    assert ["Σ1", "Σ2", "Σ3"] == [message["content"] for message in asked[-1].messages]
    assert ("Σ4", {"input_tokens": 40}) == (found.text, found.usage)
    assert [(1, 4), (2, 4), (3, 4), (4, 4)] == seen
    assert all(words(str(one.messages)) <= 500 for one in asked)


def test_a_failure_half_way_costs_only_the_piece() -> None:
    repo = memory_repository()
    calls: list[str] = []
    broken = {"block6"}

    def summarise(request: SummaryRequest) -> str:
        first = str(request.messages[0]["content"]).split()[0]
        calls.append(first)
        if first in broken:
            raise LLMRateLimitError("slow down")
        return f"Σ of {first}"

    required = Requirements(words)
    with pytest.raises(LLMError):
        SummaryRun(repo, summarise, 500).summarise(SummaryRequest(()), long_blocks(9), required)
    assert ["block0", "block3", "block6"] == calls

    broken.clear()
    calls.clear()
    found = SummaryRun(repo, summarise, 500).summarise(SummaryRequest(()), long_blocks(9), required)

    assert "block0" not in calls
    assert "block6" == calls[0]
    assert found.text.startswith("Σ of Σ")


def test_what_must_be_kept_is_asked_of_the_pieces_that_have_it() -> None:
    asked: list[SummaryRequest] = []

    def summarise(request: SummaryRequest) -> str:
        asked.append(request)
        return "kept 30 days" if request.must_keep else "nothing"

    blocks = [*long_blocks(4), block("30 days"), *long_blocks(4)]
    run = SummaryRun(memory_repository(), summarise, 500)
    found = run.summarise(SummaryRequest(()), blocks, Requirements(words, must_keep=("30 days",)))

    assert "kept 30 days" == found.text
    assert 2 == sum(bool(one.must_keep) for one in asked)


def test_summaries_that_never_fit_are_an_error() -> None:
    with pytest.raises(CompressionError, match="do not fit into a window of 500 tokens"):
        SummaryRun(memory_repository(), lambda _: "word " * 250, 500).summarise(
            SummaryRequest(()), long_blocks(2, 300), Requirements(words)
        )
    with pytest.raises(CompressionError, match="window must be"):
        CompressionRequest(window=3)


def test_a_failed_compression_goes_on_where_it_was_and_leaves_nothing_when_it_is_done(tmp_path: Path) -> None:
    t = make_tract(200, tmp_path)
    calls: list[int] = []

    def summarise(request: SummaryRequest) -> str:
        calls.append(len(request.messages))
        if len(calls) == 4:
            raise TimeoutError("nobody there")
        return "facts 10 to 20"

    with pytest.raises(CompressionError, match="TimeoutError: nobody there"):
        t.compress(summariser=summarise, window=600)
    t.close()

    t = make_tract(0, tmp_path)
    done = t.compress(summariser=summarise, window=600)

    assert isinstance(done, CompressResult)
    undisturbed: list[SummaryRequest] = []
    make_tract(200).compress(summariser=lambda request: undisturbed.append(request) or "facts 10 to 20", window=600)
    assert len(undisturbed) + 1 == len(calls) > 5  # the one that failed was asked again, and no other
    assert "facts 10 to 20" == texts(t)[0]
    assert not (tmp_path / ".tract" / "state").exists()
    t.close()
