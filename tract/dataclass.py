"""Dataclasses that cost little to declare: a class gets generated code only when several of its values are made.

A command declares ten to fifty of them, and makes values of few, of most of these one.
The standard library generates and compiles six functions for each at once, 0.4 ms of processor time, and loads ``inspect`` before, 5 ms (decision 41).

``dataclass``, ``field``, ``fields``, ``replace``, ``is_dataclass`` and ``asdict`` are as those of ``dataclasses``, for classes with slots.
A type checker sees those of the standard library, and so does code that asks one of these classes for a dataclass's attributes: ``dataclasses.fields``, ``inspect.signature``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from reprlib import recursive_repr
from types import FunctionType, MappingProxyType

from tract.annotations import TYPE_CHECKING, Any

_FIELDS = "__dataclass_fields__"

_FILLED = 64
"""So many values are made by a constructor that looks up each field: to write and compile one takes as long as eighty of these take more, 0.3 ms."""


class _Absent:
    """The missing default of a field, or a missing argument."""


class _KeywordOnly:
    """``_: KW_ONLY``: the fields that follow are given by name."""


class _Field:
    """A field of a dataclass, as ``dataclasses.field`` describes it; its class sets its *name* and *type*, and *kw_only* if the field does not set it."""

    __slots__ = ("compare", "default", "default_factory", "init", "kw_only", "metadata", "name", "repr", "type")

    def __init__(
        self,
        *,
        default: Any = _Absent,
        default_factory: Any = _Absent,
        init: bool = True,
        repr: bool = True,
        compare: bool = True,
        kw_only: bool | None = None,
        metadata: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        if not init and default is not _Absent:
            raise TypeError("a field that is no argument has no default")  # not needed
        self.default, self.default_factory = default, default_factory
        self.init, self.repr, self.compare, self.kw_only, self.metadata = init, repr, compare, kw_only, metadata
        self.name, self.type = "", ""


class _Declaration:
    """The fields of a class, its bases' first, the options of ``dataclass``, and the number of values made."""

    __slots__ = ("_standard", "cls", "fields", "made", "options")

    def __init__(self, fields: tuple[_Field, ...], options: Mapping[str, bool]) -> None:
        self.fields, self.options = fields, options
        self.cls: Any = None
        self.made = 0
        self._standard: type[Any] | None = None

    def standard(self) -> type[Any]:
        """A class with the same fields, as the standard library makes it."""
        if self._standard is None:
            import dataclasses  # loads ``inspect``, which no command needs

            body: dict[str, Any] = {one.name: _standard_field(dataclasses.field, one) for one in self.fields}
            body["__annotations__"] = {one.name: one.type for one in self.fields}
            body["__doc__"], body["__module__"] = self.cls.__doc__, self.cls.__module__
            self._standard = dataclasses.dataclass(**self.options)(type(self.cls.__name__, (), body))
        return self._standard


def _standard_field(make: Callable[..., Any], one: _Field) -> Any:
    said = {name: getattr(one, name) for name in one.__slots__ if name not in ("name", "type")}
    return make(**{name: value for name, value in said.items() if value is not _Absent})


class _Later:
    """An attribute of the standard library's dataclass, computed on demand."""

    __slots__ = ("declaration", "name")

    def __init__(self, name: str, declaration: _Declaration) -> None:
        self.name, self.declaration = name, declaration

    def __get__(self, value: object, cls: type[Any]) -> Any:
        if self.name != "__signature__":
            return getattr(self.declaration.standard(), self.name)
        if value is not None or cls.__init__ is not self.declaration.cls.__init__:
            raise AttributeError(
                self.name
            )  # how a value is called, or a subclass that begins otherwise, it does not say
        import inspect

        return inspect.signature(self.declaration.standard())


def _dataclass(
    *, slots: bool, frozen: bool = False, kw_only: bool = False, eq: bool = True, repr: bool = True
) -> Callable[[type[Any]], type[Any]]:
    if not slots:
        raise TypeError("a dataclass of tract.dataclass has slots")
    options = {"frozen": frozen, "kw_only": kw_only, "eq": eq, "repr": repr}
    return lambda cls: _declare(cls, options)


