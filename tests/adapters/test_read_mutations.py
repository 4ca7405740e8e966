"""Files of every format with values taken out, put elsewhere or made another kind, and with bytes that are wrong.

They are read or refused, and never a crash; and nothing that is said in them is missing afterwards without a word: what ``json.loads`` finds in the file is counted against what the store has and the report says.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.test_read_formats import SAMPLES
from tract.adapters.importing import Importer
from tract.adapters.transcripts import Turn, read_transcript
from tract.adapters.transcripts.readers.building import Node, lines_of
from tract.errors import ImportFormatError
from tract.opening import memory_repository

STRANGE: tuple[Any, ...] = (
    None, 1, -1.5, "x", "", [], {}, "\ud83d", [[]], True, {"a": 1}, ["x"], "user", "assistant", 2**70, float("nan")
)  # fmt: skip
KEYS = ("role", "content", "type", "uuid", "id", "parent", "x")

PAGES = Path(__file__).parents[2] / "docs" / "samples"
CHAT = [{"role": "system", "content": "Be very brief"}, {"role": "user", "content": "How hot is tea"}, {"role": "assistant", "content": "It is hot"}]  # fmt: skip
BLOCKS = [
    {"role": "user", "content": "How hot is tea"},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "let me see", "signature": "x"}, {"type": "text", "text": "I look"}, {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "ninety degrees"}]}]},
]  # fmt: skip
ITEMS = [
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "How hot is tea"}]},
    {"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "ninety degrees"},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It is hot"}]},
]
FILES: list[tuple[str, Any]] = [
    *((name, value) for _, name, value, _ in SAMPLES if isinstance(value, list | dict)),
    ("s.jsonl", [json.loads(line) for line in (PAGES / "claude-code.jsonl").read_text().splitlines()]),
    ("a.json", {"messages": CHAT, "response": {"choices": [{"message": {"role": "user", "content": text}} for text in ("One more", "Two more")]}}),
    ("a.jsonl", CHAT),
    ("a.json", {"system": "Be very brief", "messages": BLOCKS}),
    ("a.json", {"input": ITEMS[:1], "output": ITEMS[1:], "instructions": "Be very brief"}),
    ("a.json", json.loads((PAGES / "sharegpt.json").read_text())),
]  # fmt: skip

SAID = frozenset({
    "content", "text", "value", "thinking", "parts", "turns", "chosen", "rejected", "instruction", "output",
    "prompt", "input", "reasoning", "message", "result",
})  # fmt: skip
TAG = re.compile(r"§\d+§")


def tagged(value: Any, key: str = "", made: Iterator[int] | None = None) -> Any:
    """*value* with a name of its own in everything that is said in it."""
    made = iter(range(1000)) if made is None else made
    if isinstance(value, str):
        is_said = key in SAID and len(value) > 2 and not value.startswith(("{", "[", "<"))
        return f"{value} §{next(made):03}§" if is_said else value
    if isinstance(value, list):
        return [tagged(item, key, made) for item in value]
    return {name: tagged(item, name, made) for name, item in value.items()} if isinstance(value, dict) else value


def tags_in(value: Any) -> set[str]:
    if isinstance(value, str):
        return set(TAG.findall(value))
    if isinstance(value, dict):
        value = [*value, *value.values()]
    return {tag for item in value for tag in tags_in(item)} if isinstance(value, list) else set()


def said_in(data: bytes, *, is_lines: bool) -> set[str]:
    """What is said in the file, as far as it is JSON still."""
    text = data.decode("utf-8", "replace")
    found: set[str] = set()
    for part in text.split("\n") if is_lines else [text]:
        with suppress(ValueError, RecursionError):
            found |= tags_in(json.loads(part))
    return found


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


def damaged(source: random.Random, data: bytes) -> bytes:
    """*data* with one or two places that are wrong."""
    found = bytearray(data)
    for _ in range(source.randint(1, 2)):
        at = source.randrange(len(found) + 1)
        end = at + source.randint(1, 30)
        match source.choice(("flip", "drop", "again", "noise", "cut")):
            case "flip":
                found[at : at + 1] = bytes([source.randrange(256)])
            case "drop":
                del found[at:end]
            case "again":
                found[at:at] = found[at:end]
            case "noise":
                found[at:end] = source.randbytes(end - at)
            case "cut":
                del found[at:]
    return bytes(found)


def check(seeds: range, folder: Path) -> int:
    """How many of the files were read."""
    read = 0
    for seed in seeds:
        source = random.Random(seed)
        name, sample = source.choice(FILES)
        value = tagged(sample)
        is_lines = name.endswith("l") and isinstance(value, list)
        value = mutated(source, value) if source.random() < 0.6 else value
        text = "\n".join(map(json.dumps, value)) if is_lines and isinstance(value, list) else json.dumps(value)
        data = text.encode() if source.random() < 0.6 else damaged(source, text.encode())
        read += is_read_whole(folder / name, data, seed, is_lines=is_lines)
    return read


def is_read_whole(path: Path, data: bytes, seed: int, *, is_lines: bool) -> bool:
    """Whether the file was read; what is said in it and is nowhere is told of."""
    path.write_bytes(data)
    try:
        reading = read_transcript(path)
    except ImportFormatError:
        return False
    repo = memory_repository()
    importer = Importer(repo, count=False)
    refused = [one for each in reading.conversations for one in importer.take(each, lands=False).refused]
    importer.finish()
    if not (reading.problems or reading.notes or refused):
        blobs = [repo.blob(id) for id, kind in repo.objects.ids() if kind == "blob"]
        beside = [repo.commit(id).metadata for id, kind in repo.objects.ids() if kind == "commit"]
        titles = [each.title for each in reading.conversations]
        missing = said_in(data, is_lines=is_lines) - tags_in([*blobs, *beside, *titles])
        assert not missing, (seed, path.name, missing)
    return bool(reading.conversations)


def test_nothing_that_is_wrong_in_a_file_is_a_crash_or_silent(tmp_path: Path):
    assert check(range(400), tmp_path) > 200


@pytest.mark.slow
def test_nothing_that_is_wrong_in_a_file_is_a_crash_or_silent_in_many(tmp_path: Path):
    assert check(range(10_000, 40_000), tmp_path) > 15_000


@pytest.mark.parametrize("odd", [{"a": 1}, ["x"], 7, True])
def test_an_odd_name_of_a_record_costs_no_session(tmp_path: Path, odd: object):
    lines = [json.loads(line) for line in (PAGES / "claude-code.jsonl").read_text().splitlines()]
    path = tmp_path / "s.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in [*lines, {"type": "progress", "uuid": odd}]))

    whole = read_transcript(PAGES / "claude-code.jsonl").conversations[0].branches
    assert read_transcript(path).conversations[0].branches == whole


def test_messages_that_are_their_own_parents_are_on_a_line(tmp_path: Path):
    sample = next(value for format, _, value, _ in SAMPLES if format == "chatgpt")[0]
    mapping = {**sample["mapping"], "x": {**sample["mapping"]["x"], "parent": "x"}}
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{**sample, "mapping": mapping}]))

    lines = [[turn.message["content"] for turn in one.turns] for one in read_transcript(path).conversations[0].branches]
    assert ["Hot."] in lines


def test_nothing_but_a_circle_is_a_line_as_well():
    turn = Turn({"role": "user", "content": "said"}, "openai")

    (line,) = lines_of([Node("a", "b", (turn,)), Node("b", "a", (turn,))])

    assert line.turns == (turn, turn)


def test_a_long_line_of_a_tree_is_followed_once():
    looked = 0

    class Id(str):
        __slots__ = ()

        def __hash__(self) -> int:
            nonlocal looked
            looked += 1
            return super().__hash__()

    def looks(length: int) -> int:
        nonlocal looked
        looked, ids = 0, [Id(number) for number in range(length)]
        assert len(lines_of([Node(id, before, ()) for id, before in zip(ids, [None, *ids], strict=False)])) == 1
        return looked

    assert looks(400) < 5 * looks(100)
