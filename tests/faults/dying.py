"""Work that is killed at one of the calls that change the disk, in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

_CHANGING = [
    "write", "pwrite", "ftruncate", "replace", "rename", "unlink", "link", "mkdir", "chmod", "fsync", "fdatasync", "utime",
]  # fmt: skip
_KILLED = 77


def killed_at(number: int, work: Callable[[], object]) -> bool:
    """Do *work* in a process that is gone before its change *number* of the disk, half of a write done; whether it came that far."""
    child = os.fork()
    if not child:
        left = number

        def dying(call: Callable[..., Any]) -> Callable[..., Any]:
            def change(*args: Any, **options: Any) -> Any:
                nonlocal left
                if not left:
                    if call.__name__ in ("write", "pwrite"):
                        call(args[0], bytes(args[1])[: len(args[1]) // 2], *args[2:])
                    os._exit(_KILLED)
                left -= 1
                return call(*args, **options)

            return change

        try:
            for name in _CHANGING:
                setattr(os, name, dying(getattr(os, name)))
            work()
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, _KILLED)
    return code == _KILLED
