"""What type checkers say: nothing about the Python of the pages and examples, and something about every mistake that they can know."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import blocks_of

ROOT = Path(__file__).resolve().parent.parent
PAGES = [page for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]) if blocks_of(page)]
CHECKERS = (
    ("mypy", "--strict", "--config-file=", f"--cache-dir={ROOT}/.mypy_cache/pages", "--no-error-summary"),
    ("pyright", "--pythonpath", sys.executable),
)

USED = """\
from typing import assert_type

from tract import CompressResult, DialogueContent, MergeResult, OpenAIClient, PendingCompression, Priority, Session, Tract

t = Tract.open(":memory:")
said = t.user("hello")
t.annotate(said, "pinned")
t.annotate(said, Priority.SKIP)
t.annotate(said, "pined")  # wrong
DialogueContent("asistant", "hello")  # wrong
t.stream("asistant")  # wrong
t.reset(said, "hard")
t.reset(said, "hrd")  # wrong
t.merge("draft", strategy="our")  # wrong
t.user("hello", mesage="a note")  # wrong
t.log(autor="me")  # wrong
t.compile(notes="than")  # wrong
t.switch("draft", create="orphn")  # wrong
Tract.open(durability="ful")  # wrong
Session.open().search("hello", rol="user")  # wrong
OpenAIClient("key", retries=3)  # wrong
assert_type(t.compress(content="short"), CompressResult)
assert_type(t.compress(content="short", dry_run=True), CompressResult)
assert_type(t.compress(content="short", auto_commit=False), PendingCompression)
assert_type(t.merge("draft"), MergeResult)
"""
"""How tract is used, and in some lines misused."""


def typed(page: Path) -> str:
    """What a reader of *page* would have in a file: its Python blocks one behind the other, without the prompts."""
    lines = []
    for block in blocks_of(page):
        if block.language == "python" and ">>> " in block.text:
            lines += [line[4:] for line in block.text.splitlines() if line.startswith((">>> ", "... "))]
        elif block.language == "python":
            lines += block.text.splitlines()
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda words: words[0])
def test_pages_and_examples_pass_and_mistakes_do_not(checker: tuple[str, ...], tmp_path: Path) -> None:
    program = shutil.which(checker[0], path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip(f"{checker[0]} is not installed")
    if subprocess.run([program, "--version"], capture_output=True, check=False).returncode:
        pytest.skip(f"{checker[0]} cannot run here: it fetches what it runs on when it first does")
    for page in PAGES:
        name = str(page.relative_to(ROOT).with_suffix("")).replace("-", "_").replace(os.sep, "_")
        (tmp_path / f"{name}_page.py").write_text(typed(page), encoding="utf-8")
    used = tmp_path / "used.py"
    used.write_text(USED, encoding="utf-8")
    files = [*tmp_path.glob("*.py"), *(ROOT / "docs" / "examples").glob("*.py")]

    done = subprocess.run([program, *checker[1:], *map(str, sorted(files))], cwd=tmp_path, env={**os.environ, "MYPYPATH": str(ROOT), "PYTHONPATH": str(ROOT)}, text=True, capture_output=True, check=False)  # fmt: skip

    wrong = {f"used.py:{at}" for at, line in enumerate(USED.splitlines(), 1) if line.endswith("# wrong")}
    told = re.findall(r"^\s*\S*?(\w+\.py:\d+)\b.*\berror\b", done.stdout, re.M)
    assert wrong == set(told), done.stdout + done.stderr


@pytest.mark.parametrize("first", ["import typing, tract", "import tract; tract.Message; import typing"])
def test_a_program_is_told_what_types_the_fields_of_a_value_have(first: str) -> None:
    """As pydantic and its like ask; the names that tract writes types with may be stand-ins where ``typing`` is not loaded."""
    asks = f"{first}; print(typing.get_type_hints(tract.Message))"
    told = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True).stdout

    assert "'role': <class 'str'>" in told
    assert "_Name" not in told
