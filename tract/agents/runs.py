"""The record of a run of the orchestrator: a record in the history, and a note in the log that names it.

    record   {"run": "5f02c1…", "state": "idle", "branch": "main", "steps": [{"operation": "compress", …}], "tokens": [9000, 4100], …}
    texts    {"reason": "…", "assessment": […], "steps": […], "reasoning": […], "decisions": […], "ended": "…"}    a blob that the record needs
    note     {"id": "5f02c1…", "record": <id of the record>}                                                       refs/notes/runs

A record is not a message: no context has it. Only the blob of texts may quote a message.
The record is committed on HEAD's branch. If a merge or a replay waits there, which must find the branch unchanged, only the note keeps the record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from tract.agents.actions import Action, ActionResult
from tract.agents.health import health_lines
from tract.agents.ledger import Ledger, write_entry
from tract.agents.orchestrator import OrchestratorResult, State, StepResult
from tract.dataclass import dataclass
from tract.errors import ObjectCorruptError
from tract.history.commit import Change, add_commit
from tract.history.notes import PRIORITY, RUNS
from tract.history.times import moment
from tract.history.tracts import in_tract, tract_times
from tract.objects.content import RecordContent
from tract.objects.id import ObjectId
from tract.objects.json import parse_json
from tract.objects.model import CommitOperation, Operation, Refs
from tract.objects.strict_reader import read_bytes
from tract.reflog import RUN_RECORD, run_of, without_run
from tract.refs.names import HEADS, NOTES, tract_name
from tract.repo import Repository
from tract.report.text import Shown, count_of, short
from tract.transaction import Transaction, is_idle, transaction

KIND = "orchestrator-run"
"""The kind of the records of runs."""

_MOST_LOOKED_AT = 5000
"""The number of last operations searched for those of a run whose process died."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RunInfo(Shown):
    """A run as the store keeps it: why it began, the *assessment* of the context then, its *steps* and what was decided about them, and how it ended.

    *commit_hash* is the record in the history. *seconds* and *cost*, in uncached input tokens, are of all parts of a run that was paused and went on.
    """

    run_id: str
    commit_hash: str
    reason: str
    state: State
    assessment: tuple[str, ...]
    steps: tuple[str, ...]
    decisions: tuple[str, ...]
    tokens_before: int
    tokens_after: int
    total_tool_calls: int
    tokens_used: int
    seconds: float
    cost: float
    stopped_because: str
    branch: str | None
    ended_at: datetime
    by: str

    def __repr__(self) -> str:
        return f"RunInfo({self.run_id}: {self.stopped_because})"

    def __str__(self) -> str:
        return "\n".join(run_lines(self))


def run_lines(one: RunInfo, *, full: bool = False) -> list[str]:
    """A run in lines for people; *full*, with the assessment too."""
    head = f"{one.run_id} {one.ended_at:%Y-%m-%d %H:%M} on {one.branch or 'no branch'}, record {short(one.commit_hash)}: {one.reason}"
    figures = f"{one.tokens_before:,} tokens to {one.tokens_after:,}; {count_of(one.total_tool_calls, 'call')}, {one.tokens_used:,} tokens of the model's"
    told = [*(f"assessed: {line}" for line in one.assessment)] if full else []
    rest = [*told, *one.steps, *(f"decided: {line}" for line in one.decisions), figures]
    return [head, *(f"  {line}" for line in rest), f"  ended: {one.stopped_because}"]


def write_run(repo: Repository, result: OrchestratorResult, *, branch: str | None, after: int, seconds: float) -> None:
    """Store the record of a run."""
    assessment = result.assessment
    payload = {
        "run": result.run_id,
        "state": result.state,
        "branch": branch,
        "steps": [_step(one) for one in result.steps],
        "tokens": [0 if assessment is None else assessment.token_count, after],
        "calls": result.total_tool_calls,
        "used": result.tokens_used,
        "seconds": round(seconds, 3),
        "cost": round(result.cost, 3),
    }
    texts = {
        "reason": result.reason,
        "assessment": [] if assessment is None else health_lines(assessment),
        "steps": [str(one) for one in result.steps],
        "reasoning": [one.reasoning for one in result.steps],
        "decisions": [_decision(one) for one in result.steps if one.proposal is not None],
        "ended": result.stopped_because,
    }
    with transaction(repo, f"{RUN_RECORD}{result.run_id}", moves="refs") as tx:
        record = _add_record(tx, payload, json.dumps(texts, ensure_ascii=False, default=str).encode("utf-8", "replace"))
        is_kept = is_idle(repo)
        if is_kept:
            tx.move_branch(record)
        refs = None if is_kept else Refs(None, (record, "commit"))
        write_entry(tx, RUNS, result.run_id, {"record": record.hex()}, {}, refs=refs)


