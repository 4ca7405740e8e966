"""The oracles find a fault that is put into the renderers, whichever it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, settings

from tests.messages.test_sending import FAULTS, HISTORIES, is_nothing
from tract.messages import anthropic_body, fit_anthropic, gemini, mending, render, responses_body, tool_names, writing
from tract.messages.message import Message
from tract.messages.tool_names import TARGETS


def first(*given: Any, **_: Any) -> Any:
    return given[0]


def second(*given: Any, **_: Any) -> Any:
    return given[1]


def yes(*_: Any, **__: Any) -> bool:
    return True


def no(*_: Any, **__: Any) -> bool:
    return False


SEEDED: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "unanswered calls stay so": (mending.Arrangement, "_is_unanswered", no),
    "orphans and doubles stay": (mending, "only_results", first),
    "ids stay as they are": (tool_names.CallIds, "give", second),
    "results keep their ids": (mending, "with_results_for", first),
    "late results stay": (mending.Arrangement, "_stays", yes),
    "chat is not fitted": (writing, "fit_openai", first),
    "items are not fitted": (responses_body, "fit_responses", first),
    "reasoning is torn": (responses_body, "fit_answer", first),
    "empty blocks stay": (fit_anthropic, "_is_whole", yes),
    "results come where they stood": (fit_anthropic, "_results_first", first),
    "answers end in thoughts": (fit_anthropic, "_without_last_thoughts", first),
    "white space stays": (anthropic_body, "_trim_end", no),
    "marks are not counted": (anthropic_body, "fit_anthropic_marks", first),
    "calls are not signed": (gemini, "_sign", no),
    "a provider's own calls are torn": (fit_anthropic, "_torn_server_tools", lambda *_, **__: set()),
    "parts of an answer are lost": (writing, "one_answer", lambda messages: messages[0]),
}
QUICK = settings(
    max_examples=20_000,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def is_refused(messages: list[Message]) -> bool:
    for target in TARGETS:
        value = render(messages, target).value
        if not is_nothing(value) and FAULTS[target](value, may_be_open=True):
            return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("name", SEEDED)
def test_a_seeded_fault_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, attribute, faulty = SEEDED[name]
    monkeypatch.setattr(place, attribute, faulty)

    assert find(HISTORIES, is_refused, settings=QUICK)
