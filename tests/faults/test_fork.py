"""A child process that inherits an open store, and threads that share one handle."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.making import Words
from tract import ClosedError, Tract, TractConfig
from tract.history.walk import first_parents
from tract.opening import create_repository, open_repository
from tract.storage.locks import FileLock


@pytest.fixture
def tract(tmp_path: Path) -> Iterator[Tract]:
    tract = Tract.open(
        tmp_path, config=TractConfig(author="tester"), tokenizer=Words(), durability="process", on_moved="append"
    )
    yield tract
    tract.close()


def forked(work: Callable[[], object]) -> int:
    """The id of a child process that does *work*."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads, of which there are none
        child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def wait_for(children: list[int]) -> None:
    for child in children:
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def texts(tract: Tract) -> list[str]:
    """Every message in the history, oldest first, as another handle reads it."""
    repo = open_repository(str(tract.path), durability="process")
    found = [repo.blob(commit.content)["text"] for _, commit in first_parents(repo, repo.head()[1]) if commit.content]
    repo.close()
    return found[::-1]


def test_a_forked_child_and_its_parent_both_commit(tract: Tract) -> None:
    tract.user("before")

    def work(name: str) -> None:
        for number in range(150):
            tract.user(f"{name} {number}")

    children = [forked(lambda name=name: work(name)) for name in "abc"]  # type: ignore[misc]
    work("parent")
    wait_for(children)

    found = texts(tract)
    assert 601 == len(found)
    for name in ("a", "b", "c", "parent"):
        assert [f"{name} {number}" for number in range(150)] == [text for text in found if text.startswith(name + " ")]


def test_a_forked_child_waits_for_a_lock_its_parent_holds(tmp_path: Path) -> None:
    create_repository(str(tmp_path / ".tract"), TractConfig(author="tester"))
    lock = FileLock(str(tmp_path / "lock"))
    lock.acquire()
    readable, writable = os.pipe()

    def work() -> None:
        lock.acquire()
        os.write(writable, b"child")

    child = forked(work)
    time.sleep(0.1)
    os.write(writable, b"parent ")
    lock.release()
    wait_for([child])

    assert b"parent child" == os.read(readable, 100)
    lock.close()
    os.close(readable)
    os.close(writable)


def test_a_forked_child_that_only_lives_keeps_no_lock_of_its_parent(tmp_path: Path) -> None:
    lock, other = (FileLock(str(tmp_path / "lock")) for _ in range(2))
    lock.acquire()
    readable, writable = os.pipe()

    def work() -> None:
        os.close(writable)
        os.read(readable, 1)

    child = forked(work)
    lock.close()

    other.acquire(timeout=5)
    os.close(writable)
    wait_for([child])
    other.close()
    os.close(readable)


def test_a_child_that_closes_its_copy_leaves_the_parent_at_work(tract: Tract) -> None:
    tract.user("before")

    wait_for([forked(tract.close)])
    tract.user("after")

    assert ["before", "after"] == texts(tract)


class SlowWords(Words):
    """A counter that holds up whoever counts until it is told to go on."""

    def __init__(self) -> None:
        self.is_counting, self.may_go_on = threading.Event(), threading.Event()

    def count(self, text: str) -> int:
        self.is_counting.set()
        assert self.may_go_on.wait(30)
        return super().count(text)


def test_a_child_forked_while_another_thread_is_at_work_is_told_so_and_waits_for_nobody(tmp_path: Path) -> None:
    counter = SlowWords()
    with Tract.open(tmp_path, config=TractConfig(author="tester"), tokenizer=counter, durability="process") as t:
        t.user("before")
        thread = threading.Thread(target=lambda: t.compile().token_count)
        thread.start()
        assert counter.is_counting.wait(30)

        def work() -> None:
            signal.alarm(20)  # a child that waits for a thread it has not got would wait for ever
            for call in (lambda: t.user("lost"), t.compile, lambda: t.head):
                with pytest.raises(ClosedError, match="forked while another thread"):
                    call()
            t.close()
            with Tract.open(tmp_path, tokenizer=Words()) as again:
                again.user("by the child")

        wait_for([forked(work)])
        counter.may_go_on.set()
        thread.join()

        assert 2 == len(t.compile().messages)
        t.user("after")
        assert ["before", "by the child", "after"] == texts(t)


def test_a_child_forked_while_another_thread_writes_is_told_so(tmp_path: Path) -> None:
    create_repository(str(tmp_path / ".tract"), TractConfig(author="tester"))
    repo = open_repository(str(tmp_path / ".tract"), durability="process")
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with repo.objects.lock():
            holding.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holding.wait(30)

    def work() -> None:
        signal.alarm(20)
        with pytest.raises(ClosedError), repo.objects.lock():
            raise AssertionError("the lock of another thread was taken")
        repo.close()

    wait_for([forked(work)])
    done.set()
    thread.join()
    with repo.objects.lock():
        repo.refs.refresh()
    repo.close()


def test_threads_share_one_handle(tract: Tract) -> None:
    failures: list[BaseException] = []

    def work(name: int) -> None:
        try:
            for number in range(60):
                info = tract.user(f"{name} {number}")
                if number % 10 == 0:
                    tract.annotate(info.commit_hash, "skip")
                    tract.compile()
                    tract.log(3)
        except BaseException as exc:  # noqa: BLE001  # a thread's failure must reach the test
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == failures
    found = texts(tract)
    assert 300 == len(found)
    for name in range(5):
        assert [f"{name} {number}" for number in range(60)] == [text for text in found if text.startswith(f"{name} ")]
    assert 30 == len(tract.skipped())
