"""Letting go of the program that called a hook, before anything is loaded: what follows is done by a process of its own.

Only modules that the interpreter has loaded at its start anyway are imported here.
"""

import os
import sys


def part_from_caller() -> bool:
    """Let the calling process end, and go on in a child that nobody waits for; True in the child.

    The child has a session of its own, so that what ends the program does not end it, and holds none of its streams, the ends of which the program may wait for.
    """
    if os.fork():
        return False
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    return True


def is_hook(argv: list[str]) -> bool:
    """Whether the command line is ``tract [-C folder] hooks run … `` without ``--now``, as programs call it."""
    at = 1
    while argv[at : at + 1] == ["-C"]:
        at += 2
    return argv[at : at + 2] == ["hooks", "run"] and "--now" not in argv and "--help" not in argv


def take_event() -> bool:
    """Read what the program says, and let it go; False in the process that it waits for, which has nothing more to do."""
    with open(0, "rb", closefd=False) as stream:
        text = stream.read()
    if not part_from_caller():
        return False
    import io  # the interpreter's own

    sys.stdin = io.TextIOWrapper(io.BytesIO(text), encoding="utf-8", errors="surrogateescape")
    sys.argv.append("--now")
    return True
