"""Landing a compression: checked again, whatever happened since it was planned, and committed.

Only ``land_compression`` moves the branch: the messages to be removed must be unchanged, and must still be free to go.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from tract.compile.workspace import Workspace
from tract.curation.compress.facts import Fact, doubt_about
from tract.curation.compress.pending import facts_of, source_texts
from tract.curation.compress.result import (
    SUMMARY_KINDS,
    CompressedPart,
    CompressResult,
    PendingCompression,
    PrefixCost,
    Requirements,
    summary_warnings,
)
from tract.curation.context_view import ContextView
from tract.dataclass import replace
from tract.errors import CompressionError, ContentValidationError
from tract.history.compression import (
    NewSummary,
    check_compressed,
    check_there,
    commit_compression,
    compress_reason,
)
from tract.history.notes import DROPPED, NoteTable, note_tip
from tract.history.state import clear_state
from tract.messages.message import message_in
from tract.objects.id import ObjectId
from tract.refs.names import HEADS
from tract.refs.store import ANY, Expected
from tract.repo import Repository
from tract.tokens.counter import checked_count
from tract.transaction import transaction
from tract.writing.budget import check_budget_of_merge
from tract.writing.credentials import checked_config

PIECES = "compress-pieces"
"""The state file with the summaries of pieces, by a hash of each one's request, until the compression is done."""


def forget_pieces(repo: Repository) -> None:
    """Delete the stored summaries of pieces, because the compression is done; a file that cannot be deleted does no harm."""
    with suppress(OSError):
        clear_state(repo, PIECES)


def recounted(space: Workspace, pending: PendingCompression, *, force: bool) -> PendingCompression:
    """The compression with the tokens and warnings of its present summaries; CompressionError if one is refused."""
    parts: list[CompressedPart] = []
    warnings = [one for one in pending.warnings if one.kind not in SUMMARY_KINDS]
    requirements = Requirements(lambda text: checked_count(space.blobs.counter, text), must_keep=pending.must_keep)
    text_tokens = 0
    for part in pending.parts:
        tokens = space.blobs.count_value(dict(part.value)).message
        errors = [] if parts else list(requirements.errors(pending.text))
        if tokens > part.tokens_before:
            errors.append(f"it has {tokens} tokens, more than the {part.tokens_before} of the messages it replaces")
        if errors and not force:
            raise CompressionError(f"the summary is refused: {'; '.join(errors)}")
        text_tokens += requirements.count(part.text)
        doubt = doubt_about(source_texts(space, pending), pending.text) if pending.by_model and not parts else None
        if doubt is not None:
            errors.append(f"it {doubt}")  # the person who approves it has seen it
        warnings += summary_warnings(errors, ())
        parts.append(replace(part, tokens_after=tokens))
    if pending.target_tokens is not None and text_tokens > pending.target_tokens:
        warnings += summary_warnings((), (f"it has {text_tokens} tokens, and {pending.target_tokens} were asked for",))
    cost = pending.prefix
    new = cost.invalidated_tokens + sum(part.tokens_after - part.tokens_before for part in parts)
    prefix = PrefixCost.of(cost.common_tokens, cost.invalidated_tokens, new, cost.summarising_cost, pending.prices)
    return replace(pending, parts=tuple(parts), warnings=tuple(warnings), prefix=prefix)


