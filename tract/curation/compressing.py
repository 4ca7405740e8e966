"""Compressing: a plan gets its summaries, is reviewed if somebody wants to, and is committed.

    plan_compression ──▸ CompressionPlan ── summed_up ──▸ PendingCompression ── land_compression ──▸ CompressResult
                                                              │       ▴
                                              keep_compression└──▸────┘kept_compressions, in any process

Only ``land_compression`` moves the branch. While a model thinks nothing is locked, and what was planned is checked again when it lands: the branch may have moved on, the messages must be the same, and as free to go as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from blake3 import blake3

from tract.compile.accounting import check_budget_of_merge
from tract.compile.cache import message_in
from tract.compile.drafts import checked_config
from tract.compile.message import CompileWarning
from tract.compile.tokens import checked_count, content_text
from tract.compile.workspace import Workspace
from tract.curation.compress import CompressionPlan, PlannedPart
from tract.curation.compression_result import CompressedPart, CompressionOptions, CompressResult, PendingCompression
from tract.curation.pieces import Asking, forget_pieces, summarise_blocks
from tract.curation.places import Places
from tract.curation.prefix_cost import prefix_cost
from tract.curation.summarise import CheckedSummary, Demands, MustKeep, faults_of, misses_of, missing_in
from tract.curation.transcript import blocks_of, chat_messages, plain_text
from tract.errors import CompressionError, ContentValidationError, RefMovedError
from tract.history.compression import (
    Compression,
    NewSummary,
    check_branch,
    check_there,
    write_compression,
)
from tract.history.state import check_idle
from tract.llm.types import SummaryRequest
from tract.objects.content import ContentTypes, DialogueContent, from_value, to_value
from tract.objects.id import ObjectId
from tract.refs.names import HEADS
from tract.refs.operations import shown
from tract.refs.store import ANY, Expected


def dry_run_of(space: Workspace, plan: CompressionPlan, options: CompressionOptions) -> CompressResult:
    """What the plan would do; nobody is asked for a summary. Errors for a content are those of ``summed_up``."""
    if options.content is not None:
        return _dry_run_of_given(plan, summed_up(space, plan, options, None))
    tokens = options.target_tokens
    parts = tuple(
        CompressedPart("", len(part.sources), part.sources[0][0].hex(), part.sources[-1][0].hex(), part.tokens, each)
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

    CompressionError when a summary is refused; LLMError when the provider behind the summariser does not answer.
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
    for part, (one, value) in zip(plan.parts, found, strict=True):
        if one.faults and not options.force:
            raise CompressionError(f"the summary is refused: {'; '.join(one.faults)}")
        warnings += _summary_warnings(one.faults, one.misses)
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
            )
        )
    tokens = sum(part.tokens_after for part in parts)
    by_model = options.content is None
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
    )


def _new_id(plan: CompressionPlan, time: int) -> str:
    sources = b"".join(commit for part in plan.parts for commit, _ in part.sources)
    return blake3(plan.head + sources + str(time).encode()).hexdigest()[:10]


def _summary_warnings(faults: tuple[str, ...], misses: tuple[str, ...]) -> list[CompileWarning]:
    return [
        *(CompileWarning("summary_unfit", f"the summary was taken all the same: {fault}") for fault in faults),
        *(CompileWarning("target_missed", f"the summary is too long: {miss}") for miss in misses),
    ]


_OF_SUMMARIES = frozenset({"summary_unfit", "target_missed"})


def recounted(space: Workspace, pending: PendingCompression, *, force: bool) -> PendingCompression:
    """The compression with the tokens and warnings of the summaries that it has now; CompressionError when one is refused."""
    parts: list[CompressedPart] = []
    warnings = [one for one in pending.warnings if one.kind not in _OF_SUMMARIES]
    demands = Demands(lambda text: checked_count(space.blobs.counter, text), must_keep=pending.must_keep)
    text_tokens = 0
    for part in pending.parts:
        tokens = space.blobs.count_value(dict(part.value)).message
        faults = [] if parts else list(faults_of(pending.text, demands))
        if tokens > part.tokens_before:
            faults.append(f"it has {tokens} tokens, more than the {part.tokens_before} of what it stands for")
        if faults and not force:
            raise CompressionError(f"the summary is refused: {'; '.join(faults)}")
        text_tokens += demands.count(part.text)
        warnings += _summary_warnings(tuple(faults), ())
        parts.append(replace(part, tokens_after=tokens))
    if pending.target_tokens is not None and text_tokens > pending.target_tokens:
        miss = f"it has {text_tokens} tokens, and {pending.target_tokens} were asked for"
        warnings += _summary_warnings((), (miss,))
    cost = pending.prefix
    new = cost.invalidated_tokens + sum(part.tokens_after - part.tokens_before for part in parts)
    prefix = prefix_cost(cost.common_tokens, cost.invalidated_tokens, new, cost.summarising_cost, pending.prices)
    return replace(pending, parts=tuple(parts), warnings=tuple(warnings), prefix=prefix)


def land_compression(
    space: Workspace, pending: PendingCompression, *, expected: Expected = ANY, force: bool = False
) -> CompressResult:
    """Commit a compression, and say what it did.

    RefMovedError when the branch is not at *expected*. It may have moved on since the plan, as long as what goes is as it was: CompressionError names a message that was edited, pinned, shown or hidden since, that is gone, or that a tool call now belongs to which stays.
    """
    repo = space.repo
    pending = recounted(space, pending, force=force)
    with repo.objects.lock():
        repo.refs.refresh()
        branch = HEADS + pending.branch
        tip = check_branch(repo, branch)
        if expected is not ANY and tip != expected:
            raise RefMovedError(branch, shown(expected), shown(tip))
        check_idle(repo)
        _check_unchanged(space, pending, tip)
        _check_budget(space, pending)
        try:
            made = write_compression(repo, _compression(pending, branch))
        except ContentValidationError:
            forget_pieces(repo)  # or the next attempt would go on with the same summary
            raise
    if pending.by_model:
        forget_pieces(repo)
    return CompressResult(
        made.commit.hex(),
        pending.branch,
        tuple(replace(part, summary_hash=id.hex()) for part, id in zip(pending.parts, made.summaries, strict=True)),
        pending.kept,
        pending.skipped_left,
        pending.warnings,
        pending.prefix,
    )


def _check_budget(space: Workspace, pending: PendingCompression) -> None:
    """Do what the budget says of summaries that are longer than what they stand for, as *force* allows."""
    gone = [entry for part in pending.parts for entry in part.sources]
    messages = [message_in(dict(part.value)) for part in pending.parts]
    check_budget_of_merge(space, gone, ((bytes(32), message) for message in messages))


def _check_unchanged(space: Workspace, pending: PendingCompression, tip: ObjectId) -> None:
    """CompressionError unless every message that goes is where it was, and as free to go."""
    places = Places(space, tip)
    summed = [entry for part in pending.parts for entry in part.sources]
    found = check_there(places.items, (*summed, *pending.dropped))
    for commit, _ in summed:
        at = found[commit]
        problem = "pinned" if places.is_pinned(at) else "hidden" if places.is_hidden(at) else None
        if problem is not None:
            raise CompressionError(f"message {commit.hex()[:16]} was {problem} since it was summed up; nothing was changed")
    for commit, _ in pending.dropped:
        if not places.is_hidden(found[commit]):
            raise CompressionError(f"message {commit.hex()[:16]} is shown again since; nothing was changed")
    going = set(found.values())
    if tip.hex() == pending.head:
        return
    for at, unit in places.units().of.items():
        if at in going and not going.issuperset(unit):
            commit = places.items[at][0]
            raise CompressionError(f"message {commit.hex()[:16]} belongs to a tool call that stays; nothing was changed")


def _compression(pending: PendingCompression, branch: str) -> Compression:
    metadata: dict[str, Any] = {"skipped_left": pending.skipped_left, "kept": len(pending.kept)}
    if pending.target_tokens is not None:
        metadata["target_tokens"] = pending.target_tokens
    missed = [one.detail for one in pending.warnings if one.kind in _OF_SUMMARIES]
    if missed:
        metadata["missed"] = missed
    return Compression(
        branch,
        tuple(NewSummary(part.value, part.sources, _facts(part), _config(part)) for part in pending.parts),
        pending.dropped,
        metadata,
        pending.message,
    )


def _facts(part: CompressedPart) -> dict[str, Any]:
    """What the compress commit says of a summary, and of the model that wrote it."""
    facts: dict[str, Any] = {
        "messages": part.messages,
        "first": part.first,
        "last": part.last,
        "tokens_before": part.tokens_before,
        "tokens_after": part.tokens_after,
    }
    name, _, version = (part.prompt or "").partition("@")
    by = {
        "model": part.generation_config.get("model"),
        "prompt": name,
        "prompt_version": version,
        "usage": dict(part.usage),
    }
    by = {key: value for key, value in by.items() if value}
    return facts | ({"summarised_by": by} if by else {})


def _config(part: CompressedPart) -> dict[str, Any] | None:
    try:
        return checked_config(part.generation_config or None)
    except ContentValidationError as exc:
        raise CompressionError(f"what the summariser says of itself cannot be kept: {exc}") from exc


