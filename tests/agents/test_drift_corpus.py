"""BranchPolicy on real conversations, with another one spliced in and without: a sample of what scripts/drift-corpus measures."""

from __future__ import annotations

import random
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"

pytestmark = pytest.mark.skipif(not CORPUS.exists(), reason="there is no ../shared/corpus")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    loader = SourceFileLoader("drift_corpus", str(ROOT / "scripts" / "drift-corpus"))
    spec = spec_from_loader("drift_corpus", loader)
    assert spec is not None
    made = sys.modules["drift_corpus"] = module_from_spec(spec)
    loader.exec_module(made)
    return made


@pytest.mark.parametrize(
    ("number", "least"), [pytest.param(16, 0.75, id="sample"), pytest.param(50, 0.8, marks=pytest.mark.slow)]
)
def test_of_what_was_held_out_four_of_five_drifts_are_found_and_one_of_twenty_others_is_taken_for_one(
    script: ModuleType, number: int, least: float
) -> None:
    talks = script.talks_of("held out", CORPUS)
    score = script.Score()
    for case in script.cases_of(talks, random.Random("held out 0"), number):
        score.add(case, script.tangent_in(case))

    found, _ = score.shares
    assert found >= least, str(score)
    assert score.false <= max(1, number * 0.05), str(score)
