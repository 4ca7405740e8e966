"""``tract``, and ``python -m tract``: nothing is loaded before an interrupt is ours to answer."""

import os


def main() -> None:
    """Run the command line; the exit status is 130 where it is interrupted, however early."""
    try:
        from tract.cli.main import entry  # takes most of the start-up

        entry()
    except KeyboardInterrupt:
        os._exit(130)


if __name__ == "__main__":
    main()
