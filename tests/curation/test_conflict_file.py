"""The conflicts as a text: whatever the messages say, it is read back as it was edited."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract import MergeResult, Tract
from tract.curation.merge.conflict_file import ConflictFile
from tract.errors import MergeConflictError, MergeError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(str.strip)
HOSTILE = "<<<<<<< ours\n=======\n>>>>>>> theirs\n@@@@@@@ 1/1\n"


def make_result(*sides: tuple[str, str, str]) -> MergeResult:
    """A merge with a conflict for each (base, ours, theirs)."""
    t = Tract.open(":memory:")
    infos = [t.user(base) for base, _, _ in sides]
    t.branch("draft", switch=True)
    for info, (_, _, theirs) in zip(infos, sides, strict=True):
        t.edit(info.commit_hash, theirs)
    t.switch("main")
    for info, (_, ours, _) in zip(infos, sides, strict=True):
        t.edit(info.commit_hash, ours)
    return t.merge("draft")


def with_bodies(document: str, *bodies: str) -> str:
    """The document with these texts as its sections."""
    heads = re.findall(r"^@@@@@@@ [0-9a-f]{8} .*\n", document, re.M)
    return "some words\n" + "".join(head + body + "\n" for head, body in zip(heads, bodies, strict=False)) + heads[-1]


def texts(result: MergeResult) -> list[str]:
    return [resolution.content.text for resolution in result.resolutions]


def read_back(result: MergeResult, document: str) -> MergeResult:
    return result.with_resolution(*ConflictFile.of_merge(result).read(document))


@given(TEXT, TEXT, TEXT, TEXT)
def test_any_text_comes_back_as_it_was_edited(base: str, ours: str, theirs: str, edited: str) -> None:
    if len({base, ours, theirs}) < 3:
        return
    result = make_result((base, ours, theirs))
    document = ConflictFile.of_merge(result).text()

    assert all(text in document for text in (base, ours, theirs))
    assert [edited] == texts(read_back(result, with_bodies(document, edited)))


def test_texts_that_look_like_markers_are_texts() -> None:
    result = make_result(("a", HOSTILE, "@@@@@@@ end"), ("b", "b1", "b2"))
    document = ConflictFile.of_merge(result).text()

    done = read_back(result, with_bodies(document, HOSTILE, "two\nlines\n"))

    assert [HOSTILE, "two\nlines\n"] == texts(done)
    assert () == done.unresolved


def test_the_word_of_the_markers_is_in_no_text() -> None:
    plain = make_result(("a", "a1", "a2"))
    token = ConflictFile.of_merge(plain).text().split("@@@@@@@ ")[-1].split()[0]
    assert re.fullmatch("[0-9a-f]{8}", token)


def test_a_file_that_an_editor_gave_other_line_ends_is_read_all_the_same() -> None:
    result = make_result(("a", "a1", "a2"))
    document = with_bodies(ConflictFile.of_merge(result).text(), "one\ntwo").replace("\n", "\r\n")

    assert ["one\ntwo"] == texts(read_back(result, document))


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (lambda text: text, MergeConflictError, "section 1 .* has a line with a marker left"),
        (lambda _: "", MergeError, "line of section 1 .* is not where it was"),
        (lambda text: with_bodies(text, "x", "y").replace("2/2", "3/2"), MergeError, "line of section 2"),
        (lambda text: with_bodies(text, "x", "y").rsplit("@@@@@@@", 1)[0], MergeError, "line at its end"),
        (lambda text: with_bodies(text, "x", "y").replace("1/2", "2/2"), MergeError, "line of section 1"),
        (lambda text: with_bodies(text, "x", "y") * 2, MergeError, "is there twice"),
        (lambda text: with_bodies(text, "x", " \n"), MergeConflictError, "section 2 .* is empty"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_and_says_where(damage, error, words) -> None:
    result = make_result(("a", "a1", "a2"), ("b", "b1", "b2"))

    with pytest.raises(error, match=words):
        read_back(result, damage(ConflictFile.of_merge(result).text()))


def test_what_is_more_than_a_text_is_json_and_must_be_json_again() -> None:
    t = Tract.open(":memory:")
    part = {"type": "text", "text": "a"}
    info = t.commit({"role": "user", "content": [part]})
    t.branch("draft", switch=True)
    t.edit(info.commit_hash, {"role": "user", "content": [part, part]})
    t.switch("main")
    t.edit(info.commit_hash, {"role": "user", "content": "now a text"})
    result = t.merge("draft")
    document = ConflictFile.of_merge(result).text()

    assert '"content": "now a text"' in document
    assert "must be JSON again" in document
    with pytest.raises(MergeError, match=r"section 1 .* cannot be the message: it is not JSON"):
        read_back(result, with_bodies(document, "now a text"))
    with pytest.raises(MergeError, match="needs a role"):
        read_back(result, with_bodies(document, '{"content": "x"}'))
    done = read_back(result, with_bodies(document, '{"role": "user", "content": "x", "name": "y"}'))
    t.commit_merge(done)
    assert [{"role": "user", "content": "x", "name": "y"}] == t.compile().to_openai()