def _declare(cls: type[Any], options: Mapping[str, bool]) -> type[Any]:
    """The class made again, with slots for its fields, and the methods of a dataclass that it does not define."""
    own = _declared_fields(cls, options["kw_only"])
    bases = cls.__mro__[1:]
    known = tuple(({one.name: one for base in reversed(bases) for one in _fields_in(base)} | own).values())
    inherited = {slot for base in bases for slot in vars(base).get("__slots__", ())}
    declaration = _Declaration(known, options)
    body = {name: value for name, value in vars(cls).items() if name not in (*own, "__dict__", "__weakref__")}
    for name, method in _methods(declaration).items():
        if body.get(name) is None:  # ``__hash__`` is None in a class that says itself what is equal
            body[name] = method
    for name in (_FIELDS, "__dataclass_params__", "__signature__"):
        body[name] = _Later(name, declaration)
    body["__slots__"] = tuple([name for name in own if name not in inherited])
    body["__match_args__"] = tuple([one.name for one in known if one.init and not one.kw_only])
    body["__qualname__"] = cls.__qualname__
    kind: Any = type(cls)
    declaration.cls = kind(cls.__name__, cls.__bases__, body)
    made: type[Any] = declaration.cls
    return made


def _declared_fields(cls: type[Any], kw_only: bool) -> dict[str, _Field]:
    """The fields that the body of *cls* has, by name."""
    found = {}
    for name, kind in cls.__annotations__.items():
        if kind in ("KW_ONLY", _KeywordOnly):
            kw_only = True
        elif not str(kind).removeprefix("typing.").startswith("ClassVar"):
            default = vars(cls).get(name, _Absent)
            found[name] = one = default if isinstance(default, _Field) else _Field(default=default)
            one.name, one.type = name, kind
            one.kw_only = kw_only if one.kw_only is None else one.kw_only
    return found


def _methods(declaration: _Declaration) -> dict[str, Any]:
    def init(self: Any, /, *given: Any, **named: Any) -> None:
        declaration.cls.__init__ = first = _first_init(declaration)  # the next values are made by it at once
        first(self, *given, **named)

    known, options = declaration.fields, declaration.options
    found: dict[str, Any] = {"__init__": init, "__replace__": _replace}
    if options["repr"]:
        found["__repr__"] = _repr_of([one.name for one in known if one.repr])
    if options["eq"]:
        found |= _comparisons([one.name for one in known if one.compare], options["frozen"])
    if options["frozen"]:
        found |= _refusals(declaration)
    return found


def _template() -> None:
    fill(locals())  # type: ignore[name-defined]  # noqa: F821  # each class's own


def _first_init(declaration: _Declaration) -> Callable[..., None]:
    """The constructor of the first values: the code that all classes share, with arguments of the fields' names; Python refuses wrong ones."""
    cls, known = declaration.cls, declaration.fields
    placed = [one for one in known if one.init and not one.kw_only]
    named = [one for one in known if one.init and one.kw_only]
    optional = [one for one in placed if _has_default(one)]
    if placed[len(placed) - len(optional) :] != optional:
        raise TypeError(f"a field of {cls.__name__!r} that has no default follows one that has")
    names = ("self", *[one.name for one in (*placed, *named)])
    code = _template.__code__.replace(
        co_varnames=names, co_nlocals=len(names), co_argcount=1 + len(placed), co_kwonlyargcount=len(named)
    )
    defaults = tuple([one.default for one in optional])
    made = FunctionType(code, {"fill": _filling(declaration), "locals": locals}, "__init__", defaults)
    made.__kwdefaults__ = {one.name: one.default for one in named if _has_default(one)}
    made.__qualname__, made.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    return made


def _has_default(one: _Field) -> bool:
    return one.default is not _Absent or one.default_factory is not _Absent


def _filling(declaration: _Declaration) -> Callable[[dict[str, Any]], None]:
    """A function that sets the fields of a value, by name."""
    cls = declaration.cls
    ends = hasattr(cls, "__post_init__")
    fields = [one for one in declaration.fields if one.init or one.default_factory is not _Absent]
    steps = [(one.name, one.default_factory, getattr(cls, one.name).__set__) for one in fields]

    def fill(values: dict[str, Any]) -> None:
        declaration.made += 1
        if declaration.made >= _FILLED:
            cls.__init__ = _written_init(declaration)
        self = values["self"]
        for name, make, assign in steps:
            value = values.get(name, _Absent)
            assign(self, make() if value is _Absent else value)
        if ends:
            self.__post_init__()

    return fill


