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
    """What was run did not end in time; *thread* is alive as long as it has not ended."""

    def __init__(self, seconds: float, thread: threading.Thread) -> None:
        super().__init__(f"it did not end within {seconds:g} s")
        self.thread = thread


class _Worker:
    """A thread that runs one job after the other; with queues of its own, which take less to wait at than new ones."""

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
            except BaseException as exc:  # noqa: BLE001  # told to whoever waits
                answer = False, exc
            self.answers.put(answer)
            del given, context, job, answer  # who waits for the next job holds nothing of the last


_idle: list[_Worker] = []
_MOST_IDLE = 8
"""So many threads wait for the next job; with more at once, the others end with theirs."""


def run_within(seconds: float, job: Callable[[], _T]) -> _T:
    """What *job* gives back, or raises; OverTimeError where it takes longer than *seconds*. It goes on then, and nobody waits for it."""
    worker = _idle_worker() or _Worker()
    worker.jobs.put((copy_context(), job))
    try:
        is_done, value = worker.answers.get(timeout=seconds)
    except BaseException as exc:  # Ctrl-C too: nobody asks the thread for its answer, which may come yet
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
