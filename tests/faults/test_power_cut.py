"""A few real power cuts on a real file system; ``scripts/power-cut`` makes hundreds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "power-cut"


@pytest.mark.parametrize("system", ["ext4", "xfs"])
def test_nothing_acknowledged_is_lost_in_a_power_cut(system: str) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--fs", system, "--cuts", "3"], capture_output=True, text=True, check=False
    )

    if "skipped" in done.stdout:
        pytest.skip(done.stdout.splitlines()[-1])
    if "failed to setup loop device" in done.stderr or "ioctl" in done.stderr:
        pytest.skip("this machine has no loop mounts that can be shut down")
    assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert "3 cuts" in done.stdout
    assert "0 cuts lost something" in done.stdout
