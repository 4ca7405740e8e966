"""What hidden calls and results take along, by the page's section "What a model is shown"."""

from __future__ import annotations

from typing import Any

_ANSWERED = frozenset({
    *("function_call", "custom_tool_call", "computer_call", "local_shell_call"),
    *("shell_call", "apply_patch_call", "tool_search_call", "program"),
})  # fmt: skip
_TEXTS = frozenset(("function_call", "custom_tool_call", "program", ""))


class Said:
    """A message of a context: its calls and results as ``(id, kind)``, and what of them is hidden."""

    def __init__(self, value: dict[str, Any]) -> None:
        self.value = value
        self.calls, self.results = _tools(value)
        self.is_hidden = False
        self.gone: tuple[set[int], set[int]] = (set(), set())


def shown(values: list[dict[str, Any]], hidden: list[bool]) -> list[dict[str, Any] | None]:
    """The values as a model is shown them, None for those that it is not."""
    said = [Said(value) for value in values]
    other = _pairs(said)
    work = [at for at, is_hidden in enumerate(hidden) if is_hidden]
    while work:
        one = said[at := work.pop()]
        if one.is_hidden:
            continue
        one.is_hidden = True
        for side, ids in enumerate((one.calls, one.results)):
            for number in range(len(ids)):
                half = other.get((at, side, number))
                if half is not None:
                    there, its_side, place = half
                    said[there].gone[its_side].add(place)
                    if _without(said[there]) is None:
                        work.append(there)
    return [None if one.is_hidden else _without(one) if any(one.gone) else one.value for one in said]


def _tools(value: dict[str, Any]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    match value:
        case {"content_type": "tool_io"}:
            id = (value.get("call_id") or f"call_{value['tool_name']}", "")
            return ([id], []) if value["direction"] == "call" else ([], [id])
        case {"content_type": "message", "format": "openai", "message": {"role": "tool", "tool_call_id": id}}:
            return [], [(id, "")]
        case {"content_type": "message", "format": "openai", "message": {"role": "assistant", "tool_calls": calls}}:
            return [(call["id"], "") for call in calls or () if "function" in call or "custom" in call], []
        case {"content_type": "message", "format": "anthropic", "message": {"role": role, "content": list(blocks)}}:
            uses = [(one["id"], "") for one in blocks if role == "assistant" and one["type"] == "tool_use"]
            return uses, [(one["tool_use_id"], "") for one in blocks if role == "user" and one["type"] == "tool_result"]
        case {"content_type": "message", "format": "responses", "message": {"type": kind, "call_id": id}}:
            if kind.endswith("_output"):
                return [], [(id, kind.removesuffix("_output"))]
            return ([(id, kind)] if kind in _ANSWERED else []), []
    return [], []


def _pairs(said: list[Said]) -> dict[tuple[int, int, int], tuple[int, int, int]]:
    """The other half of each call (side 0) and result (side 1), by its message and its place in that."""
    other: dict[tuple[int, int, int], tuple[int, int, int]] = {}
    answer: list[tuple[int, int]] = []
    over: list[tuple[int, int]] = []
    came_between = False
    for at, one in enumerate(said):
        is_answer = _is_answer(one)
        if not one.results and (not is_answer or came_between):
            over, answer = over + answer, []
        came_between = bool(one.results) or (came_between and not is_answer)
        for number, (id, kind) in enumerate(one.results):
            for waiting in (answer, over):
                call = next((where for where in waiting if _fits(said[where[0]].calls[where[1]], id, kind)), None)
                if call is not None:
                    waiting.remove(call)
                    other[(*(call[0], 0, call[1]),)] = (at, 1, number)
                    other[at, 1, number] = (call[0], 0, call[1])
                    break
        answer += [(at, number) for number in range(len(one.calls))]
        if one.results and _has_more(one.value):
            over, answer = over + answer, []
    return other


def _fits(call: tuple[str, str], id: str, kind: str) -> bool:
    return call[0] == id and (call[1] == kind or {call[1], kind} <= _TEXTS)


def _is_answer(one: Said) -> bool:
    value = one.value
    match value:
        case {"content_type": "message", "message": {"role": role}}:
            return bool(role == "assistant")
        case {"content_type": "message", "format": "responses"}:
            return not one.results
        case {"content_type": "dialogue", "role": role}:
            return bool(role == "assistant")
        case {"content_type": "tool_io"}:
            return bool(one.calls)
    return value.get("content_type") not in ("instruction", "session")


def _has_more(value: dict[str, Any]) -> bool:
    match value:
        case {"content_type": "message", "format": "anthropic", "message": {"content": list(blocks)}}:
            return any(block["type"] != "tool_result" for block in blocks)
    return False


def _without(one: Said) -> dict[str, Any] | None:
    """The value without what is gone of it; None where nothing is left."""
    calls, results = one.gone
    match one.value:
        case {"content_type": "message", "format": "openai", "message": {"role": "assistant"} as raw}:
            kept = [call for at, call in enumerate(raw["tool_calls"]) if at not in calls]
            left = {key: kept if key == "tool_calls" else item for key, item in raw.items()}
            if not kept:
                del left["tool_calls"]
            says = kept or any(left.get(key) for key in ("content", "function_call", "refusal", "audio"))
            return {**one.value, "message": left} if says else None
        case {"content_type": "message", "format": "anthropic", "message": {"content": list(blocks)} as raw}:
            numbers = {"tool_use": iter(range(len(blocks))), "tool_result": iter(range(len(blocks)))}
            gone = {"tool_use": calls, "tool_result": results}
            kept = [one for one in blocks if not (one["type"] in numbers and next(numbers[one["type"]]) in gone[one["type"]])]  # fmt: skip
            says = any(block["type"] not in ("thinking", "redacted_thinking") for block in kept)
            return {**one.value, "message": {**raw, "content": kept}} if says else None
    return None
