"""What a run found, as tables in Markdown, as JSON, and as drawings."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module, metadata
from math import log10
from typing import Any

from benchmarks.harness import Bench, Row
from benchmarks.peers import PEERS, peer_class
from benchmarks.subjects import SUBJECTS

_FIRST = {
    "append": "a second",
    "load": "cold cpu ms",
    "fork": "fork µs",
    "edit": "both ms",
    "disk": "before",
    "memory": "peak MB",
}
_FIRST |= {"commands": "wall ms", "scale": "append + load µs", "corpus": "a second"}
"""The column that the ratio to tract is of."""


def machine() -> dict[str, Any]:
    """Where this ran."""
    return {
        "time": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load average": round(os.getloadavg()[0], 1),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def versions(bench: Bench) -> dict[str, str]:
    """Of each peer that took part."""
    found = {}
    for name in bench.peers:
        said = [f"{one} {_version(one)}" for one in PEERS[name].distributions]
        if name.startswith("git"):
            said = [subprocess.run(["git", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()]
        found[name] = ", ".join(said) or "this Python's"
    return found


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "from this checkout"


def as_json(bench: Bench, rows: Sequence[Row], where: dict[str, Any]) -> dict[str, Any]:
    peers = {
        name: {"version": version, "durability": peer_class(name).durability, "lacks": peer_class(name).lacks}
        for name, version in versions(bench).items()
    }
    return {"machine": where, "peers": peers, "missing": bench.missing, "rows": [asdict(row) for row in rows]}


def as_markdown(bench: Bench, rows: Sequence[Row], where: dict[str, Any]) -> str:
    parts = [", ".join(f"{name} {value}" for name, value in where.items()) + "."]
    for subject in SUBJECTS:
        of_it = [row for row in rows if row.subject == subject]
        if of_it:
            parts.append(f"## {import_module(f'benchmarks.subjects.{subject}').TITLE}")
            parts.append(f"`scripts/bench {subject}`")
        for case in dict.fromkeys(row.case for row in of_it):
            parts.append(f"**{case}**")
            parts.append(table([row for row in of_it if row.case == case], _FIRST[subject]))
    parts += ["## Peers", peers_table(bench)]
    return "\n\n".join(parts) + "\n"


def table(rows: Sequence[Row], first: str) -> str:
    """One table; the last column is the ratio of *first* to tract's, above 1 where the peer's number is larger."""
    columns = list(dict.fromkeys(name for row in rows for name in row.values))
    own = next((row.values.get(first) for row in rows if row.peer.startswith("tract")), None)
    head = ["", *columns, f"{first}, tract = 1", "rounds"]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    for row in rows:
        mine = row.values.get(first)
        ratio = f"{mine / own:.2f}" if own and mine else ""
        cells = [number_text(row.values[name]) if name in row.values else "" for name in columns]
        if not row.values:
            cells[0] = "cannot"
        lines.append("| " + " | ".join([row.peer, *cells, ratio, str(row.rounds)]) + " |")
    return "\n".join(lines)


def peers_table(bench: Bench) -> str:
    lines = ["| | version | process | full | at most | what it does not do |", "|---|---|---|---|---|---|"]
    for name, version in versions(bench).items():
        peer = peer_class(name)
        most = f"{peer.most:,} messages" + (f": {peer.why_most}" if peer.why_most else "")
        kept = peer.durability
        lines.append(
            f"| {name} | {version} | {kept.get('process', '')} | {kept.get('full', '')} | {most} | {peer.lacks} |"
        )
    lines += [f"| {name} | | | | | {reason} |" for name, reason in bench.missing.items()]
    return "\n".join(lines)


def number_text(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


# Drawings


def bars(rows: Iterable[Row], column: str, title: str) -> str:
    """Horizontal bars, as SVG, on a logarithmic scale."""
    found = sorted(
        ((row.peer, row.values[column]) for row in rows if row.values.get(column)), key=lambda pair: -pair[1]
    )
    if not found:
        return ""
    low = 10 ** int(log10(min(value for _, value in found)) - 0.3)
    high = max(value for _, value in found)
    lines = []
    for at, (name, value) in enumerate(found):
        width = 420 * log10(value / low) / log10(high / low) if high > low else 420
        y = 34 + at * 22
        fill = "#2f6f4f" if name.startswith("tract") else "#9aa5b1"
        lines.append(f'<text x="196" y="{y + 13}" text-anchor="end">{name}</text>')
        lines.append(f'<rect x="204" y="{y}" width="{max(width, 1):.1f}" height="17" fill="{fill}"/>')
        lines.append(f'<text x="{210 + width:.1f}" y="{y + 13}">{number_text(value)}</text>')
    height = 44 + len(found) * 22
    style = 'font-family="sans-serif" font-size="12" fill="#222"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{height}" {style}>'
    background = f'<rect width="720" height="{height}" fill="#fff"/>'
    name = f'<text x="8" y="20" font-size="14">{title} ({column}, logarithmic)</text>'
    return "\n".join([head, background, name, *lines, "</svg>\n"])
