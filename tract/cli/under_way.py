"""Commands under way, as ``tract status`` tells of them: what waits for its user, and where."""

from __future__ import annotations

from typing import Any

from tract.cli.console import Console
from tract.history.state import read_state, states, text_path
from tract.repo import Repository


def merge_under_way(repo: Repository) -> dict[str, Any] | None:
    """What is merged, how many conflicts it has and the file they are in; None where no merge is under way."""
    state = read_state(repo, "merge")
    if state is None:
        return None
    count = len(state["conflicts"])
    return {"source": state["source"], "conflicts": count, "file": text_path(repo, "MERGE_CONFLICTS.md") if count else None}


def print_merge_under_way(console: Console, merge: dict[str, Any]) -> None:
    """Say that a merge waits, and what for."""
    count = merge["conflicts"]
    lead = console.paint(f"Merge of '{merge['source']}' under way", "yellow")
    if count == 0:
        console.line(lead, ": no conflicts; 'tract merge --continue' commits it")
    else:
        console.line(lead, f": {count} conflict{'' if count == 1 else 's'} in '{merge['file']}'")


def replays_under_way(repo: Repository) -> list[dict[str, Any]]:
    """The rebase, cherry-pick and revert that wait for their user, and the files their conflicts are in."""
    found = []
    for name in states(repo):
        if name in ("rebase", "cherry-pick", "revert"):
            file = text_path(repo, f"{name.upper().replace('-', '_')}_CONFLICTS.md")
            found.append({"command": name, "file": file})
    return found


def print_replay_under_way(console: Console, replay: dict[str, Any]) -> None:
    """Say that a replay waits, and what for."""
    name = replay["command"]
    lead = console.paint(f"{name.capitalize()} under way", "yellow")
    console.line(lead, f": conflicts in '{replay['file']}'; then 'tract {name} --continue'")
