"""Finds keys and passwords in a map that is to be stored with a commit, because what is committed cannot be taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tract.annotations import Any
from tract.errors import ContentValidationError
from tract.objects.kept import plain_json


def checked_map(what: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """*value* as plain JSON; ContentValidationError, naming *what* it is, for any other value."""
    if not isinstance(value, Mapping):
        raise ContentValidationError(f"{what} must be a dict, not {type(value).__name__}")
    plain: dict[str, Any] = plain_json(what, dict(value))
    return plain


def checked_config(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """*config*, unless it holds something like a key: a commit cannot be taken back."""
    return without_credentials("generation_config", config)


def without_credentials(what: str, value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """*value* as plain JSON; ContentValidationError if it holds something like a key."""
    if value is None:
        return None
    found = checked_map(what, value)
    name = find_credential(found)
    if name is not None:
        raise ContentValidationError(f"{what}: {name!r} looks like a secret; it is never stored")
    return found


# Whether a map holds something like a key or a password: a commit cannot be taken back.

# Compiled when settings are checked: most messages have none.
_WORD = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+"
_LAST = frozenset(
    ("apikey", "auth", "authorization", "bearer", "cookie", "credential", "credentials", "passwd", "password", "secret")
)
_OF_KEY = frozenset(("api", "access", "secret", "private", "subscription"))
# A model's own vocabulary has tokens too: eos_token, pad_token.
_OF_TOKEN = frozenset(("access", "ad", "api", "auth", "bearer", "id", "refresh", "secret", "security", "session"))

# The forms of providers' keys, and their surroundings in a header or an address.
_VALUE = (
    r"(?a)\b(sk-[\w-]{16,}|gsk_\w{20,}|xai-\w{20,}|hf_\w{30,}|gh[opsu]_\w{30,}|AIza[\w-]{30,}|AKIA[0-9A-Z]{16}\b)"
    r"|^(Bearer|Basic) \S{8,}$|://[^/\s:@]*:[^/\s@]+@"
)


def find_credential(value: Any) -> str | None:
    """The first name in *value*, JSON, that names a key, or whose value looks like one; None if there is none."""
    return next(_found(value), None)


def _found(value: Any) -> Iterator[str]:
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        name, item = stack.pop()
        if item and not isinstance(item, (bool, int, float)) and _names_credential(name):
            yield name
        if isinstance(item, str):
            if re.search(_VALUE, item):
                yield name
        elif isinstance(item, Mapping):
            stack.extend(item.items())
        elif isinstance(item, (list, tuple)):
            stack.extend((one[0], one[1]) if _is_header(one) else (name, one) for one in item)


def _is_header(value: Any) -> bool:
    """Whether *value* is a header in a list of pairs."""
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(part, str) for part in value)


def _names_credential(name: str) -> bool:
    words = [word.lower() for word in re.findall(_WORD, name)]
    if not words:
        return False
    *_, before, last = ("", *words)
    if last == "key":
        return before in _OF_KEY
    if last == "token":
        return not before or before in _OF_TOKEN
    return last in _LAST
