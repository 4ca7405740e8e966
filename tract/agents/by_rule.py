"""A run of the orchestrator without a model: it follows the advice of the rule planner and of the health, in order."""

from __future__ import annotations

from collections.abc import Iterator

from tract.agents.acting import act, pinned_down
from tract.agents.actions import Action, needs_approval
from tract.agents.hands import ORIGIN, outcome_of
from tract.agents.health import Health
from tract.agents.operation_table import checked, risk_of
from tract.agents.orchestrator import StepResult, change_status
from tract.agents.preview import concerned
from tract.agents.proposals import ProposalTable, Wish
from tract.agents.underway import Underway
from tract.errors import TractError
from tract.maintenance.gc.collect import is_due


def work_by_rule(run: Underway) -> None:
    """Carry out the advice of the rule planner and of the health, step after step, until none is left."""
    done: set[str] = set()
    while True:
        run.check()
        advice = next((one for one in _advised(run) if _key(one) not in done), None)
        if advice is None:
            return
        done.add(_key(advice))
        run.used.steps += 1
        run.used.calls += 1
        if _is_settled(run, advice):
            continue
        wish = Wish(advice, ORIGIN, advice.reason)
        acted = act(run.tract, wish, run.autonomy())
        if advice.name == "gc" and acted.proposal is None:
            _note_collected(run)
        proposal = None if acted.proposal is None else run.decided(acted.proposal)
        result = acted.result if proposal is None else outcome_of(proposal)
        run.add(
            StepResult(step=run.used.steps, action=advice, reasoning=advice.reason, result=result, proposal=proposal)
        )


def _advised(run: Underway) -> Iterator[Action]:
    """The possible actions: on the context first, then on the branches and the store."""
    for one in run.tract.plan().steps:
        yield one.action
    found = run.tract.health()
    for one in found.advice:
        if one.action.name == "archive" or (one.action.name == "gc" and _may_collect(run, found)):
            yield one.action


def _may_collect(run: Underway, found: Health) -> bool:
    """Whether no caller waits for this run, and gc would find more than the last one had to leave."""
    if not run.collects:
        return False
    repo = run.tract.repository
    return found.archives_waiting > run.status.read(repo).held or is_due(repo)


def _note_collected(run: Underway) -> None:
    held = run.tract.health().archives_waiting
    if held != run.status.read(run.tract.repository).held:
        change_status(run.tract.repository, held=held)


def _is_settled(run: Underway, action: Action) -> bool:
    """Whether nearly the same action was rejected, or already waits and still must."""
    try:
        settled = pinned_down(run.tract, action)
        wanted = set(concerned(settled))
        waits = needs_approval(risk_of(run.tract, checked(settled), ORIGIN), run.autonomy())
    except TractError:
        return False  # what is wrong with it is told when it is tried
    for one in ProposalTable().read(run.tract.repository).values():
        is_decided = one.status == "rejected" or (waits and one.status == "pending")
        if one.origin != ORIGIN or one.action.name != action.name or not is_decided:
            continue
        about = {subject.commit for subject in one.about}
        if one.action.arguments == settled.arguments or len(about & wanted) * 2 > len(wanted):
            return True
    return False


def _key(action: Action) -> str:
    return f"{action.name} {sorted(action.arguments.items(), key=str)!r}"
