"""Responses items, changed only where the API would refuse them; everything else stays as it was committed.

    assistant's message   id msg_…   parts: output_text refusal
    other messages                   parts: input_text input_image input_file input_audio
    reasoning             id rs_…    summary  encrypted_content  (content)     no status
    function_call         id fc_…    call_id  name  arguments
    custom_tool_call      id ctc_…   call_id  name  input

A reasoning item is followed at once by an item of its answer, or it is left out; an item whose reasoning item is missing loses its ``id``.
docs/sending.md has the rules (8, 9 and 11 to 17).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from tract.messages.parts import ITEM_ROLES, Notes, known_role
from tract.messages.tool_names import fitting_name
from tract.messages.values import compact_json, json_or_text
from tract.objects.message_format import JSON

_REFUSED_KEYS = frozenset({"parsed", "parsed_arguments", "metadata", "usage", "stop_reason", "cache_control"})
_REFUSED_OF_REASONING = _REFUSED_KEYS | {"status"}
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_BEGINNINGS = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}
_HOSTED = frozenset(
    {"web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call"}
)
STAND_ONCE = _HOSTED | {"reasoning"}
"""Items that are not sent a second time, because they need their id and an id may stand only once."""
_NEED_IDS = frozenset({"computer_call", "local_shell_call", "local_shell_call_output"})
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})
_TEXTS = frozenset({"input_text", "output_text", "text", "summary_text"})


class Answers(Protocol):
    """The answers that items belonged to when they were recorded, by the numbers of their messages."""

    def follows(self, row: int, reasoning: int) -> bool:
        """Whether item *row* was recorded directly behind the reasoning item *reasoning*."""

    def reasoning_of(self, row: int) -> int | None:
        """The row of the reasoning item before item *row* in its recorded answer: -1 if that item is not in the context, None if there was none."""


class Item:
    """An item on its way out, made of message *index*; *own* if it was an item before, and *had_id* if that item had an id."""

    __slots__ = ("had_id", "index", "own", "raw")

    def __init__(self, index: int, raw: Mapping[str, JSON], *, own: bool, had_id: bool = False) -> None:
        self.index = index
        self.raw = raw
        self.own = own
        self.had_id = had_id

    @property
    def kind(self) -> str:
        return str(self.raw.get("type", "message"))

    @property
    def is_reasoning(self) -> bool:
        return self.own and self.kind == "reasoning"

    @property
    def is_hosted(self) -> bool:
        """Whether the item is a call that the provider answered itself; such a call cannot be sent without its id."""
        return self.kind in _HOSTED

    def drop_id(self, rules: int) -> None:
        """Remove the id; an item that needs one because others answer it gets a new, unique id."""
        id = {"id": f"{self.raw['id']}_{self.index}"} if self.kind in _NEED_IDS and rules > 1 else {}
        self.raw = {key: value for key, value in self.raw.items() if key != "id"} | id

    def written(self, notes: Notes) -> list[Mapping[str, JSON]]:
        """The items to send for this one: an item that lost its id is sent in the form that needs none."""
        if not self.own or not self.had_id or "id" in self.raw:
            return [self.raw]
        if self.is_hosted:
            notes.add(self.index, "part_left_out", f"{self.kind}, which cannot be without its id,")
            return []
        content = self.raw.get("content")
        if self.kind != "message" or self.raw.get("role") != "assistant" or not isinstance(content, list | tuple):
            return [self.raw]
        more = {"phase": self.raw["phase"]} if "phase" in self.raw else {}
        texts = [str(part.get("text") or part.get("refusal") or "") for part in content]
        return [{"role": "assistant", "content": text, **more} for text in texts]


def fit_responses(raw: Mapping[str, JSON], index: int, notes: Notes) -> Mapping[str, JSON] | None:
    """Item *index*, *raw*, in a form that the API takes; None if nothing in it can be sent."""
    kind = str(raw.get("type", "message"))
    if kind == "item_reference":
        return raw
    refused = _REFUSED_OF_REASONING if kind == "reasoning" else _REFUSED_KEYS
    dropped = [
        key for key, value in raw.items() if (value is None and key not in ("output", "content")) or key in refused
    ]
    if raw.get("content", "") is None and kind != "message":
        dropped.append("content")
    fit = {key: value for key, value in raw.items() if key not in dropped} if dropped else dict(raw)
    _fit_id(fit, kind, index, notes)
    match kind:
        case "message":
            _fit_message(fit, index, notes)
        case "reasoning":
            fit.setdefault("summary", [])
        case "function_call":
            if not isinstance(raw.get("arguments"), str):
                fit["arguments"] = "{}" if raw.get("arguments") is None else json_or_text(raw["arguments"])
                notes.add(index, "value_changed", "arguments to their JSON")
            fit["name"] = fitting_name(str(raw.get("name") or ""), "responses", index, notes)
        case "custom_tool_call":
            if not isinstance(raw.get("input"), str):
                fit["input"] = json_or_text(raw["input"]) if raw.get("input") is not None else ""
                notes.add(index, "value_changed", "input to its JSON")
            fit["name"] = fitting_name(str(raw.get("name") or ""), "responses", index, notes)
        case _ if kind in _OUTPUTS:
            fit["output"] = _fit_output(raw.get("output"), index, notes)
    if dropped:
        notes.add(index, "keys_left_out", ", ".join(dropped))
    return _whole(raw, fit, kind, index, notes)


def _whole(
    raw: Mapping[str, JSON], fit: dict[str, JSON], kind: str, index: int, notes: Notes
) -> Mapping[str, JSON] | None:
    if kind == "message" and fit.get("content") is None:
        notes.add(index, "message_left_out", "it has no content")
        return None
    if kind == "reasoning" and "id" not in fit:
        notes.add(index, "reasoning_left_out", "it has no id")
        return None
    return raw if fit.keys() == raw.keys() and all(fit[key] is value for key, value in raw.items()) else fit


def _fit_id(fit: dict[str, JSON], kind: str, index: int, notes: Notes) -> None:
    """Leave out an id that the API would not accept for this kind of item."""
    id = fit.get("id")
    beginning = _BEGINNINGS.get(kind)
    if id is None or beginning is None:
        return
    if not isinstance(id, str) or not id.startswith(beginning) or not _ID.fullmatch(id):
        notes.add(index, "item_id_left_out", f"{id!r:.80} is none of a {kind}")
        del fit["id"]


def _fit_message(fit: dict[str, JSON], index: int, notes: Notes) -> None:
    role = fit.get("role")
    if not isinstance(role, str) or role not in ITEM_ROLES:
        fit["role"] = known = known_role(role)
        notes.add(index, "unknown_role", f"{role!r}, sent as {known!r}")
    content = fit.get("content")
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list | tuple):
        fit["content"] = compact_json(content)
        notes.add(index, "value_changed", "content that is not text to JSON")
        return
    parts = [_fit_part(part, fit["role"], index, notes) for part in content]
    kept = [part for part in parts if part is not None]
    if len(kept) != len(content) or any(new is not old for new, old in zip(kept, content, strict=True)):
        fit["content"] = kept
    if not kept:
        fit["content"] = None


def _fit_part(part: JSON, role: str, index: int, notes: Notes) -> JSON:
    """The part in the form for a message of *role*: output parts for an assistant, input parts for all others."""
    kind_of_text = "output_text" if role == "assistant" else "input_text"
    if isinstance(part, str):
        notes.add(index, "value_changed", f"a bare text to a part of type '{kind_of_text}'")
        return {"type": kind_of_text, "text": part}
    if not isinstance(part, Mapping):
        notes.add(index, "part_left_out", f"a part that is not an object: {part!r:.40}")
        return None
    kind = str(part.get("type"))
    fit: dict[str, JSON] = {key: value for key, value in part.items() if value is not None and key not in _REFUSED_KEYS}
    if len(fit) != len(part):
        notes.add(index, "keys_left_out", ", ".join(key for key in part if key not in fit))
    if kind in _TEXTS and kind != kind_of_text:
        fit = {"type": kind_of_text, "text": str(fit.get("text", ""))}
        notes.add(index, "value_changed", f"{kind} to {kind_of_text}")
    elif kind == "refusal" and role != "assistant":
        fit = {"type": kind_of_text, "text": str(fit.get("refusal", ""))}
        notes.add(index, "value_changed", f"refusal to {kind_of_text}")
    elif role == "assistant" and kind.startswith("input_"):
        notes.add(index, "part_left_out", f"{kind} in a message of the assistant")
        return None
    return part if fit == part else fit


def _fit_output(output: JSON, index: int, notes: Notes) -> JSON:
    if isinstance(output, str):
        return output
    if isinstance(output, list | tuple):
        parts = [_fit_part(part, "user", index, notes) for part in output]
        kept = [part for part in parts if part is not None]
        is_same = len(kept) == len(output) and all(new is old for new, old in zip(kept, output, strict=True))
        return (output if is_same else kept) if kept else ""
    notes.add(index, "value_changed", "output that is not a text to a text")
    return "" if output is None else compact_json(output)


# Answers


def fit_answer(
    items: Sequence[Item], answers: Answers | None, notes: Notes, *, has_lost: bool, rules: int
) -> list[Item]:
    """The items of one answer, without reasoning items that lost the item behind them, and without ids of items that lost their reasoning.

    *has_lost* if a reasoning item was left out before them; in rules 2 and older, one that was left out behind an item counts too.
    """
    left_out: set[int] = set()
    kept: list[Item] = []
    for item in reversed(items):
        if item.is_reasoning and not _has_follower(item, kept[-1] if kept else None, answers):
            notes.add(item.index, "reasoning_left_out", f"{item.raw.get('id')!r}, for the item behind it is not there")
            left_out.add(item.index)
        else:
            kept.append(item)
    kept.reverse()
    has_lost = has_lost or (rules < 3 and bool(left_out))
    reasoning: set[int] = set()
    for item in items:
        if item.is_reasoning and item.index in left_out:
            has_lost = True
        elif item.is_reasoning:
            reasoning.add(item.index)
        elif item.own and "id" in item.raw and _has_lost_reasoning(item, reasoning, answers, has_lost=has_lost):
            notes.add(item.index, "item_id_left_out", f"{item.raw['id']!r}, for its reasoning is not there")
            item.drop_id(rules)
    return kept


def _has_lost_reasoning(item: Item, reasoning: set[int], answers: Answers | None, *, has_lost: bool) -> bool:
    """Whether the item's recorded reasoning item is not among those before it in its answer."""
    if not reasoning and has_lost:
        return True
    came_with = None if answers is None else answers.reasoning_of(item.index)
    return came_with is not None and came_with not in reasoning


def _has_follower(item: Item, behind: Item | None, answers: Answers | None) -> bool:
    if behind is None:
        return False
    return answers is None or not behind.own or answers.follows(behind.index, item.index)
