"""Which commits a log is of."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from tract import CommitNotFoundError, CommitOperation, ContentValidationError, TimeArgumentError, Tract
from tract.history.context import context_at
from tract.objects.model import new_blob, new_commit
from tract.refs.store import ANY, RefEdit


def at(hour: int) -> datetime:
    return datetime(2026, 3, 9, hour, tzinfo=UTC)


@pytest.fixture
def talk():
    """Two lines from ``1``: main has an edit of it that a merge keeps; the merge's other parent has ``side``."""
    t = Tract.open(":memory:")
    repo = t.repository
    t.commit({"role": "user", "content": "one apple"}, timestamp=at(1), message="N1")
    t.commit({"role": "user", "content": "two pears"}, timestamp=at(2), message="fruit")
    t.tag("base")
    t.commit({"role": "user", "content": "side apple"}, timestamp=at(3))
    t.tag("side")
    side = bytes.fromhex(t.head)
    repo.refs.update([RefEdit("refs/heads/main", bytes.fromhex(t.tags()["base"]), ANY)], reason="test")
    assert t.tags()["base"] == t.head  # has looked
    t.edit("HEAD~1", "one plum", timestamp=at(4))
    ours = bytes.fromhex(t.head)
    context = context_at(repo, ours)
    other = context_at(repo, side)
    resolved = new_blob({"content_type": "dialogue", "role": "user", "text": "one apple and a plum"})
    first = context.open[0]
    open_ = (first, resolved.id, *context.open[2:], *other.open[-2:])
    merge = new_commit(replace_commit(repo.commit(ours), parents=(ours, side), open_=open_))
    repo.refs.update([RefEdit("refs/heads/main", merge.id, ANY)], reason="test", objects=[resolved, merge])
    yield t
    t.close()


def replace_commit(commit, *, parents, open_):
    return commit._replace(operation=CommitOperation.MERGE, parents=parents, content=None, target=None, open=open_, generation=4, time=commit.time + 10**9, author="m")  # fmt: skip


def told(t: Tract, **options: object) -> list[str]:
    """The hour and operation of each commit."""
    return [f"{info.created_at.hour}{info.operation[0]}" for info in t.log(None, **options)]


@pytest.mark.parametrize(
    ("options", "commits"),
    [
        ({}, ["4m", "4e", "3a", "2a", "1a"]),
        ({"first_parent": True}, ["4m", "4e", "2a", "1a"]),
        ({"skip": 1}, ["4e", "3a", "2a", "1a"]),
        ({"start": "base..HEAD"}, ["4m", "4e", "3a"]),
        ({"start": ["HEAD", "^side"]}, ["4m", "4e"]),
        ({"start": ["base", "side"]}, ["3a", "2a", "1a"]),
        ({"start": "side", "all_refs": True}, ["4m", "4e", "3a", "2a", "1a"]),
        ({"start": ["base", "HEAD"], "first_parent": True}, ["4m", "4e", "2a", "1a"]),
        ({"start": "^HEAD"}, []),
        ({"merges": True}, ["4m"]),
        ({"merges": False, "op_filter": "edit"}, ["4e"]),
        ({"since": at(2), "until": at(4)}, ["3a", "2a"]),
        ({"author": "^m$"}, ["4m"]),
        ({"author": "^M$"}, []),
        ({"author": "^M$", "ignore_case": True}, ["4m"]),
        ({"grep": "fruit"}, ["2a"]),
        ({"grep": "apple|plum"}, ["4e", "3a", "1a"]),
        ({"grep": re.compile("ONE", re.I)}, ["4e", "1a"]),
        ({"grep": "^side apple$"}, ["3a"]),
        ({"text": "pears"}, ["2a"]),
        ({"text": "one"}, ["1a"]),
        ({"text": "ONE", "ignore_case": True}, ["1a"]),
        ({"text": "apple"}, ["4e", "3a", "1a"]),
        ({"text": "plum"}, ["4e"]),
        ({"text": "and a"}, ["4m"]),
        ({"text": "a.p"}, []),
    ],
)
def test_options_say_which_commits(talk, options, commits):
    assert commits == told(talk, **options)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"skip": -1}, ContentValidationError),
        ({"grep": "("}, ContentValidationError),
        ({"author": 3}, ContentValidationError),
        ({"text": ""}, ContentValidationError),
        ({"since": datetime(2026, 1, 1)}, TimeArgumentError),
        ({"until": "the other day"}, TimeArgumentError),
        ({"start": "base..nope"}, CommitNotFoundError),
        ({"start": ["base", ""]}, CommitNotFoundError),
    ],
)
def test_what_makes_no_sense_is_refused(talk, options, error):
    with pytest.raises(error):
        talk.log(**options)


def test_an_empty_tract_has_an_empty_log_whatever_is_asked():
    with Tract.open(":memory:") as t:
        assert [] == t.log(all_refs=True) == t.log(grep="x", first_parent=True) == t.log(text="x")
