"""The operations that change the messages a model sees: texts, priorities, summaries, order.

A model cannot write instructions. Instructions and pinned messages are protected: touching one is of high risk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tract.agents.actions import FOR_ROOM, Action, ActionResult, Risk
from tract.agents.operation import Argument, Operation
from tract.agents.reading import MESSAGE
from tract.agents.target import TractLike
from tract.curation.compress.facts import doubt_about
from tract.errors import CompressionError
from tract.history.priority import Priority, PriorityName
from tract.report.text import count_of, short

if TYPE_CHECKING:
    from tract.curation.listing import MessageInfo


def _commit(
    tract: TractLike, content: str, role: Literal["assistant", "user"] = "assistant", message: str | None = None
) -> ActionResult:
    said = tract.user if role == "user" else tract.assistant
    made = said(content, message=message)
    return ActionResult(text=f"committed {short(made.commit_hash)}", commit_hash=made.commit_hash)


def _risk_of_commit(_: TractLike, arguments: Mapping[str, Any], origin: str | None) -> Risk:  # noqa: ARG001  # all of them are asked alike
    return "high" if arguments.get("role") == "user" else "low"


def _edit(tract: TractLike, target: str, content: str, message: str | None = None) -> ActionResult:
    (one,) = tract.messages(only=[target])
    made = tract.edit(one.commit_hash, content, message=message)
    return ActionResult(text=f"edited message {one.number}", commit_hash=made.commit_hash)


def _annotate(
    tract: TractLike,
    target: Sequence[str],
    priority: PriorityName,
    reason: str | None = None,
    origin: str | None = None,
) -> ActionResult:
    found = tract.messages(only=target)
    with tract.batch():
        for one in found:
            tract.annotate(one.commit_hash, priority, reason=reason, origin=origin)
    numbers = ", ".join(str(one.number) for one in found)
    return ActionResult(
        text=f"message{'s' if len(found) > 1 else ''} {numbers}: {priority}",
        data=[{"number": one.number, "commit": one.commit_hash, "priority": priority} for one in found],
    )


def _risk_of_annotate(tract: TractLike, arguments: Mapping[str, Any], origin: str | None) -> Risk:
    for one in tract.messages(only=arguments["target"]):
        if arguments["priority"] != "pinned" and one.is_protected:
            return "high"
        if arguments["priority"] != "skip" and one.priority is Priority.SKIP and not _may_show(tract, one, origin):
            return "high"
    return "low"


def _may_show(tract: TractLike, one: MessageInfo, origin: str | None) -> bool:
    """Whether the message was hidden to save tokens, or by *origin* itself, and so may be shown again without approval."""
    noted = tract.get_annotations(one.commit_hash)
    who = noted[-1].origin if noted else None
    return who is not None and (who == origin or who in FOR_ROOM)


def _touched_by_annotate(tract: TractLike, arguments: Mapping[str, Any]) -> Sequence[MessageInfo]:
    return () if arguments["priority"] == "pinned" else tract.messages(only=arguments["target"])


def touched_target(tract: TractLike, arguments: Mapping[str, Any]) -> Sequence[MessageInfo]:
    """The target message."""
    return tract.messages(only=[arguments["target"]])


def _touched_by_compress(tract: TractLike, arguments: Mapping[str, Any]) -> Sequence[MessageInfo]:
    """The messages that would be summed up; pinned ones are never among them, but unpinned instructions may be."""
    planned = tract.compress(dry_run=True, **arguments)
    return tract.messages(only=[commit.hex() for part in planned.parts for commit, _ in part.sources])


def doubt_of(tract: TractLike, action: Action) -> str | None:
    """Why a person should review a model's summary, whatever the autonomy: it shares nothing with its messages, or is mostly invented. None if there is no doubt."""
    content = action.arguments.get("content")
    if action.name != "compress" or content is None:
        return None
    sources = _touched_by_compress(tract, action.arguments)
    doubt = doubt_about([one.text for one in sources], content)
    return None if doubt is None else f"the summary {doubt}"


def _restore(tract: TractLike, target: str, version: int) -> ActionResult:
    (one,) = tract.messages(only=[target])
    made = tract.restore(one.commit_hash, version)
    return ActionResult(text=f"message {one.number} is as in version {version}", commit_hash=made.commit_hash)


def _expand(tract: TractLike, summary: str, branch: str | None = None) -> ActionResult:
    done = tract.expand(summary, branch=branch)
    return ActionResult(
        text=f"{count_of(len(done.message_hashes), 'message')} back on branch '{done.branch}'",
        data={"branch": done.branch, "messages": list(done.message_hashes)},
        commit_hash=done.commit_hash,
    )


