"""Checks of arguments of public calls that would otherwise fail unclearly later, or be taken for another value.

Any text is true, and None is false: ``dry_run="no"`` would be a dry run, and ``force=None`` would be none.
Names, numbers and arguments of a single layer are checked where they are used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, TypeVar

from tract.errors import ContentValidationError

_C = TypeVar("_C", bound=type[Any])

# By the text of an annotation, for to evaluate one loads what most calls do without.
_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "bool": (lambda value: isinstance(value, bool), "True or False"),
    "slice": (lambda value: isinstance(value, slice), "a slice"),
    "str | PathLike[str]": (lambda value: _is_path(value), "a path"),
    "str | re.Pattern[str]": (lambda value: isinstance(getattr(value, "pattern", value), str), "a regular expression"),
    "Mapping[str, Any]": (lambda value: isinstance(value, Mapping), "a dict"),
    "Sequence[Revision]": (lambda value: isinstance(value, Iterable), "a list"),
    "Iterable[str]": (lambda value: isinstance(value, Iterable), "a list"),
    "Callable[[CompiledContext], bool | None]": (callable, "a function"),
    "Summariser": (callable, "a function"),
    "Progress": (callable, "a function"),
}


def _is_path(value: object) -> bool:
    """Whether *value* has a type that a file system takes as a path; the path need not exist."""
    if not isinstance(value, (str, os.PathLike)):
        return False
    try:
        path = os.fsencode(value)
    except (UnicodeEncodeError, TypeError):
        return False
    return path != b"" and b"\0" not in path


def check_argument(name: str, value: object, annotation: str) -> None:
    """ContentValidationError if *value* does not have the type of the *annotation*, as far as this module knows it."""
    text = annotation.removesuffix(" | None")
    kind = _KINDS.get(text)
    if kind is None or kind[0](value) or (value is None and text != annotation):
        return
    raise ContentValidationError(f"{name} must be {kind[1]}, not {value!r:.40}")


def check_keywords(function: str, given: Mapping[str, Any], known: type) -> None:
    """Raise Python's own TypeError for a keyword that the options *known*, a TypedDict, do not have, because a typing mistake must not be ignored; and refuse a value of a wrong type."""
    for name, value in given.items():
        wanted = known.__annotations__.get(name)
        if wanted is None:
            raise TypeError(f"{function}() got an unexpected keyword argument '{name}'")
        check_argument(name, value, wanted.__forward_arg__)


def checks_arguments(cls: _C) -> _C:
    """*cls*, with public methods that check their arguments first."""
    for name, method in list(vars(cls).items()):
        if not name.startswith("_") and callable(method) and _wanted(method):
            setattr(cls, name, _checking(method))
    return cls


def _wanted(method: Callable[..., Any]) -> dict[str, str]:
    """The arguments of *method* that can be checked, and their annotations."""
    given = method.__annotations__.items()
    return {name: text for name, text in given if name != "return" and text.removesuffix(" | None") in _KINDS}


def _checking(method: Callable[..., Any]) -> Callable[..., Any]:
    wanted = _wanted(method)
    code = method.__code__
    places = {place: name for place, name in enumerate(code.co_varnames[: code.co_argcount]) if name in wanted}

    @wraps(method)
    def checked(*args: Any, **given: Any) -> Any:
        for place, name in places.items():
            if place < len(args):
                check_argument(name, args[place], wanted[name])
        for name, value in given.items():
            if name in wanted:
                check_argument(name, value, wanted[name])
        return method(*args, **given)

    return checked