def _written_init(declaration: _Declaration) -> Callable[..., None]:
    """The constructor, as a person would write it."""
    cls, frozen = declaration.cls, declaration.options["frozen"]
    names: dict[str, Any] = {"_Absent": _Absent}
    placed, named, lines = ["self"], list[str](), list[str]()
    for one in declaration.fields:
        value = one.name
        if one.init:
            text = one.name
            if one.default is not _Absent or one.default_factory is not _Absent:
                names[f"_default_{one.name}"] = one.default  # where it has a factory, this says that nothing was given
                text += f"=_default_{one.name}"
            (named if one.kw_only else placed).append(text)
        if one.default_factory is not _Absent:
            names[f"_make_{one.name}"] = one.default_factory
            made = f"_make_{one.name}()"
            value = f"{made} if {one.name} is _Absent else {one.name}" if one.init else made
        elif not one.init:
            continue  # it gets its value elsewhere
        names[f"_set_{one.name}"] = getattr(cls, one.name).__set__  # a slot's own: a frozen class refuses all others
        lines.append(f"_set_{one.name}(self, {value})" if frozen else f"self.{one.name} = {value}")
    lines += ["self.__post_init__()"] if hasattr(cls, "__post_init__") else []
    arguments = ", ".join((*placed, *(("*", *named) if named else ())))
    exec(f"def __init__({arguments}):\n " + "\n ".join(lines or ["pass"]), names)  # names of fields, which are Python's
    written: Callable[..., None] = names["__init__"]
    written.__qualname__, written.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    return written


def _repr_of(names: list[str]) -> Callable[[Any], str]:
    @recursive_repr()
    def shown(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return shown


def _comparisons(names: list[str], frozen: bool) -> dict[str, Any]:
    one_by_one: Callable[[Any], Any] = lambda value: tuple(getattr(value, name) for name in names)  # noqa: E731
    several: Callable[[Any], Any] = attrgetter(*names) if len(names) > 1 else one_by_one

    def is_equal(self: Any, other: object) -> Any:
        return several(self) == several(other) if other.__class__ is self.__class__ else NotImplemented

    def hash_of(self: Any) -> int:
        return hash(several(self))

    return {"__eq__": is_equal, "__hash__": hash_of if frozen else None}


def _refusals(declaration: _Declaration) -> dict[str, Any]:
    """The methods that keep a value unchanged, and still let ``copy`` and ``pickle`` make one; a subclass may have other attributes, which can change."""

    def refuse(self: Any, name: str, what: str) -> None:
        if type(self) is declaration.cls or any(name == one.name for one in declaration.fields):
            from dataclasses import FrozenInstanceError  # only for a mistake

            raise FrozenInstanceError(f"cannot {what} field {name!r}")

    def assign(self: Any, name: str, value: object) -> None:
        refuse(self, name, "assign to")
        above: Any = super(declaration.cls, self)
        above.__setattr__(name, value)

    def delete(self: Any, name: str) -> None:
        refuse(self, name, "delete")
        above: Any = super(declaration.cls, self)
        above.__delattr__(name)

    def state_of(self: Any) -> list[Any]:
        return [getattr(self, one.name) for one in _fields(self)]

    def take_state(self: Any, state: list[Any]) -> None:
        for one, value in zip(_fields(self), state, strict=True):
            object.__setattr__(self, one.name, value)

    return {"__setattr__": assign, "__delattr__": delete, "__getstate__": state_of, "__setstate__": take_state}


def _replace(self: Any, /, **changes: Any) -> Any:
    for one in _fields(self):
        if not one.init and one.name in changes:
            raise ValueError(f"field {one.name} is no argument of {type(self).__name__}")
        if one.init and one.name not in changes:
            changes[one.name] = getattr(self, one.name)
    return type(self)(**changes)


def _fields_in(cls: type[Any]) -> tuple[_Field, ...]:
    """The fields of a class that was declared here; none of any other class."""
    made = vars(cls).get(_FIELDS)
    return made.declaration.fields if isinstance(made, _Later) else ()


def _fields(value: Any) -> tuple[Any, ...]:
    for cls in (value if isinstance(value, type) else type(value)).__mro__:
        made = vars(cls).get(_FIELDS)
        if isinstance(made, _Later):
            return made.declaration.fields
        if made is not None:
            import dataclasses  # whoever made the class has loaded it

            return dataclasses.fields(value)
    raise TypeError(f"{value!r:.80} is no dataclass")


def _is_dataclass(value: Any) -> bool:
    return any(_FIELDS in vars(cls) for cls in (value if isinstance(value, type) else type(value)).__mro__)


def _asdict(value: Any) -> dict[str, Any]:
    import dataclasses  # few results are copied whole

    return dataclasses.asdict(value)


if TYPE_CHECKING:
    from dataclasses import KW_ONLY as KW_ONLY
    from dataclasses import asdict as asdict
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import fields as fields
    from dataclasses import is_dataclass as is_dataclass
    from dataclasses import replace as replace
else:
    KW_ONLY, field, dataclass, asdict, fields, is_dataclass = (
        _KeywordOnly,
        _Field,
        _dataclass,
        _asdict,
        _fields,
        _is_dataclass,
    )

    def replace(value, /, **changes):
        return _replace(value, **changes)
