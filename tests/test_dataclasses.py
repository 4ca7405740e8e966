"""``tract.dataclass`` beside the standard library's ``dataclasses``: the same classes, but for when their methods are written."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from tests.making import classes_in
from tract import dataclass as values
from tract.dataclass import KW_ONLY as KW_ONLY

ROOT = Path(__file__).resolve().parent.parent
IMPORT = "from tract.dataclass import"
OF_THE_STANDARD_LIBRARY = {
    "agents/builtin/*": "a policy's class is as its user would write it, without slots",
    "adapters/recording/given.py": "what is worked out once is kept in the value",
}
USERS = sorted(path for path in (ROOT / "tract").rglob("*.py") if IMPORT in path.read_text(encoding="utf-8"))


@values.dataclass(frozen=True, slots=True)
class Point:
    """A point."""

    unit: ClassVar[str] = "cm"
    x: int
    y: int = 0
    _: KW_ONLY
    names: list[str] = values.field(default_factory=list, compare=False)
    hidden: str = values.field(default="h", repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("x")


@values.dataclass(frozen=True, slots=True, kw_only=True)
class Dot(Point):
    """A point with a colour."""

    color: str
    y: int = 7


@values.dataclass(slots=True)
class Counter:
    """What changes."""

    count: int = 0
    others: list[Any] = values.field(default_factory=list)


def standard_of(cls: type[Any], path: Path) -> type[Any]:
    """The class of the same name, of the same source with the standard library's dataclasses."""
    name = f"standard_{path.relative_to(ROOT).with_suffix('').as_posix().replace('/', '_')}"
    if name not in sys.modules:
        source = path.read_text(encoding="utf-8").replace(IMPORT, "from dataclasses import")
        module = ModuleType(name)
        sys.modules[name] = module  # where dataclasses looks up what an annotation means
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
    found: type[Any] = getattr(sys.modules[name], cls.__name__)
    return found


def shown(value: object) -> str:
    """*value* as text, without its address and the name that its module has here."""
    text = re.sub(r" at 0x\w+", "", str(value))
    return re.sub(r"standard_(\w+?)(?=\.[A-Z])", lambda match: match[1].replace("_", "."), text)


def described(cls: type[Any]) -> dict[str, Any]:
    """All that a dataclass tells of itself."""
    names = ("name", "type", "default", "init", "repr", "compare", "kw_only", "metadata")
    return {
        "fields": [{name: shown(getattr(one, name)) for name in names} for one in dataclasses.fields(cls)],
        "factories": [one.default_factory is dataclasses.MISSING for one in dataclasses.fields(cls)],
        "signature": None if cls.__new__ is not object.__new__ else shown(inspect.signature(cls)),
        "slots": vars(cls)["__slots__"],
        "match": cls.__match_args__,
        "is_hashable": cls.__hash__ is not None,
        "compares": cls.__eq__ is not object.__eq__,
        "shows": cls.__repr__ is not object.__repr__,
        "frozen": cls.__setattr__ is not object.__setattr__,
        "size": cls.__basicsize__,
    }


@pytest.mark.parametrize("path", USERS, ids=[path.relative_to(ROOT / "tract").as_posix() for path in USERS])
def test_every_dataclass_of_tract_is_what_the_standard_library_makes_of_it(path):
    declared = [one for one in classes_in(path) if "__dataclass_fields__" in vars(one)]

    for cls in declared:
        assert described(standard_of(cls, path)) == described(cls)


