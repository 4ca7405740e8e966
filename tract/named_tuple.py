"""Named tuples that cost little to declare: all with the same number of fields share one constructor's code, with names of their own.

A command declares forty to sixty. The standard library generates and compiles a constructor for each, and compiles the types of fields that are given as texts (decision 43).

``NamedTuple`` is as that of ``typing``, which is what a type checker sees, for modules with ``annotations`` of ``__future__``.
"""

from __future__ import annotations

from _collections import _tuplegetter  # type: ignore[import-not-found]  # what the standard library reads their fields with
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType

from tract.annotations import TYPE_CHECKING, Any

_constructors: dict[int, Any] = {}
"""By the number of fields: functions of which only the code is used."""


def _constructor(names: tuple[str, ...], defaults: tuple[Any, ...], types: Mapping[str, str]) -> Callable[..., Any]:
    """A constructor for the fields *names*, the last of which have *defaults*."""
    template = _constructors.get(len(names))
    if template is None:
        fields = "".join(f"f{at}, " for at in range(len(names)))
        template = _constructors[len(names)] = eval(
            f"lambda cls, {fields}: new(cls, ({fields}))", {"new": tuple.__new__}
        )
    code = template.__code__.replace(co_varnames=("_cls", *names), co_name="__new__")
    made = FunctionType(code, template.__globals__, "__new__", defaults)
    made.__annotations__ = dict(types)
    return made


class _Declaring(type):
    """The metaclass: it makes a named tuple from a class body."""

    _fields: tuple[str, ...]

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        if any(base._fields for base in bases if isinstance(base, _Declaring)):
            return super().__new__(cls, name, bases, body)  # a subclass of one, which has the same fields
        if types := body.get("__annotations__"):
            names = tuple(types)
            defaults = {one: body[one] for one in names if one in body}
            if tuple(defaults) != names[len(names) - len(defaults) :]:
                raise TypeError(f"a field of '{name}' that has no default follows one that has")
            body |= {one: _tuplegetter(at, f"Alias for field number {at}") for at, one in enumerate(names)}
            body |= {"__match_args__": names, "_fields": names, "_field_defaults": defaults}
            body["__new__"] = _constructor(names, tuple(defaults.values()), types)
        return super().__new__(cls, name, bases, {**body, "__slots__": ()})


class _NamedTuple(tuple[Any, ...], metaclass=_Declaring):
    """The common methods of all named tuples."""

    _fields = ()

    @classmethod
    def _make(cls, values: Iterable[Any]) -> Any:
        made: Any = tuple.__new__(cls, values)
        if len(made) != len(cls._fields):
            raise TypeError(f"expected {len(cls._fields)} arguments, got {len(made)}")
        return made

    def _replace(self, /, **changes: Any) -> Any:
        made = tuple.__new__(type(self), map(changes.pop, self._fields, self))
        if changes:
            raise ValueError(f"got unexpected field names: {list(changes)}")
        return made

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self, strict=True))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join([f'{name}={value!r}' for name, value in self._asdict().items()])})"

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)


if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    NamedTuple = _NamedTuple
