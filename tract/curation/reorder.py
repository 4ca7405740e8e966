"""Reordering as a commit: messages move to another place of the context, with warnings beforehand about changes of meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tract.compile.workspace import Workspace
from tract.curation.context_view import INSTRUCTIONS, ContextView
from tract.dataclass import dataclass
from tract.errors import ContentValidationError, DetachedHeadError, SemanticSafetyError
from tract.history.commit import commit_context, edited_message
from tract.messages import ToolUnits
from tract.messages.message import CompileWarning
from tract.objects.id import ObjectId
from tract.objects.kept import check_text
from tract.objects.model import CommitOperation, Entry
from tract.refs.names import HEADS
from tract.refs.store import ANY, Expected
from tract.repo import Repository
from tract.transaction import check_branch, check_idle, transaction


@dataclass(frozen=True, slots=True, repr=False)
class ReorderResult:
    """A new order; with ``dry_run``, what it would be, and *commit_hash* is None.

    *order* are all messages of the context, first to last; *moved* are those in another place than before, including tool calls that moved with their results.
    *warnings* say where the meaning changes. *invalidated_tokens* are those that a prompt cache would have to read again.
    """

    commit_hash: str | None
    branch: str
    order: tuple[str, ...]
    moved: tuple[str, ...]
    warnings: tuple[CompileWarning, ...]
    invalidated_tokens: int

    def __repr__(self) -> str:
        at = f"at {self.commit_hash[:16]}" if self.commit_hash else "not committed"
        return f"ReorderResult({len(self.moved)} of {len(self.order)} messages moved on {self.branch!r}, {at})"


def reorder(
    space: Workspace,
    messages: Sequence[str],
    *,
    before: str | None = None,
    after: str | None = None,
    strict: bool = False,
    dry_run: bool = False,
    message: str | None = None,
    expected: Expected = ANY,
) -> ReorderResult:
    """Put *messages*, in this order, in front of *before*, behind *after*, or at the beginning; the rest stays as it is.

    ContentValidationError for an id that is not a message of the context, and if no message moves; SemanticSafetyError for an order that changes the meaning, if *strict*.
    """
    repo = space.repo
    check_text("message", message)
    branch, head = check_branch(repo, "reorder", expected)
    if head is None:
        raise DetachedHeadError("cannot reorder: there is no commit yet")
    check_idle(repo)
    view = ContextView(space, head)
    asked, units = _asked(view, messages), view.units()
    anchor = _anchor(view, asked, before, after)
    moved = _with_units(units, asked, anchor)
    order = _order(view, units, moved, anchor, is_before=before is not None)
    first = next((at for at, was in enumerate(order) if at != was), None)
    if first is None:
        raise ContentValidationError("the messages stand there already")
    warnings = _warnings(view, asked, moved, order, strict=strict)
    told = message or f"{len(moved)} message{'' if len(moved) == 1 else 's'} moved"
    id = None if dry_run else _land(repo, [view.items[at] for at in order], told, head)
    return ReorderResult(
        None if id is None else id.hex(),
        branch.removeprefix(HEADS),
        tuple(view.items[at][0].hex() for at in order),
        tuple(view.items[at][0].hex() for at in moved),
        warnings,
        sum(view.tokens(at) for at in range(first, len(view)) if not view.is_hidden(at)),
    )


def _warnings(
    view: ContextView, asked: Sequence[int], moved: Sequence[int], order: Sequence[int], *, strict: bool
) -> tuple[CompileWarning, ...]:
    """The changes of meaning that the order makes; if *strict*, the first is raised as an error."""
    found = (*_kept_together(view, asked, moved), *_concerns(view, order))
    if strict and found:
        raise SemanticSafetyError(f"the order changes the meaning: {found[0].detail}")
    return found


def _land(repo: Repository, entries: Sequence[Entry], message: str, head: ObjectId) -> ObjectId:
    with transaction(repo, f"reorder: {message}", expected=head) as tx:
        id = commit_context(tx, entries, CommitOperation.REORDER, message=message)
        tx.move_branch(id, orig_head=True)
    return id


def _asked(view: ContextView, messages: Sequence[str]) -> list[int]:
    if isinstance(messages, str) or not messages:
        raise ContentValidationError("the messages to move are a list of revisions")
    asked = [view.place_of(revision, ContentValidationError) for revision in messages]
    if len(set(asked)) < len(asked):
        twice = next(at for at in asked if asked.count(at) > 1)
        raise ContentValidationError(f"message {view.items[twice][0].hex()[:16]} is named twice")
    return asked


def _anchor(view: ContextView, asked: Sequence[int], before: str | None, after: str | None) -> int | None:
    """The place that the messages are put before or after; None for the beginning."""
    if before is not None and after is not None:
        raise ContentValidationError("messages are put before a message or after one, not both")
    revision = before if before is not None else after
    if revision is None:
        return None
    at = view.place_of(revision, ContentValidationError)
    if at in asked:
        raise ContentValidationError(f"'{revision}' is one of the messages that move")
    return at


def _with_units(units: ToolUnits, asked: Sequence[int], anchor: int | None) -> list[int]:
    """The places that move: those asked for, each followed by the rest of its tool unit; if the anchor is in the unit, the message moves alone."""
    moved: dict[int, None] = {}
    for at in asked:
        unit = units.of.get(at, (at,))
        moved.update(dict.fromkeys((at,) if anchor in unit else unit))
    return list(moved)


def _order(
    view: ContextView, units: ToolUnits, moved: Sequence[int], anchor: int | None, *, is_before: bool
) -> list[int]:
    """All places in their new order; no message is put inside another tool unit, but in front of it or behind it."""
    rest = [at for at in range(len(view)) if at not in set(moved)]
    if anchor is None:
        return [*moved, *rest]
    unit = units.of.get(anchor, (anchor,))
    is_within = not set(moved).isdisjoint(unit)
    if is_within and (unit[0] in moved or (is_before and anchor == unit[0])):
        raise ContentValidationError("a tool call comes before its results")
    ends = (anchor, anchor) if is_within else (unit[0], unit[-1])
    cut = rest.index(ends[0]) if is_before else rest.index(ends[1]) + 1
    return [*rest[:cut], *moved, *rest[cut:]]


def _kept_together(view: ContextView, asked: Sequence[int], moved: Sequence[int]) -> Iterator[CompileWarning]:
    for at in moved:
        if at not in asked:
            yield _warning(view, at, "tool_pair_kept", "it moves with its tool call or result")


def _concerns(view: ContextView, order: Sequence[int]) -> Iterator[CompileWarning]:
    """The changes of meaning in the new order: replies and answers before the message they answer, and overtaken instructions."""
    position = {at: new for new, at in enumerate(order)}
    question: int | None = None
    for at in range(len(view)):
        if view.is_hidden(at):
            continue
        role = view.message(at).role
        target = _replies_to(view, at)
        if target is not None and target < at and position[target] > position[at]:
            detail = f"it replies to message {view.items[target][0].hex()[:16]}, which comes after it"
            yield _warning(view, at, "reply_before_target", detail)
        elif role == "assistant" and question is not None and position[question] > position[at]:
            detail = f"it answered message {view.items[question][0].hex()[:16]}, which comes after it"
            yield _warning(view, at, "answer_before_question", detail)
        if role == "user":
            question = at
    yield from _overtaken(view, position)


def _overtaken(view: ContextView, position: Mapping[int, int]) -> Iterator[CompileWarning]:
    """The instructions that now stand behind messages which came after them."""
    first = len(view)  # the foremost new position of the later messages that are not instructions
    found: list[int] = []
    for at in range(len(view) - 1, -1, -1):
        if view.is_hidden(at):
            continue
        if view.message(at).role not in INSTRUCTIONS:
            first = min(first, position[at])
        elif first < position[at]:
            found.append(at)
    for at in reversed(found):
        yield _warning(view, at, "instruction_overtaken", "an instruction now comes after messages it was given for")


def _replies_to(view: ContextView, at: int) -> int | None:
    repo = view.space.repo
    target = repo.commit(view.items[at][0]).target
    return None if target is None else view.index.get(edited_message(repo, target))


def _warning(view: ContextView, at: int, kind: str, detail: str) -> CompileWarning:
    return CompileWarning(kind, detail, index=None, commit=view.items[at][0].hex())
