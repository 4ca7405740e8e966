"""A real conversation of over 200 messages with tools, compressed three times over: what is in the context then, message by message."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tract import CompressResult, SummaryRequest, Tract
from tract.adapters.importing import import_conversation
from tract.adapters.transcripts import read_transcript
from tract.history.context import context_at, entries
from tract.maintenance.fsck.check import check_repository
from tract.messages import tool_ids
from tract.objects.model import Entry

ROOT = Path(__file__).resolve().parents[2]
SESSION = ROOT.parent / "shared" / "corpus" / "entireio+cli" / "0b" / "0195f27fed" / "0" / "full.jsonl"


def items_of(t: Tract) -> list[Entry]:
    repo = t.repository
    return entries(repo, context_at(repo, repo.head()[1]))


def broken_pairs(t: Tract) -> list[Any]:
    return [(one.kind, one.commit) for one in t.compile().warnings if one.kind.startswith(("unpaired", "misplaced"))]


@pytest.mark.skipif(not SESSION.exists(), reason="there is no ../shared/corpus")
def test_a_real_conversation_compressed_three_times_over(tmp_path: Path) -> None:
    with Tract.open(tmp_path, durability="process") as t:
        (conversation, *_) = read_transcript(str(SESSION)).conversations
        import_conversation(t.repository, conversation, place="here")
        original, torn = items_of(t), broken_pairs(t)
        assert len(original) >= 200
        # An agent's own choice of what it must not forget: here every fortieth message, tool calls and results among them.
        pins = [commit.hex() for commit, _ in original[20::40]]
        for pin in pins:
            t.annotate(pin, "pinned")
        before = sum(t.compile().token_counts)
        summaries: list[str] = []

        for share in (4, 2, 1):
            items = items_of(t)
            last = items[(len(original) // 4) * (4 // share) - (len(original) - len(items)) - 10][0].hex()
            done = t.compress(to_commit=last, target_tokens=500, summariser=summary_of, window=20_000)
            assert isinstance(done, CompressResult)
            summaries += done.summary_hashes
            kept = {commit.hex() for commit, _ in items_of(t)}
            assert set(pins) <= kept

        after = items_of(t)
        context = dict(after)
        # One summary at the front, then what was kept for a pin's sake, then all that is behind the last cut, untouched.
        assert summaries[-1] == after[0][0].hex()
        survivors = [entry for entry in original if entry[0] in context]
        assert after[1:] == survivors
        assert [commit.hex() for commit, _ in survivors if commit.hex() in pins] == pins
        assert sum(t.compile().token_counts) < before / 3
        assert not set(broken_pairs(t)) - set(torn)
        units = [tool_ids(message) for message in t.compile().messages]
        assert {id for calls, _ in units for id in calls} >= {id for _, results in units for id in results}

        for summary in reversed(summaries):
            t.expand(summary)
        assert original == items_of(t)
        assert torn == broken_pairs(t)
    assert () == tuple(check_repository(str(tmp_path / ".tract")).problems)


def summary_of(request: SummaryRequest) -> str:
    """How many messages, and words of theirs: a summary that has nothing of its sources waits for its review."""
    words = " ".join(str(one.get("content")) for one in request.messages).split()
    return f"{len(request.messages)} messages, the first by the {request.messages[0]['role']}: {' '.join(words[:150])[:900]}"


def test_the_script_prints_what_is_left_message_by_message() -> None:
    argv = [ROOT / "scripts" / "compress-corpus", ROOT / "docs" / "samples" / "support.json"]

    done = subprocess.run(
        [sys.executable, *argv, "--every", "9", "--recent", "4", "--json"], capture_output=True, text=True, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [
        (0, "system", "pinned"),
        (None, "user", "summary of 5"),
        (4, "assistant", "pinned"),
        (13, "assistant", "pinned"),
        (14, "user", ""),
        (15, "assistant", "calls 1 tools"),
        (16, "tool", "1 tool results"),
        (17, "assistant", ""),
    ] == [(row["place"], row["role"], row["what"]) for row in rows]
    assert rows[1]["text"].startswith("(5 messages so far) - (5 messages so far) - (3 messages so far) - ")
    assert 289 == sum(row["tokens"] for row in rows)
