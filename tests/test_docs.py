"""Every code block of the README and the docs is run.

A page is one story: its blocks run in order, in one folder, with the samples in ``docs/samples`` beside it.
``python`` blocks share a namespace; ``>>>`` sessions are compared with what they print.
``console`` blocks run their ``$`` lines and compare the output; ids, times and figures of speed may differ.
Blocks in another language, or in none, are not run.
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.pages import blocks_of, run_page

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(page for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")] if blocks_of(page))


@pytest.mark.parametrize("script", ["write-cli-docs", "write-python-docs"])
def test_a_page_that_is_written_from_the_code_is_up_to_date(script: str) -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts" / script, "--check"], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page, ROOT / "docs" / "samples", {"PYTHONPATH": str(ROOT)})


def test_every_page_is_in_the_one_list_of_pages() -> None:
    listed = set(re.findall(r"\]\(([^)#]+)\)", (ROOT / "docs" / "index.md").read_text(encoding="utf-8")))
    assert listed - {"decisions/README.md", "examples/README.md"} == {
        page.name for page in (ROOT / "docs").glob("*.md")
    } - {"index.md"}


def test_every_decision_is_in_the_list_of_decisions() -> None:
    folder = ROOT / "docs" / "decisions"
    text = (folder / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"\]\(([^)]+)\)", text)
    assert listed == sorted(page.name for page in folder.glob("0*.md"))
    numbers = [int(n) for pair in re.findall(r"^- \[?(\d+)\]?(?: and (\d+))?", text, re.MULTILINE) for n in pair if n]
    assert numbers == list(range(1, len(numbers) + 1)), "a number that no page has is said to have none"


def test_the_architecture_names_files_and_rooms_that_are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+(?:\.py|/))`", text))
    assert [] == [name for name in named if not any((folder / name).exists() for folder in (ROOT / "tract", ROOT))]


# What a walk says of calls that are made otherwise than by scripts/walk.
PASSED_IN_OTHER_CALLS = {
    "writing/budget.py": "a commit where there is a budget",
    "curation/compress/ask.py": "a compression that a model writes",
    "history/reachability.py": "a gc that takes archives",
}


def test_the_walks_pass_the_files_that_the_architecture_says() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    walks = subprocess.run(
        [sys.executable, ROOT / "scripts" / "walk"], capture_output=True, text=True, check=True
    ).stdout.split("\n\n")
    missing: set[str] = set()
    for walk in filter(str.strip, walks):
        (said,) = re.findall(rf"^\*\*A (?:cold )?{walk.strip().partition(':')[0]}\*\* .*", page, re.MULTILINE)
        missing |= set(re.findall(r"`([\w/]+\.py)`", said)) - set(walk.split())

    assert set(PASSED_IN_OTHER_CALLS) == missing


@pytest.mark.parametrize("room", ["agents", "history", "messages", "remote"])
def test_the_architecture_has_every_file_of_a_large_room_in_one_line(room: str) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition(f"| `{room}` | in order |\n")[2].partition("\n\n")[0]
    listed = [name for line in table.splitlines()[1:] for name in line.split("|")[2].strip().split(", ")]
    assert sorted(listed) == sorted(p.stem for p in (ROOT / "tract" / room).glob("*.py") if p.stem != "__init__")


@pytest.mark.parametrize(
    "page", sorted(["README.md", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))])
)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(ROOT / page)) if "://" not in link]
    wrong = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = folder / path if path else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            wrong.append(link)
    assert [] == wrong


def prose_of(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@cache
def anchors_of(page: Path) -> set[str]:
    """What a page's headings are called in links, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
