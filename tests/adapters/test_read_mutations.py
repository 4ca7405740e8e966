"""Files of every format with values taken out, put elsewhere or made another kind: read or refused, imported, and never a crash."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.test_read_formats import SAMPLES
from tract.adapters.importing import Importer
from tract.adapters.transcripts import read_transcript
from tract.errors import ImportFormatError
from tract.opening import memory_repository

STRANGE: tuple[Any, ...] = (
    None, 1, -1.5, "x", "", [], {}, "\ud83d", [[]], True, {"a": 1}, ["x"], "user", "assistant", 2**70, float("nan")
)  # fmt: skip
KEYS = ("role", "content", "type", "uuid", "id", "parent", "x")


def mutated(source: random.Random, value: Any) -> Any:
    """*value* with about every thirtieth part of it wrong."""
    if source.random() < 0.03:
        return source.choice(STRANGE)
    if isinstance(value, dict):
        return {
            source.choice(KEYS) if source.random() < 0.01 else key: mutated(source, item)
            for key, item in value.items()
            if source.random() > 0.01
        }
    if isinstance(value, list):
        items = [mutated(source, item) for item in value if source.random() > 0.01]
        return [*items, source.choice(items)] if items and source.random() < 0.02 else items
    return value


def check(seeds: range, folder: Path) -> int:
    """How many of the files were read."""
    read = 0
    for seed in seeds:
        source = random.Random(seed)
        _, name, sample, _ = source.choice(SAMPLES)
        if not isinstance(sample, list | dict):
            continue
        value = mutated(source, sample)
        is_lines = name.endswith("l") and isinstance(value, list)
        path = folder / name
        path.write_text("\n".join(map(json.dumps, value)) if is_lines else json.dumps(value))
        with suppress(ImportFormatError):
            reading = read_transcript(path)
            importer = Importer(memory_repository(), count=False)
            for conversation in reading.conversations:
                importer.take(conversation, lands=False)
            importer.finish()
            read += bool(reading.conversations)
    return read


def test_nothing_that_is_wrong_in_a_file_is_a_crash(tmp_path: Path):
    assert check(range(400), tmp_path) > 200


@pytest.mark.slow
def test_nothing_that_is_wrong_in_a_file_is_a_crash_in_many(tmp_path: Path):
    assert check(range(10_000, 40_000), tmp_path) > 15_000
