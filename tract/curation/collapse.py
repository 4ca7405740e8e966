"""Collapsing a child's work into one message: plan it, ask a model for the text, commit it, or keep it for review.

plan     which tract, its work, the place of its message          asks no model
ask      a model's text about the work                            locks nothing
land     one transaction                                          or it waits: state/collapse-<id>
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, TypedDict, cast

from tract.arguments import check_keywords
from tract.compile.workspace import Workspace
from tract.curation.compress.ask import SummaryRun
from tract.curation.compress.facts import doubt_about
from tract.curation.compress.result import UNFIT, Requirements
from tract.curation.compress.summariser import Summariser, blocks_of
from tract.curation.spawn import open_calls
from tract.dataclass import dataclass, replace
from tract.errors import CompressionError, ContentValidationError, SessionError
from tract.history.collapse import Work, work_between, write_collapse
from tract.history.context import context_at, entries, find_entry
from tract.history.notes import PRIORITY, note_tip
from tract.history.spawn import Link, child_named, parent_of
from tract.history.tracts import in_tract
from tract.llm.callables import saying
from tract.llm.types import Summary, SummaryRequest
from tract.messages import message_text, tool_ids
from tract.messages.message import Message
from tract.named_tuple import NamedTuple
from tract.objects.content import DialogueContent, Role
from tract.objects.id import ObjectId
from tract.objects.kept import plain_json
from tract.objects.model import CommitOperation, Entry
from tract.repo import Repository
from tract.tokens.counter import checked_count
from tract.transaction import Asked
from tract.writing.budget import check_budget
from tract.writing.credentials import checked_config
from tract.writing.drafts import draft, tool_message

CollapseRole = Literal["user", "assistant", "system"]
_SHORT = 64
"""Tokens that a summary may always have, however little the child did."""


class CollapseOptions(TypedDict, total=False):
    """The options of ``Tract.collapse``, besides the child."""

    content: str | None
    call_id: str | None
    target_tokens: int | None
    instructions: str | None
    summariser: Summariser | None
    auto_commit: bool | None
    role: CollapseRole | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CollapseResult:
    """The result of collapsing a child's work: *parent_commit_hash* is the commit in its parent; it is None while the collapse waits as *proposal_id*.

    *source_tokens* are those of the child's messages, *summary_tokens* those of the text.
    *warnings* say if the message is in an unexpected place: in another tract, or next to the message of an earlier collapse.
    """

    parent_commit_hash: str | None
    proposal_id: str | None
    child_tract_id: str
    child_head_hash: str
    summary_text: str
    summary_tokens: int
    source_tokens: int
    purpose: str
    warnings: tuple[str, ...] = ()

    @property
    def commit_hash(self) -> str | None:
        """The commit in the parent, under the name that makes a result a revision: ``expand(result)``."""
        return self.parent_commit_hash


class Plan(NamedTuple):
    """A planned collapse; *tokens* are those of the work."""

    link: Link
    work: Work
    priorities: ObjectId | None
    tokens: int


class Said(NamedTuple):
    """The text about a child's work, and the model that wrote it, if one did; *call_id* and *role* decide the form of its message."""

    text: str
    call_id: str | None = None
    role: CollapseRole | None = None
    generation_config: Mapping[str, Any] = MappingProxyType({})
    summarised_by: Mapping[str, Any] = MappingProxyType({})


def check_options(options: CollapseOptions) -> None:
    """CompressionError for options that do not go together, ContentValidationError for a value of a wrong type."""
    check_keywords("collapse", options, CollapseOptions)
    for what in ("content", "instructions"):
        text = options.get(what)
        if text is not None and not isinstance(text, str):
            raise CompressionError(f"the {what} of a collapse must be text, not {type(text).__name__}")
        if text is not None and not text.strip():
            raise CompressionError(f"the {what} of a collapse is empty")
    role, target = options.get("role"), options.get("target_tokens")
    if role not in (None, "user", "assistant", "system"):
        raise CompressionError(f"the role of a collapse must be user, assistant or system, not {role!r:.40}")
    if target is not None and (type(target) is not int or target < 1):
        raise CompressionError(f"target_tokens must be a positive whole number, not {target!r:.40}")


