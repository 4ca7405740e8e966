"""Runs a model's calls: a tool by name, with unchecked arguments.

    name, arguments ──▸ profile ──▸ arguments ──▸ protection ──▸ risk and autonomy ──▸ run, or proposed ──▸ ToolResult

Whatever a model sends, it gets an answer that it can read. An operation outside the profile is not run, even if it was offered.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from tract.agents.acting import pinned_down, propose
from tract.agents.actions import (
    FOR_ROOM,
    Action,
    ActionResult,
    Autonomy,
    Risk,
    check_autonomy,
    least_autonomy,
    needs_approval,
)
from tract.agents.changing import doubt_of
from tract.agents.operation import Profile, includes
from tract.agents.operation_table import Call, check_profile, execute, operation_named, risk_of
from tract.agents.policy_settings import DEFAULT_AUTONOMY, SettingsTable, is_foreign
from tract.agents.proposals import ProposalTable, Wish
from tract.agents.schemas import check_prefix
from tract.agents.target import TractLike
from tract.dataclass import dataclass, replace
from tract.errors import ActionError, ClosedError, TractError
from tract.history.notes import PRIORITY, NoteTable, note_tip
from tract.history.priority import Priority
from tract.objects.json import parse_json
from tract.repo import Repository

_LOG = logging.getLogger("tract.agents")

_LONGEST_OUTPUT = 60_000
"""The most characters of an answer; no operation gives more if its arguments follow its schema."""

_LONGEST_LIST = 1000

_ORIGIN = "tool"

_FREE: Profile = "supervisor"
"""The lowest profile that may touch instructions and pins, and see messages that another party hid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """The result of a model's call: *output* is a text for the model, *data* the same as JSON.

    *commit_hash* is the commit that it made or went to; *proposal_id* is set if the action waits for approval instead. If there is an *error*, *output* has its text, and nothing was changed.
    """

    tool_name: str
    success: bool
    output: str
    data: Any = None
    error: str | None = None
    commit_hash: str | None = None
    proposal_id: str | None = None


