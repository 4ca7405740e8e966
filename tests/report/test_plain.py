"""Results as JSON values, under Python's names."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tract import ArtifactContent, Priority, Tract
from tract.report.plain import to_plain


@pytest.fixture
def t(tmp_path: Path) -> Iterator[Tract]:
    t = Tract.open(tmp_path)
    t.system("be brief")
    t.user("hello")
    t.assistant("hi there", usage={"prompt_tokens": 9, "completion_tokens": 2})
    t.edit("HEAD", "hi", metadata={"why": ["shorter"]}, generation_config={"model": "m", "temperature": 0.5})
    yield t
    t.close()


def test_a_commit_has_the_names_and_values_it_has_in_python(t: Tract) -> None:
    info = t.get_commit("HEAD")

    value = to_plain(info)

    assert list(value) == [
        *("commit_hash", "tract_id", "parent_hash", "parent_hashes", "content_hash", "content_type", "operation"),
        *("response_to", "message", "metadata", "generation_config", "usage", "priority", "author", "created_at"),
        *("landed_on", "role", "excerpt", "token_count"),
    ]
    assert value["commit_hash"] == info.commit_hash
    assert value["parent_hashes"] == [info.parent_hash]
    assert value["operation"] == "edit"
    assert value["metadata"] == {"why": ["shorter"]}
    assert value["created_at"] == info.created_at.isoformat()
    assert value["token_count"] == info.token_count == 1


def test_usage_is_told_field_by_field(t: Tract) -> None:
    usage = to_plain(t.get_commit("HEAD~1"))["usage"]

    assert usage["input_tokens"] == 9
    assert usage["original"] == {"prompt_tokens": 9, "completion_tokens": 2}


def results(t: Tract) -> list[Any]:
    t.branch("side")
    t.user("more")
    t.switch("side")
    t.user("other")
    t.switch("main")
    merged = t.merge("side", no_ff=True)
    return [
        *(
            t.status(),
            t.compile(),
            t.log(),
            t.blame(),
            t.diff("HEAD~2", "HEAD"),
            t.show("HEAD"),
            t.usage(),
            t.reflog(),
            t.tags(),
        ),
        *(merged, t.annotate("HEAD~1", Priority.PINNED), t.list_branches(), t.prefix_change("HEAD~1")),
        t.compress(to_commit="HEAD~3", content="a greeting", force=True),
        *(t.undo(dry_run=True), t.gc(dry_run=True), t.rebase("side", dry_run=True)),
    ]


def test_every_result_is_json(t: Tract) -> None:
    for result in results(t):
        text = json.dumps(to_plain(result), allow_nan=False)

        assert "0x" not in text, result


def test_a_property_is_as_good_as_a_field(t: Tract) -> None:
    value = to_plain(t.diff("HEAD~1", "HEAD"))

    assert value["stat"]["changed"] == 1
    assert value["stat"]["token_delta"] == -1
    assert value["message_diffs"][0]["before"]["text"] == "hi there"
    assert value["generation_config_changes"][0]["field"] == "model"


def test_what_a_class_keeps_out_of_its_repr_is_left_out(t: Tract) -> None:
    version = to_plain(t.diff("HEAD~1", "HEAD"))["message_diffs"][0]["after"]

    assert "message" not in version
    assert not [name for name in version if name.startswith("_")]


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (ArtifactContent("code", "x = 1"), {"content_type": "artifact", "artifact_type": "code", "content": "x = 1", "language": None}),
        (b"\x01\xff", "01ff"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (Path("a/b"), "a/b"),
        (Priority.SKIP, "skip"),
        ({"b", "a"}, ["a", "b"]),
        ({Priority.SKIP: (1, 2.5)}, {"skip": [1, 2.5]}),
        (math.inf, None),
        (float("nan"), None),
    ],
)  # fmt: skip
def test_each_kind_of_value_has_one_form(value: object, plain: object) -> None:
    assert to_plain(value) == plain


def test_an_object_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^object has no form in JSON$"):
        to_plain([object()])