def test_no_other_module_takes_the_standard_librarys():
    found = {
        path.relative_to(ROOT / "tract").as_posix()
        for path in (ROOT / "tract").rglob("*.py")
        if re.search("^(from|import) dataclasses", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert set() == {place for place in found if not any(fnmatch(place, one) for one in OF_THE_STANDARD_LIBRARY)}


def test_a_value_is_made_compared_and_shown():
    one, same, other = Point(1, 2, names=["a"]), Point(x=1, y=2, names=["b"]), Point(1)

    assert (1, 2, ["a"], "h", "cm") == (one.x, one.y, one.names, one.hidden, one.unit)
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != (1, 2)
    assert Dot(x=1, color="red") != Point(1, 7)
    assert "Point(x=1, y=2, names=['a'])" == repr(one)
    assert "Dot(x=3, y=7, names=[], color='red')" == repr(Dot(x=3, color="red"))


def test_the_first_values_of_a_class_are_as_the_later_ones():
    @values.dataclass(frozen=True, slots=True)
    class Fresh(Point):
        parts: tuple[int, ...] = values.field(init=False)
        more: dict[str, int] = values.field(default_factory=dict)
        last: int = 9

        def __post_init__(self) -> None:
            object.__setattr__(self, "parts", (self.x, self.y))

    made = [Fresh(1, more={"a": number}, hidden="no") for number in range(3 * values._FILLED)]

    assert [((1, 0), {"a": number}, "no", [], 9) for number in range(len(made))] == [
        (one.parts, one.more, one.hidden, one.names, one.last) for one in made
    ]
    assert made[0].names is not made[1].names


@pytest.mark.parametrize("arguments", [((), {}), ((1, 2, 3), {}), ((1,), {"x": 1}), ((1,), {"z": 1})])
def test_the_first_value_of_a_class_is_refused_as_a_later_one(arguments):
    given, named = arguments
    fresh = [values.dataclass(slots=True)(type("Fresh", (), {"__annotations__": {"x": int, "y": int}, "y": 0})) for _ in range(2)]  # fmt: skip
    for _ in range(2 * values._FILLED):
        fresh[1](1)

    said = set()
    for cls in fresh:
        with pytest.raises(TypeError) as caught:
            cls(*given, **named)
        said.add(str(caught.value))

    assert 1 == len(said)


def test_a_field_without_a_default_behind_one_that_has_one_is_refused():
    wrong = values.dataclass(slots=True)(type("Wrong", (), {"__annotations__": {"x": int, "y": int}, "x": 0}))

    with pytest.raises(TypeError, match="a field of 'Wrong' that has no default follows one that has"):
        wrong(1)


def test_a_default_that_is_made_is_made_for_each_value():
    one, other = Point(1), Point(1)

    one.names.append("a")

    assert [] == other.names


def test_what_is_checked_after_a_value_is_made_is_checked_in_the_first_and_in_a_subclass():
    for make in (lambda: Point(-1), lambda: Dot(x=-1, color="")):
        with pytest.raises(ValueError, match="x"):
            make()


@pytest.mark.parametrize("arguments", [((), {}), ((1, 2, 3), {}), ((1,), {"x": 1}), ((1,), {"z": 1}), ((1, 2, []), {})])
def test_wrong_arguments_are_refused_in_the_words_of_the_standard_library(arguments):
    given, named = arguments
    twin = dataclasses.make_dataclass("Point", ["x", ("y", int, 0), ("names", list, dataclasses.field(default_factory=list, kw_only=True)), ("hidden", str, dataclasses.field(default="h", kw_only=True))])  # fmt: skip

    with pytest.raises(TypeError) as ours:
        Point(*given, **named)
    with pytest.raises(TypeError) as theirs:
        twin(*given, **named)

    assert str(theirs.value) == str(ours.value)


def test_a_frozen_value_stays_as_it_is_and_one_that_is_not_changes():
    point, counter = Point(1), Counter()

    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        point.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'new'"):
        point.new = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'x'"):
        del point.x
    counter.count = 3

    assert 1 == point.x
    assert Counter(3) == counter
    with pytest.raises(TypeError):
        hash(counter)
    with pytest.raises(AttributeError):
        counter.new = 1


def test_a_value_that_holds_itself_can_be_shown():
    counter = Counter()
    counter.others.append(counter)

    assert "Counter(count=0, others=[...])" == repr(counter)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one)), values.replace, dataclasses.replace], ids=["copy", "deepcopy", "pickle", "replace", "their replace"])  # fmt: skip
@pytest.mark.parametrize("value", [Point(1, names=["a"]), Dot(x=1, color="red"), Counter(2, [3])], ids=repr)
def test_a_value_can_be_made_again(value, again):
    assert value == again(value)
    assert type(value) is type(again(value))


def test_a_field_is_replaced_and_what_is_no_argument_is_not():
    assert Point(1, 5, names=["a"]) == values.replace(Point(1, names=["a"]), y=5)
    assert Point(1, 5) == dataclasses.replace(Point(1), y=5)
    with pytest.raises(TypeError, match="new"):
        values.replace(Point(1), new=1)


def test_the_standard_library_takes_them_as_its_own():
    assert dataclasses.is_dataclass(Point)
    assert {"x": 1, "y": 0, "names": [], "hidden": "h"} == dataclasses.asdict(Point(1))
    assert [one.name for one in dataclasses.fields(Dot)] == [one.name for one in values.fields(Dot)]

    @dataclasses.dataclass(frozen=True)
    class Deep(Point):
        z: int = 1

    assert Deep(1, z=3).z == 3
    assert ["x", "y", "names", "hidden", "z"] == [one.name for one in values.fields(Deep)]
    assert values.replace(Deep(1), z=3) == Deep(1, z=3)


def test_a_subclass_may_have_attributes_and_a_constructor_of_its_own():
    class Named(Point):
        def __init__(self, name: str) -> None:
            super().__init__(1)
            self.name = name

    assert "a" == Named("a").name
    assert ["name"] == list(inspect.signature(Named).parameters)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Named("a").x = 3


def test_a_subclass_that_says_nothing_of_its_own_is_called_as_the_class_is():
    class Same(Point):
        pass

    assert inspect.signature(Point) == inspect.signature(Same)


def test_a_value_is_matched_by_its_place():
    match Point(1, 2):
        case Point(x, y):
            assert (1, 2) == (x, y)


def test_what_is_no_dataclass_has_no_fields():
    assert not values.is_dataclass(3)
    with pytest.raises(TypeError, match="3 is no dataclass"):
        values.fields(3)


def test_nothing_of_the_standard_library_is_loaded_to_declare_and_to_use_one():
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tract.dataclass import *; from tract.dataclass import dataclass, field, replace\n"
    program += "A = dataclass(frozen=True, slots=True)(type('A', (), {'__annotations__': {'x': 'int'}}))\n"
    program += "assert replace(A(1), x=2) == A(2); {A(2)}; repr(A(2)); print('dataclasses' in sys.modules, 'inspect' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "False False" == done.stdout.strip()


def test_pydantic_takes_them_whatever_was_loaded_first():
    program = (
        "from tract import CommitInfo, MessageInfo, TokenUsage, TractConfig\n"
        "from pydantic import TypeAdapter\n"
        "print(TypeAdapter(TokenUsage).validate_python({'input_tokens': 3, 'output_tokens': 4}).input_tokens)\n"
        "for cls in (CommitInfo, MessageInfo, TractConfig):\n    TypeAdapter(cls)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("3\n", "")
