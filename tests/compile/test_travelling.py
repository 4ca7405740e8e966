"""Results that leave the process, or are copied: values stay what they are, and what cannot travel says so."""

from __future__ import annotations

import copy
import pickle
import shutil
from pathlib import Path

import pytest

from tests.making import Words
from tract import ClosedError, StorageError, Tract


@pytest.fixture
def t(tmp_path: Path) -> Tract:
    t = Tract.open(tmp_path, tokenizer=Words())
    t.commit({"role": "user", "content": "one two three"}, metadata={"a": [1]}, generation_config={"model": "m"})
    t.assistant("four", usage={"prompt_tokens": 3, "completion_tokens": 1})
    t.edit("HEAD", "five six")
    return t


def results(t: Tract) -> list[object]:
    context = t.compile()
    return [
        *(t.log(), t.status(), t.blame(), t.diff("HEAD~1", "HEAD"), t.show("HEAD"), t.usage()),
        *(list(context.messages), context.token_counts, context.warnings, context.prefix_change("HEAD~1")),
    ]


@pytest.mark.parametrize("way", [lambda value: pickle.loads(pickle.dumps(value)), copy.copy, copy.deepcopy])
def test_results_come_back_from_pickle_and_copy_as_they_were(t, way):
    for result in results(t):
        assert result == way(result)


def test_tokens_travel_too(t):
    sent = pickle.dumps((t.get_commit("HEAD~2"), t.blame()[1], t.diff("HEAD~1", "HEAD").message_diffs[0].after))
    t.close()

    info, blamed, version = pickle.loads(sent)

    assert (3, {"a": [1]}, {"model": "m"}) == (info.token_count, info.metadata, info.generation_config)
    assert (version.token_count, "five six") == (blamed.token_count, blamed.text)


def test_a_compiled_context_is_its_own_copy_and_stays_with_its_tract(t):
    context = t.compile()

    assert context is copy.deepcopy([context])[0] is copy.copy(context)
    with pytest.raises(TypeError, match="belongs to an open tract"):
        pickle.dumps(context)


@pytest.mark.parametrize("folder", ["store", ":memory:"])
def test_results_count_their_tokens_after_their_tract_is_closed(tmp_path, folder):
    path = folder if folder == ":memory:" else tmp_path / folder
    with Tract.open(path, tokenizer=Words(), durability="process") as t:
        t.user("one two")
        t.assistant("three", usage={"prompt_tokens": 9, "completion_tokens": 2})
        t.user("four five six")
        context, info, blamed, diff = t.compile(), t.log()[0], t.blame()[0], t.diff("HEAD~1")

    assert [6, 5, 7] == list(context.token_counts)
    assert (18, "api:11+7") == (context.token_count, context.token_source)
    assert (1, 2, 3) == tuple(context.numbers)
    assert (3, 6) == (info.token_count, blamed.token_count)
    assert 7 == diff.stat.token_delta
    with pytest.raises(ClosedError):
        t.status()


def test_a_store_that_is_gone_counts_nothing_any_more(tmp_path):
    with Tract.open(tmp_path / "store", tokenizer=Words(), durability="process") as t:
        t.user("one two")
        context = t.compile()
    shutil.rmtree(tmp_path / "store")

    assert "one two" == context.to_openai()[0]["content"]
    with pytest.raises(StorageError):
        context.token_count  # noqa: B018
