"""CompressPolicy without a model, on real sessions: what must stay stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.making import make_tract
from tract import CompressPolicy, MessageInfo, Tract, TractConfig
from tract.adapters.importing import import_conversation
from tract.adapters.transcripts.reader import read_transcript
from tract.agents.leftout import KEPT_TURNS
from tract.curation.compress.facts import facts_in

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"

pytestmark = [
    pytest.mark.skipif(not CORPUS.exists(), reason="there is no ../shared/corpus"),
    pytest.mark.filterwarnings("ignore::tract.errors.BudgetWarning"),
]


def sessions() -> Iterator[Tract]:
    """Thirty sessions: agents that program, and that serve customers of an airline."""
    for path in sorted(CORPUS.glob("entireio+cli/**/full.jsonl")):
        found = list(read_transcript(str(path)).conversations)
        if found:
            t = make_tract(verify_cache=False)
            import_conversation(t.repository, found[0], place="here")
            plain = make_tract(verify_cache=False)  # without the usage, which counts the tools of another program
            for one in t.messages():
                plain.extend([dict(one.message.raw)], format=one.message.format)
            yield plain
    talks = json.loads((CORPUS / "sierra-research+tau-bench/historical_trajectories/gpt-4o-airline.json").read_text())
    for one in sorted(talks, key=lambda one: -len(one["traj"]))[:20]:
        t = make_tract(verify_cache=False)
        t.extend(one["traj"])
        yield t


def named_files(messages: list[MessageInfo]) -> set[str]:
    answers = [at for at, one in enumerate(messages) if one.kind in ("answer", "tool_call")]
    first = answers[-KEPT_TURNS] if len(answers) >= KEPT_TURNS else 0
    texts = [one.text for one in messages[first:] if one.kind != "tool_result" and not one.is_hidden]
    return {fact.text for fact in facts_in(texts) if fact.kind == "path"}


def broken_pairs(t: Tract) -> set[Any]:
    return {
        (one.kind, one.commit)
        for one in t.compile(policies=False).warnings
        if one.kind.startswith(("unpaired", "misplaced"))
    }


def check(t: Tract) -> tuple[int, int]:
    """Let the policy work on half of the tokens' budget, and give back the tokens before and after."""
    before = t.messages()
    used = t.status().token_count
    waiting = {call.call_id for call in t.status().open_calls}
    files = named_files(before)
    request = [one for one in before if one.kind == "user" and not one.is_hidden][-1]
    kept = [one.commit_hash for one in before if one.is_protected or one.kind == "session"]
    torn = broken_pairs(t)

    budget = TractConfig(author="tester", token_budget=int(used * 1.1))
    policed = Tract(t.repository, tokenizer=t._own.blobs.counter, lock=t._lock)
    object.__setattr__(policed._repo, "config", budget)
    policed.configure_policies([CompressPolicy(0.8, target=0.4)], autonomy="autonomous")
    policed.compile()

    after = policed.messages()
    there = {one.commit_hash: one for one in after}
    text = "\n".join(one.text for one in after if not one.is_hidden)
    assert request.commit_hash in there
    assert set(kept) <= there.keys()
    assert {call.call_id for call in policed.status().open_calls} == waiting
    assert broken_pairs(policed) <= torn
    missing = [one for one in files if one not in text]
    assert not missing, missing[:5]
    return used, policed.status().token_count


@pytest.mark.parametrize("count", [pytest.param(4, id="sample"), pytest.param(30, marks=pytest.mark.slow)])
def test_requests_calls_decisions_pins_and_files_stay(count: int) -> None:
    figures: list[Any] = []
    for t, _ in zip(sessions(), range(count), strict=False):
        figures.append(check(t))
    print(figures)
    fallen = [after / before for before, after in figures]
    assert sorted(fallen)[len(fallen) // 2] < 0.6
