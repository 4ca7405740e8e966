"""Compressions that wait for their review: read, edited, approved and rejected, here or in another process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.making import Words, call, reopen, texts
from tract import CommitInfo, PendingCompression, SummaryRequest, Tract
from tract.errors import CompressionError, RefMovedError
from tract.maintenance.fsck.check import check_repository


def make_tract(path: Any = ":memory:") -> tuple[Tract, list[CommitInfo]]:
    t = Tract.open(path, tokenizer=Words(), durability="process")
    return t, [t.user(f"message {at} with some words") for at in range(6)]


def pend(t: Tract, content: str | None = "Σ and words", **options: Any) -> PendingCompression:
    pending = t.compress(content=content, auto_commit=False, **options)
    assert isinstance(pending, PendingCompression)
    return pending


def test_nothing_moves_before_it_is_approved() -> None:
    t, infos = make_tract()
    before = texts(t)

    pending = pend(t)

    assert (infos[-1].commit_hash, before) == (t.head, texts(t))
    assert (5, "Σ and words", "main", t.head) == (pending.messages, pending.text, pending.branch, pending.head)
    done = t.approve_compression(pending)
    assert ["Σ and words", before[-1]] == texts(t)
    assert (t.head, []) == (done.commit_hash, t.pending_compressions())
    with pytest.raises(CompressionError, match="waits no longer"):
        t.approve_compression(pending)


def test_it_is_read_edited_and_approved_by_other_handles(tmp_path: Path) -> None:
    t, _ = make_tract(tmp_path)
    pending = pend(t, must_keep=["Σ", re.compile("w.rds", re.IGNORECASE)], target_tokens=4, message="tidy")
    t.close()

    with reopen(tmp_path) as t:
        (read,) = t.pending_compressions()
        assert pending == read
        t.save_compression(read.edit_summary("Σ, in other WORDS"))
    with reopen(tmp_path) as t:
        done = t.approve_compression(pending.id[:4])
        assert ("Σ, in other WORDS", "tidy") == (texts(t)[0], t.log(1)[0].message)
        assert 4 + 4 == done.tokens_after
    assert () == tuple(check_repository(str(tmp_path / ".tract")).problems)


def test_another_process_approves(tmp_path: Path) -> None:
    t, _ = make_tract(tmp_path)
    pending = pend(t)
    t.close()

    script = f"import tract; t = tract.Tract.open({str(tmp_path)!r}); t.approve_compression({pending.id!r}); t.close()"
    subprocess.run([sys.executable, "-c", script], check=True)

    with reopen(tmp_path) as t:
        assert ("Σ and words", []) == (texts(t)[0], t.pending_compressions())


def test_an_edit_gives_a_new_value_and_is_checked_when_it_is_approved() -> None:
    t, _ = make_tract()
    pending = pend(t, must_keep=["Σ"])

    edited = pending.edit_summary("another text")

    assert ("Σ and words", "another text") == (pending.text, edited.text)
    with pytest.raises(CompressionError, match="it does not contain 'Σ'"):
        t.approve_compression(edited)
    with pytest.raises(CompressionError, match="more than the"):
        t.approve_compression(pending.edit_summary("Σ " * 90))
    with pytest.raises(CompressionError, match="the summary is empty"):
        pending.edit_summary(" ")
    with pytest.raises(CompressionError, match="has no summary number 1"):
        pending.edit_summary("x", part=1)
    assert ["summary_unfit"] == [one.kind for one in t.approve_compression(edited, force=True).warnings]


def test_a_rejected_one_leaves_no_trace() -> None:
    t, _ = make_tract()
    head, pending = t.head, pend(t)
    other = pend(t, "Σ2")

    t.reject_compression(pending.id)

    assert (head, [other]) == (t.head, t.pending_compressions())
    with pytest.raises(CompressionError, match="is not a compression that waits"):
        t.reject_compression(pending.id)
    with pytest.raises(CompressionError, match="waits no longer"):
        t.save_compression(pending)
    with pytest.raises(CompressionError, match="is a PendingCompression, not int"):
        t.approve_compression(3)  # type: ignore[arg-type]


def test_when_the_branch_moved_on_it_is_planned_anew_if_its_messages_are_the_same() -> None:
    t, infos = make_tract()
    pending = pend(t)
    t.user("later")
    t.edit(infos[5].commit_hash, "the last, edited")

    t.approve_compression(pending)

    assert ["Σ and words", "the last, edited", "later"] == texts(t)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t, id: t.edit(id, "corrected"), "was edited since"),
        (lambda t, id: t.annotate(id, "pinned"), "was pinned since"),
        (lambda t, id: t.annotate(id, "skip"), "was hidden since"),
        (lambda t, id: t.revert(id), "is no longer in the context"),
        (lambda t, id: t.compress(content="other", commits=[id]), "is no longer in the context"),
        (lambda t, id: t.reset(f"{id}~1"), "is no longer in the context"),
        (lambda t, _: t.branch("other", switch=True), "HEAD is on 'refs/heads/other'"),
    ],
)
def test_it_is_refused_when_what_would_go_is_not_as_it_was(change: Any, words: str) -> None:
    t, infos = make_tract()
    pending = pend(t)
    change(t, infos[2].commit_hash)
    head, before = t.head, texts(t)

    with pytest.raises(CompressionError, match=words):
        t.approve_compression(pending)

    assert (head, before, [pending]) == (t.head, texts(t), t.pending_compressions())


def test_it_is_refused_when_a_hidden_message_that_would_leave_is_shown_again() -> None:
    t, infos = make_tract()
    t.annotate(infos[1].commit_hash, "skip")
    pending = pend(t)
    t.annotate(infos[1].commit_hash, "normal")

    with pytest.raises(CompressionError, match=f"message {infos[1].commit_hash[:16]} is shown again"):
        t.approve_compression(pending)


def test_it_is_refused_when_a_tool_call_that_would_go_got_a_result_that_stays() -> None:
    t, _ = make_tract()
    (waiting,) = t.extend([call("1")])
    t.user("never mind")
    pending = pend(t, commits=[waiting.commit_hash, "HEAD~3"], force=True)
    t.extend([{"role": "tool", "tool_call_id": "1", "content": "late"}])

    with pytest.raises(CompressionError, match="belongs to a tool call that stays"):
        t.approve_compression(pending, force=True)


def test_another_handles_move_is_seen_before_anything_is_approved(tmp_path: Path) -> None:
    t, _ = make_tract(tmp_path)
    pending = pend(t)
    with reopen(tmp_path) as other:
        other.user("unseen")

    with pytest.raises(RefMovedError):
        t.approve_compression(pending)
    t.log(1)
    t.approve_compression(pending)

    assert ["Σ and words", "message 5 with some words", "unseen"] == texts(t)
    t.close()


def test_gc_keeps_what_a_waiting_one_needs(tmp_path: Path) -> None:
    t, infos = make_tract(tmp_path)
    pending = pend(t)
    t.reset(infos[0].commit_hash, mode="hard")
    t.gc(orphan_retention_days=0)

    assert "message 4 with some words" == t.get_content(infos[4].commit_hash).text
    t.reset(pending.head)
    t.approve_compression(pending)
    assert ["Σ and words", "message 5 with some words"] == texts(t)
    t.close()


def test_a_process_killed_between_plan_and_approval_loses_nothing(tmp_path: Path) -> None:
    t, _ = make_tract(tmp_path)
    before = texts(t)
    t.close()
    script = (
        "import os, signal, tract\n"
        f"t = tract.Tract.open({str(tmp_path)!r})\n"
        "t.compress(content='Σ and words', auto_commit=False)\n"
        "t.compress(summariser=lambda request: os.kill(os.getpid(), signal.SIGKILL))\n"
    )

    done = subprocess.run([sys.executable, "-c", script], check=False)

    assert -9 == done.returncode
    with reopen(tmp_path) as t:
        assert before == texts(t)
        (pending,) = t.pending_compressions()
        t.approve_compression(pending)
        assert ["Σ and words", before[-1]] == texts(t)
    assert () == tuple(check_repository(str(tmp_path / ".tract")).problems)


def test_a_process_killed_after_the_model_answered_need_not_ask_again(tmp_path: Path) -> None:
    t, _ = make_tract(tmp_path)
    t.close()
    maker = tmp_path / "maker.py"
    maker.write_text(
        "def summarise(request):\n    with open('asked', 'a') as file:\n        file.write('x')\n    return 'kept'\n"
    )
    script = (
        "import os, signal, tract, maker\n"
        "t = tract.Tract.open('.')\n"
        "t.compress(summariser=maker.summarise, progress=lambda done, total: os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    environment = {"PYTHONPATH": f"{Path(__file__).resolve().parents[2]}:{tmp_path}"}
    command = [sys.executable, "-c", script]
    assert -9 == subprocess.run(command, cwd=tmp_path, env=environment, check=False).returncode

    done = subprocess.run(
        [
            sys.executable,
            "-c",
            script.replace(", progress=lambda done, total: os.kill(os.getpid(), signal.SIGKILL)", ""),
        ],
        cwd=tmp_path,
        env=environment,
        check=False,
    )

    assert (0, "x") == (done.returncode, (tmp_path / "asked").read_text())
    with reopen(tmp_path) as t:
        assert ["kept", "message 5 with some words"] == texts(t)


def test_a_damaged_one_is_not_listed_and_can_be_rejected(tmp_path: Path) -> None:
    t, _ = make_tract(tmp_path)
    pending, other = pend(t), pend(t, "Σ2")
    path = tmp_path / ".tract" / "state" / f"compress-{pending.id}"
    path.write_bytes(path.read_bytes().replace(b"words", b"wordy"))

    assert [other] == t.pending_compressions()
    assert ["state-damaged"] == [one.kind for one in check_repository(str(tmp_path / ".tract")).problems]
    t.reject_compression(pending.id)

    assert not path.exists()
    t.close()


def test_several_parts_are_edited_one_by_one() -> None:
    t, infos = make_tract()
    t.annotate(infos[2].commit_hash, "pinned")

    def summarise(request: SummaryRequest) -> str:
        return f"Σ{len(request.messages)}"

    pending = pend(t, None, summariser=summarise, each_run=True)
    assert "Σ2\n\nΣ2" == pending.text
    t.approve_compression(pending.edit_summary("second", part=1))

    assert ["Σ2", "message 2 with some words", "second", "message 5 with some words"] == texts(t)


def test_an_edited_summary_may_be_as_long_as_what_it_stands_for_and_no_longer() -> None:
    t, _ = make_tract()
    first = t.user("one two three").commit_hash
    pending = t.compress(commits=[first], content="a", role="user", auto_commit=False)
    assert isinstance(pending, PendingCompression)

    with pytest.raises(CompressionError, match="more than"):
        t.approve_compression(pending.edit_summary("a b c d"))
    done = t.approve_compression(pending.edit_summary("a b c"))

    assert done.tokens_before == done.tokens_after


def test_without_a_name_the_one_that_waits_is_approved() -> None:
    t, _ = make_tract()
    with pytest.raises(CompressionError, match="no compression was named, and none waits"):
        t.approve_compression()
    pend(t, to_commit="HEAD~3")

    assert t.approve_compression().commit_hash == t.head


def test_without_a_name_none_of_several_is_approved() -> None:
    t, _ = make_tract()
    waiting = [pend(t, to_commit="HEAD~3"), pend(t, to_commit="HEAD~2")]

    with pytest.raises(CompressionError, match="2 compressions wait: ") as caught:
        t.approve_compression()

    assert all(one.id in str(caught.value) for one in waiting)
