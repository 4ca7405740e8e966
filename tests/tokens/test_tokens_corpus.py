"""The tokens of real conversations are what tiktoken itself counts in the messages that are sent.

The reference here shares no code with tract but the vocabulary: tiktoken's own definition of the encoding, and OpenAI's cookbook's sum over the rendered messages.
A sample always runs; ``-m slow`` does the whole corpus.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tract import ImportFormatError, MessageContent, Tract
from tract.adapters.transcripts import read_transcript
from tract.tokens.vocabularies import load_ranks

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
SAMPLE = (
    "SWE-agent+SWE-agent/trajectories/demonstrations/ctf/crypto/katy.traj",
    "entireio+cli/71/69f9710768/0/full.jsonl",
    "sierra-research+tau-bench/historical_trajectories/gpt-4o-airline.json",
    "hiyouga+LLaMA-Factory/data/glaive_toolcall_zh_demo.json",
)
WHOLE = sorted(
    str(path.relative_to(CORPUS)) for path in CORPUS.rglob("*") if path.suffix in (".json", ".jsonl", ".traj")
)
PER_MESSAGE, PER_NAME, PRIMING, IMAGE = 3, 1, 3, 765

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")


@pytest.fixture(scope="module")
def encoding() -> Any:
    """tiktoken's own o200k_base, but for the download of its vocabulary."""
    tiktoken = pytest.importorskip("tiktoken")
    public = pytest.importorskip("tiktoken_ext.openai_public")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(public, "load_tiktoken_bpe", lambda *_, **__: load_ranks("o200k_base"))
        return tiktoken.Encoding(**public.o200k_base())


def texts(value: Any) -> Iterator[str | int]:
    """What a model reads of a content: its texts, or the tokens of what is none."""
    if isinstance(value, str):
        yield value
    for block in value if isinstance(value, list) else ():
        match block.get("type"):
            case "text":
                yield block["text"]
            case "thinking":
                yield block["thinking"]
            case "tool_use":
                yield from (block["name"], sorted_json(block["input"]))
            case "tool_result":
                yield from texts(block.get("content"))
            case "image" | "image_url":
                yield IMAGE
            case "redacted_thinking":
                pass
            case other:
                raise AssertionError(f"the reference does not know {other!r}")


def sorted_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def reference(encoding: Any, message: dict[str, Any]) -> int:
    pieces: list[str | int] = [message["role"], *texts(message.get("content"))]
    for call in message.get("tool_calls") or ():
        pieces += [call["function"]["name"], call["function"]["arguments"]]
    if message.get("function_call"):
        pieces += [message["function_call"]["name"], message["function_call"]["arguments"]]
    # tiktoken's `encode_ordinary`, for text that looks like a special token is text.
    total = sum(piece if isinstance(piece, int) else len(encoding.encode_ordinary(piece)) for piece in pieces)
    name = message.get("name")
    return PER_MESSAGE + total + (PER_NAME + len(encoding.encode_ordinary(name)) if name else 0)


def sent(t: Tract, format: str) -> list[dict[str, Any]]:
    """The messages as they are sent in the format they came in."""
    context = t.compile()
    if format != "anthropic":
        return context.to_openai()
    value = context.to_anthropic()
    system = [{"role": "system", "content": value["system"]}] if "system" in value else []
    return [*system, *value["messages"]]


def check(encoding: Any, name: str, most: int | None = None) -> None:
    try:
        reading = read_transcript(str(CORPUS / name))
    except ImportFormatError as exc:
        pytest.skip(str(exc))
    for conversation in reading.conversations[:most]:
        for branch in conversation.branches:
            turns = branch.turns
            if not turns or {turn.format for turn in turns} - {"openai", "anthropic"}:
                continue
            with Tract.open(":memory:") as t:
                t.extend([MessageContent(turn.message, turn.format) for turn in turns])
                counts = [reference(encoding, message) for message in sent(t, turns[0].format)]
                context = t.compile()
                assert counts == list(context.token_counts)
                assert (PRIMING + sum(counts), "tiktoken:o200k_base") == (context.token_count, context.token_source)
                assert context.token_count == t.status().token_count


@pytest.mark.parametrize("name", SAMPLE)
def test_a_samples_tokens_are_tiktokens_own_count(encoding, name):
    check(encoding, name, most=10)


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_the_whole_corpus_tokens_are_tiktokens_own_count(encoding, name):
    check(encoding, name)
