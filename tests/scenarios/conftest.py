"""Command lines, run in the folder of a test as a user would type them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Outcome, runner


@pytest.fixture
def tract(tmp_path: Path) -> Callable[..., Outcome]:
    """Runs ``tract`` with these arguments; *stdin* is what is piped in."""
    run = runner(tmp_path)
    return lambda *argv, stdin="": run(*argv, stdin=stdin)
