"""The operations that change what the model sees: messages, priorities, branches, summaries.

A model writes no instructions. What instructs it, or is pinned, is protected: to touch it is of high risk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tract.agents.actions import ActionResult, Risk
from tract.agents.operation import Argument, Operation
from tract.agents.reading import MESSAGE
from tract.agents.target import TractLike
from tract.history.priority import PriorityName
from tract.report.text import count_of, short


def _commit(
    tract: TractLike, content: str, role: Literal["assistant", "user"] = "assistant", message: str | None = None
) -> ActionResult:
    said = tract.user if role == "user" else tract.assistant
    made = said(content, message=message)
    return ActionResult(text=f"committed {short(made.commit_hash)}", commit_hash=made.commit_hash)


def _risk_of_commit(_: TractLike, arguments: Mapping[str, Any]) -> Risk:
    return "high" if arguments.get("role") == "user" else "low"


def _edit(tract: TractLike, target: str, content: str, message: str | None = None) -> ActionResult:
    (one,) = tract.messages(only=[target])
    made = tract.edit(one.commit_hash, content, message=message)
    return ActionResult(text=f"edited message {one.number}", commit_hash=made.commit_hash)


def _annotate(
    tract: TractLike, target: Sequence[str], priority: PriorityName, reason: str | None = None
) -> ActionResult:
    found = tract.messages(only=target)
    with tract.batch():
        for one in found:
            tract.annotate(one.commit_hash, priority, reason=reason)
    numbers = ", ".join(str(one.number) for one in found)
    return ActionResult(
        text=f"message{'s' if len(found) > 1 else ''} {numbers}: {priority}",
        data=[{"number": one.number, "commit": one.commit_hash, "priority": priority} for one in found],
    )


def _risk_of_annotate(tract: TractLike, arguments: Mapping[str, Any]) -> Risk:
    if arguments["priority"] == "pinned":
        return "low"
    return "high" if any(one.is_protected for one in tract.messages(only=arguments["target"])) else "low"


def _touched_by_annotate(arguments: Mapping[str, Any]) -> Sequence[str]:
    return () if arguments["priority"] == "pinned" else arguments["target"]


def _touched_by_edit(arguments: Mapping[str, Any]) -> Sequence[str]:
    return [arguments["target"]]


def _tag(tract: TractLike, name: str, target: str = "HEAD") -> ActionResult:
    id = tract.tag(name, target)
    return ActionResult(text=f"tag '{name}' is at {short(id)}", commit_hash=id)


def _branch(tract: TractLike, name: str, source: str | None = None, switch: bool = False) -> ActionResult:
    made = tract.branch(name, source=source, switch=switch)
    where = f"branch '{name}' is at {short(made.commit_hash)}" + (", and HEAD is on it" if switch else "")
    return ActionResult(text=where, data={"branch": name}, commit_hash=made.commit_hash)


def _switch(tract: TractLike, name: str, create: bool = False) -> ActionResult:
    there = tract.switch(name, create=create)
    id = None if there is None else there.commit_hash
    return ActionResult(text=f"HEAD is on branch '{name}', at {short(id)}", data={"branch": name}, commit_hash=id)


def _compress(tract: TractLike, **options: Any) -> ActionResult:
    done = tract.compress(**options)
    kept = f"; {len(done.kept)} pinned or preserved stayed" if done.kept else ""
    warned = "".join(f"\nwarning: {one}" for one in done.warnings)
    summaries = ", ".join(map(short, done.summary_hashes))
    return ActionResult(
        text=f"summed up {count_of(done.messages, 'message')}: {done.tokens_before} tokens to {done.tokens_after}{kept}; the summary is {summaries}{warned}",
        data={
            "messages": done.messages,
            "tokens_before": done.tokens_before,
            "tokens_after": done.tokens_after,
            "kept": list(done.kept),
            "summaries": list(done.summary_hashes),
        },
        commit_hash=done.commit_hash,
    )


_NOTE = "a note on the commit, for people"

CHANGING: Sequence[Operation] = (
    Operation(
        name="commit",
        summary="Add a message of your own to the end of the context.",
        risk="low",
        risk_of=_risk_of_commit,
        riskier="in the user's name",
        function=_commit,
        profile="self",
        arguments=(
            Argument(name="content", type="text", help="its text", required=True),
            Argument(name="role", type="choice", help="assistant if not given", choices=("assistant", "user")),
            Argument(name="message", type="text", help=_NOTE),
        ),
    ),
    Operation(
        name="edit",
        summary="Replace the text of a message; the original stays in the history.",
        risk="high",
        function=_edit,
        touches=_touched_by_edit,
        profile="self",
        arguments=(
            Argument(name="target", type="message", help=MESSAGE, required=True),
            Argument(name="content", type="text", help="the new text", required=True),
            Argument(name="message", type="text", help=_NOTE),
        ),
    ),
    Operation(
        name="annotate",
        summary="Hide messages from the model (skip), keep them from ever being compressed (pinned), or neither (normal).",
        risk="low",
        risk_of=_risk_of_annotate,
        riskier="taking a pin away, or hiding a pin or an instruction",
        function=_annotate,
        touches=_touched_by_annotate,
        profile="self",
        arguments=(
            Argument(name="target", type="messages", help="message numbers or ids", required=True),
            Argument(
                name="priority",
                type="choice",
                help="what to set",
                choices=("skip", "normal", "pinned"),
                required=True,
            ),
            Argument(name="reason", type="text", help="why"),
        ),
    ),
    Operation(
        name="tag",
        summary="Give a commit a name that stays.",
        risk="low",
        function=_tag,
        profile="self",
        arguments=(
            Argument(name="name", type="text", help="the tag", required=True),
            Argument(name="target", type="revision", help="the commit; HEAD if not given"),
        ),
    ),
    Operation(
        name="branch",
        summary="Make a branch of the conversation.",
        risk="high",
        function=_branch,
        profile="self",
        arguments=(
            Argument(name="name", type="text", help="its name", required=True),
            Argument(name="source", type="revision", help="the commit to begin at; HEAD if not given"),
            Argument(name="switch", type="boolean", help="whether to go there"),
        ),
    ),
    Operation(
        name="switch",
        summary="Go to another branch: the context is then that branch's.",
        risk="high",
        function=_switch,
        profile="self",
        arguments=(
            Argument(name="name", type="text", help="the branch", required=True),
            Argument(name="create", type="boolean", help="whether to make it at HEAD first"),
        ),
    ),
    Operation(
        name="compress",
        summary="Put a summary in the place of older messages; pinned ones stay, and expand brings the originals back.",
        risk="high",
        function=_compress,
        profile="self",
        arguments=(
            Argument(name="content", type="text", help="the summary; a model writes one if not given"),
            Argument(name="commits", type="messages", help="the messages to sum up"),
            Argument(name="from_commit", type="message", help="or the first of a range"),
            Argument(name="to_commit", type="message", help="and the last"),
            Argument(name="keep_recent", type="integer", help="or all but so many of the newest"),
            Argument(name="preserve", type="messages", help="messages to leave as they are"),
            Argument(name="target_tokens", type="integer", help="length of the summary", least=1),
            Argument(name="instructions", type="text", help="what a model that writes the summary must heed"),
        ),
    ),
)
