"""``tract orchestrate --watch`` in a process of its own, for tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.llm.server import LLMServer


class Ended(NamedTuple):
    """How it ended, and what it said."""

    status: int
    out: str
    err: str


class Sidecar:
    """One that runs; it asks the model on *server*, where there is one."""

    def __init__(self, folder: Path, *options: str, server: LLMServer | None = None) -> None:
        environment = {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", os.getcwd())}
        command = [
            sys.executable,
            "-m",
            "tract",
            "-C",
            str(folder),
            "orchestrate",
            "--watch",
            "--autonomy",
            "autonomous",
        ]
        if server is not None:
            environment |= {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": server.url}
            command += ["--provider", "openai", "--model", "any"]
        self.process = subprocess.Popen(
            [*command, *options], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def wait_until(self, is_so: Callable[[], object]) -> None:
        """Wait until that is so, as long as it runs."""
        wait(lambda: is_so() or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise AssertionError(self.ended())

    def end(self, by: signal.Signals = signal.SIGTERM) -> Ended:
        """Send it that signal, and wait."""
        self.process.send_signal(by)
        return self.ended()

    def ended(self) -> Ended:
        """Wait until it ends by itself."""
        out, err = self.process.communicate(timeout=60)
        return Ended(self.process.returncode, out, err)


@contextmanager
def sidecar(folder: Path, *options: str, server: LLMServer | None = None) -> Iterator[Sidecar]:
    """One that is gone behind the block, however that ends."""
    one = Sidecar(folder, *options, server=server)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def wait(is_so: Callable[[], object], seconds: float = 30) -> None:
    """Wait until that is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never was"
        time.sleep(0.02)
