"""The suite: ``python -m benchmarks [SUBJECT…] [--quick] [--json FILE] [--svg FOLDER]``, or ``scripts/bench``.

Prints tables in Markdown; what is being measured goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from importlib import import_module

from benchmarks.harness import Bench, Row
from benchmarks.peers import PEERS
from benchmarks.report import as_json, as_markdown, bars, machine
from benchmarks.subjects import SUBJECTS


def main() -> None:
    options = _options()
    folder = tempfile.mkdtemp(prefix="tract-bench-", dir=options.folder)
    try:
        where = machine()
        bench = Bench(
            folder, options.quick, tuple(options.peer or ()), options.rounds, options.durability, options.largest
        )
        rows: list[Row] = []
        for subject in options.subjects or SUBJECTS:
            print(subject, file=sys.stderr)
            rows += import_module(f"benchmarks.subjects.{subject}").run(bench)
            if options.json:  # after each, so that a run that is stopped was not for nothing
                with open(options.json, "w") as file:
                    json.dump(as_json(bench, rows, where), file, indent=1, ensure_ascii=False)
            if options.svg:
                _draw(options.svg, rows)
        print(as_markdown(bench, rows, where))
    finally:
        shutil.rmtree(folder)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: whether it works, not figures")
    parser.add_argument(
        "--rounds", type=int, default=99, help="at most so many, each of which measures every peer once"
    )
    parser.add_argument(
        "--largest",
        type=int,
        default=100_000,
        help="the most commits of scale, 1000000 say; beyond 100000 of tract alone",
    )
    parser.add_argument("--durability", choices=("process", "full"), action="append", help="only this one of appending")
    parser.add_argument("--peer", action="append", choices=tuple(PEERS), help="only this one; may be given again")
    parser.add_argument("--json", metavar="FILE", help="write everything as JSON too")
    parser.add_argument("--svg", metavar="FOLDER", help="draw appending and loading there")
    parser.add_argument("--folder", metavar="FOLDER", help="where the stores are made; the system's temporary folder")
    options = parser.parse_args()
    options.durability = tuple(options.durability or ("process", "full"))
    unknown = [name for name in options.subjects if name not in SUBJECTS]
    if unknown:
        parser.error(f"no subject '{unknown[0]}'; there are {', '.join(SUBJECTS)}")
    return options


def _draw(folder: str, rows: list[Row]) -> None:
    os.makedirs(folder, exist_ok=True)
    for subject, column, title in (
        ("append", "a second", "Commits a second"),
        ("load", "cold cpu ms", "Loading all, cold"),
        ("edit", "both ms", "An edit in the middle, then loading all"),
    ):
        cases = list(dict.fromkeys(row.case for row in rows if row.subject == subject))
        for number, case in enumerate(cases, 1):
            drawing = bars(
                [row for row in rows if row.case == case and row.subject == subject], column, f"{title}: {case}"
            )
            if drawing:
                with open(os.path.join(folder, f"{subject}-{number}.svg"), "w") as file:
                    file.write(drawing)


if __name__ == "__main__":
    main()
