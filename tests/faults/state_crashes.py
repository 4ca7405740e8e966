"""Ways to die: the store's folder as a dead process leaves it, and a child that dies at a call of its choice."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Whatever the store changes the disk with.
_CALLS = ("open", "pwrite", "write", "fdatasync", "fsync", "replace", "unlink", "link", "mkdir", "utime")


def copy_store(folder: Path, target: Path) -> None:
    """The files as they are now, whoever has them open."""
    shutil.copytree(folder, target)


def tear(before: Path, after: Path, whole: float) -> bool:
    """Give the journal *before* the first part (*whole* is from 0 to 1) of what *after* has more; whether that is all of it."""
    old, new = before.read_bytes(), after.read_bytes()
    if old[16:24] != new[16:24]:
        return False  # sealed meanwhile: it is another file
    padded = old.ljust(len(new), b"\0")
    changed = [at for at in range(len(new)) if padded[at] != new[at]] if padded != new else []
    if not changed:
        return False
    start, end = changed[0], changed[-1] + 1
    cut = start + round((end - start) * whole)
    with before.open("r+b") as file:
        file.seek(start)
        file.write(new[start:cut])
    return cut == end


def in_mortal_child(work: Callable[[], Iterator[Any]], calls: int, part: float) -> tuple[list[Any], bool]:
    """What *work* yields in a child process before its call number *calls* to the system, where it dies, and whether it came to its end.

    Of a write that it dies in the first *part* is done.
    """
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(readable)
            say = os.write  # the one that is not counted
            _die_at(calls, part)
            for result in work():
                say(writable, json.dumps(result).encode() + b"\n")
            os._exit(0)
        except BaseException as exc:  # noqa: BLE001  # whatever it was, the parent must hear of it
            say(writable, json.dumps({"failed": repr(exc)}).encode() + b"\n")
        finally:
            os._exit(1)
    os.close(writable)
    with os.fdopen(readable, "rb") as pipe:
        results = [json.loads(line) for line in pipe]
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9), results
    return results, not status


def _die_at(calls: int, part: float) -> None:
    left = calls

    def mortal(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                if call in (pwrite, write):
                    call(args[0], args[1][: int(len(args[1]) * part)], *args[2:])
                os._exit(9)
            return call(*args, **options)

        return counted

    pwrite, write = os.pwrite, os.write
    for name in _CALLS:
        setattr(os, name, mortal(getattr(os, name)))
