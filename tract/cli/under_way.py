"""Commands under way, as ``tract status`` lists them: what waits for the user, and where."""

from __future__ import annotations

from typing import Any

from tract.cli.console import Console
from tract.history.notes import ORCHESTRATOR, POLICIES, PROPOSALS, note_tip
from tract.history.state import conflicts_path, read_state, states
from tract.repo import Repository


def merge_under_way(repo: Repository) -> dict[str, Any] | None:
    """The merge under way, the number of its conflicts and their file; None if there is no merge."""
    state = read_state(repo, "merge")
    if state is None:
        return None
    count = len(state["conflicts"])
    return {"source": state["source"], "conflicts": count, "file": conflicts_path(repo, "merge") if count else None}


def print_merge_under_way(console: Console, merge: dict[str, Any]) -> None:
    """Print that a merge waits, and its conflicts."""
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
            found.append({"command": name, "file": conflicts_path(repo, name)})
    return found


def bisection_under_way(repo: Repository) -> dict[str, Any] | None:
    """The bad commit, and the numbers of good and skipped ones; None if no bisection is under way."""
    if "bisect" not in states(repo):
        return None
    from tract.history.bisect import read_bisection  # there is seldom one

    known = read_bisection(repo)
    if known is None:
        return None
    return {
        "bad": None if known.bad is None else known.bad.hex(),
        "good": len(known.good),
        "skipped": len(known.skipped),
    }


def compressions_waiting(repo: Repository) -> list[dict[str, Any]]:
    """The compressions that wait to be approved; they block no command."""
    if not any(name.startswith("compress-") for name in states(repo)):
        return []
    # Loading their reader takes a fifth of a short command, and there are seldom any.
    from tract.curation.compress.store import kept_compressions

    return [{"id": one.id, "branch": one.branch, "gist": one.gist} for one in kept_compressions(repo)]


def print_compressions_waiting(console: Console, waiting: list[dict[str, Any]]) -> None:
    """Print how many compressions wait, and how to see them."""
    count = len(waiting)
    lead = console.paint(f"{count} compression{'' if count == 1 else 's'} to review", "yellow")
    console.line(
        lead,
        ": 'tract compress --list' shows them"
        if count > 1
        else f": 'tract compress --show {waiting[0]['id']}' shows it",
    )


def print_bisection_under_way(console: Console, bisection: dict[str, Any]) -> None:
    """Print that a bisection waits; it blocks no command."""
    bad, good, skipped = 0 if bisection["bad"] is None else 1, bisection["good"], bisection["skipped"]
    lead = console.paint("Bisection under way", "yellow")
    console.line(
        lead,
        f": {bad} bad, {good} good, {skipped} skipped; 'tract bisect next' says where, 'tract bisect reset' ends it",
    )


def print_replay_under_way(console: Console, replay: dict[str, Any]) -> None:
    """Print that a replay waits, and its conflicts."""
    name = replay["command"]
    lead = console.paint(f"{name.capitalize()} under way", "yellow")
    console.line(lead, f": conflicts in '{replay['file']}'; then 'tract {name} --continue'")


def agent_states_of(repo: Repository) -> tuple[str, str]:
    """The states of the orchestrator and the policies; see ``tract.agents.orchestrator.AgentStates``."""
    if note_tip(repo, ORCHESTRATOR) is None and note_tip(repo, POLICIES) is None:
        return "idle", "none"
    from tract.agents.orchestrator import agent_states  # most stores have neither

    return agent_states(repo)


_HELD = {
    ("orchestrator", "paused"): ("The orchestrator is paused", "'tract orchestrate --resume' goes on"),
    ("orchestrator", "running"): ("The orchestrator is at work", "'tract orchestrate --pause' pauses it"),
    ("policies", "paused"): ("The policies are paused", "'tract policy resume' lets them go on"),
    ("policies", "untrusted"): (
        "The policies came from another store, and are off",
        "'tract policy trust' turns them on",
    ),
}


def agents_held(states: tuple[str, str]) -> list[tuple[str, str]]:
    """The notices about the orchestrator and the policies: their state, and the command that changes it."""
    pairs = zip(("orchestrator", "policies"), states, strict=True)
    return [_HELD[pair] for pair in pairs if pair in _HELD]


def proposals_waiting(repo: Repository) -> int:
    """The number of proposals that wait for approval."""
    if note_tip(repo, PROPOSALS) is None:
        return 0
    from tract.agents.proposals import count_pending  # most stores have none

    return count_pending(repo)


def print_proposals_waiting(console: Console, count: int) -> None:
    """Print how many proposals wait."""
    what = "1 proposal waits" if count == 1 else f"{count} proposals wait"
    console.line(console.paint(what, "yellow"), " for approval: 'tract proposals' lists them")
