"""Names: what may become a path, and what may not."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.errors import InvalidBranchNameError, RefNameError, SessionError
from tract.refs.names import branch_ref, check_ref, name_problem, ref_path, tag_ref, tract_name, tract_prefix


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
    with pytest.raises(RefNameError):
        tag_ref(name)
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


NAMES = (
    "user/42:thread 7", "..", ".", "...", "-x", "con", "CON", "nul.txt", "a.lock", "a.tmp", ".tmp", "a.", "x~1", "%41", "a%2fb",
    "Alice", "alice", "caf\u00e9", "cafe\u0301", "\U0001f9d1\u200d\U0001f680", "\u202ex", "a\nb", "\0", " ", "0" * 64, "x" * 255, "\u00e9" * 127,
    "HEAD", "refs/heads/main", "\u00df", "SS", "\u0130", "i",
)  # fmt: skip


def test_tracts_of_any_names_have_places_that_no_file_system_confuses() -> None:
    places = [ref_path(tract_prefix(name)) for name in NAMES]

    assert list(NAMES) == [tract_name(tract_prefix(name)) for name in NAMES]
    assert len(NAMES) == len({place.casefold() for place in places})
    for place in places:
        assert re.fullmatch(r"tracts/[a-z0-9_%][a-z0-9_.%~-]{0,119}/", place), place
        assert place.split("/")[1].split(".")[0] not in ("con", "nul")


@given(st.text(min_size=1, max_size=80).filter(lambda text: len(text.encode("utf-8", "surrogatepass")) <= 255))
def test_a_tract_s_name_comes_back_from_its_prefix(name: str) -> None:
    if any("\ud800" <= char <= "\udfff" for char in name):
        return
    prefix = tract_prefix(name)

    assert name == tract_name(prefix)
    if prefix:
        assert prefix + "HEAD" == check_ref(prefix + "HEAD")


@pytest.mark.parametrize("name", ["", "x" * 256, "\u00e9" * 128, "\ud800", 5, None, b"x"])
def test_what_is_no_name_of_a_tract_is_refused(name: Any) -> None:
    with pytest.raises(SessionError, match="is not a tract name"):
        tract_prefix(name)


@pytest.mark.parametrize(
    "part", ["A", "%41%", "%4", "%zz", "%61", "a/b", "con", "\u00e9", "a~b", "", "root", "x" * 800]
)
def test_a_part_that_no_name_has_is_no_tract(part: str) -> None:
    with pytest.raises(RefNameError):
        check_ref(f"tracts/{part}/HEAD")
