"""Every code block of the README and the docs is run.

A page is one story: its blocks run in order, in one folder, with the samples in ``docs/samples`` beside it.
``python`` blocks share a namespace; ``>>>`` sessions are compared with what they print.
``console`` blocks run their ``$`` lines and compare the output; ids, times and figures of speed may differ.
Blocks in another language, or in none, are not run.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
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


PAGES = sorted(page for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")] if blocks_of(page))


@pytest.mark.parametrize("script", ["write-cli-docs", "write-python-docs"])
def test_a_page_that_is_written_from_the_code_is_up_to_date(script: str) -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts" / script, "--check"], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = blocks_of(page)
    shutil.copytree(ROOT / "docs" / "samples", tmp_path / "docs" / "samples")
    monkeypatch.chdir(tmp_path)
    binaries = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": binaries + os.pathsep + os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "100",
        "TRACT_AUTHOR_NAME": "you",
    }
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks:
        if block.language == "python":
            run_python(block, names, page)
        else:
            run_console(block, tmp_path, environment)


def test_every_page_is_in_the_one_list_of_pages() -> None:
    listed = set(re.findall(r"\]\(([^)#]+)\)", (ROOT / "docs" / "index.md").read_text(encoding="utf-8")))
    assert listed - {"decisions/README.md"} == {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}


def test_every_decision_is_in_the_list_of_decisions() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\(([^)]+)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert listed == sorted(page.name for page in folder.glob("0*.md"))


def test_the_architecture_names_files_and_rooms_that_are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+(?:\.py|/))`", text))
    assert [] == [name for name in named if not any((folder / name).exists() for folder in (ROOT / "tract", ROOT))]


@pytest.mark.parametrize(
    "page", sorted(["README.md", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))])
)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [] == [link for link in targets if link and not ((ROOT / page).parent / link).exists()]


def typed(page: Path) -> str:
    """What a reader of *page* would have in a file: its Python blocks one behind the other, without the prompts."""
    lines = []
    for block in blocks_of(page):
        if block.language == "python" and ">>> " in block.text:
            lines += [line[4:] for line in block.text.splitlines() if line.startswith((">>> ", "... "))]
        elif block.language == "python":
            lines += block.text.splitlines()
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("checker", [("mypy", "--strict", "--config-file=", "--cache-dir=cache"), ("pyright",)], ids=lambda words: words[0])  # fmt: skip
def test_the_python_of_the_pages_passes_type_checkers(checker: tuple[str, ...], tmp_path: Path) -> None:
    program = shutil.which(checker[0], path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip(f"{checker[0]} is not installed")
    for page in PAGES:
        (tmp_path / f"{page.stem.replace('-', '_')}_page.py").write_text(typed(page), encoding="utf-8")
    files = sorted(str(path) for path in tmp_path.glob("*_page.py"))

    done = subprocess.run([program, *checker[1:], *files], cwd=tmp_path, env={**os.environ, "MYPYPATH": str(ROOT), "PYTHONPATH": str(ROOT)}, text=True, capture_output=True, check=False)  # fmt: skip

    assert 0 == done.returncode, done.stdout
