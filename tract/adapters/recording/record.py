"""``Tract.record``: the context becomes the given list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from tract.adapters.recording.call_ids import match_with_ids
from tract.adapters.recording.given import Given, RecordFormat, alike, copied, given_items
from tract.adapters.recording.known import Known, known_by
from tract.adapters.recording.landing import OnDivergence, RecordResult, land
from tract.adapters.recording.matching import Script, match
from tract.adapters.recording.pieces import Piece, pieces_of
from tract.adapters.recording.plan import About, Plan
from tract.adapters.transcripts.strictjson import mended
from tract.compile.recorded_answers import RecordedAnswers
from tract.compile.snapshot import Snapshot
from tract.compile.workspace import Workspace, compile_head
from tract.dataclass import replace
from tract.errors import ContentValidationError
from tract.messages.form import checked_form
from tract.messages.sent_history import Sending
from tract.objects.codec import MAX_DEPTH
from tract.objects.kept import plain_json
from tract.objects.message_format import JSON
from tract.tokens.usage import TokenUsage
from tract.transaction import Asked

_STEP = 256
_LISTS_KEPT = 4


class RecordOptions(TypedDict, total=False):
    """The options of ``Tract.record``.

    *format* is the format of the messages. *on_divergence* is for a list that is not the context with more at its end: ``edit`` makes it the context, ``branch`` makes a branch with it, ``error`` is a DivergedError.
    *keys* has a key for each message, None for one without. A key stands for one message: if the branch has it for one that left the context, a message that comes back in the list is a new one, without the key.
    *usage*, *generation_config*, *request* and *metadata* are those of the last new answer, as ``commit`` takes them.
    """

    format: RecordFormat
    on_divergence: OnDivergence
    keys: Sequence[str | None] | None
    usage: Mapping[str, Any] | TokenUsage | None
    generation_config: Mapping[str, Any] | None
    request: Mapping[str, Any] | None
    metadata: Mapping[str, Any] | None


def record(
    space: Workspace,
    messages: Iterable[Any] | Mapping[str, Any],
    *,
    expected: Asked,
    format: RecordFormat = "openai",
    on_divergence: OnDivergence = "edit",
    keys: Sequence[str | None] | None = None,
    usage: Mapping[str, Any] | TokenUsage | None = None,
    generation_config: Mapping[str, Any] | None = None,
    request: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> RecordResult:
    """Make the context at HEAD the list *messages*, in one operation; *expected* says where HEAD's branch must be.

    ContentValidationError for input that is not a list of messages, DivergedError as *on_divergence* says.
    """
    if on_divergence not in ("edit", "branch", "error"):
        raise ContentValidationError(f"on_divergence must be 'edit', 'branch' or 'error', not {on_divergence!r:.40}")
    given = given_items(messages, format, keys)
    if request is not None and not isinstance(request, Mapping):
        raise ContentValidationError(f"request must be a dict, not {type(request).__name__}")
    about = About(usage, generation_config, request, metadata)
    scan = space.repo.config.record_scan
    if scan is not None:
        from tract.adapters.scanning import scanned  # few ask for it

        items, told = scanned(given.dicts(given.items), scan)
        for name in ("request", "metadata"):
            if (value := getattr(about, name)) is not None:
                (clean,), more = scanned([value], scan, f"the {name}, part")
                about, told = replace(about, **{name: clean}), [*told, *more]
        result = _made(space, replace(given, items=items), about, on_divergence, expected)
        return replace(result, warnings=(*told, *result.warnings))
    return _made(space, given, about, on_divergence, expected)


def _made(space: Workspace, given: Given, about: About, on_divergence: OnDivergence, expected: Asked) -> RecordResult:
    try:
        return land(space, _planned(space, given), about, on_divergence, expected)
    except (ContentValidationError, TypeError, RecursionError) as exc:
        items = given.dicts(given.items)
        if isinstance(exc, TypeError):
            plain_json("messages", items)  # names the value that is not JSON, and its place
            raise
        told: list[str] = []
        items = mended(items, lambda place, what: told.append(f"message {place}: {what}"), levels=MAX_DEPTH)
        if not told:
            raise
        # Only the value that no payload can store is replaced; the next list has it again, and is the same.
        result = land(space, _planned(space, replace(given, items=items)), about, on_divergence, expected)
        return replace(result, warnings=tuple(told))


def _planned(space: Workspace, given: Given) -> Plan:
    """The changes by which the context becomes the given list."""
    snapshot = compile_head(space)
    with space.lock:
        place = given.format, space.repo.head()[0]
        known: Known | None = space.lists.get(place)
        plan = None if known is None else known.plan(given, snapshot)
        if plan is None:
            copies = [*map(copied, given.items)]  # so that they cannot change while they are compared
            plan = _planned_anew(space, replace(given, items=given.dicts(copies)), snapshot)
            space.lists.pop(place, None)
            if (known := known_by(plan, copies)) is not None:
                space.lists[place] = known
                for old in list(space.lists)[:-_LISTS_KEPT]:
                    del space.lists[old]
        return plan


def _planned_anew(space: Workspace, given: Given, snapshot: Snapshot) -> Plan:
    """The same, found through the rendered context."""
    length, messages = snapshot.length, snapshot.columns.messages
    sending, rendered = _sent(space, snapshot, given)
    if given.format in ("anthropic", "gemini"):
        pieces, system = pieces_of(sending, given.format, rendered)
        return _planned_apart(given, snapshot, pieces, system)
    common = _common(rendered, given.items)
    uneven = sending.first_uneven
    if common == len(rendered) and (common == len(given.items) or (common and uneven is None)):
        return Plan(given, snapshot, Script(), length, common)
    pieces, _ = pieces_of(sending, given.format, rendered, common if uneven is None else min(common, uneven))
    if not pieces:
        return Plan(given, snapshot, Script(), length, common)
    hidden = [row for piece in pieces if len(piece.items) < len(piece.rows) for row in piece.rows]
    rest = given.items[common:]
    if 0 < common == len(rendered) and not any(alike(messages[row].raw, item) for row in hidden for item in rest):
        return Plan(given, snapshot, Script(), length, common)
    rows = pieces[0].rows[0]
    items = min(_start(pieces, rendered), len(given.items))
    script = Script()
    match_with_ids(given, messages, _as_committed(pieces, given, snapshot), range(items, len(given.items)), script)
    return Plan(given, snapshot, script, rows, items)


def _start(pieces: Sequence[Piece], rendered: Sequence[JSON]) -> int:
    """The item at which the first of *pieces*, which reach to the end, begins."""
    return len(rendered) - sum(len(piece.items) for piece in pieces)


def _planned_apart(given: Given, snapshot: Snapshot, pieces: Sequence[Piece], system: Piece | None) -> Plan:
    """The same for a format that keeps instructions apart from the messages."""
    script = Script()
    apart: frozenset[int] = frozenset()
    messages = snapshot.columns.messages
    if system is not None:
        apart = frozenset(system.rows)
        if given.instructions:
            match(given, messages, [system], range(given.instructions), script)
        else:
            script.silent += system.rows
    body = given.items[given.instructions :]
    said = [item for piece in pieces for item in piece.items]
    if len(body) < len(said) or not all(map(alike, said, body)):
        pieces = _as_committed(pieces, given, snapshot)
    match_with_ids(given, messages, pieces, range(given.instructions, len(given.items)), script)
    return Plan(given, snapshot, script, 0, 0, apart.difference(script.dropped))


def _as_committed(pieces: Sequence[Piece], given: Given, snapshot: Snapshot) -> list[Piece]:
    """*pieces* for a list that is not a rendering: messages of its own format that are not shown each stand for themselves."""
    messages = snapshot.columns.messages
    found: list[Piece] = []
    for piece in pieces:
        if len(piece.items) < len(piece.rows) and all(messages[row].format == given.format for row in piece.rows):
            found += [Piece((messages[row].raw,), (row,)) for row in piece.rows]
        else:
            found.append(piece)
    return found


def _sent(space: Workspace, snapshot: Snapshot, given: Given) -> tuple[Sending, JSON]:
    """The present context as a provider is sent it."""
    columns = snapshot.columns
    form = checked_form(given.format)
    sending = columns.sending(form, snapshot.length, RecordedAnswers(space.repo, columns))
    return sending, sending.request().value if given.format in ("anthropic", "gemini") else sending.items


def _common(rendered: Sequence[JSON], items: Sequence[JSON]) -> int:
    """The number of items with which both begin."""
    most = min(len(rendered), len(items))
    if _are_same(rendered if most == len(rendered) else rendered[:most], items[:most]):
        return most
    at = 0
    while at < most and _are_same(rendered[at : at + _STEP], items[at : at + _STEP]):
        at += _STEP
    while at < most and alike(rendered[at], items[at]):
        at += 1
    return min(at, most)


def _are_same(rendered: Sequence[JSON], items: Sequence[JSON]) -> bool:
    """Whether Python finds all equal, and none has true for 1, or false for 0."""
    return rendered == list(items) and all(
        [*map(type, item.values())].count(str) == len(item) or alike(one, item)
        for one, item in zip(rendered, items, strict=True)
    )
