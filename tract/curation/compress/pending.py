"""A plan with its summaries, while it waits and until it lands. Given texts are checked here; ``ask`` asks a model for them.

Nothing here loads modules that only asking a model needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from blake3 import blake3

from tract.compile.workspace import Workspace
from tract.curation.compress.facts import Fact, dropped_facts, invented_facts
from tract.curation.compress.plan import CompressionPlan
from tract.curation.compress.result import (
    CompressedPart,
    CompressResult,
    MustKeep,
    PendingCompression,
    Requirements,
    summary_warnings,
)
from tract.dataclass import replace
from tract.errors import CompressionError
from tract.messages import message_text
from tract.messages.message import CompileWarning
from tract.objects.content import DialogueContent, Role, from_value, to_value
from tract.refs.names import HEADS
from tract.tokens.counted import content_text
from tract.tokens.counter import checked_count


def dry_run_of(space: Workspace, plan: CompressionPlan) -> CompressResult:
    """The effect that the plan would have; no summariser is asked. Errors for a given content are those of ``with_content``."""
    parts: Sequence[CompressedPart] = [replace(part, tokens_after=share or 0) for part, share in shares_of_target(plan)]
    dropped: tuple[Fact, ...] = ()
    invented: tuple[Fact, ...] = ()
    warnings, prefix = plan.warnings, plan.cost(plan.request.target_tokens)
    if plan.request.content is not None:
        pending = with_content(space, plan)
        parts, warnings, prefix = pending.parts, pending.warnings, pending.prefix
        dropped, invented = facts_of(space, pending)
    return CompressResult(
        commit_hash=None,
        branch=plan.branch.removeprefix(HEADS),
        parts=tuple(parts),
        kept=tuple(id.hex() for id in plan.kept),
        skipped_left=len(plan.dropped),
        warnings=warnings,
        prefix=prefix,
        dropped=dropped,
        invented=invented,
    )


def facts_of(space: Workspace, pending: PendingCompression) -> tuple[tuple[Fact, ...], tuple[Fact, ...]]:
    """The facts of a compression's messages that its summaries lack, and the facts of its summaries that no message has."""
    texts = source_texts(space, pending)
    return dropped_facts(texts, pending.text), invented_facts(texts, pending.text)


def source_texts(space: Workspace, pending: PendingCompression) -> list[str]:
    """The texts of the messages that the summaries replace."""
    with space.lock:
        return [message_text(space.blobs.message(blob)) for part in pending.parts for _, blob in part.sources]


def with_content(space: Workspace, plan: CompressionPlan) -> PendingCompression:
    """The plan with the request's *content* as its summary; CompressionError if it is refused."""
    if len(plan.parts) > 1:
        raise CompressionError(f"one content cannot stand for {len(plan.parts)} runs of messages")
    ((part, target),) = shares_of_target(plan)
    with space.lock:
        required = requirements_of(space, plan, part, target, plan.request.must_keep)
        value = _value_of(space, plan, part, plan.request.content)
        text = content_text(from_value(value, space.types))
        written = replace(part, text=text, value=value, tokens_after=space.blobs.count_value(value).message)
    errors = required.errors(text)
    warnings = (*plan.warnings, *summary_warnings(errors, required.misses(text)))
    return pending_of(space, plan, [written], warnings, errors)


def with_text(space: Workspace, plan: CompressionPlan, part: CompressedPart, text: str) -> CompressedPart:
    """The part with *text* as its summary, and its tokens."""
    with space.lock:
        value = _value_of(space, plan, part, text)
        return replace(part, text=text, value=value, tokens_after=space.blobs.count_value(value).message)


def requirements_of(
    space: Workspace, plan: CompressionPlan, part: CompressedPart, target: int | None, must_keep: Sequence[MustKeep]
) -> Requirements:
    """The requirements for the summary of a part: sent with its framing, it must not be longer than the messages it replaces."""
    framing = space.blobs.count_value(_value_of(space, plan, plan.parts[0], "")).message
    limit = max(0, part.tokens_before - framing)
    return Requirements(lambda text: checked_count(space.blobs.counter, text), target, limit, tuple(must_keep))


def shares_of_target(plan: CompressionPlan) -> list[tuple[CompressedPart, int | None]]:
    """Each part with its share of the target, in proportion to its length; None if there is no target."""
    target = plan.request.target_tokens
    return [
        (part, None if target is None else max(1, target * part.tokens_before // max(1, plan.tokens)))
        for part in plan.parts
    ]


def _value_of(space: Workspace, plan: CompressionPlan, part: CompressedPart, content: Any) -> dict[str, Any]:
    if isinstance(content, str):
        content = DialogueContent(cast("Role", plan.role_of(part)), content)
    return to_value(content, space.types)


def pending_of(
    space: Workspace,
    plan: CompressionPlan,
    parts: Sequence[CompressedPart],
    warnings: Sequence[CompileWarning],
    errors: Sequence[str],
) -> PendingCompression:
    """The *plan* with its summaries. If there are *errors*, a given summary is a CompressionError, and a model's is marked as ``refused``."""
    request = plan.request
    by_model = request.content is None
    refused = bool(errors) and not request.force
    if refused and not by_model:
        raise CompressionError(f"the summary is refused: {'; '.join(errors)}")
    sources = b"".join(commit for part in parts for commit, _ in part.sources)
    return PendingCompression(
        id=blake3(plan.head + sources + str(space.repo.clock()).encode()).hexdigest()[:10],
        branch=plan.branch.removeprefix(HEADS),
        head=plan.head.hex(),
        parts=tuple(parts),
        kept=tuple(id.hex() for id in plan.kept),
        warnings=tuple(warnings),
        prefix=plan.cost(sum(part.tokens_after for part in parts)),
        dropped=plan.dropped,
        target_tokens=request.target_tokens,
        must_keep=tuple(request.must_keep),
        message=request.message,
        by_model=by_model,
        prices=plan.prices,
        refused=refused,
    )
