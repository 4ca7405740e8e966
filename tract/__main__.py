"""``python -m tract`` is ``tract``."""

from tract.cli.main import entry

if __name__ == "__main__":
    entry()
