"""Compressing: a plan gets its summaries, is reviewed if somebody wants to, and is committed.

    plan_compression ──▸ CompressionPlan ── summed_up ──▸ PendingCompression ── land_compression ──▸ CompressResult
                                                              │       ▴
                                              keep_compression└──▸────┘kept_compressions, in any process

Here it gets its summaries. While a model thinks nothing is locked, so what was planned is checked again when it lands (``landing.py``): the branch may have moved on, the messages must be the same, and as free to go as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from blake3 import blake3

from tract.compile.workspace import Workspace
from tract.curation.compress.land import summary_warnings
from tract.curation.compress.pieces import Asking, summarise_blocks
from tract.curation.compress.plan import CompressionPlan, PlannedPart
from tract.curation.compress.result import CompressedPart, CompressionOptions, CompressResult, PendingCompression
from tract.curation.compress.summarise import CheckedSummary, Demands, MustKeep, faults_of, misses_of, missing_in
from tract.curation.compress.transcript import blocks_of, chat_messages, plain_text
from tract.errors import CompressionError
from tract.llm.types import SummaryRequest
from tract.objects.content import ContentTypes, DialogueContent, from_value, to_value
from tract.refs.names import HEADS
from tract.tokens.counter import checked_count, content_text


def dry_run_of(space: Workspace, plan: CompressionPlan, options: CompressionOptions) -> CompressResult:
    """What the plan would do; nobody is asked for a summary. Errors for a content are those of ``summed_up``."""
    if options.content is not None:
        return _dry_run_of_given(plan, summed_up(space, plan, options, None))
    tokens = options.target_tokens
    parts = tuple(
        CompressedPart(
            "",
            len(part.sources),
            part.sources[0][0].hex(),
            part.sources[-1][0].hex(),
            part.tokens,
            each,
            hidden=part.hidden,
        )
        for part, each in zip(plan.parts, _shares(plan, tokens), strict=True)
    )
    return CompressResult(
        None,
        plan.branch.removeprefix(HEADS),
        parts,
        tuple(id.hex() for id in plan.kept),
        len(plan.dropped),
        plan.warnings,
        plan.cost(tokens, options.prices, by_model=True),
    )


def _dry_run_of_given(plan: CompressionPlan, pending: PendingCompression) -> CompressResult:
    return CompressResult(
        None, pending.branch, pending.parts, pending.kept, len(plan.dropped), pending.warnings, pending.prefix
    )


def _shares(plan: CompressionPlan, tokens: int | None) -> list[int]:
    """What each part has of *tokens*, by its length; 0 where nobody said how many there are."""
    if tokens is None:
        return [0] * len(plan.parts)
    return [max(1, tokens * part.tokens // max(1, plan.tokens)) for part in plan.parts]


def _value_of(content: Any, part: PlannedPart, options: CompressionOptions, types: ContentTypes) -> dict[str, Any]:
    role = part.role if options.role is None else options.role
    return to_value(DialogueContent(role, content) if isinstance(content, str) else content, types)


def summed_up(
    space: Workspace, plan: CompressionPlan, options: CompressionOptions, asking: Asking | None
) -> PendingCompression:
    """The plan with its summaries: *content*, or what a model makes of the messages; nothing moves, and nothing is locked.

    CompressionError when *content* is refused, where a model's summary is marked as ``refused``; LLMError when the provider behind the summariser does not answer.
    """
    with space.lock:
        framing = space.blobs.count_value(_value_of("", plan.parts[0], options, space.types)).message
    if options.content is not None:
        found = [_given(space, plan, options, framing)]
    else:
        assert asking is not None
        found = []
        facts = _facts_by_part(plan, options.must_keep)
        targets = [None] * len(plan.parts) if options.target_tokens is None else _shares(plan, options.target_tokens)
        for part, target, must_keep in zip(plan.parts, targets, facts, strict=True):
            request = SummaryRequest((), target, options.instructions, options.system_prompt, part.before, part.after)
            demands = _demands(space, part, must_keep, target, framing)
            one = summarise_blocks(space.repo, asking, request, blocks_of(part.shown), demands)
            found.append((one, _value_of(one.text, part, options, space.types)))
    with space.lock:
        return _pending(space, plan, options, found)


def _given(
    space: Workspace, plan: CompressionPlan, options: CompressionOptions, framing: int
) -> tuple[CheckedSummary, dict[str, Any]]:
    """The summary that the user wrote, checked."""
    if len(plan.parts) > 1:
        raise CompressionError(f"one content cannot stand for {len(plan.parts)} runs of messages")
    value = _value_of(options.content, plan.parts[0], options, space.types)
    text = content_text(from_value(value, space.types))
    demands = _demands(space, plan.parts[0], options.must_keep, options.target_tokens, framing)
    return CheckedSummary(text, misses=misses_of(text, demands), faults=faults_of(text, demands)), value


def _demands(
    space: Workspace, part: PlannedPart, must_keep: Sequence[MustKeep], target: int | None, framing: int
) -> Demands:
    """What the part's summary has to be; *framing* is what a message costs beside its text."""
    counter = space.blobs.counter
    limit = max(0, part.tokens - framing)
    return Demands(lambda text: checked_count(counter, text), target, limit, tuple(must_keep))


def _facts_by_part(plan: CompressionPlan, must_keep: Sequence[MustKeep]) -> list[tuple[MustKeep, ...]]:
    """What each summary must keep: of several, each what its own messages say, and the first what none of them does."""
    if len(plan.parts) == 1:
        return [tuple(must_keep)]
    texts = [plain_text(chat_messages(part.shown)) for part in plan.parts]
    said = [tuple(one for one in must_keep if not missing_in(text, (one,))) for text in texts]
    nowhere = tuple(one for one in must_keep if not any(one in facts for facts in said))
    return [(*said[0], *nowhere), *said[1:]]


def _pending(
    space: Workspace,
    plan: CompressionPlan,
    options: CompressionOptions,
    found: list[tuple[CheckedSummary, dict[str, Any]]],
) -> PendingCompression:
    warnings = list(plan.warnings)
    parts = []
    by_model = options.content is None
    refused = not options.force and any(one.faults for one, _ in found)
    for part, (one, value) in zip(plan.parts, found, strict=True):
        if one.faults and refused and not by_model:
            raise CompressionError(f"the summary is refused: {'; '.join(one.faults)}")
        warnings += summary_warnings(one.faults, one.misses)
        parts.append(
            CompressedPart(
                one.text,
                len(part.sources),
                part.sources[0][0].hex(),
                part.sources[-1][0].hex(),
                part.tokens,
                space.blobs.count_value(value).message,
                None,
                one.generation_config,
                one.usage,
                one.prompt,
                value,
                part.sources,
                part.hidden,
            )
        )
    tokens = sum(part.tokens_after for part in parts)
    return PendingCompression(
        _new_id(plan, space.repo.clock()),
        plan.branch.removeprefix(HEADS),
        plan.head.hex(),
        tuple(parts),
        tuple(id.hex() for id in plan.kept),
        len(plan.dropped),
        tuple(warnings),
        plan.cost(tokens, options.prices, by_model=by_model),
        options.target_tokens,
        tuple(options.must_keep),
        options.message,
        by_model,
        plan.dropped,
        options.prices,
        refused,
    )


def _new_id(plan: CompressionPlan, time: int) -> str:
    sources = b"".join(commit for part in plan.parts for commit, _ in part.sources)
    return blake3(plan.head + sources + str(time).encode()).hexdigest()[:10]
