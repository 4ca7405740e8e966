"""A whole request of the Responses API: items with unique ids, and answers with the reasoning they came with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tract.messages.fit_responses import Answers, Item, fit_answer, fit_responses
from tract.messages.form import Form
from tract.messages.mending import Piece, Step
from tract.messages.parts import Notes
from tract.messages.responses import write_responses
from tract.messages.writing import ListWriter, note_losses
from tract.objects.message_format import MessageFormat


class ItemWriter(ListWriter):
    format: MessageFormat = "responses"

    def __init__(self, form: Form, answers: Answers | None) -> None:
        super().__init__(form)
        self._answers = answers
        self._ids: dict[str, None] = {}  # of the items so far, in order
        self.state = (0, False)  # how many those are, and whether a reasoning item was left out at the end

    def take_back(self, items: int, state: Any) -> None:
        super().take_back(items, state)
        while len(self._ids) > state[0]:
            self._ids.popitem()

    def write(self, step: Step, notes: Notes, *, is_last: bool) -> None:
        self.extend(write_responses(self.summaries(step, notes), set(), notes))
        custom = {
            str(piece.message.raw.get("call_id"))
            for piece in step.answer
            if piece.message.raw.get("type") == "custom_tool_call"
        }
        answer, has_lost = self._without_doubles(self._written(step.answer, custom, notes), notes)
        kept = fit_answer(answer, self._answers, notes, has_lost=has_lost or self.state[1], rules=self.form.rules)
        rest, _ = self._without_doubles(self._written(step.rest, custom, notes), notes)
        self.extend(raw for item in (*kept, *rest) for raw in item.written(notes))
        is_torn = self.state[1] if not answer else bool(answer) and len(kept) < len(answer) and answer[-1].is_reasoning
        self.state = (len(self._ids), is_torn)

    def _written(self, pieces: Sequence[Piece], custom: set[str], notes: Notes) -> list[Item]:
        written: list[Item] = []
        for run in self.runs(pieces, notes):
            if isinstance(run, Piece):
                if run.message.is_error:
                    notes.lost(run.row, "is_error of a tool result")
                raw = self.own(run, notes)
                fit = None if raw is None else fit_responses(raw, run.row, notes)
                had_id = self.form.extras == "drop" or run.message.raw.get("id") is not None
                written += [] if fit is None else [Item(run.row, fit, own=True, had_id=had_id)]
            else:
                items = write_responses(run, custom, notes)
                written += [Item(run[0].index, item, own=False) for item in items]
                note_losses(run, notes)
        return written

    def _without_doubles(self, items: Sequence[Item], notes: Notes) -> tuple[list[Item], bool]:
        """The items, each with an id that no other item has, and whether a reasoning item was already present."""
        kept: list[Item] = []
        has_lost = False
        for item in items:
            id = item.raw.get("id")
            if not item.own or not isinstance(id, str):
                kept.append(item)
            elif id not in self._ids:
                self._ids[id] = None
                kept.append(item)
            elif item.is_reasoning:
                notes.add(item.index, "reasoning_left_out", f"{id!r}, which is there already")
                has_lost = True
            elif item.is_hosted:
                notes.add(item.index, "part_left_out", f"{item.kind} {id!r}, which is there already,")
            else:
                notes.add(item.index, "item_id_left_out", f"{id!r}, which is there already")
                item.drop_id(self.form.rules)
                kept.append(item)
        return kept, has_lost