def _reorder(
    tract: TractLike, messages: Sequence[str], before: str | None = None, after: str | None = None
) -> ActionResult:
    done = tract.reorder(messages, before=before, after=after)
    warned = "".join(f"\nwarning: {one}" for one in done.warnings)
    return ActionResult(
        text=f"moved {count_of(len(done.moved), 'message')}; {done.invalidated_tokens} tokens must be read anew{warned}",
        data={"moved": list(done.moved), "invalidated_tokens": done.invalidated_tokens},
        commit_hash=done.commit_hash,
    )


def _record_usage(tract: TractLike, input_tokens: int, output_tokens: int = 0, cached_tokens: int = 0) -> ActionResult:
    seen = tract.record_usage(
        {
            "prompt_tokens": input_tokens,
            "completion_tokens": output_tokens,
            "prompt_tokens_details": {"cached_tokens": cached_tokens},
        }
    )
    return ActionResult(text=f"the context has {seen.token_count} tokens", data={"tokens": seen.token_count})


def _compress(tract: TractLike, **options: Any) -> ActionResult:
    try:
        done = tract.compress(**options)
    except CompressionError as exc:
        if exc.pending is None:
            raise
        return ActionResult(text=str(exc), proposal_id=exc.pending)  # the model's text waits for a review
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


_NOTE = "note for people"

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
            Argument(name="role", type="choice", help="default assistant", choices=("assistant", "user")),
            Argument(name="message", type="text", help=_NOTE),
        ),
    ),
    Operation(
        name="edit",
        summary="Replace the text of a message; the original stays in the history.",
        risk="high",
        function=_edit,
        touched=touched_target,
        profile="self",
        arguments=(
            Argument(name="target", type="message", help=MESSAGE, required=True),
            Argument(name="content", type="text", help="the new text", required=True),
            Argument(name="message", type="text", help=_NOTE),
        ),
    ),
    Operation(
        name="annotate",
        summary="Hide messages from the model (skip), never compress them (pinned), or neither (normal).",
        risk="low",
        risk_of=_risk_of_annotate,
        riskier="hiding or unpinning a pin or an instruction, or showing what somebody else hid",
        tells_origin=True,
        function=_annotate,
        touched=_touched_by_annotate,
        profile="self",
        arguments=(
            Argument(name="target", type="messages", help="numbers or ids", required=True),
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
        name="compress",
        summary="Put a summary in the place of messages; pinned ones stay, expand brings the originals back.",
        risk="high",
        function=_compress,
        touched=_touched_by_compress,
        profile="self",
        arguments=(
            Argument(name="content", type="text", help="the summary; default: a model writes it"),
            Argument(name="commits", type="messages", help="messages to sum up"),
            Argument(name="from_commit", type="message", help="or first of a range"),
            Argument(name="to_commit", type="message", help="last of the range"),
            Argument(name="keep_recent", type="integer", help="or all but the newest so many"),
            Argument(name="preserve", type="messages", help="messages to leave"),
            Argument(name="target_tokens", type="integer", help="of the summary", least=1),
            Argument(name="instructions", type="text", help="for the model that writes it"),
        ),
    ),
    Operation(
        name="expand",
        summary="Put the messages back that a summary stands for.",
        risk="high",
        function=_expand,
        profile="self",
        arguments=(
            Argument(name="summary", type="message", help="number or id", required=True),
            Argument(name="branch", type="text", help="on a new branch of this name instead"),
        ),
    ),
    Operation(
        name="record_usage",
        summary="Record the tokens that the provider counted for the context.",
        risk="low",
        function=_record_usage,
        profile="self",
        arguments=(
            Argument(name="input_tokens", type="integer", help="whole prompt", required=True),
            Argument(name="output_tokens", type="integer", help="answer"),
            Argument(name="cached_tokens", type="integer", help="cached part of the prompt"),
        ),
    ),
    Operation(
        name="restore",
        summary="Give a message the words that it had in an earlier version.",
        risk="high",
        function=_restore,
        touched=touched_target,
        profile="supervisor",
        arguments=(
            Argument(name="target", type="message", help=MESSAGE, required=True),
            Argument(
                name="version",
                type="integer",
                help="0 for the original, -2 for the one before the newest",
                least=-1000,
                most=1000,
                required=True,
            ),
        ),
    ),
    Operation(
        name="reorder",
        summary="Put messages in another place of the context.",
        risk="high",
        function=_reorder,
        profile="supervisor",
        arguments=(
            Argument(name="messages", type="messages", help="which, in their new order", required=True),
            Argument(name="before", type="message", help="the message that follows them"),
            Argument(name="after", type="message", help="or the one that they follow; the beginning if neither"),
        ),
    ),
)
