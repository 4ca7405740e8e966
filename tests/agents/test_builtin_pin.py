from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.making import call, make_tract
from tract import PinPolicy, SessionContent, Tract
from tract.errors import PolicyConfigError


def pinned(t: Tract) -> list[int]:
    return [one.number for one in t.messages() if one.priority == "pinned"]


def test_sessions_and_what_has_all_of_a_pattern_are_pinned() -> None:
    t = make_tract()
    t.configure_policies(
        [PinPolicy(patterns=[{"role": "user", "text": r"severity: \w+"}, {"tool": "f"}, {"metadata": {"alert": True}}])]
    )

    t.system("be brief")
    t.commit(SessionContent("checkpoint", "so far", ["use S3"]))
    t.user("severity: critical")
    t.assistant("severity: critical")
    t.commit(call("1"))
    t.user("cpu", metadata={"alert": True})
    t.user("cpu", metadata={"alert": False})

    assert pinned(t) == [1, 2, 3, 5, 6]
    assert len(t.policy_log()) == 4


def test_what_somebody_decided_stays_as_it_is(tmp_path: Path) -> None:
    with make_tract(path=tmp_path) as t:
        t.user("keep this")
        t.annotate("HEAD", "normal")
        t.configure_policies([PinPolicy(patterns=[{"text": "keep"}])])
        t.user("keep that")
        assert pinned(t) == [2]
        t.annotate("HEAD", "normal")
    with make_tract(path=tmp_path) as t:
        t.user("more")
        assert pinned(t) == []


def test_what_came_with_a_look_before_is_not_looked_at_again(tmp_path: Path) -> None:
    with make_tract("a", "b", path=tmp_path) as t:
        t.configure_policies([PinPolicy()])
        t.user("c")
    with make_tract(path=tmp_path) as t:
        t.user("d")
        assert [one.number for one in t.new_messages()] == [4]


def test_an_edited_summary_that_is_new_is_a_summary_and_no_message_of_a_user() -> None:
    t = make_tract("a", "b", "c")
    t.compress(content="summary", keep_recent=1)
    t.configure_policies([PinPolicy(types=["user"])])
    t.user("d")

    t.edit(t.messages()[0].commit_hash, "edited summary")

    assert pinned(t) == [2, 3]


def test_a_new_summary_or_a_switch_makes_all_of_the_context_new() -> None:
    t = make_tract("a", "b")
    t.configure_policies([PinPolicy(patterns=[{"text": "summary"}])])
    t.user("c")
    t.compress(content="summary", keep_recent=1)

    t.user("d")

    assert pinned(t) == [1]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"types": ("loud",)}, "unknown kind of message 'loud'; known are instruction"),
        ({"patterns": [{"text": "("}]}, r"a pattern's text '\(' is not a regular expression"),
        ({"patterns": [{"words": "x"}]}, "a pattern has no 'words'"),
        ({"patterns": [{"metadata": "x"}]}, "a pattern's metadata cannot be 'x'"),
        ({"patterns": ["x"]}, "a pattern is a map of some of role, tool, text, metadata, not 'x'"),
    ],
)
def test_what_is_no_pattern_is_refused(options: dict[str, Any], error: str) -> None:
    with pytest.raises(PolicyConfigError, match=error):
        PinPolicy(**options)
