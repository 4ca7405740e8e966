"""Real conversations, imported and compiled, are what was read; ``scripts/check-corpus`` does it for all of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
CORPUS = ROOT.parent / "shared" / "corpus"


@pytest.mark.parametrize("folder", ["SWE-agent+SWE-agent", "entireio+cli/72", "entireio+cli/12"])
def test_a_sample_of_the_corpus_comes_back_as_it_was(folder: str) -> None:
    if not CORPUS.is_dir():
        pytest.skip("there is no ../shared/corpus")

    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "check-corpus", CORPUS / folder],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert " 0 problems" in done.stdout


def test_our_own_samples_come_back_as_they_were() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "check-corpus", ROOT / "docs" / "samples"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert "4 conversations" in done.stdout
    assert "1 files of no supported format" in done.stdout  # store.json, the answers to the sample store
