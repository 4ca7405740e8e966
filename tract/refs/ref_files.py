"""Ref files: the state of the refs for people to read, and evidence for repair.

A ref file is one line: value, durability, check.

    3fa9c1…e1 synced 1c2d3e4f
    ref:refs/heads/main synced 90ab12cd

The value is an id, or ``ref:`` and a ref's name. *durability* says whether the operation was ``synced`` before this line was written, or only ``cached`` by the operating system. *check* is the first 4 bytes of the BLAKE3 of the ref's name, a zero byte and the line up to here.
The operations decide the value of a ref; a line that is wrong or missing is rewritten from them.
But a synced line that names a commit which the store lacks proves that an acknowledged operation was lost, and that is an error.
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
_DURABILITY = {"full": "synced", "process": "cached"}  # words of equal length, so that one line can overwrite another
_MAX_LINE = 1024
_KNOWN = 16  # files that this handle overwrites without checking the folders on the way
_FEW = 64  # up to this many files are synced one after another
_SYNCS_AT_ONCE = 16
_NAME = "name"
"""The file in a tract's folder that holds a long name's full part, encoded."""


def format_line(name: str, value: RefValue, durability: Durability) -> bytes:
    """The line of a ref file."""
    shown = value.hex() if isinstance(value, bytes) else _SYMBOLIC + value
    text = f"{shown} {_DURABILITY[durability]}"
    return f"{text} {_check(name, text)}\n".encode()


def parse_line(name: str, data: bytes) -> tuple[RefValue, bool]:
    """Return the value in a ref file, and whether it was synced; ValueError if tract did not write the line."""
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
        """Write the new values; nothing is synced, because the operations can restore all of it.

        *sure* says that the operations are on the disk, if this handle's durability brings them there.
        """
        for change in changes:
            if change.new is None:
                self._delete(change.name)
        folders: set[str] = set()
        for change in changes:
            if change.new is not None:
                self._write(change, self._durability if sure else "process", folders)

    def shows(self, change: RefChange) -> bool:
        """True if the ref's file holds the change's new value, or is missing and the change deletes the ref."""
        found = self.read(change.name)
        return (None if found is None else found[0]) == change.new

    def write_first(self, refs: Sequence[tuple[str, RefValue]]) -> None:
        """Write the files of a new store's refs; each is on the disk when this returns."""
        for name, value in refs:
            files.write_file(self.path_of(name), format_line(name, value, self._durability), sync=True)

    def _write(self, change: RefChange, durability: Durability, folders: set[str]) -> None:
        """Write one new value. *folders* are the folders already checked or made; those that this file needs are added."""
        name, old, value = change
        assert value is not None
        line = format_line(name, value, durability)
        # In place: a rename for each commit would cost more than the commit. A torn line fails its check and is rewritten.
        if isinstance(value, bytes) and old is not None and self._overwrite(name, line):
            return
        self._forget(name)
        path = self.path_of(name)
        folder = os.path.dirname(path)
        if folder not in folders:
            self._make_directories(name)
            folders.add(folder)
        if "refs/" in name and files.is_directory(path):
            files.remove_tree(path)  # deleted refs were under this name; a ref cannot exist beside refs below it
        files.write_file(path, line, sync=False)

    def _overwrite(self, name: str, line: bytes) -> bool:
        """Overwrite the file of a ref, if it has a line of the same length."""
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
                files.unlink(directory)  # the file of a deleted ref: a power cut undid its removal
            files.make_directory(directory)

    def _check_folders(self, name: str) -> None:
        """Raise if a folder on the way to *name* is a symbolic link: opening a file checks only the last part of its path."""
        for at, char in enumerate(name):
            if char != "/":
                continue
            folder = self.path_of(name[:at])
            if not files.is_file(folder):  # a file here belongs to a deleted ref: a power cut undid its removal
                files.check_directory(folder)

    def read(self, name: str) -> tuple[RefValue, bool] | None:
        """The value in a ref's file, and whether it was synced; None if there is no file or its line is damaged."""
        if "refs/" in name and files.is_directory(self.path_of(name)):
            return None  # refs below this name existed
        try:
            self._check_folders(name)
            return parse_line(name, files.read_file(self.path_of(name), _MAX_LINE))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None

    def names(self) -> Iterator[str]:
        """Yield every ref that has a file."""
        for _, names in self.folders():
            yield from names

    def folders(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield every folder that may hold ref files, with a slash at its end, and the refs whose files are in it: of the store, of its other tracts, and of their refs."""
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
        """Raise ObjectCorruptError if a synced line names a commit that the store does not have: an acknowledged operation is lost."""
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
        """Raise ObjectCorruptError if a synced line holds a value that the ref never held: an acknowledged operation is lost.

        An earlier value of the ref is no evidence: a killed process may not have got to write the newer one.
        """
        unheard: dict[str, RefValue] = {}
        for name in names:
            found = self.read(name)
            if found is not None and found[1] and found[0] != refs.read(name):
                unheard[name] = found[0]
        if unheard:
            refs.refresh()  # another process may have written the line since the refs were last read
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
    """Sync all ref files of the store in *path* to the disk, before gc forgets operations.

    A ref file is not synced when it is written, because the operations can tell its value and its earlier values.
    Once gc has dropped operations, an old ref file that a power cut brings back would look like evidence of a lost operation.
    """

    def __init__(self, path: str, refs: RefStore) -> None:
        """Sync the files as they are now; slow, and needs no lock."""
        self._shown = RefFiles(path, "full")
        self._refs = refs
        folders = dict(self._shown.folders())
        names = list(chain.from_iterable(folders.values()))
        self._sync(names, folders)
        lines = ((name, self._shown.read(name)) for name in names)
        # A power cut brought back an old line, or the file of a deleted ref.
        self._behind = [name for name, line in lines if line is not None and line[0] != refs.read(name)]

    def finish(self, objects: ObjectStore, names: Sequence[str]) -> None:
        """Rewrite and sync the files that are out of date, and sync the files of the refs *names*. Only for the holder of the lock.

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
        with suppress(FileNotFoundError):  # deleted meanwhile
            files.sync_file(path)


def _sync_folder(path: str) -> None:
    if files.is_directory(path.removesuffix("/")):
        files.sync_directory(path)


def _at_once(sync: Callable[[str], None], paths: Iterable[str]) -> None:
    """Call *sync* for each of *paths*, many at a time: a disk that flushes for one caller flushes for all that wait."""
    found = [*paths]
    if len(found) >= _FEW:
        with suppress(RuntimeError):  # no thread can be started: Python ends, or the system has no more
            from concurrent.futures import ThreadPoolExecutor  # it takes longer to load than few files to sync

            with ThreadPoolExecutor(_SYNCS_AT_ONCE) as pool:
                for _ in pool.map(sync, found):
                    pass
            return
    for path in found:
        sync(path)


def make_tract_folder(path: str, prefix: str) -> str:
    """Make the folder of the tract whose refs begin with *prefix*, in the store *path*, unless it exists; return its path."""
    folder = os.path.join(path, ref_path(prefix).rstrip("/"))
    for one in (os.path.dirname(folder), folder):
        files.make_directory(one)
    part = prefix.removeprefix(TRACTS).rstrip("/")
    if tract_folder(part) != part and not files.is_there(os.path.join(folder, _NAME)):
        files.write_file(os.path.join(folder, _NAME), part.encode(), sync=False)
    return folder


def tract_prefixes(path: str) -> Iterator[str]:
    """Yield the prefixes of the tracts that have a folder in the store *path*, whether the tract exists or not."""
    for folder in files.list_directory(os.path.join(path, TRACTS)):
        prefix = ref_at(path, f"{TRACTS}{folder}/")
        if prefix is not None:
            yield prefix


def ref_at(path: str, place: str) -> str | None:
    """The name of the ref whose file is at *place*, under the store's folder *path*; None if the folder of a long name does not give the name."""
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
