"""Running somebody else's code with a limit on its time, in a thread that is left behind where it does not end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

_T = TypeVar("_T")


class OverTimeError(Exception):
    """What was run did not end in time."""


class _Worker:
    """A thread that runs one job after the other."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.jobs: SimpleQueue[tuple[Callable[[], Any], SimpleQueue[tuple[bool, Any]]]] = SimpleQueue()
        threading.Thread(target=self._work, name="tract policy", daemon=True).start()

    def _work(self) -> None:
        while True:
            job, answers = self.jobs.get()
            try:
                answers.put((True, job()))
            except BaseException as exc:  # noqa: BLE001  # told to whoever waits
                answers.put((False, exc))


_idle: list[_Worker] = []


def run_within(seconds: float, job: Callable[[], _T]) -> _T:
    """What *job* gives back, or raises; OverTimeError where it takes longer than *seconds*. It goes on then, and nobody waits for it."""
    worker = _idle.pop() if _idle else _Worker()
    if worker.process != os.getpid():  # a fork has the object, and not the thread
        _idle.clear()
        worker = _Worker()
    answers: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
    context = copy_context()
    worker.jobs.put((lambda: context.run(job), answers))
    try:
        is_done, value = answers.get(timeout=seconds)
    except Empty:
        raise OverTimeError(f"it did not end within {seconds:g} s") from None
    _idle.append(worker)
    if not is_done:
        raise value
    found: _T = value
    return found
