"""Ref files: the state of the refs for people to read, and a witness for repair.

A ref file is one line: value, durability, check.

    3fa9c1…e1 synced 1c2d3e4f
    ref:refs/heads/main synced 90ab12cd

The value is an id, or ``ref:`` and a ref's name; *durability* says whether the operation was ``synced`` before this line was written or only ``cached`` by the operating system; *check* is the first 4 bytes of the BLAKE3 of the ref's name, a zero byte and the line up to here.
The operations decide what a ref is; the line of a ref that is wrong or gone is written anew from them.
But a synced line that names a commit nobody has proves that an acknowledged operation was lost, and that is an error.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain

from blake3 import blake3

from tract.errors import BlobNotFoundError, ObjectCorruptError
from tract.objects.id import HEX_SIZE, parse_id
from tract.objects.model import RefChange, RefValue
from tract.refs.names import HEAD, ORIG_HEAD, TRACTS, ref_path, split_tract, tract_folder
from tract.refs.store import RefStore
from tract.storage import files
from tract.storage.shared_file import SharedFile
from tract.storage.store import Durability, ObjectStore

_SYMBOLIC = "ref:"
_DURABILITY = {"full": "synced", "process": "cached"}  # of one length, so that a line can be written over another
_MAX_LINE = 1024
_KNOWN = 16  # files that this handle writes over without a look at the folders on the way
_FEW = 64  # files that are synced one after the other
_SYNCS_AT_ONCE = 16
_NAME = "name"
"""The file in a tract's folder that has the whole of a long name, encoded."""


def format_line(name: str, value: RefValue, durability: Durability) -> bytes:
    """The line a ref file has."""
    shown = value.hex() if isinstance(value, bytes) else _SYMBOLIC + value
    text = f"{shown} {_DURABILITY[durability]}"
    return f"{text} {_check(name, text)}\n".encode()


def parse_line(name: str, data: bytes) -> tuple[RefValue, bool]:
    """The value in a ref file, and whether it was synced; ValueError for a line that was not written by tract."""
    try:
        text, check = data.decode().removesuffix("\n").rsplit(" ", 1)
        value, durability = text.rsplit(" ", 1)
    except ValueError:
        raise ValueError("it is not a line of value, durability and check") from None
    if check != _check(name, text) or not data.endswith(b"\n"):
        raise ValueError("it does not match its checksum")
    if value.startswith(_SYMBOLIC):
        return value.removeprefix(_SYMBOLIC), durability == "synced"
    id = parse_id(value)
    if id is None:
        raise ValueError("its value is neither an id nor a ref")
    return id, durability == "synced"


def _check(name: str, text: str) -> str:
    return blake3(f"{name}\0{text}".encode()).hexdigest(4)


