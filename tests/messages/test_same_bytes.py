"""A context renders to the same bytes in every process: a provider's prompt cache depends on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRINT = """
import json, sys
from tract import Tract

with Tract.open(sys.argv[1]) as t:
    context = t.compile()
    for cache in (None, "auto"):
        print(json.dumps([context.to_openai(cache=cache), context.to_anthropic(cache=cache)]))
    print(json.dumps([context.to_openai_responses(), context.to_gemini(), context.to_dicts()]))
    print([str(warning) for warning in context.warnings])
"""
FILL = """
import sys
from tract import FreeformContent, Tract

with Tract.open(sys.argv[1]) as t:
    t.system("Be kind.")
    t.commit({"role": "user", "zeta": 1, "content": [{"text": "look", "type": "text"}], "alpha": {"b": 1, "a": 2}, "name": "bo"})
    t.commit({"role": "assistant", "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "tool_use", "id": "t", "name": "look", "input": {"z": 1, "a": {"y": 2, "b": [3]}}},
    ]})
    t.commit({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": "no"}]})
    t.extend([
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": {"z": 1, "a": 2}, "status": "completed"},
        {"type": "function_call_output", "call_id": "c", "output": "found"},
    ], format="responses")
    t.commit(FreeformContent({"z": 1, "b": {"y": 1, "a": 2}}))
"""


def run(script: str, store: Path, seed: str) -> bytes:
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", script, store], env=environment, stdout=subprocess.PIPE, check=True
    ).stdout


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("store")
    return run(FILL + PRINT, folder, "0")


def test_two_stores_filled_in_two_processes_render_alike(rendered, tmp_path):
    assert rendered.count(b"\n") == 4
    assert rendered == run(FILL + PRINT, tmp_path, "1")


def test_a_store_renders_the_same_when_it_is_opened_again(rendered, tmp_path):
    run(FILL, tmp_path, "2")

    assert rendered == run(PRINT, tmp_path, "3")
