"""Compressions of random contexts, against a reference."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.curation.talking import compress, context, result
from tests.making import Words, call
from tract import (
    SummaryRequest,
    Tract,
)
from tract.errors import (
    CompressionError,
)
from tract.history.context import context_at, entries


class Said(NamedTuple):
    id: str
    priority: str
    text: str
    unit: int


KINDS = st.sampled_from(["user", "assistant", "tool"])
PRIORITIES = st.sampled_from(["normal", "normal", "normal", "pinned", "skip"])
ITEMS = st.lists(st.tuples(KINDS, PRIORITIES, PRIORITIES, st.booleans()), min_size=1, max_size=9)


def build(t: Tract, items: Sequence[tuple[str, str, str, bool]]) -> list[Said]:
    said: list[Said] = []
    for number, (kind, first, second, is_edited) in enumerate(items):
        if kind == "tool":
            halves = t.extend([call(f"c{number}"), result(f"c{number}", f"r{number}")])
            said += [Said(one.commit_hash, p, "", number) for one, p in zip(halves, (first, second), strict=True)]
            continue
        one = t.user(f"m{number}") if kind == "user" else t.assistant(f"m{number}")
        said.append(Said(one.commit_hash, first, f"m{number}!" if is_edited else f"m{number}", number))
        if is_edited:
            t.edit(one.commit_hash, f"m{number}!")
    for one in said:
        if one.priority != "normal":
            t.annotate(one.id, one.priority)
    return said


def reference(said: Sequence[Said], chosen: set[str]) -> tuple[list[str], list[str]]:
    """The ids of the context afterwards, the summary being Σ, and of what it stands for."""
    units = [{one.id for one in said if one.unit == number} for number in {one.unit for one in said}]
    pinned = {one.id for one in said if one.priority == "pinned"}
    skipped = {one.id for one in said if one.priority == "skip"}
    going = set().union(*(unit for unit in units if unit & chosen and not unit & pinned))
    hidden = set().union(*(unit for unit in units if unit & skipped))
    summed = [one.id for one in said if one.id in going - hidden]
    after = [
        x
        for one in said
        for x in ([*["Σ"] * (one.id == summed[0])] if summed else []) + [one.id] * (one.id not in going)
    ]
    return after, summed


@settings(max_examples=150, deadline=None)
@given(ITEMS, st.data())
def test_random_contexts_and_choices_are_as_a_reference_says(items: list[Any], data: st.DataObject) -> None:
    with Tract.open(":memory:", tokenizer=Words()) as t:
        said = build(t, items)
        chosen = data.draw(st.sets(st.sampled_from([one.id for one in said])))
        after, summed = reference(said, chosen)
        before = context(t)
        asked: list[SummaryRequest] = []
        options: dict[str, Any] = {
            "commits": sorted(chosen),
            "summariser": lambda r: asked.append(r) or "Σ",
            "force": True,
        }
        if not summed:
            with pytest.raises(CompressionError, match="nothing to compress"):
                t.compress(**options)
            assert before == context(t)
            return

        done = compress(t, None, **options)

        (summary,) = done.summary_hashes
        assert [summary if id == "Σ" else id for id in after] == context(t)
        plain = {one.id: one.text for one in said}
        assert [plain[id] for id in summed if plain[id]] == [
            m["content"] for m in asked[0].messages if str(m["content"]).startswith("m")
        ]
        assert not [w for w in t.compile().warnings if w.kind.startswith(("unpaired", "misplaced"))]
        t.expand(summary)
        assert before == context(t)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(ITEMS, st.integers(0, 3)), min_size=1, max_size=4))
def test_pins_survive_random_compressions_one_after_the_other(rounds: list[Any]) -> None:
    with Tract.open(":memory:", tokenizer=Words()) as t:
        pins: list[tuple[str, Any]] = []
        for items, keep in rounds:
            said = build(t, items)
            pins += [(one.id, t.get_content(one.id)) for one in said if one.priority == "pinned"]
            contents = {id: blob for id, blob in entries_of(t).items() if id in dict(pins)}
            with suppress(CompressionError):  # where nothing is left to compress
                t.compress(content="Σ", keep_recent=keep, force=True)
            assert contents == {id: blob for id, blob in entries_of(t).items() if id in dict(pins)}
            assert [id for id, _ in pins] == [id for id in context(t) if id in dict(pins)]
            assert not [w for w in t.compile().warnings if w.kind.startswith(("unpaired", "misplaced"))]


def entries_of(t: Tract) -> dict[str, str]:
    repo = t.repository
    return {commit.hex(): blob.hex() for commit, blob in entries(repo, context_at(repo, repo.head()[1]))}
