"""A context as it is rendered for a provider, in pieces: items that were made of certain messages, and of no others.

messages    0   1   2   3   4   5   6
pieces      [0] [1] [2   3   4] [5] [6]      a step, or neighbours that became one message
items       a   b   c       d       e        5 is left out in this format: a piece without items, of one row
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from tract.messages.anthropic_body import may_stay
from tract.messages.fit_anthropic import Said
from tract.messages.sent_history import Sending, Unit
from tract.messages.tool_names import Target
from tract.named_tuple import NamedTuple
from tract.objects.message_format import JSON


class Piece(NamedTuple):
    """Items, and the rows of the messages that they were made of."""

    items: tuple[JSON, ...]
    rows: tuple[int, ...]


class Pieces(NamedTuple):
    """A rendered context; *system* is the piece of the separate instructions, None if there are none."""

    pieces: list[Piece]
    system: Piece | None = None


def pieces_of(sending: Sending, target: Target, rendered: JSON, start: int = 0) -> Pieces:
    """The pieces of *rendered*, which *sending* wrote; in OpenAI's two formats from that with item *start* on."""
    if target in ("openai", "responses"):
        return Pieces([piece for unit in sending.units(start) for piece in _pieces_of_unit(unit, rendered)])
    if target == "anthropic":
        messages, prompt = rendered["messages"], rendered.get("system")
        places = _anthropic_places(sending.items)
        key = "content"
    else:
        messages, prompt = rendered["contents"], rendered.get("system_instruction")
        places = _gemini_places(sending.items)
        key = "parts"
        prompt = None if prompt is None else prompt["parts"]
    units = list(sending.units())
    moved = [row for unit in units for row in unit.rows if all(places[at] is None for at in unit.items) and unit.items]
    system = None if prompt is None else Piece(({"role": "system", key: prompt},), tuple(moved))
    if not any(place is not None for place in places):  # instructions alone are sent as a user message
        rows = [row for unit in units for row in unit.rows]
        return Pieces([*(_pieces(messages, rows, ()) if messages else _pieces((), (), rows))])
    last = max(place for place in places if place is not None)
    added = len(messages) - last - 1  # a first message that the provider requires and that was made up
    pieces = [Piece((one,), ()) for one in messages[:added]]
    pieces += _joined(units, places, messages[added:], set(moved))
    return Pieces(pieces, system)


def _pieces_of_unit(unit: Unit, rendered: Sequence[JSON]) -> Iterator[Piece]:
    items = rendered[unit.items.start : unit.items.stop]
    return _pieces(items, unit.rows, ()) if items else _pieces((), (), unit.rows)


def _joined(units: Sequence[Unit], places: Sequence[int | None], messages: Sequence[JSON], moved: set[int]) -> Iterator[Piece]:  # fmt: skip
    """The units as pieces; units with a part in one message form one piece, with the hidden rows between them."""
    rows: list[int] = []
    silent: list[int] = []
    first, last = 0, -1
    for unit in units:
        if not moved.isdisjoint(unit.rows):
            continue
        into = [place for at in unit.items if (place := places[at]) is not None]
        if not into:
            silent += unit.rows
            continue
        if min(into) > last:
            yield from _pieces(messages[first : last + 1], rows, silent)
            rows, silent, first = [], [], last + 1
        rows += [*silent, *unit.rows]
        silent = []
        last = max([last, *into])
    yield from _pieces(messages[first : last + 1], rows, silent)


def _pieces(messages: Sequence[JSON], rows: Sequence[int], silent: Sequence[int]) -> Iterator[Piece]:
    """The piece of *rows*, and a piece for each of the *silent* rows."""
    if rows:
        yield Piece(tuple(messages), tuple(rows))
    for row in silent:
        yield Piece((), (row,))


def _anthropic_places(said: Sequence[Said]) -> list[int | None]:
    """For the content of each message, the number of its message in the request; None if it is in the system prompt."""
    body: list[int] = []
    for at, one in enumerate(said):
        behind = said[at + 1] if at + 1 < len(said) else None
        if one.role != "system" or (body and may_stay(one, said[body[-1]].role, behind)):
            body.append(at)
    places: list[int | None] = [None] * len(said)
    at = 0
    for _, group in groupby(body, key=lambda number: said[number].role):
        of_role = list(group)
        is_one = len(of_role) > 1 and any(said[number].converted for number in of_role)
        for nth, number in enumerate(of_role):
            places[number] = at if is_one else at + nth
        at += 1 if is_one else len(of_role)
    return places


def _gemini_places(written: Sequence[tuple[int, str, Any]]) -> list[int | None]:
    """The same for Gemini's contents: neighbours of one role are one."""
    places: list[int | None] = []
    at, role = -1, ""
    for _, own, _ in written:
        if own == "system":
            places.append(None)
            continue
        at, role = (at, role) if own == role else (at + 1, own)
        places.append(at)
    return places
