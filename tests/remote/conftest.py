"""A remote in memory with a name of its own, or in a folder; or where the environment says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.remote.places import BASE, new_url


@pytest.fixture(params=["bucket"] if BASE else ["memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a remote where nothing is yet."""
    if request.param == "bucket":
        return new_url()
    if request.param == "file":
        return f"file://{tmp_path}/remote"
    return f"memory://{os.urandom(8).hex()}"
