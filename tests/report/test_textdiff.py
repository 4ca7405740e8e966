"""Line and word diffs."""

from __future__ import annotations

import random
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.report import textdiff
from tract.report.textdiff import Piece, line_hunks, word_pieces

LINES = st.lists(st.sampled_from(["a", "b", "c", "d", "e", ""]), max_size=12).map("\n".join)


def drawn(before: str, after: str, context: int = 3) -> list[str]:
    found = []
    for hunk in line_hunks(before, after, context):
        found += [hunk.header, *(piece.mark + piece.text for piece in hunk.lines)]
    return found


def numbered(*changes: int, count: int = 20) -> str:
    return "\n".join(f"line {n}" if n not in changes else f"LINE {n}" for n in range(1, count + 1))


def test_a_changed_line_stands_between_those_around_it():
    assert [
        "@@ -4,7 +4,7 @@",
        " line 4",
        " line 5",
        " line 6",
        "-line 7",
        "+LINE 7",
        " line 8",
        " line 9",
        " line 10",
    ] == drawn(numbered(), numbered(7))


def test_changes_close_together_share_a_hunk():
    assert 1 == len(line_hunks(numbered(), numbered(7, 14)))
    assert 2 == len(line_hunks(numbered(), numbered(7, 15)))


def test_a_side_without_lines_starts_at_zero():
    assert ["@@ -0,0 +1 @@", "+a"] == drawn("", "a")
    assert ["@@ -1,2 +0,0 @@", "-a", "-b"] == drawn("a\nb", "")
    assert [] == drawn("same\nsame", "same\nsame")


@given(LINES, LINES, st.integers(0, 3))
def test_the_hunks_lead_from_one_text_to_the_other(before, after, context):
    old, new = textdiff.lines_of(before), textdiff.lines_of(after)
    at, rebuilt = 0, []
    for hunk in line_hunks(before, after, context):
        start = hunk.start_before - (hunk.count_before > 0)
        rebuilt += old[at:start]
        assert len(rebuilt) == hunk.start_after - (hunk.count_after > 0)
        assert old[start : start + hunk.count_before] == [p.text for p in hunk.lines if p.mark != "+"]
        assert hunk.count_after == sum(p.mark != "-" for p in hunk.lines)
        rebuilt += [p.text for p in hunk.lines if p.mark != "-"]
        at = start + hunk.count_before
    assert new == rebuilt + old[at:]


@pytest.mark.parametrize("seed", range(10))
def test_git_takes_the_hunks_as_a_patch(tmp_path, seed):
    chance = random.Random(seed)
    old = [f"line {n}" for n in range(60)]
    new = [line for line in old if chance.random() > 0.1]
    for _ in range(5):
        new.insert(chance.randrange(len(new)), f"new {chance.random()}")
    (tmp_path / "f").write_text("\n".join(old) + "\n")
    body = drawn("\n".join(old), "\n".join(new))
    (tmp_path / "p").write_text("\n".join(["--- a/f", "+++ b/f", *body]) + "\n")

    subprocess.run(["git", "apply", "p"], cwd=tmp_path, check=True)

    assert new == (tmp_path / "f").read_text().splitlines()


def test_words_that_changed_are_told_from_those_that_stay():
    assert (Piece(" ", "You have "), Piece("-", "60"), Piece("+", "30"), Piece(" ", " days.")) == word_pieces(
        "You have 60 days.", "You have 30 days."
    )


@given(st.text("ab ,\n", max_size=20), st.text("ab ,\n", max_size=20))
def test_the_words_lead_from_one_text_to_the_other(before, after):
    pieces = word_pieces(before, after)

    assert before == "".join(p.text for p in pieces if p.mark != "+")
    assert after == "".join(p.text for p in pieces if p.mark != "-")


@pytest.mark.parametrize("repeat", [1, 100, 10_000])
def test_long_texts_are_compared_in_little_time(repeat):
    old = "\n".join(str(n % (100_000 // repeat)) for n in range(30_000))
    new = "\n".join(str((n * 7 + 1) % (100_000 // repeat)) for n in range(30_000))
    start = time.process_time()

    assert line_hunks(old, new)
    assert word_pieces(old, new)

    assert time.process_time() - start < 2
