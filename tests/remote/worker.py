"""A process that takes turns in a conversation that lives in a remote: ``worker.py URL FOLDER WHO TURNS``.

It says a turn when the last message is not its own, and writes what was acknowledged, one a line; it goes on where a killed one was.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tract import RefMovedError, RemoteError, Tract


def main(url: str, folder: str, who: str, turns: int) -> None:
    with (
        Tract.open(folder, remote=url, sync="commit", fresh=True, durability="process") as t,
        Path(f"{folder}.said").open("a", encoding="utf-8") as said,
    ):
        while True:
            messages = [str(one.content) for one in t.compile().messages]
            number = len(messages)
            if number >= turns:
                return
            if messages and messages[-1].startswith(who):
                time.sleep(0.005)
                continue
            if not messages and who != "a":
                time.sleep(0.005)
                continue
            text = f"{who}-{number}"
            try:
                t.user(text, generation_config={"turn": number})
            except (RefMovedError, RemoteError):
                continue
            print(text, file=said, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
