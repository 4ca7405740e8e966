"""Two handles on one branch: what the one commits when the other moved it."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.making import make_tract, texts
from tract import DialogueContent, GCError, Priority, RefMovedError, Tract


def pair(folder: Path, *said: str) -> tuple[Tract, Tract]:
    """An agent that has seen *said*, and another handle beside it."""
    agent = make_tract(*said, path=folder)
    return agent, make_tract(path=folder)


CURATED = {
    "compress": lambda t: t.compress(commits=["HEAD~2", "HEAD~1"], content="a and b", force=True),
    "reorder": lambda t: t.reorder(["HEAD~1"], before="HEAD~2"),
    "drop": lambda t: t.revert("HEAD~1"),
    "expand": lambda t: t.expand(
        t.compress(commits=["HEAD~2", "HEAD~1"], content="x", force=True).parts[0].summary_hash
    ),
    "annotate": lambda t: t.annotate("HEAD~1", Priority.SKIP),
}

WORDS = {
    "commit": lambda t: t.user("d"),
    "edit": lambda t: t.edit("HEAD~1", "B"),
    "reset": lambda t: t.reset("HEAD~1"),
    "restored": lambda t: (t.revert("HEAD~1"), t.revert("HEAD")),
    "unhidden": lambda t: t.annotate("HEAD~1", Priority.NORMAL),
    "pinned from hidden": lambda t: t.annotate("HEAD~1", Priority.PINNED),
    "hiding undone": lambda t: t.undo(),
    "unhidden among many": lambda t: [
        t.annotate("HEAD" if n else "HEAD~1", Priority.NORMAL if n < 80 else "skip") for n in range(81)
    ],
    "compress and commit": lambda t: (t.compress(commits=["HEAD~2", "HEAD~1"], content="x", force=True), t.user("d")),
}


@pytest.mark.parametrize("name", CURATED)
def test_an_answer_lands_behind_what_a_sidecar_curated(name, tmp_path):
    agent, sidecar = pair(tmp_path, "a", "b", "c")
    before = agent.head

    CURATED[name](sidecar)
    moved = sidecar.head
    info = agent.assistant("answer")

    assert moved == info.parent_hash
    assert (None if moved == before else moved) == info.landed_on
    assert [*texts(sidecar)] == texts(agent)
    assert "answer" == texts(agent)[-1]
    assert None is agent.user("next").landed_on


@pytest.mark.parametrize("name", WORDS)
def test_an_answer_does_not_land_behind_words_its_agent_never_saw(name, tmp_path):
    agent, other = pair(tmp_path, "a", "b", "c")
    if "hid" in name:
        other.annotate("HEAD~1", "skip")
        assert ["a", "c"] == texts(agent)

    WORDS[name](other)
    moved, seen = other.head, texts(other)
    content = DialogueContent("assistant", "answer")
    with pytest.raises(RefMovedError) as caught:
        agent.commit(content)

    assert (content, moved, seen) == (caught.value.content, other.head, texts(other))


UNSEEN = {
    "normal": lambda t: t.annotate("HEAD~1", Priority.NORMAL),
    "there and back": lambda t: (t.annotate("HEAD~1", "normal"), t.annotate("HEAD~1", "skip")),
    "elsewhere": lambda t: t.annotate("draft", "normal"),
    "pinned": lambda t: t.annotate("HEAD~2", "pinned"),
}


@pytest.mark.parametrize("name", [name for name in UNSEEN if name != "normal"])
def test_priorities_that_bring_no_message_back_refuse_no_answer(name, tmp_path):
    agent, other = pair(tmp_path, "a", "b", "c")
    other.switch("draft", create=True)
    other.user("x")
    other.annotate("draft", "skip")
    other.switch("main")
    other.annotate("HEAD~1", "skip")
    assert ["a", "c"] == texts(agent)

    UNSEEN[name](other)
    agent.assistant("answer")

    assert ["a", "c", "answer"] == texts(agent)


def test_a_handle_may_bring_a_message_back_itself_but_not_beside_others_that_did(tmp_path):
    agent, other = pair(tmp_path, "a", "b", "c")
    other.annotate("HEAD~1", "skip")
    other.annotate("HEAD~2", "skip")
    assert ["c"] == texts(agent)

    agent.annotate("HEAD~1", "normal")
    agent.user("d")
    other.annotate("HEAD~3", "normal")
    agent.annotate("HEAD", "pinned")
    with pytest.raises(RefMovedError, match="refs/notes/priority"):
        agent.user("e")
    agent.user("f")

    assert ["a", "b", "c", "d", "f"] == texts(agent)


def test_a_batch_of_notes_alone_does_not_take_what_others_brought_back_for_seen(tmp_path):
    agent, other = pair(tmp_path, "a", "b", "c")
    other.annotate("HEAD~1", "skip")
    assert ["a", "c"] == texts(agent)

    other.annotate("HEAD~1", "normal")
    with agent.batch():
        agent.annotate("HEAD", "skip")
        agent.annotate("HEAD", "normal")
    with pytest.raises(RefMovedError, match="refs/notes/priority"):
        agent.user("d")
    agent.user("e")

    assert ["a", "b", "c", "e"] == texts(agent)


@pytest.mark.parametrize("appends", [True, False])
def test_a_batch_does_not_land_behind_a_message_that_others_brought_back(appends, tmp_path):
    agent, other = pair(tmp_path, "a", "b", "c")
    other.annotate("HEAD~1", "skip")
    agent = make_tract(path=tmp_path, on_moved="append" if appends else "error")
    assert ["a", "c"] == texts(agent)

    with suppress(RefMovedError), agent.batch():
        agent.user("d")
        other.annotate("HEAD~1", "normal")

    assert ["a", "b", "c", *(["d"] if appends else [])] == texts(other)


def test_after_a_refusal_the_handle_can_be_used_at_once(tmp_path):
    agent, other = pair(tmp_path, "a")
    other.user("b")

    with pytest.raises(RefMovedError) as caught:
        agent.assistant("c")
    agent.commit(caught.value.content)

    assert ["a", "b", "c"] == texts(other)


def test_what_extend_did_not_commit_is_a_tuple(tmp_path):
    agent, other = pair(tmp_path, "a")
    other.user("b")
    messages = [{"role": "user", "content": "c"}, DialogueContent("user", "d")]

    with pytest.raises(RefMovedError) as caught:
        agent.extend(iter(messages))

    assert tuple(messages) == caught.value.content


def test_what_a_batch_did_not_commit_is_a_tuple(tmp_path):
    agent, other = pair(tmp_path, "a")

    with pytest.raises(RefMovedError) as caught, agent.batch():  # noqa: PT012  # the end of the batch is what raises
        agent.user("b")
        with pytest.raises(ZeroDivisionError), agent.batch():  # noqa: PT012  # as above
            agent.user("never")
            raise ZeroDivisionError
        agent.extend([{"role": "user", "content": "c"}])
        agent.annotate("HEAD", Priority.PINNED)
        other.user("x")

    assert (DialogueContent("user", "b"), {"role": "user", "content": "c"}) == caught.value.content
    agent.extend(caught.value.content)
    assert ["a", "x", "b", "c"] == texts(other)


@pytest.mark.parametrize("name", [name for name in CURATED if name != "annotate"])
def test_a_batch_lands_behind_what_a_sidecar_curated(name, tmp_path):
    agent, sidecar = pair(tmp_path, "a", "b", "c")

    with agent.batch() as batch:
        d = agent.user("d", generation_config={"model": "m"})
        CURATED[name](sidecar)
        moved = sidecar.head
        agent.user("e")

    assert ["d", "e"] == texts(agent)[-2:] == texts(sidecar)[-2:]
    assert moved == agent.get_commit(batch.commits[0]).parent_hash
    assert batch.commits[0] == agent.get_commit(d.commit_hash).commit_hash
    assert {"model": "m"} == agent.get_commit(d.commit_hash).generation_config


def test_a_handle_that_appends_says_what_it_landed_on(tmp_path):
    agent = make_tract("a", path=tmp_path, on_moved="append")
    other = make_tract(path=tmp_path)
    b = other.user("b")

    infos = agent.extend([{"role": "user", "content": "c"}, {"role": "user", "content": "d"}])

    assert [b.commit_hash] * 2 == [info.landed_on for info in infos]
    assert infos[0] == agent.get_commit(infos[0].commit_hash)


def test_batches_of_two_handles_in_one_another_wait_for_nobody(tmp_path):
    one, other = (make_tract(path=tmp_path, on_moved="append") for _ in range(2))
    one.user("first")

    with one.batch():
        one.user("in one")
        with other.batch():
            other.user("in other")
            one.user("in one again")
        other.gc()
        other.user("beside")

    assert ["first", "in other", "beside", "in one", "in one again"] == texts(other)


def test_threads_that_use_two_handles_in_either_order_wait_for_nobody_for_ever(tmp_path):
    handles = [make_tract(path=tmp_path, on_moved="append") for _ in range(2)]
    handles[0].user("first")

    def work(number: int) -> None:
        mine, its = handles[number % 2], handles[1 - number % 2]
        for at in range(12):
            with mine.batch():
                mine.user(f"{number} {at}")
                its.status()
                its.user(f"beside {number} {at}")
            its.compile()
            if at % 5 == number:
                with suppress(GCError):  # one at a time
                    mine.gc()

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert [False] * 4 == [thread.is_alive() for thread in threads]
    assert 1 + 4 * 12 * 2 == len(texts(handles[1]))