def find_link(repo: Repository, child: str, *, force: bool) -> Link:
    """The link of the tract *child* to this one, its parent; with *force*, also of a tract spawned from another. SessionError if there is none."""
    link = child_named(repo, child)
    if link is not None and child != repo.tract and (force or not link.is_stranger):
        return link
    found = parent_of(in_tract(repo, child))
    if found is None:
        raise SessionError(f"tract '{child}' was not spawned, so it has no parent to collapse into")
    if not force:
        whose = ", and its parent was deleted" if found.is_orphan else f" but of '{found.parent}'"
        raise SessionError(f"tract '{child}' is not a child of tract '{repo.tract}'{whose}")
    if child == repo.tract:
        raise SessionError(f"tract '{child}' cannot be collapsed into itself")
    return replace(found, collapse=None, last=None, is_stranger=True) if link is None else link


def plan_collapse(child: Workspace, link: Link, *, up_to: ObjectId | None = None) -> Plan:
    """The work of the child, whose workspace is *child*, since its spawn; SessionError if there is none."""
    repo = child.repo
    try:
        work = work_between(repo, link.spawn, repo.head()[1] if up_to is None else up_to)
    except SessionError as exc:
        raise SessionError(f"nothing to collapse: tract '{link.child}': {exc}") from exc
    tokens = sum(child.message_tokens(blob) for _, blob in (*work.own, *work.edited))
    return Plan(link, work, note_tip(repo, PRIORITY), tokens)


def ask_for_summary(
    space: Workspace, plan: Plan, summariser: Summariser, target: int | None, instructions: str | None
) -> Summary:
    """A model's text about a child's work; nothing is locked meanwhile. CompressionError if the text is longer than the work."""
    blocks = blocks_of(_shown(space, plan))
    if not blocks:
        raise SessionError(f"nothing to sum up: all that tract '{plan.link.child}' did is hidden")
    purpose = f"The work is that of an agent whose task was: {plan.link.purpose}"
    told = purpose if instructions is None else f"{purpose}\n{instructions}"
    run = SummaryRun(space.repo, summariser, space.config.summary_window)
    limit = max(plan.tokens, target or 0, _SHORT)
    requirements = Requirements(lambda text: checked_count(space.blobs.counter, text), target, limit)
    found = run.summarise(SummaryRequest((), target_tokens=target, instructions=told), blocks, requirements)
    errors = requirements.errors(found.text)
    if errors:
        raise CompressionError(
            f"the summary of tract '{plan.link.child}' is refused: {'; '.join(errors)}{saying(found.text)}"
        )
    return found


def doubt_of(space: Workspace, plan: Plan, text: str) -> str | None:
    """Why a person should check a model's text about a child's work before it lands; None if there is no doubt."""
    done = [message_text(message) for message in _shown(space, plan)]
    doubt = doubt_about(done, text)
    return None if doubt is None else f"{UNFIT}it {doubt}"


def _shown(space: Workspace, plan: Plan) -> list[Message]:
    """The messages of the work that are shown."""
    with space.lock:
        notes = space.compiler.advance_notes()
        entries = [one for one in (*plan.work.edited, *plan.work.own) if not notes.is_skipped(space.repo, one[0])]
        return [space.blobs.message(blob) for _, blob in entries]


def said_by_model(summary: Summary, call_id: str | None, role: CollapseRole | None) -> Said:
    """A model's summary, with its record of how it was made; CompressionError if that cannot be kept."""
    try:
        config = checked_config(dict(summary.generation_config) or None) or {}
        plain_json("usage", dict(summary.usage))
    except ContentValidationError as exc:
        raise CompressionError(f"the generation config or usage of the summary cannot be kept: {exc}") from exc
    name, _, version = (summary.prompt or "").partition("@")
    by = {"model": config.get("model"), "prompt": name, "prompt_version": version, "usage": dict(summary.usage)}
    return Said(summary.text, call_id, role, config, {key: one for key, one in by.items() if one})


