"""Operations: everything that can be done with a context, as a table that models, policies and the command line read.

    Operation ── name, summary, risk, profile
              ── arguments: Argument, each with its type, its limits and a sentence ──▸ a JSON schema, and the checks
              ── function(tract, **arguments) -> ActionResult

Arguments are JSON values. Small mistakes of a model are accepted: ``"3"`` for 3, one message for a list of one.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from tract.agents.actions import ActionResult, Risk
from tract.dataclass import dataclass, replace
from tract.errors import ActionError

if TYPE_CHECKING:
    from tract.curation.listing import MessageInfo

Profile: TypeAlias = Literal["read", "self", "supervisor", "full"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
"""Each profile has everything of the one before it."""

ArgumentType: TypeAlias = Literal["text", "integer", "boolean", "choice", "message", "messages", "revision"]

_LONGEST_NUMBER = 6
"""The most digits of a number: longer ones are a prefix of an id, of which lists show ten digits."""

_SHOWN = 60
"""The characters of a wrong value that an error shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """An argument of an operation; None means that it is not given.

    *type* ``message`` is a message of the context at HEAD, by number, address or id; ``revision`` is a commit by any name. *choices* are the values of a ``choice``, *least* and *most* the limits of an integer.
    Only *profile* and the profiles above it have the argument.
    """

    name: str
    type: ArgumentType
    help: str
    required: bool = False
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = 1_000_000_000
    profile: Profile = "read"

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON schema."""
        match self.type:
            case "integer":
                shape: dict[str, Any] = {"type": "integer"}
            case "boolean":
                shape = {"type": "boolean"}
            case "choice":
                shape = {"type": "string", "enum": list(self.choices)}
            case "messages":
                shape = {"type": "array", "items": {"type": "string"}}
            case _:
                shape = {"type": "string"}
        return {**shape, "description": self.help}

    def read(self, given: Any) -> Any:
        """The value that *given* means; ActionError says which values are allowed."""
        match self.type:
            case "integer":
                return self._integer(given)
            case "boolean":
                return self._boolean(given)
            case "messages":
                return self._messages(given)
            case "message" | "revision":
                return self._address(given)
            case "choice":
                if given not in self.choices:
                    raise self._wrong(f"must be one of {_quoted(self.choices)}", given)
                return given
        if type(given) in (int, float):
            given = str(given)
        if not isinstance(given, str):
            raise self._wrong("must be a text", given)
        if self.required and not given.strip():
            raise self._wrong("must be a text that is not empty", given)
        return given

    def _integer(self, given: Any) -> int:
        if isinstance(given, str) and given.strip().lstrip("-").isdecimal() and len(given) < 20:
            given = int(given)
        if isinstance(given, float) and given.is_integer():
            given = int(given)
        if type(given) is not int or not self.least <= given <= self.most:
            raise self._wrong(f"must be a whole number from {self.least} to {self.most}", given)
        return given

    def _boolean(self, given: Any) -> bool:
        if isinstance(given, str) and given.lower() in ("true", "false"):
            return given.lower() == "true"
        if not isinstance(given, bool):
            raise self._wrong("must be true or false", given)
        return given

    def _messages(self, given: Any) -> list[str]:
        if isinstance(given, str | int) and not isinstance(given, bool):
            given = [given]
        if not isinstance(given, Sequence) or not given:
            raise self._wrong("must be a list of messages", given)
        return [self._address(one) for one in given]

    def _address(self, given: Any) -> str:
        if type(given) is int and given > 0:
            return f"HEAD:{given}"
        if not isinstance(given, str) or not given.strip():
            what = "a commit: its id, a branch or a tag"
            if self.type != "revision":
                what = "a message: its number such as 4, HEAD:4, or its id"
            raise self._wrong(f"must name {what}", given)
        text = given.strip()
        if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER:
            return f"HEAD:{text}"
        if "::" in text:
            raise self._wrong("cannot name another tract", given)
        return text

    def _wrong(self, what: str, given: Any) -> ActionError:
        return ActionError(f"argument '{self.name}' {what}, not {_shown(given)}")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Operation:
    """One of tract's operations.

    *risk* is the risk of a usual call. If there is a *risk_of*, it computes the risk of a call from its tract, its arguments and its origin, and *riskier* says in words when that is ``high``.
    *moves*: the context may be a different one afterwards.
    *shows_words*: the function shows text of messages; its argument ``withheld`` has the messages that it must not show.
    *tells_origin*: the function's argument ``origin`` says who asks for the call.
    *touched* returns the messages of the context at HEAD that a call would change or hide.
    """

    name: str
    summary: str
    risk: Risk
    function: Callable[..., ActionResult]
    arguments: tuple[Argument, ...] = ()
    profile: Profile = "read"
    risk_of: Callable[..., Risk] | None = None
    riskier: str = ""
    shows_words: bool = False
    tells_origin: bool = False
    moves: bool = False
    touched: Callable[..., Sequence[MessageInfo]] | None = None

    def __repr__(self) -> str:
        return f"Operation({self.name}({', '.join(one.name for one in self.arguments)}), {self.risk}: {self.summary})"

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of its arguments."""
        return {
            "type": "object",
            "properties": {one.name: one.schema for one in self.arguments},
            "required": [one.name for one in self.arguments if one.required],
            "additionalProperties": False,
        }

    def in_profile(self, profile: Profile) -> Operation:
        """The operation with only the arguments that *profile* has."""
        return replace(self, arguments=tuple(one for one in self.arguments if includes(profile, one.profile)))

    def read_arguments(self, given: object) -> dict[str, Any]:
        """The arguments that *given* means, by name, without those that are None.

        ActionError names everything that is wrong, and the allowed values.
        """
        if not isinstance(given, Mapping):
            raise ActionError(f"{self.name}: the arguments must be an object, not {type(given).__name__}")
        wrong: list[str] = []
        values: dict[str, Any] = {}
        known = {one.name: one for one in self.arguments}
        wrong += [self._unknown(str(name)) for name in given if name not in known]
        for name, one in known.items():
            value = given.get(name)
            if value is None:
                wrong += [f"argument '{name}' is missing: {one.help}"] if one.required else []
                continue
            try:
                values[name] = one.read(value)
            except ActionError as exc:
                wrong.append(str(exc))
        if wrong:
            raise ActionError(f"{self.name}: {'; '.join(wrong)}")
        return values

    def _unknown(self, name: str) -> str:
        names = [one.name for one in self.arguments]
        near = difflib.get_close_matches(name[:_SHOWN], names, 1)
        meant = f"; '{near[0]}' may be meant" if near else ""
        there = f"there are {_quoted(names)}" if names else "it takes none"
        return f"there is no argument '{name[:_SHOWN]}'{meant}; {there}"


def includes(profile: Profile, least: Profile) -> bool:
    """Whether *profile* has everything that *least* has."""
    return PROFILES.index(profile) >= PROFILES.index(least)


def _shown(given: Any) -> str:
    """The beginning of a wrong value."""
    try:
        shown = repr(given[: _SHOWN + 1] if isinstance(given, str) else given)
    except RecursionError:
        return f"a {type(given).__name__} of many levels"
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
