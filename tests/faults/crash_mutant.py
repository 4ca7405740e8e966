"""How a step of the protocol is left out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from tests.faults.crash_recording import replaced
from tract.storage import files


class Mutant(NamedTuple):
    """A step that is left out while ``apply()`` is entered; the recordings that can show it have *only* in their names."""

    name: str
    apply: Callable[[], AbstractContextManager[None]]
    redundant: str = ""
    only: str = ""


def nothing(*_: Any, **__: Any) -> None:
    """Stands in for what is left out."""


def patched(target: Any, **values: Any) -> Callable[[], AbstractContextManager[None]]:
    """Attributes of *target* are others."""
    return lambda: replaced(target, **values)


def during(target: Any, name: str, **inside: Any) -> Callable[[], AbstractContextManager[None]]:
    """While *name* of *target* runs, functions of ``files`` are others."""
    real = getattr(target, name)

    def changed(*args: Any, **options: Any) -> Any:
        with replaced(files, **inside):
            return real(*args, **options)

    return patched(target, **{name: changed})
