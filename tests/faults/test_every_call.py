"""An error at any call to the system: a clear error of tract's or none, the store unharmed, and the next commit works."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.acts import ACTS, Act, Stage
from tests.faults.every_call import ERRORS, SHORT, Fault, can_happen, failing
from tests.faults.scene import impatient, opened
from tract.maintenance.fsck.check import check_repository

__all__ = ["impatient"]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    shm = Path("/dev/shm")  # as fast as memory, where there is one
    home = Path(tempfile.mkdtemp(prefix="tract-faults-", dir=shm if shm.is_dir() else None))
    yield Stage(home)
    shutil.rmtree(home)


def outcomes(stage: Stage, act: Act, error: str, places: range | None = None) -> Counter[str]:
    """What came of *act* with *error* at each of its calls, or of those in *places*."""
    found: Counter[str] = Counter()
    calls = stage.count(act)
    for at in range(len(calls)) if places is None else places:
        if at < len(calls) and can_happen(calls[at], error):
            found[stage.play(act, Fault(at, error))] += 1
    return found


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
def test_an_error_at_a_call_is_a_clear_error_or_none_and_harms_nothing(stage: Stage, act: Act) -> None:
    number = ACTS.index(act)
    calls = len(stage.count(act))
    step = max(7, calls // 12)

    found = Counter[str]()
    for turn, at in enumerate(range(number % step, calls, step)):
        found += outcomes(stage, act, ERRORS[(number + turn) % len(ERRORS)], range(at, at + 1))

    assert found


@pytest.mark.slow
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
def test_every_error_at_every_call_is_a_clear_error_or_none_and_harms_nothing(
    stage: Stage, act: Act, error: str
) -> None:
    found = outcomes(stage, act, error)

    assert error != SHORT or set(found) <= {"no error"}  # what was done by half is continued


@pytest.mark.parametrize("kind", ["pwrite", "open", "fdatasync", "replace"])
@pytest.mark.parametrize("name", ["commit", "commit and seal", "batch", "gc", "annotate"])
def test_a_disk_that_stays_full_is_told_at_every_try_and_forgiven_at_once(stage: Stage, name: str, kind: str) -> None:
    (act,) = (act for act in ACTS if act.name == name)
    calls = stage.count(act)
    for at in [number for number, call in enumerate(calls) if call == kind][:3]:
        stage.play(act, Fault(at, "ENOSPC", lasting=True))


def test_a_ref_file_that_could_not_be_written_is_written_with_the_next_change(tmp_path: Path) -> None:
    with opened(tmp_path) as t, opened(tmp_path) as other:
        t.user("a")
        with failing(Fault(0, None)) as fault:
            t.tag("v1")
        for name in ("v2", "v3"):
            with failing(Fault(fault.calls.index("replace"), "ENOSPC")):
                t.tag(name)
        tags = tmp_path / ".tract" / "refs" / "tags"
        assert ["v1"] == sorted(file.name for file in tags.iterdir())

        other.tag("v4")
        assert ["v1", "v2", "v3", "v4"] == sorted(file.name for file in tags.iterdir())

    assert check_repository(str(tmp_path / ".tract")).is_clean