def land_compression(
    space: Workspace, pending: PendingCompression, *, expected: Expected = ANY, force: bool = False
) -> CompressResult:
    """Commit a compression, and return its result.

    RefMovedError if the branch is not at *expected*. The branch may have moved on since the plan if the messages to be removed are unchanged: CompressionError names a message that was edited, pinned, shown or hidden since, that is gone, or that now belongs to a tool call which stays.
    """
    repo, branch = space.repo, HEADS + pending.branch
    pending = recounted(space, pending, force=force)
    summaries = [NewSummary(part.value, part.sources, _facts(part), _config(part)) for part in pending.parts]
    dropped, invented = facts_of(space, pending)
    with transaction(repo, compress_reason(summaries)) as tx:
        tip = check_compressed(tx, branch)
        tx.check_expected(expected)
        _check_unchanged(space, pending, tip)
        _check_budget(space, pending)
        try:
            commit, made = commit_compression(
                tx, branch, summaries, pending.dropped, metadata=_metadata(pending), message=pending.message
            )
        except ContentValidationError:
            forget_pieces(repo)  # else the next attempt would reuse the same summary
            raise
        if dropped or invented:
            tx.note(DROPPED, commit, _told_facts(dropped, invented))
    if pending.by_model:
        forget_pieces(repo)
    return CompressResult(
        commit_hash=commit.hex(),
        branch=pending.branch,
        parts=tuple(
            replace(part, summary_hash=summary.hex()) for part, summary in zip(pending.parts, made, strict=True)
        ),
        kept=pending.kept,
        skipped_left=pending.skipped_left,
        warnings=pending.warnings,
        prefix=pending.prefix,
        dropped=dropped,
        invented=invented,
    )


def _told_facts(dropped: tuple[Fact, ...], invented: tuple[Fact, ...]) -> dict[str, Any]:
    told = {"facts": [list(fact) for fact in dropped]}
    return told | ({"invented": [list(fact) for fact in invented]} if invented else {})


def noted_facts(repo: Repository, commit: ObjectId) -> tuple[tuple[Fact, ...], tuple[Fact, ...]]:
    """The recorded facts of a compression that landed: those its summaries dropped, and those they invented."""
    table = NoteTable()
    table.advance(repo, note_tip(repo, DROPPED))
    body = table.get(repo, commit)
    told = [body.get(which) if isinstance(body, dict) else None for which in ("facts", "invented")]
    dropped, invented = (tuple(Fact(*fact) for fact in one) if isinstance(one, list) else () for one in told)
    return dropped, invented


def _check_budget(space: Workspace, pending: PendingCompression) -> None:
    """Apply the budget if the summaries are longer than the messages they replace, which *force* allows."""
    gone = [entry for part in pending.parts for entry in part.sources]
    messages = [message_in(dict(part.value)) for part in pending.parts]
    check_budget_of_merge(space, gone, ((bytes(32), message) for message in messages))


def _check_unchanged(space: Workspace, pending: PendingCompression, tip: ObjectId) -> None:
    """CompressionError unless every message to be removed is in its place, and is still free to go."""
    view = ContextView(space, tip)
    summed = [entry for part in pending.parts for entry in part.sources]
    found = check_there(view.items, (*summed, *pending.dropped))
    for commit, _ in summed:
        at = found[commit]
        problem = "pinned" if view.is_pinned(at) else "hidden" if view.is_hidden(at) else None
        if problem is not None:
            raise CompressionError(
                f"message {commit.hex()[:16]} was {problem} since it was summed up; nothing was changed"
            )
    for commit, _ in pending.dropped:
        if not view.is_hidden(found[commit]):
            raise CompressionError(f"message {commit.hex()[:16]} is shown again since; nothing was changed")
    going = set(found.values())
    if tip.hex() == pending.head:
        return
    for at, unit in view.units().of.items():
        if at in going and not going.issuperset(unit):
            commit = view.items[at][0]
            raise CompressionError(
                f"message {commit.hex()[:16]} belongs to a tool call that stays; nothing was changed"
            )


def _metadata(pending: PendingCompression) -> dict[str, Any]:
    """The metadata of the compress commit, besides its summaries."""
    metadata: dict[str, Any] = {"skipped_left": pending.skipped_left, "kept": len(pending.kept)}
    if pending.target_tokens is not None:
        metadata["target_tokens"] = pending.target_tokens
    missed = [one.detail for one in pending.warnings if one.kind in SUMMARY_KINDS]
    return metadata | ({"missed": missed} if missed else {})


def _facts(part: CompressedPart) -> dict[str, Any]:
    """The metadata of the compress commit about a summary, and about the model that wrote it."""
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
        raise CompressionError(f"the generation config of the summary cannot be kept: {exc}") from exc
