"""The operations as tool definitions of each provider."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.making import make_tract
from tract import EstimateTokenCounter, ToolExecutor, operations
from tract.errors import ActionError

READ = {"status", "health", "log", "show", "compile", "diff", "blame", "search"}
SELF = READ | {"commit", "edit", "annotate", "tag", "branch", "switch", "compress", "expand", "merge", "record_usage"}
SUPERVISOR = SELF | {"cherry_pick", "revert", "reorder", "restore", "spawn", "collapse", "reset"}
FULL = SUPERVISOR | {"gc", "undo", "archive", "divert"}
PROFILES = {"read": READ, "self": SELF, "supervisor": SUPERVISOR, "full": FULL}


def named(tools: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["function"]["name"]: one["function"] for one in tools}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_offers_its_operations_and_no_other(profile: Any) -> None:
    assert PROFILES[profile] == set(named(make_tract().as_tools(profile=profile)))


def test_only_the_full_profile_offers_a_hard_reset() -> None:
    t = make_tract()

    assert "mode" not in named(t.as_tools(profile="supervisor"))["reset"]["parameters"]["properties"]
    assert "mode" in named(t.as_tools(profile="full"))["reset"]["parameters"]["properties"]


def test_openais_schemas_are_ready_for_strict_mode() -> None:
    for tool in named(make_tract().as_tools(profile="full")).values():
        schema = tool["parameters"]
        assert tool["strict"] is True
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])
        operation = next(one for one in operations() if one.name == tool["name"])
        for argument in operation.arguments:
            is_nullable = "null" in schema["properties"][argument.name]["type"]
            assert is_nullable is not argument.required
            if argument.choices and not argument.required:
                assert None in schema["properties"][argument.name]["enum"]


def test_each_format_is_the_providers_own() -> None:
    t = make_tract()

    assert {"type", "function"} == set(t.as_tools(format="openai")[0])
    assert {"type", "name", "description", "parameters", "strict"} == set(t.as_tools(format="responses")[0])
    assert {"name", "description", "input_schema"} == set(t.as_tools(format="anthropic")[0])
    (gemini,) = t.as_tools(format="gemini")
    assert "additionalProperties" not in json.dumps(gemini)
    assert len(gemini["functionDeclarations"]) == len(t.as_tools())


def test_descriptions_are_overridden_and_tools_left_out() -> None:
    tools = named(make_tract().as_tools(overrides={"commit": "Take a note.", "merge": None}))

    assert "Take a note." == tools["commit"]["description"]
    assert "merge" not in tools
    assert set(named(make_tract().as_tools())) - {"merge"} == set(tools)


@pytest.mark.parametrize(
    "wrong", [{"profile": "all"}, {"format": "xml"}, {"overrides": {"gc": "x"}}, {"overrides": {"nope": None}}]
)
def test_what_is_not_there_is_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ActionError):
        make_tract().as_tools(**wrong)


def test_definitions_stay_within_their_size() -> None:
    count = EstimateTokenCounter().count
    sizes = {
        profile: count(json.dumps(make_tract().as_tools(profile=profile), separators=(",", ":")))  # type: ignore[arg-type]
        for profile in PROFILES
    }

    assert sizes["read"] < 1000
    assert sizes["self"] < 2200
    assert sizes["full"] < 3200


def test_a_prefix_stands_before_each_name_and_the_executor_takes_it_off() -> None:
    t = make_tract("a")
    names = set(named(t.as_tools(prefix="tract_")))
    run = ToolExecutor(t, prefix="tract_")

    assert {"tract_" + name for name in SELF} == names
    assert run.execute("tract_status").success
    assert "all begin with 'tract_'" in str(run.execute("status").error)
    assert "tract_status" == run.execute("tract_status").tool_name
    for wrong in ("a b", "1x", "é", "x" * 50):
        with pytest.raises(ActionError):
            t.as_tools(prefix=wrong)
        with pytest.raises(ActionError):
            ToolExecutor(t, prefix=wrong)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_sdks_own_types_take_the_definitions(profile: Any) -> None:
    pydantic = pytest.importorskip("pydantic")
    chat, responses = pytest.importorskip("openai.types.chat"), pytest.importorskip("openai.types.responses")
    anthropic, genai = pytest.importorskip("anthropic.types"), pytest.importorskip("google.genai.types")
    t = make_tract()
    formats: dict[Any, Any] = {
        "openai": chat.ChatCompletionToolParam,
        "responses": responses.FunctionToolParam,
        "anthropic": anthropic.ToolParam,
    }

    for format, kind in formats.items():
        for tool in t.as_tools(profile=profile, format=format):
            assert tool == pydantic.TypeAdapter(kind).validate_python(tool)
    (tool,) = t.as_tools(profile=profile, format="gemini")
    assert len(PROFILES[profile]) == len(genai.Tool.model_validate(tool).function_declarations)
