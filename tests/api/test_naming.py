"""How commits and messages are named: by texts, by values, by their numbers in a context."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.making import texts
from tract import CommitInfo, CommitNotFoundError, EditTargetError, Priority, Tract


def talk(*texts: str, folder: str | Path = ":memory:") -> Tract:
    t = Tract.open(folder, durability="process")
    t.extend([{"role": "user", "content": text} for text in texts])
    return t


@pytest.fixture
def t() -> Tract:
    return talk("a", "b", "c", "d")


TAKES_A_VALUE: dict[str, Callable[[Tract, CommitInfo], object]] = {
    "edit": lambda t, info: t.edit(info, "B"),
    "restore": lambda t, info: t.restore(info, info),
    "edit_history": lambda t, info: t.edit_history(info),
    "annotate": lambda t, info: t.annotate(info, Priority.PINNED),
    "get_annotations": lambda t, info: t.get_annotations(info),
    "tag": lambda t, info: t.tag("v1", info),
    "record_usage": lambda t, info: t.record_usage({"prompt_tokens": 5}, head_hash=info),
    "get_commit": lambda t, info: t.get_commit(info),
    "get_content": lambda t, info: t.get_content(info),
    "commit": lambda t, info: t.user("why?", response_to=info),
    "compile": lambda t, info: t.compile(at_commit=info, order=[info]),
    "sent": lambda t, info: t.sent(info),
    "prefix_change": lambda t, info: (t.prefix_change(info), t.compile().prefix_change(info)),
    "log": lambda t, info: (t.log(start=info), t.log(start=[info, "HEAD"])),
    "show": lambda t, info: t.show(info),
    "diff": lambda t, info: (t.diff(info), t.diff(info, t.log()[0])),
    "blame": lambda t, info: t.blame(info),
    "bisect": lambda t, info: t.bisect(info, t.log()[0], lambda context: len(context) < 3),
    "branch": lambda t, info: t.branch("other", source=info),
    "checkout": lambda t, info: t.checkout(info),
    "reset": lambda t, info: t.reset(info, "hard"),
    "rebase": lambda t, info: t.rebase(info, onto=info, dry_run=True),
    "cherry_pick": lambda t, info: (t.checkout(info), t.branch("b", switch=True), t.cherry_pick([t.get_commit("main")])),
    "revert": lambda t, info: t.revert(info),
    "merge": lambda t, info: (t.reset(info), t.merge(t.get_commit("ORIG_HEAD"))),
    "compress": lambda t, info: t.compress(from_commit=info, to_commit=info, content="b", preserve=[t.log()[0]], force=True),
    "compress commits": lambda t, info: t.compress(commits=[info], content="b", force=True),
    "reorder": lambda t, info: t.reorder([info], after=t.log()[0]),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKES_A_VALUE)
def test_a_commit_may_be_named_by_its_info(t: Tract, name: str) -> None:
    TAKES_A_VALUE[name](t, t.get_commit("HEAD~2"))


def test_a_result_names_its_commit(t: Tract) -> None:
    merged = t.compress(to_commit="HEAD~2", content="ab", force=True)

    assert t.get_commit(merged).operation == "compress"


@pytest.mark.parametrize("wrong", [5, None, b"HEAD", object], ids=repr)
def test_what_names_no_commit_is_said_so(t: Tract, wrong: Any) -> None:
    with pytest.raises(CommitNotFoundError, match="a revision is a text, or a value with a commit_hash"):
        t.get_commit(wrong)


def test_a_result_without_a_commit_names_none(t: Tract) -> None:
    with pytest.raises(CommitNotFoundError, match="a value with a commit_hash"):
        t.get_commit(t.compress(to_commit="HEAD~2", content="ab", force=True, dry_run=True))


def test_a_message_is_named_by_its_number_in_a_context(t: Tract) -> None:
    ids = [info.commit_hash for info in reversed(t.log())]

    assert ids == [t.get_commit(f"HEAD:{number}").commit_hash for number in (1, 2, 3, 4)]
    assert ids[0] == t.get_commit(":1").commit_hash == t.get_commit("main~2:1").commit_hash
    assert ids[1] == t.get_commit("HEAD~2:2").commit_hash


def test_an_edited_message_keeps_its_number_and_is_edited_by_it(t: Tract) -> None:
    t.edit("HEAD:2", "B")
    t.annotate(":1", "skip")

    assert ["B", "c", "d"] == texts(t)
    assert "b" == t.get_content("HEAD:2").message["content"]
    t.edit("HEAD:2", "BB")
    assert ["BB", "c", "d"] == texts(t)


@pytest.mark.parametrize("length", [1, 7, 8, 33, 300, 1200])
def test_every_message_of_a_long_context_has_its_number(length: int) -> None:
    t = talk(*(f"{n}" for n in range(1, length + 1)))

    for number in {1, (length + 1) // 2, length}:
        assert f"{number}" == t.get_content(f"HEAD:{number}").message["content"]


@pytest.mark.parametrize(
    "name", ["HEAD:0", "HEAD:5", ":99999999999999999999", "HEAD:x", "HEAD:", "nobody:1", "HEAD:-1"]
)
def test_a_number_that_no_message_has_is_said_so(t: Tract, name: str) -> None:
    with pytest.raises(CommitNotFoundError):
        t.get_commit(name)


def test_the_error_says_how_many_there_are(t: Tract) -> None:
    with pytest.raises(CommitNotFoundError, match="no commit named 'HEAD:5': that context has 4 messages"):
        t.get_commit("HEAD:5")


def test_a_message_is_no_message_where_the_number_is_a_merge(t: Tract) -> None:
    t.branch("side", switch=True)
    t.switch("main")
    t.user("e")
    t.switch("side")
    t.user("f")
    merged = t.merge("main")

    with pytest.raises(EditTargetError):
        t.edit(merged.merge_commit_hash or "", "x")
    assert {"e", "f"} == {t.get_content(f"HEAD:{number}").text for number in (5, 6)}
