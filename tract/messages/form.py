"""The form of a rendered context: the provider's format, the rules it follows, and which keys it keeps."""

from __future__ import annotations

from typing import Literal, TypeAlias

from tract.errors import ContentValidationError
from tract.messages.tool_names import Target
from tract.named_tuple import NamedTuple

RULES = 3
"""The number of the rules of docs/sending.md as a whole; it grows when one of them changes what is sent."""

Extras: TypeAlias = Literal["keep", "drop"]
"""Whether keys that no rule names are sent, or only what the provider's request types have."""


class Form(NamedTuple):
    """The form of a rendering: the provider, the number of the rules, and whether keys that no rule names are kept."""

    target: Target
    rules: int = RULES
    extras: Extras = "keep"


def checked_form(target: Target, extras: str = "keep", rules: int = RULES) -> Form:
    """The form with these settings; ContentValidationError for unknown extras or rules."""
    if extras not in ("keep", "drop"):
        raise ContentValidationError(f"extras must be 'keep' or 'drop', not {extras!r:.40}")
    if type(rules) is not int or not 1 <= rules <= RULES:
        raise ContentValidationError(f"rules {rules!r:.40} are not known here, only 1 to {RULES}")
    return Form(target, rules, "drop" if extras == "drop" else "keep")
