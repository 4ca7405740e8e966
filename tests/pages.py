"""The code blocks of a page, and how they are run: by the tests, and by ``scripts/check-package`` with nothing but tract installed.

python pages.py PAGE SAMPLES      runs the blocks of PAGE in a new folder, with what is installed
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
RUN = {"python", "console"}
# What a reader runs once, to set up; the suite itself runs from there.
SETS_UP = ("scripts/try", "scripts/test", "git clone", "pip install", "cd ")


class Block(NamedTuple):
    line: int
    language: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = [Block(text[: m.start()].count("\n") + 1, m[1], m[2]) for m in BLOCK.finditer(text)]
    return [block for block in found if block.language in RUN]


def run_python(block: Block, names: dict[str, object], page: Path) -> None:
    if ">>> " not in block.text:
        exec(compile(block.text, f"{page.name}:{block.line}", "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(block.text, names, page.name, str(page), block.line)
    output: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=output.append, clear_globs=False)
    names.update(test.globs)
    assert not output, "".join(output)


def run_console(block: Block, folder: Path, environment: dict[str, str]) -> None:
    for command, expected in commands_of(block.text):
        if command.startswith(SETS_UP):
            continue
        done = subprocess.run(
            command, shell=True, cwd=folder, env=environment, text=True, capture_output=True, check=False
        )
        shown = done.stdout + done.stderr
        if expected:
            assert same(expected) == same(shown), f"line {block.line}: $ {command}\n{shown}"
        else:
            assert done.returncode == 0, f"line {block.line}: $ {command}\n{shown}"


def commands_of(text: str) -> list[tuple[str, str]]:
    """Each ``$`` line, continued over backslashes and ``>`` lines, with the output below it."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1] = (found[-1][0] + "\n" + line[2:], "")
        elif found:
            found[-1] = (found[-1][0], found[-1][1] + line + "\n")
    return found


def same(text: str) -> str:
    """*text* without what differs from run to run."""
    text = re.sub(r"\b[0-9a-f]{10,64}\b", "<id>", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?( ?[+-]\d\d:?\d\d| UTC|Z)?", "<time>", text)
    text = re.sub(r"Author: .*", "Author: <author>", text)
    text = re.sub(r"Date:  .*", "Date: <date>", text)
    text = re.sub(r"\d[\d,.]* (µs|ms|s)\b", "<duration>", text)
    text = re.sub(r"/[^\s']*/\.tract", "<store>", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def run_page(page: Path, samples: Path, variables: Mapping[str, str]) -> None:
    """Run all blocks of *page* in the working folder, which gets a copy of *samples*; commands see *variables*, too."""
    shutil.copytree(samples, Path("docs", "samples"))
    binaries = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": binaries + os.pathsep + os.environ["PATH"],
        "COLUMNS": "100",
        "TRACT_AUTHOR_NAME": "you",
        **variables,
    }
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks_of(page):
        if block.language == "python":
            run_python(block, names, page)
        else:
            run_console(block, Path.cwd(), environment)


if __name__ == "__main__":
    page, samples = (Path(word).resolve() for word in sys.argv[1:])
    os.chdir(tempfile.mkdtemp())
    run_page(page, samples, {})
    print(f"{page.name}: {len(blocks_of(page))} blocks ran")
