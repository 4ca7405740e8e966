"""Calls to the system that fail, one at a time: which there are, and how each is made to."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

# Everything tract/storage/files.py asks of the system, and what os.path, shutil and mmap ask for it.
_FILES = ("open", "close", "read", "write", "pread", "pwrite", "fsync", "fdatasync", "ftruncate", "fstat", "fchmod")
_NAMES = ("replace", "rename", "unlink", "link", "mkdir", "rmdir", "chmod", "utime", "stat", "lstat", "access")
_FOLDERS = ("listdir", "scandir", "readlink")
CALLS: tuple[tuple[Any, str], ...] = (
    *((os, name) for name in (*_FILES, *_NAMES, *_FOLDERS)),
    (fcntl, "flock"),
    (mmap, "mmap"),
)

SHORT = "short"
"""A read or write that does half of what it was asked for."""

ERRORS: tuple[str, ...] = ("ENOSPC", "EIO", "EMFILE", "EACCES", "EINTR", SHORT)
_CAN_BE_SHORT = {"read", "write", "pread", "pwrite"}


@dataclass
class Fault:
    """What goes wrong at call number *at* (of all kinds, from 0), and with *lasting* at every later one of its kind; an *error* of None only counts."""

    at: int = -1
    error: str | None = None
    lasting: bool = False
    calls: list[str] = field(default_factory=list)
    kind: str = ""

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.calls)

    def strikes(self, name: str) -> bool:
        """Count a call; whether this one fails."""
        self.calls.append(name)
        number = len(self.calls) - 1
        if number == self.at:
            self.kind = name
        again = self.lasting and name == self.kind and number > self.at
        return self.error is not None and (number == self.at or again)


@contextmanager
def failing(fault: Fault) -> Iterator[Fault]:
    """Let *fault* happen to whoever calls the system inside."""
    real = [(module, name, getattr(module, name)) for module, name in CALLS]
    for module, name, call in real:
        setattr(module, name, _wrapped(fault, name, call))
    try:
        yield fault
    finally:
        for module, name, call in real:
            setattr(module, name, call)


def _wrapped(fault: Fault, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*args: Any, **options: Any) -> Any:
        if not fault.strikes(name):
            return call(*args, **options)
        if fault.error != SHORT:
            if name == "close":
                call(*args, **options)  # Linux closes the file all the same
            if name == "access":
                return False  # it has no other way to fail
            code = getattr(errno, str(fault.error))
            named = args[:1] if args and isinstance(args[0], str) else ()
            raise OSError(code, os.strerror(code), *named)
        if name == "pread" or name == "read":
            return call(args[0], max(1, args[1] // 2), *args[2:])
        if name == "pwrite" or name == "write":
            return call(args[0], memoryview(args[1])[: max(1, len(args[1]) // 2)], *args[2:])
        return call(*args, **options)

    return wrapped


def can_happen(call: str, error: str) -> bool:
    """Whether the error makes a difference to the call."""
    return error != SHORT or call in _CAN_BE_SHORT