def _step(one: StepResult) -> dict[str, Any]:
    proposal = one.proposal
    return {
        "operation": one.action.name,
        "commit": one.result.commit_hash,
        "proposal": None if proposal is None else proposal.id,
        "decision": None if proposal is None else proposal.status,
        "failed": one.result.error is not None,
    }


def steps_in_history(repo: Repository, run: str) -> tuple[StepResult, ...]:
    """The steps of a run whose process died before it stored a record: its landed operations, the oldest first, as far as the last operations show."""
    found = [one for _, one in islice(repo.refs.history(), _MOST_LOOKED_AT) if run_of(one.reason) == run]
    return tuple(_landed_step(repo, number, one) for number, one in enumerate(reversed(found), 1))


def _landed_step(repo: Repository, number: int, operation: Operation) -> StepResult:
    reason = without_run(operation.reason)
    moved = [one.new for one in operation.changes if one.name.startswith(repo.prefix + HEADS)]
    tip = next((one.hex() for one in moved if isinstance(one, bytes)), None)
    priorities = f"{repo.prefix}{NOTES}{PRIORITY}"
    is_annotation = tip is None and any(one.name == priorities for one in operation.changes)
    said = reason.removeprefix("propose: ").partition(":")[0]
    name = "annotate" if is_annotation else said.removeprefix("commit (").removesuffix(")")
    return StepResult(step=number, action=Action(name), reasoning="", result=ActionResult(text=reason, commit_hash=tip))


def _decision(one: StepResult) -> str:
    assert one.proposal is not None
    by = f" by {one.proposal.decided_by}" if one.proposal.decided_by else ""
    why = f": {one.proposal.decision_reason}" if one.proposal.decision_reason else ""
    return f"{one.proposal.id} {one.proposal.status}{by}{why}"


def _add_record(tx: Transaction, payload: dict[str, Any], texts: bytes) -> ObjectId:
    words = tx.blob(texts)
    payload["texts"] = words.hex()
    content = tx.blob({"content_type": RecordContent.content_type, "kind": KIND, "payload": payload})
    before, after = payload["tokens"]
    message = f"run {payload['run']}: {count_of(len(payload['steps']), 'step')}, {before:,} tokens to {after:,}"
    change = Change(CommitOperation.RECORD, content, None, time=tx.repo.clock(), author=tx.repo.author, message=message)
    return add_commit(tx, tx.tip, change._replace(refs=Refs(None, (words, "blob"))))


def read_runs(repo: Repository, limit: int | None = None, since: datetime | None = None) -> list[RunInfo]:
    """The runs, all or those that ended *since* then, the newest first; a run that was paused and resumed has one entry for each part. Runs whose records were dropped by a hard reset and gc are left out."""
    ledger = Ledger(RUNS)
    ledger.advance(repo)
    runs: list[RunInfo] = []
    for one in reversed(ledger.entries):
        if (limit is not None and len(runs) >= limit) or (since is not None and moment(one.event.time) < since):
            break
        record = bytes.fromhex(str(one.body.get("record", "")))
        if repo.objects.contains(record) and (run := run_at(repo, record)) is not None:
            runs.append(run)
    return runs


def cost_since(repo: Repository, since: datetime) -> float:
    """The cost of the runs in all tracts of the store since then, in uncached input tokens; the last part of a resumed run has the cost of all parts."""
    costs: dict[str, float] = {}
    for prefix in tract_times(repo):
        for one in read_runs(in_tract(repo, tract_name(prefix)), since=since):
            costs.setdefault(one.run_id, one.cost)
    return sum(costs.values())


def run_at(repo: Repository, id: ObjectId) -> RunInfo | None:
    """The run whose record the commit *id* is; None if it is not a run's record."""
    commit = repo.commit(id)
    if commit.operation is not CommitOperation.RECORD or commit.content is None:
        return None
    value = repo.blob(commit.content)
    if not isinstance(value, Mapping) or value.get("kind") != KIND:
        return None
    try:
        body = value["payload"]
        words = bytes.fromhex(body["texts"])
        texts = parse_json(read_bytes(words, repo.objects.read(words)))
        return RunInfo(
            run_id=body["run"],
            commit_hash=id.hex(),
            reason=texts["reason"],
            state=body["state"],
            assessment=tuple(texts["assessment"]),
            steps=tuple(texts["steps"]),
            decisions=tuple(texts["decisions"]),
            tokens_before=body["tokens"][0],
            tokens_after=body["tokens"][1],
            total_tool_calls=body["calls"],
            tokens_used=body["used"],
            seconds=body["seconds"],
            cost=body["cost"],
            stopped_because=texts["ended"],
            branch=body["branch"],
            ended_at=moment(commit.time),
            by=commit.author,
        )
    except (KeyError, TypeError, ValueError, IndexError) as exc:
        raise ObjectCorruptError(id.hex(), f"it holds no run of an orchestrator: {exc}") from exc
