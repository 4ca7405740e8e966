"""The tables of docs/benchmarks.md are those of its results."""

from __future__ import annotations

import json

from benchmarks.document import DOCS, filled, merged

ROW = {"subject": "fork", "case": "at 10", "durability": "process", "rounds": 2, "note": ""}
MARK = "<!-- bench | fork | at 10 | fork µs; switch µs | fork µs -->\n"


def test_every_table_of_the_page_is_what_the_results_say():
    page = (DOCS / "benchmarks.md").read_text()
    rows = json.loads((DOCS / "benchmarks" / "results.json").read_text())["rows"]

    assert filled(page, rows) == page
    assert page.count("<!-- bench |") >= 15


def test_a_table_is_put_in_the_place_of_the_one_that_was_there():
    rows = [
        {**ROW, "peer": "tract", "values": {"fork µs": 2.0}},
        {**ROW, "peer": "git", "values": {"fork µs": 5.0, "switch µs": 400.0}},
    ]

    text = filled(f"before\n{MARK}| old |\n|---|\n\nafter\n", rows)

    assert text == (
        f"before\n{MARK}|  | fork µs | switch µs | fork µs, tract = 1 | rounds |\n|---|---:|---:|---:|---:|\n"
        "| tract | 2.00 |  | 1.00 | 2 |\n| git | 5.00 | 400 | 2.50 | 2 |\n\nafter\n"
    )
    assert filled(text, rows) == text


def test_a_later_run_takes_the_place_of_an_earlier_one_row_by_row():
    first = {
        "machine": {"time": "1"},
        "peers": {"a": 1},
        "missing": {},
        "rows": [{**ROW, "peer": "a", "values": {"x": 1}}, {**ROW, "peer": "b", "values": {}}],
    }
    second = {
        "machine": {"time": "2"},
        "peers": {"b": 2},
        "missing": {},
        "rows": [{**ROW, "peer": "a", "values": {"x": 3}}],
    }

    both = merged([first, second])

    assert both["machine"] == {"time": "2"}
    assert both["peers"] == {"a": 1, "b": 2}
    assert [("a", {"x": 3}), ("b", {})] == [(row["peer"], row["values"]) for row in both["rows"]]
