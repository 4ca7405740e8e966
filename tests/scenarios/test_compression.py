"""The scenarios of tier 4 about compression, through Python and on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.llm.server import LLMServer, llm_process, llm_server, text
from tract import (
    CommitOperation,
    CompressResult,
    DialogueContent,
    InstructionContent,
    OpenAIClient,
    PendingCompression,
    Priority,
    Tract,
)

__all__ = ["llm_process", "llm_server"]

MOOD = "Since my brother's accident I do not sleep."


def therapy(path: Path) -> list[str]:
    """A therapy chat of 200 turns; the ids of its messages."""
    with Tract.open(path) as t:
        t.commit(InstructionContent(text="You are a calm listener."))
        ids = []
        for turn in range(200):
            said = MOOD if turn == 3 else f"Turn {turn}: the week was long, and this is what happened on day {turn}."
            ids.append(t.user(said).commit_hash)
            ids.append(
                t.assistant(f"I hear you about day {turn}. What did you do then, and who was there?").commit_hash
            )
    return ids


def texts_of(t: Tract) -> list[Any]:
    return [message["content"] for message in t.compile().to_openai()]


def test_4_1_a_summary_of_ones_own(tmp_path: Path) -> None:
    ids = therapy(tmp_path)
    with Tract.open(tmp_path) as t:
        before = t.status().token_count
        result = t.compress(content="The user grieves for a brother; early weeks were hard.", to_commit=ids[299])

        assert isinstance(result, CompressResult)
        assert ["You are a calm listener.", "The user grieves for a brother; early weeks were hard."] == texts_of(t)[:2]
        assert 1 + 1 + 100 == len(t.compile())
        assert t.status().token_count < before / 3

    with Tract.open(tmp_path) as t:
        assert MOOD == t.get_content(ids[6]).text  # nothing is lost, and nothing was rewritten
        t.expand(result.summary_hashes[0])
        assert 401 == len(t.compile())
        assert ids == list(t.compile().commit_hashes)[1:]


def test_4_1_a_summary_by_a_model_to_a_target(tmp_path: Path, llm_server: LLMServer) -> None:
    ids = therapy(tmp_path)
    llm_server.script(
        "The user's brother had an accident, and they sleep badly. " * 400,
        text(
            f"{MOOD} The first 150 turns were about long weeks.", usage={"prompt_tokens": 9000, "completion_tokens": 40}
        ),
    )
    with Tract.open(tmp_path) as t, OpenAIClient("key", llm_server.url, "gpt-test", max_retries=0) as client:
        t.configure_llm(client)
        result = t.compress(
            to_commit=ids[299], target_tokens=2000, must_keep=[MOOD], instructions="Keep how they feel."
        )

        assert isinstance(result, CompressResult)
        assert ((), 300) == (result.warnings, result.messages)
        assert result.tokens_after <= 2000 < result.tokens_before
        assert MOOD in texts_of(t)[1]
        assert ids[300:] == list(t.compile().commit_hashes)[2:]
    assert 2 == len(llm_server.requests())


def test_4_1_a_summary_drafted_reviewed_and_approved(tmp_path: Path) -> None:
    ids = therapy(tmp_path)
    with Tract.open(tmp_path) as t:
        pending = t.compress(
            to_commit=ids[299],
            target_tokens=2000,
            auto_commit=False,
            summariser=lambda _: "A patient talked about weeks.",
        )
        assert isinstance(pending, PendingCompression)
        assert 401 == len(t.compile())
        assert "A patient talked about weeks." == pending.text
        t.save_compression(pending.edit_summary(f"They lost their sleep: “{MOOD}”"))

    with Tract.open(tmp_path) as t:  # the therapist, the next morning
        (pending,) = t.pending_compressions()
        t.approve_compression(pending)
        assert f"They lost their sleep: “{MOOD}”" == texts_of(t)[1]
        assert [] == t.pending_compressions()


def test_4_2_pinned_content_survives_verbatim(tmp_path: Path) -> None:
    with Tract.open(tmp_path) as t:
        disclaimer = t.commit(InstructionContent(text="This is no investment advice."))
        first = t.user("May I put it all into one fund?")
        t.assistant("Spread it.")
        citation = t.commit(DialogueContent(role="assistant", text="MiFID II, Article 25(2): suitability."))
        noise = t.user("By the way, nice weather.")
        t.user("And bonds?")
        last = t.assistant("Some.")
        t.user("Thanks.")
        t.annotate(citation.commit_hash, Priority.PINNED, reason="regulation")
        t.annotate(noise.commit_hash, Priority.SKIP, reason="noise")
        hashes = {one.commit_hash: t.get_commit(one.commit_hash).content_hash for one in (disclaimer, citation)}

        t.compress(
            from_commit=first.commit_hash, to_commit=last.commit_hash, content="They asked where to put it: spread."
        )

        assert [
            "This is no investment advice.",
            "They asked where to put it: spread.",
            "MiFID II, Article 25(2): suitability.",
            "Thanks.",
        ] == texts_of(t)

    with Tract.open(tmp_path) as t:
        for round in range(3):
            t.user(f"Question {round} about a fund with a long name")
            t.assistant(f"Answer {round} about a fund with a long name")
            t.compress(content=f"Summary {round}.", keep_recent=0)
        assert ["This is no investment advice.", "Summary 2.", "MiFID II, Article 25(2): suitability."] == texts_of(t)
        assert hashes == {one: t.get_commit(one).content_hash for one in hashes}
        assert list(hashes) == [one.commit_hash for one in t.pinned()]
        assert [] == t.skipped()
        assert 4 == len(t.log(None, op_filter=CommitOperation.COMPRESS))


def test_4_1_and_4_2_on_the_command_line(tract: Callable[..., Any]) -> None:
    tract("init")
    tract("commit", "--role", "system", "Quote the law.")
    for turn in range(4):
        tract("commit", "--role", "user", f"Question {turn} about the contract and its clauses")
        tract("commit", "--role", "assistant", f"Answer {turn} about the contract and its clauses")
    pinned = tract("rev-parse", "HEAD~4").out.strip()
    tract("pin", pinned)

    plan = tract("compress", "--dry-run", "--json").json
    assert (5, pinned, None) == (plan["messages"], plan["kept"][-1], plan["commit_hash"])

    waiting = tract("compress", "--content", "They asked about clauses.", "--review", "--json").json
    assert [waiting["id"]] == [one["id"] for one in tract("compress", "--list", "--json").json_lines]
    tract("compress", "--edit", waiting["id"], "--content", "-", stdin="They asked about four clauses.\n")
    done = tract("compress", "--approve", waiting["id"], "--json").json

    said = [message["content"] for message in json.loads(tract("compile", "--format", "openai").out)]
    assert "They asked about four clauses." == said[1]
    assert "Answer 1 about the contract and its clauses" == said[2]
    assert 5 == len(said)

    back = tract("expand", done["summary_hashes"][0], "--json").json
    assert 5 == len(back["message_hashes"])
    assert 9 == len(json.loads(tract("compile", "--format", "openai").out))
    assert 0 == tract("fsck").status
