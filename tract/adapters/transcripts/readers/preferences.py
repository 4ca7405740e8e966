"""Sets of preferences, and other sets of one question and its answers, as training programs read them.

    {"prompt": messages or text, "chosen": …, "rejected": …}                                       TRL
    {"input": {"messages", "tools"}, "preferred_output": […], "non_preferred_output": […]}          OpenAI's fine-tuning
    {"conversations": […], "chosen": {…}, "rejected": {…}}                                         LLaMA-Factory, ShareGPT's items
    {"instruction", "input", "output", "system", "history": [[question, answer]], "chosen", "rejected"}   LLaMA-Factory, Alpaca's
    {"instruction", "context", "response"}   {"prompt", "completion" | "response"}                 Dolly's, TRL's of a question and its answer
    {"question_id", "turns": [text, …]} or {"question_id", "text"}                                  MT-Bench's and Vicuna's questions, the user's turns
    {"question_id", "answer_id", "choices": [{"turns": [text, …]}]}                                 MT-Bench's answers

The preferred answer ends the main line, the other one a branch that shares the messages before it.
``chosen`` may be the whole conversation, and then so is ``rejected``: their common beginning is shared.
Source: TRL's dataset formats, LLaMA-Factory's ``data/README.md``, FastChat's ``llm_judge``.
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Branch, Conversation, Found, Report
from tract.adapters.transcripts.formats import decide_format, is_message, message_flaw
from tract.adapters.transcripts.readers.messages import keep_beside, message_turn
from tract.adapters.transcripts.readers.sharegpt import is_sharegpt_item, sharegpt_messages
from tract.named_tuple import NamedTuple
from tract.objects.json import same_json
from tract.objects.message_format import JSON

_GIVEN = ("input", "context")
"""What is given with an instruction."""

_PAIRS = (("chosen", "rejected"), ("preferred_output", "non_preferred_output"))


class _Set(NamedTuple):
    before: list[JSON]
    ends: list[list[JSON]]
    used: frozenset[str]


def is_preference(value: JSON) -> bool:
    """Whether *value* is one row of such a set."""
    return isinstance(value, dict) and _read(value) is not None


def read_preference(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The row as a conversation of one line for each answer."""
    (value,) = found.values
    row = _read(value)
    line = found.line(0)
    if row is None:
        return
    for message in [*row.before, *(one for end in row.ends for one in end)]:
        if (problem := message_flaw(message, "openai")) is not None:
            report(line, f"{found.place or name}: {problem}")
            return
    format = decide_format([*row.before, *(one for end in row.ends for one in end)])
    before = [message_turn(one, format, line) for one in row.before]
    branches: list[Branch] = []
    for number, end in enumerate(row.ends, 1):
        turns = (*before, *(message_turn(one, format, line) for one in end))
        shared = len(before) if number > 1 else 0
        branches.append(Branch("main" if number == 1 else f"main-{number}", turns, shared, 0 if shared else None))
    if not any(branch.turns for branch in branches):
        report(line, f"{found.place or name}: no message in it")
        return
    beside = {key: one for key, one in value.items() if key not in row.used}
    for key in ("system", "history", *_GIVEN) if "instruction" in value else ():
        if beside.get(key):
            report(
                line,
                f"{found.place or name}: '{key}' is no text, or has what is none, and is whole only in the metadata",
            )
    yield Conversation(name, tuple(branches), keep_beside(beside, found.place, line, report, limit=1 << 20))


def _read(value: dict[str, JSON]) -> _Set | None:
    for chosen, rejected in _PAIRS:
        if chosen in value and rejected in value:
            return _pair(value, chosen, rejected)
    if isinstance(value.get("instruction"), str):
        answer = next((key for key in ("output", "response") if isinstance(value.get(key), str)), None)
        if answer is not None:
            messages, used = _alpaca(value)
            return _Set(messages, [_said("assistant", value[answer])], used | {answer})
    for answer in ("completion", "response"):
        if isinstance(value.get("prompt"), (str, list)) and answer in value:
            before, end = _messages(value["prompt"], "user"), _messages(value[answer], "assistant")
            return None if before is None or end is None else _Set(before, [end], frozenset({"prompt", answer}))
    if "question_id" in value and (asked := _texts(value.get("turns") or [value.get("text")])):
        return _Set([], [[_one("user", text) for text in asked]], frozenset({"turns", "text"}))
    if "answer_id" in value and isinstance(value.get("choices"), list):
        answered = [_texts(choice.get("turns")) for choice in value["choices"] if isinstance(choice, dict)]
        if answered and all(answered):
            return _Set([], [[_one("assistant", text) for text in each] for each in answered], frozenset({"choices"}))
    return None


def _texts(value: JSON) -> list[str]:
    """The texts of a list that has only texts; empty for any other value."""
    return value if isinstance(value, list) and all(isinstance(one, str) for one in value) else []


def _pair(value: dict[str, JSON], chosen: str, rejected: str) -> _Set | None:
    before, used = _before(value)
    ends = [_messages(value[chosen], "assistant"), _messages(value[rejected], "assistant")]
    if before is None or any(end is None for end in ends):
        return None
    first, second = (end or [] for end in ends)
    shared = next(
        (at for at, (one, other) in enumerate(zip(first, second, strict=False)) if not same_json(one, other)),
        min(len(first), len(second)),
    )
    if before and first[: len(before)] == before:  # the answers have the question in them
        before, shared = [], max(shared, len(before))
    return _Set([*before, *first[:shared]], [first[shared:], second[shared:]], used | {chosen, rejected})


def _before(value: dict[str, JSON]) -> tuple[list[JSON] | None, frozenset[str]]:
    """The messages before the answers; None if that is neither a list of messages nor a text."""
    given = value.get("input")
    if isinstance(given, dict):
        return _messages(given.get("messages"), "user"), frozenset()
    if isinstance(value.get("instruction"), str):
        return _alpaca(value)
    for key in ("prompt", "conversations", "messages", "question"):
        if key in value:
            return _messages(value[key], "user"), frozenset({key})
    return [], frozenset()


def _alpaca(value: dict[str, JSON]) -> tuple[list[JSON], frozenset[str]]:
    """The question with what goes before it, and the keys of which all is in it."""
    history, text, used = value.get("history"), value["instruction"], {"instruction"}
    messages: list[JSON] = []
    if isinstance(value.get("system"), str):
        messages += _said("system", value["system"])
        used.add("system")
    if isinstance(history, list):
        pairs = [pair for pair in history if len(_texts(pair)) == 2]
        messages += [one for pair in pairs for one in (*_said("user", pair[0]), *_said("assistant", pair[1]))]
        used.update({"history"} if len(pairs) == len(history) else ())
    for key in _GIVEN:
        if isinstance(given := value.get(key), str):
            text = f"{text}\n{given}" if given else text
            used.add(key)
    return [*messages, *_said("user", text)], frozenset(used)


def _messages(value: JSON, role: str) -> list[JSON] | None:
    if isinstance(value, str):
        return _said(role, value)
    items: list[JSON] = [value] if isinstance(value, dict) else value if isinstance(value, list) else []
    if items and all(map(is_sharegpt_item, items)):
        return sharegpt_messages(items)
    return list(items) if items and all(map(is_message, items)) else None


def _said(role: str, text: JSON) -> list[JSON]:
    return [_one(role, text)] if isinstance(text, str) and text else []


def _one(role: str, text: str) -> dict[str, JSON]:
    return {"role": role, "content": text}
