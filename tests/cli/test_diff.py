"""``tract diff``, and what ``tract show`` says of changes."""

from __future__ import annotations

import pytest

from tract import Tract
from tract.history.context import context_at
from tract.objects.model import CommitOperation, new_commit
from tract.refs.store import ANY, RefEdit


@pytest.fixture
def talk(run, tmp_path):
    """A question, an answer, and an edit of the answer."""
    with Tract.open(tmp_path) as t:
        t.user("How long can I return it?")
        answer = t.commit(
            {"role": "assistant", "content": "You have 60 days.\nBye!"}, generation_config={"model": "m1"}
        )
        t.edit(answer.commit_hash, "You have 30 days.\nBye!", generation_config={"model": "m2"})
    return run


def lines(outcome) -> list[str]:
    return outcome.out.splitlines()


def test_the_last_commits_change_is_a_hunk_under_a_header(talk):
    header, *rest = lines(talk("diff"))

    assert header.startswith("message 2 ")
    assert header.endswith(" assistant: changed")
    assert [
        'config model: "m1" -> "m2"',
        "@@ -1,2 +1,2 @@",
        "-You have 60 days.",
        "+You have 30 days.",
        " Bye!",
    ] == rest
    assert rest == lines(talk("diff", "HEAD~1", "HEAD"))[1:] == lines(talk("diff", "HEAD~1..HEAD"))[1:]
    assert "@@ -1 +1 @@" in lines(talk("diff", "-U0"))


def test_words_that_changed_are_marked(talk):
    assert ["You have [-60-]{+30+} days.", "Bye!"] == lines(talk("diff", "--word-diff"))[-2:]


def test_what_was_added_is_all_plus(talk):
    added = lines(talk("diff", "HEAD~2"))
    assert "added" == added[0].split(": ")[1]
    assert ["+You have 30 days.", "+Bye!"] == added[1:]


def test_the_stat_has_a_line_a_message_and_the_sums(talk):
    first, last = lines(talk("diff", "HEAD~2", "--stat"))

    assert first.startswith(" message 2  ")
    assert first.endswith("  assistant  added  +12")
    assert " 1 message added; 12 tokens more" == last
    assert [" no message differs"] == lines(talk("diff", "HEAD", "HEAD", "--stat"))


def test_json_has_all_of_it(talk):
    value = talk("diff", "--json").json

    (message,) = value["message_diffs"]
    assert ("changed", "m1", "m2") == (
        message["kind"],
        *(message[side]["generation_config"]["model"] for side in ("before", "after")),
    )
    assert ["You have 60 days.", "You have 30 days."] == [message[side]["text"][:17] for side in ("before", "after")]
    assert (0, 1, value["after_hash"]) == (
        value["stat"]["token_delta"],
        value["stat"]["changed"],
        talk("rev-parse", "HEAD").out.strip(),
    )
    assert ["model"] == [change["field"] for change in value["generation_config_changes"]]


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (("--exit-code",), 1),
        (("--quiet",), 1),
        ((), 0),
        (("HEAD", "HEAD", "--exit-code"), 0),
        (("HEAD", "HEAD", "--quiet"), 0),
        (("a", "b", "c"), 2),
        (("-U-1",), 2),
        (("nope",), 128),
        (("HEAD~2...nope",), 128),
    ],
)
def test_the_exit_status_says_whether_there_is_a_difference(talk, argv, status):
    outcome = talk("diff", *argv)

    assert status == outcome.status
    assert ("" == outcome.out) == (status > 1 or argv[-1:] == ("--quiet",) or argv[:1] == ("HEAD",))


def test_what_a_model_sees_differs_by_what_is_hidden(talk):
    talk("skip", "HEAD~2")
    talk("commit", "--role", "user", "Thanks!")

    assert ["message 3 ", "+Thanks!"] == [line[:10] for line in lines(talk("diff"))]
    assert ["message 3 ", "+Thanks!"] == [line[:10] for line in lines(talk("diff", "--compiled"))]
    assert [" removed", " added"] == [
        line.rpartition(":")[2] for line in lines(talk("diff", "HEAD~1", "--then")) if line.startswith("message")
    ]
    assert [talk("rev-parse", "HEAD").out] == [talk("diff", "--name-only").out]


def test_a_role_that_changed_is_said(talk):
    talk("edit", "HEAD~2", "--role", "system")

    assert ["role -user +system"] == lines(talk("diff"))[1:]


def test_the_configs_of_two_branches_are_compared(run, tmp_path):
    with Tract.open(tmp_path) as t:
        t.user("q")
        base = t.head
        t.commit({"role": "assistant", "content": "x"}, generation_config={"model": "a"})
        t.tag("one")
        t.repository.refs.update([RefEdit("refs/heads/main", bytes.fromhex(base or ""), ANY)], reason="test")
        assert base == t.head
        t.commit({"role": "assistant", "content": "y"}, generation_config={"model": "b"})

    out = lines(run("diff", "one..main"))

    assert ["-x", "+y"] == [line for line in out if line[:1] in "+-" and line]
    assert out[-1].endswith('  model: "a" -> "b"')
    assert ["+y"] == [line for line in lines(run("diff", "one...main")) if line.startswith(("+", "-"))]


def test_without_a_commit_there_is_nothing_to_compare(run):
    outcome = run("diff")

    assert (128, "") == (outcome.status, outcome.out)
    assert "there is no commit yet" in outcome.err


def test_show_says_what_an_edit_and_a_merge_changed(talk, tmp_path):
    assert "+You have 30 days." in lines(talk("show"))
    assert ["changed"] == [message["kind"] for message in talk("show", "--json").json["changes"]["message_diffs"]]
    with Tract.open(tmp_path) as t:
        repo = t.repository
        tip = bytes.fromhex(t.head or "")
        context = context_at(repo, tip)
        commit = repo.commit(tip)._replace(
            operation=CommitOperation.MERGE, parents=(tip, commit_parent(repo, tip)), content=None, target=None, tree=None, open=context.open[:2], generation=9
        )  # fmt: skip
        made = new_commit(commit)
        repo.refs.update([RefEdit("refs/heads/main", made.id, ANY)], reason="test", objects=[made])
        assert (None, 1) == (t.show().content, len(t.show().changes.message_diffs))

    out = lines(talk("show"))

    assert "Content:  none of its own" in out
    assert ["-You have 30 days.", "-Bye!"] == out[-2:]
    assert ("merge", None, 1) == (
        *(talk("show", "--json").json[key] for key in ("role", "content")),
        len(talk("show", "--json").json["changes"]["message_diffs"]),
    )
    assert 0 == talk("log").status == talk("log", "--graph", "--oneline").status


def commit_parent(repo, id):
    return repo.commit(id).parents[0]
