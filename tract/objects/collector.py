"""Python's collector of cycles, which stands still while very many objects are made that are in none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collections() -> Iterator[None]:
    """Inside, Python looks for no unreachable cycles: to look through messages again and again as they are read and written is a sixth of an import, and a quarter of a first look at a context.

    What no cycle holds is let go of as always.
    Whoever found the collector on turns it on again, so with several threads it may be on while one is inside, and is never left off.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
