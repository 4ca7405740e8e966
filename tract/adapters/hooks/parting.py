"""Letting go of the program that called a hook, before anything is loaded: what follows is done by a process of its own.

Only modules that the interpreter has loaded at its start anyway are imported here.
"""

import os

_MOST = 64 << 20
"""Bytes; an event has some hundred, and a tool's answer that it may quote."""


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


def is_hook(arguments: list[str]) -> bool:
    """Whether the command line is ``tract [-C folder] hooks run [program] [--scan] [--now]``, as the programs call it."""
    at = 0
    while arguments[at : at + 1] == ["-C"]:
        at += 2
    words = arguments[at + 2 :]
    return arguments[at : at + 2] == ["hooks", "run"] and all(
        not one.startswith("-") or one in ("--scan", "--now") for one in words
    )


def take_event(*, parts: bool) -> str | None:
    """What the program says, in a process of its own where it *parts*; None in the one that the program waits for, which has nothing more to do."""
    with open(0, "rb", closefd=False) as stream:
        text = stream.read(_MOST)
    return text.decode("utf-8", "replace") if not parts or part_from_caller() else None
