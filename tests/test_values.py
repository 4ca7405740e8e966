"""How values are made: a wide one says at every place which argument is which."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
NODES = {
    path.relative_to(ROOT / "tract").as_posix(): [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef | ast.ImportFrom | ast.Call)
    ]
    for path in sorted((ROOT / "tract").rglob("*.py"))
}
"""What the modules define, import and call, by their paths in the package."""

WIDE = 6
"""A value with more fields than this takes most of them by name."""

POSITIONAL = 4
"""So many of a wide value's fields may go by their place."""

# A named tuple cannot refuse arguments by their place, and these rows have the order that the format gives them.
ROWS = frozenset({"FrameRow", "NoteEvent", "KeyRun"})
DECODERS = frozenset({"objects/strict_reader.py"})

# Loops over the commits of a batch, where names cost more than they tell.
LOOPS = {"history/commit.py": "Commit", "transaction.py": "Commit"}


class Wide(NamedTuple):
    """A class of more than six fields, with how many of them its constructor takes by their place."""

    name: str
    place: str
    is_tuple: bool
    positional: int


def wide_values() -> list[Wide]:
    found = []
    for place, nodes in NODES.items():
        for node in nodes:
            if isinstance(node, ast.ClassDef):
                is_tuple = "NamedTuple" in map(ast.unparse, node.bases)
                marks = " ".join(map(ast.unparse, node.decorator_list))
                kinds = [ast.unparse(one.annotation) for one in node.body if isinstance(one, ast.AnnAssign)]
                if (is_tuple or "dataclass" in marks) and len(kinds) - kinds.count("KW_ONLY") > WIDE:
                    positional = kinds.index("KW_ONLY") if "KW_ONLY" in kinds else len(kinds)
                    found.append(Wide(node.name, place, is_tuple, 0 if "kw_only=True" in marks else positional))
    return found


def test_a_dataclass_of_more_than_six_fields_takes_most_of_them_by_name() -> None:
    loose = [one for one in wide_values() if not one.is_tuple and one.positional > POSITIONAL]

    assert [] == loose


def names_in(place: str, wide: list[Wide]) -> set[str]:
    """The names by which a module has the named tuples *wide*."""
    found = {one.name for one in wide if one.place == place}
    for node in NODES[place]:
        if isinstance(node, ast.ImportFrom):
            module = (node.module or "").removeprefix("tract.").replace(".", "/") + ".py"
            found |= {a.asname or a.name for a in node.names for one in wide if one[:2] == (a.name, module)}
    return found


def is_made_by_place(call: ast.Call, names: set[str]) -> bool:
    """Whether *call* makes one of the values *names*, and a reader has to count its arguments."""
    is_one = isinstance(call.func, ast.Name) and call.func.id in names
    return is_one and (len(call.args) > POSITIONAL or any(isinstance(one, ast.Starred) for one in call.args))


def test_a_named_tuple_of_more_than_six_fields_is_made_by_name_unless_it_is_a_row_of_the_format() -> None:
    wide = [one for one in wide_values() if one.is_tuple and one.name not in ROWS]

    loose = []
    for place in NODES.keys() - DECODERS:
        names = names_in(place, wide) - {LOOPS.get(place)}
        calls = [node for node in NODES[place] if isinstance(node, ast.Call)]
        loose += [f"{place}:{call.lineno}" for call in calls if is_made_by_place(call, names)]

    assert wide
    assert [] == loose
