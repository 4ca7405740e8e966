"""A remote in memory with a name of its own, or in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a remote where nothing is yet."""
    if request.param == "file":
        return f"file://{tmp_path}/remote"
    return f"memory://{os.urandom(8).hex()}"
