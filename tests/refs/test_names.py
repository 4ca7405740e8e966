"""Names: what may become a path, and what may not."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.errors import InvalidBranchNameError, RefNameError
from tract.refs.names import branch_ref, check_ref, check_tract_name, name_problem, tag_ref


@pytest.mark.parametrize(
    "name", ["main", "a/b", "feature/x-1_2.3", "ünïcode", "日本", "a@b", "1", "x" * 100, "Head", "conx"]
)
def test_good_names_are_taken(name: str) -> None:
    assert "refs/heads/" + name == branch_ref(name) == check_ref("refs/heads/" + name)
    assert "refs/tags/" + name == tag_ref(name)


BAD = (
    "", "HEAD", "@", "-rf", "a/-b", ".", "..", "a..b", "../x", "/etc", "a/", "a//b", ".git", "a/.b", "a.", "a./b",
    "a.lock", "a.LOCK/b", "x.tmp", "con", "CON", "aux.txt", "a/NUL", "lpt1", "0" * 64, "a b", "a~1", "a^", "a:b",
    "a?b", "a*", "a[b", "a\\b", 'a"b', "a<b", "a|b", "a@{1}", "a\nb", "a\0b", "a\x1b[31m", "a\u202eb", "a\u200bb",
    "a\u00a0b", "e\u0301", "\ud800", "x" * 101, "é" * 51, "/".join("abcdefghi"), "/".join(["x" * 90] * 3),
)  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_names_are_refused_with_the_rule_they_break(name: str) -> None:
    with pytest.raises(InvalidBranchNameError, match=r"is not a branch name: (it|a part|')"):
        branch_ref(name)
    for check in (tag_ref, check_tract_name):
        with pytest.raises(RefNameError):
            check(name)
    for prefix in ("refs/heads/", "refs/notes/", "tracts/x/refs/tags/"):
        with pytest.raises(RefNameError):
            check_ref(prefix + name)


@pytest.mark.parametrize(
    "name", ["HEAD", "ORIG_HEAD", "tracts/a/HEAD", "tracts/a/refs/heads/main", "refs/archive/1", "refs/notes/config"]
)
def test_whole_ref_names_are_taken(name: str) -> None:
    assert name == check_ref(name)


@pytest.mark.parametrize(
    "name",
    [
        "main",
        "refs",
        "refs/x/y",
        "tracts/HEAD",
        "tracts//HEAD",
        "tracts/a/b/HEAD",
        "tracts/../HEAD",
        "format",
        "HEAD/x",
    ],
)
def test_other_places_in_the_store_are_no_refs(name: str) -> None:
    with pytest.raises(RefNameError):
        check_ref(name)


@given(st.text(max_size=60))
def test_a_good_name_stays_inside_its_folder(name: str) -> None:
    if name_problem(name) is None:
        path = os.path.normpath("/store/refs/heads/" + name)
        assert "/store/refs/heads/" + name == path
        assert name.isprintable()
        assert name == os.fsdecode(os.fsencode(name))


def test_a_refusal_shows_no_control_characters() -> None:
    with pytest.raises(RefNameError) as caught:
        tag_ref("a\x1b]0;title\x07")

    assert str(caught.value).isprintable()
