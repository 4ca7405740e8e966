"""One measurement in a process of its own: ``python -m benchmarks.child SUBJECT PEER TASK``; the task is JSON, and so is the answer."""

from __future__ import annotations

import json
import sys
from importlib import import_module

from benchmarks.peers import peer_class


def main() -> None:
    subject, name, task = sys.argv[1:]
    module = import_module(f"benchmarks.subjects.{subject}")
    print(json.dumps(module.measure(peer_class(name), **json.loads(task))))


if __name__ == "__main__":
    main()
