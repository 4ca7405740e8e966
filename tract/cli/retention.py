"""How long commands that drop objects keep them."""

from __future__ import annotations

from tract.config import read_retention
from tract.errors import ConfigError


def is_retention(text: str | None) -> bool:
    """Whether an option is a retention, or not given."""
    try:
        return text is None or bool(read_retention("", text))
    except ConfigError:
        return False
