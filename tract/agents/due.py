"""When a run of the orchestrator is due: by its triggers and the present context, and by the schedule of a watching process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tract.agents.orchestrator import Status, TriggerConfig, change_status
from tract.agents.schedule import Schedule
from tract.history.times import moment
from tract.history.walk import first_parents
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.repo import Repository
from tract.transaction import is_idle


def why_due(
    repo: Repository,
    status: Status,
    triggers: TriggerConfig,
    trigger: str,
    *,
    used: Callable[[], int],
    watch: tuple[Schedule, datetime] | None,
) -> str | None:
    """Why a run is due at a *trigger* (``commit``, ``compile`` or ``watch``), in words; None if it is not.

    *used* returns the tokens of the context. *watch* is the schedule of a watching process, and the time since when it watches.
    """
    branch, tip = repo.head()
    if status.state in ("paused", "running") or branch is None or tip is None or not is_idle(repo):
        return None
    if status.retry_at > repo.clock():
        return None
    why = _why_scheduled(repo, status, *watch) if trigger == "watch" and watch is not None else None
    if why is not None:
        return why
    if repo.commit(tip).generation < status.generation:  # HEAD went back, or elsewhere: the count starts here
        status = change_status(repo, looked_at=tip.hex(), generation=repo.commit(tip).generation)
    if trigger == "compile" and triggers.on_compile:
        return "the context is to be sent"
    count = triggers.on_commit_count
    if count is not None and repo.commit(tip).generation - status.generation >= count:
        came = _count_since(repo, tip, status, count)
        if came >= count:
            return f"{came} messages came since the last run"
    return _why_full(repo, status, triggers.on_token_threshold, used)


def _why_scheduled(repo: Repository, status: Status, schedule: Schedule, began: datetime) -> str | None:
    last = None if not status.ran_at else moment(status.ran_at).astimezone()
    return schedule.why_due(last, began, moment(repo.clock()).astimezone())


def _count_since(repo: Repository, tip: ObjectId, status: Status, most: int) -> int:
    """The number of messages since the last run; counting stops at ten times *most*."""
    count = 0
    for id, commit in first_parents(repo, tip):
        if id.hex() == status.looked_at or commit.generation <= status.generation:
            break
        count += commit.operation is CommitOperation.APPEND
        if count > 10 * most:
            break
    return count


def _why_full(repo: Repository, status: Status, threshold: float | None, used: Callable[[], int]) -> str | None:
    """Why the tokens of the context make a run due; reported once, until they are below the threshold again."""
    if threshold is None or repo.config.budget is None:
        return None
    most, tokens = repo.config.budget.max_tokens, used()
    if tokens >= threshold * most:
        return None if status.is_above else f"the context has {tokens:,} of {most:,} tokens ({tokens / most:.0%})"
    if status.is_above:
        change_status(repo, is_above=False)
    return None
