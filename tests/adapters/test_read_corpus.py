"""Every real file that is supported reads whole; every other is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tract.adapters.transcripts import Reading, read_transcript
from tract.errors import ImportFormatError

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus"
GEMINI = ("12/cbfeaa512b", "ab/2b9748b105")

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")


def corpus(pattern: str) -> list[Path]:
    return sorted(path for path in CORPUS.glob(pattern) if not any(part in path.as_posix() for part in GEMINI))


def as_id(path: Path) -> str:
    return path.relative_to(CORPUS).as_posix()


def messages(reading: Reading) -> list[list[dict]]:
    return [[turn.message for turn in c.branches[0].turns] for c in reading.conversations]


@pytest.mark.parametrize("path", corpus("sierra-research*/**/*.json"), ids=as_id)
def test_tau_bench_is_read_message_for_message(path):
    reading = read_transcript(path)

    assert reading.problems == ()
    assert messages(reading) == [run["traj"] for run in json.loads(path.read_bytes())]


@pytest.mark.parametrize("path", corpus("SWE-agent*/**/*.traj"), ids=as_id)
def test_swe_agent_is_read_message_for_message(path):
    reading = read_transcript(path)

    assert (reading.problems, reading.format) == ((), "openai")
    assert messages(reading) == [json.loads(path.read_bytes())["history"]]


@pytest.mark.parametrize("path", corpus("hiyouga*/**/*.json"), ids=as_id)
def test_sharegpt_gives_back_every_item_and_says_it_in_messages(path):
    reading = read_transcript(path)

    assert reading.problems == ()
    original = [run["conversations"] for run in json.loads(path.read_bytes())]
    assert [[t.metadata["sharegpt"] for t in c.branches[0].turns] for c in reading.conversations] == original
    for said, items in zip(messages(reading), original, strict=True):
        assert [_value(message) for message in said] == [_expected(item) for item in items]


def _expected(item: dict) -> object:
    return json.loads(item["value"]) if item["from"] == "function_call" else item["value"]


def _value(message: dict) -> object:
    if message.get("tool_calls"):
        (call,) = message["tool_calls"]
        return {"name": call["function"]["name"], "arguments": json.loads(call["function"]["arguments"])}
    return message["content"]


@pytest.mark.parametrize("path", corpus("entireio*/**/full.jsonl"), ids=as_id)
def test_claude_code_is_one_line_with_every_message_on_it(path):
    reading = read_transcript(path)

    assert (reading.problems, reading.format) == ((), "claude-code")
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    spoken = [r for r in records if r["type"] in ("user", "assistant")]
    (branch,) = reading.conversations[0].branches
    by_uuid = {r["uuid"]: r["message"] for r in spoken}
    typed = [turn for turn in branch.turns if turn.metadata.get("queued")]
    queue = [r.get("content") for r in records if r["type"] == "queue-operation"]
    assert all(turn.message["content"] in queue for turn in typed)
    turns = [turn for turn in branch.turns if turn not in typed]
    assert Counter(t.metadata["uuid"] for t in turns) == Counter(r["uuid"] for r in spoken)
    for turn in turns:
        message = by_uuid[turn.metadata["uuid"]]
        assert turn.message == {"role": message["role"], "content": message["content"]}


@pytest.mark.parametrize("path", [*corpus("entireio*/**/full.jsonl"), SAMPLES / "claude-code.jsonl"], ids=str)
def test_every_tool_result_of_claude_code_follows_its_call(path):
    for branch in read_transcript(path).conversations[0].branches:
        called: set[str] = set()
        for turn in branch.turns:
            content = turn.message["content"]
            for block in content if isinstance(content, list) else ():
                if block["type"] == "tool_use":
                    called.add(block["id"])
                elif block["type"] == "tool_result":
                    assert block["tool_use_id"] in called
                    called.remove(block["tool_use_id"])


@pytest.mark.parametrize("path", [CORPUS / "entireio+cli" / each / "0" / "full.jsonl" for each in GEMINI], ids=as_id)
def test_sessions_of_gemini_have_what_was_said_and_called(path):
    reading = read_transcript(path)

    session = json.loads(path.read_bytes())
    spoken = [one for one in session["messages"] if one["type"] in ("user", "gemini")]
    turns = reading.conversations[0].branches[0].turns
    assert (reading.problems, reading.format, reading.conversations[0].id) == ((), "gemini-cli", session["sessionId"])
    texts = [turn.message["content"] for turn in turns if turn.message["role"] != "tool"]
    assert [one["content"] for one in spoken if one["content"]] == [text for text in texts if text]
    called = [call["id"] for one in spoken for call in one.get("toolCalls", ())]
    assert called == [call["id"] for turn in turns for call in turn.message.get("tool_calls", ())]
    assert called == [turn.message["tool_call_id"] for turn in turns if turn.message["role"] == "tool"]
    assert len(reading.notes) == len(session["messages"]) - len(spoken)


@pytest.mark.parametrize("path", corpus("[Fl]*/**/*.jsonl"), ids=as_id)
def test_questions_and_answers_of_benchmarks_are_read(path):
    reading = read_transcript(path)

    assert (reading.problems, reading.format) == ((), "preferences")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    expected = [row.get("turns") or (row["choices"][0]["turns"] if "choices" in row else [row["text"]]) for row in rows]
    assert [[message["content"] for message in one] for one in messages(reading)] == expected


@pytest.mark.parametrize("path", sorted(CORPUS.glob("**/*.yaml")), ids=as_id)
def test_what_is_not_supported_is_refused_by_name(path):
    with pytest.raises(ImportFormatError, match="is not a conversation that tract can read: found ") as caught:
        read_transcript(path)

    assert path.name in str(caught.value)
