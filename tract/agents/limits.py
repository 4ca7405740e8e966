"""Running a user's code with a time limit, in a thread that is abandoned if the code does not end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

_T = TypeVar("_T")


class OverTimeError(Exception):
    """The job did not end in time; *thread* is alive until it does."""

    def __init__(self, seconds: float, thread: threading.Thread) -> None:
        super().__init__(f"it did not end within {seconds:g} s")
        self.thread = thread


class _Worker:
    """A thread that runs one job after another; it has its own queues, which are quicker to wait on than new ones."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.jobs: SimpleQueue[tuple[Context, Callable[[], Any]] | None] = SimpleQueue()
        self.answers: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
        self.thread = threading.Thread(target=self._work, name="tract policy", daemon=True)
        self.thread.start()

    def _work(self) -> None:
        while (given := self.jobs.get()) is not None:
            context, job = given
            try:
                answer = True, context.run(job)
            except BaseException as exc:  # noqa: BLE001  # passed on to the waiting caller
                answer = False, exc
            self.answers.put(answer)
            del given, context, job, answer  # a thread that waits for the next job keeps nothing of the last


_idle: list[_Worker] = []
_MOST_IDLE = 8
"""The number of threads that wait for the next job; further ones end with their job."""


def run_within(seconds: float, job: Callable[[], _T]) -> _T:
    """The result of *job*, or its exception; OverTimeError if it takes longer than *seconds*. The job then goes on, and its result is ignored."""
    worker = _idle_worker() or _Worker()
    worker.jobs.put((copy_context(), job))
    try:
        is_done, value = worker.answers.get(timeout=seconds)
    except BaseException as exc:  # Ctrl-C too: the thread's answer may still come, and is ignored
        worker.jobs.put(None)
        if isinstance(exc, Empty):
            raise OverTimeError(seconds, worker.thread) from None
        raise
    if len(_idle) < _MOST_IDLE:
        _idle.append(worker)
    else:
        worker.jobs.put(None)
    if not is_done:
        raise value
    found: _T = value
    return found


def _idle_worker() -> _Worker | None:
    with suppress(IndexError):  # another thread may take the last
        worker = _idle.pop()
        if worker.process == os.getpid():
            return worker
        _idle.clear()  # a fork has the objects, and not the threads
    return None
