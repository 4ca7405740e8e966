"""Asking for the summaries of a plan, in pieces where a model cannot take all of the messages at once.

    messages    ████ ████ ███ ████ ██       pieces, cut where no tool unit is torn
    map          σ    σ    σ   σ    σ       one call each; each is kept as soon as it is there
    reduce       └────┴─ Σ ┴───┴────┘       and again, where those do not fit

The summaries of pieces lie in ``state/compress-pieces`` until the compression is done: a failure half-way costs the piece it happened in, and the next compression of the same messages goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

from blake3 import blake3

from tract.compile.workspace import Workspace
from tract.curation.compress.blocks import Block, as_text, blocks_of, chat_messages, plain_text, slices_of
from tract.curation.compress.facts import Fact, doubt_about, dropped_facts, invented_facts
from tract.curation.compress.plan import CompressionPlan, Progress
from tract.curation.compress.result import CompressedPart, CompressResult, PendingCompression, summary_warnings
from tract.curation.compress.summariser import (
    MustKeep,
    Requirements,
    Summariser,
    add_usage,
    checked_summary,
    missing_in,
)
from tract.errors import CompressionError, ObjectCorruptError
from tract.history.state import clear_state, read_state_as, write_state
from tract.llm.callables import saying
from tract.llm.types import ChatMessage, Summary, SummaryRequest
from tract.messages import compact_json, message_text
from tract.messages.message import CompileWarning, Message
from tract.objects.content import DialogueContent, Role, from_value, to_value
from tract.refs.names import HEADS
from tract.repo import Repository
from tract.tokens.counted import content_text
from tract.tokens.counter import checked_count

AROUND = 3
"""How many messages before and after a part the summariser is shown."""

STATE = "compress-pieces"
_LEAST_TARGET = 64
_MOST_KEPT = 1000


def dry_run_of(space: Workspace, plan: CompressionPlan) -> CompressResult:
    """What the plan would do; nobody is asked for a summary. Errors for a content are those of ``ask_for_summaries``."""
    target = plan.request.target_tokens
    parts = [replace(part, tokens_after=share or 0) for part, share in _shares(plan)]
    dropped: tuple[Fact, ...] = ()
    invented: tuple[Fact, ...] = ()
    warnings, prefix = plan.warnings, plan.cost(target)
    if plan.request.content is not None:
        pending = ask_for_summaries(space, plan, None)
        parts, warnings, prefix = list(pending.parts), pending.warnings, pending.prefix
        with space.lock:
            texts = [message_text(message) for part in plan.parts for message in plan.shown(part)]
        dropped, invented = dropped_facts(texts, pending.text), invented_facts(texts, pending.text)
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


def _shares(plan: CompressionPlan) -> list[tuple[CompressedPart, int | None]]:
    """Each part with its share of the target, by its length; None where no target is given."""
    target = plan.request.target_tokens
    return [
        (part, None if target is None else max(1, target * part.tokens_before // max(1, plan.tokens)))
        for part in plan.parts
    ]


def ask_for_summaries(space: Workspace, plan: CompressionPlan, summariser: Summariser | None) -> PendingCompression:
    """The plan with its summaries: the request's *content*, or what *summariser* makes of the messages; nothing moves, and nothing is locked while it is asked.

    CompressionError when a *content* is refused; a model's summary that is refused is marked as ``refused``. LLMError when the provider does not answer.
    """
    request = plan.request
    with space.lock:
        materials = [_material(plan, part) for part in plan.parts]
        framing = space.blobs.count_value(_value_of(space, plan, plan.parts[0], "")).message
    facts = _facts_by_part(materials, request.must_keep)
    parts: list[CompressedPart] = []
    warnings = list(plan.warnings)
    errors: list[str] = []
    for (part, target), (shown, before, after), must_keep in zip(_shares(plan), materials, facts, strict=True):
        limit = max(0, part.tokens_before - framing)
        requirements = Requirements(_counter(space), target, limit, must_keep)
        content, summary = request.content, None
        if content is None:
            assert summariser is not None
            asked = SummaryRequest(
                (),
                target,
                instructions=request.instructions,
                system_prompt=request.system_prompt,
                before=before,
                after=after,
            )
            run = SummaryRun(space.repo, summariser, request.window or space.config.summary_window, request.progress)
            summary = run.summarise(asked, blocks_of(shown), requirements)
            content = summary.text
        one = _written(space, plan, part, content, summary)
        found = requirements.errors(one.text)
        doubt = None if summary is None else doubt_about([message_text(message) for message in shown], one.text)
        doubts = () if doubt is None else (f"it {doubt}",)
        # What somebody looks at anyway is not refused for a doubt.
        errors += (*found, *doubts) if request.auto_commit else found
        warnings += summary_warnings((*found, *doubts), requirements.misses(one.text))
        parts.append(one)
    return _pending(space, plan, parts, warnings, errors)


def _counter(space: Workspace) -> Callable[[str], int]:
    return lambda text: checked_count(space.blobs.counter, text)


def _material(plan: CompressionPlan, part: CompressedPart) -> tuple[list[Message], Block, Block]:
    """The messages of a part, and the messages that stay before and after it, which help to understand them."""
    view = plan.view
    start = view.index[part.sources[0][0]]
    before = _around(plan, range(start - 1, -1, -1))[::-1]
    return plan.shown(part), before, _around(plan, range(start + 1, len(view)))


def _around(plan: CompressionPlan, places: Sequence[int]) -> Block:
    """The first few of the messages at *places* that stay and are shown."""
    found: list[Message] = []
    going = plan.going
    for at in places:
        if len(found) == AROUND:
            break
        if at not in going and not plan.view.is_hidden(at):
            found.append(plan.view.message(at))
    return tuple(message for one in found for message in chat_messages([one]))


def _facts_by_part(
    materials: Sequence[tuple[list[Message], Block, Block]], must_keep: Sequence[MustKeep]
) -> list[tuple[MustKeep, ...]]:
    """What each summary must keep: of several, each what its own messages say, and the first also what no message says."""
    if len(materials) == 1:
        return [tuple(must_keep)]
    texts = [plain_text(chat_messages(shown)) for shown, _, _ in materials]
    said = [tuple(one for one in must_keep if not missing_in(text, (one,))) for text in texts]
    nowhere = tuple(one for one in must_keep if not any(one in facts for facts in said))
    return [(*said[0], *nowhere), *said[1:]]


def _value_of(space: Workspace, plan: CompressionPlan, part: CompressedPart, content: Any) -> dict[str, Any]:
    if isinstance(content, str):
        content = DialogueContent(cast("Role", plan.role_of(part)), content)
    return to_value(content, space.types)


def _written(
    space: Workspace, plan: CompressionPlan, part: CompressedPart, content: Any, summary: Summary | None
) -> CompressedPart:
    """The part with its summary, *content*; *summary* says how a model wrote it, None where it was given."""
    if summary is None and len(plan.parts) > 1:
        raise CompressionError(f"one content cannot stand for {len(plan.parts)} runs of messages")
    with space.lock:
        value = _value_of(space, plan, part, content)
        text = content_text(from_value(value, space.types)) if summary is None else summary.text
        tokens = space.blobs.count_value(value).message
    written = replace(part, text=text, value=value, tokens_after=tokens)
    if summary is None:
        return written
    return replace(written, generation_config=summary.generation_config, usage=summary.usage, prompt=summary.prompt)


def _pending(
    space: Workspace,
    plan: CompressionPlan,
    parts: Sequence[CompressedPart],
    warnings: Sequence[CompileWarning],
    errors: Sequence[str],
) -> PendingCompression:
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


# In pieces


class SummaryRun:
    """The calls that one summary takes, counted, remembered and reported."""

    def __init__(self, repo: Repository, summariser: Summariser, window: int, progress: Progress | None = None) -> None:
        self._repo = repo
        self._summariser = summariser
        self._window = window
        self._progress = progress
        self._done = 0
        self._total = 1
        self._usage: dict[str, Any] = {}

    def summarise(self, request: SummaryRequest, blocks: Sequence[Block], requirements: Requirements) -> Summary:
        """The summary of *blocks*, in as many pieces as it takes; *request* is everything but the messages.

        Errors are those of ``checked_summary``; the summaries made before one are kept for the next call.
        """
        # A quarter is for the prompt, the messages around, the answer and a second attempt.
        room = self._window * 3 // 4
        most = self._window // 10
        before = _fitting(request.before[::-1], requirements, most)[::-1]
        request = replace(request, before=before, after=_fitting(request.after, requirements, most))
        pieces = cut_pieces(blocks, requirements.count, room)
        while len(pieces) > 1:
            self._total = self._done + len(pieces) + 1
            blocks = tuple(self._piece(request, piece, requirements, room // len(pieces)) for piece in pieces)
            fewer = cut_pieces(blocks, requirements.count, room)
            if len(fewer) >= len(pieces):
                raise CompressionError(f"{len(pieces)} summaries do not fit into a window of {self._window} tokens")
            pieces = fewer
        found = self._ask(replace(request, messages=_flat(pieces[0])), requirements)
        return replace(found, usage=self._usage)

    def _piece(self, request: SummaryRequest, piece: Sequence[Block], whole: Requirements, share: int) -> Block:
        """The summary of one piece of several, as a block; it must keep what was in the piece."""
        messages = _flat(piece)
        text, tokens = plain_text(messages), whole.count(as_text(messages))
        inside = tuple(one for one in whole.must_keep if not missing_in(text, (one,)))
        target = max(_LEAST_TARGET, min(share, tokens // 4, whole.target_tokens or share))
        requirements = Requirements(whole.count, target, max(tokens, target), inside)
        found = self._ask(replace(request, messages=messages, target_tokens=target, before=(), after=()), requirements)
        errors = requirements.errors(found.text)
        if errors:
            raise CompressionError(f"the summary of a piece cannot be used: {'; '.join(errors)}{saying(found.text)}")
        return ({"role": "assistant", "content": found.text},)

    def _ask(self, request: SummaryRequest, requirements: Requirements) -> Summary:
        """The summary that is kept, else the one the summariser gives, which is kept then."""
        key = _key(self._summariser, request, requirements)
        found = _pieces(self._repo).get(key)
        if found is None:
            found = checked_summary(self._summariser, request, requirements)
            if not requirements.errors(found.text):
                _keep(self._repo, key, found)
        add_usage(self._usage, found.usage)
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)
        return found


def cut_pieces(blocks: Sequence[Block], count: Callable[[str], int], room: int) -> list[tuple[Block, ...]]:
    """*blocks* in pieces of at most *room* tokens each; a block that is longer by itself comes in slices."""
    pieces: list[list[Block]] = [[]]
    used = 0
    for block in blocks:
        tokens = count(as_text(block))
        parts = -(-tokens // room)
        # A slice has a line of its own in front, and is counted by itself.
        for one in (block,) if parts <= 1 else slices_of(block, parts + 1):
            size = tokens if parts <= 1 else count(as_text(one))
            if pieces[-1] and used + size > room:
                pieces.append([])
                used = 0
            pieces[-1].append(one)
            used += size
    return [tuple(piece) for piece in pieces]


def _flat(blocks: Sequence[Block]) -> tuple[ChatMessage, ...]:
    return tuple(message for block in blocks for message in block)


def _fitting(messages: Sequence[ChatMessage], requirements: Requirements, room: int) -> tuple[ChatMessage, ...]:
    """As many of the first messages as have *room* tokens."""
    kept: list[ChatMessage] = []
    for message in messages:
        room -= requirements.count(as_text([message]))
        if room < 0:
            break
        kept.append(message)
    return tuple(kept)


def _key(summariser: Summariser, request: SummaryRequest, requirements: Requirements) -> str:
    """A hash of what a summary depends on, and of who makes it as far as that can be told: a function's name, a model's *identity*."""
    name = getattr(summariser, "__qualname__", type(summariser).__qualname__)
    told = {
        "by": getattr(summariser, "identity", None) or f"{getattr(summariser, '__module__', '')}.{name}",
        "messages": [dict(message) for message in request.messages],
        "before": [dict(message) for message in request.before],
        "after": [dict(message) for message in request.after],
        "target": request.target_tokens,
        "instructions": request.instructions,
        "system_prompt": request.system_prompt,
        "must_keep": [repr(one) for one in requirements.must_keep],
    }
    return blake3(compact_json(told).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _pieces(repo: Repository) -> dict[str, Summary]:
    """What ``state/compress-pieces`` holds: summaries by their keys."""
    try:
        return read_state_as(repo, STATE, dict[str, Summary]) or {}
    except (ObjectCorruptError, OSError):
        return {}  # they can be made again


def _keep(repo: Repository, key: str, found: Summary) -> None:
    kept = dict(list(_pieces(repo).items())[-_MOST_KEPT:])
    with suppress(OSError):  # a summary that cannot be kept is still one that can be used
        write_state(repo, STATE, {**kept, key: found})


def forget_pieces(repo: Repository) -> None:
    """Forget the summaries of pieces, for the compression is done; a file that cannot be deleted does no harm."""
    with suppress(OSError):
        clear_state(repo, STATE)
