"""What is handed out: the wheel that is built has all of the package and nothing else, and says what it is."""

from __future__ import annotations

import email
import re
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILT_FROM = ("tract", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the checkout, built without the package index."""
    pytest.importorskip(
        "hatch_fancy_pypi_readme", reason="a wheel is built with hatchling and its plugin for the README"
    )
    source = tmp_path_factory.mktemp("source")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    program = "from hatchling.build import build_wheel; build_wheel('.')"
    done = subprocess.run([sys.executable, "-c", program], cwd=source, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    return next(source.glob("*.whl"))


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_the_wheel_has_every_file_of_the_package_and_no_other(wheel):
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "tract").rglob("*") if path.is_file() and "__pycache__" not in path.parts}  # fmt: skip
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert ours == held


def test_the_wheel_works_without_the_source(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = "import tract; t = tract.Tract.open(':memory:'); t.user('one two three'); print(t.compile().token_count, tract.load_prompt('summary').name, tract.__file__)"

    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "site")}, capture_output=True, text=True, check=True)  # fmt: skip

    assert f"10 summary {tmp_path / 'site' / 'tract' / '__init__.py'}" == done.stdout.strip()


def test_nothing_is_asked_for_but_what_tract_runs_on(wheel):
    asked = [line for line in metadata(wheel).get_all("Requires-Dist", []) if "extra ==" not in line]

    assert ["blake3", "httpx", "msgpack", "tiktoken", "typer", "zstandard"] == sorted(re.split("[^a-z0-9]", line)[0] for line in asked)  # fmt: skip


def test_the_description_is_the_readme_and_has_no_link_that_leads_nowhere(wheel):
    said = metadata(wheel)
    text = said.get_payload()
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    pages = re.findall(r"`(docs/[^`]+)`", text)

    assert "text/markdown" == said["Description-Content-Type"]
    assert text.startswith("# tract\n")
    assert [] == [link for link in links if "://" not in link and not link.startswith("#")]
    assert "example.com" not in "".join([*links, *said.get_all("Project-URL", [])])
    assert len(pages) > 10
    assert [] == [page for page in pages if not (ROOT / page.partition("#")[0]).exists()]


@pytest.mark.slow
def test_sdist_and_wheel_serve_on_every_python_there_is():
    subprocess.run([sys.executable, ROOT / "scripts" / "check-package"], check=True)
