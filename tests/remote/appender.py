"""A process whose threads append to one branch that lives in a remote: ``appender.py URL FOLDER WHO THREADS EACH``.

What was acknowledged goes to ``FOLDER.said``, one a line. An interrupt ends it as Ctrl-C ends a program.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from tract import RemoteError, Tract


def main(url: str, folder: str, who: str, threads: int, each: int) -> None:
    with (
        Tract.open(folder, remote=url, sync="commit", on_moved="append", durability="process", author=who) as t,
        Path(f"{folder}.said").open("a", encoding="utf-8") as said,
    ):

        def write(number: int) -> None:
            for at in range(each):
                text = f"{who}-{number}-{at}"
                try:
                    t.user(text, generation_config={"at": at})
                except RemoteError:
                    continue
                print(text, file=said, flush=True)

        running = [threading.Thread(target=write, args=(number,), daemon=True) for number in range(threads - 1)]
        for one in running:
            one.start()
        write(threads - 1)
        for one in running:
            one.join()


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    except KeyboardInterrupt:
        sys.exit(130)