class RefFiles:
    """The ref files under a store's folder."""

    def __init__(self, path: str, durability: Durability) -> None:
        self.path = path
        self._durability = durability
        self._known: dict[str, SharedFile] = {}

    def write(self, changes: Sequence[RefChange], *, sure: bool = True) -> None:
        """Show the new values; nothing is synced, for the operations can tell all of it again.

        *sure* says that the operations are on the disk, where this handle's durability brings them there.
        """
        for change in changes:
            if change.new is None:
                self._delete(change.name)
        folders: set[str] = set()
        for change in changes:
            if change.new is not None:
                self._write(change, self._durability if sure else "process", folders)

    def shows(self, change: RefChange) -> bool:
        """Whether the ref's file holds the change's new value, or there is none where the ref is gone."""
        found = self.read(change.name)
        return (None if found is None else found[0]) == change.new

    def write_first(self, refs: Sequence[tuple[str, RefValue]]) -> None:
        """The files of a new store's refs, each on the disk when this returns."""
        for name, value in refs:
            files.write_file(self.path_of(name), format_line(name, value, self._durability), sync=True)

    def _write(self, change: RefChange, durability: Durability, folders: set[str]) -> None:
        """Show one new value; *folders* are those that are there as they should, and gets those that this one needs."""
        name, old, value = change
        assert value is not None
        line = format_line(name, value, durability)
        # In place: a rename a commit would cost more than the commit. A torn line fails its check and is written anew.
        if isinstance(value, bytes) and old is not None and self._overwrite(name, line):
            return
        self._forget(name)
        path = self.path_of(name)
        folder = os.path.dirname(path)
        if folder not in folders:
            self._make_directories(name)
            folders.add(folder)
        if "refs/" in name and files.is_directory(path):
            files.remove_tree(path)  # of refs that were under this name and are gone: none can be beside this one
        files.write_file(path, line, sync=False)

    def _overwrite(self, name: str, line: bytes) -> bool:
        """Write over the file of a ref, if there is one with a line as long."""
        file = self._known.get(name)
        if file is not None:
            if file.overwrite(line):
                return True
            self._forget(name)
        try:
            self._check_folders(name)
            file = SharedFile(self.path_of(name), writable=True)
            is_written = file.overwrite(line)
        except OSError:
            return False
        if len(self._known) >= _KNOWN:
            self._forget(next(iter(self._known)))
        self._known[name] = file
        return is_written

    def _forget(self, name: str) -> None:
        file = self._known.pop(name, None)
        if file is not None:
            file.close()

    def _delete(self, name: str) -> None:
        self._forget(name)
        if not files.is_directory(self.path_of(name)):
            files.unlink(self.path_of(name))

    def path_of(self, name: str) -> str:
        return os.path.join(self.path, ref_path(name))

    def _make_directories(self, name: str) -> None:
        directory = self.path
        if name.startswith(TRACTS):
            make_tract_folder(self.path, split_tract(name)[0])
        folders = ref_path(name).split("/")[:-1]
        for number, part in enumerate(folders):
            directory = os.path.join(directory, part)
            if "refs" in folders[: max(0, number - 1)] and files.is_file(directory):
                files.unlink(directory)  # of a ref that is gone: a power cut undid its removal
            files.make_directory(directory)

    def _check_folders(self, name: str) -> None:
        """Refuse a symbolic link in the place of a folder on the way to *name*: opening a file looks at the last part only."""
        for at, char in enumerate(name):
            if char != "/":
                continue
            folder = self.path_of(name[:at])
            if not files.is_file(folder):  # a file is that of a ref that is gone: a power cut undid its removal
                files.check_directory(folder)

    def read(self, name: str) -> tuple[RefValue, bool] | None:
        """What the file of a ref says, or None when there is no file or its line is damaged."""
        if "refs/" in name and files.is_directory(self.path_of(name)):
            return None  # there were refs under this name
        try:
            self._check_folders(name)
            return parse_line(name, files.read_file(self.path_of(name), _MAX_LINE))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None

    def names(self) -> Iterator[str]:
        """Every ref that has a file."""
        for _, names in self.folders():
            yield from names

    def folders(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Every folder with ref files, with a slash at its end, and the refs whose files are in it: of the store, of its other tracts, and of their refs."""
        for top in ("", *tract_prefixes(self.path)):
            if not top or files.is_directory(self.path_of(top.removesuffix("/"))):
                yield top, [top + name for name in (HEAD, ORIG_HEAD) if files.is_there(self.path_of(top + name))]
                yield from self._folders_under(f"{top}refs/")

    def _folders_under(self, folder: str) -> Iterator[tuple[str, Sequence[str]]]:
        if files.is_directory(self.path_of(folder.removesuffix("/"))):
            names = [folder + entry for entry in files.list_directory(self.path_of(folder))]
            under = {name for name in names if os.path.isdir(self.path_of(name))}
            yield folder, [name for name in names if name not in under and not name.startswith(f"{folder}.")]
            for name in sorted(under):
                yield from self._folders_under(f"{name}/")

    def check_against(self, store: ObjectStore, names: Sequence[str] | None = None) -> None:
        """Raise when a synced line names a commit the store does not have: an acknowledged operation is gone."""
        for name in self.names() if names is None else names:
            found = self.read(name)
            if found is None:
                continue
            value, synced = found
            if synced and isinstance(value, bytes) and not store.contains(value):
                raise ObjectCorruptError(
                    self.path_of(name),
                    f"it names commit {value.hex()}, which the store does not have; the end of the journal was lost",
                )

    def check_held(self, refs: RefStore, names: Sequence[str]) -> None:
        """Raise when a synced line holds what the ref never held: an acknowledged operation is gone.

        A value it held earlier is only a line that a killed process did not get to write.
        """
        unheard: dict[str, RefValue] = {}
        for name in names:
            found = self.read(name)
            if found is not None and found[1] and found[0] != refs.read(name):
                unheard[name] = found[0]
        if unheard:
            refs.refresh()  # the line may have been written since the refs were last looked at
            unheard = {name: value for name, value in unheard.items() if refs.read(name) != value}
        for _, operation in refs.history() if unheard else ():
            for change in operation.changes:
                if unheard.get(change.name) in (change.new, change.old):
                    unheard.pop(change.name, None)
            if not unheard:
                return
        for name, value in unheard.items():
            held = value.hex() if isinstance(value, bytes) else value
            raise ObjectCorruptError(
                self.path_of(name), f"it holds {held}, which no operation says; the end of the journal was lost"
            )

    def close(self) -> None:
        for name in list(self._known):
            self._forget(name)


class RefFileSync:
    """Brings all ref files of the store in *path* to the disk, before gc forgets operations.

    A ref file is not synced when it is written, because the operations can tell what it held, and what it held before.
    Once gc has dropped operations, an old ref file that a power cut brings back would look like evidence of a lost operation.
    """

    def __init__(self, path: str, refs: RefStore) -> None:
        """Sync the files as they are now; takes its time and needs no lock."""
        self._shown = RefFiles(path, "full")
        self._refs = refs
        folders = dict(self._shown.folders())
        names = list(chain.from_iterable(folders.values()))
        self._sync(names, folders)
        lines = ((name, self._shown.read(name)) for name in names)
        # A power cut brought an old line back, or the file of a ref that is gone.
        self._behind = [name for name, line in lines if line is not None and line[0] != refs.read(name)]

    def finish(self, objects: ObjectStore, names: Sequence[str]) -> None:
        """Write and sync what is behind, and sync the files of the refs *names*; only for the holder of the lock.

        A file that is evidence of a lost operation stays, for fsck.
        """
        for name in self._behind:
            line, value = self._shown.read(name), self._refs.read(name)
            if line is not None and line[0] != value:
                with suppress(ObjectCorruptError, BlobNotFoundError):
                    self._shown.check_against(objects, [name])
                    self._shown.check_held(self._refs, [name])
                    self._shown.write([RefChange(name, None, value)])
        self._shown.close()
        found = [*self._behind, *names]
        self._sync(found, [name[: name.rfind("/") + 1] for name in found])

    def _sync(self, names: Sequence[str], folders: Iterable[str]) -> None:
        _at_once(_sync_file, map(self._shown.path_of, names))
        _at_once(_sync_folder, map(self._shown.path_of, dict.fromkeys(folders)))


def _sync_file(path: str) -> None:
    if files.is_file(path):
        with suppress(FileNotFoundError):  # deleted since
            files.sync_file(path)


def _sync_folder(path: str) -> None:
    if files.is_directory(path.removesuffix("/")):
        files.sync_directory(path)


def _at_once(sync: Callable[[str], None], paths: Iterable[str]) -> None:
    """*sync* each of *paths*, many of them together: a disk that is asked to bring all to rest for one does it for all that wait."""
    found = [*paths]
    if len(found) >= _FEW:
        with suppress(RuntimeError):  # no thread can be begun: Python ends, or the system has no more of them
            from concurrent.futures import ThreadPoolExecutor  # it takes longer to load than few files to sync

            with ThreadPoolExecutor(_SYNCS_AT_ONCE) as pool:
                for _ in pool.map(sync, found):
                    pass
            return
    for path in found:
        sync(path)


def make_tract_folder(path: str, prefix: str) -> str:
    """Make the folder of the tract whose refs begin with *prefix*, in the store *path*, if there is none; where it is."""
    folder = os.path.join(path, ref_path(prefix).rstrip("/"))
    for one in (os.path.dirname(folder), folder):
        files.make_directory(one)
    part = prefix.removeprefix(TRACTS).rstrip("/")
    if tract_folder(part) != part and not files.is_there(os.path.join(folder, _NAME)):
        files.write_file(os.path.join(folder, _NAME), part.encode(), sync=False)
    return folder


def tract_prefixes(path: str) -> Iterator[str]:
    """The prefixes of the tracts that have a folder in the store *path*, whether there is such a tract or not."""
    for folder in files.list_directory(os.path.join(path, TRACTS)):
        prefix = ref_at(path, f"{TRACTS}{folder}/")
        if prefix is not None:
            yield prefix


def ref_at(path: str, place: str) -> str | None:
    """The name of the ref whose file is at *place*, under the store's folder *path*; None where the folder of a long name does not tell it."""
    folder, _, local = place.removeprefix(TRACTS).partition("/")
    if not place.startswith(TRACTS) or "~" not in folder:
        return place
    try:
        part = files.read_file(os.path.join(path, TRACTS, folder, _NAME), _MAX_LINE).decode()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return None
    return f"{TRACTS}{part}/{local}" if tract_folder(part) == folder else None


assert len({len(word) for word in _DURABILITY.values()}) == 1
assert HEX_SIZE + 20 < _MAX_LINE