def land_collapse(space: Workspace, plan: Plan, said: Said, *, expected: Asked) -> tuple[CollapseResult, Any]:
    """Commit the message, or edit the existing one; return the result and the message's content.

    SessionError if another process was faster, or the call does not wait for a result.
    """
    repo, link = space.repo, plan.link
    target, warnings = _target(repo, link)
    content = _message(space, link, said, target, warnings)
    operation = CommitOperation.APPEND if target is None else CommitOperation.EDIT
    response_to = None if target is None else target[0].hex()
    config = said.generation_config or None
    made = draft(space, content, operation, response_to=response_to, generation_config=config)
    check_budget(space, [made])
    if link.is_stranger:
        parent = "that was deleted" if link.is_orphan else f"that is '{link.parent}'"
        warnings.append(f"tract '{repo.tract}' is not the parent of tract '{link.child}': {parent}")
    id = write_collapse(
        repo,
        link,
        plan.work.head,
        made,
        priorities=plan.priorities,
        target=target,
        summarised_by=said.summarised_by,
        expected=expected,
    )
    tokens = checked_count(space.blobs.counter, said.text)
    return collapse_result(plan, said.text, tokens, commit=id.hex(), warnings=tuple(warnings)), content


def collapse_result(
    plan: Plan,
    text: str,
    tokens: int,
    *,
    commit: str | None = None,
    proposal: str | None = None,
    warnings: tuple[str, ...] = (),
) -> CollapseResult:
    """The result of *plan*: a *commit*, or a *proposal* that waits."""
    return CollapseResult(
        parent_commit_hash=commit,
        proposal_id=proposal,
        child_tract_id=plan.link.child,
        child_head_hash=plan.work.head.hex(),
        summary_text=text,
        summary_tokens=tokens,
        source_tokens=plan.tokens,
        purpose=plan.link.purpose,
        warnings=warnings,
    )


def _target(repo: Repository, link: Link) -> tuple[Entry | None, list[str]]:
    """The message to edit and its blob; or None and the reasons, if it is gone or was edited by another author."""
    if link.collapse is None or link.last is None:
        return None, []
    first, last = bytes.fromhex(link.collapse), bytes.fromhex(link.last)
    now = find_entry(repo, context_at(repo, repo.head()[1]), first)
    short = link.collapse[:16]
    if now is None:
        return None, [f"message {short}, the earlier collapse of tract '{link.child}', is not in the context"]
    if not repo.objects.contains(last) or repo.commit(last).content != now:
        return None, [f"message {short}, the earlier collapse of tract '{link.child}', was edited since"]
    return (first, now), []


def _message(space: Workspace, link: Link, said: Said, target: Entry | None, warnings: list[str]) -> Any:
    """The message's content: the result of the call it answers, if there is one, else a message that names child and purpose."""
    answered = [] if target is None else tool_ids(space.blobs.message(target[1]))[1]
    if answered and said.call_id in (None, *answered):
        return tool_message(answered[0], said.text)
    if said.call_id is not None:
        state = _state_of_call(space, said.call_id)
        if state != "open":
            raise SessionError(f"tool call '{said.call_id}' of tract '{space.repo.tract}' {_STATES[state]}")
        return tool_message(said.call_id, said.text)
    if link.call is not None and target is None and said.role is None:
        if _state_of_call(space, link.call) == "open":
            return tool_message(link.call, said.text)
        if link.collapse is None and not link.is_stranger:
            warnings.append(f"tool call '{link.call}', for which the child was spawned, no longer waits for its result")
    if target is None and said.role is None:
        waiting = open_calls(space, context_at(space.repo, space.repo.head()[1]))[1]
        if waiting:
            warnings.append(f"it answers none of the tool calls that wait: {', '.join(map(repr, waiting))}")
    return DialogueContent(cast("Role", said.role or "user"), f"{link.child} ({link.purpose}):\n{said.text}")


_STATES = {"answered": "has its result already", "absent": "is not in the context"}


def _state_of_call(space: Workspace, call: str) -> Literal["open", "answered", "absent"]:
    """Whether a call of the context at HEAD waits for its result; of several with that id, the newest counts."""
    is_answered = False
    for _, blob in reversed(entries(space.repo, context_at(space.repo, space.repo.head()[1]))):
        calls, results = tool_ids(space.blobs.message(blob))
        if call in calls:
            return "answered" if is_answered else "open"
        is_answered = is_answered or call in results
    return "absent"
