"""Random edits of lists in formats that change between the calls: equal messages, calls with several results, empty texts, instructions in the middle, records beside."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.making import make_tract
from tract import ContentValidationError, RecordContent, Tract

JSON = dict[str, Any]
Step = list[JSON]
"""A message, or a call with all of its results: what a program moves and drops as one."""

FORMATS = ("openai", "responses", "anthropic", "gemini")
TEXTS = ("a", "a", "a", "b", "", " ", "longer")


def bodies(t: Tract) -> Iterator[tuple[str, Any]]:
    """What is sent of the context, in each format in which something can be."""
    context = t.compile()
    ways = (context.to_openai, context.to_openai_responses, context.to_anthropic, context.to_gemini)
    for format, way in zip(FORMATS, ways, strict=True):
        with suppress(ContentValidationError):
            yield format, way()


def listed(t: Tract, format: str) -> list[JSON] | None:
    body = dict(bodies(t)).get(format)
    return body["contents" if format == "gemini" else "messages"] if isinstance(body, dict) else body


def steps_of(messages: list[JSON]) -> list[Step]:
    steps: list[Step] = []
    for one in messages:
        kind = one.get("type")
        words = json.dumps(one)
        is_result = any(word in words for word in ("tool_result", "functionResponse", "function_response"))
        answers = one.get("role") == "tool" or kind == "function_call_output" or is_result
        goes_on = kind == "function_call" and steps and steps[-1][-1].get("type") in ("function_call", "reasoning")
        if steps and (answers or goes_on):
            steps[-1].append(one)
        else:
            steps.append([one])
    return steps


def gemini_step(rng: random.Random, name: str) -> Step:
    if rng.randrange(8) < 6:
        return [parts(rng.choice(TEXTS), rng.choice(("user", "model")))]
    ids = [f"{name}{nth}" for nth in range(rng.randrange(1, 4))]
    calls = [{"functionCall": {"id": id, "name": "look", "args": {"b": 1, "a": 2}}} for id in ids]
    outputs = [(id, {"output": rng.choice(TEXTS)}) for id in rng.sample(ids, len(ids))]
    results = [{"functionResponse": {"id": id, "name": "look", "response": output}} for id, output in outputs]
    return [{"role": "model", "parts": calls}, {"role": "user", "parts": results}]


def new_step(rng: random.Random, format: str, name: str) -> Step:
    if format == "gemini":
        return gemini_step(rng, name)
    kind = rng.randrange(8)
    if kind < 5 or (kind == 5 and format == "anthropic"):
        role, text = rng.choice(("user", "assistant")), rng.choice(TEXTS)
        content: Any = text
        if rng.random() < 0.3:
            part = {"anthropic": "text", "openai": "text", "responses": "input_text" if role == "user" else "output_text"}  # fmt: skip
            content = [{"type": part[format], "text": text}]
        return [{"role": role, "content": content}]
    if kind == 5:
        return [{"role": rng.choice(("system", "developer")), "content": f"rule {rng.randrange(3)}"}]
    ids = [f"{name}{nth}" for nth in range(rng.randrange(1, 4))]
    answered = rng.sample(ids, len(ids))
    if format == "responses":
        calls = [{"type": "function_call", "call_id": id, "name": "look", "arguments": "{}"} for id in ids]
        thought = [{"type": "reasoning", "id": f"rs_{name}", "summary": []}] if rng.random() < 0.3 else []
        results = [{"type": "function_call_output", "call_id": id, "output": rng.choice(TEXTS)} for id in answered]
        return [*thought, *calls, *results]
    if format == "anthropic":
        uses = [{"type": "tool_use", "id": id, "name": "look", "input": {"b": 1, "a": 2}} for id in ids]
        used = [{"type": "tool_result", "tool_use_id": id, "content": "seen"} for id in answered]
        return [{"role": "assistant", "content": uses}, {"role": "user", "content": used}]
    function = {"name": "look", "arguments": '{"b": 1, "a": 2}'}
    tool_calls = [{"id": id, "type": "function", "function": function} for id in ids]
    said = [{"role": "tool", "tool_call_id": id, "content": rng.choice(TEXTS)} for id in answered]
    return [{"role": "assistant", "content": rng.choice((None, "", "t")), "tool_calls": tool_calls}, *said]


def reworded(step: Step, text: str) -> Step:
    """*step* with other words where it has some."""
    for one in step:
        key = next((key for key in ("output", "parts") if key in one), "content")
        if isinstance(one.get(key), str):
            one[key] = text
            return step
        for part in one.get(key) or ():
            if "text" in part:
                part["text"] = text
                return step
    return step


def edited(rng: random.Random, messages: list[JSON], format: str, name: str) -> list[JSON]:
    first, *steps = steps_of(json.loads(json.dumps(messages)))
    for nth in range(rng.choice((1, 1, 1, 2, 3))):
        at, place = rng.randrange(len(steps) + 1), rng.randrange(len(steps) + 1)
        match rng.randrange(8):
            case 0 | 1:
                steps.append(new_step(rng, format, f"{name}_{nth}_"))
            case 2:
                steps[at:at] = [new_step(rng, format, f"{name}_{nth}_")]
            case 3 if at < len(steps):
                steps[at] = reworded(steps[at], rng.choice(TEXTS))
            case 4:
                del steps[at : at + rng.randrange(1, 3)]
            case 5:
                del steps[at:]
            case 6 if at < len(steps) and len(steps[at]) == 1 and "role" in steps[at][0]:
                steps.insert(place, json.loads(json.dumps(steps[at])))
            case _:
                steps[at:at], steps[place : place + 1] = steps[place : place + 1], []
    return [one for step in (first, *steps) for one in step]


def said(messages: list[JSON] | None) -> list[Any] | None:
    """What a list says, however its texts are cut into parts and messages of one role."""
    found: list[Any] = []
    for one in messages or ():
        content = one.get("parts", one.get("content"))
        for part in [{"text": content}] if isinstance(content, str) else content or ():
            if part.keys() - {"type"} != {"text"}:
                found.append((one.get("role"), part))
            elif part["text"].strip():
                found.append((one.get("role"), part["text"]))
        rest = {key: value for key, value in one.items() if key not in ("role", "content", "parts")}
        found += [rest] if rest and rest != {"type": "message"} else []
    return None if messages is None else found


def check_edits(seed: int, count: int) -> None:
    rng, t = random.Random(seed), make_tract()
    format, messages = rng.choice(FORMATS), [{"role": "user", "content": "start"}]
    messages = [parts("start")] if format == "gemini" else messages
    t.record(messages, format=format)
    for number in range(count):
        if rng.random() < 0.15:
            other = rng.choice(FORMATS)
            if now := listed(t, other):
                format, messages = other, now
        if rng.random() < 0.1:
            t.commit(RecordContent("beside", {"n": number}))
        messages = edited(rng, messages[:30], format, f"c{number}")
        before = sum(1 for _ in t.repository.refs.history())

        made = t.record(messages, format=format)

        after = sum(1 for _ in t.repository.refs.history())
        assert after - before == (made.kind != "unchanged"), (seed, number)
        fresh = make_tract()
        fresh.record(messages, format=format)
        assert said(listed(fresh, format)) == said(listed(t, format)), (seed, number, format)
        again = [t.record(messages, format=format).kind for _ in range(4)]  # it may drop what nobody is shown
        assert "unchanged" == again[-1], (seed, number, format)
        for other, body in bodies(t) if number % 5 == 0 else ():
            assert "unchanged" == t.record(body, format=other).kind, (seed, number, other)


@pytest.mark.parametrize("seed", [0, 1, 2, 74])
def test_the_context_is_the_list_in_whatever_format_it_came_last(seed):
    check_edits(seed, 20)


@pytest.mark.slow
def test_after_four_thousand_edits_in_changing_formats_the_context_is_the_list():
    for seed in (*range(1000, 1070), *range(1100, 1170)):
        check_edits(seed, 30)


def text(words: str, role: str = "user") -> JSON:
    return {"role": role, "content": words}


def parts(words: str, role: str = "user") -> JSON:
    return {"role": role, "parts": [{"text": words}]}


def test_what_stands_behind_a_message_that_nobody_is_shown_can_be_dropped():
    t = make_tract()
    call = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
    t.extend([text("b"), call], format="responses")
    t.extend([text(" "), text("a")])

    messages = t.compile().to_anthropic()["messages"]
    dropped = t.record(messages[:2], format="anthropic")

    assert 2 == len(dropped.dropped)
    assert messages[:2] == t.compile().to_anthropic()["messages"]


@pytest.mark.parametrize("times", [1, 2, 3])
def test_messages_that_nobody_is_shown_are_not_recorded_again_and_again(times):
    t = make_tract()
    t.record([parts("start"), *[parts("")] * times], format="gemini")

    for _ in range(3):
        assert "unchanged" == t.record([parts("start"), parts("")], format="gemini").kind


def test_results_without_their_calls_are_not_recorded_again_and_again():
    response = {"name": "look", "response": {"output": "seen"}}
    results = {"role": "user", "parts": [{"functionResponse": {**response, "id": id}} for id in ("1", "2")]}
    messages = [parts("start"), parts("a", "model"), results, parts(" ")]
    t = make_tract()
    t.record([*messages, parts(" ")], format="gemini")
    t.commit(text("b"))

    made = [t.record([*messages, parts("b")], format="gemini").kind for _ in range(3)]

    assert ["unchanged"] * 2 == made[1:]
    assert 1 == [message.content for message in t.compile().messages].count("b")


def test_a_thought_moves_with_its_call():
    def step(id: str) -> list[JSON]:
        call = {"type": "function_call", "call_id": id, "name": "look", "arguments": "{}"}
        thought = {"type": "reasoning", "id": f"rs_{id}", "summary": []}
        return [thought, call, {"type": "function_call_output", "call_id": id, "output": "seen"}]

    t = make_tract()
    t.record([text("start"), *step("1"), *step("2"), text("b")], format="responses")
    ids = [*t.compile().commit_hashes]
    now = [text("start"), *step("2"), *step("1"), text("b")]

    moved = t.record(now, format="responses")

    assert (3, 0, 1) == (len(moved.moved), len(moved.dropped), len(moved.commits))
    assert [ids[0], *ids[4:7], *ids[1:4], ids[7]] == [*t.compile().commit_hashes]
    assert now == t.compile().to_openai_responses()


CALL_IN: dict[str, Step] = {
    "responses": [
        {"type": "function_call", "call_id": "x", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "x", "output": "seen"},
    ],
    "anthropic": [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "x", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": "seen"}]},
    ],
}  # fmt: skip


def test_a_thought_and_its_call_in_the_place_of_other_answers_are_both_shown():
    t = make_tract()
    t.record([text("start"), text("a", "assistant"), text("b", "assistant")], format="responses")
    call = {"type": "function_call", "call_id": "x", "name": "look", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "x", "output": "seen"}
    now = [text("start"), {"type": "reasoning", "id": "rs_1", "summary": []}, call, result, text("b", "assistant")]

    t.record(now, format="responses")

    assert now == t.compile().to_openai_responses()


@pytest.mark.parametrize("format", ["openai", "responses"])
def test_a_result_that_was_made_up_stays_before_what_a_list_has_behind_it(format):
    t = make_tract()
    call = {"type": "function_call", "call_id": "x", "name": "look", "arguments": "{}"}
    t.extend([text("start"), call, text("b")], format="responses")
    shown = listed(t, format) or []
    now = [*shown[:-1], text("a", "assistant"), shown[-1]]

    t.record(now, format=format)

    assert now == listed(t, format)
    assert "unchanged" == t.record(now, format=format).kind


@pytest.mark.parametrize("change", ["drop", "replace", "move", "edit"])
@pytest.mark.parametrize("format", CALL_IN)
def test_a_call_that_has_an_id_for_the_second_time_has_the_one_of_the_list(format, change):
    """The second is shown as x_2, also when the first is not before it any more."""
    step = json.loads(json.dumps(CALL_IN[format]))
    t = make_tract()
    t.extend([text("start"), *step, text("a"), *step, text("b")], format=format)
    first, *steps = steps_of(listed(t, format) or [])
    steps = {
        "drop": steps[1:],
        "replace": [steps[1], steps[2], [text("c")], *steps[3:]],
        "move": [*steps[2:], *steps[:2]],
        "edit": [json.loads(json.dumps(steps[0]).replace('"x"', '"y"')), *steps[1:]],
    }[change]
    now = [one for step in (first, *steps) for one in step]

    t.record(now, format=format)

    assert now == listed(t, format)
    assert "unchanged" == t.record(now, format=format).kind


@pytest.mark.parametrize("behind", [[], [text("", "assistant")], [text("", "assistant"), text(" ", "assistant")]])
def test_an_empty_answer_at_the_end_is_recorded_once(behind):
    empty = {"role": "assistant", "content": [{"type": "text", "text": ""}]}
    t = make_tract()
    t.record([text("start"), empty], format="anthropic")
    messages = [text("start"), text("a", "assistant"), empty, *behind]

    made = [t.record(messages, format="anthropic").kind for _ in range(3)]

    assert ["appended", "unchanged", "unchanged"] == made
    assert 1 + len(messages) == len(t.compile())


@pytest.mark.parametrize("format", FORMATS[:3])
def test_an_empty_message_twice_is_two(format):
    t = make_tract()
    t.record([text("start"), text("")], format=format)

    t.record([text("start"), text(""), text("")], format=format)

    assert 3 == t.status().commit_count
    assert "unchanged" == t.record([text("start"), text(""), text("")], format=format).kind
