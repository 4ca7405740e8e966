"""Every program of ``docs/examples`` runs in an empty folder, prints what it says at its top, and leaves nothing behind."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_what_it_says(example, tmp_path):
    said = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8")), clean=False) or ""
    expected = textwrap.dedent(said.partition("Prints:\n")[2])

    done = subprocess.run([sys.executable, example], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)  # fmt: skip

    assert (expected, "") == (done.stdout, done.stderr)
    assert [] == list(tmp_path.iterdir())


def test_every_example_is_in_the_list_of_examples():
    listed = re.findall(r"\]\((\w+\.py)\)", (ROOT / "docs" / "examples" / "README.md").read_text(encoding="utf-8"))

    assert [path.name for path in EXAMPLES] == sorted(listed)
