"""Scenario 3.3: one useful commit of a tangent moves to main, and a stale branch is put on top of what main says now."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.making import texts
from tract import CommitInfo, DialogueContent, Priority, SemanticSafetyError, Tract

TASK = "Make the import faster."
USEFUL = "The parser reads every line twice."
QUESTION = "Which files are large?"
ANSWER = "Those of March."


@pytest.fixture
def work(tmp_path: Path) -> dict[str, str]:
    """main, a tangent of 20 commits with one useful one, and a subtask branch that main has left behind; HEAD is on main."""
    with Tract.open(tmp_path, durability="process") as t:
        t.system("You profile code.")
        task = t.user(TASK)
        t.branch("subtask")
        t.branch("tangent", switch=True)
        said = [t.assistant(USEFUL if number == 12 else f"tangent {number}") for number in range(20)]
        t.switch("main")
        asked = t.user(QUESTION)
        t.switch("subtask")
        note = t.assistant("Measuring first.")
        t.edit(note.commit_hash, "Measuring first, with a profiler.")
        noise = t.assistant("…")
        t.annotate(noise.commit_hash, Priority.SKIP)
        t.switch("main")
        t.user("Hurry.")
        return {"task": task.commit_hash, "useful": said[12].commit_hash, "asked": asked.commit_hash}


def reply(t: Tract, question: str) -> CommitInfo:
    return t.commit(DialogueContent("assistant", ANSWER), response_to=question)


def test_3_3_one_commit_of_twenty_moves_and_the_stale_branch_follows(tmp_path: Path, work: dict[str, str]) -> None:
    with Tract.open(tmp_path, verify_cache=True) as t:
        picked = t.cherry_pick(work["useful"])

        assert ["You profile code.", TASK, QUESTION, "Hurry.", USEFUL] == texts(t)
        assert ((work["useful"], t.head),) == tuple((one.source_hash, one.commit_hash) for one in picked.replayed)
        assert () == picked.warnings

        t.switch("subtask")
        planned = t.rebase("main", dry_run=True)
        rebased = t.rebase("main")

        assert [one.source_hash for one in planned.replayed] == [one.source_hash for one in rebased.replayed]
        assert not planned.is_done
        assert [*texts(t, at_commit="main"), "Measuring first, with a profiler."] == texts(
            t
        )  # the edit and the skip came along
        assert rebased.old_head == t.get_commit("ORIG_HEAD").commit_hash

        t.switch("main")
        assert "fast-forward" == t.merge("subtask").kind
        t.merge("tangent")
        assert 1 == texts(t).count(USEFUL)  # what was picked is the same message


def test_3_3_a_reply_whose_question_stays_behind_is_a_warning(tmp_path: Path, work: dict[str, str]) -> None:
    with Tract.open(tmp_path) as t:
        t.branch("answers", source="subtask", switch=True)
        question = t.user("Which function?")
        answer = reply(t, question.commit_hash)
        t.switch("main")

        planned = t.cherry_pick(answer.commit_hash, dry_run=True)
        picked = t.cherry_pick(answer.commit_hash)

        (warning,) = picked.warnings
        assert ("reply_target_missing", answer.commit_hash) == (warning.kind, warning.commit_hash)
        assert question.commit_hash[:16] in warning.detail
        assert planned.warnings == picked.warnings

        t.switch("answers")
        rebased = t.rebase(work["asked"], onto=work["task"])
        assert () == rebased.warnings  # the question moved with its answer
        new = {one.source_hash: one.commit_hash for one in rebased.replayed}
        assert new[question.commit_hash] == t.get_commit(str(new[answer.commit_hash])).response_to


def test_3_3_a_rebase_that_breaks_a_reply_chain_says_so(tmp_path: Path, work: dict[str, str]) -> None:
    with Tract.open(tmp_path) as t:
        t.branch("late", source=work["asked"], switch=True)
        answer = reply(t, work["asked"])
        t.switch("main")

        t.switch("late")
        rebased = t.rebase(work["asked"], onto="subtask")

        (warning,) = rebased.warnings
        assert ("reply_target_missing", answer.commit_hash) == (warning.kind, warning.commit_hash)
        assert QUESTION not in texts(t)
        assert ANSWER == texts(t)[-1]


@pytest.mark.usefixtures("work")
def test_3_3_an_edit_whose_message_stays_behind_is_refused(tmp_path: Path) -> None:
    with Tract.open(tmp_path) as t:
        edit = t.get_commit("subtask~1").commit_hash
        before = (t.head, texts(t))

        with pytest.raises(SemanticSafetyError, match=edit[:16]):
            t.cherry_pick(edit)

        assert before == (t.head, texts(t))


def contents(tract, *options: str) -> list[str]:
    return [message["content"] for message in tract("compile", "--format", "openai", *options).json]


def test_3_3_on_the_command_line(tract, work: dict[str, str]) -> None:
    picked = tract("cherry-pick", work["useful"][:12])
    assert (0, "") == (picked.status, picked.err)
    assert USEFUL in picked.out
    assert [TASK, QUESTION, "Hurry.", USEFUL] == contents(tract)[1:]

    again = tract("cherry-pick", work["useful"])
    assert 128 == again.status
    assert "the message is there already" in again.err.splitlines()[0]

    tract("switch", "subtask")
    planned = tract("rebase", "main", "--dry-run", "--json")
    assert (0, False, 3) == (planned.status, planned.json["is_done"], len(planned.json["replayed"]))
    assert "Measuring first, with a profiler." not in contents(tract, "--at", "main")
    assert 0 == tract("rebase", "main").status
    assert [*contents(tract, "--at", "main"), "Measuring first, with a profiler."] == contents(tract)

    tract("branch", "late", work["asked"])
    tract("switch", "late")
    tract("commit", "--role", "assistant", "--reply-to", work["asked"], ANSWER)
    moved = tract("rebase", work["asked"], "--onto", work["task"])
    assert 0 == moved.status
    assert f"it replies to message {work['asked'][:16]}, which is not there" in moved.err
    assert [TASK, ANSWER] == contents(tract)[1:]

    assert 0 == tract("undo").status
    assert [TASK, QUESTION, ANSWER] == contents(tract)[1:]
