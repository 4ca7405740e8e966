"""Sending several requests at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")
AT_ONCE = 16


def ask_together(ask: Callable[[_Item], _Answer], items: Sequence[_Item]) -> Iterator[_Answer]:
    """Yield the result of *ask* for each of *items*, in order; a single item is asked in this thread."""
    if len(items) < 2:
        yield from map(ask, items)
        return
    with ThreadPoolExecutor(min(AT_ONCE, len(items))) as pool:
        yield from pool.map(ask, items)
