"""Ctrl-C wherever Python looks for it: whatever was begun, no lock stays held."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

from tests.storage.conftest import OpenDatabase, operation
from tract import Tract
from tract.api import handle
from tract.refs import operations
from tract.storage import database as store
from tract.storage import files, journal

_OURS = [module.__file__ for module in (handle, operations, store, files, journal)]


def interrupted(act: Callable[[], object]) -> Iterator[str]:
    """Does *act* again and again, each time interrupted one call later, until it comes to its end; gives the function that was interrupted."""
    for number in count(1):
        where = interrupt(act, number)
        if not where:
            return
        yield where


def interrupt(act: Callable[[], object], number: int) -> str:
    """The function whose call was interrupted, the *number*-th; empty where *act* makes fewer."""
    where = ""
    left = number

    def look(frame: FrameType, event: str, _: Any) -> None:
        nonlocal left, where
        # Not where Python would only print it, nor where the lock of threads begins: Python's own has the same gap.
        code = frame.f_code
        if event == "call" and code.co_filename in _OURS and code.co_name != "__del__":
            left -= 1
            if not left:
                where = code.co_qualname
                raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        sys.settrace(look)
        try:
            act()
        finally:
            sys.settrace(None)
    return where


def in_another_thread(act: Callable[[], object]) -> bool:
    """Whether *act*, done by a thread of its own, comes to an end."""
    done = threading.Event()

    def work() -> None:
        act()
        done.set()

    threading.Thread(target=work, daemon=True).start()
    return done.wait(5)


def take(database: Any) -> None:
    with database.lock():
        pass


def test_a_store_is_not_locked_after_an_interrupt_at_any_call(database: OpenDatabase) -> None:
    mine, others = database(), database()
    places = []
    for where in interrupted(lambda: take(mine)):
        places.append(where)
        assert in_another_thread(lambda: take(others)), where
        assert in_another_thread(lambda: take(mine)), where
    assert "_Lock.__exit__" in places
    with mine.lock(), mine.lock():
        mine.append((), operation(), keyframe=False)


def test_a_handle_is_not_locked_after_an_interrupt_at_any_call(tmp_path: Path) -> None:
    with Tract.open(tmp_path, durability="process") as tract:
        places = []
        for where in interrupted(lambda: tract.tags()):
            places.append(where)
            assert in_another_thread(lambda: tract.head), where
    assert "_Access.__exit__" in places
