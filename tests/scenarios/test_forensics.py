"""Scenario X.3: where bad data entered eighty turns of work, and a history without it."""

from __future__ import annotations

import sys

import pytest

from tract import Tract

POISON = "Revenue of Q3: 9,400 million"


@pytest.fixture
def report(tmp_path) -> list[str]:
    """The commits of a conversation of 80 turns; the 42nd brought the bad figure, and later ones build on it."""
    with Tract.open(tmp_path) as t:
        texts = [POISON if turn == 41 else f"finding {turn}" for turn in range(80)]
        return [
            info.commit_hash
            for info in t.extend(
                {"role": "user" if n % 2 else "assistant", "content": text} for n, text in enumerate(texts)
            )
        ]


def is_clean(context) -> bool:
    return all(m.content != POISON for m in context.messages)


def test_x_3_in_python(tmp_path, report):
    with Tract.open(tmp_path) as t:
        tests = []
        found = t.bisect(report[0], "HEAD", lambda context: tests.append(len(context)) or is_clean(context))

        assert report[41] == found.commit_hash
        assert len(tests) <= 7  # of 79 commits
        assert [report[41]] == [info.commit_hash for info in t.log(None, text="9,400 million")]
        (brought,) = t.show(found.commit_hash).changes.message_diffs
        assert ("added", POISON, 42) == (brought.kind, brought.after.text, brought.after.number)
        assert (True, False) == tuple(
            is_clean(t.compile(at_commit=f"{found.commit_hash}{step}")) for step in ("~1", "")
        )

        t.branch("clean", source=f"{found.commit_hash}~1", switch=True)
        t.cherry_pick(f"{found.commit_hash}..main")

        assert is_clean(t.compile())
        removed = t.diff("main", "clean", compiled=True)
        assert [POISON] == [d.before.text for d in removed.message_diffs if d.kind == "removed"][:1]
        assert 79 == len(t.compile())

        t.switch("main")
        rebased = t.rebase(found.commit_hash, onto=f"{found.commit_hash}~1")
        assert (38, ()) == (len(rebased.replayed), rebased.warnings)
        assert t.head == t.get_commit("clean").commit_hash  # what is made again the same way is the same commit


def test_x_3_on_the_command_line(tract, tmp_path, report):
    judge = tmp_path / "judge.py"
    judge.write_text("import sys\nsys.exit('9,400' in sys.stdin.read())\n")
    tract("bisect", "start", "HEAD", report[0])

    outcome = tract("bisect", "run", sys.executable, str(judge))

    assert f"{report[41]} is the first bad commit" in outcome.out
    assert 0 == tract("bisect", "reset").status
    assert [report[41]] == [line["commit_hash"] for line in tract("log", "--json", "-S", "9,400").json_lines]
    assert [f"+{POISON}"] == tract("diff", f"{report[41]}~1", report[41]).out.splitlines()[1:]
    assert 0 == tract("compile", "--at", f"{report[41]}~1").out.count(POISON)

    assert 0 == tract("branch", "clean", f"{report[41]}~1").status
    assert 0 == tract("switch", "clean").status
    assert 0 == tract("cherry-pick", f"{report[41]}..main").status
    assert 0 == tract("compile").out.count(POISON)
    assert "79 messages" in tract("status").out
    assert 1 == tract("diff", "--compiled", "--exit-code", "main", "clean").status

    assert 0 == tract("switch", "main").status
    moved = tract("rebase", report[41], "--onto", f"{report[41]}~1", "--json").json
    assert (38, []) == (len(moved["replayed"]), moved["warnings"])
    assert 0 == tract("diff", "--exit-code", "main", "clean").status
    assert POISON in tract("compile", "--at", "ORIG_HEAD").out  # the old history is still there to look at
