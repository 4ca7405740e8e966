"""Counts against the usage that recorded exchanges report: scripts/check-usage has the table."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"
if not CORPUS.is_dir():
    CORPUS = Path("/work/shared/corpus")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of recorded conversations is not here"),
]


def test_what_a_provider_counted_is_told_exactly_and_what_comes_next_nearly():
    loader = SourceFileLoader("check_usage", str(ROOT / "scripts" / "check-usage"))
    spec = spec_from_loader("check_usage", loader)
    assert spec is not None
    script = module_from_spec(spec)
    loader.exec_module(script)

    calls = list(script.sessions(CORPUS))

    seen = [call for call in calls if call.kind == script.SEEN]
    after = [call for call in calls if call.kind == script.AFTER]
    assert len(seen) > 100
    assert [call.counted for call in seen] == [call.said for call in seen]
    off = [abs(call.said - call.counted) / call.counted for call in after]
    assert max(off) < 0.05
    assert sum(one <= 0.01 for one in off) > 0.9 * len(off)
