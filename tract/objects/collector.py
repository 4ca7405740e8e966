"""Pausing Python's garbage collector while very many objects are made that are in no cycle."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collections() -> Iterator[None]:
    """Pause the search for unreachable cycles: scanning messages again and again while they are read and written is a sixth of an import, and a quarter of a first look at a context.

    Objects outside cycles are freed as always.
    A thread that found the collector on turns it on again. So with several threads it may be on inside, but it is never left off.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
