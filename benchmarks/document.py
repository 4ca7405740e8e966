"""The tables and drawings of docs/benchmarks.md, from what runs of the suite wrote with ``--json``.

    python -m benchmarks.document RUN.json…    puts the runs together, a later one's rows in the place of an earlier one's
    python -m benchmarks.document              writes the tables and drawings anew

A table follows a line that says what is in it: subject, case (``*`` for all), columns, and the column that the ratio to tract is of.

    <!-- bench | append | 10,000 messages at once, durability process | a second; cpu µs | a second -->
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness import Row
from benchmarks.report import bars, number_text

_DRAWN = {
    "append.svg": ("append", "10,000 messages, one commit each, durability process", "p50 µs", "One commit, of 10,000"),
    "load.svg": (
        "load",
        "10,000 messages, after gc (VACUUM, git gc --aggressive)",
        "cold cpu ms",
        "Loading 10,000 messages, cold",
    ),
}
"""Subject, case, column and title of each drawing."""

DOCS = Path(__file__).resolve().parent.parent / "docs"
_TABLE = re.compile(r"(<!-- bench \|(.*?)-->\n)(?:\|.*\n)*")


def merged(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The runs as one: each row as the last run has it that has it, with what is said of its machine."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    peers: dict[str, Any] = {}
    for run in runs:
        for row in run["rows"]:
            rows[row["subject"], row["case"], row["peer"], row["durability"]] = row
        peers |= run["peers"]
    return {**runs[-1], "peers": peers, "rows": list(rows.values())}


def filled(text: str, rows: list[dict[str, Any]]) -> str:
    """*text* with every table as *rows* have it."""

    def fill(found: re.Match[str]) -> str:
        subject, case, columns, *ratio = [part.strip() for part in found[2].split("|")]
        chosen = [row for row in rows if row["subject"] == subject and case in ("*", row["case"]) and row["values"]]
        names = [column.strip() for column in columns.split(";")]
        return found[1] + _table(chosen, names, ratio[0] if ratio else "", with_case=case == "*")

    return _TABLE.sub(fill, text)


def _table(rows: list[dict[str, Any]], columns: list[str], ratio: str, *, with_case: bool) -> str:
    head = [*(["at"] if with_case else []), "", *columns, *([f"{ratio}, tract = 1"] if ratio else []), "rounds"]
    lines = ["| " + " | ".join(head) + " |", "|" + ("---|" * (1 + with_case)) + "---:|" * (len(head) - 1 - with_case)]
    own = next((row["values"].get(ratio) for row in rows if row["peer"] == "tract"), None)
    for row in rows:
        values = row["values"]
        cells = [number_text(values[name]) if name in values else "" for name in columns]
        if ratio:
            cells.append(f"{values[ratio] / own:.2f}" if own and values.get(ratio) else "")
        lines.append(
            "| " + " | ".join([*([row["case"]] if with_case else []), row["peer"], *cells, str(row["rounds"])]) + " |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    results, page = DOCS / "benchmarks" / "results.json", DOCS / "benchmarks.md"
    runs = [json.loads(Path(name).read_text()) for name in sys.argv[1:]]
    if runs:
        results.write_text(json.dumps(merged(runs), indent=1, ensure_ascii=False))
    rows = json.loads(results.read_text())["rows"]
    page.write_text(filled(page.read_text(), rows))
    for name, (subject, case, column, title) in _DRAWN.items():
        drawn = [Row(**row) for row in rows if (row["subject"], row["case"]) == (subject, case)]
        (results.parent / name).write_text(bars(drawn, column, title))


if __name__ == "__main__":
    main()
