"""``tract.named_tuple`` beside the standard library's ``typing.NamedTuple``: the same classes."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

import pytest

from tests.making import classes_in
from tract.named_tuple import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
IMPORT = "from tract.named_tuple import"
USERS = sorted(path for path in (ROOT / "tract").rglob("*.py") if IMPORT in path.read_text(encoding="utf-8"))
_T = TypeVar("_T")


class Point(NamedTuple):
    """A point."""

    x: int
    y: int = 0
    name: str = "p"

    @property
    def sum(self) -> int:
        return self.x + self.y


class Box(NamedTuple, Generic[_T]):
    held: _T


class Named(Point):
    """A subclass, which declares no field."""

    kind: str = "place"


def standard_of(cls: type[Any], path: Path) -> Any:
    """The class of the same name, of the same source with the standard library's named tuples."""
    name = f"standard_tuples_{path.relative_to(ROOT).with_suffix('').as_posix().replace('/', '_')}"
    if name not in sys.modules:
        source = path.read_text(encoding="utf-8").replace(IMPORT, "from typing import")
        module = ModuleType(name)
        sys.modules[name] = module
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
    return getattr(sys.modules[name], cls.__name__)


def described(cls: Any) -> dict[str, Any]:
    """All that a named tuple tells of itself."""
    parameters = inspect.signature(cls).parameters.values()
    value = tuple.__new__(cls, range(len(cls._fields)))
    return {
        "fields": cls._fields,
        "defaults": {name: re.sub(" at 0x.*", "", repr(one)) for name, one in cls._field_defaults.items()},
        "parameters": [(one.name, one.kind, one.default is one.empty) for one in parameters],
        "match": cls.__match_args__,
        "size": (cls.__basicsize__, cls.__itemsize__, hasattr(value, "__dict__")),
        "documented": (cls.__doc__ or "").partition("(")[0],
        "read": [getattr(value, name) for name in cls._fields],
        "shown": repr(value),
        "own": sorted(name for name in vars(cls) if not name.startswith("_")),
    }


@pytest.mark.parametrize("path", USERS, ids=[path.relative_to(ROOT / "tract").as_posix() for path in USERS])
def test_every_named_tuple_of_tract_is_what_the_standard_library_makes_of_it(path):
    declared = [one for one in classes_in(path) if issubclass(one, NamedTuple)]

    assert declared
    for cls in declared:
        theirs, ours = described(standard_of(cls, path)), described(cls)
        if not cls.__doc__:
            theirs["documented"] = ours["documented"]  # of a class that says nothing, theirs lists the fields
        assert theirs == ours


def test_a_value_is_made_read_compared_and_shown():
    one = Point(1, name="q")

    assert (1, 0, "q", 1) == (one.x, one.y, one.name, one.sum)
    assert one == (1, 0, "q")
    assert hash(one) == hash((1, 0, "q"))
    assert "Point(x=1, y=0, name='q')" == repr(one)
    assert {"x": 1, "y": 0, "name": "q"} == one._asdict()
    assert Point(5, 0, "q") == one._replace(x=5)
    assert Point(1, 2, "r") == Point._make([1, 2, "r"])
    match one:
        case Point(x, y):
            assert (1, 0) == (x, y)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
@pytest.mark.parametrize("value", [Point(1, 2), Box([3]), Named(4)], ids=repr)
def test_a_value_can_be_made_again(value, again):
    assert value == again(value)
    assert type(value) is type(again(value))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Point(),
        lambda: Point(1, 2, "a", 4),
        lambda: Point(1, z=3),
        lambda: Point(1, x=1),
        lambda: Point._make([1]),
    ],
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(TypeError):
        wrong()


def test_a_value_stays_as_it_is():
    with pytest.raises(AttributeError):
        Point(1).x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Point(1).new = 2  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="new"):
        Point(1)._replace(new=2)  # type: ignore[call-arg]


def test_a_subclass_has_the_fields_and_a_generic_one_its_parameter():
    assert "Named(x=1, y=0, name='p')" == repr(Named(1))
    assert isinstance(Named(1), Point)
    assert ("x", "y", "name") == Named._fields
    value = Named(1)
    value.note = "its own"  # type: ignore[attr-defined]
    assert ("place", "its own") == (value.kind, vars(value)["note"])
    assert 3 == Box[int](3).held


def test_a_default_before_a_field_that_has_none_is_refused():
    with pytest.raises(TypeError, match="'Wrong'"):
        exec("class Wrong(NamedTuple):\n a: int = 1\n b: int", {"NamedTuple": NamedTuple, "__name__": "w"})
