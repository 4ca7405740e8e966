"""Scenario 3.2: the same question to two models, on two branches, compared."""

from __future__ import annotations

import pytest

from tract import Tract

REVIEWS = {
    "careful": ("Line 3 leaks the file.", {"model": "gpt-4o", "temperature": 0.3}),
    "cheap": ("Looks good to me.", {"model": "gpt-4o-mini", "temperature": 0.7}),
}


@pytest.fixture
def branches(tmp_path):
    """A branch a model, each asked the same."""
    with Tract.open(tmp_path) as t:
        t.system("Review this code.")
        t.user("open('x').read()")
        for name, (review, config) in REVIEWS.items():
            t.branch(name, source="main", switch=True)
            t.user("What is wrong with it?")
            t.commit({"role": "assistant", "content": review}, generation_config=config)
    return tmp_path


def test_3_2_in_python(branches):
    with Tract.open(branches) as t:
        result = t.diff("careful", "cheap")

        assert [("temperature", 0.3, 0.7), ("model", "gpt-4o", "gpt-4o-mini")] == sorted(
            ((c.field, c.before, c.after) for c in result.generation_config_changes), reverse=True
        )
        assert ["removed", "removed", "added", "added"] == [d.kind for d in result.message_diffs]
        assert (2, 2, 0) == (result.stat.added, result.stat.removed, result.stat.changed)
        careful, cheap = t.compile(at_commit="careful"), t.compile(at_commit="cheap")
        assert (
            cheap.token_count - careful.token_count
            == result.stat.token_delta
            == t.diff(careful, cheap).stat.token_delta
        )

        (found,) = t.query_by_config("model", "=", "gpt-4o")
        assert "Line 3 leaks the file." == t.get_content(found.commit_hash).message["content"]
        assert ["gpt-4o-mini"] == [entry.model for entry in t.blame("cheap") if entry.model]
        assert 2 == t.diff("careful...cheap").stat.added


@pytest.mark.usefixtures("branches")
def test_3_2_on_the_command_line(tract):
    out = tract("diff", "careful..cheap").out

    assert "-Line 3 leaks the file." in out
    assert "+Looks good to me." in out
    assert 'model: "gpt-4o" -> "gpt-4o-mini"' in out
    assert ["cheap"] == [
        line["refs"][0].removeprefix("HEAD -> ")
        for line in tract("log", "--json", "--all", "--config", "temperature>0.5").json_lines
    ]
    assert "gpt-4o-mini" == tract("blame", "cheap", "--json").json_lines[-1]["model"]
    assert 4 == tract("log", "--graph", "--oneline", "careful", "cheap", "^main").out.count("*")
