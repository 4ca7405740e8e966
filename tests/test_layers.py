"""The one structural rule: a module imports only from its own package or from a lower line."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINES = (
    ("annotations",),
    ("dataclass", "escape", "named_tuple"),
    ("errors",),
    ("arguments", "events"),
    ("objects",),
    ("messages",),
    ("storage",),
    ("refs",),
    ("config",),
    ("settings",),
    ("repo",),
    ("reflog",),
    ("tree",),
    ("revision",),
    ("transaction",),
    ("opening",),
    ("history",),
    ("tokens", "llm"),
    ("compile",),
    ("report",),
    ("writing",),
    ("curation", "maintenance"),
    ("agents", "remote", "adapters"),
    ("api",),
    ("cli", "viewer"),
    ("__main__",),
)
LEVEL = {name: level for level, names in enumerate(LINES) for name in names}
MODULES = sorted((ROOT / "tract").rglob("*.py"))


def package_of(path: Path) -> str:
    return path.relative_to(ROOT / "tract").with_suffix("").parts[0]


def imports_of(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.append(node.module or "")
    return [name for name in found if name.split(".")[0] == "tract"]


@pytest.mark.parametrize("path", [p for p in MODULES if package_of(p) != "__init__"], ids=lambda p: str(p.name))
def test_a_module_imports_only_from_its_own_package_or_below(path: Path) -> None:
    own = package_of(path)
    for name in imports_of(path):
        other = [*name.split("."), "__init__"][1]
        if other in (own, "__init__"):
            continue
        assert LEVEL[other] < LEVEL[own], f"{path.relative_to(ROOT)} imports {name}, which is not below it"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.name))
def test_a_module_imports_the_named_tuples_of_tract(path: Path) -> None:
    if path.name == "named_tuple.py":
        return
    theirs = {alias.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom) and node.module == "typing" for alias in node.names}  # fmt: skip

    assert "NamedTuple" not in theirs, f"{path.relative_to(ROOT)}: tract.named_tuple's cost a fifth (decision 43)"


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def top_level_imports(path: Path) -> set[str]:
    """The modules of tract that are imported when *path* is."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tract."):
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def test_no_modules_import_each_other_in_a_circle() -> None:
    names = {module_name(path): path for path in MODULES}
    graph = {name: {n for n in top_level_imports(path) if n in names and n != name} for name, path in names.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"import cycle: {' -> '.join((*trail, name))}"
        if name not in done:
            for other in graph[name]:
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_only_storage_and_refs_touch_files() -> None:
    touching = ("os.open", "os.write", "os.rename", "os.replace", "os.unlink", "shutil", "fcntl")
    allowed = {"storage", "refs", "cli", "adapters"}  # the command line and the importers read their users' files
    for path in MODULES:
        if package_of(path) in allowed:
            continue
        text = path.read_text(encoding="utf-8")
        for call in touching:
            assert call + "(" not in text, f"{path.relative_to(ROOT)} calls {call}"


def test_only_the_command_line_prints() -> None:
    for path in MODULES:
        if package_of(path) == "cli":
            continue
        calls = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
        assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"], path


def test_json_is_read_in_one_place() -> None:
    readers = ("json.loads", "json.load", "JSONDecoder")
    allowed = {
        "objects/json.py": "the place",
        "adapters/hooks/splicing.py": "finds where the members of a file of settings stand, and takes no value",
    }
    found = {
        path.relative_to(ROOT / "tract").as_posix()
        for path in MODULES
        if any(call + "(" in path.read_text(encoding="utf-8") for call in readers)
    }

    assert set(allowed) == found


# All that takes the lock of the store, or moves refs, beside a transaction.
BESIDE_TRANSACTIONS = {
    "refs/operations.py": "the lock and the update that a transaction uses",
    "maintenance/gc/plan.py": "looks at the store while nobody writes to it",
    "maintenance/gc/collect.py": "makes room on a full disk, pack by pack",
    "maintenance/gc/run.py": "puts a new journal and new packs in the place of the old ones; its moves of refs are transactions",
    "maintenance/stream/load.py": "the objects of a whole store land as files before its operation, under the same lock",
    "cli/plumbing/ref_transaction.py": "between prepare and commit the lock is its user's, as in git; the moves are a transaction",
}


def is_call_beside_transactions(call: ast.Call) -> bool:
    """Whether *call* takes a store's lock or updates its refs: ``repo.refs.lock()``, ``store.lock()``, ``self._repo.refs.update(…)``."""
    if not isinstance(call.func, ast.Attribute):
        return False
    owner = ast.unparse(call.func.value)
    if call.func.attr == "lock":
        return not call.args
    return call.func.attr == "update" and (owner.endswith(".refs") and "repo" in owner)


def test_history_changes_only_by_a_transaction() -> None:
    found = set()
    for path in MODULES:
        place = path.relative_to(ROOT / "tract").as_posix()
        if package_of(path) == "storage" or place == "transaction.py":
            continue
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        if any(map(is_call_beside_transactions, calls)):
            found.add(place)

    assert set(BESIDE_TRANSACTIONS) == found


# Rooms whose files are named after something else than what is done in them: a command, or another tool's format.
NAMED_AFTER = ("cli/porcelain", "cli/plumbing", "adapters/exporting", "adapters/transcripts/readers")

# Files of one name in several rooms: what they have in common.
SHARED_NAMES = {
    "acting": "actions: carried out, and decided about",
    "archive": "branches put aside",
    "collapse": "a child's work taken into its parent",
    "collect": "gc, and the policy that runs it",
    "content": "the kinds of content",
    "counts": "the tokens of every blob",
    "diff": "what differs between two contexts",
    "journal": "the file of the newest objects, read and examined",
    "land": "the step of a curation that commits",
    "looking": "what changes nothing",
    "notes": "notes, in a history and a remote",
    "opening": "how a store is opened",
    "pack": "the files of packed objects, read and examined",
    "plan": "the step that only looks",
    "proposals": "actions that wait for approval",
    "reflog": "where refs were",
    "refs": "which refs there are",
    "result": "what came of it, as callers see it",
    "shallow": "history that was cut",
    "spawn": "a tract made of another",
    "store": "what is kept, under way or for good",
    "torn_pairs": "tool calls without their results",
    "tracts": "the tracts of a store",
    "under_way": "commands under way",
    "workspace": "what a command works with",
}


def test_files_of_one_name_are_about_one_thing() -> None:
    rooms = [path.relative_to(ROOT / "tract") for path in MODULES if path.name != "__init__.py"]
    counts = Counter(place.stem for place in rooms if not place.as_posix().startswith(NAMED_AFTER))

    assert SHARED_NAMES.keys() == {name for name, count in counts.items() if count > 1}


def test_the_classes_of_a_room_have_names_of_their_own() -> None:
    names: dict[str, Counter[str]] = {}
    for path in MODULES:
        room = path.relative_to(ROOT / "tract").parts
        # What an importer, a hook and an export have of a conversation is named alike: each of those folders is a room.
        place = "/".join(room[: 2 if room[0] == "adapters" else 1])
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = [node.name for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
        names.setdefault(place, Counter()).update(found)

    assert {} == {
        room: twice for room, found in names.items() if (twice := [n for n, count in found.items() if count > 1])
    }
