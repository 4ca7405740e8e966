"""``tract``, and ``python -m tract``: Ctrl-C is handled before anything else is loaded, and a program that calls a hook waits for no loading."""

import gc
import os
import sys

from tract.adapters.hooks.parting import is_hook, take_event

_YOUNG = 250_000
"""New objects between two looks for garbage: what is loaded at the start stays, and looking through it again and again takes a fifteenth of a short command."""


def main() -> None:
    """Run the command line; the exit status is 130 if it is interrupted, however early."""
    gc.set_threshold(_YOUNG)
    try:
        if is_hook(sys.argv[1:]):
            _run_hook(sys.argv[1:])
        from tract.cli.main import entry  # takes most of the start-up

        entry()
    except KeyboardInterrupt:
        os._exit(130)


def _run_hook(arguments: list[str]) -> None:
    """Record a program's hook call, with ``--now`` in this process, else in one that the program does not wait for; the rest of the command line is not loaded."""
    try:
        event = take_event(parts="--now" not in arguments)
        if event is not None:
            from tract.adapters.hooks.running import run_hook

            run_hook(arguments, event, os.environ)
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