class ToolExecutor:
    """Runs the tools that ``as_tools`` offers on *tract*.

    Only operations of *profile* are run. Profiles below ``supervisor`` cannot change instructions or pinned messages, and do not see the text of messages that another party hid.
    *prefix* is the prefix of the tools' names, if ``as_tools`` was given one. *autonomy* can only lower the tract's own; an action that it does not allow becomes a proposal.
    """

    def __init__(
        self, tract: TractLike, *, profile: Profile = "self", autonomy: Autonomy | None = None, prefix: str = ""
    ) -> None:
        check_profile(profile)
        check_prefix(prefix)
        self._prefix = prefix
        self._tract = tract
        self._profile = profile
        self._autonomy = check_autonomy(autonomy)
        self._settings = SettingsTable()
        self._priorities = NoteTable()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"ToolExecutor({self._tract!r}, profile={self._profile!r})"

    def execute(self, name: str, arguments: Mapping[str, Any] | str | None = None, *, reason: str = "") -> ToolResult:
        """Run the tool *name*. *arguments* is a map, or its JSON text, as providers return them.

        *reason* is the model's own; it is shown to the person who approves.
        Whatever the model did wrong is an error in the result; only a closed handle raises (ClosedError).
        """
        shown = name if isinstance(name, str) else repr(name)[:40]
        try:
            result = self._run(self._own_name(name), arguments, reason)
        except ClosedError:
            raise
        except TractError as exc:
            result = ActionResult(error=str(exc) if isinstance(exc, ActionError) else f"{shown}: {exc}")
        except Exception as exc:  # noqa: BLE001  # a mistake of tract's own must not end the loop that an agent runs in
            _LOG.exception("tool %r failed", shown)
            result = ActionResult(error=f"{shown}: it failed inside tract with {type(exc).__name__}")
        return _tool_result(shown, result)

    def _own_name(self, name: str) -> str:
        """The operation's name, without the prefix; ActionError for a name without it."""
        if not self._prefix or not isinstance(name, str):
            return name
        if not name.startswith(self._prefix):
            raise ActionError(f"there is no tool {name!r:.40}; all begin with '{self._prefix}'")
        return name.removeprefix(self._prefix)

    def _run(self, name: str, arguments: Mapping[str, Any] | str | None, reason: str) -> ActionResult:
        operation = operation_named(name, self._profile)
        call = Call(operation, operation.read_arguments(_read(name, arguments)))
        _check_length(call)
        self._check_protected(call)
        action = Action(name, call.arguments, reason or str(call.arguments.get("reason", "")))
        autonomy = least_autonomy(own_autonomy(self._tract.repository, self._settings), self._autonomy)
        risk = risk_of(self._tract, call, _ORIGIN)
        doubt = doubt_of(self._tract, action)
        if doubt is not None:
            action = replace(action, reason=f"{action.reason}; {doubt}" if action.reason else doubt)
            proposed = self._propose(action)
            return replace(proposed, text=f"{doubt}; {proposed.text}") if proposed.error is None else proposed
        return self._propose(action) if needs_approval(risk, autonomy) else self._carry_out(action, risk)

    def _carry_out(self, action: Action, _: Risk) -> ActionResult:
        if operation_named(action.name).moves:
            return self._moved(action)
        return execute(self._tract, action, origin=_ORIGIN, withheld=self._withheld())

    def _withheld(self) -> frozenset[str]:
        """The messages hidden for another reason than their tokens, if the profile may not see their texts."""
        if includes(self._profile, _FREE):
            return frozenset()
        repo, notes = self._tract.repository, self._priorities
        with self._lock:  # frameworks run the calls of one answer in threads
            notes.advance(repo, note_tip(repo, PRIORITY))
            said = [(commit, notes.get(repo, commit) or {}) for commit in notes.targets()]
        return frozenset(
            commit.hex()
            for commit, body in said
            if body.get("priority") == Priority.SKIP and body.get("origin") not in FOR_ROOM
        )

    def _moved(self, action: Action) -> ActionResult:
        """Run an action that may change the context for another; the answer with this call is carried along, because its result would otherwise answer no call there."""
        under_way = self._under_way()
        if under_way:
            action = replace(action, arguments={**action.arguments, **self._without_answer(action, under_way)})
        result = execute(self._tract, action, origin=_ORIGIN)
        missing = [] if result.error is not None else [id for id in under_way if not self._is_here(id)]
        if not missing:
            return result
        try:
            self._tract.cherry_pick(missing)
        except TractError as exc:  # the action itself is done all the same
            return replace(result, text=f"{result.text}\nwarning: the answer under way did not come along: {exc}")
        return result

    def _without_answer(self, action: Action, under_way: Sequence[str]) -> dict[str, Any]:
        """Arguments by which *action* ignores the answer that asks for it: an undo goes back before that answer, and a new branch begins there."""
        given = action.arguments
        if action.name == "undo":
            return {"steps": given.get("steps", 1) + len(under_way)}
        if action.name == "branch" and "source" not in given and not given.get("switch"):
            before = self._tract.get_commit(under_way[0]).parent_hash
            return {} if before is None else {"source": before}
        return {}

    def _under_way(self) -> list[str]:
        """The messages from the open call on, if the context has one."""
        waiting = self._tract.status().open_calls
        if not waiting:
            return []
        (first,) = self._tract.messages(only=[waiting[0].commit_hash])
        return [one.commit_hash for one in self._tract.messages(start=first.number)]

    def _is_here(self, id: str) -> bool:
        try:
            return bool(self._tract.messages(only=[id]))
        except TractError:
            return False

    def _propose(self, action: Action) -> ActionResult:
        """Propose *action*; if the model asks again for one that already waits, the answer says so."""
        wanted = pinned_down(self._tract, action)
        known = ProposalTable().read(self._tract.repository).values()
        same = [one.id for one in known if one.status == "pending" and _means(one.action, wanted)]
        id = same[0] if same else propose(self._tract, Wish(action, _ORIGIN, action.reason)).id
        again = " already" if same else ""
        text = f"{action.name} needs approval: it waits{again} as proposal '{id}', and nothing has changed"
        return ActionResult(text=text, proposal_id=id)

    def _check_protected(self, call: Call) -> None:
        """ActionError if the call would touch an instruction or a pin, and the profile may not."""
        touched = call.operation.touched
        if touched is None or includes(self._profile, _FREE):
            return
        protected = [one for one in touched(self._tract, call.arguments) if one.is_protected]
        if protected:
            which = ", ".join(str(one.number) for one in protected[:10])
            what = "is an instruction or pinned" if len(protected) == 1 else "are instructions or pinned"
            raise ActionError(
                f"{call.operation.name}: message {which} {what}, which profile '{self._profile}' leaves as they are"
            )


def own_autonomy(repo: Repository, table: SettingsTable | None = None) -> Autonomy:
    """The tract's autonomy; the default if the settings came from another store."""
    settings = (table or SettingsTable()).read(repo)
    return DEFAULT_AUTONOMY if is_foreign(repo, settings) else settings.autonomy


def _check_length(call: Call) -> None:
    """ActionError for a list too long to be meant."""
    for name, value in call.arguments.items():
        if isinstance(value, list) and len(value) > _LONGEST_LIST:
            raise ActionError(
                f"{call.operation.name}: argument '{name}' has {len(value)} messages; {_LONGEST_LIST} are the most"
            )


def _means(one: Action, other: Action) -> bool:
    """Whether the two actions do the same."""
    return one.name == other.name and dict(one.arguments) == dict(other.arguments)


def _read(name: str, arguments: Mapping[str, Any] | str | None) -> Any:
    """The arguments as a provider sends them: a map, its JSON text, or nothing."""
    if arguments is None or arguments == "":
        return {}
    if not isinstance(arguments, str):
        return arguments
    try:
        return parse_json(arguments)
    except ValueError as exc:
        raise ActionError(f"{name}: the arguments are not JSON: {exc}") from exc


def _tool_result(name: str, result: ActionResult) -> ToolResult:
    output = result.error if result.error is not None else result.text
    if len(output) > _LONGEST_OUTPUT:
        output = f"{output[:_LONGEST_OUTPUT]}\n[cut at {_LONGEST_OUTPUT} of {len(output)} characters]"
    return ToolResult(
        tool_name=name,
        success=result.success,
        output=output,
        data=result.data,
        error=result.error,
        commit_hash=result.commit_hash,
        proposal_id=result.proposal_id,
    )
