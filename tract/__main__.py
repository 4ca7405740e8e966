"""``tract``, and ``python -m tract``: nothing is loaded before an interrupt is ours to answer."""

import gc
import os

_YOUNG = 250_000
"""New objects between two looks for garbage: what is loaded at the start stays, and looking through it again and again takes a fifteenth of a short command."""


def main() -> None:
    """Run the command line; the exit status is 130 where it is interrupted, however early."""
    gc.set_threshold(_YOUNG)
    try:
        from tract.cli.main import entry  # takes most of the start-up

        entry()
    except KeyboardInterrupt:
        os._exit(130)


if __name__ == "__main__":
    main()
