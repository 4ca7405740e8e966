"""Scenario 2.3: what an agent was seeing when it gave a bad answer, and what has changed since."""

from __future__ import annotations

import pytest

from tract import DetachedHeadError, Priority, Tract

FIGURE = "The limit is 40 bar."
ANSWER = "Set it to 400 bar."


@pytest.fixture
def story(tmp_path) -> dict[str, str]:
    """A bad answer fifteen turns ago; since then its source was corrected and some chatter hidden."""
    with Tract.open(tmp_path) as t:
        t.system("Answer from the manual.")
        figure = t.user(FIGURE).commit_hash
        noise = t.user("Unrelated chatter.").commit_hash
        bad = t.commit(
            {"role": "assistant", "content": ANSWER}, generation_config={"model": "m1", "temperature": 1.9}
        ).commit_hash
        for turn in range(15):
            t.user(f"Turn {turn}")
        edit = t.edit(figure, "The limit is 4 bar.").commit_hash
        t.annotate(noise, Priority.SKIP, reason="chatter")
    return {"figure": figure, "noise": noise, "bad": bad, "edit": edit}


def test_2_3_in_python(tmp_path, story):
    with Tract.open(tmp_path) as t:
        t.checkout(f"{story['bad']}~1")
        with pytest.raises(DetachedHeadError):
            t.user("read-only")
        assert ["Answer from the manual.", FIGURE] == [m.content for m in t.compile().messages]
        then = t.sent(story["bad"])
        assert ["Answer from the manual.", FIGURE, "Unrelated chatter."] == [m.content for m in then.messages]
        t.switch("main")

        since = t.diff(f"{story['bad']}~1")
        assert ["changed", *["added"] * 16] == [d.kind for d in since.message_diffs]
        assert ("-The limit is 40 bar.", "+The limit is 4 bar.") == tuple(
            p.mark + p.text for p in since.message_diffs[0].hunks()[0].lines
        )

        seen = t.diff(then, t.compile())
        assert [("changed", story["figure"]), ("removed", story["noise"]), ("added", story["bad"])] == [
            (d.kind, d.commit_hash) for d in seen.message_diffs[:3]
        ]
        assert t.compile().token_count - then.token_count == seen.stat.token_delta

        figure, noise, bad = t.blame()[1:4]
        assert (story["edit"], True, "The limit is 4 bar.") == (figure.changed_hash, figure.is_changed, figure.text)
        assert (Priority.SKIP, "m1", {"model": "m1", "temperature": 1.9}) == (
            noise.priority,
            bad.model,
            bad.generation_config,
        )


def test_2_3_on_the_command_line(tract, story):
    assert 0 == tract("checkout", f"{story['bad']}~1").status
    assert [FIGURE] == [m["content"] for m in tract("compile", "--format", "openai").json[1:]]
    tract("switch", "main")

    out = tract("diff", f"{story['bad']}~1").out.splitlines()
    assert out[0].endswith(" user: changed")
    assert ["-The limit is 40 bar.", "+The limit is 4 bar."] == out[2:4]
    assert 1 == tract("diff", "--then", "--quiet", f"{story['bad']}~1").status
    assert [story["edit"], story["figure"]] == [
        line["commit_hash"] for line in tract("log", "--json", "--grep", "the limit", "-i").json_lines
    ]
    assert story["bad"] == tract("log", "--json", "-S", "400 bar").json_lines[0]["commit_hash"]
    assert "edit of" in tract("blame", "-L", "2").out
